"""What surrounds handwriting on a sheet: lines of the paper, edges of other writing, loops and rules."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

# Shares of written samples: ruled or squared paper, a loop around a part or a rule under the whole.
_RULED, _MARKED = 0.12, 0.1


def on_a_sheet(grey: Grey, neighbor: Grey | None, rng: random.Random) -> Grey:
    """Return the picture of a written formula as a crop of a page may show it.

    Args:
        grey: Ink on white paper, 255 = paper.
        neighbor: Another picture, parts of which stand at the edges; None for an empty sheet.
        rng: Source of randomness.
    """
    if neighbor is not None:
        grey = _beside(grey, neighbor, rng)
    if rng.random() < _MARKED:
        grey = _marked(grey, rng)
    if rng.random() < _RULED:
        grey = _ruled(grey, rng)
    return grey


def _beside(grey: Grey, neighbor: Grey, rng: random.Random) -> Grey:
    """The edge of a neighbor at one side: above, below, left or right of the formula."""
    turns = rng.choice((0, 0, 2, 2, 1, 3))
    turned, other = np.rot90(grey, turns), np.rot90(neighbor, turns)
    strip = min(rng.randint(2, 9), other.shape[0] - 1)
    dark = np.flatnonzero((other < 160).any(1))
    if not len(dark) or strip < 1:
        return grey
    strip = min(strip, int(dark[-1]) + 1)
    edge = other[dark[-1] + 1 - strip : dark[-1] + 1]
    width = turned.shape[1]
    sheet = np.full((turned.shape[0] + strip + rng.randint(0, 3), width), 255, np.uint8)
    start = rng.randint(-edge.shape[1] // 2, width - 1)
    left, right = max(0, start), min(width, start + edge.shape[1])
    if right > left:
        sheet[:strip, left:right] = edge[:, left - start : right - start]
    sheet[-turned.shape[0] :] = np.minimum(sheet[-turned.shape[0] :], turned)
    return np.ascontiguousarray(np.rot90(sheet, -turns))


def _marked(grey: Grey, rng: random.Random) -> Grey:
    """A loop around a part, or a rule below the whole: the author's emphasis, not a part of the formula."""
    height, width = grey.shape
    pen = rng.choice((1, 2, 2, 3))
    if rng.random() < 0.5:
        low = height + rng.randint(1, 5)
        grey = cv2.copyMakeBorder(grey, 0, 8 + pen, 0, 0, cv2.BORDER_CONSTANT, value=255)
        ends = (rng.randint(0, width // 4), low), (width - rng.randint(0, width // 4), low + rng.randint(-2, 3))
        return np.asarray(cv2.line(grey, *ends, 0, pen, cv2.LINE_AA), np.uint8)
    pad = rng.randint(6, 14)
    grey = cv2.copyMakeBorder(grey, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=255)
    reach = rng.uniform(0.3, 1.0) * width / 2
    middle = np.array([pad + rng.uniform(reach, max(reach, width - reach)), pad + height / 2])
    turn = np.linspace(0, 2 * math.pi * rng.uniform(0.93, 1.05), 40) + rng.uniform(0, 6.3)
    wave = 1 + 0.05 * np.sin(2 * turn + rng.uniform(0, 6.3))
    loop = (
        middle
        + np.stack([np.cos(turn) * (reach + pad * 0.8), np.sin(turn) * (height / 2 + pad * 0.8)], -1) * wave[:, None]
    )
    points = np.round(loop * 16).astype(np.int32).reshape(-1, 1, 2)
    return np.asarray(cv2.polylines(np.ascontiguousarray(grey), [points], False, 0, pen, cv2.LINE_AA, 4), np.uint8)


def _ruled(grey: Grey, rng: random.Random) -> Grey:
    """Ruled or squared paper: faint lines under the ink."""
    height, width = grey.shape
    paper = np.full_like(grey, 255)
    step, shade = rng.uniform(13, 34), rng.randint(150, 225)
    for y in np.arange(rng.uniform(0, step), height, step):
        paper[int(y)] = shade
    if rng.random() < 0.5:
        for x in np.arange(rng.uniform(0, step), width, step):
            paper[:, int(x)] = shade
    return np.asarray(np.minimum(grey, paper), np.uint8)
