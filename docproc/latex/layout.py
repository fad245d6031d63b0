"""Where a formula puts its ink: the built-in renderer, which sets KaTeX's boxes by KaTeX's own style sheet.

It draws boxes, not shapes: what it is compared with is set in fonts that nobody has. One formula takes a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from docproc.latex.katex_engine import katex_tree

# Font sizes of KaTeX's style sheet (katex.css), by size number from 1.
_SIZES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.44, 1.728, 2.074, 2.488)
# Lengths of katex.css in em.
_NULL_DELIMITER, _BOX_PADDING, _ROOT_LEFT, _ROOT_RIGHT, _RADICAL = 0.12, 0.3, 0.2778, -0.5556, 0.833
_RULE = 0.04
_LINES = frozenset(("frac-line", "overline-line", "underline-line", "hline", "hdashline"))
_SIZING = frozenset(("sizing", "fontsize-ensurer"))
_EMPTY = frozenset(("strut", "pstrut", "vlist-s", "tag", "eqn-num"))
_CENTERED = frozenset(("mfrac", "op-limits", "accent", "x-arrow", "munder", "mover", "col-align-c"))
_ALIGNED = {"msupsub": "left", "col-align-l": "left", "col-align-r": "right"}
_MAX_PICTURE_EM = 5.0
"""Wider ones are arrows and braces, which are cut to the width of what they span."""
_MAX_BOXES, _MAX_CHARACTERS = 600, 3000
"""More is no formula that could be compared, and would take KaTeX over 0.1 s to find out."""


class InkBox(NamedTuple):
    """Ink of one symbol (empty `text`: a rule or a stretched sign), in em; y grows downwards from the baseline."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    em: float = 1.0
    """Size of its font."""


@dataclass(slots=True)
class _Piece:
    width: float = 0.0
    boxes: list[InkBox] = field(default_factory=list)
    lines: list[tuple[float, float, float]] = field(default_factory=list)
    """Rules as wide as what they stand in: left end, top, bottom."""

    def put(self, other: _Piece, x: float, y: float) -> None:
        self.boxes += [InkBox(b.text, b.x0 + x, b.y0 + y, b.x1 + x, b.y1 + y, b.em) for b in other.boxes]
        self.lines += [(left + x, top + y, bottom + y) for left, top, bottom in other.lines]


def lay_out(latex: str, *, is_display: bool = True) -> tuple[InkBox, ...]:
    """Lay a formula out.

    Args:
        latex: A formula.
        is_display: Whether fractions and limits are set large.

    Returns:
        Its ink in drawing order; empty where KaTeX cannot read it or it is too large.
    """
    tree = katex_tree(latex, is_display=is_display) if len(latex) <= _MAX_CHARACTERS else None
    if tree is None:
        return ()
    piece = _build(tree, 1.0, "center")
    return tuple(piece.boxes) if len(piece.boxes) <= _MAX_BOXES else ()


def _build(node: dict[str, Any], em: float, align: str) -> _Piece:
    style = node.get("s", {})
    if "t" in node:
        return _symbol(node, style, em)
    classes = tuple(name.removeprefix("katex-") for name in node.get("c", ()))
    if _EMPTY.intersection(classes):
        return _Piece()
    if _SIZING.intersection(classes):
        old = next((int(c[10:]) for c in classes if c.startswith("reset-size")), 6)
        new = next((int(c[4:]) for c in classes if c.startswith("size") and c[4:].isdigit()), old)
        em *= _SIZES[new - 1] / _SIZES[old - 1]
    for name in classes:
        align = "center" if name in _CENTERED else _ALIGNED.get(name, align)
    piece = _content(node, classes, style, em, align)
    before = _length(style, "marginLeft", em) + _length(style, "paddingLeft", em)
    after = _length(style, "marginRight", em) + _length(style, "paddingRight", em)
    if "root" in classes:
        before, after = before + _ROOT_LEFT * em, after + _ROOT_RIGHT * em
    dx, dy = before + _length(style, "left", em), 0.0
    if "op-symbol" in classes or "accent-body" in classes:
        dy = _length(style, "top", em)
    width = _flat_width(piece.width, classes)
    if width is not None:
        dx += {"llap": -piece.width, "clap": -piece.width / 2}.get(next(iter(_laps(classes)), ""), 0.0)
    moved = _Piece(before + (piece.width if width is None else width) + after)
    if style.get("color") != "transparent":
        moved.put(piece, dx, dy)
    return moved


def _laps(classes: tuple[str, ...]) -> list[str]:
    return [name for name in classes if name in ("rlap", "llap", "clap")]


def _flat_width(width: float, classes: tuple[str, ...]) -> float | None:
    """Width that the style sheet sets whatever is inside; None where the content decides."""
    if _laps(classes) or ("accent-body" in classes and "accent-full" not in classes):
        return 0.0
    return None


