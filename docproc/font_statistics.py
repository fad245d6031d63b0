"""Tell from a whole document which of its fonts hold prose, code or mathematics."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from docproc.text_layer import read_glyphs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pymupdf

    from docproc.records import Glyph

# Pages looked at; 40 pages of a book take about 0.4 s.
_MAX_SAMPLED_PAGES = 40
# A font is prose if more than this share of its letters stands in runs of 4 or more (measured in a first try, see
# `font_statistics` in the benchmark of regions: the one signal worth most).
_TEXT_SHARE = 0.25
# Fewer letters than this say nothing.
_MIN_LETTERS = 12

# Families made for mathematics. Names are cut at about 24 characters by some producers, hence the short patterns.
_MATH_NAME = re.compile(
    r"^(CM(MI|SY|EX|BSY|MIB)|HFBR(MI|MB|SY|BS|AS)|MS[AB]M|EU(FM|FB|RM|RB|SM|SB|EX)|RSFS|rsfs|LMMath|LatinModernMath|TeXGyre\w*Math|NewCMMath"
    r"|PazoMath|Pazo-?Math|[rt]x(mi|sy|ex|bmi|bsy|bex)|t1?x(mi|sy|ex)|rtxmi|rpxmi|px(mi|sy|ex|bmi)|ntx(mi|sy|ex)|npx(mi|sy|ex)"
    r"|NewTXMI|NewPXMI|newtxmi|NTXMI|TXMI|txmia|zplm|zeu[rsf]|STIX\w*-?Math|STIXMath|STIXGeneral\w*Sym|STIXNonUni|STIXSiz|STIXInt"
    r"|XITSMath|XITS-?Math|Asana|Cambria-?Math|CambriaMath|Symbol(MT|Neu|PS)?\b|MathematicalPi|Fourier-Math|fut(mi|sy|ex)"
    r"|j?kp(mi|sy|ex)|Kp-?(Math|mi|sy|ex)|KpMath|Libertinus\w*Math|LibertinusMath|esint|stmary|bbold|BBOLD|dsrom|dsss|wasy|MnSymbol"
    r"|MTMI|MTSY|MTEX|MTExtra|MT-Extra|MTGU|MT2|yhcmex|yhmath|lasy|line10|mathx|mathb|mathabx|FiraMath|Fira-?Math|Garamond-?Math"
    r"|GaramondMath|Erewhon-?Math|ErewhonMath|Euler-?Math|GFSNeohellenicMath|mdugm\w*(mi|sy|ex)|md-?(utr|gmr)\w*math|antt(mi|sy|ex)"
    r"|\w+Math(MI|SY|EX|Ital|BMI|A|B|C|-|$)|LinLibertineM?Math|LibertineMath|xcmr|Concrete-?Math|boondox|BOONDOX|Boondox|tipa\b|pxsya|txsya|feymr|esvect)",
)
_MONO_NAME = re.compile(
    r"mono|courier|typewriter|cmtt|cmsltt|cmitt|ectt|sftt|lmtt|consol|inconsol|source ?code|txtt|pxtt|t1xtt|menlo|zi4"
    r"|luximono|beramono|dejavusansm|fira ?code|code ?pro|nimbusmon|cutive|anonymous|hack\b|lucidatyp|andale"
    r"|letter ?gothic",
    re.IGNORECASE,
)
_ROMAN_OF_MATH = re.compile(r"^(CM|LM|SF)(R|BX|Roman|RM)\w*\d")
LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}


class FontRole(StrEnum):
    """What a font is used for in a document."""

    TEXT = "text"
    CODE = "code"
    MATH = "math"


@dataclass(frozen=True, slots=True)
class FontStatistics:
    """What the fonts of one document are used for; small, so that it can go to every worker process."""

    roles: dict[str, FontRole]
    """Role of each font that was seen often enough."""
    word_shares: dict[str, float] = field(default_factory=dict)
    """Share of each font's letters that stand in runs of 4 or more."""
    body_font: str = ""
    """The font that holds most letters."""
    body_size_pt: float = 10.0
    lone_shares: dict[str, float] = field(default_factory=dict)
    """Share of each font's letters that stand alone."""

    def role(self, font: str) -> FontRole:
        """Role of `font`: from the document, else from its name."""
        known = self.roles.get(font)
        return known if known is not None else role_by_name(font) or FontRole.TEXT


def role_by_name(font: str) -> FontRole | None:
    """What the name of a font says of its use, if anything."""
    if _MATH_NAME.match(font):
        return FontRole.MATH
    if _MONO_NAME.search(font):
        return FontRole.CODE
    return None


