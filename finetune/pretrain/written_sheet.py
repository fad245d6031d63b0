"""The sheet that a written page is drawn on: paper, pen, and where every stroke lies."""

from __future__ import annotations

import random
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from docproc.records import Box
from finetune.pretrain.ink import Stroke, distort
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.written_pieces import Piece

_Grey = npt.NDArray[np.uint8]
_INCH_MM = 25.4
# Sheets in mm: A4, letter, A4 across, A5, a strip of a page.
_SHEETS = ((210, 297), (210, 297), (216, 279), (297, 210), (148, 210), (190, 140))


@dataclass(slots=True)
class _Lines:
    """How the lines of the page run."""

    slope: float
    """Rise, in radians."""
    wave: float
    """In x-heights."""

    def bend(self, stroke: Stroke, baseline: float) -> Stroke:
        x, y = stroke[:, 0], stroke[:, 1]
        run = y - self.slope * x + self.wave * np.sin(x * 0.09 + 0.7 * baseline)
        return np.stack([x, run], axis=-1).astype(np.float32)


class Sheet:
    """Grey paper that pieces are written on; lengths in x-heights, regions in points."""

    def __init__(self, rng: random.Random) -> None:
        """Choose paper, resolution, size of the writing and pen."""
        self._rng = rng
        width_mm, height_mm = rng.choice(_SHEETS)
        self.dpi = float(rng.choice((110, 150, 200, 200, 240)))
        self.unit = rng.uniform(1.7, 3.6) * self.dpi / _INCH_MM
        """Pixels of an x-height."""
        self.width, self.height = (mm * self.dpi / _INCH_MM / self.unit for mm in (width_mm, height_mm))
        shape = round(self.height * self.unit), round(self.width * self.unit)
        self.image: _Grey = np.full(shape, 255, np.uint8)
        self.pen = max(1, round(self.unit * rng.choice((0.09, 0.12, 0.15, 0.18, 0.24))))
        self._shade = rng.choice((0, 0, 20, 50, rng.randint(60, 120)))
        self._is_pencil = rng.random() < 0.15
        self._lines = _Lines(rng.gauss(0, 0.006), rng.uniform(0, 0.12))
        self._distorts = rng.random() < 0.6
        self.regions: list[TrueRegion] = []

    def rule(self, pitch: float, margin: float) -> tuple[float, float] | None:
        """Print the lines of ruled, squared or dotted paper.

        Args:
            pitch: From line to line.
            margin: Where the line at the margin stands.

        Returns:
            Place of a line to write on and distance of the lines, if the paper has any.
        """
        r, step = self._rng, pitch * self.unit
        kind = r.choice(("plain", "plain", "plain", "ruled", "ruled", "squared", "dotted"))
        paper = np.full_like(self.image, 255)
        shade, wide = r.randint(170, 238), r.choice((1, 1, 2))
        if kind in ("squared", "dotted"):
            step = r.choice((4.0, 5.0, 5.0, 6.0)) * self.dpi / _INCH_MM
        first = r.uniform(0, step)
        rows = np.arange(first, paper.shape[0], step).astype(int)
        columns = np.arange(r.uniform(0, step), paper.shape[1], step).astype(int)
        if kind in ("ruled", "squared"):
            for y in rows:
                paper[y : y + wide] = shade
        if kind == "squared":
            for x in columns:
                paper[:, x : x + wide] = shade
        elif kind == "dotted":
            paper[np.ix_(rows, columns)] = shade
        elif kind == "ruled" and r.random() < 0.5:
            x = round(margin * self.unit)
            paper[:, x : x + wide] = min(235, shade + 10)
        self.image = np.minimum(self.image, paper)
        return (first / self.unit, pitch) if kind == "ruled" else None

    def write(self, piece: Piece, x: float, y: float, kind: str | None, *, is_ignored: bool = False) -> list[Box]:
        """Write a piece with its baseline's left end at (x, y).

        Args:
            piece: What to write.
            x: From the left edge.
            y: From the top edge.
            kind: `inline` or `display` makes a region of it; None makes none.
            is_ignored: The region counts neither found nor missed.

        Returns:
            Boxes of the strokes in points.
        """
        boxes = self.draw([s + np.array([x, y], np.float32) for s in piece.strokes], y)
        if kind is not None and boxes:
            ignored = is_ignored or piece.is_undecidable
            self.regions.append(TrueRegion(kind, Box.around(boxes), piece.latex, tuple(boxes), is_ignored=ignored))
        return boxes

    def draw(self, strokes: list[Stroke], baseline: float | None) -> list[Box]:
        """Draw strokes given in x-heights; with a baseline they run and shake as lines of the page do.

        Returns:
            Boxes of the strokes in points.
        """
        if baseline is not None:
            strokes = [self._lines.bend(s, baseline) for s in strokes]
            if self._distorts:
                strokes = list(distort(strokes, 1.0, self._rng))
        boxes = []
        shade = min(255, max(0, self._shade + self._rng.randint(-8, 8)))
        for s in strokes:
            pixels = s * self.unit
            fixed = np.round(pixels * 16).astype(np.int32)
            half = self.pen / 2
            if len(fixed) == 1 or float(np.ptp(pixels, axis=0).max()) < 1:
                half = max(1.0, 0.7 * self.pen)
                cv2.circle(
                    self.image, (int(fixed[0, 0]), int(fixed[0, 1])), round(half * 16), shade, -1, cv2.LINE_AA, 4
                )
            else:
                cv2.polylines(self.image, [fixed.reshape(-1, 1, 2)], False, shade, self.pen, cv2.LINE_AA, 4)
            low, high = pixels.min(axis=0) - half, pixels.max(axis=0) + half
            edges = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
            boxes.append(Box(*edges).scaled(72 / self.dpi))
        return boxes

    def finish(self) -> _Grey:
        """The picture; a pencil's line is broken by the paper's grain."""
        if self._is_pencil:
            grain = np.random.default_rng(self._rng.getrandbits(32)).normal(0, 45, self.image.shape)
            grain = cv2.GaussianBlur(grain.astype(np.float32), (0, 0), 0.7)
            lighter = self.image.astype(np.float32) + np.maximum(0, grain + 25) * (self.image < 200)
            self.image = np.clip(lighter, 0, 255).astype(np.uint8)
        return self.image
