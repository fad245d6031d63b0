"""Blocks of text from the words of a scan: paragraphs, headings, lists, with formulas as marks in their place."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from docproc.ocr import CJK
from docproc.prose_page import BULLET, CAPTION, LABEL
from docproc.records import MARK_CLOSE, MARK_OPEN, Block, BlockKind, Box, FormulaKind
from docproc.word_kinds import is_code, is_plausible_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.records import Region

_PUNCTUATION = ".,;:!?"
# A symbol grown together with a word: of x-axis, the formula is the x.
_COMPOUND = re.compile(r"^\W?\w{1,2}(?=[-–‐][A-Za-z]{3,}|th\b)")
# In heights of a line of body text: a larger line is a heading, an indent of this much begins a paragraph.
_HEADING_SIZE, _INDENT = 1.25, 0.8
# In distances of lines: a larger one begins a paragraph. The boxes of the OCR waver by a seventh.
_PARAGRAPH_GAP = 1.35
_MAX_LEADING = 1.5
"""Distance of lines in heights of their boxes; print has 0.9 to 1.3, a page of single lines any."""
_NUMBERED_HEADING = re.compile(r"^(?:\d+|\d+(?:\.\d+)+\.?)\s+[^\W\d_a-z]\w*")
_MAX_HEADING = 90
_PARAGRAPH_WORDS = 10
"""Plain words that no display holds; `0 otherwise, if x is rational` has three."""
_PAGE_NUMBER = re.compile(r"[-–—\s]*(\d{1,4}|[ivxl]{1,6})[-–—\s]*")
_CERTAIN = 0.85
"""Confidence of a page's characters, on average; print has 0.98, handwriting 0.76 (the samples, 8 pages of notes)."""


@dataclass(slots=True)
class _Line:
    """A line of prose being put together."""

    box: Box
    pieces: list[tuple[float, str]]
    """Left edge and text of words and marks."""
    is_formula: bool = False
    sizes: list[float] = field(default_factory=list)
    """Heights of the words' boxes."""

    @property
    def size(self) -> float:
        """Usual height of its words."""
        return statistics.median(self.sizes) if self.sizes else self.box.height

    @property
    def text(self) -> str:
        """Words parted by spaces; none before punctuation or between Chinese characters."""
        joined = " ".join(text for _, text in sorted(self.pieces, key=lambda piece: piece[0]) if text)
        joined = re.sub(rf"(?<={MARK_CLOSE}) (?=[{re.escape(_PUNCTUATION)})\]])", "", joined)
        joined = re.sub(rf"([(\[]) (?={MARK_OPEN})", r"\1", joined)
        return re.sub(rf"(?<={CJK.pattern}) (?={CJK.pattern})", "", joined)


def is_doubtful(words: Sequence[OcrWord]) -> bool:
    """Whether the OCR was mostly guessing, as it does in handwriting."""
    letters = sum(len(word.text) for word in words)
    return bool(letters) and sum(word.confidence * len(word.text) for word in words) < _CERTAIN * letters


def blocks_from_words(words: Sequence[OcrWord], regions: Sequence[Region]) -> list[Block]:
    """Put words and formulas together as text.

    Args:
        words: Of `read_words`.
        regions: The page's formulas, boxes in the same points, in reading order.

    Returns:
        Headings, paragraphs and display formulas in reading order. The words under a formula give way to its mark.
    """
    lines = _lines(words, regions)
    if not lines:
        return []
    height = statistics.median([line.size for line in lines if not line.is_formula] or [line.size for line in lines])
    ordered = _without_page_number(_in_reading_order(lines, height), height)
    leading = _leading(ordered, height)
    right = max((line.box.x1 for line in ordered if not line.is_formula), default=0.0)
    can_have_headings = not is_doubtful(words)
    blocks: list[Block] = []
    above: list[_Line] = []  # of the last block
    for index, line in enumerate(ordered):
        kind = _kind(line, height)
        if kind is BlockKind.PARAGRAPH and _is_code_between(ordered, index):
            kind = BlockKind.CODE
        elif kind is BlockKind.PARAGRAPH and _is_numbered_heading(ordered, index, leading, right):
            kind = BlockKind.HEADING
        elif kind is BlockKind.PARAGRAPH and _begins_item(line, above):
            kind = BlockKind.LIST_ITEM
        if kind is BlockKind.HEADING and not can_have_headings:
            kind = BlockKind.PARAGRAPH
        if above and _continues(blocks[-1].kind, kind, above, line, height, leading):
            last = blocks[-1]
            assert last.box is not None
            is_listing = last.kind is BlockKind.CODE
            joined = f"{last.text}\n{_indented(line, above[0])}" if is_listing else _joined(last.text, line.text)
            blocks[-1] = Block(last.kind, joined, last.level, last.box | line.box)
            above.append(line)
        else:
            text = BULLET.sub("", line.text, count=1) if kind is BlockKind.LIST_ITEM else line.text
            level = _heading_level(text) if kind is BlockKind.HEADING else 0
            blocks.append(Block(kind, text, level, line.box))
            above = [line]
    return [block for block in blocks if block.text]


