"""Lines and words of a scanned page: from OCR where there is one, else from the gaps between the pieces of ink."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from docproc.records import Box
from docproc.scan_code import mark_code
from docproc.word_kinds import WordKind, is_cjk, is_plausible_word, judge_beside, judge_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.scan_ink import Ink

# Gaps in em. Letters of a word stand at most 0.12 apart; spaces of a justified line are 0.2-0.6; a gap above 1 parts
# columns, cells of a table, or a formula from its number.
_WORD_GAP_EM = 0.17
_PIECE_GAP_EM = 1.0
# A word that the OCR doubts this much, and that is this short, is a symbol it does not know.
_DOUBT, _DOUBT_LETTERS = 0.55, 4


@dataclass(slots=True)
class ScanWord:
    """A word and its ink."""

    parts: list[int]
    """Its components, from left to right."""
    kind: WordKind
    text: str = ""
    """Empty without OCR."""
    x0: float = 0.0
    x1: float = 0.0


@dataclass(slots=True)
class ScanLine:
    """A line of text, or a piece of one."""

    words: list[ScanWord]
    box: Box
    """Of its ink, in pixels."""
    baseline: float
    parts: list[int] = field(default_factory=list)
    is_prose: bool = False
    is_monospaced: bool = False


def read_lines(ink: Ink, words: Sequence[OcrWord] | None, zoom: float) -> tuple[list[ScanLine], list[float]]:
    """Group ink into lines of words, and lines into columns.

    Args:
        ink: Of the page.
        words: What the OCR read; None if there is none.
        zoom: Pixels in a point: the boxes of `words` are in points.

    Returns:
        Lines from top to bottom; `is_prose` says whether a line is running text that may hold inline formulas. And
        the middles of the gutters between columns in pixels, from left to right.
    """
    lines = _lines_of_ocr(ink, words, zoom) if words is not None else _lines_of_ink(ink)
    for line in lines:
        line.is_prose = _is_prose(ink, line)
    gutters = find_gutters(ink, lines)
    lines = [piece for line in lines for piece in _split_at_gutters(ink, line, gutters)]
    lines = _joined_pieces(ink, lines, gutters)
    mark_code(ink, lines)
    for line in lines:
        line.is_prose = _is_prose(ink, line)
    return sorted(lines, key=lambda line: (line.box.y0, line.box.x0)), gutters


def find_gutters(ink: Ink, lines: list[ScanLine]) -> list[float]:
    """Middles in pixels of the vertical strips of white between columns; empty for one column.

    Args:
        ink: Of the page.
        lines: With `is_prose` set.
    """
    prose = [line for line in lines if line.is_prose and line.box.width > 8 * ink.em]
    if len(prose) < 8:
        return []
    # A line that crosses all columns (a title) hides no gutter if lines on both sides leave it free.
    cover = np.zeros(ink.shape[1] + 2)
    for line in prose:
        cover[int(line.box.x0)] += 1
        cover[int(line.box.x1)] -= 1
    cover = np.cumsum(cover)[:-1]
    is_free = (cover <= 0.3 * np.percentile(cover[cover > 0], 90)).astype(np.int8)
    gutters = []
    edges = np.flatnonzero(np.diff(is_free))
    for start, end in pairwise(edges.tolist()):
        left = sum(line.box.x1 <= end + 1 for line in prose)
        right = sum(line.box.x0 >= start for line in prose)
        if is_free[start + 1] and end - start > 0.5 * ink.em and min(left, right) >= 0.15 * len(prose):
            gutters.append((start + end) / 2)
    return gutters


def _split_at_gutters(ink: Ink, line: ScanLine, gutters: list[float]) -> list[ScanLine]:
    """Part a line that was read across columns; a title, whose words lie over the gutter, stays whole."""
    for gutter in gutters:
        left = [word for word in line.words if word.x1 <= gutter]
        right = [word for word in line.words if word.x0 >= gutter]
        if left and right and len(left) + len(right) == len(line.words):
            gap = min(word.x0 for word in right) - max(word.x1 for word in left)
            if gap > 0.5 * ink.em:
                return [_line(ink, left), *_split_at_gutters(ink, _line(ink, right), gutters)]
    return [line]


def _joined_pieces(ink: Ink, lines: list[ScanLine], gutters: list[float]) -> list[ScanLine]:
    """Join pieces of one line that the OCR read by themselves."""
    joined: list[ScanLine] = []
    for line in sorted(lines, key=lambda line: line.box.x0):
        for index, other in enumerate(joined):
            gap = line.box.x0 - other.box.x1
            level = min(line.box.y1, other.box.y1) - max(line.box.y0, other.box.y0)
            lower = min(line.box.height, other.box.height)
            is_across = any(other.box.x1 <= gutter <= line.box.x0 for gutter in gutters)
            if -0.5 * ink.em < gap < _PIECE_GAP_EM * ink.em and level > 0.6 * lower > 0.15 * ink.em and not is_across:
                joined[index] = _line(ink, [*other.words, *line.words])
                break
        else:
            joined.append(line)
    return joined


def _lines_of_ocr(ink: Ink, words: Sequence[OcrWord], zoom: float) -> list[ScanLine]:
    cjk = is_cjk([word.text for word in words])
    groups: dict[int, list[OcrWord]] = {}
    for word in words:
        groups.setdefault(word.line, []).append(word)
    frames = {number: Box.around(word.box for word in group).scaled(zoom) for number, group in groups.items()}
    parts = _parts_of_frames(ink, frames)
    lines = []
    for number, group in groups.items():
        own = parts[number]
        if not own:
            continue
        group.sort(key=lambda word: word.box.x0)
        scan_words = [
            ScanWord([], WordKind.PROSE, word.text, word.box.x0 * zoom, word.box.x1 * zoom) for word in group
        ]
        confidence = {id(scan_word): word.confidence for scan_word, word in zip(scan_words, group, strict=True)}
        starts = np.array([word.x0 for word in scan_words])
        ends = np.array([word.x1 for word in scan_words])
        for chunk in _chunks(ink, own, _WORD_GAP_EM * 0.7 * ink.em):
            x0, x1 = ink.boxes[chunk, 0].min(), ink.boxes[chunk, 2].max()
            scan_words[int(np.argmax(np.minimum(ends, x1) - np.maximum(starts, x0)))].parts += chunk
        split = []
        for scan_word in scan_words:
            pieces = _split_at_gaps(ink, scan_word)
            for piece in pieces:
                piece.kind = _kind(piece.text, confidence[id(scan_word)], cjk)
            split += pieces
        kinds = judge_beside([w.kind for w in split], [w.text for w in split], _spaces(ink, split))
        for piece, kind in zip(split, kinds, strict=True):
            piece.kind = kind
        lines.append(_line(ink, split))
    return lines


def _spaces(ink: Ink, words: list[ScanWord]) -> list[float]:
    """Space after each word in units of the line's usual space; 1 after the last."""
    left = [float(ink.boxes[word.parts, 0].min()) for word in words]
    right = [float(ink.boxes[word.parts, 2].max()) for word in words]
    spaces = [after - before for before, after in zip(right[:-1], left[1:], strict=True)]
    usual = max(1.0, float(np.median(spaces))) if spaces else 1.0
    return [space / usual for space in spaces] + [1.0]


