"""Cores of formulas in the network's maps: which formula a cell belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from docproc.records import Box

if TYPE_CHECKING:
    from docproc.scan_detector import FormulaMaps

FORMULA = 0.5
"""A cell, or a piece of ink on average, is of a formula with at least this probability."""
_CORE = 0.5
# An inline core that falls apart at this level into pieces above each other, their middles this far apart, is of two
# lines of text: a fraction's parts are 0.8 em apart, lines at least 1.1.
_STRONG_CORE, _LINE_EM, _LEAST_CELLS = 0.9, 0.8, 4
# By hand, a core is parted where it falls apart into pieces at least so wide at one of these levels: lines that are
# bridged by a stroke, while the rows of a fraction or a matrix hold together up to the highest. Chosen on 60 dev pages.
_PARTING, _PART_EM = (0.7, 0.9), 1.5
# A formula whose core is nowhere surer than this is none.
_PEAK = 0.75
# Formula cells at most this far from a core are its frame: the core leaves out one cell all around.
_FRAME_CELLS = 2.0


@dataclass(frozen=True, slots=True)
class Cores:
    """For each cell, shape (rows, columns)."""

    numbers: np.ndarray
    """Of the core that the cell lies in; 0 = none."""
    nearest: np.ndarray
    """Number of the nearest core; 0 if there is none on the page."""
    distance: np.ndarray
    """Cells to the nearest core."""

    def of(self, cell_box: np.ndarray, reach: float) -> int:
        """The core that most cells of a piece lie in, or the nearest one within reach; 0 if there is none."""
        x0, y0, x1, y1 = cell_box
        own = self.numbers[y0:y1, x0:x1]
        counts = np.bincount(own[own > 0]) if own.any() else np.zeros(0)
        if counts.size:
            return int(counts.argmax())
        away = self.distance[y0:y1, x0:x1]
        place = np.unravel_index(int(away.argmin()), away.shape)
        return int(self.nearest[y0:y1, x0:x1][place]) if away[place] <= reach else 0

    def frames(self, maps: FormulaMaps) -> dict[int, Box]:
        """Box in pixels around the formula cells nearest to each core."""
        rows, columns = np.nonzero((maps.inline + maps.display > FORMULA) & (self.distance < _FRAME_CELLS))
        cores = self.nearest[rows, columns]
        order = np.argsort(cores, kind="stable")
        rows, columns, cores = rows[order], columns[order], cores[order]
        frames = {}
        edges_of_runs = np.flatnonzero(np.diff(cores, prepend=-1, append=-1))
        for start, end in pairwise(edges_of_runs.tolist()):
            y, x = rows[start:end], columns[start:end]
            edges = (float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1))
            frames[int(cores[start])] = Box(*edges).scaled(1 / maps.cells_a_pixel)
        return frames


def find_cores(maps: FormulaMaps, em_cells: float, *, by_hand: bool = False) -> Cores:
    """Find the cores of formulas.

    Args:
        maps: Of the network.
        em_cells: Size of the body text in cells.
        by_hand: The maps are of the network for handwriting, whose cores of near lines are bridged rather than blurred.

    Returns:
        Cores of neighbors have numbers of their own, also where they touch from line to line.
    """
    is_core = ((maps.core > _CORE) & (maps.inline + maps.display > FORMULA)).astype(np.uint8)
    count, cores, stats, _ = cv2.connectedComponentsWithStats(is_core, connectivity=4)
    if count < 2:
        return Cores(cores, cores, np.full(cores.shape, np.inf, np.float32))
    for number in range(1, count):
        x0, y0, width, height, _ = stats[number]
        own = np.s_[y0 : y0 + height, x0 : x0 + width]
        inside = cores[own] == number
        if float(maps.core[own][inside].max()) < _PEAK:
            is_core[own][inside] = 0
            cores[own][inside] = 0
        elif by_hand:
            for part in _strong_parts(maps.core[own], inside, em_cells)[1:]:
                cores[own][part] = count
                count += 1
        elif height > 1.5 * _LINE_EM * em_cells and maps.inline[own][inside].mean() > 0.5:
            rows = _rows_of_core((maps.core[own] > _STRONG_CORE) & inside, _LINE_EM * em_cells)
            for row, middle in enumerate(rows[1:], start=1):
                below = np.arange(height) >= (rows[row - 1] + middle) / 2
                cores[own][inside & below[:, None]] = count
                count += 1
    if not is_core.any():
        return Cores(cores, cores, np.full(cores.shape, np.inf, np.float32))
    return Cores(cores, *_nearest(cores))


def _strong_parts(core: np.ndarray, inside: np.ndarray, em_cells: float) -> list[np.ndarray]:
    """Masks of the parts that a core falls into where it is surer; one if it holds together.

    Args:
        core: Of the map, around the core.
        inside: Whether a cell is of this core; bool, of the same shape.
        em_cells: Size of the body text in cells.
    """
    if inside.shape[0] < em_cells:
        return [inside]
    for level in _PARTING:
        is_strong = ((core > level) & inside).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(is_strong, connectivity=4)
        wide = [part for part in range(1, count) if stats[part, cv2.CC_STAT_WIDTH] >= _PART_EM * em_cells]
        if len(wide) > 1:
            seeds = np.where(np.isin(parts, wide), parts, 0)
            nearest = _nearest(seeds)[0]
            return [inside & (nearest == part) for part in wide]
    return [inside]


def _nearest(seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each cell the number of the nearest numbered one, and its distance in cells; one at least is not 0."""
    is_seed = seeds > 0
    distance, zone = cv2.distanceTransformWithLabels(
        1 - is_seed.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Zones are numbered by the seed cell that they are nearest to.
    number_of_zone = np.zeros(int(zone.max()) + 1, seeds.dtype)
    number_of_zone[zone[is_seed]] = seeds[is_seed]
    return number_of_zone[zone], distance


def _rows_of_core(is_strong: np.ndarray, apart: float) -> list[float]:
    """Middles, from top to bottom, of the strong pieces of a core that stand above each other; one at least."""
    count, _, stats, middles = cv2.connectedComponentsWithStats(is_strong.astype(np.uint8), connectivity=4)
    rows: list[list[float]] = []
    for piece in sorted(range(1, count), key=lambda piece: float(middles[piece][1])):
        top, height, area = (int(value) for value in stats[piece][[1, 3, 4]])
        if area < _LEAST_CELLS:
            continue
        if rows and (middles[piece][1] - rows[-1][0] < apart or top < rows[-1][1]):
            rows[-1][1] = max(rows[-1][1], top + height)
        else:
            rows.append([float(middles[piece][1]), top + height])
    return [row[0] for row in rows] or [0.0]
