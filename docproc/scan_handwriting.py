"""Handwritten pages: told from print by letters that differ; every line of mathematics is a region of its own."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from docproc.scan_ink import may_be_letters, read_ink
from docproc.scan_letters import letter_traits
from docproc.word_kinds import is_plausible_word

if TYPE_CHECKING:
    from docproc.records import Page
    from docproc.scan_ink import Ink
    from docproc.scan_lines import ScanLine

# Log odds of handwriting for a page without any trait of print, and what each trait takes off them: shares, and the
# logarithms of how many times smaller than _CLEAR_PX the letters are (small ones look less alike) and how many times
# fewer than _MANY. A logistic regression on 353 made handwritten pages and 385 of print (made ones, books, fonts,
# alphabets, plots; spoiled, 72-300 dpi) and on a few lines of each, print's errors four times as heavy; then
# shifted by 1: print that is taken for handwriting loses a third of its formulas.
_ODDS = 11.3
_LEVEL, _EVEN, _ALIKE, _SMALL, _FEW = 6.46, 3.37, 11.37, 13.7, 1.76
_CLEAR_PX, _MANY = 20.0, 150.0
# The size of handwriting: this quantile of the heights of pieces of ink is so many x-heights, median of 59 made pages
# (0.81-1.33 times that on nine in ten of them).
_SIZE_QUANTILE, _QUANTILE_X_HEIGHTS, _FEW_LETTERS = 0.4, 1.35, 8
_RELATION = re.compile(r"[=≠<>≤≥≈≡∼∈⊂→⇒√∑∫∂∇+∥|^α-ωΓ-Ω]")


def is_handwritten(image: np.ndarray, ink: Ink) -> bool:
    """Say whether a page is written by hand; where there are too few letters to say it is print.

    Args:
        image: Clean page, see scan_ink.read_ink.
        ink: Of the page.
    """
    traits = letter_traits(image, ink)
    if traits is None:
        return False
    odds = _ODDS - _LEVEL * traits.level - _EVEN * traits.even - _ALIKE * traits.alike
    odds -= _SMALL * max(0.0, math.log(_CLEAR_PX / traits.size_px))
    return odds - _FEW * max(0.0, math.log(_MANY / traits.count)) > 0


def written_em_pt(page: Page) -> float | None:
    """Size of the handwriting of a clean page in points, see records.Region; None for print."""
    ink = read_ink(page.image)
    if len(ink.boxes) < 2 or not is_handwritten(page.image, ink):
        return None
    return read_written_ink(page.image, ink).em * 72 / page.dpi


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
