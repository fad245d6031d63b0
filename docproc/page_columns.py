"""Take a page apart into columns of rows, each row with what hand-made rules say of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docproc.display_formulas import ColumnLayout, mark_displays, measure_column
from docproc.fractions import find_stacks
from docproc.glyph_features import RuleOpinion, row_features
from docproc.inline_formulas import find_inline, prepare_row
from docproc.page_marks import Kind, Mark, make_marks
from docproc.page_rows import Row, assign_columns, build_rows, find_gutters
from docproc.page_tables import is_listing, mark_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from docproc.font_statistics import FontStatistics
    from docproc.records import Box, TextLayer

# A frame around this many words is prose in a box, not a figure.
_MAX_FIGURE_WORDS = 12


@dataclass(slots=True)
class Column:
    """A column of a page; number 0 holds the rows that run over several columns."""

    number: int
    rows: list[Row]
    layout: ColumnLayout
    pieces: list[list[list[Mark]]]
    """Inline formulas of each row as the rules find them."""
    body_size: float

    def features(self, statistics: FontStatistics) -> np.ndarray:
        """Features of all marks, row after row, for the tagger."""
        opinions = [
            RuleOpinion(
                frozenset(id(mark) for piece in pieces for mark in piece), frozenset(id(piece[0]) for piece in pieces)
            )
            for pieces in self.pieces
        ]
        return row_features(self.rows, self.layout, statistics, self.body_size, opinions)


def take_apart(layer: TextLayer, width_pt: float, statistics: FontStatistics) -> list[Column]:
    """Build the columns of a page.

    Args:
        layer: Glyphs, rules and figures.
        width_pt: Width of the page.
        statistics: Use of the fonts in the document.
    """
    marks = make_marks(layer.glyphs, statistics)
    if not marks:
        return []
    sizes = Counter(round(mark.size, 1) for mark in marks if mark.kind is Kind.WORD)
    size = sizes.most_common(1)[0][0] if sizes else statistics.body_size_pt
    marks = _outside_figures(marks, layer.figures)
    columns: list[Column] = []
    for number, part in sorted(assign_columns(marks, find_gutters(marks, width_pt)).items()):
        if not part:
            continue
        rows = build_rows(part, number, size, find_stacks(part, layer.rules))
        layout = measure_column(rows, size)
        mark_tables(rows, layer.rules)
        mark_displays(rows, layout, size)
        for row in rows:
            prepare_row(row.marks, row.size)
        pieces = [[] if is_listing(row) else find_inline(row.marks, row.size, row.is_table) for row in rows]
        columns.append(Column(number, rows, layout, pieces, size))
    return columns


def _outside_figures(marks: Sequence[Mark], figures: Sequence[Box]) -> list[Mark]:
    """Leave out labels inside figures; a drawing around prose is a frame, not a figure."""
    kept = list(marks)
    for figure in figures:
        inside = [mark for mark in kept if figure.holds(((mark.x0 + mark.x1) / 2, (mark.y0 + mark.y1) / 2))]
        long_words = {mark.word_index for mark in inside if len(mark.word) >= 3}
        if inside and len(long_words) < _MAX_FIGURE_WORDS:
            gone = set(map(id, inside))
            kept = [mark for mark in kept if id(mark) not in gone]
    return kept
