"""Cut formulas out of typeset pages as a detector would, with the places of their glyphs."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from finetune.pretrain.batches import CELL

Grey = NDArray[np.uint8]
Glyph = tuple[int, float, float, float, float]
"""Code point and box (left, top, right, bottom) in pixels."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A picture of a formula: 255 = paper."""

    grey: Grey = field(repr=False)
    glyphs: list[Glyph] = field(default_factory=list, repr=False)


def read_glyphs(page: Any, scale: float) -> list[Glyph]:
    """Glyphs of a PDF page (PyMuPDF) with their boxes in pixels at `scale` pixels a point."""
    import pymupdf

    width, height = page.rect.width, page.rect.height
    found = []
    for block in page.get_text("rawdict", flags=pymupdf.TEXT_ACCURATE_BBOXES)["blocks"]:
        for char in (c for line in block.get("lines", ()) for span in line["spans"] for c in span["chars"]):
            left, top, right, bottom = char["bbox"]
            # Neighbors may lie off the page.
            if right > left >= 0 and right <= width and top >= 0 and bottom <= height and not char["c"].isspace():
                found.append((ord(char["c"]), left * scale, top * scale, right * scale, bottom * scale))
    return found


def cut_formula(
    page: Any, scale: float, in_context: bool, margins: tuple[float, float, float, float], want_glyphs: bool
) -> Crop | None:
    """Render a page of `typeset.Sheet` and cut the formula out.

    Args:
        page: A PyMuPDF page; neighbours in red.
        scale: Pixels a point.
        in_context: The page has neighbours (rendered in color to tell them apart).
        margins: Paper left, above, right and below of the formula's ink, in pixels; negative cuts into it.
        want_glyphs: Read the glyphs as well.

    Returns:
        The crop, or None where there is no ink.
    """
    import pymupdf

    matrix = pymupdf.Matrix(scale, scale)
    if in_context:  # red, green, blue: red text is white in the red channel
        pixels = _pixels(page.get_pixmap(matrix=matrix, colorspace=pymupdf.csRGB, alpha=False))
        grey, alone = np.ascontiguousarray(pixels[:, :, 1]), pixels[:, :, 0]
    else:
        grey = alone = _pixels(page.get_pixmap(matrix=matrix, colorspace=pymupdf.csGRAY, alpha=False))[:, :, 0]
    dark = alone < 160
    columns, rows = np.flatnonzero(dark.any(0)), np.flatnonzero(dark.any(1))
    if not len(columns):
        return None
    left, top, right, bottom = (round(m) for m in margins)
    x0, x1 = columns[0] - left, columns[-1] + 1 + right
    y0, y1 = rows[0] - top, rows[-1] + 1 + bottom
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    glyphs = read_glyphs(page, scale) if want_glyphs else []
    h, w = grey.shape
    pad = max(0, -x0, -y0, x1 - w, y1 - h)
    if pad:
        grey = cv2.copyMakeBorder(grey, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=255)
    grey = np.ascontiguousarray(grey[y0 + pad : y1 + pad, x0 + pad : x1 + pad])
    return Crop(grey, [(u, a - x0, b - y0, c - x0, d - y0) for u, a, b, c, d in glyphs])


def _pixels(pixmap: Any) -> Grey:
    """Shape (height, width, channels)."""
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, pixmap.n)


def draw_margins(rng: random.Random, em: float, height: float) -> tuple[float, float, float, float]:
    """Margins as detectors leave them: mostly tight, sometimes up to 15 % of the height, rarely cutting a pixel off.

    Args:
        rng: Source of randomness.
        em: Letter size in pixels.
        height: Height of the formula in pixels.
    """
    kind = rng.random()
    if kind < 0.4:  # the product's own: about 2 pt at 10 pt letters
        return tuple(max(0.0, rng.gauss(0.2 * em, 0.06 * em)) for _ in range(4))  # type: ignore[return-value]
    if kind < 0.7:
        return tuple(rng.uniform(0, 8) for _ in range(4))  # type: ignore[return-value]
    if kind < 0.95:
        return tuple(rng.uniform(0, 0.15) * max(height, em) for _ in range(4))  # type: ignore[return-value]
    return tuple(rng.uniform(-1.4, 4) for _ in range(4))  # type: ignore[return-value]


def to_canvas(crop: Crop, rng: random.Random | None, most_cells: int) -> Crop:
    """Put a crop on a canvas of whole cells, filled with its paper; shrink it if it is too large.

    Args:
        crop: Any size.
        rng: Draws the place; None centers it.
        most_cells: Limit of visual tokens.
    """
    grey, scale = crop.grey, 1.0
    h, w = grey.shape
    if math.ceil(h / CELL) * math.ceil(w / CELL) > most_cells:
        scale = math.sqrt(most_cells * CELL * CELL / (h * w)) * 0.96
        while math.ceil(h * scale / CELL) * math.ceil(w * scale / CELL) > most_cells:
            scale *= 0.97
        w, h = max(4, int(w * scale)), max(4, int(h * scale))
        grey = cv2.resize(grey, (w, h), interpolation=cv2.INTER_AREA)
    extra = rng.randrange(CELL // 2) if rng and rng.random() < 0.3 else 0
    height, width = (max(1, math.ceil((n + extra) / CELL)) * CELL for n in (h, w))
    if math.ceil(height / CELL) * math.ceil(width / CELL) > most_cells:
        height, width = (max(1, math.ceil(n / CELL)) * CELL for n in (h, w))
    y, x = (
        ((height - h) // 2, (width - w) // 2)
        if rng is None
        else (rng.randint(0, height - h), rng.randint(0, width - w))
    )
    paper = 255 if rng is None or rng.random() < 0.5 else int(np.percentile(grey, 80))
    canvas = np.full((height, width), paper, np.uint8)
    canvas[y : y + h, x : x + w] = grey
    moved = [(u, a * scale + x, b * scale + y, c * scale + x, d * scale + y) for u, a, b, c, d in crop.glyphs]
    return Crop(canvas, moved)


def glyph_cells(crop: Crop, classes: dict[int, int]) -> list[tuple[int, int]]:
    """(cell, glyph class) of each known glyph whose center lies on the canvas."""
    h, w = crop.grey.shape[0] // CELL, crop.grey.shape[1] // CELL
    found = []
    for code, left, top, right, bottom in crop.glyphs:
        kind = classes.get(code)
        row, column = int((top + bottom) // (2 * CELL)), int((left + right) // (2 * CELL))
        if kind is not None and 0 <= row < h and 0 <= column < w:
            found.append((row * w + column, kind))
    return found
