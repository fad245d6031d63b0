"""Read what a born-digital page says of itself: glyphs with their ink, drawn rules and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymupdf

from docproc.glyph_ink import COMBINING, measure_ink
from docproc.glyph_names import SYMBOL_ENCODING, UNKNOWN, name_unknown_glyphs
from docproc.records import Box, Glyph, TextLayer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docproc.glyph_ink import PageInk

# A drawn shape is a rule if its thinner side is at most this (TeX's default rule is 0.4 pt, thick frames 2 pt).
_MAX_RULE_PT = 2.2
# Shapes nearer to each other than this belong to one drawing.
_CLUSTER_GAP_PT = 6.0
# A frame or a colored ground is this wide; what it holds is text. Smaller boxes are parts of diagrams.
_MIN_FRAME_PT, _MAX_CORNER_PT = 150.0, 15.0
# An arrow head or a dot this near above, below or beside a drawing is of it.
_SMALL_SHAPE_PT, _SMALL_SHAPE_REACH_PT = 12.0, 36.0
# A page with more shapes than this is a map or a plot of points: one figure around all of them, found in linear time.
_MAX_SHAPES = 3000
_FLAGS = pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_ACCURATE_BBOXES


def read_text_layer(page: pymupdf.Page) -> TextLayer:
    """Read glyphs, rules and figures of one page.

    Args:
        page: A page of an open PDF.

    Returns:
        Glyphs that run from left to right on the page as displayed (others, such as labels of axes, are left out), in
        the order of the content stream, spaces included; rules; figures. All in points from the top left of the page
        as displayed: rotation and crop box are applied.
    """
    matrix = page.rotation_matrix if page.rotation else None
    rules, shapes, frames = _read_drawings(page, matrix)
    pictures = [_displayed(Box(*info["bbox"]), matrix) for info in page.get_image_info()]
    visible = Box(0, 0, page.rect.width, page.rect.height)
    clipped = [picture & visible for picture in pictures]
    figures = [figure for figure in clipped if figure.width > 4 and figure.height > 4]
    drawings = [_with_axes(drawing, rules) for drawing in _cluster(shapes)]
    others = [shape for shape in shapes if shape not in frames] if frames else []
    only_frames = tuple(
        drawing
        for drawing in drawings
        if any((frame & drawing).area > 0 for frame in frames)
        and not any(drawing.holds(other.center) for other in others)
    )
    glyphs = tuple(read_glyphs(page, measure_ink(page)))
    return TextLayer(glyphs=glyphs, rules=tuple(rules), figures=tuple(figures + drawings), frames=only_frames)


def read_glyphs(page: pymupdf.Page, inks: PageInk | None = None) -> list[Glyph]:
    """Read the glyphs of one page as `read_text_layer` does.

    Args:
        page: A page of an open PDF.
        inks: Of `measure_ink`; without them glyphs do not know how far their ink reaches sideways.
    """
    matrix = page.rotation_matrix if page.rotation else None
    # Type 3 fonts tell no outline before the page has been run once; MuPDF then gives the font box instead.
    # The text page is asked itself: `Page.get_text` takes twice as long.
    raw: dict[str, Any] = page.get_textpage(flags=_FLAGS).extractRAWDICT()
    page_width, page_height = page.rect.width, page.rect.height
    glyphs: list[Glyph] = []
    names: dict[tuple[int, int], str] | None = None
    fonts: dict[str, tuple[str, bool, bool]] = {}
    accents: set[tuple[str, tuple[float, ...]]] = set()
    for block in raw["blocks"]:
        for line in block.get("lines", ()):
            direction = pymupdf.Point(line["dir"])
            if matrix is not None:
                direction = direction * pymupdf.Matrix(matrix.a, matrix.b, matrix.c, matrix.d, 0, 0)
            if direction.x < 0.98:
                continue
            for span in line["spans"]:
                size, flags = span["size"], span["flags"]
                facts = fonts.get(span["font"])
                if facts is None:
                    facts = fonts[span["font"]] = _describe_font(span["font"])
                font, is_bold, is_italic = facts
                is_bold = is_bold or bool(flags & 16)
                is_italic = is_italic or bool(flags & 2)
                for char in part_ligatures(span["chars"]):
                    text, origin = char["c"], char["origin"]
                    x0, y0, x1, y1 = char["bbox"]
                    if "\uf020" <= text <= "\uf0fe" and "Symbol" in font:
                        text = SYMBOL_ENCODING.get(ord(text) - 0xF000, text)
                    if "\ud400" <= text <= "\ud7ff" and "Math" in font:
                        text = chr(ord(text) + 0x10000)
                    if matrix is None:
                        place = origin
                    else:
                        turned = pymupdf.Point(origin) * matrix
                        place = (turned.x, turned.y)
                        x0, y0, x1, y1 = pymupdf.Rect(x0, y0, x1, y1) * matrix
                    if x1 < 0 or y1 < 0 or x0 > page_width or y0 > page_height:
                        continue
                    if text == UNKNOWN or text < " ":
                        if names is None:
                            names = name_unknown_glyphs(page)
                        text = names.get((round(origin[0] * 10), round(origin[1] * 10)), UNKNOWN)
                    known = inks.of_glyph(text, origin, (x0, y0, x1, y1), size) if inks is not None else None
                    if known is not None and text in COMBINING:
                        if (text, known) in accents:
                            continue  # one that begins a line, told at the end of the line before
                        accents.add((text, known))
                    if known is not None and (x1 <= x0 or text in COMBINING):
                        x0, y0, x1, y1 = known
                    elif (x1 <= x0 or y1 <= y0) and not text.isspace():
                        # No ink is known (0-0.7 % of glyphs): a box of usual proportions on the baseline.
                        x, y = place
                        x0, y0, x1, y1 = x, y - 0.68 * size, max(x1, x + 0.45 * size), y
                    ink = Box(*known) if known is not None else None
                    glyphs.append(Glyph(text, Box(x0, y0, x1, y1), place, size, font, is_bold, is_italic, ink))
    if inks is not None:
        read = [
            (glyph.text, (glyph.ink.x0, glyph.ink.y0, glyph.ink.x1, glyph.ink.y1))
            for glyph in glyphs
            if glyph.ink is not None and glyph.text in COMBINING
        ]
        for accent in inks.lost_accents(read):
            facts = _describe_font(accent.font)
            ink = Box(*accent.ink)
            glyphs.append(Glyph(accent.text, ink, accent.origin, accent.size, *facts, ink))
    return glyphs


def part_ligatures(chars: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each letter of a ligature its share of the box.

    Of a glyph that stands for several letters (`fi` in the fonts of TeX) MuPDF gives the first one the whole advance
    and sets the others behind it, where the next glyph begins: words seem to overlap there.
    """
    for place in range(len(chars) - 2, 0, -1):
        if chars[place]["origin"] != chars[place + 1]["origin"] or chars[place]["c"] not in "fijltsk":
            continue
        first = place - 1
        while first and chars[first]["origin"] == chars[place]["origin"]:
            first -= 1
        x0, y0, x1, y1 = chars[first]["bbox"]
        letters = chars[first : place + 1]
        x, y = chars[first]["origin"]
        step = (x1 - x0) / len(letters)
        if step <= 0 or len(letters) > 3:
            continue
        for number, char in enumerate(letters):
            char["bbox"] = (x0 + number * step, y0, x0 + (number + 1) * step, y1)
            char["origin"] = (x + number * step, y)
    return chars


