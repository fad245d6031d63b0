"""The glyphs of a page as marks that know whether they are prose or mathematics."""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from typing import TYPE_CHECKING

from docproc.font_statistics import LIGATURES, FontRole
from docproc.records import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.font_statistics import FontStatistics
    from docproc.records import Glyph

_FUNCTIONS = """
sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh coth sech csch log ln lg exp max min sup inf lim
limsup liminf det dim ker deg gcd lcm Pr arg argmax argmin Hom mod tr Tr rank diag sgn sign Re Im Var Cov Corr End
Aut Spec Gal ord im coker codim cond erf ess span supp vol div grad curl rot id card
"""
FUNCTION_NAMES = frozenset(_FUNCTIONS.split())
_OPENING, _CLOSING = frozenset("([{⟨⌊⌈"), frozenset(")]}⟩⌋⌉")
SPACING_ACCENTS = frozenset("ˆ˜¯˙¨ˇ˘´`˚")
_BULLETS = frozenset("•◦∙▪■□▶►▸‣◆◇★☆✓✔✗⋆❖◾◼●○⁃")
_PUNCTUATION = frozenset(".,;:!?'\"“”‘’„«»…-‐‑–—¿¡&§¶©®™@#$€£¥†‡")
# Signs that prove mathematics even in a text font.
_MATH_SIGNS = frozenset("=±×÷≤≥≠≈≡∼∈∉⊂⊆∪∩→←↦⇒⇔∀∃∞∂∇∑∏∫√−∓⊕⊗∘∝∅¬∧∨")
# Pieces of tall brackets: Adobe's private characters and Unicode's own.
_PIECES = {
    piece: bracket
    for bracket, pieces in {
        "(": "\uf8eb\uf8ec\uf8ed\u239b\u239c\u239d", ")": "\uf8f6\uf8f7\uf8f8\u239e\u239f\u23a0",
        "[": "\uf8ee\uf8ef\uf8f0\u23a1\u23a2\u23a3", "]": "\uf8f9\uf8fa\uf8fb\u23a4\u23a5\u23a6",
        "{": "\uf8f1\uf8f2\uf8f3\uf8f4\u23a7\u23a8\u23a9\u23aa",
        "}": "\uf8fc\uf8fd\uf8fe\u23ab\u23ac\u23ad", "∫": "\uf8f5",
    }.items()
    for piece in pieces
}  # fmt: skip
# Smaller glyphs cannot be seen; some producers hide text so.
_MIN_SIZE_PT = 0.5
_MICRO_AND_UNITS = frozenset("µΩ°")


class Kind(IntEnum):
    """What a mark is, as far as it can be told alone or from its neighbors."""

    WORD = 0  # letter of a prose word
    CODE = 1  # any glyph of a monospaced font
    MATH = 2  # proves mathematics
    DIGIT = 3  # digit of a text font
    SIGN = 4  # +, <, /, | ... of a text font: mathematics if beside it
    OPENING = 5  # bracket of a text font
    CLOSING = 6
    PUNCTUATION = 7
    NOTE = 8  # footnote mark, bullet, list label
    PLAIN = 9  # digit of a mathematics font: joins mathematics, does not prove it


class Mark:
    """A visible glyph with its class; mutable while the page is worked out."""

    __slots__ = (
        "gap_before", "glyph", "has_space_before", "index", "is_big", "is_letter", "is_script", "kind", "role", "size",
        "text", "word", "word_index", "x", "x0", "x1", "y", "y0", "y1",
    )  # fmt: skip

    def __init__(self, index: int, glyph: Glyph, role: FontRole, has_space_before: bool) -> None:
        box = glyph.box
        self.index, self.glyph, self.role, self.has_space_before = index, glyph, role, has_space_before
        self.text, self.size = glyph.text, glyph.size_pt
        self.x0, self.y0, self.x1, self.y1 = box.x0, box.y0, box.x1, box.y1
        self.x, self.y = glyph.origin
        self.kind = Kind.WORD
        self.word = ""  # the whole word for letters of prose
        self.word_index = -1  # index of the word's first glyph
        self.is_letter = self.text in LIGATURES or (
            self.text.isalpha() and self.text < "\u2100" and self.text not in SPACING_ACCENTS
        )
        # Glyphs of extension fonts hang from their origin: it is no baseline.
        below = self.y1 - self.y
        height = self.y1 - self.y0
        self.is_big = height > 1.35 * self.size or below > 0.6 * self.size or self.y - self.y1 > 0.9 * self.size
        if self.text in _PIECES:
            self.text, self.is_big = _PIECES[self.text], True
        self.is_script = False
        self.gap_before = 0.0

    @property
    def box(self) -> Box:
        """As high as the ink, as wide as the advance."""
        return Box(self.x0, self.y0, self.x1, self.y1)

    @property
    def ink(self) -> Box:
        """Exactly around the ink where that is known, else `box`."""
        return self.glyph.ink or self.box

    @property
    def is_math(self) -> bool:
        """Whether the mark is of a formula for sure."""
        return self.kind is Kind.MATH or self.kind is Kind.PLAIN

    def __repr__(self) -> str:
        return f"<{self.text} {self.kind.name}>"


