"""Turn the tagger's probabilities into displayed rows and inline formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.inline_formulas import is_plain, without_loose_ends
from docproc.page_marks import FUNCTION_NAMES, Kind, Mark
from docproc.page_tables import is_listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.glyph_tagger import Tags
    from docproc.page_columns import Column

_THRESHOLD = 0.5
# The thin space behind the name of a function is 1/6 em.
_THIN_GAP_EM = 0.21
# Wider gaps part formulas whatever the tagger says (em of the row).
_MAX_GAP_EM = 2.2


def apply_tags(column: Column, tags: Tags) -> None:
    """Set `is_display` of the rows and the inline formulas of a column from the tags of its marks, row after row."""
    start = 0
    pieces: list[list[list[Mark]]] = []
    for row in column.rows:
        end = start + len(row.marks)
        row.is_display = not row.is_table and not is_listing(row) and bool(tags.display[start:end].mean() > _THRESHOLD)
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
        found = [without_loose_ends(piece, row.marks) for piece in _complete(found, row.marks, row.size)]
        found = [piece for piece in found if piece]
        pieces.append([] if is_listing(row) else [piece for piece in found if not is_plain(piece)])
        start = end
    column.pieces = pieces


def _complete(pieces: list[list[Mark]], marks: Sequence[Mark], size: float) -> list[list[Mark]]:
    """Add what can only belong to a formula: the name of a function before it, a script right behind it."""
    taken = {id(mark) for piece in pieces for mark in piece}
    places = {id(mark): position for position, mark in enumerate(marks)}
    for piece in pieces:
        at = places[id(piece[0])]
        before = marks[at - 1] if at else None
        is_near = before is not None and piece[0].gap_before < _THIN_GAP_EM * size
        if before is not None and is_near and before.word in FUNCTION_NAMES and id(before) not in taken:
            name = [mark for mark in marks[:at] if mark.word_index == before.word_index]
            piece[:0] = name
            taken.update(map(id, name))
        at = places[id(piece[-1])] + 1
        while at < len(marks) and marks[at].is_script and marks[at].kind is Kind.MATH and id(marks[at]) not in taken:
            if marks[at].gap_before > 0.1 * size:
                break
            piece.append(marks[at])
            taken.add(id(marks[at]))
            at += 1
    return pieces