def _describe_font(name: str) -> tuple[str, bool, bool]:
    """Plain name, and whether it says that the font is bold or slanted."""
    lower = name.lower()
    return _plain_font_name(name), "bold" in lower, any(word in lower for word in ("ital", "obli", "slant"))


def _plain_font_name(name: str) -> str:
    prefix, plus, rest = name.partition("+")
    return rest if plus and len(prefix) == 6 and prefix.isupper() else name


def _displayed(box: Box, matrix: Any) -> Box:
    if matrix is None:
        return box
    turned = pymupdf.Rect(box.x0, box.y0, box.x1, box.y1) * matrix
    return Box(turned.x0, turned.y0, turned.x1, turned.y1)


def _read_drawings(page: pymupdf.Page, matrix: Any) -> tuple[list[Box], list[Box], list[Box]]:
    """Thin straight shapes, the boxes of all other visible shapes, and those of them that are wide frames."""
    rules: list[Box] = []
    shapes: list[Box] = []
    frames: list[Box] = []
    page_area = page.rect.width * page.rect.height
    for path in page.get_cdrawings():
        kind = path["type"]
        if kind == "clip" or kind == "group" or (kind == "f" and _is_white(path.get("fill"))):
            continue
        pen = (path.get("width") or 0.4) if kind != "f" else 0.0
        thin: list[Box] = []
        for item in path["items"]:
            box = _straight_box(item, pen)
            if box is None or min(box.width, box.height) > _MAX_RULE_PT:
                thin = []
                break
            thin.append(box)
        if thin:
            rules.extend(_displayed(box, matrix) for box in thin)
            continue
        whole = _displayed(Box(*path["rect"]), matrix)
        if whole.area < 0.8 * page_area:  # a page-wide fill is the paper
            shapes.append(whole)
            if whole.width > _MIN_FRAME_PT and all(_is_of_frame(item) for item in path["items"]):
                frames.append(whole)
    return rules, shapes, frames


