"""Handwriting: labelled strokes, read from a collection and drawn with varied pens."""

from __future__ import annotations

import json
import lzma
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Stroke = NDArray[np.float32]
"""Points of a pen stroke, shape (points, 2): x to the right, y downwards."""


@dataclass(frozen=True, slots=True)
class Ink:
    """A written expression."""

    latex: str
    strokes: list[Stroke] = field(repr=False)
    symbols: list[tuple[str, list[int]]] = field(repr=False)
    writer: str


def load_inks(path: Path) -> list[Ink]:
    """Read handwriting.train.jsonl.xz; the writer is the part of the file name that a collection uses for a person."""
    inks = []
    with lzma.open(path, "rt") as file:
        for line in file:
            record: dict[str, Any] = json.loads(line)
            collection, _, name = record["source"].removeprefix("CROHME:").removesuffix(".inkml").partition("/")
            person = {
                "expressmatch": name.rpartition("_")[2],
                "HAMEX": name.partition("-")[0],
                "MathBrush": name.rpartition("-")[0],
                "KAIST": name.partition("_sub_")[0],
            }.get(collection, name)
            strokes = [np.array(s, np.float32).reshape(-1, 2) for s in record["strokes"]]
            symbols = [(label, parts) for label, parts in record["symbols"]]
            inks.append(Ink(record["latex"], strokes, symbols, f"{collection}/{person}"))
    return inks


def draw_ink(
    strokes: list[Stroke], rng: random.Random, varied: bool = True, unit: float | None = None
) -> NDArray[np.uint8]:
    """Draw strokes as grey ink on white paper with a margin.

    Args:
        strokes: Any unit.
        rng: Source of randomness.
        varied: Pens, slant, stretch and distortion are drawn; else a plain pen.
        unit: Height of an x in the strokes' unit; None estimates it from the strokes.
    """
    points = np.concatenate(strokes)
    if unit is None:
        heights = sorted(max(float(np.ptp(s[:, 1])), float(np.ptp(s[:, 0]))) for s in strokes)
        unit = max(1e-3, heights[len(heights) // 2] * 0.75)
    pixels = rng.uniform(9, 21) if varied else 14.0
    if varied:
        slant, stretch, tilt = rng.gauss(0, 0.12), math.exp(rng.gauss(0, 0.1)), math.radians(rng.gauss(0, 1.5))
        matrix = np.array([[stretch, -slant * stretch], [math.sin(tilt), 1]], np.float32)
        strokes = [s @ matrix.T for s in strokes]
        strokes = list(distort(strokes, unit, rng)) if rng.random() < 0.6 else strokes
        points = np.concatenate(strokes)
    low, high = points.min(0), points.max(0)
    size = np.maximum(high - low, 1e-3)
    scale = min(pixels / unit, 1500 / float(size[0]), 420 / float(size[1]))
    pen = min(rng.choice([1, 1, 2, 2, 2, 3, 3, 4]), max(1, round(unit * scale / 4.5))) if varied else 2
    margin = pen + (rng.uniform(1, 9) if varied else 4)
    width, height = (int(n) + 1 for n in size * scale + 2 * margin)
    grey = np.full((max(height, 6), max(width, 6)), 255, np.uint8)
    shade = rng.choice([0, 0, 0, rng.randint(0, 110)]) if varied else 0
    for s in strokes:
        fixed = np.round(((s - low) * scale + margin) * 16).astype(np.int32)
        if len(fixed) == 1 or float(np.ptp(s, axis=0).max()) * scale < 1:
            cv2.circle(grey, (int(fixed[0, 0]), int(fixed[0, 1])), max(12, pen * 10), shade, -1, cv2.LINE_AA, 4)
        else:
            cv2.polylines(grey, [fixed.reshape(-1, 1, 2)], False, shade, pen, cv2.LINE_AA, 4)
    return grey


def distort(strokes: list[Stroke], unit: float, rng: random.Random) -> Iterator[Stroke]:
    """A smooth random displacement of all points: a few waves of long wavelength."""
    waves = [
        (
            rng.gauss(0, 1) / (6 * unit),
            rng.gauss(0, 1) / (4 * unit),
            rng.uniform(0, 6.3),
            rng.gauss(0, 0.09) * unit,
            rng.gauss(0, 0.09) * unit,
        )
        for _ in range(3)
    ]
    for s in strokes:
        moved = s.copy()
        for fx, fy, phase, ax, ay in waves:
            wave = np.sin(2 * math.pi * (s[:, 0] * fx + s[:, 1] * fy) + phase)
            moved[:, 0] += ax * wave
            moved[:, 1] += ay * wave
        yield moved
