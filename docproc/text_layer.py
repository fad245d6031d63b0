"""Read what a born-digital page says of itself: glyphs with their ink, drawn rules and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymupdf

from docproc.glyph_names import UNKNOWN, name_unknown_glyphs
from docproc.records import Box, Glyph, TextLayer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A drawn shape is a rule if its thinner side is at most this (TeX's default rule is 0.4 pt, thick frames 2 pt).
_MAX_RULE_PT = 2.2
# Shapes nearer to each other than this belong to one drawing.
_CLUSTER_GAP_PT = 6.0
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
    rules, shapes = _read_drawings(page, matrix)
    pictures = [_displayed(Box(*info["bbox"]), matrix) for info in page.get_image_info()]
    visible = Box(0, 0, page.rect.width, page.rect.height)
    clipped = [picture & visible for picture in pictures]
    figures = [figure for figure in clipped if figure.width > 4 and figure.height > 4] + _cluster(shapes)
    return TextLayer(glyphs=tuple(read_glyphs(page)), rules=tuple(rules), figures=tuple(figures))


def read_glyphs(page: pymupdf.Page) -> list[Glyph]:
    """Read the glyphs of one page as `read_text_layer` does."""
    matrix = page.rotation_matrix if page.rotation else None
    # Type 3 fonts tell no outline before the page has been run once; MuPDF then gives the font box instead.
    raw: dict[str, Any] = page.get_text("rawdict", flags=_FLAGS)
    page_width, page_height = page.rect.width, page.rect.height
    glyphs: list[Glyph] = []
    names: dict[tuple[int, int], str] | None = None
    for block in raw["blocks"]:
        for line in block.get("lines", ()):
            direction = pymupdf.Point(line["dir"])
            if matrix is not None:
                direction = direction * pymupdf.Matrix(matrix.a, matrix.b, matrix.c, matrix.d, 0, 0)
            if direction.x < 0.98:
                continue
            for span in line["spans"]:
                size, font, flags = span["size"], _plain_font_name(span["font"]), span["flags"]
                is_bold = bool(flags & 16) or "bold" in font.lower()
                is_italic = bool(flags & 2) or any(word in font.lower() for word in ("ital", "obli", "slant"))
                for char in span["chars"]:
                    x0, y0, x1, y1 = char["bbox"]
                    x, y = char["origin"]
                    if matrix is not None:
                        x, y = pymupdf.Point(x, y) * matrix
                        x0, y0, x1, y1 = pymupdf.Rect(x0, y0, x1, y1) * matrix
                    if x1 < 0 or y1 < 0 or x0 > page_width or y0 > page_height:
                        continue
                    text = char["c"]
                    if text == UNKNOWN:
                        if names is None:
                            names = name_unknown_glyphs(page)
                        text = names.get((round(char["origin"][0] * 10), round(char["origin"][1] * 10)), UNKNOWN)
                    if not text.isspace() and (x1 - x0 <= 0 or y1 - y0 <= 0):
                        # No ink is known (0-0.7 % of glyphs): a box of usual proportions on the baseline.
                        x0, y0, x1, y1 = x, y - 0.68 * size, max(x1, x + 0.45 * size), y
                    glyphs.append(Glyph(text, Box(x0, y0, x1, y1), (x, y), size, font, is_bold, is_italic))
    return glyphs


def _plain_font_name(name: str) -> str:
    prefix, plus, rest = name.partition("+")
    return rest if plus and len(prefix) == 6 and prefix.isupper() else name


def _displayed(box: Box, matrix: Any) -> Box:
    if matrix is None:
        return box
    turned = pymupdf.Rect(box.x0, box.y0, box.x1, box.y1) * matrix
    return Box(turned.x0, turned.y0, turned.x1, turned.y1)


def _read_drawings(page: pymupdf.Page, matrix: Any) -> tuple[list[Box], list[Box]]:
    """Thin straight shapes, and the boxes of all other visible shapes."""
    rules: list[Box] = []
    shapes: list[Box] = []
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
    return rules, shapes


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
    return [box for box in clusters if box.width >= 12 and box.height >= 12]
