"""Numbers that describe a row of a page: where it stands, what it is made of, what stands above and below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from docproc.display_formulas import split_number
from docproc.page_marks import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.display_formulas import ColumnLayout
    from docproc.page_rows import Row
    from docproc.records import Box

N_ROW_FEATURES = 37
# Wider gaps part the cells of a table or the columns of an alignment, in em of the row.
_CELL_GAP_EM = 1.0
# Cells whose left ends differ by less stand below each other.
_ALIGNED_PT = 1.5
_RELATIONS = frozenset("=≤≥<>≈∼→⇒∈≡≠⊂⊆:")
_MIN_RULE_PT = 30.0


@dataclass(frozen=True, slots=True)
class _Extent:
    x0: float
    y0: float
    x1: float
    y1: float
    starts: tuple[float, ...]
    """Left ends of the row's cells."""


def describe_rows(
    rows: Sequence[Row], layout: ColumnLayout, body_size: float, rules: Sequence[Box]
) -> np.ndarray:
    """Describe the rows of a column.

    Args:
        rows: From top to bottom; none is empty.
        layout: Margins and leading of the column.
        body_size: Size of the page's main text in points.
        rules: Drawn lines of the page.

    Returns:
        float32 array of shape (rows, N_ROW_FEATURES).
    """
    extents = [_extent(row) for row in rows]
    flat = [rule for rule in rules if rule.width > _MIN_RULE_PT and rule.height < 3]
    table: list[list[float]] = []
    local_left = layout.left
    for position, row in enumerate(rows):
        above = extents[position - 1] if position else None
        below = extents[position + 1] if position + 1 < len(rows) else None
        own = extents[position]
        facts = _contents(row, layout, body_size)
        facts += _place(own, local_left, layout, body_size)
        facts += [
            (row.y - rows[position - 1].y) / layout.leading if position else 4.0,
            (rows[position + 1].y - row.y) / layout.leading if below is not None else 4.0,
            (own.y0 - above.y1) / row.size if above is not None else 4.0,
            (below.y0 - own.y1) / row.size if below is not None else 4.0,
            _aligned(own, above),
            _aligned(own, below),
            float(above is not None and abs(above.x0 - own.x0) < 1.0),
            float(any(_is_near(rule, own, own.y0 - layout.leading, own.y0 + 1) for rule in flat)),
            float(any(_is_near(rule, own, own.y1 - 1, own.y1 + layout.leading) for rule in flat)),
        ]
        table.append(facts)
        if facts[1] >= 0.3 and facts[0] > 0.45:  # a row of prose: list items and quotations move the margin
            local_left = own.x0
    return np.clip(np.array(table, np.float32), -4, 4)


def _extent(row: Row) -> _Extent:
    marks = row.marks
    wide = _CELL_GAP_EM * row.size
    starts = tuple(mark.x0 for i, mark in enumerate(marks) if i == 0 or mark.gap_before > wide)
    return _Extent(
        min(m.x0 for m in marks), min(m.y0 for m in marks), max(m.x1 for m in marks), max(m.y1 for m in marks), starts
    )


def _contents(row: Row, layout: ColumnLayout, body_size: float) -> list[float]:
    """What the row is made of."""
    marks = row.marks
    n = len(marks)
    first, last = marks[0], marks[-1]
    gaps = [mark.gap_before / row.size for mark in marks]
    counts = [0] * len(Kind)
    n_italic = n_bold = n_digits = has_relation = n_math = 0
    for mark in marks:
        counts[mark.kind] += 1
        n_italic += mark.glyph.is_italic
        n_bold += mark.glyph.is_bold
        n_digits += mark.text.isdigit()
        n_math += mark.is_math
        has_relation |= mark.text in _RELATIONS and not mark.is_script
    return [
        row.text_share(),
        min(row.word_count(), 10) / 10,
        row.size / body_size,
        n_italic / n,
        n_bold / n,
        n_digits / n,
        n_math / n,
        counts[Kind.CODE] / n,
        float(has_relation),
        float(row.is_display),
        float(row.is_table),
        float(first.kind is Kind.WORD and first.text.islower()),
        float(first.kind is Kind.WORD and first.text.isupper()),
        float(first.kind is Kind.NOTE or (first.kind in (Kind.DIGIT, Kind.OPENING))),
        float(last.text in ".?!"),
        float(last.text in ",;"),
        float(last.text == ":"),
        float(split_number(row, layout)[1] is not None),
        sum(gap > _CELL_GAP_EM for gap in gaps) / 4,
        max(gaps) / 4,
        min(n, 20) / 20,
    ]


def _place(own: _Extent, local_left: float, layout: ColumnLayout, body_size: float) -> list[float]:
    """Where the row stands in its column."""
    width = max(layout.right - layout.left, 1.0)
    indent = (own.x0 - layout.left) / body_size
    return [
        indent / 10,
        abs((own.x0 + own.x1) / 2 - (layout.left + layout.right) / 2) / width * 4,
        abs((own.x0 + own.x1) / 2 - (local_left + layout.right) / 2) / width * 4,
        (own.x0 - local_left) / body_size / 5,
        (layout.right - own.x1) / width,
        float(indent < 0.2 or any(abs(own.x0 - margin) < 1.6 for margin in layout.margins)),
        (own.y1 - own.y0) / body_size / 4,
    ]


def _aligned(own: _Extent, other: _Extent | None) -> float:
    """Share of the row's cells that begin where one of the other row's does, for rows of several cells."""
    if other is None or len(own.starts) < 2:
        return 0.0
    return sum(any(abs(x - y) < _ALIGNED_PT for y in other.starts) for x in own.starts) / len(own.starts)


def _is_near(rule: Box, own: _Extent, top: float, bottom: float) -> bool:
    return top <= rule.y0 <= bottom and rule.x0 < own.x1 and rule.x1 > own.x0 and rule.width > 0.6 * (own.x1 - own.x0)