def gather_font_statistics(document: pymupdf.Document, page_numbers: Sequence[int]) -> FontStatistics:
    """Count how the fonts of a document are used.

    Args:
        document: An open PDF.
        page_numbers: Pages of interest, from 1; at most 40 of them, evenly spread, are looked at. Broken ones are
            passed over: rendering them says what is wrong.
    """
    step = max(1, -(-len(page_numbers) // _MAX_SAMPLED_PAGES))
    pages = []
    for number in page_numbers[::step]:
        with contextlib.suppress(Exception):  # PyMuPDF raises half a dozen unrelated classes
            pages.append(read_glyphs(document[number - 1]))
    return count_fonts(pages)


def count_fonts(pages: Sequence[Sequence[Glyph]]) -> FontStatistics:
    """Work out the statistics from the glyphs of some pages (in the order of their content streams)."""
    letters: Counter[str] = Counter()
    in_words: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    sizes: Counter[tuple[str, float]] = Counter()
    advances: defaultdict[str, Counter[float]] = defaultdict(Counter)
    others: Counter[str] = Counter()
    proofs: Counter[str] = Counter()  # letters of mathematical alphabets and signs of mathematics
    for glyphs in pages:
        run: list[Glyph] = []
        for glyph in [*glyphs, None]:
            if glyph is not None and run and _follows(run[-1], glyph):
                run.append(glyph)
                continue
            if run:
                n = sum(len(LIGATURES.get(g.text, g.text)) for g in run)
                font = run[0].font
                letters[font] += n
                if n >= 4:
                    in_words[font] += n
                elif n == 1:
                    alone[font] += 1
                sizes[font, round(run[0].size_pt, 1)] += n
                if n >= 3:
                    for a, b in pairwise(run):
                        advances[font][round((b.origin[0] - a.origin[0]) / a.size_pt, 2)] += 1
            run = [glyph] if glyph is not None and _is_letter(glyph) else []
            if glyph is not None and not run and not glyph.text.isspace():
                others[glyph.font] += 1
                proofs[glyph.font] += _proves_math(glyph.text)
    roles: dict[str, FontRole] = {}
    for font in {*letters, *others}:
        by_name = role_by_name(font)
        steps = advances[font]
        n_steps = sum(steps.values())
        n, n_words = letters[font], in_words[font]
        if by_name is FontRole.CODE or (n_steps >= 20 and _mode_share(steps) > 0.95):
            roles[font] = FontRole.CODE
        elif (by_name is FontRole.MATH and n_words < 0.6 * max(n, 1)) or (proofs[font] >= 2 and proofs[font] > 0.5 * n):
            roles[font] = FontRole.MATH
        elif n >= _MIN_LETTERS and n_words > _TEXT_SHARE * n:
            roles[font] = FontRole.TEXT
        elif n >= _MIN_LETTERS:
            # A text font that mathematics borrows its letters from is judged letter by letter.
            is_shared = n_words >= 8 and _ROMAN_OF_MATH.match(font) is None
            roles[font] = FontRole.TEXT if is_shared else FontRole.MATH
    shares = {font: in_words[font] / n for font, n in letters.items() if n >= 4}
    lone_shares = {font: alone[font] / n for font, n in letters.items() if n >= 4}
    prose = [(n, font, size) for (font, size), n in sizes.items() if roles.get(font) is FontRole.TEXT]
    if not prose:
        return FontStatistics(roles, shares, lone_shares=lone_shares)
    _, body_font, body_size = max(prose)
    for font in {*letters, *others}:
        if role_by_name(font) is None and letters[font] < 40 and roles.get(font) is not FontRole.TEXT:
            # A cut of the body's family used for a few labels is still prose; Computer Modern beside another family
            # holds digits and operators of formulas.
            is_word_of_body = shares.get(font, 0.0) > _TEXT_SHARE and _ROMAN_OF_MATH.match(body_font) is not None
            if _same_family(font, body_font) or is_word_of_body:
                roles[font] = FontRole.TEXT
            elif font not in roles and _ROMAN_OF_MATH.match(font):
                roles[font] = FontRole.MATH
    return FontStatistics(roles, shares, body_font, body_size, lone_shares)


def _proves_math(text: str) -> bool:
    return "\U0001d400" <= text <= "\U0001d7ff" or (text not in "+<=>|~^" and unicodedata.category(text[0]) == "Sm")


def _is_letter(glyph: Glyph) -> bool:
    return glyph.text in LIGATURES or (glyph.text.isalpha() and glyph.text < "\u2100")


def _follows(left: Glyph, right: Glyph) -> bool:
    """Whether `right` goes on the word that `left` ends."""
    return (
        right.font == left.font
        and _is_letter(right)
        and abs(right.origin[1] - left.origin[1]) < 0.05 * left.size_pt
        and -0.1 * left.size_pt < right.origin[0] - left.box.x1 < 0.25 * left.size_pt
    )


def _mode_share(counts: Counter[float]) -> float:
    value, _ = counts.most_common(1)[0]
    near = sum(n for step, n in counts.items() if abs(step - value) <= 0.011)
    return near / sum(counts.values())


def _same_family(font: str, other: str) -> bool:
    stem = re.split(r"[-\d,]", other)[0]
    return bool(stem) and font.startswith(stem)
