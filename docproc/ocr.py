"""Prose of scans: words through rapidocr (PP-OCR, its weights are in its wheel), and blocks of text from words."""

from __future__ import annotations

import functools
import re
import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2

from docproc.records import MARK_CLOSE, MARK_OPEN, Block, BlockKind, Box, FormulaKind
from docproc.word_kinds import is_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.records import Page, Region

_POINTS_PER_INCH = 72.0
_FIND_LINES_PIXELS = 1280
_PUNCTUATION = ".,;:!?"
_LATIN_SIGNS = str.maketrans("一二十（）［］，；：〈〉＝＋｜！？", "−=+()[],;:⟨⟩=+|!?")
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
# A symbol grown together with a word: of x-axis, the formula is the x.
_COMPOUND = re.compile(r"^\W?\w{1,2}(?=[-–‐][A-Za-z]{3,}|th\b)")
# In heights of a line of body text: a larger gap begins a paragraph, a larger line is a heading, an indent of this
# much begins a paragraph.
_PARAGRAPH_GAP, _HEADING_SIZE, _INDENT = 0.75, 1.25, 0.8


@dataclass(frozen=True, slots=True)
class OcrWord:
    """A word that the OCR read."""

    text: str
    box: Box
    """In points of the page; its sides are estimates, some letters wide of the ink."""
    confidence: float
    """0-1."""
    line: int
    """Words of one line (or of a piece of one, where the gaps are wide) share this number."""


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
        return re.sub(rf"(?<={_CJK.pattern}) (?={_CJK.pattern})", "", joined)


def read_words(page: Page, *, threads: int = 1) -> list[OcrWord]:
    """Read the words of a page.

    Args:
        page: Clean (see cleanup.py).
        threads: Of the OCR's engine; the first call in a process decides.

    Returns:
        Words with boxes in points, line by line; empty if nothing is legible.

    Raises:
        ImportError: rapidocr or onnxruntime is not installed.

    Source: rapidocr 3.10 with PP-OCRv6 small: 3-4 s a page on one core.
    """
    engine = _engine(threads)
    result = engine(cv2.cvtColor(page.image, cv2.COLOR_GRAY2BGR), use_cls=False, return_word_box=True)
    if result is None or result.boxes is None or result.txts is None:
        return []
    zoom = page.dpi / _POINTS_PER_INCH
    texts = [str(text) for text in result.txts]
    is_latin = len(_CJK.findall("".join(texts))) < 0.3 * sum(map(len, texts))
    words: list[OcrWord] = []
    for number, (corners, text, score) in enumerate(zip(result.boxes, texts, result.scores, strict=True)):
        pieces = (result.word_results or ())[number] if result.word_results else ()
        found = [(piece[0], float(piece[1]), _box(piece[2])) for piece in pieces if piece[0].strip() and piece[2]]
        found = found or [(text, float(score), _box(corners))]
        if is_latin:
            # The OCR writes signs it knows from Chinese, and takes the line apart into characters where it does.
            found = _regrouped(text, found) if len(found) > 1.5 * len(text.split()) + 2 else found
            found = [(word.translate(_LATIN_SIGNS), confidence, box) for word, confidence, box in found]
        words += [OcrWord(word.strip(), box.scaled(1 / zoom), confidence, number) for word, confidence, box in found]
    return words


def _box(corners: Any) -> Box:
    xs, ys = [float(corner[0]) for corner in corners], [float(corner[1]) for corner in corners]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _regrouped(text: str, pieces: list[tuple[str, float, Box]]) -> list[tuple[str, float, Box]]:
    """Characters put together to the words of the line's text; as they were if the two do not agree."""
    if "".join(piece[0] for piece in pieces).replace(" ", "") != text.replace(" ", ""):
        return pieces
    grouped, start = [], 0
    for word in text.split():
        own, length = [], 0
        while length < len(word) and start < len(pieces):
            own.append(pieces[start])
            length += len(pieces[start][0].replace(" ", ""))
            start += 1
        if own:
            confidence = sum(piece[1] for piece in own) / len(own)
            grouped.append((word, confidence, Box.around(piece[2] for piece in own)))
    return grouped


@functools.cache
def _engine(threads: int) -> Any:
    """The engine of this process; only weights that are in the wheel, so that nothing is fetched."""
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            # Lines are found on a smaller copy: 40 % less time for the page, 1,731 instead of 1,720 characters read.
            "Det.limit_type": "max",
            "Det.limit_side_len": _FIND_LINES_PIXELS,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


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
    blocks: list[Block] = []
    previous: _Line | None = None
    for line in _in_reading_order(lines, height):
        kind = _kind(line, height)
        goes_on = (
            previous is not None
            and blocks[-1].kind is kind
            and kind in (BlockKind.PARAGRAPH, BlockKind.HEADING, BlockKind.CODE)
            and _goes_on(previous, line, height)
        )
        if goes_on:
            last = blocks[-1]
            assert last.box is not None
            joined = f"{last.text}\n{line.text}" if kind is BlockKind.CODE else _joined(last.text, line.text)
            blocks[-1] = Block(kind, joined, last.level, last.box | line.box)
        else:
            blocks.append(Block(kind, line.text, 1 if kind is BlockKind.HEADING else 0, line.box))
        previous = line
    return [block for block in blocks if block.text]


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
    letters = sum(char.isalpha() for char in line.text)
    is_title = letters >= 3 and len(line.text) < 90 and not re.search(rf"[{MARK_OPEN}={{}}]", line.text)
    return BlockKind.HEADING if is_title and line.size > _HEADING_SIZE * height else BlockKind.PARAGRAPH


def _goes_on(above: _Line, line: _Line, height: float) -> bool:
    """Whether a line continues the paragraph of the line before it."""
    if line.box.y0 < above.box.y0 - height:  # top of the next column: a sentence that has not ended goes on there
        return not above.text.endswith((".", ":", "!", "?"))
    if is_code(line.text):
        return line.box.y0 - above.box.y1 < 2 * height
    is_near = line.box.y0 - above.box.y1 < _PARAGRAPH_GAP * height
    is_indented = line.box.x0 > above.box.x0 + _INDENT * height and line.text[:1].isupper()
    ends_short = above.box.x1 < line.box.x1 - 4 * height and above.text.endswith((".", ":"))
    return is_near and not is_indented and not ends_short


def _joined(text: str, following: str) -> str:
    """Two lines of a paragraph; a word that was broken at the end of the line is made whole."""
    if re.search(r"[^\W\d_]{2}[-‐\u00ad]$", text) and following[:1].islower():
        return text[:-1] + following
    if _CJK.search(text[-1:]) and _CJK.search(following[:1]):
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
