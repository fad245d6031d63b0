"""Handwritten pages: told from print by their irregular letters; every line of mathematics is a region of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from docproc.scan_ink import may_be_letters, read_ink
from docproc.word_kinds import is_plausible_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.scan_ink import Ink
    from docproc.scan_lines import ScanLine

# Of letters whose feet lie within half an em of each other, the share within 0.06 em: 0.43-1.0 on 240 printed pages,
# bold and broken scans with uneven heights among them, 0.23-0.33 on 8 handwritten ones, median 0.37 on 120 made ones.
_LEVEL_SHARE, _LEVEL_EM, _AROUND_EM = 0.42, 0.06, 0.5
# The mean confidence of the OCR says more where it is known: confidence + 0.25 x share is 1.04 on a printed page of one
# table beside black specks and at least 1.10 on 53 others, 0.79-0.91 on the handwritten ones, and less than this on
# 69 % of 58 made ones. Print that is taken for handwriting loses more than handwriting that is taken for print.
_SURE, _LEVEL_WEIGHT = 1.02, 0.25
# Where letters stand this level it is print all the same, whose language the OCR may not know: so do they on 98 % of
# 109 printed pages, and on none of the made ones that the OCR gives away.
_PRINTED_LEVEL = 0.55
# Without it, the share of pieces of ink that are just as high as an x: 0.26-0.63 on 18 printed pages (degraded scans),
# 0.09-0.20 and median 0.21.
_EVEN_SHARE = 0.3
# Feet are compared within strips of this width, so that a line that bends a little stays level.
_STRIP_EM = 14.0
# The size of handwriting: this quantile of the heights of pieces of ink is so many x-heights, median of 59 made pages
# (0.81-1.33 times that on nine in ten of them).
_SIZE_QUANTILE, _QUANTILE_X_HEIGHTS, _FEW_LETTERS = 0.4, 1.35, 8
_RELATION = re.compile(r"[=≠<>≤≥≈≡∼∈⊂→⇒√∑∫∂∇+∥|^α-ωΓ-Ω]")


def is_handwritten(ink: Ink, words: Sequence[OcrWord] | None) -> bool:
    """Say whether a page is written by hand.

    Args:
        ink: Of the page.
        words: Of the OCR, or None.
    """
    heights = ink.heights[ink.areas > 20]
    if heights.size < 20:
        return False
    level = _levelness(ink)
    if level > _PRINTED_LEVEL:
        return False
    if words:
        return sum(word.confidence for word in words) / len(words) + _LEVEL_WEIGHT * level < _SURE
    if level > _LEVEL_SHARE:
        return False
    even = float((np.abs(heights - ink.x_height) <= max(1.0, 0.08 * ink.x_height)).mean())
    return even < _EVEN_SHARE


def _levelness(ink: Ink) -> float:
    """How sharply letters stand on lines: see `_LEVEL_SHARE`; 1 where there are too few to say."""
    letters = ink.boxes[(ink.heights > 0.6 * ink.x_height) & (ink.heights < 3 * ink.x_height)]
    if len(letters) < 20:
        return 1.0
    strips = ((letters[:, 0] + letters[:, 2]) / 2 / (_STRIP_EM * ink.em)).astype(np.int64)
    level = around = 0
    for strip in np.unique(strips):
        feet = np.sort(letters[strips == strip, 3].astype(np.float64))
        level += _neighbors(feet, max(1.0, _LEVEL_EM * ink.em))
        around += _neighbors(feet, _AROUND_EM * ink.em)
    return level / around if around else 1.0


def _neighbors(values: np.ndarray, reach: float) -> int:
    """How many pairs of sorted values are within reach, both ways."""
    last = np.searchsorted(values, values + reach, "right")
    first = np.searchsorted(values, values - reach, "left")
    return int((last - first - 1).sum())


def read_written_ink(image: np.ndarray, ink: Ink | None = None) -> Ink:
    """Find the ink of a handwritten page by the size of its writing.

    No height is the commonest by far there: digits and capitals are as many as small letters, and the mode jumps from
    one to the other (0.42-2.6 times the true height on 24 made pages). A low quantile stays within a third of it.

    Args:
        image: Clean page, see scan_ink.read_ink.
        ink: What that found, if it is known already.
    """
    ink = read_ink(image) if ink is None else ink
    letters = may_be_letters(ink.widths, ink.heights, ink.areas)
    if letters.sum() < _FEW_LETTERS:
        return ink
    return read_ink(image, float(np.quantile(ink.heights[letters], _SIZE_QUANTILE)) / _QUANTILE_X_HEIGHTS)


def mark_words(lines: list[ScanLine]) -> None:
    """Set `is_prose` of handwritten lines: two likely words, or one and no sign of mathematics."""
    for line in lines:
        texts = [word.text for word in line.words if word.text]
        if not texts:
            continue
        likely = sum(is_plausible_word(text) and len(text.strip(".,:;")) >= 3 for text in texts)
        likely += sum(is_plausible_word(text) and len(text.strip(".,:;")) >= 5 for text in texts)
        signs = len(_RELATION.findall("".join(texts)))
        line.is_prose = likely >= 2 * signs and likely >= 1
        line.is_monospaced = False


def part_rows(ink: Ink, parts: list[int]) -> list[list[int]]:
    """Part a block of handwritten mathematics into its lines.

    Args:
        ink: Of the page.
        parts: Components of the block.

    Returns:
        Components of each line, from top to bottom. Wide or tall pieces found the lines; small ones (indices, dots,
        accents) go to the line that is nearest to their middle.
    """
    boxes = ink.boxes[parts]
    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    # The lines stand out in the profile of ink over height, smoothed over half an em.
    top, bottom = int(boxes[:, 1].min()), int(boxes[:, 3].max())
    profile = np.zeros(bottom - top + 1)
    heights = boxes[:, 3] - boxes[:, 1]
    for (x0, y0, x1, y1), height in zip(boxes.tolist(), heights.tolist(), strict=True):
        if height < 3.0 * ink.em:
            inset = int(0.25 * (y1 - y0))
            profile[y0 - top + inset : y1 - top - inset + 1] += min(x1 - x0, 2 * ink.em)
    width = max(3, int(0.9 * ink.em) | 1)
    kernel = np.hanning(width + 2)[1:-1]
    smooth = np.convolve(profile, kernel / kernel.sum(), mode="same")
    peaks = [
        y
        for y in range(1, smooth.size - 1)
        if smooth[y - 1] < smooth[y] >= smooth[y + 1] and smooth[y] > 0.3 * smooth.max()
    ]
    chosen: list[int] = []
    for peak in sorted(peaks, key=lambda y: -smooth[y]):
        is_apart = all(
            abs(peak - other) > 1.3 * ink.em
            and smooth[min(peak, other) : max(peak, other)].min() < 0.45 * min(smooth[peak], smooth[other])
            for other in chosen
        )
        if is_apart:
            chosen.append(peak)
    if len(chosen) < 2:
        return [parts]
    lines = np.array(sorted(chosen)) + top
    nearest = np.argmin(np.abs(middles[:, None] - lines[None]), axis=1)
    return [[part for part, row in zip(parts, nearest, strict=True) if row == index] for index in range(len(lines))]
