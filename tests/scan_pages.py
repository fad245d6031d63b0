"""Pages drawn for the tests of scans: prose in Times, symbols in italics, degraded like a scan."""

import cv2
import numpy as np
import pymupdf

from docproc.records import Box, Page, PageKind
from docproc.scan_detector import CELL_PIXELS, CLASSES, FormulaMaps, to_working_scale
from docproc.scan_handwriting import read_written_ink
from docproc.scan_ink import read_ink
from finetune.pretrain.detector_pages import CORE, paint_labels
from finetune.pretrain.page_truth import TrueRegion

PROSE = [
    "The length of a wave that moves along a string depends on the",
    "force that holds the string, and on its weight. Between the two",
    "ends of the string every point moves up and down in time, while",
    "the wave itself moves from one end to the other without taking",
]
MORE = [
    "Two waves that meet on the string pass through each other and",
    "leave the place of their meeting unchanged, as if the other had",
    "not been there. This is seen best when both begin as single",
    "bumps of the same height, one on either end of the string.",
]


def draw_page(dpi: int = 200) -> tuple[np.ndarray, Box, Box]:
    """Draw prose with one inline formula (c) and one numbered display (E = m + 2 p).

    Returns:
        The grey picture, and the boxes of display and inline formula in points.
    """
    pdf = pymupdf.open()
    page = pdf.new_page(width=420, height=420)
    y = 60
    for line in PROSE:
        page.insert_text((60, y), line, fontsize=11, fontname="tiro")
        y += 14
    x = 60 + pymupdf.get_text_length("the string. Its speed is ", "tiro", 11)
    page.insert_text((60, y), "the string. Its speed is ", fontsize=11, fontname="tiro")
    page.insert_text((x, y), "v = w + 3", fontsize=11, fontname="tiit")
    x1 = x + pymupdf.get_text_length("v = w + 3", "tiit", 11)
    page.insert_text((x1 + 3, y), "at all times in this case:", fontsize=11, fontname="tiro")
    inline = Box(x, y - 7.5, x1, y)
    y += 30
    page.insert_text((160, y), "E = m + 2 p < k", fontsize=11, fontname="tiit")
    display = Box(160, y - 7.5, 160 + pymupdf.get_text_length("E = m + 2 p < k", "tiit", 11), y + 2.2)
    page.insert_text((330, y), "(3.2)", fontsize=11, fontname="tiro")
    y += 30
    for line in MORE:
        page.insert_text((60, y), line, fontsize=11, fontname="tiro")
        y += 14
    pixmap = page.get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
    image = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width).copy()
    return image, display, inline


def as_page(image: np.ndarray, dpi: float = 200) -> Page:
    """The picture as a page."""
    height, width = image.shape
    return Page("a.pdf", 1, width * 72 / dpi, height * 72 / dpi, 0, PageKind.SCAN, dpi, image)


def degrade(image: np.ndarray, angle: float = 0.0, seed: int = 0) -> np.ndarray:
    """Turn clockwise by `angle` degrees, gray the paper, shade one side, add noise."""
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1.0)
    turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=255)
    grey = turned.astype(np.float32) * 0.8 + 30
    grey *= np.linspace(0.75, 1.0, width, dtype=np.float32)[None]
    grey += np.random.default_rng(seed).normal(0, 6, grey.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def true_maps(page: Page, regions: list[TrueRegion], *, by_hand: bool = False) -> FormulaMaps:
    """What a network without faults would say of a page."""
    ink = read_written_ink(page.image) if by_hand else read_ink(page.image)
    small, scale = to_working_scale(page.image, ink.x_height, by_hand=by_hand)
    zoom = page.dpi / 72 * scale / CELL_PIXELS
    shape = -(-small.shape[0] // CELL_PIXELS), -(-small.shape[1] // CELL_PIXELS)
    labels = paint_labels(regions, np.array([[zoom, 0, 0], [0, zoom, 0]]), shape)
    kinds = [(labels & 3 == kind).astype(np.float32) for kind in range(len(CLASSES))]
    return FormulaMaps(kinds[1], kinds[2], kinds[3], (labels & CORE > 0).astype(np.float32), scale / CELL_PIXELS)
