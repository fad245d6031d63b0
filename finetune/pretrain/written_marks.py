"""What stands on a written page beside words and formulas: rules, loops, crossed-out pieces, sketches."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np

from docproc.records import Box
from finetune.pretrain.ink import Stroke


def rule(start: tuple[float, float], end: tuple[float, float], rng: random.Random) -> list[Stroke]:
    """A line drawn without a ruler; lengths here are x-heights."""
    t = np.linspace(0, 1, 12, dtype=np.float32)
    wave = 0.08 * np.sin(t * rng.uniform(2, 8)) + rng.gauss(0, 0.03)
    (x0, y0), (x1, y1) = start, end
    return [np.stack([x0 + (x1 - x0) * t + wave, y0 + (y1 - y0) * t + wave], -1).astype(np.float32)]


def underline(box: Box, rng: random.Random) -> list[Stroke]:
    """One or two rules below a box."""
    strokes = []
    for _ in range(rng.choice((1, 1, 2))):
        y = box.y1 + rng.uniform(0.2, 0.6)
        strokes += rule((box.x0 - 0.3, y), (box.x1 + rng.uniform(-1, 0.6), y + rng.gauss(0, 0.15)), rng)
    return strokes


def loop(box: Box, rng: random.Random) -> list[Stroke]:
    """A frame or a loop around a result."""
    b = box.padded(rng.uniform(0.4, 1.0))
    if rng.random() < 0.6:
        corners = [(b.x0, b.y0), (b.x1, b.y0), (b.x1, b.y1), (b.x0, b.y1), (b.x0, b.y0)]
        return [stroke for start, end in pairwise(corners) for stroke in rule(start, end, rng)]
    turn = np.linspace(0, 2 * math.pi * rng.uniform(0.95, 1.06), 48) + rng.uniform(0, 6.3)
    x, y = b.center
    return [np.stack([x + 0.62 * b.width * np.cos(turn), y + 0.68 * b.height * np.sin(turn)], -1).astype(np.float32)]


def cross_out(box: Box, rng: random.Random) -> list[Stroke]:
    """A rule through a piece, or a zigzag over it."""
    if rng.random() < 0.5:
        y = box.center[1]
        return rule((box.x0 - 0.3, y + rng.gauss(0, 0.3)), (box.x1 + 0.3, y + rng.gauss(0, 0.3)), rng)
    count = max(4, int(box.width * 1.5))
    x = np.linspace(box.x0, box.x1, count)
    y = np.where(np.arange(count) % 2, box.y0, box.y1) + np.array([rng.gauss(0, 0.2) for _ in range(count)])
    return [np.stack([x, y], -1).astype(np.float32)]


def sketch(box: Box, rng: random.Random) -> list[Stroke]:
    """Axes with a curve, or a circle with a line through it."""
    t = np.linspace(0, 1, 40, dtype=np.float32)
    if rng.random() < 0.6:
        wave = np.sin(t * rng.uniform(1, 9) + rng.uniform(0, 6)) * (1 - 0.5 * t)
        curve = np.stack([box.x0 + 1 + t * (box.width - 1), box.center[1] + 0.35 * box.height * wave], -1)
        across = rule((box.x0, box.y1), (box.x1, box.y1), rng)
        return [*across, *rule((box.x0 + 1, box.y1 + 1), (box.x0 + 1, box.y0), rng), curve.astype(np.float32)]
    turn = t * 2 * math.pi * 1.03
    x, y = box.center
    ring = np.stack([x + box.width / 2 * np.cos(turn), y + box.height / 2 * np.sin(turn)], -1)
    return [ring.astype(np.float32), *rule((box.x0, box.y1), (box.x1, box.y0), rng)]
