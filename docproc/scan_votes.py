"""What the network's cells say of each piece of ink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from docproc.scan_cores import FORMULA

if TYPE_CHECKING:
    from docproc.scan_detector import FormulaMaps

# A piece of ink is of an equation number if its cells say so with this probability on average, see FORMULA.
_NUMBER = 0.5


@dataclass(frozen=True, slots=True)
class Votes:
    """Mean over the cells of each piece of ink, shape (n,)."""

    formula: np.ndarray
    display: np.ndarray
    number: np.ndarray

    @property
    def is_formula(self) -> np.ndarray:
        """Pieces of formulas."""
        return np.asarray((self.formula > FORMULA) & (self.formula >= self.number))

    @property
    def is_number(self) -> np.ndarray:
        """Pieces of equation numbers."""
        return np.asarray((self.number > _NUMBER) & ~self.is_formula)


def cells_of(boxes: np.ndarray, maps: FormulaMaps) -> np.ndarray:
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


def vote(cells: np.ndarray, maps: FormulaMaps) -> Votes:
    """Let the cells of each piece vote."""
    return Votes(_mean(maps.inline + maps.display, cells), _mean(maps.display, cells), _mean(maps.number, cells))


def _mean(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    sums = cv2.integral(values, sdepth=cv2.CV_64F)
    x0, y0, x1, y1 = cells.T
    return np.asarray((sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]) / ((x1 - x0) * (y1 - y0)))