def make_marks(glyphs: Sequence[Glyph], statistics: FontStatistics) -> list[Mark]:
    """Turn glyphs into marks and classify each, spaces left out.

    Args:
        glyphs: In the order of the content stream, spaces included.
        statistics: Of the whole document.
    """
    marks: list[Mark] = []
    has_space = True
    roles: dict[str, FontRole] = {}
    for index, glyph in enumerate(glyphs):
        if glyph.text.isspace() or glyph.text == "\u00ad" or not glyph.text or glyph.size_pt < _MIN_SIZE_PT:
            has_space = True
            continue
        role = roles.get(glyph.font)
        if role is None:
            role = roles[glyph.font] = statistics.role(glyph.font)
        marks.append(Mark(index, glyph, role, has_space))
        has_space = False
    word: list[Mark] = []
    for mark in marks:
        mark.kind = _kind_alone(mark)
        if mark.is_letter and mark.role is FontRole.TEXT:
            if word and not (_continues_word(word[-1], mark)):
                _finish_word(word)
                word = []
            word.append(mark)
        elif word:
            _finish_word(word)
            word = []
    _finish_word(word)
    _rejoin_ligatures(marks)
    return marks


def _kind_alone(mark: Mark) -> Kind:
    text = mark.text
    if text in _BULLETS:
        return Kind.NOTE
    if mark.role is FontRole.CODE:
        return Kind.CODE
    if mark.role is FontRole.MATH:
        return Kind.PLAIN if text.isdigit() or text in "()[]" else Kind.MATH
    if mark.is_letter:
        return Kind.WORD
    if text.isdigit() or text in "%‰" or text in _MICRO_AND_UNITS:
        return Kind.DIGIT
    if text in _OPENING:
        return Kind.OPENING
    if text in _CLOSING:
        return Kind.CLOSING
    if text in _MATH_SIGNS:
        return Kind.MATH
    if text in _PUNCTUATION:
        return Kind.PUNCTUATION
    category = unicodedata.category(text[0])
    if category == "Sm" and text not in "+<>|~":
        return Kind.MATH
    if text > "\U0001d3ff" and text < "\U0001d800":
        return Kind.MATH
    if category in ("Lu", "Ll", "Lm", "Lo"):
        return Kind.MATH if "\u2100" <= text <= "\u214f" else Kind.WORD
    return Kind.SIGN


def _rejoin_ligatures(marks: Sequence[Mark]) -> None:
    """Take letters of a mathematics font inside a prose word (ligatures that the text font lacks) as prose."""
    n = len(marks)
    i = 1
    while i < n - 1:
        if marks[i].role is not FontRole.MATH or not marks[i].is_letter or len(marks[i - 1].word) < 1:
            i += 1
            continue
        j = i
        while j < n - 1 and marks[j].role is FontRole.MATH and marks[j].is_letter and j - i < 4:
            j += 1
        left, right = marks[i - 1], marks[j]
        if (
            left.kind is Kind.WORD
            and right.kind is Kind.WORD
            and len(left.word) + len(right.word) > 2
            and not any(mark.has_space_before for mark in marks[i : j + 1])
            and all(abs(mark.y - left.y) < 0.02 * left.size for mark in marks[i : j + 1])
            and left.glyph.is_italic == right.glyph.is_italic
        ):
            for mark in marks[i:j]:
                mark.kind, mark.word, mark.word_index = Kind.WORD, left.word, left.word_index
                mark.role = FontRole.TEXT
        i = j + 1


def _continues_word(left: Mark, right: Mark) -> bool:
    return (
        not right.has_space_before
        and abs(right.y - left.y) < 0.08 * left.size
        and abs(right.size - left.size) < 0.12 * left.size
        and -0.3 * left.size < right.x - left.x1 < 0.25 * left.size
    )


def _finish_word(word: list[Mark]) -> None:
    """Decide what the letters of one word are."""
    if not word:
        return
    text = "".join(LIGATURES.get(mark.text, mark.text) for mark in word)
    is_greek = all("\u0370" <= char <= "\u03ff" for char in text)
    kind = Kind.MATH if is_greek and len(text) <= 2 else Kind.WORD
    for mark in word:
        mark.word = text
        mark.word_index = word[0].index
        mark.kind = kind
