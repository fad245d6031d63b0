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
http https www pdf xml sql mph pdfs pde pdes ode odes ltd ref refs sec secs tbl ii iii iv vi vii viii ix xii xiii
txt csv png jpg str cfg src cmd tmp std
"""
_FUNCTIONS = frozenset(_FUNCTION_LIST.split())
_SHORT_WORDS = frozenset(_SHORT_WORD_LIST.split())
_VOWELS = set("aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýœ")
_RELATIONS = "=≠<>≤≥≦≧≪≫≈≃≅≡∼~∝∈∉∋⊂⊃⊆⊇→←↔⇒⇔↦:＝＜＞"
_BINARY = "+−-–—±∓×÷·∗*∘⊕⊗∪∩∧∨/|∣∥＋－⋅•"
_SIGNS = "∂∇∑∏∫∮√∞∀∃∅ℓℏ′″‴†‡⊥∠△∆∴∵ℝℂℕℤℚℜℑℵ⟨⟩〈〉⌊⌋⌈⌉‖…⋯∴^_\\∣"
_GREEK = re.compile(r"[Α-Ωα-ωϑϕϖϱϵ∆µ]")
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff]")
_NUMBER = re.compile(r"[-−–+]?[$€£]?\d[\d,.:’']*(?:[%‰°]|st|nd|rd|th|s|k|M)?")
_RANGE = re.compile(r"\d+(?:[-–/.]\d+)+")
_REFERENCE = re.compile(r"[\[(（](?=\W*\w*\W?\d)[A-Z]{0,4}[.\-]?\d{1,3}(?:[.\-–:]\d{1,3})*[a-z]?[*′']?[\])）]")
# 40V, 2.4MHz: more than one digit before a unit of one letter, for 2m and 3s are more often products.
_QUANTITY = re.compile(
    r"\d[\d.,]*(?:[kMGT]?(?:Hz|B|eV|Pa|W|V|J|N)|mol|cm|km|mm|nm|kg|mg|ms|min|°C?|%|dB|dpi|pt|px)|\d[\d.,]+[VWAKNJLhCFmsg]"
)
_INITIAL = re.compile(r"[A-Z]\.,?")
_SENTENCE_START_LIST = """
The This That These Those There They When Where Here For From Let Since Then Thus Hence Now However Suppose Consider
Because Although And But Each Every Any All Some Note Such With Both Recall Therefore Moreover One Two Assume Note Our
"""
_SENTENCE_STARTS = frozenset(_SENTENCE_START_LIST.split())
_UNIT_LIST = """
deg V W A C F K N J L h s m g Hz kHz MHz GHz eV keV MeV GeV Pa kPa kg mg mm cm km nm GB MB TB kB ms µs ns kW MW kV kJ
"""
UNITS = frozenset(_UNIT_LIST.split())
"""Symbols of units of measurement, without those that read as words."""
# What follows these is the number of something, never a formula.
# H2O, C6H12O6: symbols of elements with at least two elements and a number.
_CHEMICAL = re.compile(
    r"(?=\D*\d)(?:(?:H|He|Li|Be|B|C|N|O|F|Ne|Na|Mg|Al|Si|P|S|Cl|Ar|K|Ca|Ti|Cr|Mn|Fe|Co|Ni|Cu|Zn|Br|Ag|I|Ba|Pt|Au|Hg|Pb|U)"
    r"\d{0,2}){2,}"
)
# f(x, cov(U: a short name before a bracket; word(s) and Fig.(2) are none.
_CALL = re.compile(r"[A-Za-z]{1,4}[′'’]?[(\[](?!s\))\S*")
_CUES = re.compile(
    r"(?:remark|theorem|lemma|definition|example|section|sec|figure|fig|table|tab|chapter|proposition|corollary|exercise"
    r"|equation|eq|appendix|part|step|algorithm|axiom|claim|conjecture|problem|no|p|pp|page|vol|version|§+)s?\.?",
    re.IGNORECASE,
)
_SERIAL = re.compile(r"[A-Z]{1,3}-?\d{3,}(?:-?[A-Z0-9]+)*|(?=\S*\d)[A-Z0-9]{2,}-[A-Z0-9]{1,}")
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
    if re.fullmatch(r"[.…·⋯]{2,}|…|:=?", text.strip(",")):
        return WordKind.OPERATOR
    if re.fullmatch(r"[(\[]?(?:[A-Za-z]\.){2,}[A-Za-z]?[,:;)\]]*", text):  # i.e., n.b., U.S.
        return WordKind.PROSE
    core = text.strip(_EDGE_PUNCTUATION)
    bare = core.strip(_BRACKETS + _EDGE_PUNCTUATION)
    if not bare:
        return WordKind.MATH if core in ("∥", "|") else WordKind.OPERATOR if core else WordKind.PROSE
    if re.search(r"www\.|https?:|@|\.(?:com|org|net|edu|io|py|html?)\b", bare):
        return WordKind.PROSE
    if _QUANTITY.fullmatch(bare):
        return WordKind.NUMBER
    if _SERIAL.fullmatch(bare) or re.fullmatch(r"[^\W\d_]{2,}[-‐]", bare):  # the second: broken at the end of a line
        return WordKind.PROSE
    if _CHEMICAL.fullmatch(bare) or bare[0] == "°" or re.fullmatch(r"\d+\([a-z]", bare):
        return WordKind.PROSE
    if _CALL.match(core) and not _CUES.fullmatch(re.split(r"[(\[]", core)[0]):
        return WordKind.MATH
    if _CJK.search(bare):
        return WordKind.PROSE if is_cjk_page else WordKind.MATH
    if len(bare) == 1 and bare in _RELATIONS + _BINARY:
        return WordKind.OPERATOR if bare not in "•*:" else WordKind.PROSE
    if len(bare) > 5 and bare[1:].isalpha() and any(char in _VOWELS for char in bare) and bare[0] not in "∂∇":
        return WordKind.PROSE
    if _GREEK.search(bare) or any(char in _SIGNS for char in bare if char not in "_"):
        return WordKind.MATH
    if re.fullmatch(r"\d+(?:st|nd|rd|th)", bare):
        return WordKind.NUMBER
    letters = re.findall(r"[^\W\d_]+", bare)
    longest = max(map(len, letters), default=0)
    if not letters:
        return _judge_figures(bare)
    if any(char in "=≠<>≤≥≈≡∼∝∈∉⊂⊆→⇒+±×" for char in bare):
        return WordKind.MATH
    if re.fullmatch(r"\d+(?!st|nd|rd|th)[A-Za-z]{1,2}", bare):
        return WordKind.MATH
    if re.search(r"[₀-₉⁰-⁹ⁿ]", bare) and longest <= 3:
        return WordKind.MATH
    if longest >= 2 and _all_words(letters):
        # A call such as log(x) or max(a,b) joins with what is in its brackets.
        has_call = letters[0] in _FUNCTIONS and len(letters) > 1 and "(" in core
        return WordKind.MATH if has_call else WordKind.FUNCTION if bare in _FUNCTIONS else WordKind.PROSE
    if bare in _FUNCTIONS:
        return WordKind.FUNCTION
    if len(bare) == 1:
        return _judge_letter(bare)
    if ("_" in bare and longest >= 2) or bare == "n/a":
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


def _judge_letter(bare: str) -> WordKind:
    if bare in "aAIOo":
        return WordKind.LETTER
    if bare in "&éà":
        return WordKind.PROSE
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


def judge_beside(kinds: list[WordKind], texts: list[str], spaces: list[float]) -> list[WordKind]:
    """Correct the kinds of a line's words by their neighbors: initials, units, and the numbers of theorems.

    Args:
        kinds: Of each word by itself, from `judge_word`.
        texts: Of the same words.
        spaces: After each word, in units of the line's usual space; a wider one ends a sentence.
    """
    result = list(kinds)
    for index, text in enumerate(texts):
        before = texts[index - 1] if index else ""
        after = texts[index + 1] if index + 1 < len(texts) else ""
        bare = text.strip(_EDGE_PUNCTUATION + _BRACKETS)
        is_initial = len(bare) == 1 and bare.isupper() and text.endswith(".") and after[:1].isupper()
        ends_sentence = len(texts) >= 5 and spaces[index] >= 1.25
        is_initial = is_initial and len(after) > 1 and after not in _SENTENCE_STARTS and not ends_sentence
        if re.fullmatch(r"[A-Z]\.", text) and (_INITIAL.fullmatch(before) or _INITIAL.fullmatch(after)):
            is_initial = True  # D. E. Knuth
        is_unit = index > 0 and kinds[index - 1] is WordKind.NUMBER and bare in UNITS and before[-1:].isdigit()
        is_label = _CUES.fullmatch(before) and re.fullmatch(r"[A-Z]|[IVXLC\d.\-–:A-Z]+[a-z]?", bare)
        is_item = index == 0 and re.fullmatch(r"[(]?[a-z]\)", text)  # the label of a list: b)
        if is_item or is_initial or (is_unit and kinds[index] is WordKind.MATH and _is_alone(kinds, index)) or is_label:
            result[index] = WordKind.PROSE
    return result


def _is_alone(kinds: list[WordKind], index: int) -> bool:
    """Whether a number and its unit stand in prose, not in a formula."""
    before = kinds[index - 2] if index > 1 else WordKind.PROSE
    after = kinds[index + 1] if index + 1 < len(kinds) else WordKind.PROSE
    return WordKind.OPERATOR not in (before, after)


def is_code(text: str) -> bool:
    """Whether a line reads as a statement of a programming language."""
    starts = r"(?:def|for|if|elif|else|while|return|import|from|class|print|int|double|float|const|var|end|function)\b"
    marks = r"[;{}:]$|==|\*\*|\+=|-=|->|\(\)|\]\[|\w+\(.*\)$"
    return bool(re.match(starts, text) and re.search(marks, text)) or bool(re.search(r"\w{3,} ?[-+*]?= ?\w+.*;$", text))


def is_plausible_word(text: str) -> bool:
    """Whether a text could be a word of a European language."""
    core = text.strip(_EDGE_PUNCTUATION + _BRACKETS)
    return len(core) >= 2 and core.isalpha() and _all_words([core])


def is_cjk(texts: list[str]) -> bool:
    """Whether a page's text is Chinese or Japanese."""
    joined = "".join(texts)
    return len(_CJK.findall(joined)) > 0.3 * max(1, len(joined))
