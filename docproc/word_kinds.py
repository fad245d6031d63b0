"""What a word of OCR text is to mathematics: decided by its characters alone."""

from __future__ import annotations

import re
from enum import Enum


class WordKind(Enum):
    """Part that a word plays in a line."""

    PROSE = "prose"
    MATH = "math"
    NUMBER = "number"
    """Mathematics only beside an operator."""
    OPERATOR = "operator"
    """Joins what stands on both sides."""
    FUNCTION = "function"
    """sin, log, max: mathematics beside mathematics."""
    LETTER = "letter"
    """a, A, I: a word of English, or a symbol beside an operator."""
    REFERENCE = "reference"
    """(3.2): the number of an equation."""


_FUNCTION_LIST = """
sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan log ln lg exp max min sup inf lim limsup liminf det dim
ker deg gcd lcm arg argmax argmin tr rank span diag sgn sign mod Re Im Pr Var Cov Hom div grad curl
"""
# Words of one or two letters in English, German, French, Spanish and Italian, and words without a vowel.
_SHORT_WORD_LIST = """
of in to is it as at be by we on or an if so no do up us my he me go am ab da du er es im ja je ob so um wo zu le la de
un et il en au ou ce ne se sa si tu el lo al es un su mi te va vs cf pp th nd rd st mr dr jr ms eq eg ie ph ch no vol
fig eqs eqn etc hz km kg cm mm nm kb mb gb tv pc id ok ai ml pm ad bc why try dry sky fly my by shy cry nth hmm html
http https www pdf xml sql mph pdfs pde pdes ode odes ltd ref refs sec secs tbl ii iii iv vi vii viii ix xi xii xiii
"""
_FUNCTIONS = frozenset(_FUNCTION_LIST.split())
_SHORT_WORDS = frozenset(_SHORT_WORD_LIST.split())
_VOWELS = set("aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýœ")
_RELATIONS = "=≠<>≤≥≦≧≪≫≈≃≅≡∼~∝∈∉∋⊂⊃⊆⊇→←↔⇒⇔↦:＝＜＞"
_BINARY = "+−-–±∓×÷·∗*∘⊕⊗∪∩∧∨/|∣∥＋－⋅•"
_SIGNS = "∂∇∑∏∫∮√∞∀∃∅ℓℏ′″‴†‡⊥∠△∆∴∵ℝℂℕℤℚℜℑℵ⟨⟩〈〉⌊⌋⌈⌉‖…⋯∴^_\\∣"
_GREEK = re.compile(r"[Α-Ωα-ωϑϕϖϱϵ∆µ]")
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff]")
_NUMBER = re.compile(r"[-−–+]?[$€£]?\d[\d,.:’']*(?:[%‰°]|st|nd|rd|th|s|k|M)?")
_RANGE = re.compile(r"\d+(?:[-–/.]\d+)+")
_REFERENCE = re.compile(r"[\[(（]?[A-Z]?\d{1,3}(?:[.\-–]\d{1,3})*[a-z]?[\])）]")
_BRACKETS = "()[]{}（）［］"
_EDGE_PUNCTUATION = ".,;:!?\"“”„'’‘…。，、；："


def judge_word(text: str, *, is_cjk_page: bool = False) -> WordKind:
    """Say what a word of OCR text is.

    Args:
        text: Without spaces, as the OCR wrote it.
        is_cjk_page: Chinese or Japanese characters are prose; elsewhere the OCR writes them for symbols it misread.

    Returns:
        Its kind; brackets and punctuation at its ends do not count.
    """
    if _REFERENCE.fullmatch(text.rstrip(".,;:")):
        return WordKind.REFERENCE
    core = text.strip(_EDGE_PUNCTUATION)
    bare = core.strip(_BRACKETS + _EDGE_PUNCTUATION)
    if not bare:
        return WordKind.MATH if core in ("∥", "|") else WordKind.OPERATOR if core else WordKind.PROSE
    if re.search(r"www\.|https?:|@|\.(?:com|org|net|edu|io|py|html?)\b", bare):
        return WordKind.PROSE
    if _CJK.search(bare):
        return WordKind.PROSE if is_cjk_page else WordKind.MATH
    if len(bare) == 1 and bare in _RELATIONS + _BINARY:
        return WordKind.OPERATOR if bare not in "•*:" else WordKind.PROSE
    if _GREEK.search(bare) or any(char in _SIGNS for char in bare if char not in "_"):
        return WordKind.MATH
    letters = re.findall(r"[^\W\d_]+", bare)
    longest = max(map(len, letters), default=0)
    if not letters:
        return _judge_figures(bare)
    if any(char in "=≠<>≤≥≈≡∼∝∈∉⊂⊆→⇒+±×" for char in bare):
        return WordKind.MATH
    if longest >= 4 or (longest >= 2 and _all_words(letters)):
        # A call such as log(x) or max(a,b) joins with what is in its brackets.
        has_call = letters[0] in _FUNCTIONS and len(letters) > 1 and "(" in core
        return WordKind.MATH if has_call else WordKind.FUNCTION if bare in _FUNCTIONS else WordKind.PROSE
    if bare in _FUNCTIONS:
        return WordKind.FUNCTION
    if len(bare) == 1:
        return _judge_letter(text, bare)
    if "_" in bare and longest >= 2:
        return WordKind.PROSE
    if bare.isupper() and bare.isalpha():
        return WordKind.PROSE
    return WordKind.MATH


def _judge_figures(bare: str) -> WordKind:
    if _NUMBER.fullmatch(bare) or (_RANGE.fullmatch(bare) and "/" not in bare) or bare.count("/") > 1:
        return WordKind.NUMBER
    if re.fullmatch(r"[\d.,\-–−/]+", bare):
        return WordKind.NUMBER
    return WordKind.MATH if re.search(r"[=<>≤≥+×±/|·]", bare) else WordKind.NUMBER


def _judge_letter(text: str, bare: str) -> WordKind:
    if bare in "aAIOo&éàyeE":
        return WordKind.LETTER if bare in "aAIoO" else WordKind.MATH if bare in "yeE" else WordKind.PROSE
    if text.endswith(")") and "(" not in text:  # the label of a list: b)
        return WordKind.LETTER
    if bare.isupper() and text.endswith("."):  # an initial
        return WordKind.LETTER
    return WordKind.MATH if bare.isalpha() else WordKind.PROSE


def _all_words(letters: list[str]) -> bool:
    """Whether every run of two or more letters could be a word of a European language."""
    return all(
        len(run) == 1
        or run.lower() in _SHORT_WORDS
        or run in _FUNCTIONS
        or (len(run) >= 3 and any(char in _VOWELS for char in run.lower()))
        or (run.isupper())
        for run in letters
    )


def is_cjk(texts: list[str]) -> bool:
    """Whether a page's text is Chinese or Japanese."""
    joined = "".join(texts)
    return len(_CJK.findall(joined)) > 0.3 * max(1, len(joined))
