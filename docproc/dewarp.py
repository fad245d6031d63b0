"""Straighten the lines of a page that bends towards the spine of its book.

The sheet's lines stay parallel, so the bend is one drop(x) by which ink is too low, common to all lines of text. It is
taken out only where many lines show the same one: a page bent by mistake would be worse than one left bent.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from docproc.scan_ink import X_HEIGHT_EM, binarize, find_x_height

# The curve is looked for on a copy of this many pixels along the longer side: an em of 10 pt is 19 pixels on A4.
_LOOK_PIXELS = 1600
# Letters at most this far apart (em) stand on one line, if their feet differ by no more than `_STEP_EM`: a descender
# hangs by 0.22 em, and a bend of 1 : 10, steep for a scan, makes 0.1 em from word to word.
_GAP_EM, _STEP_EM = 1.2, 0.12
# A line of text for our purpose: letters, and length in em.
_LINE_LETTERS, _LINE_EM = 12, 12.0
# The longest lines are enough; the grain of a halftone picture makes hundreds.
_MOST_LINES = 150
# Distance of the curve's knots, in em; the curve of a spine is 6 to 15 em wide.
_KNOT_EM = 3.0
# Standard deviations: of a foot of a few letters (em), of a line's own slope, of the curve's bend at a knot (em).
_FOOT_EM, _SLOPE, _BEND_EM = 0.05, 0.004, 0.1
# A curve lower than this harms no finder: subscripts are lowered by 0.15 to 0.25 em.
_LEAST_EM = 0.15
# So many lines must see the bend, and this share of them must stand straighter by `_STRAIGHTER` without it.
_LEAST_LINES, _AGREEING, _STRAIGHTER = 6, 0.75, 0.6


@dataclass(frozen=True, slots=True)
class Curve:
    """How far ink at x stands too low, linear between knots and level beyond them."""

    x: tuple[float, ...]
    """Rising; pixels or points."""
    drop: tuple[float, ...]
    """In the unit of `x`, at most 0: the straight page is taller by the depth of the curve, so that no ink is lost."""

    def at(self, x: np.ndarray | float) -> np.ndarray:
        """Drop at each x."""
        return np.asarray(np.interp(x, self.x, self.drop))

    def scaled(self, factor: float) -> Curve:
        """The same curve in another unit."""
        return Curve(tuple(x * factor for x in self.x), tuple(drop * factor for drop in self.drop))

    def straighten(self, image: np.ndarray) -> np.ndarray:
        """Move every column of a grey image (height, width) up by its drop; pixels, (height + depth, width)."""
        height, width = image.shape
        drop = self.at(np.arange(width) + 0.5).astype(np.float32)
        rows = np.arange(height + int(np.ceil(-drop.min())), dtype=np.float32)[:, None] + drop
        columns = np.broadcast_to(np.arange(width, dtype=np.float32), rows.shape)
        return np.asarray(cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderValue=255))


def find_curve(image: np.ndarray) -> Curve | None:
    """Find the curve common to the lines of text.

    Args:
        image: Upright, deskewed, clean page: grey uint8 of shape (height, width), ink dark on white.

    Returns:
        Curve in pixels of the image; None if the lines are straight, too few, or do not agree.
    """
    shrink = max(1.0, max(image.shape) / _LOOK_PIXELS)
    size = (max(1, round(image.shape[1] / shrink)), max(1, round(image.shape[0] / shrink)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if shrink > 1 else image
    feet, em = _feet(small)
    if feet is None:
        return None
    line, x, y = feet
    knots = np.arange(x.min(), x.max() + _KNOT_EM, _KNOT_EM)
    drop = _fit(line, x, y, knots)
    if not _is_seen(line, x, y, knots, drop):
        return None
    # Beyond the outermost knots that enough lines reach, nothing is known.
    reached = np.array([np.unique(line[np.abs(x - knot) < _KNOT_EM]).size >= _LEAST_LINES for knot in knots])
    if reached.sum() < 2:
        return None
    knots, drop = knots[reached], drop[reached] - drop[reached].max()
    scale = em * image.shape[1] / size[0]
    return Curve(tuple((knots * scale).tolist()), tuple((drop * scale).tolist()))


def _feet(image: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray] | None, float]:
    """Where lines of text stand: line number, x and y in em of every few letters' feet; and the em in pixels."""
    stats = cv2.connectedComponentsWithStats(binarize(image)[0], connectivity=8)[2][1:]
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    em = find_x_height(width, height, stats[:, cv2.CC_STAT_AREA]) / X_HEIGHT_EM
    stats = stats[(height > 0.3 * em) & (height < 1.2 * em) & (width < 6 * em)]
    left, foot = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT]
    right = left + stats[:, cv2.CC_STAT_WIDTH]
    if len(stats) < _LEAST_LINES * _LINE_LETTERS:
        return None, em
    # A bar along each foot; bars that touch are a line.
    bars = np.zeros((image.shape[0] + 2, image.shape[1]), np.uint8)
    reach, thick = int(_GAP_EM * em / 2), max(1, round(_STEP_EM * em))
    for x0, x1, y in zip(np.maximum(0, left - reach).tolist(), (right + reach).tolist(), foot.tolist(), strict=True):
        bars[max(0, y - thick) : y, x0:x1] = 1
    labels = cv2.connectedComponents(bars, connectivity=4)[1][foot - 1, left]
    middle = (left + right) / 2
    found = []
    counts = np.bincount(labels)
    for label in np.argsort(-counts, kind="stable")[:_MOST_LINES]:
        if counts[label] < _LINE_LETTERS:
            break
        letters = labels == label
        x, y = middle[letters] / em, foot[letters] / em
        if np.ptp(x) < _LINE_EM:
            continue
        cells = ((x - x.min()) / _KNOT_EM).astype(np.int64)
        found += [
            (label, x[cells == cell].mean(), np.median(y[cells == cell]))
            for cell in np.unique(cells)
            if (cells == cell).sum() >= 3
        ]
    if len({row[0] for row in found}) < _LEAST_LINES:
        return None, em
    rows = np.array(found)
    return (np.unique(rows[:, 0], return_inverse=True)[1], rows[:, 1], rows[:, 2]), em


