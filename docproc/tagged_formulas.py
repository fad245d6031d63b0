"""Turn the tagger's probabilities into displayed rows and inline formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.inline_formulas import is_plain, without_loose_ends
from docproc.page_marks import FUNCTION_NAMES, Kind, Mark
from docproc.page_tables import is_listing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from docproc.glyph_tagger import Tags
    from docproc.page_columns import Column
    from docproc.page_rows import Row

_THRESHOLD = 0.5
# A mark of a display row is outside the display if this is likelier than the tagger's probability.
_OUTSIDE = 0.25
# The thin space behind the name of a function is 1/6 em.
_THIN_GAP_EM = 0.21
# Wider gaps part formulas whatever the tagger says (em of the row).
_MAX_GAP_EM = 2.2
# Brackets stand this near to what they hold.
_TIGHT_EM = 0.12
# A stretched space behind a comma.
_COMMA_GAP_EM = 0.6
_OPENING, _CLOSING = frozenset("([{⟨"), frozenset(")]}⟩")


def apply_tags(column: Column, tags: Tags) -> None:
    """Set `is_display` and `joins_above` of the rows and the inline formulas of a column from the tags."""
    start = 0
    pieces: list[list[list[Mark]]] = []
    for row, display, joins in zip(column.rows, tags.display, tags.joins, strict=True):
        end = start + len(row.marks)
        is_code = is_listing(row)
        row.is_display = not is_code and bool(display > _THRESHOLD)
        row.joins_above = bool(joins > _THRESHOLD)
        inside = tags.in_display[start:end]
        row.outside = frozenset(
            id(mark) for mark, share in zip(row.marks, inside, strict=True) if share < _OUTSIDE
        )
        found: list[list[Mark]] = []
        is_inside = False
        shares = _shared(tags.inline[start:end], row)
        for mark, inline, begins in zip(row.marks, shares, tags.starts[start:end], strict=True):
            if inline <= _THRESHOLD:
                is_inside = False
                continue
            if not is_inside or begins > _THRESHOLD or mark.gap_before > _MAX_GAP_EM * row.size:
                found.append([])
            found[-1].append(mark)
            is_inside = True
        found = _rejoin(_complete(found, row.marks, row.size), row.marks, row.size)
        found = [without_loose_ends(piece, row.marks) for piece in found]
        found = [piece for piece in found if piece]
        pieces.append([] if is_code else [piece for piece in found if not is_plain(piece)])
        start = end
    column.pieces = pieces


def _enclose(piece: list[Mark], marks: Sequence[Mark], places: Mapping[int, int], size: float) -> None:
    """Add the brackets around a piece that is a list between them, as a pair or an interval is: `(x, y)`."""
    at, end = places[id(piece[0])], places[id(piece[-1])]
    if at == 0 or end + 1 == len(marks) or end - at + 1 != len(piece):
        return
    before, after = marks[at - 1], marks[end + 1]
    is_pair = before.text in ("(", "[", "{") and after.text in (")", "]", "}")
    if not is_pair or max(piece[0].gap_before, after.gap_before) > _TIGHT_EM * size:
        return
    depth = 0
    for mark in piece:
        depth += (mark.text in _OPENING) - (mark.text in _CLOSING)
        if depth == 0 and mark.text == "," and not mark.is_script:
            piece[:] = [before, *piece, after]
            return


def _rejoin(pieces: list[list[Mark]], marks: Sequence[Mark], size: float) -> list[list[Mark]]:
    """Join pieces parted at a comma inside a bracket that the second one closes: `{0, 1}`."""
    places = {id(mark): position for position, mark in enumerate(marks)}
    joined: list[list[Mark]] = []
    for piece in pieces:
        if joined:
            end, start = places[id(joined[-1][-1])], places[id(piece[0])]
            between = list(marks[end + 1 : start])
            is_near = all(m.gap_before < _COMMA_GAP_EM * size for m in (*between, piece[0]))
            is_comma = all(m.text in ",;:|" for m in between) and len(between) <= 1
            if is_near and is_comma and _depth(joined[-1]) > 0 and _depth(piece) < 0:
                joined[-1] += [*between, *piece]
                continue
        joined.append(piece)
    return joined


def _depth(piece: Sequence[Mark]) -> int:
    """How many brackets stay open (or, if negative, are closed that were not opened)."""
    return sum((mark.text in _OPENING) - (mark.text in _CLOSING) for mark in piece)


def _shared(inline: np.ndarray, row: Row) -> np.ndarray:
    """Probabilities of a row's marks, the same for all marks of a fraction or array."""
    if not row.stacks:
        return inline
    places = {id(mark): place for place, mark in enumerate(row.marks)}
    inline = inline.copy()
    for stack in row.stacks:
        members = [places[id(mark)] for mark in stack]
        inline[members] = inline[members].mean()
    return inline


def _complete(pieces: list[list[Mark]], marks: Sequence[Mark], size: float) -> list[list[Mark]]:
    """Add what can only belong to a formula: the name of a function before it, a script right behind it."""
    taken = {id(mark) for piece in pieces for mark in piece}
    places = {id(mark): position for position, mark in enumerate(marks)}
    for piece in pieces:
        _enclose(piece, marks, places, size)
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
