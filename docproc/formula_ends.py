"""Whether a formula of a born-digital page was cut whole: what stands at its ends and inside its box."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from docproc.encodings import ACCENTS, BIG_OPERATORS
from docproc.page_marks import FUNCTION_NAMES, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.page_marks import Mark
    from docproc.page_rows import Row
    from docproc.records import Box

# The space behind a comma of mathematics is 1/6 em.
_THIN_GAP_EM = 0.2
# A comma of prose is followed by the space between words; one with `\quad` behind it parts a formula and its range.
_COMMA_GAP_EM, _QUAD_GAP_EM = 0.19, 0.8
# Between the name of a function and its argument stands a thin space; in a stretched line names stand further off.
_NAME_GAP_EM = 0.5
# The space between words is 0.25 em and more; a stretched or shrunk line says itself what it is, down to this.
_WORD_GAP_EM, _LEAST_WORD_GAP_EM = 0.2, 0.14
_WORD_GAP_SHARE = 0.8
# Binary signs stand 0.22 em off, relations 0.28.
_SIGN_GAP_EM = 0.35
# Products of two letters are common, and so are words of two that only a reader knows.
_LEAST_WORD, _LETTER_GAP_EM = 3, 0.12
# Scripts are set at 0.67–0.8 of their base.
_SCRIPT_SIZE = 0.85
# Cells of a table are parted by 1.2 em or more (two tabcolsep of 6 pt); a formula has such a gap at `\qquad` only.
_CELL_GAP_EM = 1.1
# Wider than `\qquad`: also in tables that were not seen as such.
_FAR_GAP_EM = 2.3
_BINARY = frozenset("=<>≤≥≠≈≡∼∈∉⊂⊆∪∩→←↦⇒⇔↔+−±∓×·∗∘⊕⊗∧∨∖/⟶≅≃∝≪≫⊃⊇∋:*÷⊢⊨≺≻⪯⪰⊔⊓⊎⋅⋆⩽⩾≲≳≔∶⊧⊩◁▷⊲⊳")
_MAY_LEAD = frozenset("−±∓+<>≤≥∼≈⩽⩾∗*⊢=")
# Signs of one number: a space and no operand before them.
_PREFIXES = frozenset("−±∓")
_OPEN, _CLOSE = frozenset("([{⟨⌊⌈"), frozenset(")]}⟩⌋⌉")
# What stands over or under letters, or may.
_OFF_THE_LINE = ACCENTS | {"\ufffd"}
_STOPS = frozenset(".,;:")


def is_whole(row: Row, piece: Sequence[Mark], before_line: Mark | None, box: Box) -> bool:
    """Whether the glyphs around a formula leave no doubt that it begins and ends where it was cut.

    Args:
        row: The whole line, its marks from left to right.
        piece: The formula.
        before_line: Last mark of the line above, if the paragraph goes on from there.
        box: Of the formula with its rules: a fraction bar reaches further than the glyphs over it.
    """
    if _balance(piece) or (piece[0].is_script and not _is_in_fraction(piece[0], row)):
        return False
    marks, size = row.marks, max(mark.size for mark in piece)
    first, last = piece[0], piece[-1]
    at = next(i for i, mark in enumerate(marks) if mark is first)
    end = next(i for i, mark in enumerate(marks) if mark is last)
    if end - at + 1 != len(piece):
        return False
    if (
        (first.text in _BINARY and first.text not in _MAY_LEAD)
        or first.text in ",;."
        or (last.text in _BINARY and not last.is_script)  # `T_-` and `Fe^{3+}` end so
        or last.text in ",;?"
    ):
        return False
    base = next((mark for mark in reversed(piece) if not mark.is_script), last)
    if base.text in BIG_OPERATORS and not any(_is_in_fraction(mark, row) for mark in piece[piece.index(base) + 1 :]):
        return False  # its operand was lost
    if at:
        if not _begins_behind(marks, at, piece, min(first.x0, box.x0), size, row):
            return False
    elif before_line is not None and not row.is_table and (before_line.is_math or before_line.text in _BINARY):
        return False
    return end + 1 == len(marks) or _ends_before(marks, end, max(last.x1, box.x1), size, row)


def _begins_behind(
    marks: Sequence[Mark], at: int, piece: Sequence[Mark], left: float, size: float, row: Row
) -> bool:
    first, before = piece[0], marks[at - 1]
    gap = left - before.x1
    if gap > (_CELL_GAP_EM if row.is_table else _FAR_GAP_EM) * size:
        return True
    if before.word in FUNCTION_NAMES and gap < _NAME_GAP_EM * size:
        return False
    if before.text in ",;" and gap < _THIN_GAP_EM * size:
        return False
    is_prose = before.kind is Kind.WORD and len(before.word) > 2
    is_operator = first.text in _BINARY and not (first.text in _PREFIXES and is_prose)
    if _is_of_two_fonts(marks, before):
        return False
    if (is_operator or before.text == ":") and (gap < _SIGN_GAP_EM * size or _is_letter(before)):
        return False
    if before.kind in (Kind.DIGIT, Kind.SIGN) or before.is_math:
        return False
    if gap < _word_gap(row, is_prose) * size and before.text not in "([“‘—–-\"'":
        return False
    # Else a minus sign that the text font lends.
    return not (before.text in "–-" and gap < 0.3 * size and (at == 1 or before.gap_before > 0.12 * size))


def _ends_before(marks: Sequence[Mark], end: int, right: float, size: float, row: Row) -> bool:
    last, after = marks[end], marks[end + 1]
    gap = after.x0 - right
    if gap > (_CELL_GAP_EM if row.is_table else _FAR_GAP_EM) * size:
        return True
    if after.text == "." and (last.text == "." or (marks[end + 2 : end + 3] and marks[end + 2].text == ".")):
        return False  # points of an ellipsis
    if after.text == "!" and gap < 0.2 * size:
        return False  # a factorial, as likely as not
    if after.word in FUNCTION_NAMES and gap < _NAME_GAP_EM * size:
        return False  # a further factor
    if _is_of_two_fonts(marks, after):
        return False  # a function and its argument, taken for a word
    if _is_letter(after):
        return False  # a unit, as likely as not
    if after.text in ".,;" and marks[end + 2 : end + 3]:
        behind = marks[end + 2]
        if behind.is_math and behind.gap_before < 0.12 * size:
            return False  # a point between factors
    if (
        after.text in ".,"
        and end + 2 < len(marks)
        and marks[end + 2].text.isdigit()
        and marks[end + 2].gap_before < 1
    ):
        return False
    if after.kind in (Kind.DIGIT, Kind.SIGN, Kind.OPENING) or after.is_math:
        return False
    is_prose = after.kind is Kind.WORD and len(after.word) > 2
    return gap >= _word_gap(row, is_prose) * size or after.text in ")].,;:!?”’—–-\"'"


def _word_gap(row: Row, is_prose: bool) -> float:
    """Space that parts a formula from a neighbor, in em: as wide as those between the words of its own line."""
    if not is_prose:
        return _WORD_GAP_EM
    gaps = [
        mark.gap_before / row.size
        for before, mark in zip(row.marks, row.marks[1:], strict=False)
        if mark.kind is before.kind is Kind.WORD and mark.word_index != before.word_index
    ]
    if len(gaps) < 3:
        return _WORD_GAP_EM
    return min(_WORD_GAP_EM, max(_LEAST_WORD_GAP_EM, _WORD_GAP_SHARE * median(gaps)))


def _is_of_two_fonts(marks: Sequence[Mark], letter: Mark) -> bool:
    """Whether upright and slanted letters make up a word."""
    word = [mark for mark in marks if mark.word_index == letter.word_index] if letter.word else []
    return len({mark.glyph.is_italic for mark in word}) > 1


def is_in_brackets(row: Row, piece: Sequence[Mark]) -> bool:
    """Whether brackets hug a formula on both sides, of which nobody can tell whether they are its own."""
    marks = row.marks
    at = next(i for i, mark in enumerate(marks) if mark is piece[0])
    end = next(i for i, mark in enumerate(marks) if mark is piece[-1])
    return at > 0 and end + 1 < len(marks) and marks[at - 1].text in _OPEN and marks[end + 1].text in _CLOSE


def holds_prose(piece: Sequence[Mark]) -> bool:
    """Whether a formula may have taken in a word at an end or a comma of the sentence: nobody can tell from the glyphs.

    Fonts whose italic sets both prose and mathematics do not tell `Let` from a product.
    """
    return _begins_with_word(piece) or _begins_with_word(piece[::-1]) or _has_wide_comma(piece)


def _begins_with_word(piece: Sequence[Mark]) -> bool:
    word, apart = [piece[0]], 0.0
    for mark in piece[1:]:
        apart = max(mark.x0 - word[-1].x1, word[-1].x0 - mark.x1) / mark.size
        if apart > _LETTER_GAP_EM:
            break
        word.append(mark)
    word.sort(key=lambda mark: mark.x0)
    text = "".join(mark.text for mark in word)
    is_level = all(abs(mark.y - word[0].y) < 0.05 * mark.size for mark in word)
    is_word = len(word) >= _LEAST_WORD and text.isalpha() and text[1:].islower() and text not in FUNCTION_NAMES
    return is_word and is_level and apart > _WORD_GAP_EM


def _has_wide_comma(piece: Sequence[Mark]) -> bool:
    """Whether a comma outside brackets has the space of prose behind it: two formulas, as likely as one."""
    depth = 0
    for mark, behind in pairwise(piece):
        depth += (mark.text in _OPEN) - (mark.text in _CLOSE)
        gap = (behind.x0 - mark.x1) / mark.size
        if mark.text == "," and depth == 0 and not mark.is_script and _COMMA_GAP_EM < gap < _QUAD_GAP_EM:
            return True
    return False


def _is_in_fraction(mark: Mark, row: Row) -> bool:
    return any(mark is other for stack in row.stacks for other in stack)


def goes_on(piece: Sequence[Mark]) -> bool:
    """Whether a formula at the end of a line must go on in the next: TeX breaks behind relations and operators."""
    return piece[-1].text in _BINARY or _balance(piece) > 0


def _is_letter(mark: Mark) -> bool:
    return len(mark.word) == 1 and mark.text.isalpha() and mark.text not in "aAI"


def _balance(piece: Sequence[Mark]) -> int:
    depth = 0
    for mark in piece:
        if mark.text in _OPEN:
            depth += 1
        elif mark.text in _CLOSE:
            depth -= 1
            if depth < 0:
                return depth
    return depth


def has_strangers(rows: Sequence[Row], piece: Sequence[Mark], box: Box) -> bool:
    """Whether ink of anything else lies well inside a formula's box: an accent, a limit, a part that was lost.

    Args:
        rows: Of the formula's column.
        piece: The formula.
        box: Its box.
    """
    members, size = set(map(id, piece)), max(mark.size for mark in piece)
    for row in rows:
        if abs(row.y - (box.y0 + box.y1) / 2) > 3 * row.size:
            continue
        is_own = any(id(mark) in members for mark in row.marks)
        for mark in row.marks:
            if id(mark) in members:
                continue
            # Combining accents have no advance and their own place: only their ink tells where they are.
            if mark.text in _OFF_THE_LINE and box.padded(0.4 * row.size).holds(mark.ink.center):
                if mark.ink.center[1] < box.y1:  # those of the next line stand below the box
                    return True
                continue
            if mark.x1 > box.x0 and mark.x0 < box.x1:
                # The stop of the sentence hugs a slanted letter.
                reach = 0.4 if mark.text in _OFF_THE_LINE else 0.0 if mark.text in _STOPS and is_own else 0.1
                shared = (mark.box & box.padded(reach * row.size)).area
                if shared > 0.3 * mark.box.area:
                    return True
                continue
            is_script = mark.size < _SCRIPT_SIZE * size
            may_belong = mark.text not in _STOPS if is_own else mark.is_math or is_script
            reach = 0.25 * size if is_script else 0.12 * row.size if mark.is_math else 0.0
            if may_belong and -1 < mark.x0 - box.x1 < reach:
                # A script or fraction that was lost; prose of another row only happens to begin there.
                is_beside = mark.y1 > box.y0 - 0.5 * row.size and mark.y0 < box.y1 + 0.2 * row.size
                if is_beside:
                    return True
    return False