def _fit(line: np.ndarray, x: np.ndarray, y: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Drop at the knots, in em: least absolute errors of y = own height + own slope * x + common drop(x)."""
    count, lines, bends = line.size, int(line.max()) + 1, len(knots)
    index, rows = np.minimum(((x - knots[0]) / _KNOT_EM).astype(np.int64), bends - 2), np.arange(count)
    part = (x - knots[index]) / _KNOT_EM
    design = np.zeros((count, 2 * lines + bends))
    design[rows, line] = 1
    design[rows, lines + line] = x - x.mean()
    design[rows, 2 * lines + index] = 1 - part
    design[rows, 2 * lines + index + 1] = part
    # The slope that all lines share belongs to the drop; heights are free; the drop's own level is held by a trifle.
    prior = np.diag(np.r_[np.full(lines, 1e-9), np.full(lines, _SLOPE**-2), np.full(bends, 1e-3)])
    bend = np.diff(np.eye(bends), 2, axis=0)
    prior[2 * lines :, 2 * lines :] += bend.T @ bend / _BEND_EM**2
    weights = np.full(count, _FOOT_EM**-2)
    for _ in range(6):
        weighted = design.T * weights
        solution = np.linalg.solve(weighted @ design + prior, weighted @ y)
        weights = 1 / (_FOOT_EM * np.maximum(np.abs(y - design @ solution), _FOOT_EM))
    return np.asarray(solution[2 * lines :])


def _is_seen(line: np.ndarray, x: np.ndarray, y: np.ndarray, knots: np.ndarray, drop: np.ndarray) -> bool:
    """Whether the drop is a curve rather than a slope, and enough lines agree on it."""
    # The page's own slope is the median one (Theil-Sen): one column of two may bend so little that it merely slopes.
    one, two = np.triu_indices(knots.size, 1)
    slope = float(np.median((drop[two] - drop[one]) / (knots[two] - knots[one])))
    curve = _centered(drop - slope * knots)
    if np.abs(curve).max() < _LEAST_EM:
        return False
    seen, straighter = 0, 0
    for number in range(int(line.max()) + 1):
        own = line == number
        if own.sum() < 4:
            continue
        bend = _centered(np.interp(x[own], knots, curve))
        if np.ptp(bend) < _LEAST_EM / 2:
            continue
        seen += 1
        before = _centered(y[own] - slope * x[own])
        straighter += bool(np.abs(_centered(before - bend)).mean() < _STRAIGHTER * np.abs(before).mean())
    return seen >= _LEAST_LINES and straighter >= _AGREEING * seen


def _centered(values: np.ndarray) -> np.ndarray:
    return np.asarray(values - np.median(values))
