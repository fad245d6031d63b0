"""Boxes of regions on scanned pages: from pieces of ink, into lines, and in reading order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from docproc.records import Box

if TYPE_CHECKING:
    from docproc.records import Region
    from docproc.scan_ink import Ink

EQUATION_NUMBER = re.compile(r"[(\[（]((?=\W*\w*\W?\d)[A-Z]{0,4}[.\-]?\d{1,3}(?:[.\-–:]\d{1,3})*[a-z]?[*′']?)[)\]）]")
"""As the OCR reads it; the group is the number without its brackets."""
# Light edge of the ink: the boxes of components fell short of the true ones by this, median of ten degraded pages.
_EDGE_EM = 0.035


def rows_of(ink: Ink, parts: list[int]) -> list[Box]:
    """Lines of a display: its ink parted by white strips; a strip too thin for a new line parts nothing."""
    boxes = sorted((tuple(int(v) for v in ink.boxes[part]) for part in parts), key=lambda box: box[1])
    rows: list[Box] = []
    for box in boxes:
        here = Box(*(float(value) for value in box))
        if rows and here.y0 < rows[-1].y1 + 0.3 * ink.em:
            rows[-1] = rows[-1] | here
        else:
            rows.append(here)
    return rows


def box_around(ink: Ink, parts: list[int]) -> Box:
    """Box in pixels around some components."""
    boxes = ink.boxes[parts]
    return Box(*(float(v) for v in (boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max())))


def soft_box(ink: Ink, box: Box) -> Box:
    """The box with the blurred edge of the ink, which the threshold cuts off."""
    return Box(
        max(0.0, box.x0 - _EDGE_EM * ink.em),
        max(0.0, box.y0 - _EDGE_EM * ink.em / 3),
        min(float(ink.shape[1]), box.x1 + _EDGE_EM * ink.em),
        min(float(ink.shape[0]), box.y1 + _EDGE_EM * ink.em / 3),
    )


def in_reading_order(regions: list[Region], gutters: list[float], em_pt: float) -> list[Region]:
    """Column by column, from top to bottom; on one line from left to right."""

    def key(region: Region) -> tuple[int, float, float]:
        column = int(np.searchsorted(gutters, region.box.center[0]))
        return column, round(region.box.center[1] / (0.9 * em_pt)), region.box.x0

    return sorted(regions, key=key)
