"""Inline formulas of a scanned line: runs of words that are mathematics, without the punctuation around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docproc.records import Box
from docproc.scan_lines import ScanLine, ScanWord, has_scripts
from docproc.word_kinds import WordKind

if TYPE_CHECKING:
    from docproc.scan_ink import Ink

_JOINS_LEFT = re.compile(r"^[=≠<>≤≥≈≡∼∝∈∉⊂⊆→⇒⇔↔+\-−–±×·*/|∪∩,)\]}^_]")
_JOINS_RIGHT = re.compile(r"[=≠<>≤≥≈≡∼∝∈∉⊂⊆→⇒⇔↔+\-−–±×·*/|∪∩(\[{^_∂∇∑∏∫√]$")
_RELATION = re.compile(r"[=≠<>≤≥≈≡∼∈⊂⊆→⇒]")
_OPEN, _CLOSE = "([{（［", ")]}）］"
_TRAILING = ".,;:!?。，；：'\"”’"
# x-axis, n-dimensional, L2-norm, kth: a symbol grown together with a word.
_COMPOUND = re.compile(r"^[(\[“\"]?([A-Za-zα-ωΑ-Ω]\d?|\d[a-zα-ω])[-–‐](?=[A-Za-z]{3,})")
_ORDINAL = re.compile(r"^([a-zA-Z])(?:-?th)[.,;:)]*$")
# Gaps in em. Symbols side by side have a thin space (0.17) at most, also after a comma within a formula; words, and
# formulas of their own, are parted by the space of the text (0.25 and more).
_APART_EM = 0.3
_THIN_EM = 0.28


def find_inline(ink: Ink, line: ScanLine) -> list[Box]:
    """Find the inline formulas of one line of prose.

    Args:
        ink: Of the page.
        line: A line with `is_prose`.

    Returns:
        Boxes in pixels that hug the ink, from left to right.
    """
    if line.is_monospaced:
        return []
    has_text = any(word.text for word in line.words)
    kinds = _kinds(ink, line)
    boxes = []
    for first, last in _runs(ink, line.words, kinds):
        parts = _without_edges(ink, line.words[first : last + 1]) if has_text else _parts(line.words, first, last)
        if parts:
            boxes.append(_around(ink, parts))
    for word, kind in zip(line.words, kinds, strict=True):
        prefix = _compound_parts(ink, word) if kind is WordKind.PROSE else []
        if prefix:
            boxes.append(_around(ink, prefix))
    return sorted(boxes, key=lambda box: box.x0)


def _kinds(ink: Ink, line: ScanLine) -> list[WordKind]:
    """The words' kinds, seen beside their ink and neighbors."""
    kinds = [word.kind for word in line.words]
    for index, word in enumerate(line.words):
        if not word.text:
            continue
        core = word.text.strip(_TRAILING + _OPEN + _CLOSE)
        if kinds[index] is WordKind.LETTER and has_scripts(ink, word.parts, line.baseline):
            kinds[index] = WordKind.MATH
        elif kinds[index] is WordKind.PROSE and re.fullmatch(r"[a-zA-Z]{2,3}", core) and _is_indexed(ink, line, word):
            kinds[index] = WordKind.MATH  # utt, Vs: all letters but the first stand low
        elif kinds[index] is WordKind.MATH and re.fullmatch(r"[A-Z]{1,2}\d{1,2}", core):
            # A4, H2: names unless the 4 stands low.
            kinds[index] = WordKind.MATH if has_scripts(ink, word.parts, line.baseline) else WordKind.PROSE
        elif kinds[index] is WordKind.PROSE and index and _is_stacked(line.words[index - 1], word):
            kinds[index - 1] = kinds[index] = WordKind.MATH  # words in a fraction
        elif kinds[index] is WordKind.REFERENCE and index and _ends_open(line.words[index - 1], kinds[index - 1]):
            kinds[index] = WordKind.NUMBER  # the (0) of g = (0)
        elif not word.text.strip(".,·") and index + 1 < len(kinds):
            is_dotted = not line.words[index + 1].text.strip(".,·") or (index and kinds[index - 1] is WordKind.OPERATOR)
            kinds[index] = WordKind.OPERATOR if is_dotted else kinds[index]  # . . .
    return kinds


def _is_indexed(ink: Ink, line: ScanLine, word: ScanWord) -> bool:
    """Whether the first letter stands on the line and all others, smaller, hang below it."""
    core = len(word.text.strip(_TRAILING + _OPEN + _CLOSE))
    boxes = ink.boxes[sorted(word.parts, key=lambda part: int(ink.boxes[part, 0]))[:core]]
    if len(boxes) < 2 or abs(boxes[0][3] - line.baseline) > 0.12 * ink.em:
        return False
    rest = boxes[1:]
    is_low = (rest[:, 3] > line.baseline + 0.12 * ink.em) & (rest[:, 1] > line.baseline - 0.85 * ink.x_height)
    return bool(is_low.all())


def _is_stacked(one: ScanWord, two: ScanWord) -> bool:
    """Whether one word stands above the other."""
    return min(one.x1, two.x1) - max(one.x0, two.x0) > 0.6 * min(one.x1 - one.x0, two.x1 - two.x0)


def _ends_open(word: ScanWord, kind: WordKind) -> bool:
    return kind is WordKind.OPERATOR or (kind is WordKind.MATH and bool(_JOINS_RIGHT.search(word.text)))


