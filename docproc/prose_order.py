"""Columns of a page, and the reading order of its blocks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from docproc.records import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.prose_lines import Line
    from docproc.records import Block

_MIN_ROWS = 6
"""Lines that a column must have, and that must end before the gutter."""
_MAX_CROSSING = 0.12
_MIN_GAP_PT = 4.0
"""White strip that parts blocks side by side; `\\columnsep` is 10 pt in the standard classes."""


def assign_columns(lines: Sequence[Line], width_pt: float) -> None:
    """Write into each line its column: from 1, or 0 where it runs across all."""
    gutters = find_gutters([(line.x0, line.x1) for line in lines if len(line.words) >= 4], width_pt)
    for line in lines:
        crosses = any(line.x0 < edge - 3 and line.x1 > edge + 3 for edge in gutters)
        line.column = 0 if crosses else 1 + sum((line.x0 + line.x1) / 2 > edge for edge in gutters)


def find_gutters(spans: Sequence[tuple[float, float]], width_pt: float) -> list[float]:
    """Left edges of all columns but the first, from the horizontal extents of the lines."""
    gutters: list[float] = []
    if len(spans) < 2 * _MIN_ROWS:
        return gutters
    starts = Counter(round(x0) for x0, _ in spans)
    for start, count in starts.most_common(12):
        edge = start - 2
        if count < _MIN_ROWS or not 0.2 * width_pt < start < 0.8 * width_pt or any(abs(edge - g) < 60 for g in gutters):
            continue
        right = sum(abs(x0 - start) <= 2 for x0, _ in spans)
        left = sum(edge - 30 < x1 <= edge and x1 - x0 > 0.1 * width_pt for x0, x1 in spans)
        crossing = sum(x0 < edge - 3 and x1 > edge + 3 for x0, x1 in spans)
        if right >= _MIN_ROWS and left >= _MIN_ROWS and crossing <= _MAX_CROSSING * len(spans):
            gutters.append(edge)
    return sorted(gutters)


def order_blocks(blocks: Sequence[Block]) -> list[Block]:
    """Sort blocks as they are read: down each column, columns from left to right, what spans them in between.

    Source: recursive cuts along white strips (Nagy and Seth 1984), upright ones first; neighboring bands that share a
    gutter are read as one, so that paragraphs that happen to end at one height do not part the columns.
    """
    boxed = [(block.box or Box(0, 0, 0, 0), block) for block in blocks]
    return [block for _, block in _ordered(boxed)]


_Boxed = list[tuple[Box, "Block"]]


def _ordered(items: _Boxed) -> _Boxed:
    if len(items) < 2:
        return items
    columns = _cut(items, upright=True)
    if len(columns) > 1:
        return [item for column in columns for item in _ordered(column)]
    bands: list[_Boxed] = []
    for band in _cut(items, upright=False):
        if bands and len(_cut(band, upright=True)) > 1 < len(_cut([*bands[-1], *band], upright=True)):
            bands[-1] = [*bands[-1], *band]
        else:
            bands.append(band)
    if len(bands) > 1:
        return [item for band in bands for item in _ordered(band)]
    return sorted(items, key=lambda item: (item[0].y0, item[0].x0))


def _cut(items: _Boxed, upright: bool) -> list[_Boxed]:
    """Part the items at the white strips that run through all of them."""

    def extent(box: Box) -> tuple[float, float]:
        return (box.x0, box.x1) if upright else (box.y0, box.y1)

    parts: list[_Boxed] = []
    end = -1e9
    for item in sorted(items, key=lambda item: extent(item[0])):
        start, stop = extent(item[0])
        if start > end + (_MIN_GAP_PT if upright else 0.0) or not parts:
            parts.append([])
        parts[-1].append(item)
        end = max(end, stop)
    return parts