def _split_at_gaps(ink: Ink, word: ScanWord) -> list[ScanWord]:
    """Part a word where its ink shows spaces that the OCR left out; its text is parted in proportion.

    The nearest change between letters and other signs is taken for the place, since letters differ in width.
    """
    chunks = _chunks(ink, word.parts, _WORD_GAP_EM * ink.em)
    is_one = word.text.strip(".,;:!?()[]-‐'’\"").isalpha() or judge_word(word.text) is WordKind.REFERENCE
    if len(chunks) < 2 or len(word.text) < len(chunks) or is_one:
        return [word] if word.parts else []
    text, start, pieces = word.text, 0, []
    left, right = float(ink.boxes[word.parts, 0].min()), float(ink.boxes[word.parts, 2].max())
    for index, chunk in enumerate(chunks):
        end = len(text)
        if index + 1 < len(chunks):
            edge = (float(ink.boxes[chunk, 2].max()) + float(ink.boxes[chunks[index + 1], 0].min())) / 2
            guess = (edge - left) / max(1.0, right - left) * len(text)
            places = range(start + 1, len(text) - (len(chunks) - index - 1) + 1)
            end = min(places, key=lambda place: abs(place - guess) - (1.6 if _is_seam(text, place) else 0.0))
        pieces.append(ScanWord(chunk, WordKind.PROSE, text[start:end]))
        start = end
    return pieces


def _is_seam(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place : place + 1]
    return before.isalpha() != after.isalpha() or (before.islower() and after.isupper())


def _kind(text: str, confidence: float, cjk: bool) -> WordKind:
    kind = judge_word(text, is_cjk_page=cjk)
    is_doubtful = confidence < _DOUBT and len(text) <= _DOUBT_LETTERS and text not in ("•", "-", "–")
    if is_doubtful and kind in (WordKind.PROSE, WordKind.LETTER) and not is_plausible_word(text):
        return WordKind.MATH
    return kind


