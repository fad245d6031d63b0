"""MathML, as KaTeX writes it, as the Office Math Markup Language of Word: editable formulas, no pictures.

Source: ISO/IEC 29500-1, part 22 (shared mathematics); what Word needs beside it (empty `m:deg`, `&` as the alignment
mark of an equation array) is how Word itself writes such formulas.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from docproc.xml_text import xml_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_APPLY = "\u2061"
_NARY = frozenset("∑∏∐∫∬∭∮∯∰⋃⋂⋁⋀⨁⨂⨀⨄⨆")
_INTEGRALS = frozenset("∫∬∭∮∯∰")
_RELATIONS = frozenset("=<>≤≥≠≈≡∼≃≅→←↔⇒⇐⇔↦∈∉⊂⊆⊃⊇≪≫∝,;")
_BARS, _OVERBRACES, _UNDERBRACES = frozenset("‾¯―_"), frozenset("⏞⏜⎴"), frozenset("⏟⏝⎵")
_ACCENTS = {"^": "\u0302", "ˆ": "\u0302", "~": "\u0303", "˜": "\u0303", "ˉ": "\u0304", "˙": "\u0307", "¨": "\u0308",
            "ˇ": "\u030c", "˘": "\u0306", "´": "\u0301", "ˊ": "\u0301", "`": "\u0300", "ˋ": "\u0300", "⃗": "\u20d7",
            "→": "\u20d7", "⃛": "\u20db", "˚": "\u030a"}  # fmt: skip
_SCRIPTS = {"double-struck": "double-struck", "script": "script", "fraktur": "fraktur", "sans-serif": "sans-serif",
            "monospace": "monospace", "bold-fraktur": "fraktur", "bold-script": "script",
            "bold-sans-serif": "sans-serif", "sans-serif-italic": "sans-serif"}  # fmt: skip
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_LIMITS = frozenset(("lim", "lim sup", "lim inf", "max", "min", "sup", "inf", "argmax", "argmin"))
_SCRIPTED = ("munder", "mover", "munderover", "msub", "msup", "msubsup")
_STYLES = {"normal": "p", "bold": "b", "bold-italic": "bi", "italic": "i"}
_FONT = '<w:rPr><w:rFonts w:ascii="Cambria Math" w:hAnsi="Cambria Math"/></w:rPr>'


def omml_of(mathml: str) -> str:
    """Rewrite a formula.

    Args:
        mathml: Well-formed, with `math` at its top; elements that are not known are their content.

    Returns:
        `<m:oMath>…</m:oMath>`, with the prefixes `m` and `w` unbound.

    Raises:
        ET.ParseError: It is not well-formed.
    """
    return f"<m:oMath>{_row(list(ET.fromstring(mathml)))}</m:oMath>"


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ET.Element) -> str:
    return "".join(element.itertext()).strip()


def _row(items: Sequence[ET.Element]) -> str:
    """Elements beside each other; an operator such as a sum takes in what follows it up to the next relation."""
    items = _grouped(items)
    parts: list[str] = []
    i = 0
    while i < len(items):
        item = items[i]
        symbol = _nary_symbol(item)
        if symbol:
            end = i + 1
            while end < len(items) and not (_name(items[end]) == "mo" and _text(items[end]) in _RELATIONS):
                end += 1
            parts.append(_nary(item, symbol, _row(items[i + 1 : end])))
            i = end
        elif _is_function(item, items[i + 1 : i + 2]):
            begin = i + 1 if _ends_with_apply(item) else i + 2
            end = min(begin + 1, len(items))
            name, argument = _element(item), _row(items[begin:end])
            parts.append(f"<m:func><m:fName>{name}</m:fName>{_e(argument)}</m:func>" if argument else name)
            i = end
        else:
            parts.append(_element(item))
            i += 1
    return "".join(parts)


def _is_function(item: ET.Element, following: Sequence[ET.Element]) -> bool:
    return _ends_with_apply(item) or bool(following and _text(following[0]) == _APPLY)


def _ends_with_apply(item: ET.Element) -> bool:
    """Whether it is a name such as lim with something under it."""
    while _name(item) in _SCRIPTED and len(item):
        item = item[0]
    return _name(item) == "mrow" and len(item) > 1 and _text(item[-1]) == _APPLY


def _grouped(items: Sequence[ET.Element]) -> list[ET.Element]:
    """Put brackets that belong together, and what is between them, into a row of their own.

    TeX hangs the exponent of `(a+b)^2` on the bracket that closes; Word wants it on the whole.
    """
    done: list[ET.Element] = []
    opened: list[int] = []
    for item in items:
        closing = item[0] if _name(item) in _SCRIPTED and len(item) else item
        is_bracket = _name(closing) == "mo" and closing.get("fence") != "true"
        if is_bracket and opened and _text(closing) in _CLOSING:
            begin = opened.pop()
            row = ET.Element("mrow")
            row.extend([_fence(_text(done[begin])), *done[begin + 1 :], _fence(_text(closing))])
            del done[begin:]
            if closing is not item:
                scripted = ET.Element(item.tag, item.attrib)
                scripted.extend([row, *item[1:]])
                row = scripted
            done.append(row)
            continue
        if is_bracket and closing is item and _text(item) in _OPENING:
            opened.append(len(done))
        done.append(item)
    return done


def _fence(text: str) -> ET.Element:
    fence = ET.Element("mo", {"fence": "true"})
    fence.text = text
    return fence


def _nary_symbol(item: ET.Element) -> str:
    base = item[0] if _name(item) in _SCRIPTED and len(item) else item
    text = _text(base) if _name(base) == "mo" else ""
    return text if text in _NARY else ""


def _nary(item: ET.Element, symbol: str, body: str) -> str:
    name, children = _name(item), list(item)
    below = _element(children[1]) if name in ("munder", "munderover", "msub", "msubsup") else ""
    index = 1 if name in ("mover", "msup") else 2
    above = _element(children[index]) if name in ("mover", "msup", "munderover", "msubsup") else ""
    place = "undOvr" if name.startswith(("munder", "mover")) else "subSup"
    if name == "mo":
        place = "subSup" if symbol in _INTEGRALS else "undOvr"
    hidden = ("" if below else '<m:subHide m:val="1"/>') + ("" if above else '<m:supHide m:val="1"/>')
    return (
        f'<m:nary><m:naryPr><m:chr m:val="{symbol}"/><m:limLoc m:val="{place}"/>{hidden}</m:naryPr>'
        f"<m:sub>{below}</m:sub><m:sup>{above}</m:sup>{_e(body)}</m:nary>"
    )


def _e(content: str) -> str:
    return f"<m:e>{content}</m:e>"


def _element(element: ET.Element) -> str:
    written: Callable[[ET.Element], str] | None = _WRITERS.get(_name(element))
    return written(element) if written else _row(list(element))


def _run(element: ET.Element) -> str:
    text, name, variant = _text(element), _name(element), element.get("mathvariant", "")
    if text in ("", _APPLY):
        return ""
    if name == "mi" and not variant and len(text) == 1:
        return f"<m:r>{_FONT}<m:t>{xml_text(text)}</m:t></m:r>"
    script = f'<m:scr m:val="{_SCRIPTS[variant]}"/>' if variant in _SCRIPTS else ""
    style = "b" if variant.startswith("bold-") and script else _STYLES.get(variant, "p")
    return f'<m:r><m:rPr>{script}<m:sty m:val="{style}"/></m:rPr>{_FONT}<m:t>{xml_text(text)}</m:t></m:r>'


def _words(element: ET.Element) -> str:
    text = "".join(element.itertext())
    return f'<m:r><m:rPr><m:nor/></m:rPr>{_FONT}<m:t xml:space="preserve">{xml_text(text)}</m:t></m:r>' if text else ""


def _space(element: ET.Element) -> str:
    width = element.get("width", "").removesuffix("em")
    try:
        em = float(width)
    except ValueError:
        return ""
    blank = "\u2003" * round(em) if em >= 1 else "\u2009" if em > 0.1 else ""
    return f'<m:r>{_FONT}<m:t xml:space="preserve">{blank}</m:t></m:r>' if blank else ""


def _mrow(element: ET.Element) -> str:
    items = [item for item in element if _text(item) or len(item) or _name(item) == "mspace"]
    if not items or not any(_is_fence(item) for item in (items[0], items[-1])):
        return _row(items)
    opening = _text(items[0]) if _is_fence(items[0]) else ""
    closing = _text(items[-1]) if _is_fence(items[-1]) and len(items) > 1 else ""
    inner = items[_is_fence(items[0]) : len(items) - bool(closing or (_is_fence(items[-1]) and len(items) > 1))]
    cells: list[list[ET.Element]] = [[]]
    separator = ""
    for item in inner:
        if _is_fence(item):
            separator = _text(item)
            cells.append([])
        else:
            cells[-1].append(item)
    between = f'<m:sepChr m:val="{xml_text(separator)}"/>' if separator else ""
    marks = f'<m:begChr m:val="{xml_text(opening)}"/>{between}<m:endChr m:val="{xml_text(closing)}"/>'
    return f"<m:d><m:dPr>{marks}</m:dPr>{''.join(_e(_row(cell)) for cell in cells)}</m:d>"


def _is_fence(item: ET.Element) -> bool:
    return _name(item) == "mo" and item.get("fence") == "true"


def _fraction(element: ET.Element) -> str:
    top, bottom = element
    is_bare = element.get("linethickness", "").startswith("0")
    kind = '<m:fPr><m:type m:val="noBar"/></m:fPr>' if is_bare else ""
    return f"<m:f>{kind}<m:num>{_element(top)}</m:num><m:den>{_element(bottom)}</m:den></m:f>"


def _root(element: ET.Element) -> str:
    if _name(element) == "msqrt":
        return f'<m:rad><m:radPr><m:degHide m:val="1"/></m:radPr><m:deg/>{_e(_row(list(element)))}</m:rad>'
    return f"<m:rad><m:deg>{_element(element[1])}</m:deg>{_e(_element(element[0]))}</m:rad>"


def _scripts(element: ET.Element) -> str:
    base, *scripts = element
    parts = [_e(_element(base))]
    match _name(element):
        case "msub" if _text(base).rstrip(_APPLY) in _LIMITS:
            return f"<m:limLow>{parts[0]}<m:lim>{_element(scripts[0])}</m:lim></m:limLow>"
        case "msub":
            return f"<m:sSub>{parts[0]}<m:sub>{_element(scripts[0])}</m:sub></m:sSub>"
        case "msup":
            return f"<m:sSup>{parts[0]}<m:sup>{_element(scripts[0])}</m:sup></m:sSup>"
    below, above = map(_element, scripts)
    return f"<m:sSubSup>{parts[0]}<m:sub>{below}</m:sub><m:sup>{above}</m:sup></m:sSubSup>"


def _over(element: ET.Element) -> str:
    base, mark = _element(element[0]), _text(element[1])
    if _name(element[1]) == "mo" and mark in _BARS:
        return f'<m:bar><m:barPr><m:pos m:val="top"/></m:barPr>{_e(base)}</m:bar>'
    if _name(element[1]) == "mo" and mark in _OVERBRACES:
        return _brace(base, mark, "top", "bot")
    if element.get("accent") == "true" and (mark in _ACCENTS or len(mark) == 1):
        return f'<m:acc><m:accPr><m:chr m:val="{xml_text(_ACCENTS.get(mark, mark))}"/></m:accPr>{_e(base)}</m:acc>'
    return f"<m:limUpp>{_e(base)}<m:lim>{_element(element[1])}</m:lim></m:limUpp>"


def _under(element: ET.Element) -> str:
    base, mark = _element(element[0]), _text(element[1])
    if _name(element[1]) == "mo" and mark in _BARS:
        return f'<m:bar><m:barPr><m:pos m:val="bot"/></m:barPr>{_e(base)}</m:bar>'
    if _name(element[1]) == "mo" and mark in _UNDERBRACES:
        return _brace(base, mark, "bot", "top")
    return f"<m:limLow>{_e(base)}<m:lim>{_element(element[1])}</m:lim></m:limLow>"


def _brace(base: str, mark: str, place: str, align: str) -> str:
    marks = f'<m:chr m:val="{xml_text(mark)}"/><m:pos m:val="{place}"/><m:vertJc m:val="{align}"/>'
    return f"<m:groupChr><m:groupChrPr>{marks}</m:groupChrPr>{_e(base)}</m:groupChr>"


def _both(element: ET.Element) -> str:
    base, below, above = map(_element, element)
    low = f"<m:limLow>{_e(base)}<m:lim>{below}</m:lim></m:limLow>"
    return f"<m:limUpp>{_e(low)}<m:lim>{above}</m:lim></m:limUpp>"


def _table(element: ET.Element) -> str:
    rows = [[_row(list(cell)) for cell in row] for row in element if _name(row) in ("mtr", "mlabeledtr")]
    width = max(map(len, rows), default=0)
    sides = (element.get("columnalign", "").split() or ["center"]) * max(width, 1)
    is_aligned = width > 1 and sides[:2] == ["right", "left"]
    if is_aligned or width == 1:
        mark = f"<m:r>{_FONT}<m:t>&amp;</m:t></m:r>"
        return f"<m:eqArr>{''.join(_e(mark.join(row)) for row in rows)}</m:eqArr>"
    columns = "".join(
        f'<m:mc><m:mcPr><m:count m:val="1"/><m:mcJc m:val="{side}"/></m:mcPr></m:mc>' for side in sides[:width]
    )
    filled = ["".join(map(_e, row + [""] * (width - len(row)))) for row in rows]
    return f"<m:m><m:mPr><m:mcs>{columns}</m:mcs></m:mPr>{''.join(f'<m:mr>{row}</m:mr>' for row in filled)}</m:m>"


def _enclosed(element: ET.Element) -> str:
    notation = element.get("notation", "")
    strikes = {"updiagonalstrike": "strikeBLTR", "downdiagonalstrike": "strikeTLBR", "horizontalstrike": "strikeH"}
    names = [strikes[name] for name in notation.split() if name in strikes]
    hidden = "".join(f'<m:hide{side} m:val="1"/>' for side in ("Top", "Bot", "Left", "Right")) if names else ""
    order = sorted(names, key=["strikeH", "strikeBLTR", "strikeTLBR"].index)
    marks = hidden + "".join(f'<m:{name} m:val="1"/>' for name in order)
    properties = f"<m:borderBoxPr>{marks}</m:borderBoxPr>" if marks else ""
    return f"<m:borderBox>{properties}{_e(_row(list(element)))}</m:borderBox>"


def _phantom(element: ET.Element) -> str:
    return f'<m:phant><m:phantPr><m:show m:val="0"/></m:phantPr>{_e(_row(list(element)))}</m:phant>'


_WRITERS: dict[str, Callable[[ET.Element], str]] = {
    "mi": _run, "mn": _run, "mo": _run, "mtext": _words, "ms": _words, "mspace": _space, "mrow": _mrow,
    "mfrac": _fraction, "msqrt": _root, "mroot": _root, "msub": _scripts, "msup": _scripts, "msubsup": _scripts,
    "mover": _over, "munder": _under, "munderover": _both, "mtable": _table, "menclose": _enclosed,
    "mphantom": _phantom, "annotation": lambda _: "",
}  # fmt: skip
