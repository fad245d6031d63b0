"""From the maps of the network to regions, by hand: strokes run into neighbors, so cores say where a formula ends.

In print a piece of ink is a letter and belongs to one formula. By hand a loop goes around a result, a tail hangs into
the line below, a word is one piece: here each formula starts as the frame of its cells, which the ink then makes exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from docproc.records import Box, FormulaKind, Region
from docproc.scan_boxes import in_reading_order, soft_box
from docproc.scan_columns import find_gutters_of_ink
from docproc.scan_cores import find_cores
from docproc.scan_numbers import find_numbers, with_numbers
from docproc.scan_votes import cells_of, vote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.records import Page
    from docproc.scan_cores import Cores
    from docproc.scan_detector import FormulaMaps
    from docproc.scan_ink import Ink

_POINTS_PER_INCH = 72.0
# A piece of ink at least this share of which lies in a formula's frame is its own, and kept whole up to so far outside:
# the frame ends within a cell or two of the ink.
_OWN_SHARE, _OUTSIDE_EM = 0.7, 0.3
# A formula is at least this large each way: less is a speck.
_LEAST_EM = 0.15


def group_written(ink: Ink, maps: FormulaMaps, page: Page, words: Sequence[OcrWord] | None) -> list[Region]:
    """Make regions of what the network saw on a handwritten page.

    Args:
        ink: Of the page, see scan_handwriting.read_written_ink.
        maps: Of the same page.
        page: Its resolution counts.
        words: Of the OCR, boxes in points, for the text of equation numbers; None leaves numbers without text out.

    Returns:
        Regions in reading order; boxes in points.
    """
    zoom = page.dpi / _POINTS_PER_INCH
    cores = find_cores(maps, ink.em * maps.cells_a_pixel, by_hand=True)
    kinds = _kinds(maps, cores)
    regions = []
    for core, frame in cores.frames(maps).items():
        box = _on_ink(ink, frame)
        if box is not None and max(box.width, box.height) > _LEAST_EM * ink.em:
            regions.append(Region(kinds[core], soft_box(ink, box).scaled(1 / zoom), written_em_pt=ink.em / zoom))
    numbers = find_numbers(ink, vote(cells_of(ink.boxes, maps), maps), words, zoom)
    regions = with_numbers(regions, numbers, ink.em / zoom)
    return in_reading_order(regions, [gutter / zoom for gutter in find_gutters_of_ink(ink)], ink.em / zoom)


def _kinds(maps: FormulaMaps, cores: Cores) -> list[FormulaKind]:
    """Of each core by its number; the first is of no core."""
    numbers = cores.numbers.ravel()
    display = np.bincount(numbers, weights=maps.display.ravel())
    inline = np.bincount(numbers, weights=maps.inline.ravel())
    return [FormulaKind.DISPLAY if more else FormulaKind.INLINE for more in (display > inline).tolist()]


def _on_ink(ink: Ink, frame: Box) -> Box | None:
    """The frame brought to the ink in it, of which neighbors may have a part; None where there is none."""
    boxes = ink.boxes.astype(np.float64)
    low, high = np.maximum(boxes[:, :2], [frame.x0, frame.y0]), np.minimum(boxes[:, 2:], [frame.x1, frame.y1])
    is_inside = (high > low).all(axis=1)
    if not is_inside.any():
        return None
    boxes, low, high = boxes[is_inside], low[is_inside], high[is_inside]
    own = (high - low).prod(axis=1) >= _OWN_SHARE * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    reach = frame.padded(_OUTSIDE_EM * ink.em)
    low[own] = np.maximum(boxes[own, :2], [reach.x0, reach.y0])
    high[own] = np.minimum(boxes[own, 2:], [reach.x1, reach.y1])
    (x0, y0), (x1, y1) = low.min(axis=0), high.max(axis=0)
    return Box(float(x0), float(y0), float(x1), float(y1))