def _parts_of_frames(ink: Ink, frames: dict[int, Box]) -> dict[int, list[int]]:
    """Components that lie in each line of the OCR, each in one line at most: the one it overlaps most."""
    best = np.zeros(len(ink.boxes))
    owner = np.full(len(ink.boxes), -1)
    x0, y0, x1, y1 = ink.boxes.T
    middle = (x0 + x1) / 2
    for number, frame in frames.items():
        slack = 0.25 * ink.em
        shared = np.minimum(y1, frame.y1) - np.maximum(y0, frame.y0)
        inside = (middle > frame.x0 - slack) & (middle < frame.x1 + slack)
        fits = inside & (shared >= 0.55 * (y1 - y0)) & (y1 - y0 < 1.9 * frame.height)
        score = np.where(fits, shared / np.maximum(1, y1 - y0) + 0.01, 0.0)
        # Of two lines that both hold a piece, the one whose middle is nearer.
        score -= np.where(fits, np.abs((y0 + y1) / 2 - frame.center[1]) / (100 * ink.em), 0.0)
        better = score > best
        owner[better], best[better] = number, score[better]
    return {number: np.flatnonzero(owner == number).tolist() for number in frames}


def _lines_of_ink(ink: Ink) -> list[ScanLine]:
    """Lines without OCR: letters whose middle bands overlap and that stand near each other."""
    heights, widths = ink.heights, ink.widths
    letters = np.flatnonzero((heights > 0.5 * ink.x_height) & (heights < 3.2 * ink.x_height) & (widths < 6 * ink.em))
    if not letters.size:
        return []
    scale = 8.0 / max(8.0, ink.x_height)  # the map needs no more than 8 pixels an x
    bands = np.zeros((int(ink.shape[0] * scale) + 2, int(ink.shape[1] * scale) + 2), np.uint8)
    reach = 0.55 * ink.em
    for x0, y0, x1, y1 in ink.boxes[letters].tolist():
        inset = 0.3 * (y1 - y0)
        top, bottom = int((y0 + inset) * scale), int(np.ceil((y1 - inset) * scale))
        bands[top : max(bottom, top + 1), int(max(0.0, x0 - reach) * scale) : int((x1 + reach) * scale) + 1] = 1
    labels = cv2.connectedComponents(bands, connectivity=4)[1]
    middles = ((ink.boxes[:, :2] + ink.boxes[:, 2:]) / 2 * scale).astype(np.int64)
    found = labels[middles[:, 1], middles[:, 0]]
    frames = {}
    for label in np.unique(found[letters]):
        own = ink.boxes[letters[found[letters] == label]]
        if label:
            frames[int(label)] = Box(own[:, 0].min(), own[:, 1].min(), own[:, 2].max(), own[:, 3].max())
    lines = []
    for own in _parts_of_frames(ink, _joined_frames(ink, frames)).values():
        if own:
            words = [ScanWord(chunk, WordKind.PROSE) for chunk in _chunks(ink, own, _WORD_GAP_EM * ink.em)]
            lines.append(_line(ink, words))
    for line in lines:
        for word in line.words:
            word.kind = _kind_of_ink(ink, line, word)
    return lines


def _joined_frames(ink: Ink, frames: dict[int, Box]) -> dict[int, Box]:
    """Join frames on one height that only a sign without a letter's height (=, a minus, a bar) keeps apart."""
    middles = (ink.boxes[:, :2] + ink.boxes[:, 2:]) / 2
    joined: list[Box] = []
    for frame in sorted(frames.values(), key=lambda frame: frame.x0):
        for index, other in enumerate(joined):
            gap = frame.x0 - other.x1
            level = min(frame.y1, other.y1) - max(frame.y0, other.y0)
            if not (-0.5 * ink.em < gap < 2.2 * ink.em and level > 0.5 * min(frame.height, other.height)):
                continue
            in_gap = (middles[:, 0] > other.x1 - 1) & (middles[:, 0] < frame.x0 + 1)
            in_gap &= (middles[:, 1] > min(frame.y0, other.y0)) & (middles[:, 1] < max(frame.y1, other.y1))
            if in_gap.any():
                joined[index] = other | frame
                break
        else:
            joined.append(frame)
    return dict(enumerate(joined))


def _chunks(ink: Ink, parts: list[int], gap: float) -> list[list[int]]:
    """Components in order, parted where no ink is over more than `gap` pixels."""
    if not parts:
        return []
    own = np.array(parts)
    boxes = ink.boxes[own]
    order = np.lexsort((boxes[:, 1], boxes[:, 0]))
    ends = np.maximum.accumulate(boxes[order, 2])
    breaks = np.flatnonzero(boxes[order[1:], 0] - ends[:-1] > gap) + 1
    return [chunk.tolist() for chunk in np.split(own[order], breaks)]


