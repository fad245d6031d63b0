"""A pen that writes: letters, digits and signs as strokes of this project's own, and formulas laid out with them.

Every sign is a list of strokes; a stroke is a list of points "x,y" in units of which a small letter is 5 high, y
upwards from the base line. Written signs differ each time: points tremble, sizes and slants vary.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import cv2
import numpy as np

SIGNS = {
    "a": "4,4 2,5 0,3 1,0 3,1 4,4 4,1 5,0", "b": "0,9 0,0|0,3 2,5 4,3 3,0 0,0", "c": "4,4 2,5 0,3 1,0 4,1",
    "d": "4,4 2,5 0,3 1,0 3,1 4,9 4,1 5,0", "e": "0,3 4,3 3,5 1,5 0,2 2,0 4,1", "f": "4,8 2,9 1,7 1,0|-1,5 3,5",
    "g": "4,4 2,5 0,3 2,1 4,4 4,-2 2,-4 0,-3", "h": "0,9 0,0|0,3 2,5 4,4 4,0", "i": "0,5 0,1 1,0|0,7.5 0.3,7.6",
    "j": "2,5 2,-2 0,-4|2,7.5 2.3,7.6", "k": "0,9 0,0|4,5 0,2 4,0", "l": "0,9 0,1 1,0",
    "m": "0,5 0,0|0,3 2,5 3,4 3,0|3,3 5,5 6,4 6,0", "n": "0,5 0,0|0,3 2,5 4,4 4,0", "o": "2,5 0,3 1,0 3,0 4,3 2,5",
    "p": "0,5 0,-4|0,4 2,5 4,3 3,0 0,1", "q": "4,4 2,5 0,3 1,0 4,2|4,5 4,-4 6,-2", "r": "0,5 0,0|0,3 2,5 4,4",
    "s": "4,4 2,5 0,4 2,2.5 4,1 2,0 0,1", "t": "2,8 2,1 3,0 4,0.5|0,5 4,5", "u": "0,5 0,1 2,0 4,2 4,5|4,5 4,1 5,0",
    "v": "0,5 2,0 4,5", "w": "0,5 1,0 3,4 5,0 6,5", "x": "0,5 4,0|4,5 0,0", "y": "0,5 2,1|4,5 1,-4",
    "z": "0,5 4,5 0,0 4,0", "C": "6,8 3,9 0,6 0,3 3,0 6,1", "H": "0,9 0,0|6,9 6,0|0,4.5 6,4.5",
    "L": "0,9 0,0 5,0", "S": "5,8 3,9 0,7 3,5 5,2.5 3,0 0,1", "T": "0,9 6,9|3,9 3,0", "W": "0,9 2,0 4,7 6,0 8,9",
    "0": "2.5,9 0,5 1,0 4,0 5,5 2.5,9", "1": "0,7 2,9 2,0", "2": "0,7 2,9 4,7 3,4 0,0 5,0",
    "3": "0,8 3,9 4,7 1.5,5 4,3 3,0 0,1", "4": "3,9 0,3 5,3|3.5,6 3.5,0", "5": "5,9 1,9 0,5 3,5.5 5,3 3,0 0,1",
    "6": "4,9 1,6 0,2 2,0 4,2 2,4.5 0,3", "7": "0,9 5,9 2,0", "8": "2.5,5 0,7 2.5,9 5,7 0,2 2.5,0 5,2 2.5,5",
    "9": "4,7 2,9 0,7 2,5 4,7 4,4 2,0", "+": "0,4 6,4|3,7 3,1", "-": "0,4 5,4", "=": "0,5.2 6,5.2|0,3 6,3",
    "(": "2,10 0,6 0,3 2,-1", ")": "0,10 2,6 2,3 0,-1", ".": "0,0 0.4,0.2", ",": "0.5,0.5 0,-1.5",
    ":": "0,4.5 0.3,4.6|0,0.5 0.3,0.6", "<": "5,7 0,4.5 5,2", "\\le": "5,8 0,5.5 5,3|0,1.5 5,0.8",
    "\\int": "6,11 4,13 3,10 3,-1 2,-4 0,-2", "\\sum": "7,10 0,10 4,4.5 0,-1 7,-1",
}  # fmt: skip
_GAP, _WORD_GAP, _SIGN_GAP = 1.8, 4.5, 3.4
_OPERATORS = ("+", "-", "=", "\\le", "<")
Stroke = np.ndarray
Node = str | tuple[str, list["Node"], list["Node"]]
"""A sign, or ("sup" | "sub" | "frac" | "sqrt" | "limits" | "both", first part, second part)."""


@dataclass(slots=True)
class Written:
    """Strokes in units of the page, y downwards."""

    strokes: list[Stroke] = field(default_factory=list)
    width: float = 0.0

    def add(self, other: Written, x: float, y: float, size: float = 1.0) -> None:
        """Put another piece at (x, y), scaled."""
        self.strokes += [stroke * size + (x, y) for stroke in other.strokes]
        self.width = max(self.width, x + other.width * size)

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the strokes."""
        points = np.concatenate(self.strokes)
        return (*map(float, points.min(axis=0)), *map(float, points.max(axis=0)))  # type: ignore[return-value]


