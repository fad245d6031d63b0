"""Whether the glyphs of a page stand where the LaTeX puts them: a script is no factor, a numerator no denominator."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from docproc.encodings import glyph_meaning
from docproc.latex.layout import InkBox, lay_out
from docproc.latex.symbols import NAMED_ACCENTS, VARIANTS, glyph_marks, is_stacked

Rect = tuple[float, float, float, float, float]
"""Left, top, right, bottom of a glyph's ink and the size of its font; any unit, y grows downwards."""

# A glyph this far (em) above or below its place is somewhere else: superscripts of different fonts and styles differ by
# 0.15, a superscript and a subscript by 0.45 (benchmarks/verification.py).
MAX_RISE_EM = 0.34
# Scripts are set at 0.67–0.75 of their base, at 0.8 in some classes; text fonts beside mathematics are scaled by 0.95.
MAX_SIZE_RATIO = 1.25
# Brackets of the next size are 0.6 em taller; those of different fonts differ by 0.3.
MAX_BRACKET_EM = 0.45
_BRACKETS = frozenset("()[]")
# Nearer glyphs stand above each other.
MIN_APART_EM = 0.25
# Fewer glyphs than this share to compare, and nothing is said.
_FONT = "CMSY10"
_MIN_SHARE = 0.6
# Accents and radicals stand where their letters do.
_PLACED_BY_OTHERS = NAMED_ACCENTS | {r"\sqrt"}
# Fonts have primes of many sizes: only one that is read as a subscript is compared, which is one of 48,000 in print.
_PRIME, _LOW_PRIME = r"\prime", re.compile(r"_\{[^{}]*\\prime")
# Glyphs of one line are of one size; fonts that are mixed differ by 0.05.
_MAX_SIZE_RATIO_OF_LINE = 1.12
# A comma's middle is 0.35 em below a bracket's. Usual brackets are 1.0 em tall, those of `\big` 1.2.
_MAX_RISE_OF_LINE_EM, _MAX_HEIGHT_OF_LINE_EM = 0.5, 1.12
_MAX_PAIRS_OF_A_NAME = 40
_OPERATOR = re.compile(r"\\(?:sum|prod|coprod|bigcup|bigcap|bigoplus|bigotimes|lim|max|min|sup|inf)(?![a-zA-Z])")
_ROWS = re.compile(r"\\(begin|end)\{\w+\*?\}|\\\\")
# Environments with nothing around them that would grow with their rows, as brackets do.
_BARE = re.compile(r"\\begin\{(?:array|aligned|gathered|split|matrix)\}")
# So far apart rows are laid out, and more than this is between the glyphs of two of them.
_ROW_GAP_EM, _BETWEEN_ROWS_EM = 9, 4.0
# Shapes that differ least between fonts; signs and arrows have heights of their own in each.
_GREEK_NAMES = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""
_GREEK = frozenset(f"\\{name}" for name in _GREEK_NAMES.split())


@dataclass(frozen=True, slots=True)
class Placing:
    """The outcome of `compare_places`."""

    is_known: bool
    """Whether enough glyphs could be compared."""
    differences: tuple[str, ...] = ()
    worst: float = 0.0
    """Largest deviation as a share of what is allowed."""


