"""Turn the tagger's probabilities into displayed rows and inline formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.inline_formulas import NAMES, is_plain, partner, without_loose_ends
from docproc.page_marks import FUNCTION_NAMES, Kind, Mark
from docproc.page_tables import is_listing
from docproc.tag_corrections import INLINE_THRESHOLD, TIGHT_EM, WORD_SPACE_EM, correct_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docproc.glyph_tagger import Tags
    from docproc.page_columns import Column
    from docproc.page_rows import Row

_THRESHOLD = 0.5
# A mark of a display row is outside the display if this is likelier than the tagger's probability.
_OUTSIDE = 0.25
# Wider gaps part formulas whatever the tagger says (em of the row).
_MAX_GAP_EM = 2.2
# Parts of one list, and words inside one pair of braces.
_MAX_PARTS, _MAX_WORDS = 8, 8
_COLON_BEFORE_EM, _COLON_AFTER_EM = 0.06, 0.2
# A stretched space behind a comma.
_COMMA_GAP_EM = 0.6
_OPENING, _CLOSING = frozenset("([{⟨"), frozenset(")]}⟩")


def apply_tags(column: Column, tags: Tags) -> None:
    """Set `is_display` and `joins_above` of the rows and the inline formulas of a column from the tags."""
    start = 0
    pieces: list[list[list[Mark]]] = []
    may_close = True
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
        shares, starts = correct_tags(tags.inline[start:end], tags.starts[start:end], row)
        for mark, inline, begins in zip(row.marks, shares, starts, strict=True):
            if inline <= INLINE_THRESHOLD:
                is_inside = False
                continue
            if not is_inside or begins > _THRESHOLD or mark.gap_before > _MAX_GAP_EM * row.size:
                found.append([])
            found[-1].append(mark)
            is_inside = True
        found = _rejoin(_complete(found, row.marks, row.size), row.marks, row.size)
        found = [part for piece in found for part in _part_at_colons(piece, row.size)]
        found = [part for piece in found for part in _part_at_open_bracket(piece, row)]
        found = [without_loose_ends(piece, row.marks, may_close) for piece in found]
        found = [piece for piece in found if piece and not _is_of_name(piece, row.marks, row.size)]
        pieces.append([] if is_code else [piece for piece in found if not is_plain(piece)])
        if row.is_display or row.word_count():  # else a limit or the like of the row before or after
            last = pieces[-1][-1] if pieces[-1] else []
            may_close = row.is_display or (bool(last) and last[-1] is row.marks[-1] and _depth(last) > 0)
        start = end
    column.pieces = pieces


def _enclose(piece: list[Mark], marks: Sequence[Mark], places: Mapping[int, int], size: float) -> None:
    """Add the brackets around a piece that is a list between them, as a pair or an interval is: `(x, y)`."""
    at, end = places[id(piece[0])], places[id(piece[-1])]
    if at == 0 or end + 1 == len(marks) or end - at + 1 != len(piece):
        return
    before, after = marks[at - 1], marks[end + 1]
    is_pair = before.text in ("(", "[", "{") and after.text in (")", "]", "}")
    if not is_pair or max(piece[0].gap_before, after.gap_before) > TIGHT_EM * size:
        return
    depth = 0
    for mark in piece:
        depth += (mark.text in _OPENING) - (mark.text in _CLOSING)
        if depth == 0 and mark.text == "," and not mark.is_script:
            piece[:] = [before, *piece, after]
            return


def _is_of_name(piece: Sequence[Mark], marks: Sequence[Mark], size: float) -> bool:
    """Whether a piece is a part of `n/a` and the like, whose slash some text fonts borrow."""
    if len(piece) > 2:
        return False
    at = next(position for position, mark in enumerate(marks) if mark is piece[0])
    start, end = at, at + len(piece)
    while start and at - start < 3 and marks[start].gap_before < TIGHT_EM * size:
        start -= 1
    while end < len(marks) and end - at < 4 and marks[end].gap_before < TIGHT_EM * size:
        end += 1
    return "".join(mark.text for mark in marks[start:end]) in NAMES


def _rejoin(pieces: list[list[Mark]], marks: Sequence[Mark], size: float) -> list[list[Mark]]:
    """Join pieces inside brackets that a later one closes: at commas, and inside braces at words too."""
    places = {id(mark): position for position, mark in enumerate(marks)}
    joined: list[list[Mark]] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        at += 1
        open_brackets = _depth(piece)
        if open_brackets > 0:
            is_set = sum((mark.text == "{") - (mark.text == "}") for mark in piece) > 0
            for end in range(at, min(len(pieces), at + _MAX_PARTS)):
                start, stop = places[id(piece[-1])] + 1, places[id(pieces[end][-1])] + 1
                last_end = places[id(pieces[end - 1][-1])] + 1 if end > at else start
                if not _may_join(marks[last_end : places[id(pieces[end][0])] + 1], size, is_set):
                    break
                if _depth(marks[start:stop]) == -open_brackets:
                    piece = [*piece, *marks[start:stop]]
                    at = end + 1
                    break
        joined.append(piece)
    return joined


def _part_at_colons(piece: list[Mark], size: float) -> list[list[Mark]]:
    r"""Part a piece at a colon of the sentence: right behind a symbol, a word space after it.

    A relation has as much paper before it as behind it, `\colon` at least a tenth of an em.
    """
    parts: list[list[Mark]] = [[]]
    depth = 0
    for position, mark in enumerate(piece):
        parts[-1].append(mark)
        depth += (mark.text in _OPENING) - (mark.text in _CLOSING)
        if mark.text != ":" or depth or mark.is_script or not 0 < position < len(piece) - 1:
            continue
        after = piece[position + 1].gap_before
        if mark.gap_before < _COLON_BEFORE_EM * size and after > _COLON_AFTER_EM * size:
            parts.append([])
    return parts


def _part_at_open_bracket(piece: list[Mark], row: Row) -> list[list[Mark]]:
    """Part a piece at a bracket of the sentence: a word space before it, its partner behind words: `f (where f ...)`.

    A piece at the end of its row may be closed on the next one.
    """
    if piece[-1] is row.marks[-1]:
        return [piece]
    opened = (at for at, mark in enumerate(piece) if mark.text in ("(", "[") and partner(piece, at) is None)
    at = next(opened, 0)
    if not at or piece[at].is_script or piece[at].gap_before <= WORD_SPACE_EM * row.size:
        return [piece]
    return [piece[:at], piece[at + 1 :]]


def _may_join(between: Sequence[Mark], size: float, is_set: bool) -> bool:
    """Whether two pieces may be of one formula: a comma or, in a set, some words lie between.

    Args:
        between: What lies between and the first mark of the second piece.
        size: Of the row.
        is_set: Whether a brace is open.
    """
    if any(mark.gap_before > _COMMA_GAP_EM * size for mark in between):
        return False
    inner = between[:-1]
    if len(inner) <= 1 and all(mark.text in ",;:|" for mark in inner):
        return True
    return is_set and len({mark.word_index for mark in inner}) <= _MAX_WORDS


def _depth(piece: Sequence[Mark]) -> int:
    """How many brackets stay open (or, if negative, are closed that were not opened)."""
    return sum((mark.text in _OPENING) - (mark.text in _CLOSING) for mark in piece)


def _complete(pieces: list[list[Mark]], marks: Sequence[Mark], size: float) -> list[list[Mark]]:
    """Add what can only belong to a formula: the name of a function before it, a script right behind it."""
    taken = {id(mark) for piece in pieces for mark in piece}
    places = {id(mark): position for position, mark in enumerate(marks)}
    for piece in pieces:
        _enclose(piece, marks, places, size)
        at = places[id(piece[0])]
        before = marks[at - 1] if at else None
        is_near = before is not None and piece[0].gap_before < WORD_SPACE_EM * size
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