def without_paragraphs(regions: Sequence[Region], words: Sequence[OcrWord]) -> list[Region]:
    """Leave out what a finder took for a display although it holds a paragraph: the dark edge of a photo, a table.

    Args:
        regions: Of a scan.
        words: Of `read_words`.

    Returns:
        The other regions, as they continue each other.
    """
    kept = [index for index, region in enumerate(regions) if not _holds_paragraph(region, words)]
    places = {old: new for new, old in enumerate(kept)}
    return [
        replace(region, continues=None if region.continues is None else places.get(region.continues))
        for region in (regions[index] for index in kept)
    ]


def _holds_paragraph(region: Region, words: Sequence[OcrWord]) -> bool:
    if region.kind is not FormulaKind.DISPLAY:
        return False
    inside = [word for word in words if region.box.holds(word.box.center)]
    plain = [
        word for word in inside if len(word.text) > 3 and word.confidence > _CERTAIN and is_plausible_word(word.text)
    ]
    letters = sum(len(word.text) for word in inside)
    return len(plain) >= _PARAGRAPH_WORDS and sum(len(word.text) for word in plain) > 0.4 * letters


def _leading(lines: Sequence[_Line], height: float) -> float:
    """Usual distance of two lines of text: the smallest that is frequent."""
    text = [line.box.center[1] for line in lines if not line.is_formula]
    gaps = Counter(round(4 * (below - above) / height) for above, below in pairwise(text))
    gaps = Counter({gap: count for gap, count in gaps.items() if 2 < gap < 16})  # not of one line, nor of two columns
    frequent = [gap for gap, count in gaps.items() if count >= 0.3 * max(gaps.values())]
    near = [gap for gap in gaps.elements() if frequent and gap <= min(frequent) + 1]
    return min(statistics.mean(near) / 4, _MAX_LEADING) * height if near else 1.2 * height


def _without_page_number(lines: list[_Line], height: float) -> list[_Line]:
    """Leave out a number that stands alone below all the rest."""
    if len(lines) < 2:
        return lines
    last = max(lines, key=lambda line: line.box.center[1])
    rest = [line for line in lines if line is not last]
    is_below = last.box.y0 - max(line.box.y1 for line in rest) > 0.5 * height
    return rest if is_below and _PAGE_NUMBER.fullmatch(last.text) else lines


def _is_code_between(lines: Sequence[_Line], index: int) -> bool:
    """Whether the lines above and below are code: `h = (b - a)/ n` alone could be a formula."""
    around = [*lines[max(0, index - 1) : index], *lines[index + 1 : index + 2]]
    return len(around) == 2 and all(MARK_OPEN not in line.text and is_code(line.text) for line in around)


def _is_numbered_heading(lines: Sequence[_Line], index: int, leading: float, right: float) -> bool:
    """Whether a line begins with the number of a section, ends short, and has room above it and below."""
    line = lines[index]
    if not _NUMBERED_HEADING.match(line.text) or len(line.text) > _MAX_HEADING or line.text.endswith((".", ",", ";")):
        return False
    has_room = [
        abs(other.box.center[1] - line.box.center[1]) > _PARAGRAPH_GAP * leading
        for other in [*lines[max(0, index - 1) : index], *lines[index + 1 : index + 2]]
    ]
    return all(has_room) and line.box.x1 < right - 4 * leading


def _heading_level(text: str) -> int:
    number = re.match(r"\d+((?:\.\d+)*)", text)
    return 1 + number[1].count(".") if number else 1