def _is_of_frame(item: tuple[Any, ...]) -> bool:
    """Whether a part of a path is a rectangle, a straight side or a rounded corner."""
    if item[0] == "l":
        return bool(abs(item[1][0] - item[2][0]) < 0.5 or abs(item[1][1] - item[2][1]) < 0.5)
    if item[0] == "c":
        xs, ys = [point[0] for point in item[1:]], [point[1] for point in item[1:]]
        return bool(max(xs) - min(xs) < _MAX_CORNER_PT and max(ys) - min(ys) < _MAX_CORNER_PT)
    return bool(item[0] == "re")


def _with_axes(drawing: Box, rules: Sequence[Box]) -> Box:
    """A drawing with the long straight lines that touch it: the axes of a plot."""
    near = drawing.padded(_CLUSTER_GAP_PT)
    touching = [
        rule
        for rule in rules
        if max(rule.width, rule.height) > 0.4 * min(drawing.width, drawing.height) and (rule & near).area > 0
    ]
    return Box.around([drawing, *touching])


def _straight_box(item: tuple[Any, ...], pen: float) -> Box | None:
    """Box of a straight line or rectangle with its pen; None for a curve or a slanted line."""
    if item[0] == "l":
        (ax, ay), (bx, by) = item[1], item[2]
        if abs(ax - bx) > 0.5 and abs(ay - by) > 0.5:
            return None
        half = pen / 2
        if abs(ay - by) <= 0.5:
            return Box(min(ax, bx), min(ay, by) - half, max(ax, bx), max(ay, by) + half)
        return Box(min(ax, bx) - half, min(ay, by), max(ax, bx) + half, max(ay, by))
    if item[0] == "re":
        x0, y0, x1, y1 = item[1]
        return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    return None


def _is_white(color: Sequence[float] | None) -> bool:
    return color is not None and all(part > 0.97 for part in color) and len(color) in (1, 3)


def _cluster(shapes: Iterable[Box]) -> list[Box]:
    """Join shapes that touch or nearly touch into drawings of at least 12 x 12 pt."""
    pending = sorted(shapes, key=lambda box: box.x0)
    if len(pending) > _MAX_SHAPES:
        return [Box.around(pending)]
    clusters: list[Box] = []
    changed = True
    while changed:
        changed = False
        clusters = []
        for box in pending:
            near = box.padded(_CLUSTER_GAP_PT)
            for i, other in enumerate(clusters):
                if near.x0 < other.x1 and other.x0 < near.x1 and near.y0 < other.y1 and other.y0 < near.y1:
                    clusters[i] = other | box
                    changed = True
                    break
            else:
                clusters.append(box)
        pending = clusters
    drawings = [box for box in clusters if box.width >= _SMALL_SHAPE_PT and box.height >= _SMALL_SHAPE_PT]
    for small in clusters:
        if max(small.width, small.height) >= _SMALL_SHAPE_PT:
            continue
        x, y = small.center
        for i, box in enumerate(drawings):
            is_beside = box.y0 <= y <= box.y1 and box.x0 - _SMALL_SHAPE_REACH_PT < x < box.x1 + _SMALL_SHAPE_REACH_PT
            is_below = box.x0 <= x <= box.x1 and box.y0 - _SMALL_SHAPE_REACH_PT < y < box.y1 + _SMALL_SHAPE_REACH_PT
            if is_beside or is_below:
                drawings[i] = box | small
                break
    return drawings