class Pen:
    """Writes words and formulas with one hand."""

    def __init__(self, seed: int) -> None:
        """Equal seeds write alike to the point."""
        self._random = random.Random(f"pen {seed}")
        self._slant = self._random.uniform(0.05, 0.2)

    def text(self, text: str) -> Written:
        """A line of prose."""
        line, x = Written(), 0.0
        for char in text:
            if char == " ":
                x += _WORD_GAP
                continue
            sign = self._sign(char)
            line.add(sign, x, self._random.gauss(0, 0.15))
            x += sign.width + _GAP * self._random.uniform(0.7, 1.2)
        return line

    def formula(self, nodes: list[Node]) -> Written:
        """A formula given as signs and nested parts."""
        line, x = Written(), 0.0
        for node in nodes:
            piece = self._sign(node) if isinstance(node, str) else self._part(*node)
            gap = _SIGN_GAP if node in _OPERATORS else _GAP
            is_script = not isinstance(node, str) and node[0] in ("sup", "sub", "both")
            x += 0.3 if is_script else gap
            line.add(piece, x, self._random.gauss(0, 0.12))
            x += piece.width + (gap - _GAP)
        return line

    def _part(self, kind: str, first: list[Node], second: list[Node]) -> Written:
        one, two = self.formula(first), self.formula(second)
        out = Written()
        if kind in ("sup", "both"):
            out.add(one, 0, -5.5, 0.62)
        if kind == "sub":
            out.add(one, 0, 2.2, 0.62)
        if kind == "both":
            out.add(two, 0, 2.2, 0.62)
        if kind == "frac":
            width = max(one.width, two.width) + 2
            out.add(one, (width - one.width) / 2, -7)
            out.add(two, (width - two.width) / 2, 6.5)
            out.add(Written([self._stroke([(0, 4.2), (width, 4.2)])], width), 0, 0)
        if kind == "sqrt":
            out.add(one, 4, 0)
            _, top, right, _ = one.bounds()
            sign = [(0, 3), (1.2, 4), (2.6, -1), (3.4, -top + 1.5), (right + 5, -top + 1.7)]
            out.add(Written([self._stroke(sign, is_smooth=False)], right + 5), 0, 0)
        if kind == "limits":
            big = self._sign("\\sum")
            out.add(big, 2, 0)
            out.add(one, 2 + (big.width - one.width * 0.6) / 2, 8.5, 0.6)
            out.add(two, 2 + (big.width - two.width * 0.6) / 2, -12.5, 0.6)
        return out

    def _sign(self, name: str) -> Written:
        strokes = []
        for text in SIGNS[name].split("|"):
            points = [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]
            strokes.append(self._stroke(points))
        right = max(float(stroke[:, 0].max()) for stroke in strokes)
        return Written(strokes, max(0.6, right))

    def _stroke(self, points: list[tuple[float, float]], is_smooth: bool = True) -> Stroke:
        """Points with a tremble, joined by a smooth curve (Catmull–Rom), slanted; y downwards."""
        rough = np.array([(x + self._random.gauss(0, 0.16), y + self._random.gauss(0, 0.16)) for x, y in points])
        if is_smooth and len(rough) > 2:
            padded = np.vstack([2 * rough[0] - rough[1], rough, 2 * rough[-1] - rough[-2]])
            t = np.linspace(0, 1, 8, endpoint=False)[:, None]
            pieces = []
            for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
                pieces.append(
                    0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
                )
            rough = np.vstack([*pieces, rough[-1:]])
        return np.column_stack([rough[:, 0] + self._slant * rough[:, 1], -rough[:, 1]])


def draw(sheet: np.ndarray, written: Written, x: float, y: float, scale: float, pen_px: float) -> None:
    """Draw strokes on a grey sheet (height, width) with their base line at (x, y) pixels, `scale` pixels a unit."""
    for stroke in written.strokes:
        points = np.round((stroke * scale + (x, y)) * 16).astype(np.int32)
        cv2.polylines(sheet, [points], isClosed=False, color=45, thickness=round(pen_px), lineType=cv2.LINE_AA, shift=4)
