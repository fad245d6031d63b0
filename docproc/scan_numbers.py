"""Numbers of equations on scanned pages: found by the network's votes, read by the OCR, given to their displays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from docproc.records import FormulaKind
from docproc.scan_boxes import EQUATION_NUMBER, box_around

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.records import Box, Region
    from docproc.scan_ink import Ink
    from docproc.scan_votes import Votes


def find_numbers(ink: Ink, votes: Votes, words: Sequence[OcrWord] | None, zoom: float) -> list[tuple[Box, str | None]]:
    """Equation numbers: boxes in points, and their text where the OCR read it."""
    parts = np.flatnonzero(votes.is_number).tolist()
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


def with_numbers(regions: list[Region], numbers: list[tuple[Box, str | None]], em: float) -> list[Region]:
    """Give each number to the display on its height, the nearest one across."""
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
