"""Make a typeset page look scanned, and move its truth along.

Geometry first (skew, a slight keystone, the curve at a book's spine) as one mapping of points, used for the picture and
for every glyph box; then ink, paper, light, noise and compression, which move nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pymupdf

from docproc.records import Box
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.pages import TruePage

_Grey = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float32]
_RESOLUTIONS_DPI = (200, 200, 240, 300)
_MAX_SKEW_DEGREES = 2.0


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """A page as a scanner would give it."""

    image: _Grey = field(repr=False, compare=False)
    """Shape (height, width), 0 = ink."""
    dpi: float
    regions: tuple[TrueRegion, ...]
    """Boxes in points: pixels * 72 / dpi. A glyph's box is that of its turned outline box: up to 0.4 pt wide of the
    ink at 2 degrees."""
    skew_degrees: float
    """Clockwise."""
    defects: tuple[str, ...]
    """What was done to it, for tables of results."""
    recipe: str
    x_height: float = 0.0
    """Of a page written by hand, in pixels of the flat sheet; 0 for print."""


@dataclass(frozen=True, slots=True)
class _Geometry:
    """Point of the flat page (pixels) -> point of the scan: a curve in y, then a homography."""

    matrix: npt.NDArray[np.float64]
    curve_height: float
    curve_width: float

    def curve(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self.curve_height * np.exp(-x / self.curve_width)

    def forward(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Map points of shape (n, 2)."""
        moved = np.column_stack([points[:, 0], points[:, 1] + self.curve(points[:, 0]), np.ones(len(points))])
        mapped = moved @ self.matrix.T
        return np.asarray(mapped[:, :2] / mapped[:, 2:])

    def warp(self, image: _Grey) -> _Grey:
        height, width = image.shape
        if not self.curve_height:  # six times faster
            middle = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
            matrix = np.linalg.inv(middle) @ self.matrix @ middle
            return np.asarray(
                cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=255),
                dtype=np.uint8,
            )
        inverse = np.linalg.inv(self.matrix)
        # The middle of pixel (0, 0) is the point (0.5, 0.5).
        across, down = (np.arange(length, dtype=np.float32) + 0.5 for length in (width, height))
        columns, rows = np.meshgrid(across, down)
        scale = inverse[2, 0] * columns + inverse[2, 1] * rows + inverse[2, 2]
        x = (inverse[0, 0] * columns + inverse[0, 1] * rows + inverse[0, 2]) / scale
        y = (inverse[1, 0] * columns + inverse[1, 1] * rows + inverse[1, 2]) / scale
        y -= self.curve(x)
        return np.asarray(
            cv2.remap(
                image,
                (x - 0.5).astype(np.float32),
                (y - 0.5).astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=255,
            ),
            dtype=np.uint8,
        )


def scan_page(page: TruePage, seed: int, *, dpi: float | None = None, has_curve: bool | None = None) -> ScannedPage:
    """Render a page and degrade it.

    Args:
        page: Typeset page with its truth.
        seed: Equal seeds give equal scans of a page.
        dpi: Resolution; drawn from 200–300 if None.
        has_curve: Whether lines bend towards the spine of a book; one page in ten if None.

    Returns:
        The grey picture and the regions where they are now.
    """
    rng = random.Random(f"scan {seed} {page.seed} {page.number}")
    resolution = dpi or rng.choice(_RESOLUTIONS_DPI)
    with pymupdf.open("pdf", page.pdf) as document:
        flat = render_grey(document[page.number - 1], resolution)
        other = document[page.number % len(document)]
        behind = render_grey(other, resolution)[:, ::-1] if rng.random() < 0.25 else None
    sheet = ScannedPage(flat, resolution, page.regions, 0.0, (), page.recipe)
    return scan_sheet(sheet, rng, behind=behind, has_curve=has_curve)


def scan_sheet(
    sheet: ScannedPage, rng: random.Random, *, behind: _Grey | None = None, has_curve: bool | None = None
) -> ScannedPage:
    """Degrade a flat, clean page.

    Args:
        sheet: The page.
        rng: Source of chance.
        behind: What shines through from the back, of the same shape.
        has_curve: Whether lines bend towards the spine of a book; one page in ten if None.

    Returns:
        The grey picture and the regions where they are now.
    """
    skew = rng.gauss(0, 0.8) if rng.random() < 0.8 else rng.uniform(-_MAX_SKEW_DEGREES, _MAX_SKEW_DEGREES)
    skew = max(-_MAX_SKEW_DEGREES, min(_MAX_SKEW_DEGREES, skew))
    is_curved = rng.random() < 0.1 if has_curve is None else has_curve
    geometry = _draw_geometry(rng, sheet.image.shape, skew, is_curved)
    image, defects = _photometry(rng, geometry.warp(sheet.image), behind, sheet.dpi)
    regions = tuple(_move_region(region, geometry, sheet.dpi) for region in sheet.regions)
    defects += ("curve",) * is_curved
    return ScannedPage(image, sheet.dpi, regions, skew, defects, sheet.recipe, sheet.x_height)


def render_grey(page: pymupdf.Page, dpi: float) -> _Grey:
    """Render a PDF page; shape (height, width), 255 = paper."""
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(dpi / 72, dpi / 72), colorspace=pymupdf.csGRAY, alpha=False)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width).copy()


