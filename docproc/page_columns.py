"""Take a page apart into columns of rows, each row with what hand-made rules say of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docproc.display_formulas import ColumnLayout, mark_displays, measure_column
from docproc.fractions import find_stacks
from docproc.glyph_features import ColumnFeatures, RuleOpinion, column_features
from docproc.inline_formulas import find_inline, prepare_row
from docproc.page_marks import Kind, Mark, make_marks
from docproc.page_rows import Row, assign_columns, build_rows, find_gutters
from docproc.page_tables import is_listing, mark_tables
from docproc.records import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.font_statistics import FontStatistics
    from docproc.records import TextLayer

# A frame around this many words is prose in a box, not a figure.
_MAX_FIGURE_WORDS = 12
_CAPTION_WORDS = frozenset(("Figure", "Fig", "FIGURE", "FIG", "Abbildung", "Abb", "Figura", "Рис", "Рисунок"))
_CAPTION_REACH_PT = 90.0
# Labels of axes stand this near to the drawing and are this short; captions and displays are further off.
_LABEL_REACH_PT, _MAX_LABEL_MARKS = 8.0, 8


@dataclass(slots=True)
class Column:
    """A column of a page; number 0 holds the rows that run over several columns."""

    number: int
    rows: list[Row]
    layout: ColumnLayout
    pieces: list[list[list[Mark]]]
    """Inline formulas of each row as the rules find them."""
    body_size: float
    rules: Sequence[Box]

    def features(self, statistics: FontStatistics) -> ColumnFeatures:
        """Features of all marks and rows, for the tagger."""
        opinions = [
            RuleOpinion(
                frozenset(id(mark) for piece in pieces for mark in piece), frozenset(id(piece[0]) for piece in pieces)
            )
            for pieces in self.pieces
        ]
        return column_features(self.rows, self.layout, statistics, self.body_size, opinions, self.rules)


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
    size = max(sizes.most_common(1)[0][0] if sizes else statistics.body_size_pt, 1.0)
    marks = _outside_figures(marks, [figure for figure in layer.figures if figure not in layer.frames])
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
        columns.append(Column(number, rows, layout, pieces, size, layer.rules))
    return columns


def _outside_figures(marks: Sequence[Mark], figures: Sequence[Box]) -> list[Mark]:
    """Leave out labels inside figures; a drawing around prose is a frame, not a figure."""
    kept = list(marks)
    for drawing in figures:
        figure = _down_to_caption(drawing, kept)
        inside = [mark for mark in kept if figure.holds(((mark.x0 + mark.x1) / 2, (mark.y0 + mark.y1) / 2))]
        long_words = {mark.word_index for mark in inside if len(mark.word) >= 3}
        if inside and len(long_words) < _MAX_FIGURE_WORDS:
            gone = set(map(id, inside))
            kept = [mark for mark in kept if id(mark) not in gone]
            beside = _labels_beside(figure, kept)
            kept = [mark for mark in kept if id(mark) not in beside]
    return kept


def _down_to_caption(figure: Box, marks: Sequence[Mark]) -> Box:
    """The figure with the labels that stand between its drawing and its caption."""
    below = [
        mark
        for mark in marks
        if figure.y1 - 2 < (mark.y0 + mark.y1) / 2 < figure.y1 + _CAPTION_REACH_PT
        and figure.x0 - 40 < mark.x0 < figure.x1
    ]
    captions = [mark.y0 for mark in below if mark.word in _CAPTION_WORDS and mark.word_index == mark.index]
    if not captions:
        return figure
    top = min(captions)
    words = {mark.word_index for mark in below if len(mark.word) > 3 and mark.y1 < top}
    return figure if len(words) > 2 else Box(figure.x0, figure.y0, figure.x1, max(figure.y1, top - 2))


def _labels_beside(figure: Box, marks: Sequence[Mark]) -> set[int]:
    """Ids of the marks of short labels that touch a drawing from outside, such as the names of axes."""
    zone = figure.padded(_LABEL_REACH_PT)
    near = [mark for mark in marks if zone.holds(mark.box.center)]
    if not near:
        return set()
    lines: dict[int, list[Mark]] = {}
    for mark in marks:
        if zone.y0 < mark.y < zone.y1 + 0.3 * mark.size:
            lines.setdefault(round(mark.y / 3), []).append(mark)
    found: set[int] = set()
    for line in lines.values():
        inside = [mark for mark in line if zone.holds(mark.box.center)]
        is_label = len(inside) <= _MAX_LABEL_MARKS and not any(len(mark.word) > 3 for mark in inside)
        x0, x1 = min((m.x0 for m in inside), default=0.0), max((m.x1 for m in inside), default=0.0)
        others = [m for m in line if not zone.holds(m.box.center)]
        if is_label and not any(m.x0 < x1 + m.size and m.x1 > x0 - m.size for m in others):
            found.update(map(id, inside))
    return found
