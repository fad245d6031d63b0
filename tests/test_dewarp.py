"""Curves at the spine are taken out where many lines show them, and nowhere else."""

import dataclasses

import cv2
import numpy as np
import pymupdf
import pytest

from docproc.cleanup import prepare_scan
from docproc.dewarp import Curve, find_curve
from docproc.records import Box, Page
from finetune.pretrain.page_scans import scan_page
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.pages import TruePage
from tests.scan_pages import MORE, PROSE, as_page, degrade

DPI, EM_PT = 200, 11
WIDTH, HEIGHT = 420, 600
MARK = Box(150, 480, 210, 484)
"""A bar on the flat page, far from any text: no finder is needed to see where it goes."""


def book_page(columns: int = 1, left: int = 40) -> TruePage:
    """A page of prose whose lines, 300 pt long, begin `left` pt from its edge, and a bar, which is its only truth."""
    pdf = pymupdf.open()
    page = pdf.new_page(width=WIDTH, height=HEIGHT)
    size = EM_PT if columns == 1 else 7
    for number in range(28):
        for column in range(columns):
            text = (PROSE + MORE)[(number + 3 * column) % 8]
            page.insert_text((left + 200 * column, 50 + 14 * number), text, fontsize=size, fontname="tiro")
    page.draw_rect(pymupdf.Rect(MARK.x0, MARK.y0, MARK.x1, MARK.y1), fill=(0, 0, 0), width=0)
    bar = TrueRegion("display", MARK, "bar", (MARK,))
    return TruePage(pdf.tobytes(), 1, WIDTH, HEIGHT, (bar,), "drawn", 5)


def bend(image: np.ndarray, height_pt: float, width_pt: float, side: str = "left") -> np.ndarray:
    """Lower (or raise) ink towards a spine by height * exp(-distance / width)."""
    zoom = DPI / 72
    rows, columns = np.indices(image.shape, dtype=np.float32)
    distance = columns if side == "left" else image.shape[1] - columns
    drop = height_pt * zoom * np.exp(-distance / (width_pt * zoom))
    return cv2.remap(image, columns, (rows - drop).astype(np.float32), cv2.INTER_LINEAR, borderValue=255)


def flat_picture(page: TruePage) -> np.ndarray:
    with pymupdf.open("pdf", page.pdf) as document:
        pixmap = document[0].get_pixmap(dpi=DPI, colorspace=pymupdf.csGRAY)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width).copy()


def bend_left_em(image: np.ndarray) -> float:
    """Range, in em, by which text lines leave the level, from their rows of ink.

    Strips of 40 pt are moved along their neighbor until their rows of ink agree best.
    """
    zoom = DPI / 72
    strip = int(40 * zoom)
    ink = (image < 128).astype(np.float64)[: int(450 * zoom)]
    profiles = [ink[:, x : x + strip].sum(axis=1) for x in range(int(40 * zoom), int(290 * zoom), strip)]
    reference = profiles[-1]
    shifts = []
    for profile in profiles:
        # A line's distance is 14 pt: within half of it there is one best shift.
        scores = {s: float((np.roll(profile, -s) * reference).sum()) for s in range(-int(6.5 * zoom), int(6.5 * zoom))}
        shifts.append(max(scores, key=scores.__getitem__))
    return float(np.ptp(shifts)) / zoom / EM_PT


def bar_of(image: np.ndarray) -> Box:
    """Where the bar is, in points."""
    stats = cv2.connectedComponentsWithStats((image < 128).astype(np.uint8))[2][1:]
    x, y, width, height, _ = stats[np.argmax(stats[:, cv2.CC_STAT_WIDTH])] * 72 / DPI
    return Box(float(x), float(y), float(x + width), float(y + height))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("height", "width"), [(15, 60), (-16, 60), (16, 70)])