def _draw_geometry(rng: random.Random, shape: tuple[int, ...], skew: float, is_curved: bool) -> _Geometry:
    height, width = shape
    angle = np.radians(skew)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    center = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1.0]])
    keystone = np.eye(3)
    if rng.random() < 0.2:
        keystone[2, :2] = rng.gauss(0, 0.01) / width, rng.gauss(0, 0.01) / height
    size = rng.uniform(0.97, 1.0)
    shrink = np.diag([size, size, 1.0])
    shift = np.array([[1, 0, rng.gauss(0, 0.005) * width], [0, 1, rng.gauss(0, 0.005) * height], [0, 0, 1]])
    curve_height = rng.choice((-1, 1)) * rng.uniform(0.006, 0.018) * height if is_curved else 0.0
    matrix = center @ shift @ keystone @ shrink @ turn @ np.linalg.inv(center)
    return _Geometry(matrix, curve_height, rng.uniform(0.1, 0.25) * width)


def _move_region(region: TrueRegion, geometry: _Geometry, dpi: float) -> TrueRegion:
    ink = _move_boxes(region.ink, geometry, dpi)

    # A line, a number or another right box is made of glyphs too: take those whose middle lies in it.
    def around(box: Box) -> Box:
        inside = [moved for was, moved in zip(region.ink, ink, strict=True) if box.padded(0.01).holds(was.center)]
        return Box.around(inside) if inside else _move_boxes((box,), geometry, dpi)[0]

    return replace(
        region,
        box=Box.around(ink),
        ink=ink,
        lines=tuple(around(line) for line in region.lines),
        equation_numbers=tuple((text, _move_boxes((box,), geometry, dpi)[0]) for text, box in region.equation_numbers),
        also=tuple(around(box) for box in region.also),
    )


def _move_boxes(boxes: tuple[Box, ...], geometry: _Geometry, dpi: float) -> tuple[Box, ...]:
    scale = dpi / 72
    # Eight points of the outline a box: under a homography and a slow curve these hold its extremes.
    corners = np.array(
        [
            (x, y)
            for b in boxes
            for x, y in (
                (b.x0, b.y0),
                (b.center[0], b.y0),
                (b.x1, b.y0),
                (b.x1, b.center[1]),
                (b.x1, b.y1),
                (b.center[0], b.y1),
                (b.x0, b.y1),
                (b.x0, b.center[1]),
            )
        ],
        dtype=np.float64,
    )
    mapped = geometry.forward(corners * scale).reshape(len(boxes), 8, 2) / scale
    low, high = mapped.min(axis=1), mapped.max(axis=1)
    return tuple(Box(float(a[0]), float(a[1]), float(b[0]), float(b[1])) for a, b in zip(low, high, strict=True))


def _photometry(rng: random.Random, image: _Grey, behind: _Grey | None, dpi: float) -> tuple[_Grey, tuple[str, ...]]:
    """Ink, paper, light, noise, compression; in the order in which they happen to a sheet."""
    noise = np.random.default_rng(rng.getrandbits(32))
    defects = []
    height, width = image.shape

    def happens(name: str, probability: float) -> bool:
        if rng.random() >= probability:
            return False
        defects.append(name)
        return True

    if happens("bold", 0.12):
        image = np.asarray(cv2.erode(image, np.ones((2, 2), np.uint8)), dtype=np.uint8)
    elif happens("thin", 0.1) and dpi >= 240:
        image = np.asarray(cv2.dilate(image, np.ones((2, 2), np.uint8)), dtype=np.uint8)
    sheet: _Floats = image.astype(np.float32)
    if behind is not None and behind.shape == image.shape:
        defects.append("bleed-through")
        ghost = cv2.GaussianBlur(behind, (0, 0), rng.uniform(1.0, 2.5)).astype(np.float32)
        sheet = np.minimum(sheet, 255 - (255 - ghost) * rng.uniform(0.08, 0.22))
    if happens("blur", 0.6):
        sheet = np.asarray(cv2.GaussianBlur(sheet, (0, 0), rng.uniform(0.4, 1.1) * dpi / 240), dtype=np.float32)
    if happens("faint", 0.3):
        sheet = 255 - (255 - sheet) * rng.uniform(0.5, 0.9)
    if happens("paper", 0.5):
        coarse = noise.normal(0, rng.uniform(1, 6), (max(2, height // 60), max(2, width // 60))).astype(np.float32)
        sheet = sheet * rng.uniform(0.82, 1.0) + cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if happens("shadow", 0.3):
        across = np.linspace(0, 1, width, dtype=np.float32)
        edge = across if rng.random() < 0.5 else 1 - across
        sheet = sheet * (1 - rng.uniform(0.2, 0.6) * np.exp(-edge / rng.uniform(0.04, 0.2)))[None, :]
    if happens("noise", 0.6):
        sheet = sheet + noise.normal(0, rng.uniform(2, 14), (height, width)).astype(np.float32)
    result = np.clip(sheet, 0, 255).astype(np.uint8)
    if happens("specks", 0.25):
        _add_specks(result, noise, rng)
    if happens("border", 0.15):
        wide = int(rng.uniform(0.004, 0.02) * width)
        side = rng.choice((np.s_[:, :wide], np.s_[:, -wide:], np.s_[:wide, :], np.s_[-wide:, :]))
        result[side] = rng.randint(0, 60)
    if happens("threshold", 0.22):
        level = int(np.clip(np.percentile(result, 50) * rng.uniform(0.7, 0.85), 60, 225))
        result = np.where(result < level, np.uint8(0), np.uint8(255))
    elif happens("jpeg", 0.5):
        data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(35, 85)])[1]
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return np.ascontiguousarray(result), tuple(defects)


def _add_specks(image: _Grey, noise: np.random.Generator, rng: random.Random) -> None:
    height, width = image.shape
    for _ in range(rng.randint(20, 250)):
        x, y, size = int(noise.integers(width)), int(noise.integers(height)), int(noise.integers(1, 3))
        image[y : y + size, x : x + size] = int(noise.integers(0, 140))
