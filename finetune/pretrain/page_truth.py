"""Read the exact ink of every marked formula out of a typeset PDF, and turn the marks black."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pymupdf

from docproc.records import Box
from finetune.pretrain.page_formulas import is_undecidable
from finetune.pretrain.page_tex import MARK_BLUE, MarkedFormula, color_operand

_BLUE = re.escape(color_operand(MARK_BLUE)).encode()
_MARKED = re.compile(rb"(?<![\d.])[\d.]+ [\d.]+ " + _BLUE + rb" rg [\d.]+ [\d.]+ " + _BLUE + rb" RG")
_CHARACTERS = pymupdf.TEXT_ACCURATE_BBOXES | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_PRESERVE_WHITESPACE
_RASTER_DPI = 360
"""Of the picture that tells how far a glyph's ink reaches sideways: to 0.2 pt."""
_SIDE_PT = 2.0
"""Farthest that ink lies outside or inside its glyph's advance width, in a font of 14 pt."""
_PLAIN = frozenset("0123456789.,;:()[]")
"""A fragment of these alone is undecidable."""
_REACH_PT = 40
"""How far a glyph without an outline box may reach from its origin; a big delimiter is the largest."""


@dataclass(frozen=True, slots=True)
class TrueRegion:
    """One formula as printed, or one fragment of an inline formula that breaks over lines."""

    kind: str
    """`display` or `inline`."""
    box: Box
    """Exactly around the ink, in points; the equation number is outside."""
    latex: str
    """Of the whole formula, also in each of its fragments."""
    ink: tuple[Box, ...]
    """Every glyph and rule, so that a tilted page has exact boxes too."""
    lines: tuple[Box, ...] = ()
    """One box a row, for displays of several rows."""
    equation_numbers: tuple[tuple[str, Box], ...] = ()
    """Text without brackets, and the box with them."""
    continues: int | None = None
    """Index in the page's regions of the fragment that this one goes on from, if that is on the same page."""
    is_ignored: bool = False
    """Undecidable (`$3$`, a plain word) or inside a figure: counts neither found nor missed."""
    also: tuple[Box, ...] = ()
    """Boxes just as right: without a closing comma or stop, without brackets around the whole."""


@dataclass(frozen=True, slots=True)
class _Ink:
    page: int
    box: Box
    text: str
    baseline: float


def read_truth(pdf: bytes, formulas: Sequence[MarkedFormula]) -> tuple[bytes, list[tuple[TrueRegion, ...]]]:
    """Find the ink of each marked formula and make the document black.

    Args:
        pdf: As TeX made it from a MarkedSource.
        formulas: The source's formulas.

    Returns:
        The PDF without its marks (the same layout to the last digit), and the regions of each page in source order.

    Raises:
        ValueError: The PDF cannot be read.
    """
    try:
        document = pymupdf.open("pdf", pdf)
    except Exception as error:
        raise ValueError(f"TeX's PDF cannot be read: {error}") from error
    with document:
        marked: dict[int, list[_Ink]] = defaultdict(list)
        for number, page in enumerate(document):
            for mark, ink in _page_ink(page, number):
                marked[mark].append(ink)
        pages: list[list[TrueRegion]] = [[] for _ in range(len(document))]
        for formula in formulas:
            _add_regions(pages, formula, marked)
        for page in document:
            for xref in page.get_contents():
                stream = document.xref_stream(xref)
                document.update_stream(xref, _MARKED.sub(b"0 g 0 G", stream))
        return document.tobytes(deflate=True), [tuple(regions) for regions in pages]