def _runs(ink: Ink, words: list[ScanWord], kinds: list[WordKind]) -> list[tuple[int, int]]:
    """Index of the first and last word of each formula."""
    inside = [kind not in (WordKind.PROSE, WordKind.REFERENCE) for kind in kinds]
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(words):
        if not inside[start]:
            start += 1
            continue
        end, depth = start, _depth(words[start].text)
        while end + 1 < len(words) and inside[end + 1] and _joined(ink, words, kinds, end, depth):
            end += 1
            depth += _depth(words[end].text)
        if _is_formula(words[start : end + 1], kinds[start : end + 1]):
            runs.append(_trimmed(words, kinds, start, end))
        start = end + 1
    return [run for run in runs if run[0] <= run[1]]


def _joined(ink: Ink, words: list[ScanWord], kinds: list[WordKind], index: int, depth: int) -> bool:
    """Whether a formula goes on from word `index` to the next one."""
    left, right = words[index], words[index + 1]
    if depth > 0 or right.x0 < left.x1:  # within brackets; one above the other
        return True
    if right.x0 - left.x1 > 2.5 * ink.em:
        return False
    if _is_dots(left) or _is_dots(right):
        return True
    gap = right.x0 - left.x1
    if left.text[-1:] == ",":
        return gap < _THIN_EM * ink.em
    if kinds[index] in (WordKind.OPERATOR, WordKind.FUNCTION) or kinds[index + 1] is WordKind.OPERATOR:
        return left.text[-1:] not in (";", ".") or bool(_RELATION.match(right.text))
    if kinds[index + 1] is WordKind.FUNCTION:
        return gap < ink.em
    if left.text and right.text:
        if left.text[-1] in _TRAILING:
            return False
        if _JOINS_RIGHT.search(left.text) or _JOINS_LEFT.search(right.text):
            return True
        beside = (kinds[index], kinds[index + 1])
        if WordKind.LETTER in beside or WordKind.NUMBER in beside:
            return beside == (WordKind.NUMBER, WordKind.MATH) and not left.text[-1:].isalpha()
    return gap < _APART_EM * ink.em


def _is_dots(word: ScanWord) -> bool:
    return bool(word.text) and not word.text.strip(".,·…⋯")


def _is_formula(words: list[ScanWord], kinds: list[WordKind]) -> bool:
    if WordKind.MATH in kinds:
        return True
    if not words[0].text:
        return False
    texts = "".join(word.text for word in words)
    has_relation = any(char in "=<>≤≥≈∈×±→" for char in texts)
    operands = sum(kind in (WordKind.NUMBER, WordKind.LETTER, WordKind.FUNCTION) for kind in kinds)
    return has_relation and operands >= 2


def _trimmed(words: list[ScanWord], kinds: list[WordKind], first: int, last: int) -> tuple[int, int]:
    """Without words at the ends that are mathematics only beside some: numbers, letters, dashes."""
    while first < last:
        is_dash = kinds[last] is WordKind.OPERATOR and words[last].text in ("-", "–", "—", "·", "*", "/", "|", "")
        is_loose = kinds[last] in (WordKind.NUMBER, WordKind.LETTER) and not (
            kinds[last - 1] in (WordKind.OPERATOR, WordKind.FUNCTION)
            or _JOINS_RIGHT.search(words[last - 1].text)
            or _depth("".join(word.text for word in words[first:last])) > 0
        )
        if not (is_dash or is_loose):
            break
        last -= 1
    while first < last and kinds[first] is WordKind.OPERATOR and words[first].text in ("–", "—", "·", "*", "/", ""):
        first += 1
    return first, last


def _depth(text: str) -> int:
    return sum(char in _OPEN for char in text) - sum(char in _CLOSE for char in text)


def _parts(words: list[ScanWord], first: int, last: int) -> list[int]:
    return [part for word in words[first : last + 1] for part in word.parts]


def _without_edges(ink: Ink, words: list[ScanWord]) -> list[int]:
    """Components of a formula without the punctuation and the unmatched brackets at its ends."""
    parts = sorted(_parts(words, 0, len(words) - 1), key=lambda part: int(ink.boxes[part, 0]))
    text = "".join(word.text for word in words)
    if re.search(r"[A-Za-z)]['’′]$", text) and not re.search(r"^['‘’]", text):
        return parts  # a prime
    while text and parts:
        is_closing = text[-1] in _CLOSE and _depth(text) < 0
        if not (text[-1] in _TRAILING or is_closing):
            break
        height = ink.boxes[parts[-1], 3] - ink.boxes[parts[-1], 1]
        if text[-1] in "?!" or is_closing == (height > 0.9 * ink.x_height):
            removed = parts.pop()
            if text[-1] in ":;?!" and parts and _overlap(ink, removed, parts[-1]):
                parts.pop()
        text = text[:-1]
    while text and parts and (text[0] in "\"“'‘„" or (text[0] in _OPEN and _depth(text) > 0)):
        height = ink.boxes[parts[0], 3] - ink.boxes[parts[0], 1]
        if (text[0] in _OPEN) == (height > 0.9 * ink.x_height):
            parts.pop(0)
        text = text[1:]
    return parts


def _overlap(ink: Ink, one: int, two: int) -> bool:
    return bool(min(ink.boxes[one, 2], ink.boxes[two, 2]) > max(ink.boxes[one, 0], ink.boxes[two, 0]))


def _compound_parts(ink: Ink, word: ScanWord) -> list[int]:
    """Components of the symbol at the head of `x-axis` or `n-dimensional`."""
    match = _COMPOUND.match(word.text) or _ORDINAL.match(word.text)
    if not match or match[1] in ("e", "E", "X", "T", "U", "a", "A", "I"):  # e-mail, X-ray, T-shirt, U-turn, A-level
        return []
    skipped = match.start(1)
    parts = sorted(word.parts, key=lambda part: int(ink.boxes[part, 0]))
    return parts[skipped : skipped + len(match[1])]


def _around(ink: Ink, parts: list[int]) -> Box:
    boxes = ink.boxes[parts]
    return Box(*(float(v) for v in (boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max())))
