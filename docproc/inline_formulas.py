"""Find the inline formulas of one row of prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.font_statistics import FontRole
from docproc.page_marks import FUNCTION_NAMES, SPACING_ACCENTS, Kind, Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

# Gaps in em of the row. TeX sets 0.17 (punctuation), 0.22 (binary) and 0.28 + stretch (relations) inside formulas;
# a word space is 0.33, shrunk to 0.22 in tight lines.
_OPERAND_GAP = 0.2
_THIN_GAP = 0.205
_FORMULA_GAP = 1.3
_TABLE_GAP = 0.9

_RELATIONS = frozenset("=<>≤≥≠≈≡∼∈∉⊂⊆∪∩→←↦⇒⇔↔+−±∓×·∗∘⊕⊗∧∨∖/⟶≅≃∝≪≫⊃⊇∋|:*÷∣∥⊢⊨≺≻⪯⪰←⟵↔⟷⊔⊓⊎⋅⋆∙≔≕⩽⩾≲≳⊥⊤△▽∖∤≢⊈⊄ \ufffd")
_SHORT_WORDS = frozenset(
    [
        "is",
        "it",
        "in",
        "of",
        "or",
        "if",
        "as",
        "at",
        "by",
        "to",
        "an",
        "on",
        "no",
        "so",
        "we",
        "be",
        "do",
        "up",
        "us",
        "my",
        "me",
        "am",
        "go",
        "he",
        "al",
        "eg",
        "ie",
        "vs",
        "cf",
        "pp",
        "ed",
        "et",
        "de",
        "la",
        "le",
        "el",
        "en",
        "un",
        "du",
        "im",
        "am",
        "zu",
        "da",
        "es",
        "er",
        "ob",
        "wo",
        "os",
        "ad",
        "ex",
        "id",
        "re",
        "st",
        "mr",
        "dr",
        "ph",
        "ok",
        "hi",
        "ox",
        "pi",
    ]
)
# Signs of a mathematics font that stand in prose without being a formula.
NAMES = frozenset(("C++", "n/a", "N/A", "A/B", "I/O", "e.g.", "i.e."))
"""Of no formula, though signs stand in them."""
_PROSE_SIGNS = frozenset("•◦∗·†‡§¶−–—|\\<>{}~*′∙⋄□■®©⃝∣‖")


def prepare_row(marks: Sequence[Mark], row_size: float) -> None:
    """Turn letters and words of text fonts into mathematics where their neighbors prove it; changes their kind."""
    _adopt_neighbors(marks, row_size)
    _adopt_words(marks, row_size)


def find_inline(marks: Sequence[Mark], row_size: float, is_table: bool = False) -> list[list[Mark]]:
    """Find the formulas among the marks of a row by rules.

    Args:
        marks: From left to right, with `gap_before` set, after `prepare_row`.
        row_size: Size of the row's main font in points.
        is_table: Whether wide gaps part cells.

    Returns:
        The marks of each formula, from left to right.
    """
    pieces: list[list[Mark]] = []
    piece: list[Mark] = []
    depth = 0
    limit = (_TABLE_GAP if is_table else _FORMULA_GAP) * row_size
    for position, mark in enumerate(marks):
        if mark.kind in (Kind.WORD, Kind.CODE, Kind.NOTE):
            pieces.append(piece)
            piece, depth = [], 0
            continue
        if piece and (mark.gap_before > limit or _parts(piece, mark, depth, row_size)):
            pieces.append(piece)
            piece, depth = [], 0
        if mark.kind is Kind.PUNCTUATION and not _is_inner(marks, position, piece, depth, row_size):
            pieces.append(piece)
            piece, depth = [], 0
            continue
        if mark.text in "([{⟨" and len(mark.text) == 1:
            depth += 1
        elif mark.text in ")]}⟩":
            depth -= 1
        piece.append(mark)
    pieces.append(piece)
    found = [_trim(piece, row_size) for piece in pieces if piece]
    return [piece for piece in found if piece and _is_formula(piece)]


def _adopt_neighbors(marks: Sequence[Mark], row_size: float) -> None:
    """Turn letters of text fonts into mathematics where their neighbors prove it."""
    n = len(marks)
    i = 0
    while i < n:
        mark = marks[i]
        if mark.kind is not Kind.WORD:
            i += 1
            continue
        j = i + 1
        while j < n and marks[j].kind is Kind.WORD and marks[j].word_index == mark.word_index:
            j += 1
        before = marks[i - 1] if i else None
        after = marks[j] if j < n else None
        word = mark.word
        if word in FUNCTION_NAMES and _begins_argument(after, row_size):
            for k in range(i, j):
                marks[k].kind = Kind.MATH
        elif len(word) == 1 and mark.role is FontRole.TEXT:
            is_beside_math = _touches(before, mark.gap_before, row_size) or (
                after is not None and _touches(after, after.gap_before, row_size)
            )
            if is_beside_math or (mark.glyph.is_italic and _is_lone(before, after)):
                mark.kind = Kind.MATH
        i = j


def _adopt_words(marks: Sequence[Mark], row_size: float) -> None:
    """Turn whole words into mathematics: names of functions before brackets, products of italic letters."""
    n = len(marks)
    starts = [
        i for i in range(n) if marks[i].kind is Kind.WORD and (i == 0 or marks[i - 1].word_index != marks[i].word_index)
    ]
    n_italic = sum(marks[i].glyph.is_italic for i in starts)
    is_italic_row = n_italic > 0.6 * len(starts)
    for i in starts:
        mark = marks[i]
        j = i
        while j < n and marks[j].kind is Kind.WORD and marks[j].word_index == mark.word_index:
            j += 1
        before = marks[i - 1] if i else None
        after = marks[j] if j < n else None
        is_math = False
        if after is not None and after.text == "(" and after.gap_before < 0.06 * row_size:
            is_math = _holds_math(marks, j)
        if not is_math and mark.glyph.is_italic and not is_italic_row:
            is_math = (
                _is_operator(before)
                and mark.gap_before < 0.6 * row_size
                and before is not None
                and before.text not in "|"
            ) or (_is_operator(after) and after is not None and after.gap_before < 0.6 * row_size)
            is_math = is_math or (len(mark.word) <= 3 and _is_product(mark.word))
        if not is_math and mark.word == "mod" and after is not None and after.is_math:
            is_math = True
        if is_math:
            for k in range(i, j):
                marks[k].kind = Kind.MATH


def _holds_math(marks: Sequence[Mark], opening: int) -> bool:
    """Whether a bracket holds mathematics and no prose."""
    depth = 0
    found = False
    for mark in marks[opening:]:
        if mark.text == "(":
            depth += 1
        elif mark.text == ")":
            depth -= 1
            if depth == 0:
                return found
        elif mark.kind in (Kind.CODE, Kind.NOTE) or (mark.kind is Kind.WORD and len(mark.word) > 3):
            return False
        found = found or mark.kind is Kind.MATH
    return False


def _is_operator(mark: Mark | None) -> bool:
    return mark is not None and mark.kind is Kind.MATH and mark.text in _RELATIONS and not mark.is_script


def _is_product(word: str) -> bool:
    """Whether two or three italic letters in an upright line are a product rather than a word."""
    if len(word) == 2:
        return word.lower() not in _SHORT_WORDS
    return len(word) == 3 and word.isupper() is False and not any(char in "aeiouyAEIOUY" for char in word)


def _begins_argument(after: Mark | None, row_size: float) -> bool:
    if after is None or after.gap_before > 0.3 * row_size:
        return False
    if after.kind is Kind.MATH:
        return True
    return after.kind in (Kind.OPENING, Kind.PLAIN) and after.gap_before < 0.12 * row_size


def _touches(mark: Mark | None, gap: float, row_size: float) -> bool:
    """Whether a formula stands so near to a letter that the letter belongs to it."""
    if mark is None or mark.kind is not Kind.MATH:
        return False
    if mark.text in _RELATIONS and not mark.is_script:
        return gap < 0.6 * row_size
    return gap < 0.15 * row_size


def _is_lone(before: Mark | None, after: Mark | None) -> bool:
    """Whether an italic letter of the text font stands between upright neighbors."""
    for mark in (before, after):
        if mark is not None and mark.kind is Kind.WORD and mark.glyph.is_italic:
            return False
    return before is not None or after is not None


def _is_operand_end(mark: Mark) -> bool:
    return (
        mark.text not in _RELATIONS and mark.kind not in (Kind.OPENING, Kind.PUNCTUATION) and mark.text not in "([{,;"
    )


def _is_operand_start(mark: Mark) -> bool:
    return (
        mark.text not in _RELATIONS and mark.kind not in (Kind.CLOSING, Kind.PUNCTUATION) and mark.text not in ")]},;"
    )


def _parts(piece: Sequence[Mark], mark: Mark, depth: int, row_size: float) -> bool:
    """Whether a word space parts `mark` from the formula before it."""
    last = piece[-1]
    if mark.is_script or mark.is_big or last.is_big:
        return False
    if mark.gap_before < _OPERAND_GAP * row_size:
        return False
    if not (_is_operand_end(last) and _is_operand_start(mark)):
        return False
    if last.word in FUNCTION_NAMES and last.word:
        return False
    return depth <= 0 or not mark.is_math


def _is_inner(marks: Sequence[Mark], position: int, piece: Sequence[Mark], depth: int, row_size: float) -> bool:
    """Whether punctuation of a text font stands inside a formula."""
    if not piece:
        return False
    mark = marks[position]
    after = marks[position + 1] if position + 1 < len(marks) else None
    if after is None or after.kind in (Kind.WORD, Kind.CODE, Kind.NOTE):
        return False
    if mark.text in ".," and piece[-1].text.isdigit() and after.text.isdigit():
        return after.gap_before < 0.15 * row_size
    if mark.text == "!":
        return after.gap_before < 0.3 * row_size and after.kind is not Kind.OPENING
    gap_after = after.gap_before / row_size
    if mark.text == ":":
        return after.is_math and (mark.gap_before > 0.06 * row_size or gap_after < _THIN_GAP or after.text == "=")
    if mark.text in ",;":
        # The thin space of mathematics, 1/6 em, does not stretch; a word space does.
        return gap_after < _THIN_GAP or (depth > 0 and after.kind is not Kind.PUNCTUATION)
    if mark.text == ".":
        return 0.1 < gap_after < _THIN_GAP and (after.text in ".," or 0.1 < mark.gap_before / row_size < _THIN_GAP)
    return False


def _trim(piece: list[Mark], row_size: float) -> list[Mark]:
    """Take away what belongs to the sentence: brackets around, numbers before, signs at the ends."""
    changed = True
    while piece and changed:
        changed = False
        first, last = piece[0], piece[-1]
        if first.kind in (Kind.PUNCTUATION, Kind.CLOSING) or first.text in ")]":
            piece, changed = piece[1:], True
        elif last.kind in (Kind.PUNCTUATION, Kind.OPENING) or (last.text in "([" and not last.is_script):
            piece, changed = piece[:-1], True
        elif first.kind is Kind.OPENING or first.text in "([":
            end = partner(piece, 0)
            if end is None or (end == len(piece) - 1 and first.kind is Kind.OPENING and not _is_tuple(piece)):
                piece, changed = (piece[1:] if end is None else piece[1:-1]), True
        elif (
            (last.kind is Kind.CLOSING or last.text in ")]")
            and _partner_back(piece, len(piece) - 1) is None
            and not any(mark.text in "([{" for mark in piece)
        ):
            piece, changed = piece[:-1], True
    return piece


def without_loose_ends(piece: list[Mark], marks: Sequence[Mark], may_close: bool) -> list[Mark]:
    """Give back to the sentence a comma or colon at the end, and brackets at the ends without a partner in the piece.

    Args:
        piece: Marks of one row.
        marks: All marks of the row; a bracket may have its partner on the row before or after.
        may_close: Whether a formula on the row before may be waiting for its bracket.

    Returns:
        The piece, perhaps shorter.
    """
    if piece and piece[0] is marks[0] and piece[0].kind is Kind.NOTE:
        piece = piece[1:]  # the bullet of an item
    while piece:
        last = piece[-1]
        is_comma = last.text in (",", ";", ":") and not last.is_script
        is_alone = last.text in (")", "]") and _partner_back(piece, len(piece) - 1) is None
        if is_comma or (is_alone and not (may_close and piece[0] is marks[0])):
            piece = piece[:-1]
        elif piece[0].text in ("(", "[") and partner(piece, 0) is None and piece[-1] is not marks[-1]:
            piece = piece[1:]
        else:
            break
    return piece


def _is_tuple(piece: Sequence[Mark]) -> bool:
    """Whether a bracketed piece holds a comma of a mathematics font, as a pair or an interval does."""
    return any(mark.text in ",;" and mark.role is FontRole.MATH for mark in piece)


def partner(piece: Sequence[Mark], start: int) -> int | None:
    """Place of the bracket that closes the one at `start`; None where the piece has none."""
    depth = 0
    for position in range(start, len(piece)):
        text = piece[position].text
        if text in ("(", "["):
            depth += 1
        elif text in (")", "]"):
            depth -= 1
            if depth == 0:
                return position
    return None


def _partner_back(piece: Sequence[Mark], start: int) -> int | None:
    depth = 0
    for position in range(start, -1, -1):
        text = piece[position].text
        if text in (")", "]"):
            depth += 1
        elif text in ("(", "["):
            depth -= 1
            if depth == 0:
                return position
    return None


def is_plain(piece: Sequence[Mark]) -> bool:
    """Whether a piece is a plain number, a plain word or a lone sign of prose."""
    text = "".join(mark.text for mark in piece)
    if text in NAMES or not text.strip("\ufffd") or all(mark.text in SPACING_ACCENTS for mark in piece):
        return True
    return all(mark.text.isdigit() or mark.text in ".,:;%–-‐" for mark in piece) or (
        len(piece) == 1 and piece[0].text in _PROSE_SIGNS
    )


def _is_formula(piece: Sequence[Mark]) -> bool:
    proofs = [mark for mark in piece if mark.kind is Kind.MATH]
    if not proofs:
        return False
    if all(mark.text in _PROSE_SIGNS for mark in proofs):
        # A signed number, or signs between numbers, is a formula; a dash or star alone is not.
        return any(mark.text == "−" for mark in proofs) and any(mark.text.isdigit() for mark in piece)
    if len(piece) == 1 and piece[0].text in _RELATIONS:
        return piece[0].text not in "<>|/:*+="
    return not all(mark.text in ".,;:…!" for mark in proofs)
