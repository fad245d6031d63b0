"""Columns of a page, and the reading order of its blocks."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from docproc.records import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.prose_lines import Line
    from docproc.records import Block

_DIGITS = re.compile(r"\d+")
_MIN_ROWS = 6
"""Lines that a column must have, and that must end before the gutter."""
_MIN_SHORT_ROWS = 12
"""The same, where lines of fewer than `_LONG_WORDS` words count too."""
_LONG_WORDS = 4
_MAX_CROSSING = 0.12
"""Share of the lines that may run across a gutter: headings, wide figures."""
_MIN_GAP_PT = 4.0
"""White strip that parts blocks side by side; `\\columnsep` is 10 pt in the standard classes."""


def assign_columns(lines: Sequence[Line], width_pt: float) -> list[float]:
    """Write into each line its column: from 1, or 0 where it runs across all.

    Returns:
        Left edges of all columns but the first, in points.
    """
    gutters = _find_gutters([line for line in lines if len(line.words) >= _LONG_WORDS], width_pt, _MIN_ROWS)
    if not gutters:  # the entries of an index are short
        text = [line for line in lines if not line.is_code and not line.display]
        gutters = _find_gutters(text, width_pt, _MIN_SHORT_ROWS)
    for line in lines:
        line.column = column_of(line.x0, line.x1, gutters)
    return gutters


def column_of(x0: float, x1: float, gutters: Sequence[float]) -> int:
    """Column of something that extends from `x0` to `x1`."""
    crosses = any(x0 < edge - 3 and x1 > edge + 3 for edge in gutters)
    return 0 if crosses else 1 + sum((x0 + x1) / 2 > edge for edge in gutters)


def _find_gutters(lines: Sequence[Line], width_pt: float, min_rows: int) -> list[float]:
    """Left edges of all columns but the first, in points."""
    gutters: list[float] = []
    starts = Counter(round(line.x0) for line in lines)
    for start, count in starts.most_common(12):
        edge = start - 2
        if count < min_rows or not 0.2 * width_pt < start < 0.8 * width_pt or any(abs(edge - g) < 60 for g in gutters):
            continue
        right = [line for line in lines if abs(line.x0 - start) <= 2]
        with_letters = sum(any(c.isalpha() for c in line.text) for line in right)
        words = {_DIGITS.sub("", line.text) for line in right}
        left = sum(edge - 0.3 * width_pt < line.x1 <= edge for line in lines)
        crossing = sum(line.x0 < edge - 3 and line.x1 > edge + 3 for line in lines)
        if (
            with_letters >= max(min_rows, 0.7 * len(right))
            and len(words) > 0.3 * len(right)  # not the page numbers of a table of contents
            and left >= min_rows
            and crossing <= _MAX_CROSSING * len(lines)
        ):
            gutters.append(edge)
    return sorted(gutters)


def order_blocks(blocks: Sequence[Block], gutters: Sequence[float]) -> list[Block]:
    """Sort blocks as they are read: down each column, columns from left to right, what spans them in between.

    Within a column, blocks side by side are parted along white strips, upright ones first.

    Source: recursive cuts (Nagy and Seth 1984).
    """
    placed: dict[int, _Boxed] = {}
    for block in blocks:
        box = block.box or Box(0, 0, 0, 0)
        placed.setdefault(column_of(box.x0, box.x1, gutters), []).append((box, block))
    spanning = sorted(placed.pop(0, []), key=lambda item: item[0].y0)
    ordered: list[Block] = []
    for section in range(len(spanning) + 1):
        for column in sorted(placed):
            part = [
                item for item in placed[column] if sum(s[0].center[1] < item[0].center[1] for s in spanning) == section
            ]
            ordered += [block for _, block in _ordered(part)]
        ordered += [block for _, block in spanning[section : section + 1]]
    return ordered


_Boxed = list[tuple[Box, "Block"]]


def _ordered(items: _Boxed) -> _Boxed:
    if len(items) < 2:
        return items
    columns = _cut(items, upright=True)
    if len(columns) > 1:
        return [item for column in columns for item in _ordered(column)]
    bands = _cut(items, upright=False)
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
