"""Training pages for the detector of scanned pages: pictures at its working scale with a label for every cell.

A typeset page is scanned (page_scans.py), cleaned by the product's own clean-up and brought to the product's working
scale, and the truth is moved along, so that the network sees what it will see in use, with all their faults.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import pymupdf

from docproc.cleanup import prepare_scan
from docproc.dewarp import Curve
from docproc.records import Box, Page, PageKind
from docproc.scan_detector import CELL_PIXELS, CLASSES, to_working_scale
from docproc.scan_handwriting import read_written_ink
from docproc.scan_ink import read_ink
from finetune.pretrain.page_formulas import SourceFormula
from finetune.pretrain.page_scans import ScannedPage, render_grey, scan_page
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.pages import TruePage, make_document
from finetune.pretrain.written_pages import InkStock, write_page

_Bytes = npt.NDArray[np.uint8]

# A label is a byte: the class of the cell in its two lowest bits, and these.
CORE, IGNORED, GAP = 4, 8, 16
# Cells around a formula in which a second one makes the background between them a gap, which must not be missed.
_GAP_CELLS = 3
# Share of documents without any formula; shares of pages seen clean, at a drawn resolution, beside those scanned.
_WITHOUT_FORMULAS, _CLEAN = 0.15, 0.25
_WITHOUT_FORMULAS_BY_HAND = 0.08
_CLEAN_DPI = (110, 150, 200, 300)
_SCAN_DPI = (150, 200, 200, 240, 300)
_SCANS_A_PAGE = 2


@dataclass(frozen=True, slots=True)
class DetectorPage:
    """One page to train or measure on."""

    image: _Bytes = field(repr=False, compare=False)
    """Grey, shape (height, width), 255 = paper, at the working scale."""
    labels: _Bytes = field(repr=False, compare=False)
    """Shape (rows, columns) of cells."""


def make_detector_pages(formulas: Sequence[SourceFormula], seed: int, *, split: str = "dev") -> Iterator[DetectorPage]:
    """Typeset one document and look at each of its pages a few times.

    Args:
        formulas: Those of the split.
        seed: Everything follows from it.
        split: `dev` for training.

    Yields:
        Pages; none if TeX failed on the document.
    """
    rng = random.Random(f"detector {seed}")
    has_formulas = rng.random() >= _WITHOUT_FORMULAS
    for page in make_document(formulas, seed, split=split, has_formulas=has_formulas, pages=rng.choice((3, 5, 8))):
        for look in range(_SCANS_A_PAGE):
            if rng.random() < _CLEAN:
                scan = _clean_page(page, rng.choice(_CLEAN_DPI))
            else:
                scan = scan_page(page, seed * _SCANS_A_PAGE + look, dpi=rng.choice(_SCAN_DPI))
            yield label_page(scan)


class PageSource(Protocol):
    """Where pages come from."""

    def pages(self, seed: int) -> Iterator[DetectorPage]:
        """Pages that follow from a seed."""
        ...


@dataclass(frozen=True)
class TypesetPages:
    """Pages of documents set with TeX."""

    formulas: Sequence[SourceFormula]
    split: str = "dev"

    def pages(self, seed: int) -> Iterator[DetectorPage]:
        """Pages of one document."""
        return make_detector_pages(self.formulas, seed, split=self.split)


@dataclass(frozen=True)
class WrittenPages:
    """Pages written by hand."""

    stock: InkStock

    def pages(self, seed: int) -> Iterator[DetectorPage]:
        """One page."""
        has_formulas = random.Random(f"has formulas {seed}").random() >= _WITHOUT_FORMULAS_BY_HAND
        yield label_page(write_page(self.stock, seed, has_formulas=has_formulas), by_hand=True)


def label_page(scan: ScannedPage, *, by_hand: bool = False) -> DetectorPage:
    """Clean a scan, bring it to the working scale and label its cells; as the product does by its kind of writing."""
    height, width = scan.image.shape
    zoom = scan.dpi / 72
    page = Page("page", 1, width / zoom, height / zoom, rotation=0, kind=PageKind.SCAN, dpi=scan.dpi, image=scan.image)
    clean, transform = prepare_scan(page)
    ink = read_written_ink(clean.image) if by_hand else read_ink(clean.image)
    small, scale = to_working_scale(clean.image, ink.x_height, by_hand=by_hand)
    cells_a_point = zoom * scale / CELL_PIXELS
    forward = cv2.invertAffineTransform(np.array(transform.matrix)) * cells_a_point
    bend = transform.bend and transform.bend.scaled(cells_a_point)
    shape = -(-small.shape[0] // CELL_PIXELS), -(-small.shape[1] // CELL_PIXELS)
    return DetectorPage(small, paint_labels(scan.regions, forward, shape, bend))


def paint_labels(
    regions: Sequence[TrueRegion],
    forward: npt.NDArray[np.float64],
    shape: tuple[int, int],
    bend: Curve | None = None,
) -> _Bytes:
    """Label the cells of a page.

    Args:
        regions: True regions, in points of the scan.
        forward: Affine matrix (2, 3) from points of the scan to cells.
        shape: Rows and columns of cells.
        bend: Curve that the clean-up took out after the matrix, in cells.

    Returns:
        One byte a cell: index in CLASSES, with the bits CORE, IGNORED and GAP.
    """
    labels, near = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for region in sorted(regions, key=lambda region: region.kind):  # inline last: it is the finer one
        box = Box.around(moved_box(part, forward, bend) for part in region.ink)
        y, x = _cells(box, shape)
        near[
            max(0, y.start - _GAP_CELLS) : y.stop + _GAP_CELLS, max(0, x.start - _GAP_CELLS) : x.stop + _GAP_CELLS
        ] += 1
        labels[y, x] = CLASSES.index(region.kind) | (IGNORED if region.is_ignored else 0)
        labels[_inner(y, 4), _inner(x, 3)] |= CORE
        for other in region.also:  # a closing comma belongs to the formula or to the sentence: nobody can tell
            inside = moved_box(other, forward, bend)
            if inside.x1 < box.x1 - 0.5:
                labels[y, _cells(Box(inside.x1, box.y0, box.x1, box.y1), shape)[1]] |= IGNORED
    for region in regions:
        for _, number in region.equation_numbers:
            y, x = _cells(moved_box(number, forward, bend), shape)
            labels[y, x] = CLASSES.index("number")
    labels[(near > 1) & (labels == 0)] |= GAP
    return labels


def _clean_page(page: TruePage, dpi: float) -> ScannedPage:
    with pymupdf.open("pdf", page.pdf) as document:
        image = render_grey(document[page.number - 1], dpi)
    return ScannedPage(image, dpi, page.regions, 0.0, (), page.recipe)


def moved_box(box: Box, matrix: npt.NDArray[np.float64], bend: Curve | None) -> Box:
    """The box with its middle where the matrix takes it and its sides scaled, not grown by a slight turn."""
    x, y = matrix @ np.array([*box.center, 1.0])
    y -= bend.at(x) if bend is not None else 0.0
    factor = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    half_width, half_height = box.width * factor / 2, box.height * factor / 2
    return Box(float(x) - half_width, float(y) - half_height, float(x) + half_width, float(y) + half_height)


def _cells(box: Box, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the cells whose middle lies in a box; at least one each way, within the page."""

    def span(low: float, high: float, length: int) -> slice:
        first = min(max(0, round(low)), length - 1)
        return slice(first, max(first + 1, min(length, round(high))))

    return span(box.y0, box.y1, shape[0]), span(box.x0, box.x1, shape[1])


def _inner(cells: slice, least: int) -> slice:
    """Without the first and last cell, if there are at least so many."""
    return slice(cells.start + 1, cells.stop - 1) if cells.stop - cells.start >= least else cells