def _begins_item(line: _Line, above: Sequence[_Line]) -> bool:
    """Whether the line begins an item of a list: a letter with a dot may be of a name if the sentence goes on."""
    is_free = not above or above[-1].is_formula or above[-1].text.endswith((".", ":", ";", ","))
    return is_free and bool(BULLET.match(line.text) or LABEL.match(line.text))


def _continues(
    last: BlockKind, kind: BlockKind, above: Sequence[_Line], line: _Line, height: float, leading: float
) -> bool:
    """Whether a line goes on with the block of the lines above."""
    if last is BlockKind.LIST_ITEM and kind is BlockKind.PARAGRAPH:
        hangs = line.box.x0 > above[0].box.x0 + 0.4 * height
        return hangs and _goes_on(above[-1], line, height, leading)
    if last is BlockKind.CAPTION and kind is BlockKind.PARAGRAPH:
        return not above[-1].text.endswith(".") and _goes_on(above[-1], line, height, leading)
    may_go_on = kind is last and kind in (BlockKind.PARAGRAPH, BlockKind.HEADING, BlockKind.CODE)
    return may_go_on and _goes_on(above[-1], line, height, leading)


def _indented(line: _Line, first: _Line) -> str:
    """A line of a listing with its indentation against the first."""
    width = first.box.width / max(1, len(first.text))
    return " " * max(0, round((line.box.x0 - first.box.x0) / width)) + line.text


def _lines(words: Sequence[OcrWord], regions: Sequence[Region]) -> list[_Line]:
    lines: list[_Line] = []
    by_number: dict[int, _Line] = {}
    tails: dict[int, str] = {}
    alone = Counter(word.line for word in words)
    for word in words:
        if alone[word.line] == 1 and _is_number_of_display(word, regions):
            continue  # the region holds it
        covering = next((i for i, region in enumerate(regions) if _covers(region.box, word.box)), None)
        text = word.text
        if covering is not None:
            if text[-1:] in _PUNCTUATION and regions[covering].kind is FormulaKind.INLINE:
                tails[covering] = text[-1]  # the punctuation after a formula is not under its box
            text = ""
        elif any(_heads(region, word) for region in regions):
            text = _COMPOUND.sub("", text, count=1)
        line = by_number.get(word.line)
        if line is None:
            if covering is not None and regions[covering].kind is FormulaKind.DISPLAY:
                continue
            line = by_number[word.line] = _Line(word.box, [])
            lines.append(line)
        line.box = line.box | word.box
        line.sizes.append(word.box.height)
        line.pieces.append((word.box.x0, text))
    lines = _rows(lines)
    for index, region in enumerate(regions):
        mark = f"{MARK_OPEN}{index + 1}{MARK_CLOSE}"
        home = _home(lines, region) if region.kind is FormulaKind.INLINE else None
        if home is None:
            lines.append(_Line(region.box, [(region.box.x0, mark)], region.kind is FormulaKind.DISPLAY))
        else:
            home.pieces.append((region.box.x0, mark + tails.get(index, "")))
    return [line for line in lines if line.text]


def _is_number_of_display(word: OcrWord, regions: Sequence[Region]) -> bool:
    """Whether a word is an equation number: in brackets, on the height of a numbered display."""
    return bool(re.fullmatch(r"[(\[]\S*\d\S*[)\]]", word.text)) and any(
        region.equation_number is not None and region.box.y0 - 2 < word.box.center[1] < region.box.y1 + 2
        for region in regions
    )


def _covers(formula: Box, word: Box) -> bool:
    """Whether a word is (part of) a formula; its box may be some letters wide of it, and hold punctuation."""
    shared = formula & word
    return shared.width >= 0.4 * word.width and shared.height >= 0.3 * min(formula.height, word.height)


def _heads(region: Region, word: OcrWord) -> bool:
    """Whether an inline formula is the head of a compound word."""
    is_at_head = region.box.x0 < word.box.x0 + 0.25 * word.box.width and region.box.x1 > word.box.x0
    return region.kind is FormulaKind.INLINE and is_at_head and word.box.y0 < region.box.center[1] < word.box.y1


def _rows(lines: list[_Line]) -> list[_Line]:
    """Join the pieces of a line that stand close together on one height."""
    rows: list[_Line] = []
    for line in sorted(lines, key=lambda line: line.box.x0):
        for row in rows:
            shared = (line.box & row.box).height if line.box.x0 <= row.box.x1 else 0.0
            gap = line.box.x0 - row.box.x1
            level = min(line.box.y1, row.box.y1) - max(line.box.y0, row.box.y0)
            lower = min(line.box.height, row.box.height)
            if gap < 1.2 * lower and (level > 0.6 * lower or shared > 0.6 * lower):
                row.pieces += line.pieces
                row.sizes += line.sizes
                row.box = row.box | line.box
                break
        else:
            rows.append(line)
    return rows