def _content(node: dict[str, Any], classes: tuple[str, ...], style: dict[str, str], em: float, align: str) -> _Piece:
    children = node.get("ch", ())
    if "vlist-t" in classes:
        return _stack(node, em, align)
    if _LINES.intersection(classes):
        thick = _length(style, "borderBottomWidth", em) or _RULE * em
        return _Piece(lines=[(0.0, -thick, 0.0)])
    if "nulldelimiter" in classes:
        return _Piece(_NULL_DELIMITER * em)
    if "vertical-separator" in classes:
        height, below = _length(style, "height", em), -_length(style, "verticalAlign", em)
        return _Piece(0.0, [InkBox("|", -_RULE * em / 2, below - height, _RULE * em / 2, below)])
    if "rule" in classes:
        wide, high = _length(style, "borderRightWidth", em), _length(style, "borderTopWidth", em)
        up = _length(style, "bottom", em)
        return _Piece(wide, [InkBox("", 0.0, -up - high, wide, -up)] if wide * high else [])
    if "hide-tail" in classes or "stretchy" in classes:
        height, depth = node.get("h", 0.0) * em, node.get("d", 0.0) * em
        if "hide-tail" in classes:
            return _Piece(_RADICAL * em, [InkBox("", 0.0, -height, _RADICAL * em, depth)],
                          [(_RADICAL * em, -height, -height + _RULE * em)])
        return _Piece(0.0, [], [(0.0, -height, depth)])
    if node.get("a"):  # a picture, as tall delimiters have them between their ends
        wide, high = _attribute(node, "width", em), _attribute(node, "height", em)
        return _Piece(wide, [InkBox("", 0.0, -high, wide, 0.0)]) if 0 < wide < _MAX_PICTURE_EM * em else _Piece()
    piece = _Piece(_length(style, "width", em) if not children else 0.0)
    if "boxpad" in classes:
        piece.width += _BOX_PADDING * em
    for child in children:
        part = _build(child, em, align)
        piece.put(part, piece.width, 0.0)
        piece.width += part.width
    if "boxpad" in classes:
        piece.width += _BOX_PADDING * em
    return piece


def _stack(node: dict[str, Any], em: float, align: str) -> _Piece:
    """A `vlist`: rows that stand at given heights, rules across all of them."""
    rows: list[tuple[_Piece, float]] = []
    for row in node["ch"][0]["ch"][0].get("ch", ()):
        strut = next((c for c in row.get("ch", ()) if "pstrut" in c.get("c", ())), None)
        if strut is None:
            continue
        piece = _build({**row, "s": {k: v for k, v in row.get("s", {}).items() if k != "top"}}, em, align)
        rows.append((piece, _length(row.get("s", {}), "top", em) + _length(strut.get("s", {}), "height", em)))
    stack = _Piece(max((piece.width for piece, _ in rows), default=0.0))
    for piece, y in rows:
        free = stack.width - piece.width
        x = free / 2 if align == "center" else free if align == "right" else 0.0
        if piece.lines:
            x = 0.0
        stack.put(piece, x, y)
    stack.boxes += [InkBox("", left, top, stack.width, bottom) for left, top, bottom in stack.lines]
    stack.lines = []
    return stack


def _symbol(node: dict[str, Any], style: dict[str, str], em: float) -> _Piece:
    text = node["t"]
    before, after = _length(style, "marginLeft", em), _length(style, "marginRight", em)
    italic = node.get("i", 0.0) * em
    widths = [node.get("w", 0.0)] if len(text) < 2 else [_upright_width(char) for char in text]
    piece, x = _Piece(), before
    is_seen = style.get("color") != "transparent"
    for char, width in zip(text, widths, strict=False):
        if is_seen and char.strip() and char not in "\u200b\u00a0" and node.get("h", 0.0) + node.get("d", 0.0) > 0:
            y = _length(style, "top", em)
            box = InkBox(char, x, y - node["h"] * em, x + width * em + italic, y + node["d"] * em, em)
            piece.boxes.append(box)
        x += width * em
    piece.width = x + italic + after
    return piece


@lru_cache(maxsize=1024)
def _upright_width(char: str) -> float:
    """Width in em of a letter of a word; KaTeX tells only that of the first."""
    if char in " \u00a0":
        return 0.25
    special = char in "\\{}$&#^_%~"
    tree = katex_tree(f"\\mathrm{{{char}}}", is_display=False) if not special else None
    nodes = [tree] if tree else []
    while nodes:
        node = nodes.pop()
        if node.get("t") == char:
            return float(node.get("w", 0.5))
        nodes += node.get("ch", ())
    return 0.5


def _length(style: dict[str, str], name: str, em: float) -> float:
    value = style.get(name, "")
    try:
        return float(value[:-2]) * em if value.endswith("em") else 0.0
    except ValueError:
        return 0.0


def _attribute(node: dict[str, Any], name: str, em: float) -> float:
    return _length({name: str(node["a"].get(name, ""))}, name, em)