def compare_places(
    latex: str, glyph_symbols: Sequence[str], glyph_boxes: Sequence[Rect], *, is_display: bool
) -> Placing:
    r"""Compare where glyphs stand with the layout of the LaTeX.

    A reading does not tell `\frac` from `\tfrac` and `\dfrac`: fractions may be small in a display, large in a line.
    Nor does it tell what stands in `\displaystyle` in an array or fraction, or how far apart rows are set.

    Args:
        latex: A reading in canonical form that has the glyphs of the page.
        glyph_symbols: LaTeX meaning of each glyph, `?` where unknown.
        glyph_boxes: Ink of each.
        is_display: How the formula is set.

    Returns:
        Glyphs that stand higher or lower, or are larger or smaller, than the layout says.
    """
    # Where nothing is off the line, the order of the glyphs, which agrees, is their whole place.
    is_flat = "_" not in latex and "^" not in latex and not is_stacked(latex)
    own = [(s, box) for s, box in zip(glyph_symbols, glyph_boxes, strict=True) if s not in _PLACED_BY_OTHERS]
    if len(own) <= 1 or (is_flat and _is_line(own)):
        return Placing(True)
    placing = _compare(latex, glyph_symbols, glyph_boxes, is_display)
    if placing.differences:
        for resized in _in_other_styles(latex, is_display):
            other = _compare(resized, glyph_symbols, glyph_boxes, is_display)
            if other.is_known and not other.differences:
                return other
    return placing


def _in_other_styles(latex: str, is_display: bool) -> list[str]:
    """The same with small or large fractions and, in a display, with large operators in arrays and fractions too."""
    found = [latex.replace(r"\frac", r"\tfrac" if is_display else r"\dfrac")]
    if is_display:
        large = _OPERATOR.sub(lambda match: r"\displaystyle" + match.group(), latex)
        found += [large, large.replace(r"\frac", r"\dfrac")]
    return [other for other in dict.fromkeys(found) if other != latex]


def _with_rows_apart(latex: str) -> str:
    """The same with rows far apart where one environment is the whole formula: how far is their author's choice."""
    if not _BARE.match(latex):
        return latex
    parts, depth, at = [], 0, 0
    for match in _ROWS.finditer(latex):
        depth += (match[1] == "begin") - (match[1] == "end")
        if depth == 0 and match.end() < len(latex):
            return latex
        if match[1] is None and depth == 1:
            parts += [latex[at : match.end()], f"[{_ROW_GAP_EM}em]"]
            at = match.end()
    return "".join([*parts, latex[at:]])


def _is_line(glyphs: Sequence[tuple[str, Rect]]) -> bool:
    """Whether glyphs of one size stand beside each other, brackets no taller than usual."""
    sizes = [box[4] for _, box in glyphs]
    middles = [_middle(box) for _, box in glyphs]
    return (
        0 < max(sizes) < _MAX_SIZE_RATIO_OF_LINE * min(sizes)
        and max(middles) - min(middles) < _MAX_RISE_OF_LINE_EM * max(sizes)
        and all(box[3] - box[1] < _MAX_HEIGHT_OF_LINE_EM * box[4] for _, box in glyphs)
    )


def _compare(latex: str, glyph_symbols: Sequence[str], glyph_boxes: Sequence[Rect], is_display: bool) -> Placing:
    boxes = lay_out(_with_rows_apart(latex), is_display=is_display)
    pairs = _pair(boxes, glyph_symbols, glyph_boxes) if boxes else []
    shaped = [pair for pair in pairs if (pair[0].isalnum() and pair[0].isascii()) or pair[0] in _GREEK]
    placed = sum(symbol not in _PLACED_BY_OTHERS for symbol in glyph_symbols)
    if len(pairs) < _MIN_SHARE * placed or len(shaped) < 2:
        return Placing(False)
    scale = median(page[4] / box.em for _, box, page in shaped)
    if min(page[4] for _, _, page in shaped) <= 0 or not _are_as_tall(pairs, scale):
        return Placing(False)
    left, width = min(page[0] for page in glyph_boxes), max(page[2] for page in glyph_boxes)
    width = max(1e-6, width - left)
    found: list[tuple[float, float, str]] = []
    for pair in shaped:
        name, box, page = pair
        where = f"{name} at {_place(page, left, width)}"
        others = [other for other in shaped if other is not pair and _is_of_one_row(other[1], box)]
        if not others:
            continue
        # The neighbor in the layout and the one on the page: where a row was split, only one of them has moved.
        neighbors = (
            min(others, key=lambda other: _distance(other[1][1:], box[1:])),
            min(others, key=lambda other: _distance(other[2], page)),
        )
        # Of a base and its script the script is named.
        found += [(round(by, 2), -box.em, f"{where} {how}") for o in neighbors for by, how in _moved(pair, o, scale)]
    for pair in pairs if _LOW_PRIME.search(latex) else ():
        near = min(shaped, key=lambda other: _distance(other[1][1:], pair[1][1:]))
        if pair[0] == _PRIME and _middle(pair[1][1:]) > _middle(near[1][1:]):
            by, how = _risen(pair, near, scale)
            found.append((round(by, 2), -pair[1].em, f"{_PRIME} at {_place(pair[2], left, width)} {how}"))
    if not found:
        return Placing(False)
    found.sort(reverse=True)
    words = dict.fromkeys(words for deviation, _, words in found if deviation > 1)
    return Placing(bool(words) or _are_of_one_size(shaped), tuple(words)[:2], found[0][0])


