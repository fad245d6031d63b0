"""Find the formulas of a scanned page or picture without a network: by its ink and the OCR of its words.

Lines of prose are told from the rest; what stands between them, and is mathematics by its words or
its shape, is a display; runs of mathematical words within prose are inline formulas. Boxes are unions of components, so
they hug the ink.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from docproc.records import FormulaKind, Page, Region
from docproc.scan_boxes import EQUATION_NUMBER, box_around, in_reading_order, rows_of, soft_box
from docproc.scan_handwriting import mark_words, part_rows
from docproc.scan_inline import find_inline
from docproc.scan_lines import ScanLine, ScanWord, read_lines
from docproc.scan_paragraphs import TABLE_RULE_EM, settle_lines
from docproc.word_kinds import WordKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.scan_ink import Ink

_POINTS_PER_INCH = 72.0
# Vertical gap in em between the ink of two lines of one display; TeX sets them 1.5 em from base line to base line.
_DISPLAY_GAP_EM = 1.15
# An equation number stands at least this far from its formula.
_NUMBER_GAP_EM = 1.2
# Nothing larger than this share of the page is one display: it is a frame, a photo or a page that was not understood.
_LARGEST_SHARE = 0.5


@dataclass(slots=True)
class _Display:
    parts: list[int]
    words: list[ScanWord]
    number: str | None = None


def find_classically(ink: Ink, page: Page, words: Sequence[OcrWord] | None, *, by_hand: bool) -> list[Region]:
    """Find formulas by the shapes of the ink and the words.

    Args:
        ink: Of the page.
        page: Clean (see cleanup.py).
        words: What the OCR read on this page, boxes in points; None finds with the shapes of the ink alone.
        by_hand: The page is handwritten: every line of mathematics is a display.

    Returns:
        Regions in reading order, boxes in points.
    """
    zoom = page.dpi / _POINTS_PER_INCH
    lines, gutters = read_lines(ink, words, zoom)
    if by_hand:
        mark_words(lines)
    else:
        lines = settle_lines(ink, lines, gutters)
    displays = _find_displays(ink, lines, gutters, has_ocr=words is not None, by_hand=by_hand)
    regions = []
    for display in displays:
        box = soft_box(ink, box_around(ink, display.parts)).scaled(1 / zoom)
        rows = tuple(row.scaled(1 / zoom) for row in rows_of(ink, display.parts))
        regions.append(Region(FormulaKind.DISPLAY, box, rows if len(rows) > 1 else (), display.number))
    for line in lines:
        if line.is_prose and not by_hand:
            regions += [
                Region(FormulaKind.INLINE, soft_box(ink, box).scaled(1 / zoom)) for box in find_inline(ink, line)
            ]
    return in_reading_order(regions, [gutter / zoom for gutter in gutters], ink.em / zoom)


def _find_displays(
    ink: Ink, lines: list[ScanLine], gutters: list[float], *, has_ocr: bool, by_hand: bool
) -> list[_Display]:
    taken = {part for line in lines if line.is_prose or line.is_monospaced for part in line.parts}
    free = [part for part in range(len(ink.boxes)) if part not in taken]
    _attach_to_prose(ink, lines, free)
    taken = {part for line in lines if line.is_prose or line.is_monospaced for part in line.parts}
    free = [part for part in free if part not in taken]
    word_of = {part: word for line in lines if not line.is_prose for word in line.words for part in word.parts}
    displays = []
    groups = _groups(ink, lines, free, gutters)
    if by_hand:
        groups = [row for group in groups for row in part_rows(ink, group)]
    for group in groups:
        if _is_table(ink, group):
            continue
        words = list({id(word_of[part]): word_of[part] for part in group if part in word_of}.values())
        display = _without_number(ink, _Display(group, words))
        if _is_display(ink, display, has_ocr=has_ocr and not by_hand):
            displays.append(display)
    return displays


def _attach_to_prose(ink: Ink, lines: list[ScanLine], free: list[int]) -> None:
    """Give stray ink (tall brackets, fractions, dots, accents) to the line of prose it stands in."""
    prose = [line for line in lines if line.is_prose]
    if not prose:
        return
    frames = np.array([[line.box.x0, line.box.y0, line.box.x1, line.box.y1] for line in prose])
    axes = np.array([line.baseline for line in prose]) - 0.6 * ink.x_height
    for part in free:
        x0, y0, x1, y1 = (float(value) for value in ink.boxes[part])
        shared = np.minimum(y1, frames[:, 3]) - np.maximum(y0, frames[:, 1])
        inside = (x0 < frames[:, 2]) & (x1 > frames[:, 0])
        near = inside & (shared > -0.25 * ink.em) & (y1 - y0 < 2.6 * ink.em)
        if y1 - y0 > 1.2 * ink.em:  # brackets and integrals stand around the axis of their line
            near &= np.abs((y0 + y1) / 2 - axes) < 0.55 * ink.em
        if (x1 - x0) > 6 * ink.em or not near.any():
            continue
        line = prose[int(np.argmax(np.where(near, shared, -1e9)))]
        distance = [max(word.x0 - x1, x0 - word.x1) for word in line.words]
        nearest = int(np.argmin(distance))
        word = line.words[nearest]
        if distance[nearest] > 0.3 * ink.em and y1 - y0 > 0.5 * ink.x_height:
            line.words.append(ScanWord([part], WordKind.LETTER, "", x0, x1))
            line.words.sort(key=lambda word: word.x0)
        else:
            word.parts.append(part)
            is_tall = y1 - y0 > 1.35 * line.box.height and y1 - y0 > 1.2 * ink.em
            if is_tall and word.kind is not WordKind.PROSE:
                word.kind = WordKind.MATH
        line.parts.append(part)


def _groups(ink: Ink, lines: list[ScanLine], free: list[int], gutters: list[float]) -> list[list[int]]:
    """Free ink of a column, parted where white or a line of prose lies between."""
    blocking = [line.box for line in lines if line.is_prose or line.is_monospaced]
    walls = np.array([[box.x0, box.y0, box.x1, box.y1] for box in blocking]).reshape(-1, 4)
    columns: dict[int, list[int]] = {}
    for part in free:
        middle = float(ink.boxes[part, 0] + ink.boxes[part, 2]) / 2
        columns.setdefault(int(np.searchsorted(gutters, middle)), []).append(part)
    groups: list[list[int]] = []
    for parts in columns.values():
        parts.sort(key=lambda part: int(ink.boxes[part, 1]))
        bottom = -1e9
        for part in parts:
            y0, y1 = float(ink.boxes[part, 1]), float(ink.boxes[part, 3])
            if y0 - bottom > _DISPLAY_GAP_EM * ink.em or _is_walled(walls, ink.boxes[part], bottom, 8 * ink.em):
                groups.append([])
                bottom = y1
            groups[-1].append(part)
            bottom = max(bottom, y1)
    return groups


def _is_walled(walls: np.ndarray, box: np.ndarray, bottom: float, reach: float) -> bool:
    """Whether a line of prose lies between the ink above (which ends at `bottom`) and a piece below.

    `walls` are boxes of shape (n, 4), `reach` is how far beside the piece they count.
    """
    inset = 0.4 * (walls[:, 3] - walls[:, 1])
    is_between = (bottom - 2 <= walls[:, 1] + inset) & (walls[:, 3] - inset <= box[1] + 2)
    return bool((is_between & (walls[:, 0] < box[2] + reach) & (walls[:, 2] > box[0] - reach)).any())


def _is_table(ink: Ink, parts: list[int]) -> bool:
    """Whether long rules show a table (two of equal extent, one above the other) or a plot (with an upright one)."""
    boxes = ink.boxes[parts]
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    rules = boxes[(widths > TABLE_RULE_EM * ink.em) & (heights < 0.3 * ink.em)]
    if len(rules) and bool((heights[widths < 0.3 * ink.em] > 4 * ink.em).any()):
        return True  # axes of a plot
    return any(
        int(((np.abs(rules[:, 0] - rule[0]) < ink.em) & (np.abs(rules[:, 2] - rule[2]) < ink.em)).sum()) >= 2
        for rule in rules
    )


def _without_number(ink: Ink, display: _Display) -> _Display:
    """Split off equation numbers: bracketed, and apart from all other ink of their row."""
    numbers: list[tuple[float, str, list[int]]] = []
    for word in display.words:
        match = EQUATION_NUMBER.fullmatch(word.text.strip(".,"))
        looks_so = match or (not word.text and _is_bracketed(ink, word))
        if looks_so and _stands_apart(ink, display.parts, word):
            numbers.append((float(ink.boxes[word.parts, 1].min()), match[1] if match else "", word.parts))
    if not numbers:
        return display
    gone = {part for _, _, parts in numbers for part in parts}
    edges = ink.boxes[sorted(gone)]
    rest = [part for part in display.parts if part not in gone]
    # Bits of the number that the OCR's box missed stand in its column.
    left, right = edges[:, 0].min(), edges[:, 2].max()
    body = [part for part in rest if not (ink.boxes[part, 0] >= left - 2 and ink.boxes[part, 2] <= right + 2)]
    words = [word for word in display.words if not set(word.parts) <= gone]
    return _Display(body or rest, words, min(numbers)[1] or None)


def _is_bracketed(ink: Ink, word: ScanWord) -> bool:
    """Whether a word has the shape of `(12)`: short, its first and last piece higher and narrower than the others."""
    boxes = ink.boxes[word.parts]
    if not 3 <= len(boxes) <= 8:
        return False
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    is_bracket = (heights > 1.9 * ink.x_height) & (widths < 0.45 * ink.em)
    return bool(is_bracket[0] and is_bracket[-1] and heights[1:-1].max() < min(heights[0], heights[-1]))


def _stands_apart(ink: Ink, parts: list[int], word: ScanWord) -> bool:
    """Whether a word has white on its inner side and nothing on its outer side."""
    own = set(word.parts)
    boxes = ink.boxes[word.parts]
    x0, y0, x1, y1 = boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()
    others = ink.boxes[[part for part in parts if part not in own]]
    row = others[(others[:, 1] < y1) & (others[:, 3] > y0)]
    if not len(row):
        return len(others) > 0 and bool(x0 > others[:, 2].max() or x1 < others[:, 0].min())
    gap = _NUMBER_GAP_EM * ink.em
    return bool(row[:, 2].max() < x0 - gap or row[:, 0].min() > x1 + gap)


def _is_display(ink: Ink, display: _Display, *, has_ocr: bool) -> bool:
    if len(display.parts) < 2:
        return False
    boxes = ink.boxes[display.parts]
    width = float(boxes[:, 2].max() - boxes[:, 0].min())
    height = float(boxes[:, 3].max() - boxes[:, 1].min())
    letters = int((boxes[:, 3] - boxes[:, 1] > 0.5 * ink.x_height).sum())
    if letters < 2 or width < ink.em or height < 0.8 * ink.x_height:
        return False
    if width * height > _LARGEST_SHARE * ink.shape[0] * ink.shape[1]:
        return False
    widths = {kind: sum(w.x1 - w.x0 for w in display.words if w.kind is kind) for kind in WordKind}
    math = widths[WordKind.MATH] + widths[WordKind.OPERATOR] + widths[WordKind.FUNCTION]
    other = widths[WordKind.PROSE]
    if has_ocr and any(word.text for word in display.words):
        is_tall = (boxes[:, 3] - boxes[:, 1] > 2.2 * ink.em) & (boxes[:, 2] - boxes[:, 0] < 0.8 * ink.em)
        has_tall = bool(is_tall.any())
        return (math > 0 or has_tall) and math + widths[WordKind.NUMBER] >= 0.4 * other
    return not has_ocr and width > 2 * ink.em and letters >= 3
