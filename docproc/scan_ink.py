"""The ink of a scanned page as connected components, with the size of its letters."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# x-height of text fonts is 0.42-0.48 em (Computer Modern 0.43, Times 0.45, Palatino 0.47).
X_HEIGHT_EM = 0.44
# Ink smaller than this (in em, squared) is a speck of dust; the dot of an i is 0.01.
_SPECK_EM2 = 0.002
# Ink larger than this both ways is a figure; brackets and radicals stay below one way.
_FIGURE_EM = 7.0


@dataclass(frozen=True, slots=True)
class Ink:
    """Connected components of one page, in pixels."""

    boxes: np.ndarray
    """int, shape (n, 4): x0, y0, x1, y1; right and bottom exclusive."""
    areas: np.ndarray
    """int, shape (n,): inked pixels."""
    x_height: float
    em: float
    """Size of the body text."""
    figures: np.ndarray
    """int, shape (m, 4): large drawings; their parts are not in `boxes`."""
    shape: tuple[int, int]

    @property
    def widths(self) -> np.ndarray:
        """Shape (n,)."""
        return np.asarray(self.boxes[:, 2] - self.boxes[:, 0])

    @property
    def heights(self) -> np.ndarray:
        """Shape (n,)."""
        return np.asarray(self.boxes[:, 3] - self.boxes[:, 1])


def read_ink(image: np.ndarray, x_height: float | None = None) -> Ink:
    """Find the ink of a page.

    Args:
        image: Grey uint8 of shape (height, width), clean: ink dark, paper white.
        x_height: Of the body text in pixels, where it is known; None takes the commonest height.

    Returns:
        Its components without specks, figures, and what lies inside figures.
    """
    ink, is_strong = binarize(image)
    _, labels, all_stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    has_strong = np.zeros(len(all_stats), bool)
    has_strong[labels[is_strong]] = True  # what shines through from the back has no dark core
    stats = all_stats[1:][has_strong[1:]].astype(np.int64)
    boxes = np.column_stack([stats[:, 0], stats[:, 1], stats[:, 0] + stats[:, 2], stats[:, 1] + stats[:, 3]])
    areas = stats[:, cv2.CC_STAT_AREA]
    if x_height is None:
        x_height = find_x_height(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], areas)
    em = x_height / X_HEIGHT_EM
    figures = _figures(boxes, em, image.shape)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    keep = (areas >= max(3.0, _SPECK_EM2 * em * em)) & ~_is_dust(boxes, em, image.shape)
    for x0, y0, x1, y1 in figures:
        keep &= ~((middle[:, 0] >= x0) & (middle[:, 0] < x1) & (middle[:, 1] >= y0) & (middle[:, 1] < y1))
    return Ink(boxes[keep], areas[keep], x_height, em, figures, (image.shape[0], image.shape[1]))


def binarize(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Part ink from paper by Otsu's threshold, which a clean page keeps between faint and bold.

    Returns:
        Ink as uint8 0 and 1, and as bool the pixels that are dark enough to be the core of a stroke.
    """
    threshold, _ = cv2.threshold(image, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    ink = np.asarray(cv2.threshold(image, float(np.clip(threshold, 110, 200)), 1, cv2.THRESH_BINARY_INV)[1])
    values = image[ink > 0][::7]
    darkest = float(np.percentile(values, 10)) if values.size else 0.0
    return ink, image < darkest + 0.62 * (255.0 - darkest)


def find_x_height(widths: np.ndarray, heights: np.ndarray, areas: np.ndarray) -> float:
    """Height in pixels that most components have: x, a, e, n... are 60 % of Latin prose."""
    letters = may_be_letters(widths, heights, areas)
    if letters.sum() < 5:
        return 10.0
    counts = np.bincount(heights[letters], minlength=8).astype(np.float64)
    # Neighboring heights belong together, over a wider reach the larger the letters are.
    smooth = np.zeros_like(counts)
    for height in range(4, counts.size):
        reach = max(1, height // 10)
        smooth[height] = counts[max(0, height - reach) : height + reach + 1].sum()
    return float(np.argmax(smooth))


def may_be_letters(widths: np.ndarray, heights: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Which components have the size and shape of a letter, in pixels; bool."""
    return np.asarray(
        (areas >= 8) & (heights >= 5) & (heights <= 200) & (widths <= 6 * heights) & (heights <= 8 * widths)
    )


def _is_dust(boxes: np.ndarray, em: float, shape: tuple[int, ...]) -> np.ndarray:
    """Whether a component is a dot too far from any letter to be part of one, or of a row of dots."""
    size = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    is_dot = size < 0.22 * em
    scale = 0.25
    near = np.zeros((int(shape[0] * scale) + 2, int(shape[1] * scale) + 2), np.uint8)
    reach = 0.55 * em
    for x0, y0, x1, y1 in boxes[(size > 0.3 * em) & (size < 8 * em)].tolist():
        top, left = max(0, int((y0 - 0.3 * em) * scale)), max(0, int((x0 - reach) * scale))
        near[top : int((y1 + 0.3 * em) * scale) + 1, left : int((x1 + reach) * scale) + 1] = 1
    middle = ((boxes[:, :2] + boxes[:, 2:]) / 2 * scale).astype(np.int64)
    return np.asarray(is_dot & (near[middle[:, 1], middle[:, 0]] == 0))


def _figures(boxes: np.ndarray, em: float, shape: tuple[int, ...]) -> np.ndarray:
    """Boxes of large drawings; those that overlap are joined."""
    size = boxes[:, 2:] - boxes[:, :2]
    large = boxes[(size.min(axis=1) > _FIGURE_EM * em)]
    mask = np.zeros(shape[:2], np.uint8)
    for x0, y0, x1, y1 in large:
        mask[y0:y1, x0:x1] = 1
    if not large.size:
        return np.zeros((0, 4), np.int64)
    stats = cv2.connectedComponentsWithStats(mask, connectivity=8)[2][1:].astype(np.int64)
    figures = np.column_stack([stats[:, 0], stats[:, 1], stats[:, 0] + stats[:, 2], stats[:, 1] + stats[:, 3]])
    # A frame around the whole page is no figure: what stands inside is the page.
    is_page = (figures[:, 2] - figures[:, 0]) * (figures[:, 3] - figures[:, 1]) > 0.7 * mask.size
    return np.asarray(figures[~is_page])
