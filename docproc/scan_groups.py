"""From the maps of the network to regions: pieces of ink vote, cores tell neighbors apart, boxes hug the ink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from docproc.records import Box, FormulaKind, Region
from docproc.scan_boxes import box_around, in_reading_order, rows_of, soft_box
from docproc.scan_columns import find_gutters_of_ink
from docproc.scan_cores import find_cores
from docproc.scan_numbers import find_numbers, with_numbers
from docproc.scan_votes import cells_of, vote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.records import Page
    from docproc.scan_detector import FormulaMaps
    from docproc.scan_ink import Ink

_POINTS_PER_INCH = 72.0
# Base lines of text are at least this far apart, those of a fraction in a line of text 0.74 (TeX's text style).
_LINE_PITCH_EM = 1.0
# What lies in a display's box with this share of its own is part of it.
_INSIDE = 0.8
# A piece farther than this from every core is none.
_REACH_EM = 0.5
# Ink that grew together with a formula's neighbor sticks out of the formula's cells by more than this; faint ink of
# which a piece is missing stays inside by more than that.
_OUTSIDE_EM, _MISSING_EM = 0.5, 0.6


@dataclass(frozen=True, slots=True)
class _Group:
    """Pieces of ink that are one formula, and its box in pixels."""

    kind: FormulaKind
    parts: list[int]
    box: Box


def group_formulas(ink: Ink, maps: FormulaMaps, page: Page, words: Sequence[OcrWord] | None) -> list[Region]:
    """Make regions of what the network saw.

    Args:
        ink: Of the page.
        maps: Of the same page.
        page: Its resolution counts.
        words: Of the OCR, boxes in points, for the text of equation numbers; None leaves numbers without text out.

    Returns:
        Regions in reading order; boxes in points.
    """
    zoom = page.dpi / _POINTS_PER_INCH
    cells = cells_of(ink.boxes, maps)
    votes = vote(cells, maps)
    cores = find_cores(maps, ink.em * maps.cells_a_pixel)
    is_formula = votes.is_formula
    groups: dict[int, list[int]] = {}
    for part in np.flatnonzero(is_formula).tolist():
        core = cores.of(cells[part], _REACH_EM * ink.em * maps.cells_a_pixel)
        if core:
            groups.setdefault(core, []).append(part)
    numbers = find_numbers(ink, votes, words, zoom)
    frames = cores.frames(maps)
    found = []
    for core, parts in groups.items():
        share = float(np.average(votes.display[parts], weights=ink.areas[parts]))
        kind = FormulaKind.DISPLAY if share > 0.5 else FormulaKind.INLINE
        text_lines = _text_lines(ink, parts) if kind is FormulaKind.INLINE else [parts]
        if len(text_lines) > 1:
            found += [_Group(kind, line, box_around(ink, line)) for line in text_lines]
        else:
            found.append(_Group(kind, parts, _fitted(ink, parts, frames.get(core))))
    regions = []
    for group in _absorbed(found):
        rows = rows_of(ink, group.parts) if group.kind is FormulaKind.DISPLAY else []
        lines = tuple(row.scaled(1 / zoom) for row in rows) if len(rows) > 1 else ()
        regions.append(Region(group.kind, soft_box(ink, group.box).scaled(1 / zoom), lines, None))
    regions = with_numbers(regions, numbers, ink.em / zoom)
    return in_reading_order(regions, [gutter / zoom for gutter in find_gutters_of_ink(ink)], ink.em / zoom)


def _text_lines(ink: Ink, parts: list[int]) -> list[list[int]]:
    """Part ink that was taken for one inline formula where white parts two lines of text; not at a fraction bar."""
    order = sorted(parts, key=lambda part: int(ink.boxes[part, 1]))
    lines: list[list[int]] = [[order[0]]]
    bottom = int(ink.boxes[order[0], 3])
    for part in order[1:]:
        if ink.boxes[part, 1] >= bottom:
            lines.append([])
        lines[-1].append(part)
        bottom = max(bottom, int(ink.boxes[part, 3]))
    joined = [lines[0]]
    for line in lines[1:]:
        if _are_lines(ink, joined[-1], line):
            joined.append(line)
        else:
            joined[-1] = joined[-1] + line
    return joined


def _are_lines(ink: Ink, upper: list[int], lower: list[int]) -> bool:
    """Whether letters stand on two base lines at a line's distance, without a fraction bar between them."""
    feet = []
    for parts in (upper, lower):
        boxes = ink.boxes[parts]
        letters = boxes[(boxes[:, 3] - boxes[:, 1]) > 0.7 * ink.x_height]
        if not len(letters):
            return False
        feet.append(float(np.median(letters[:, 3])))
    low, high = ink.boxes[upper], ink.boxes[lower]
    ends = np.vstack([low[low[:, 3] == low[:, 3].max()], high[high[:, 1] == high[:, 1].min()]])
    is_bar = (ends[:, 2] - ends[:, 0] > 0.6 * ink.em) & (ends[:, 3] - ends[:, 1] < 0.2 * ink.em)
    return feet[1] - feet[0] > _LINE_PITCH_EM * ink.em and not bool(is_bar.any())


def _fitted(ink: Ink, parts: list[int], frame: Box | None) -> Box:
    """Box around a formula's ink, brought to the frame of its cells on a side where the two are far apart.

    What grew together with a word beside it ends where the formula does; of faint ink, which the threshold takes away,
    the cells still know.
    """
    box = box_around(ink, parts)
    if frame is None:
        return box
    out, in_ = _OUTSIDE_EM * ink.em, _MISSING_EM * ink.em

    def fit(edge: float, of_cells: float, outward: int) -> float:
        beyond = (edge - of_cells) * outward
        return of_cells if beyond > out or -beyond > in_ else edge

    left, right = fit(box.x0, frame.x0, -1), fit(box.x1, frame.x1, 1)
    top, bottom = min(box.y0, fit(box.y0, frame.y0, -1)), max(box.y1, fit(box.y1, frame.y1, 1))
    return Box(left, top, right, bottom)


def _absorbed(groups: list[_Group]) -> list[_Group]:
    """Give to each display what lies in its box."""
    kept: list[_Group] = []
    for group in sorted(groups, key=lambda group: (group.kind is not FormulaKind.DISPLAY, -group.box.area)):
        for index, display in enumerate(kept):
            is_inside = (display.box & group.box).area > _INSIDE * group.box.area
            if display.kind is FormulaKind.DISPLAY and is_inside:
                kept[index] = _Group(display.kind, display.parts + group.parts, display.box | group.box)
                break
        else:
            kept.append(group)
    return kept
