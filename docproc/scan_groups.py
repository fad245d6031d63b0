"""From the maps of the network to regions: pieces of ink vote, cores tell neighbors apart, boxes hug the ink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from docproc.records import Box, FormulaKind, Region
from docproc.scan_boxes import EQUATION_NUMBER, box_around, in_reading_order, rows_of, soft_box
from docproc.scan_columns import find_gutters_of_ink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.records import Page
    from docproc.scan_detector import FormulaMaps
    from docproc.scan_ink import Ink

_POINTS_PER_INCH = 72.0
# A piece of ink is of a formula if its cells say so with this probability on average.
_FORMULA, _NUMBER, _CORE = 0.5, 0.5, 0.5
# A piece farther than this from every core is a formula of its own or nothing.
_REACH_EM = 1.0
# Ink that grew together with a formula's neighbor sticks out of the formula's cells by more than this.
_OUTSIDE_EM = 0.5


@dataclass(frozen=True, slots=True)
class _Votes:
    """Mean over the cells of each piece of ink, shape (n,)."""

    formula: np.ndarray
    display: np.ndarray
    number: np.ndarray


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
    cells = _cells_of(ink.boxes, maps)
    votes = _vote(cells, maps)
    cores, nearest, distance = _cores(maps)
    is_formula = (votes.formula > _FORMULA) & (votes.formula >= votes.number)
    groups: dict[int, list[int]] = {}
    for part in np.flatnonzero(is_formula).tolist():
        core = _core_of(cells[part], cores, nearest, distance, _REACH_EM * ink.em * maps.cells_a_pixel)
        if core:
            groups.setdefault(core, []).append(part)
    numbers = _numbers(ink, np.flatnonzero((votes.number > _NUMBER) & ~is_formula).tolist(), words, zoom)
    regions = []
    for parts in groups.values():
        share = float(np.average(votes.display[parts], weights=ink.areas[parts]))
        kind = FormulaKind.DISPLAY if share > 0.5 else FormulaKind.INLINE
        box = soft_box(ink, _hugging(ink, parts, cells, maps)).scaled(1 / zoom)
        rows: list[Box] = []
        if kind is FormulaKind.DISPLAY:
            rows = [row.scaled(1 / zoom) for row in rows_of(ink, parts)]
        regions.append(Region(kind, box, tuple(rows) if len(rows) > 1 else (), None))
    regions = _with_numbers(regions, numbers, ink.em / zoom)
    return in_reading_order(regions, [gutter / zoom for gutter in find_gutters_of_ink(ink)], ink.em / zoom)


def _cells_of(boxes: np.ndarray, maps: FormulaMaps) -> np.ndarray:
    """Boxes in cells, at least one each way: int, shape (n, 4), right and bottom exclusive."""
    rows, columns = maps.core.shape
    edges = np.rint(boxes * maps.cells_a_pixel).astype(np.int64)
    edges[:, 0::2] = np.clip(edges[:, 0::2], 0, columns)
    edges[:, 1::2] = np.clip(edges[:, 1::2], 0, rows)
    # A piece thinner than a cell takes the one its middle lies in.
    middle = ((boxes[:, :2] + boxes[:, 2:]) / 2 * maps.cells_a_pixel).astype(np.int64)
    middle = np.minimum(middle, [columns - 1, rows - 1])
    is_thin = edges[:, 2:] <= edges[:, :2]
    edges[:, :2] = np.where(is_thin, middle, edges[:, :2])
    edges[:, 2:] = np.where(is_thin, middle + 1, edges[:, 2:])
    return edges


def _vote(cells: np.ndarray, maps: FormulaMaps) -> _Votes:
    return _Votes(_mean(maps.inline + maps.display, cells), _mean(maps.display, cells), _mean(maps.number, cells))


def _mean(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    sums = cv2.integral(values, sdepth=cv2.CV_64F)
    x0, y0, x1, y1 = cells.T
    return np.asarray((sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]) / ((x1 - x0) * (y1 - y0)))


def _cores(maps: FormulaMaps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the core in each cell (0 = none), number of the nearest one, and how many cells away it is."""
    is_core = ((maps.core > _CORE) & (maps.inline + maps.display > _FORMULA)).astype(np.uint8)
    count, cores = cv2.connectedComponents(is_core, connectivity=4)
    if count < 2:
        return cores, cores, np.full(cores.shape, np.inf, np.float32)
    distance, zone = cv2.distanceTransformWithLabels(1 - is_core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    # Zones are numbered by the core cell that they are nearest to.
    number_of_zone = np.zeros(int(zone.max()) + 1, cores.dtype)
    inside = is_core > 0
    number_of_zone[zone[inside]] = cores[inside]
    return cores, number_of_zone[zone], distance


def _core_of(cell_box: np.ndarray, cores: np.ndarray, nearest: np.ndarray, distance: np.ndarray, reach: float) -> int:
    """The core that most cells of a piece lie in, or the nearest one within reach; 0 if there is none."""
    x0, y0, x1, y1 = cell_box
    own = cores[y0:y1, x0:x1]
    counts = np.bincount(own[own > 0]) if own.any() else np.zeros(0)
    if counts.size:
        return int(counts.argmax())
    away = distance[y0:y1, x0:x1]
    place = np.unravel_index(int(away.argmin()), away.shape)
    return int(nearest[y0:y1, x0:x1][place]) if away[place] <= reach else 0


def _hugging(ink: Ink, parts: list[int], cells: np.ndarray, maps: FormulaMaps) -> Box:
    """Box around a formula's ink; what grew together with a word beside it ends where the formula does."""
    box = box_around(ink, parts)
    slack = _OUTSIDE_EM * ink.em
    y0, y1 = int(cells[parts, 1].min()), int(cells[parts, 3].max())
    x0, x1 = int(cells[parts, 0].min()), int(cells[parts, 2].max())
    inside = (maps.inline + maps.display)[y0:y1, x0:x1] > _FORMULA
    columns = np.flatnonzero(inside.any(axis=0))
    if not columns.size:
        return box
    left, right = (x0 + columns[0]) / maps.cells_a_pixel, (x0 + columns[-1] + 1) / maps.cells_a_pixel
    return Box(left if left - box.x0 > slack else box.x0, box.y0, right if box.x1 - right > slack else box.x1, box.y1)


def _numbers(ink: Ink, parts: list[int], words: Sequence[OcrWord] | None, zoom: float) -> list[tuple[Box, str | None]]:
    """Equation numbers: boxes in points, and their text where the OCR read it."""
    groups: list[Box] = []
    for part in sorted(parts, key=lambda part: int(ink.boxes[part, 0])):
        box = box_around(ink, [part])
        for index, group in enumerate(groups):
            is_level = min(box.y1, group.y1) - max(box.y0, group.y0) > -0.2 * ink.em
            if is_level and box.x0 - group.x1 < 0.8 * ink.em:
                groups[index] = group | box
                break
        else:
            groups.append(box)
    found: list[tuple[Box, str | None]] = []
    for group in groups:
        box = group.scaled(1 / zoom)
        texts = [word.text for word in words or () if box.holds(word.box.center) or word.box.holds(box.center)]
        match = next(filter(None, (EQUATION_NUMBER.search(text) for text in texts)), None)
        found.append((box, match[1] if match else None))
    return found


def _with_numbers(regions: list[Region], numbers: list[tuple[Box, str | None]], em: float) -> list[Region]:
    """Give each number to the display on its height, the nearest one across."""
    from dataclasses import replace

    for box, text in sorted(numbers, key=lambda number: -number[0].y0):  # of several, the first one stays
        best, best_gap = None, float("inf")
        for index, region in enumerate(regions):
            if region.kind is not FormulaKind.DISPLAY or text is None:
                continue
            is_level = region.box.y0 - 0.5 * em < box.center[1] < region.box.y1 + 0.5 * em
            gap = max(region.box.x0 - box.x1, box.x0 - region.box.x1, 0.0)
            if is_level and gap < best_gap:
                best, best_gap = index, gap
        if best is not None:
            regions[best] = replace(regions[best], equation_number=text)
    return regions
