"""Columns of a scanned page from its ink alone."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from docproc.scan_ink import Ink

# A gutter is at least this wide, and this share of its height is free of letters.
_WIDTH_EM, _FREE_SHARE = 0.9, 0.92
# Each side of it holds at least this share of the letters.
_SIDE_SHARE = 0.15


def find_gutters_of_ink(ink: Ink) -> list[float]:
    """Middles in pixels of the vertical strips of white between columns; empty for one column.

    Args:
        ink: Of the page.
    """
    letters = ink.boxes[(ink.heights > 0.5 * ink.x_height) & (ink.heights < 3 * ink.x_height)]
    if len(letters) < 200:
        return []
    step = 0.25 * ink.em
    columns = int(ink.shape[1] / step) + 2
    lines = np.unique(np.rint(letters[:, 3] / (1.2 * ink.em)).astype(np.int64), return_inverse=True)[1]
    is_inked = np.zeros((int(lines.max()) + 1, columns), bool)
    for line, x0, x1 in zip(lines, letters[:, 0] / step, letters[:, 2] / step, strict=True):
        is_inked[line, int(x0) : int(x1) + 1] = True
    inked_share = is_inked.mean(axis=0)
    free = (inked_share < 1 - _FREE_SHARE).astype(np.int8)
    middles = (letters[:, 0] + letters[:, 2]) / 2
    gutters = []
    for start, end in pairwise(np.flatnonzero(np.diff(free)).tolist()):
        x = (start + end + 1) / 2 * step
        left = float((middles < x).mean())
        if free[start + 1] and (end - start) * step >= _WIDTH_EM * ink.em and min(left, 1 - left) >= _SIDE_SHARE:
            gutters.append(x)
    return gutters