_Pair = tuple[str, InkBox, Rect]


def _are_as_tall(pairs: Sequence[_Pair], scale: float) -> bool:
    r"""Whether brackets are about as tall as in the layout: `\left(` around a sum is no `(`."""
    heights = [(box.y1 - box.y0, (page[3] - page[1]) / scale) for name, box, page in pairs if name in _BRACKETS]
    return all(abs(one - other) < MAX_BRACKET_EM for one, other in heights)


def _are_of_one_size(shaped: Sequence[_Pair]) -> bool:
    r"""Whether glyphs that one size is set for are of one size: `x_{_E}` is no `x_E` beside other scripts."""
    sizes: dict[float, list[float]] = defaultdict(list)
    for _, box, page in shaped:
        sizes[round(box.em, 2)].append(page[4])
    return all(max(of_one) < _MAX_SIZE_RATIO_OF_LINE * min(of_one) for of_one in sizes.values())


def _moved(pair: _Pair, other: _Pair, scale: float) -> list[tuple[float, str]]:
    """How far a glyph stands off the place that it has beside another one, as shares of what is allowed, in words."""
    (name, box, page), (near_name, near, near_page) = pair, other
    ratio = page[4] / near_page[4] / (box.em / near.em)
    found = [(max(ratio, 1 / ratio) / MAX_SIZE_RATIO, f"is {'larger' if ratio > 1 else 'smaller'} on the page")]
    found.append(_risen(pair, other, scale))
    apart = (box.x0 + box.x1 - near.x0 - near.x1) / 2, (page[0] + page[2] - near_page[0] - near_page[2]) / 2 / scale
    if near_name != name and min(map(abs, apart)) > MIN_APART_EM and apart[0] * apart[1] < 0:
        found.append((2.0, f"stands {'right' if apart[1] > 0 else 'left'} of {near_name} on the page"))
    return found


def _risen(pair: _Pair, other: _Pair, scale: float) -> tuple[float, str]:
    """How far a glyph stands above or below the place that it has beside another one."""
    (_, box, page), (_, near, near_page) = pair, other
    # Of top, middle and bottom the one that moved least: fonts differ in how far letters hang down or rise.
    rise = min((
        (page[1] - near_page[1]) / scale - (box.y0 - near.y0),
        (page[3] - near_page[3]) / scale - (box.y1 - near.y1),
        (_middle(page) - _middle(near_page)) / scale - (_middle(box[1:]) - _middle(near[1:])),
    ), key=abs)
    return abs(rise) / MAX_RISE_EM, f"stands {'lower' if rise > 0 else 'higher'} on the page"