def _home(lines: list[_Line], region: Region) -> _Line | None:
    """The line in which an inline formula stands."""
    x, y = region.box.center
    best, best_distance = None, float("inf")
    for line in lines:
        margin = 2.0 * line.box.height
        if line.box.y0 <= y < line.box.y1 and line.box.x0 - margin <= x < line.box.x1 + margin and not line.is_formula:
            distance = abs(line.box.center[1] - y)
            if distance < best_distance:
                best, best_distance = line, distance
    return best


def _kind(line: _Line, height: float) -> BlockKind:
    if line.is_formula:
        return BlockKind.FORMULA
    if MARK_OPEN not in line.text and is_code(line.text):
        return BlockKind.CODE
    if CAPTION.match(line.text):
        return BlockKind.CAPTION
    letters = sum(char.isalpha() for char in line.text)
    is_title = letters >= 3 and len(line.text) < _MAX_HEADING and not re.search(rf"[{MARK_OPEN}={{}}]", line.text)
    return BlockKind.HEADING if is_title and line.size > _HEADING_SIZE * height else BlockKind.PARAGRAPH


def _goes_on(above: _Line, line: _Line, height: float, leading: float) -> bool:
    """Whether a line continues the paragraph of the line before it."""
    if line.box.y0 < above.box.y0 - height:  # top of the next column: a sentence that has not ended goes on there
        return not above.text.endswith((".", ":", "!", "?"))
    if is_code(line.text):
        return line.box.y0 - above.box.y1 < 2 * height
    # Tall formulas push lines apart; the white between them stays.
    gap, white = line.box.center[1] - above.box.center[1], line.box.y0 - above.box.y1
    is_near = gap < _PARAGRAPH_GAP * leading or white < leading - height
    is_indented = line.box.x0 > above.box.x0 + _INDENT * height and line.text[:1].isupper()
    ends_short = above.box.x1 < line.box.x1 - 4 * height and above.text.endswith((".", ":"))
    return is_near and not is_indented and not ends_short


def _joined(text: str, following: str) -> str:
    """Two lines of a paragraph; a word that was broken at the end of the line is made whole."""
    if re.search(r"[^\W\d_]{2}[-‐\u00ad]$", text) and following[:1].islower():
        return text[:-1] + following
    if CJK.search(text[-1:]) and CJK.search(following[:1]):
        return text + following
    return f"{text} {following}"


def _in_reading_order(lines: list[_Line], height: float) -> list[_Line]:
    """Columns from left to right, each from top to bottom; a line across all columns ends what is above it."""
    gutter = _gutter(lines, height)
    if gutter is None:
        return sorted(lines, key=lambda line: (line.box.center[1], line.box.x0))
    ordered: list[_Line] = []
    left: list[_Line] = []
    right: list[_Line] = []
    for line in sorted(lines, key=lambda line: line.box.center[1]):
        if line.box.x0 < gutter - height and line.box.x1 > gutter + height:
            ordered += [*left, *right, line]
            left, right = [], []
        else:
            (left if line.box.center[0] < gutter else right).append(line)
    return [*ordered, *left, *right]


def _gutter(lines: list[_Line], height: float) -> float | None:
    """Middle of the white strip between two columns, if there is one in the middle half of the text."""
    text = [line.box for line in lines if line.box.width > 8 * height]
    if len(text) < 8:
        return None
    x0, x1 = min(box.x0 for box in text), max(box.x1 for box in text)
    candidates = sorted({box.x1 for box in text if x0 + 0.25 * (x1 - x0) < box.x1 < x1 - 0.25 * (x1 - x0)})
    for x in reversed(candidates):
        across = sum(box.x0 < x < box.x1 - 0.5 for box in text)
        left, right = sum(box.x1 <= x + 0.5 for box in text), sum(box.x0 > x for box in text)
        if across <= 0.15 * len(text) and min(left, right) >= 0.2 * len(text):
            nearest = min(box.x0 for box in text if box.x0 > x)
            return (x + nearest) / 2
    return None