def _line(ink: Ink, words: list[ScanWord]) -> ScanLine:
    for word in words:
        word.parts.sort(key=lambda part: int(ink.boxes[part, 0]))
        word.x0 = float(ink.boxes[word.parts, 0].min())
        word.x1 = float(ink.boxes[word.parts, 2].max())
    words.sort(key=lambda word: word.x0)
    parts = [part for word in words for part in word.parts]
    boxes = ink.boxes[parts]
    letters = boxes[(boxes[:, 3] - boxes[:, 1]) > 0.7 * ink.x_height]
    baseline = float(np.median(letters[:, 3])) if len(letters) else float(boxes[:, 3].max())
    box = Box(*(float(v) for v in (boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max())))
    return ScanLine(words, box, baseline, parts)


def has_scripts(ink: Ink, parts: Sequence[int], baseline: float) -> bool:
    """Whether small letters stand above or below the line, as in `x_i` or `c^2`; not commas, quotes or dots."""
    for part in parts:
        _, y0, _, y1 = ink.boxes[part]
        height = y1 - y0
        if not 0.5 * ink.x_height < height < 1.45 * ink.x_height:
            continue
        is_lowered = y1 > baseline + 0.28 * ink.x_height and y0 > baseline - 0.75 * ink.x_height
        is_raised = y1 < baseline - 0.55 * ink.x_height and y0 < baseline - 1.15 * ink.x_height
        if is_lowered or is_raised:
            return True
    return False


def _kind_of_ink(ink: Ink, line: ScanLine, word: ScanWord) -> WordKind:
    """What a word is by its shape alone."""
    boxes = ink.boxes[word.parts]
    letters = [box for box in boxes if box[3] - box[1] > 0.55 * ink.x_height]
    if has_scripts(ink, word.parts, line.baseline):
        return WordKind.MATH
    bars = [box for box in boxes if box[2] - box[0] > 2.2 * (box[3] - box[1]) and box[2] - box[0] > 0.4 * ink.em]
    if bars and len(bars) == len(boxes):
        return WordKind.OPERATOR
    axis = line.baseline - 0.55 * ink.x_height
    for x0, y0, x1, y1 in boxes:  # a plus, a relation: as wide as high and on the axis, clear of the base line
        is_square = 0.7 < (x1 - x0) / max(1, y1 - y0) < 1.5 and 0.45 * ink.em < x1 - x0 < 0.9 * ink.em
        if len(boxes) == 1 and is_square and abs((y0 + y1) / 2 - axis) < 0.12 * ink.em and len(letters) == 1:
            return WordKind.MATH if y1 > line.baseline + 0.06 * ink.em else WordKind.LETTER
    if any(box[3] - box[1] > 3.3 * ink.x_height for box in boxes):
        return WordKind.MATH
    return WordKind.LETTER if len(letters) == 1 else WordKind.PROSE


def _is_prose(ink: Ink, line: ScanLine) -> bool:
    """Whether most of a line is words."""
    widths = {kind: sum(word.x1 - word.x0 for word in line.words if word.kind is kind) for kind in WordKind}
    math = widths[WordKind.MATH] + widths[WordKind.OPERATOR] + widths[WordKind.FUNCTION]
    prose = widths[WordKind.PROSE]
    if any(word.text for word in line.words):
        count = sum(word.kind is WordKind.PROSE for word in line.words)
        starts_as_sentence = count >= 2 and all(word.kind is WordKind.PROSE for word in line.words[:2])
        return prose > math or count >= 4 or starts_as_sentence
    # Without OCR: long words, and letters that stand on the line.
    long_words = sum(word.x1 - word.x0 for word in line.words if word.kind is WordKind.PROSE and len(word.parts) >= 3)
    is_wordy = long_words > 0.5 * line.box.width and math < 0.3 * prose
    return is_wordy and _levelness(ink, line) > 0.6 and len(line.parts) >= 4


def _levelness(ink: Ink, line: ScanLine) -> float:
    """Share of the letters whose foot is on the base line or at the depth of a descender."""
    boxes = ink.boxes[line.parts]
    letters = boxes[(boxes[:, 3] - boxes[:, 1]) > 0.55 * ink.x_height]
    if not len(letters):
        return 0.0
    depth = (letters[:, 3] - line.baseline) / ink.x_height
    tops = (line.baseline - letters[:, 1]) / ink.x_height
    return float(((np.abs(depth) < 0.2) | ((depth > 0.25) & (depth < 0.75) & (tops > 0.8))).mean())