def _pair(
    boxes: Sequence[InkBox], symbols: Sequence[str], page: Sequence[Rect]
) -> list[_Pair]:
    """Glyphs and boxes of one name, row by row, each with the nearest of the other kind."""
    laid: dict[str, list[InkBox]] = defaultdict(list)
    for box in boxes:
        if box.text:
            symbol, _ = glyph_meaning(box.text, _FONT, False, False)
            laid[_name(symbol)].append(box)
    seen: dict[str, list[Rect]] = defaultdict(list)
    for symbol, rect in zip(symbols, page, strict=True):
        seen[_name(symbol)].append(rect)
    # From the top; a row takes as many of each name as the layout has in it.
    left = {
        name: sorted(rects, key=_middle)
        for name, rects in seen.items()
        if len(rects) == len(laid[name]) <= _MAX_PAIRS_OF_A_NAME
    }
    pairs = []
    for top, bottom in _rows([box for name in left for box in laid[name]]):
        of_row = []
        for name, rects in left.items():
            inside = [box for box in laid[name] if top <= _middle(box[1:]) <= bottom]
            of_row.append((name, inside, rects[: len(inside)]))
            left[name] = rects[len(inside) :]
        own = _frame([box[1:] for _, inside, _ in of_row for box in inside])
        other = _frame([rect for _, _, rects in of_row for rect in rects])
        pairs += [(name, *pair) for name, inside, rects in of_row for pair in _nearest(inside, rects, own, other)]
    return pairs


def _rows(boxes: Sequence[InkBox]) -> list[tuple[float, float]]:
    """Heights, top and bottom, between which the middles of the glyphs of a row lie."""
    rows: list[tuple[float, float]] = []
    for middle in sorted(_middle(box[1:]) for box in boxes):
        if rows and middle - rows[-1][1] < _BETWEEN_ROWS_EM:
            rows[-1] = rows[-1][0], middle
        else:
            rows.append((middle, middle))
    return rows


def _is_of_one_row(one: InkBox, other: InkBox) -> bool:
    return abs(_middle(one[1:]) - _middle(other[1:])) < _BETWEEN_ROWS_EM


def _name(symbol: str) -> str:
    marks = glyph_marks(symbol)
    name = marks[0].symbol if marks else symbol
    return VARIANTS.get(name, name)


def _frame(rects: Sequence[tuple[float, ...]]) -> tuple[float, float, float, float]:
    return min(r[0] for r in rects), min(r[1] for r in rects), max(r[2] for r in rects), max(r[3] for r in rects)


def _nearest(
    boxes: Sequence[InkBox], rects: Sequence[Rect], own: tuple[float, ...], other: tuple[float, ...]
) -> list[tuple[InkBox, Rect]]:
    """Pairs of the least distance first, both frames laid over each other."""
    height = max(1e-6, own[3] - own[1]), max(1e-6, other[3] - other[1])
    width = max(1e-6, own[2] - own[0]), max(1e-6, other[2] - other[0])
    ratio = width[0] / height[0]
    costs = sorted(
        (
            ratio * abs((box.x0 + box.x1 - 2 * own[0]) / width[0] - (rect[0] + rect[2] - 2 * other[0]) / width[1])
            + abs((box.y0 + box.y1 - 2 * own[1]) / height[0] - (rect[1] + rect[3] - 2 * other[1]) / height[1]),
            i,
            j,
        )
        for i, box in enumerate(boxes)
        for j, rect in enumerate(rects)
    )
    taken_i: set[int] = set()
    taken_j: set[int] = set()
    pairs = []
    for _, i, j in costs:
        if i not in taken_i and j not in taken_j:
            taken_i.add(i)
            taken_j.add(j)
            pairs.append((boxes[i], rects[j]))
    return pairs


def _place(rect: Rect, left: float, width: float) -> str:
    return f"{(rect[0] + rect[2] - 2 * left) / (2 * width):.0%} of the width"


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Of the middles; what stands in one line is nearer than what stands above."""
    return abs(one[0] + one[2] - other[0] - other[2]) + 2 * abs(_middle(one) - _middle(other))


def _middle(rect: Sequence[float]) -> float:
    return (rect[1] + rect[3]) / 2
