"""Tell apart by their names the glyphs that a PDF gives no Unicode for: big operators, tall brackets, rare signs."""

from __future__ import annotations

import re

import pymupdf

UNKNOWN = "\ufffd"
# Office programs write the codes of the font Symbol as private characters from U+F000 on. Here from 0x20 and from 0xA0;
# a blank stands where there is no character.
_SYMBOL_LOW = (
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_ αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
)
_SYMBOL_HIGH = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…|—↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑(((\x5b[[{{{{ ⟩∫⌠⌡⌡)))]]]}}} "
SYMBOL_ENCODING = {0x20 + i: char for i, char in enumerate(_SYMBOL_LOW)} | {
    0xA0 + i: char for i, char in enumerate(_SYMBOL_HIGH)
}
"""Unicode of the codes of the font Symbol (Adobe's Symbol encoding)."""

# Stems of glyph names in the extension and symbol fonts of TeX (cmex, lmex, txex, pxex, euex, stix...).
_STEMS = {
    "parenleft": "(", "parenright": ")", "bracketleft": "[", "bracketright": "]", "braceleft": "{", "braceright": "}",
    "floorleft": "⌊", "floorright": "⌋", "ceilingleft": "⌈", "ceilingright": "⌉", "angbracketleft": "⟨",
    "angbracketright": "⟩", "angleleft": "⟨", "angleright": "⟩", "radical": "√", "summation": "∑", "product": "∏",
    "coproduct": "∐", "integral": "∫", "contintegral": "∮", "union": "⋃", "intersection": "⋂", "logicaland": "⋀",
    "logicalor": "⋁", "circleplus": "⨁", "circlemultiply": "⨂", "circledot": "⨀", "unionmulti": "⨄", "unionsq": "⨆",
    "hat": "\u0302", "hatwide": "\u0302", "tilde": "\u0303", "tildewide": "\u0303", "slash": "/", "backslash": "\\",
    "bar": "|", "vextendsingle": "|", "vextenddouble": "‖", "arrowvertex": "|", "arrowdblvertex": "‖", "arrowup": "↑",
    "arrowdown": "↓", "arrowdblup": "⇑", "arrowdbldown": "⇓", "bracehtip": "⏞", "bracehext": "⏞", "barex": "|",
    "bardblex": "‖", "nequal": "≠", "vec": "\u20d7", "colonequal": "≔", "simequal": "≃", "nelement": "∉",
    "mapstochar": "↦", "parallelshort": "∥", "epsilon1": "ϵ", "rho1": "ϱ",
    "sigma1": "ς", "theta1": "ϑ", "phi1": "ϕ", "pi1": "ϖ", "omega1": "ϖ", "ell": "ℓ", "dotlessi": "ı", "dotlessj": "ȷ",
    "vector": "\u20d7", "tie": "\u0361", "perpendicular": "⊥", "similarequal": "≃", "negationslash": "\u0338",
    "mapsto": "\u21a6", "lscript": "ℓ", "weierstrass": "℘", "triangleinv": "▽", "nabla": "∇",
    "star": "⋆", "square": "□",
    "precedesequal": "⪯", "followsequal": "⪰", "precedes": "≺", "follows": "≻", "lessmuch": "≪", "greatermuch": "≫",
    "turnstileleft": "⊢", "turnstileright": "⊣", "latticetop": "⊤", "wreathproduct": "≀", "diamondmath": "⋄",
    "asteriskmath": "∗", "circlecopyrt": "⃝", "openbullet": "◦", "equivasymptotic": "≍", "arrownortheast": "↗",
    "arrowsoutheast": "↘", "arrownorthwest": "↖", "arrowsouthwest": "↙", "harpoonleftup": "↼", "harpoonleftdown": "↽",
    "harpoonrightup": "⇀", "harpoonrightdown": "⇁", "subsetsqequal": "⊑", "supersetsqequal": "⊒", "owner": "∋",
    "epsiloninv": "ϵ", "hyphenchar": "-", "prime": "′", "primereverse": "‵",
}  # fmt: skip
_BRACKETS = [stem for stem in _STEMS if stem.endswith(("left", "right")) and not stem.startswith("arrow")]
_PIECE = re.compile(
    r"(tp|bt|mid|ex|left|right|big|Big|bigg|Bigg|text|display|wide|wider|widest|low|\d+|vertical|\.\w+|\w?[sv]\d)+$"
)


def name_unknown_glyphs(page: pymupdf.Page) -> dict[tuple[int, int], str]:
    """Unicode for the glyphs of a page that have none, as far as the embedded fonts name them.

    Args:
        page: A page with at least one U+FFFD; running its content a second time costs about 15 ms.

    Returns:
        Character for each place: origin in tenths of a point, before the page's rotation.
    """
    found: dict[tuple[int, int], str] = {}
    wanted: list[tuple[str, int, float, float]] = []
    rotation = page.rotation
    if rotation:
        page.set_rotation(0)
    try:
        for span in page.get_texttrace():
            font = span["font"].split("+", 1)[-1]
            wanted.extend((font, gid, x, y) for code, gid, (x, y), _ in span["chars"] if code < 0x20 or code == 0xFFFD)
    finally:
        if rotation:
            page.set_rotation(rotation)
    known = _read_names(page, {(font, gid) for font, gid, _, _ in wanted})
    for font, gid, x, y in wanted:
        character = known.get((font, gid), "")
        if character:
            found[round(x * 10), round(y * 10)] = character
    return found


def _read_names(page: pymupdf.Page, missing: set[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Look up glyph numbers in the embedded fonts (half a millisecond a font)."""
    known = dict.fromkeys(missing, "")
    for xref, _, _, base_font, *_ in page.get_fonts(full=True):
        base = base_font.split("+", 1)[-1]
        numbers = [(font, gid) for font, gid in missing if base.startswith(font) and not known[font, gid]]
        if not numbers:
            continue
        buffer = page.parent.extract_font(xref)[3]
        if not buffer:
            continue
        try:
            font = pymupdf.Font(fontbuffer=buffer)
            for key in numbers:
                known[key] = unicode_of_name(pymupdf.mupdf.fz_get_glyph_name2(font.this, key[1]))
        except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
            continue  # a broken font: its glyphs stay unknown
    return known


def unicode_of_name(name: str) -> str:
    """Unicode for a glyph name of a TeX font; empty if unknown."""
    if name in _STEMS:
        return _STEMS[name]
    if match := re.fullmatch(r"uni([0-9A-F]{4})(\..*)?|u([0-9A-F]{5})(\..*)?", name):
        return chr(int(match[1] or match[3], 16))
    for prefix in _BRACKETS:
        if name.startswith(prefix):
            return _STEMS[prefix]
    stem = _PIECE.sub("", name)
    for candidate in (stem, *(stem[:end] for end in range(len(stem) - 1, 4, -1))):
        if candidate in _STEMS:
            return _STEMS[candidate]
    code = pymupdf.glyph_name_to_unicode(name) if hasattr(pymupdf, "glyph_name_to_unicode") else 0
    return chr(code) if code and code != 0xFFFD else ""
