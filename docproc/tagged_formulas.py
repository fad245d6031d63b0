"""Turn the tagger's probabilities into displayed rows and inline formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.inline_formulas import is_plain
from docproc.page_tables import is_listing

if TYPE_CHECKING:
    from docproc.glyph_tagger import Tags
    from docproc.page_columns import Column
    from docproc.page_marks import Mark

_THRESHOLD = 0.5
# Wider gaps part formulas whatever the tagger says (em of the row).
_MAX_GAP_EM = 2.2


def apply_tags(column: Column, tags: Tags) -> None:
    """Set `is_display` of the rows and the inline formulas of a column from the tags of its marks, row after row."""
    start = 0
    pieces: list[list[list[Mark]]] = []
    for row in column.rows:
        end = start + len(row.marks)
        row.is_display = not is_listing(row) and bool(tags.display[start:end].mean() > _THRESHOLD)
        found: list[list[Mark]] = []
        is_inside = False
        for mark, inline, begins in zip(row.marks, tags.inline[start:end], tags.starts[start:end], strict=True):
            if inline <= _THRESHOLD:
                is_inside = False
                continue
            if not is_inside or begins > _THRESHOLD or mark.gap_before > _MAX_GAP_EM * row.size:
                found.append([])
            found[-1].append(mark)
            is_inside = True
        pieces.append([] if is_listing(row) else [piece for piece in found if not is_plain(piece)])
        start = end
    column.pieces = pieces
