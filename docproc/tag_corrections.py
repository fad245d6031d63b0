"""Correct the tagger's probabilities by what the glyphs of a row prove: no formula ends inside a word or an accent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.accents import ROW_ACCENTS, letter_below
from docproc.word_kinds import UNITS

if TYPE_CHECKING:
    import numpy as np

    from docproc.page_rows import Row

INLINE_THRESHOLD = 0.5
"""A mark that is likelier than this to be of an inline formula is of one."""
TIGHT_EM = 0.12
"""Brackets stand this near to what they hold (em of the row)."""
# A thin space is 1/6 em; a word space at least 0.22.
_THIN_EM = 0.1
WORD_SPACE_EM = 0.21
"""Wider gaps are spaces between words (em of the row), narrower ones the thin spaces of mathematics."""
# A bracket behind a symbol begins a formula of its own only if the tagger is this sure: `f (x)` is a call.
_SURE_START = 0.8
_CALL_GAP_EM = 0.45
# Relations that join what stands before them to what stands behind: no formula begins with them behind another one.
_RELATIONS = frozenset("=≤≥<>≈≡∼≃≅∈∉⊂⊆→↦⇒∶:≔")


def correct_tags(inline: np.ndarray, starts: np.ndarray, row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Make the probabilities of a row agree with what cannot be otherwise.

    Args:
        inline: Of each mark to be in an inline formula, (marks,).
        starts: Of each mark to begin one, (marks,).
        row: Its marks from left to right.

    Returns:
        Both arrays anew where anything changed.
    """
    inline, starts = _with_whole_words(_shared(inline, row), starts, row)
    inline, starts = _with_slashes(inline, starts, row)
    inline, starts = _with_accents(inline, starts, row)
    return _without_identifiers(inline, row), _without_false_starts(inline, starts, row)


def _with_accents(inline: np.ndarray, starts: np.ndarray, row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in which an accent is of what its letter is of."""
    accents = [place for place, mark in enumerate(row.marks) if mark.text in ROW_ACCENTS]
    if not accents:
        return inline, starts
    inline, starts = inline.copy(), starts.copy()
    for place in accents:
        letter = letter_below(row.marks[place], row.marks)
        if letter is None:
            continue
        below = next(at for at, mark in enumerate(row.marks) if mark is letter)
        inline[place] = inline[below]
        if place == below - 1:
            starts[place] = max(starts[place], starts[below])
            starts[below] = 0
        else:
            starts[place] = 0
    return inline, starts


def _without_false_starts(inline: np.ndarray, starts: np.ndarray, row: Row) -> np.ndarray:
    """Probabilities of beginnings without scripts, relations behind an operand, and brackets of a call."""
    starts = starts.copy()
    for place in range(1, len(row.marks)):
        mark, before = row.marks[place], row.marks[place - 1]
        if starts[place] <= INLINE_THRESHOLD or min(inline[place - 1 : place + 1]) <= INLINE_THRESHOLD:
            continue
        if mark.gap_before > _CALL_GAP_EM * row.size or before.text in ",;.":
            continue
        is_call = mark.text == "(" and before.text.isalpha() and starts[place] < _SURE_START
        if mark.is_script or mark.text in _RELATIONS or is_call:
            starts[place] = 0
    return starts


def _with_whole_words(inline: np.ndarray, starts: np.ndarray, row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are the same for all letters of a word of a text font: no formula ends or begins inside one.

    A unit of measurement a thin space behind a number is of the number's formula: text would have a word space there.
    """
    words: dict[int, list[int]] = {}
    for place, mark in enumerate(row.marks):
        if mark.word_index >= 0 and (len(mark.word) > 1 or mark.word in UNITS):
            words.setdefault(mark.word_index, []).append(place)
    if not words:
        return inline, starts
    inline, starts = inline.copy(), starts.copy()
    for places in words.values():
        first = row.marks[places[0]]
        before = row.marks[places[0] - 1] if places[0] else None
        is_behind_number = before is not None and before.text.isdigit() and inline[places[0] - 1] > INLINE_THRESHOLD
        is_thin = _THIN_EM < first.gap_before / row.size < WORD_SPACE_EM
        if is_behind_number and is_thin and first.word in UNITS:
            inline[places] = 1
            starts[places] = 0
        elif len(places) > 1:
            inline[places] = inline[places].mean()
            starts[places[1:]] = 0
    return inline, starts


def _with_slashes(inline: np.ndarray, starts: np.ndarray, row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in which the slash of a negated relation goes with the relation, and neither begins a formula."""
    if all(mark.text != "\u0338" for mark in row.marks):
        return inline, starts
    inline, starts = inline.copy(), starts.copy()
    for place, mark in enumerate(row.marks[:-1]):
        if mark.text == "\u0338" and inline[place + 1] > INLINE_THRESHOLD:
            inline[place] = 1
            starts[place + 1] = 0
            if place and inline[place - 1] > INLINE_THRESHOLD:
                starts[place] = 0
    return inline, starts


def _without_identifiers(inline: np.ndarray, row: Row) -> np.ndarray:
    """Probabilities without names of programs that are set in a text font: `inv_gamma_lpdf`."""
    if all(mark.text != "_" for mark in row.marks):
        return inline
    inline = inline.copy()
    start = 0
    for place in range(1, len(row.marks) + 1):
        if place < len(row.marks) and row.marks[place].gap_before < TIGHT_EM * row.size:
            continue
        token = row.marks[start:place]
        if any(mark.text == "_" for mark in token) and any(len(mark.word) > 2 for mark in token):
            inline[start:place] = 0
        start = place
    return inline


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
