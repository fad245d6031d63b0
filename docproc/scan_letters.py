"""What the letters of a scanned page look like to each other: print repeats its letters, no hand does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from docproc.scan_ink import may_be_letters

if TYPE_CHECKING:
    from docproc.scan_ink import Ink

# Pieces of ink whose height is within these multiples of the size of the page's letters, and at most so wide.
_LOWEST, _HIGHEST, _WIDEST = 0.45, 2.2, 3.0
# The size itself: pieces less high make up half of all heights. By their number dirt at the edge would outvote a page.
_SIZE_QUANTILE = 0.5
# Fewer letters say nothing; more than so many, evenly chosen, say no more.
_LEAST, _MOST = 20, 400
# Letters are compared as pictures of so many pixels each way, if their sides differ by no more than this factor or by a
# pixel.
_SIDE_PX, _SAME_SIDE = 16, 0.12
# Correlation of two pictures that are the same letter of a bad scan.
_ALIKE = 0.90
# Feet of letters that lie within half an em of each other are level within 0.06 em. They are compared within strips, so
# that a line that bends a little stays level. A letter's size is 0.55 em.
_SIZE_EM, _LEVEL_EM, _AROUND_EM, _STRIP_EM = 0.55, 0.06, 0.5, 14.0
# Few letters are taken for print's until they show otherwise: so many letters and pairs with print's usual shares.
_PRIOR_LETTERS, _PRIOR_PAIRS, _PRINTED_ALIKE, _PRINTED_LEVEL = 6, 20, 0.87, 0.82


@dataclass(frozen=True, slots=True)
class LetterTraits:
    """Shares from 0 to 1, in which print is nearer to 1 than handwriting."""

    level: float
    """Of letters whose feet lie near each other, how many stand on one line."""
    even: float
    """Letters of the commonest height."""
    alike: float
    """Letters that another one resembles as if it were the same."""
    size_px: float
    """Of the letters: resemblance is less among few pixels."""
    count: int
    """How many letters say so."""


def letter_traits(image: np.ndarray, ink: Ink) -> LetterTraits | None:
    """Compare the letters of a page with each other.

    Args:
        image: Clean page: grey uint8 of shape (height, width), ink dark on white.
        ink: Its ink; how large it takes the letters to be does not matter.

    Returns:
        Their traits; None where there are too few letters to say.
    """
    may_be = may_be_letters(ink.widths, ink.heights, ink.areas)
    if may_be.sum() < _LEAST:
        return None
    size = _size(ink.heights[may_be])
    fits = may_be & (ink.heights > _LOWEST * size) & (ink.heights < _HIGHEST * size) & (ink.widths < _WIDEST * size)
    boxes = ink.boxes[fits]
    if len(boxes) < _LEAST:
        return None
    chosen = boxes[np.linspace(0, len(boxes) - 1, _MOST).astype(np.int64)] if len(boxes) > _MOST else boxes
    likeness = _nearest(_pictures(image, chosen), np.log((chosen[:, 2:] - chosen[:, :2]).astype(np.float32)))
    alike = (int((likeness > _ALIKE).sum()) + _PRIOR_LETTERS * _PRINTED_ALIKE) / (len(chosen) + _PRIOR_LETTERS)
    even = _evenness(boxes[:, 3] - boxes[:, 1], size)
    return LetterTraits(_levelness(boxes, size), even, alike, size, len(boxes))


def _size(heights: np.ndarray) -> float:
    heights = np.sort(heights)
    sums = np.cumsum(heights)
    return float(heights[np.searchsorted(sums, _SIZE_QUANTILE * sums[-1])])


def _levelness(boxes: np.ndarray, size: float) -> float:
    em = size / _SIZE_EM
    strips = ((boxes[:, 0] + boxes[:, 2]) / 2 / (_STRIP_EM * em)).astype(np.int64)
    level, around = _PRIOR_PAIRS * _PRINTED_LEVEL, float(_PRIOR_PAIRS)
    for strip in np.unique(strips):
        feet = np.sort(boxes[strips == strip, 3].astype(np.float64))
        level += _pairs(feet, max(1.0, _LEVEL_EM * em))
        around += _pairs(feet, _AROUND_EM * em)
    return level / around


def _pairs(values: np.ndarray, reach: float) -> int:
    """How many pairs of sorted values are within reach, both ways."""
    last = np.searchsorted(values, values + reach, "right")
    first = np.searchsorted(values, values - reach, "left")
    return int((last - first - 1).sum())


def _evenness(heights: np.ndarray, size: float) -> float:
    reach = max(1, int(size) // 12)
    near = np.convolve(np.bincount(heights), np.ones(2 * reach + 1), mode="same")
    return float(near.max()) / len(heights)


def _pictures(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Pictures of one size, without mean and of length one: float32, shape (n, pixels)."""
    result = np.zeros((len(boxes), _SIDE_PX * _SIDE_PX), np.float32)
    for index, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        width, height = x1 - x0, y1 - y0
        side = max(width, height)
        square = np.zeros((side, side), np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = 255 - image[y0:y1, x0:x1]
        small = cv2.resize(square, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
        result[index] = cv2.GaussianBlur(small, (3, 3), 0).ravel()
    result -= result.mean(axis=1, keepdims=True)
    result /= np.linalg.norm(result, axis=1, keepdims=True) + 1e-6
    return result


def _nearest(pictures: np.ndarray, log_sides: np.ndarray) -> np.ndarray:
    """Correlation of each picture with the most similar other one of its size; -1 where none has its size."""
    correlation = pictures @ pictures.T
    np.fill_diagonal(correlation, -1.0)
    for log_side in log_sides.T:
        apart = np.abs(log_side[:, None] - log_side[None])
        a_pixel = 1.2 * np.exp(-np.minimum(log_side[:, None], log_side[None]))
        correlation[apart > np.maximum(_SAME_SIDE, a_pixel)] = -1.0
    return np.asarray(correlation.max(axis=1))