def _page_ink(page: pymupdf.Page, number: int) -> list[tuple[int, _Ink]]:
    """All marked glyphs and rules of a page in drawing order within each sort, with their marks."""
    found: list[tuple[int, _Ink]] = []
    empty: list[tuple[int, _Ink]] = []
    for block in page.get_text("rawdict", flags=_CHARACTERS)["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                mark = _mark_of(span["color"])
                if mark is None:
                    continue
                for char in span["chars"]:
                    box = Box(*char["bbox"])
                    item = (mark, _Ink(number, box, char["c"], char["origin"][1]))
                    if not char["c"].isspace():
                        (found if box.area > 0 else empty).append(item)
    for drawing in page.get_cdrawings():
        color = drawing.get("fill") or drawing.get("color")
        if color is None or len(color) != 3:
            continue
        red, green, blue = (round(part * 255) for part in color)
        mark = _mark_of(red << 16 | green << 8 | blue)
        if mark is None:
            continue
        box = Box(*drawing["rect"])
        half = drawing.get("width") or 0.0
        if drawing["type"] == "s":  # a stroked line: its path has no thickness of its own
            wide = box.width >= box.height
            box = Box(
                box.x0 - half / 2 * (not wide),
                box.y0 - half / 2 * wide,
                box.x1 + half / 2 * (not wide),
                box.y1 + half / 2 * wide,
            )
        found.append((mark, _Ink(number, box, "", box.center[1])))
    if not found and not empty:
        return []
    picture = _flat_picture(page)
    return _with_side_bearings(found, picture) + _ink_from_picture(empty, picture)


def _mark_of(color: int) -> int | None:
    return color >> 8 if color & 255 == MARK_BLUE and color >> 8 else None


def _flat_picture(page: pymupdf.Page) -> npt.NDArray[np.uint8]:
    """The page in pure colors, shape (height, width, 3), at `_RASTER_DPI`."""
    level = pymupdf.TOOLS.show_aa_level()["graphics"]
    pymupdf.TOOLS.set_aa_level(0)
    try:
        pixmap = page.get_pixmap(dpi=_RASTER_DPI, alpha=False)
    finally:
        pymupdf.TOOLS.set_aa_level(level)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


def _with_side_bearings(items: list[tuple[int, _Ink]], picture: npt.NDArray[np.uint8]) -> list[tuple[int, _Ink]]:
    """Glyph boxes with their true sides.

    PyMuPDF's accurate boxes are exact in height but as wide as the glyph's advance (measured: `e` of Palatino 0.0 to
    3.82 pt, its ink 0.15 to 3.67). Only sides at which no other glyph of the mark stands matter, and only there can the
    pixels be told apart.
    """
    of_mark: dict[int, list[_Ink]] = defaultdict(list)
    for mark, ink in items:
        of_mark[mark].append(ink)
    found = []
    for mark, inks in of_mark.items():
        for ink in inks:
            box = ink.box
            if ink.text:
                others = [o.box for o in inks if o is not ink and o.box.y0 < box.y1 and o.box.y1 > box.y0]
                is_free_left = not any(o.center[0] < box.center[0] and o.x1 > box.x0 - _SIDE_PT for o in others)
                is_free_right = not any(o.center[0] > box.center[0] and o.x0 < box.x1 + _SIDE_PT for o in others)
                wide = Box(box.x0 - _SIDE_PT * is_free_left, box.y0, box.x1 + _SIDE_PT * is_free_right, box.y1)
                seen = _pixels_of(mark, wide, picture)
                if seen is not None:
                    left, right = seen.x0 if is_free_left else box.x0, seen.x1 if is_free_right else box.x1
                    box = Box(left, box.y0, max(right, left + 0.1), box.y1)
            found.append((mark, replace(ink, box=box)))
    return found


def _ink_from_picture(items: list[tuple[int, _Ink]], picture: npt.NDArray[np.uint8]) -> list[tuple[int, _Ink]]:
    """Boxes of glyphs without an outline box: the pixels near their origin that bear their mark."""
    found = []
    for mark, ink in items:
        x, y = ink.box.x0, ink.baseline
        box = _pixels_of(mark, Box(x - _REACH_PT, y - _REACH_PT, x + _REACH_PT, y + _REACH_PT), picture)
        if box is not None:
            found.append((mark, _Ink(ink.page, box, "", ink.baseline)))
    return found


def _pixels_of(mark: int, window: Box, picture: npt.NDArray[np.uint8]) -> Box | None:
    """Box of the pixels in `window` (points) that bear a mark, in points."""
    scale = _RASTER_DPI / 72
    left, top = max(0, int(window.x0 * scale)), max(0, int(window.y0 * scale))
    cut = picture[top : int(window.y1 * scale) + 2, left : int(window.x1 * scale) + 2]
    hits = (cut[..., 0] == mark >> 8) & (cut[..., 1] == mark & 255) & (cut[..., 2] == MARK_BLUE)
    rows, columns = np.flatnonzero(hits.any(axis=1)), np.flatnonzero(hits.any(axis=0))
    if not len(rows):
        return None
    edges = (columns[0] + left, rows[0] + top, columns[-1] + 1 + left, rows[-1] + 1 + top)
    return Box(*(float(edge / scale) for edge in edges))


def _add_regions(pages: list[list[TrueRegion]], formula: MarkedFormula, marked: dict[int, list[_Ink]]) -> None:
    rows = [[ink for mark in row for ink in marked.get(mark, ())] for row in formula.rows]
    rows = [row for row in rows if row]
    if not rows:
        return
    is_ignored = formula.is_ignored or is_undecidable(formula.latex)
    if formula.kind == "inline":
        previous: tuple[int, int] | None = None
        fragments = _fragments(rows[0])
        for fragment in fragments:
            number = fragment[0].page
            # `3.` at the start of a line, the rest of a formula that broke there, is just another number.
            is_plain = len(fragments) > 1 and all(ink.text in _PLAIN for ink in fragment)
            continues = previous[1] if previous and previous[0] == number else None
            boxes = tuple(ink.box for ink in fragment)
            region = TrueRegion(
                "inline",
                Box.around(boxes),
                formula.latex,
                boxes,
                continues=continues,
                is_ignored=is_ignored or is_plain,
                also=_also(fragment),
            )
            previous = number, len(pages[number])
            pages[number].append(region)
        return
    for number in sorted({ink.page for row in rows for ink in row}):
        lines = [[ink for ink in row if ink.page == number] for row in rows]
        boxes = tuple(ink.box for line in lines for ink in line)
        row_boxes = tuple(Box.around(ink.box for ink in line) for line in lines if line)
        tags = [ink for ink in marked.get(formula.number_mark or 0, ()) if ink.page == number]
        last = [line for line in lines if line][-1]
        pages[number].append(
            TrueRegion(
                "display",
                Box.around(boxes),
                formula.latex,
                boxes,
                row_boxes if len(row_boxes) > 1 else (),
                _equation_numbers(tags),
                is_ignored=is_ignored,
                also=_also(last) if len(row_boxes) == 1 else (),
            )
        )


def _fragments(inks: list[_Ink]) -> list[list[_Ink]]:
    """Cut an inline formula where TeX broke the line: to the next line, column or page."""
    glyphs = sorted((ink for ink in inks if ink.text), key=lambda ink: ink.page)
    rules = [ink for ink in inks if not ink.text]
    if not glyphs:
        return [inks]
    fragments = [[glyphs[0]]]
    for glyph in glyphs[1:]:
        if _is_new_line(fragments[-1], glyph, rules):
            fragments.append([])
        fragments[-1].append(glyph)
    boxes = [(fragment[0].page, Box.around(ink.box for ink in fragment)) for fragment in fragments]
    for rule in rules:
        gaps = [
            max(0.0, box.y0 - rule.box.y1, rule.box.y0 - box.y1) + max(0.0, box.x0 - rule.box.x1, rule.box.x0 - box.x1)
            if page == rule.page
            else float("inf")
            for page, box in boxes
        ]
        fragments[int(np.argmin(gaps))].append(rule)
    return fragments


def _is_new_line(fragment: list[_Ink], glyph: _Ink, rules: list[_Ink]) -> bool:
    if glyph.page != fragment[0].page:
        return True
    so_far = Box.around(ink.box for ink in fragment)
    if glyph.box.y1 < so_far.y0 - 30:  # up to the head of the next column
        return True
    lower = glyph.baseline - fragment[0].baseline
    if lower < 8.0 or glyph.box.y0 < so_far.center[1]:
        return False
    back = so_far.x1 - glyph.box.x0
    under_rule = any(
        so_far.y0 <= rule.box.y0 <= glyph.box.y1 and rule.box.x0 - 1 <= glyph.box.center[0] <= rule.box.x1 + 1
        for rule in rules
    )
    return not under_rule and (glyph.box.x0 < so_far.x0 - 2 or back > 40)


def _also(inks: list[_Ink]) -> tuple[Box, ...]:
    glyphs = [ink for ink in inks if ink.text]
    if len(glyphs) < 2:
        return ()
    found = []
    ends = sorted(inks, key=lambda ink: ink.box.x1)
    if ends[-1].text in (".", ",", ";", ":"):
        found.append(Box.around(ink.box for ink in ends[:-1]))
    starts = sorted(inks, key=lambda ink: ink.box.x0)
    if len(inks) > 2 and (starts[0].text, ends[-1].text) in (("(", ")"), ("[", "]"), ("|", "|")):
        found.append(Box.around(ink.box for ink in inks if ink is not starts[0] and ink is not ends[-1]))
    return tuple(found)


def _equation_numbers(inks: list[_Ink]) -> tuple[tuple[str, Box], ...]:
    """Group a display's number glyphs by row."""
    rows: list[list[_Ink]] = []
    for ink in sorted(inks, key=lambda ink: ink.baseline):
        if rows and abs(rows[-1][0].baseline - ink.baseline) < 3:
            rows[-1].append(ink)
        else:
            rows.append([ink])
    return tuple(
        (
            "".join(ink.text for ink in sorted(row, key=lambda ink: ink.box.x0)).strip("()[]"),
            Box.around(ink.box for ink in row),
        )
        for row in rows
    )