def test_curves_go_and_boxes_find_back(height: float, width: float, side: str) -> None:
    curved = bend(flat_picture(book_page(left=40 if side == "left" else 85)), height, width, side)
    clean, transform = prepare_scan(as_page(curved))
    assert transform.bend is not None
    toward_spine = slice(None, None, 1 if side == "left" else -1)
    assert bend_left_em(curved[:, toward_spine]) > 0.4
    assert bend_left_em(clean.image[:, toward_spine]) < 0.15
    found, true = transform.to_original(bar_of(clean.image)), bar_of(curved)
    assert np.allclose(dataclasses.astuple(found), dataclasses.astuple(true), atol=1.0)


@pytest.mark.parametrize("seed", range(6))
def test_scans_with_a_curve_are_straighter_or_left(seed: int) -> None:
    """With skew, keystone, noise: a box comes back to its truth whether the curve was worth taking out or not."""
    scan = scan_page(book_page(), seed, dpi=DPI, has_curve=True)
    page = as_page(scan.image, scan.dpi)
    clean, transform = prepare_scan(page)
    found, true = transform.to_original(bar_of(clean.image)), scan.regions[0].box
    # The box around a bar of 60 pt that is turned by 2 degrees is taller by 2 pt on either way.
    turned = 60 * abs(np.sin(np.radians(scan.skew_degrees))) + 1.0
    assert abs(found.center[0] - true.center[0]) < 1
    assert abs(found.center[1] - true.center[1]) < 1
    assert abs(found.height - true.height) < turned


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_scans_without_a_curve_are_not_bent(seed: int, columns: int) -> None:
    scan = scan_page(book_page(columns), seed, dpi=DPI, has_curve=False)
    _, transform = prepare_scan(as_page(scan.image, scan.dpi))
    assert transform.bend is None


_RNG = np.random.default_rng(1)


def _plot() -> np.ndarray:
    image = np.full((1600, 1200), 255, np.uint8)
    x = np.arange(100, 1100)
    for number in range(12):
        y = 200 + 100 * number + 60 * np.exp(-x / 200)
        cv2.polylines(image, [np.column_stack([x, y]).astype(np.int32)], False, 0, 2)
    return image


def _waves() -> np.ndarray:
    """Dashes along curves, each with its own: as a hand writes."""
    image = np.full((1600, 1200), 255, np.uint8)
    noise = np.random.default_rng(4)
    for number in range(20):
        height, phase = noise.uniform(-14, 14), noise.uniform(0, 6)
        for x in range(80, 1100, 16):
            y = 100 + 70 * number + height * np.sin(x / 200 + phase) + noise.normal(0, 1.5)
            cv2.ellipse(image, (x, int(y)), (5, 9), 0, 0, 360, 0, 2)
    return image


@pytest.mark.parametrize(
    "image",
    [_plot(), _waves(), _RNG.integers(0, 256, (900, 700), np.uint8), np.full((40, 30), 255, np.uint8)],
    ids=["plot", "hand", "noise", "blank"],
)
def test_what_is_no_text_is_left(image: np.ndarray) -> None:
    assert find_curve(image) is None
    assert prepare_scan(as_page(image))[1].bend is None


def test_straight_page_is_the_same_object() -> None:
    page: Page = as_page(flat_picture(book_page()))
    assert prepare_scan(page)[0] is page


def test_few_bent_lines_are_not_enough() -> None:
    image = bend(flat_picture(book_page()), 12, 60)
    image[int(100 * DPI / 72) :] = 255
    assert find_curve(image) is None


def test_no_ink_is_lost() -> None:
    image = np.full((50, 80), 255, np.uint8)
    image[0], image[-1] = 0, 0
    straight = Curve((10.0, 70.0), (-6.0, 0.0)).straighten(image)
    assert straight.shape == (56, 80)
    assert ((straight < 128).sum(axis=0) >= 2).all()


def test_skewed_and_bent_page_is_set_straight() -> None:
    curved = degrade(bend(flat_picture(book_page()), 12, 60), 1.5)
    clean, transform = prepare_scan(as_page(curved))
    assert transform.bend is not None
    assert (np.count_nonzero(clean.image < 110, axis=1)[: int(430 * DPI / 72)] == 0).mean() > 0.15
