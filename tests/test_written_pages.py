"""Handwritten pages to train on: boxes lie on the ink, whole writers stay apart, words and formulas share a pen."""

import random
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pymupdf
import pytest

from docproc.records import Box
from docproc.scan_detector import CELL_PIXELS
from docproc.scan_handwriting import read_written_ink
from docproc.scan_ink import binarize, read_ink
from finetune.pretrain import pen_fonts
from finetune.pretrain.detector_pages import CORE, WrittenPages
from finetune.pretrain.ink import Ink
from finetune.pretrain.pen_fonts import load_hands, read_hand, save_hands, thin, trace
from finetune.pretrain.sources import inks_of_split
from finetune.pretrain.written_pages import InkStock, write_page, write_sheet
from finetune.pretrain.written_pieces import in_x_heights
from tests.written_stock import make_stock, strokes_of


@pytest.fixture(scope="module")
def stock() -> InkStock:
    return make_stock()


@pytest.fixture(scope="module")
def sheets(stock: InkStock) -> list[tuple[np.ndarray, tuple]]:
    pages = [write_sheet(stock, seed) for seed in range(12)]
    return [(page.image, [region.box.scaled(page.dpi / 72) for region in page.regions]) for page in pages]


def test_pages_follow_from_the_seed(stock: InkStock) -> None:
    one, two, other = (write_page(stock, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.image, two.image) and one.regions == two.regions
    assert one.regions != other.regions


def test_pages_have_formulas_alone_and_among_words(stock: InkStock) -> None:
    kinds = [region.kind for seed in range(12) for region in write_sheet(stock, seed).regions if not region.is_ignored]
    assert kinds.count("display") > 20 and kinds.count("inline") > 10


def test_pages_without_formulas_have_none(stock: InkStock) -> None:
    pages = [write_sheet(stock, seed, has_formulas=False) for seed in range(6)]
    assert all(region.is_ignored for page in pages for region in page.regions)  # letters of sketches
    assert all((page.image < 128).any() for page in pages)


def test_boxes_hug_the_ink(sheets: list[tuple[np.ndarray, list[Box]]]) -> None:
    for image, boxes in sheets:
        for box in boxes:
            x0, y0 = int(box.x0), int(box.y0)
            part = image[max(0, y0) : int(box.y1) + 1, max(0, x0) : int(box.x1) + 1] < 200
            if not part.size:  # written over the edge of the sheet
                continue
            # The outermost pixels of a formula lie at its box's edges, within the width of the pen's soft border.
            rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
            assert rows.size and columns.size
            assert rows[0] <= 3 and columns[0] <= 3
            assert part.shape[0] - rows[-1] <= 4 and part.shape[1] - columns[-1] <= 4


def test_labels_lie_on_the_ink_of_cleaned_pages(stock: InkStock) -> None:
    inked_cores, inked_paper = [], []
    for page in (page for seed in range(6) for page in WrittenPages(stock).pages(seed)):
        rows, columns = page.labels.shape
        ink = binarize(page.image)[0]
        ink = np.pad(ink, ((0, rows * CELL_PIXELS - ink.shape[0]), (0, columns * CELL_PIXELS - ink.shape[1])))
        inked = ink.reshape(rows, CELL_PIXELS, columns, CELL_PIXELS).max(axis=(1, 3))
        inked_cores += inked[page.labels & CORE > 0].tolist()
        inked_paper += inked[page.labels == 0].tolist()
    assert np.mean(inked_cores) > 0.2
    assert np.mean(inked_paper) < 0.1


def test_writers_are_whole_in_one_split() -> None:
    inks = [Ink("x", [], [], f"collection/writer {number % 300}") for number in range(900)]
    parts = {split: {ink.writer for ink in inks_of_split(inks, split)} for split in ("train", "dev", "test")}
    assert not parts["train"] & parts["dev"] and not parts["train"] & parts["test"] and not parts["dev"] & parts["test"]
    assert len(set.union(*parts.values())) == 300
    assert 20 < len(parts["test"]) < 55 and 10 < len(parts["dev"]) < 40


def test_written_expressions_stand_on_their_baseline_at_the_height_of_an_x() -> None:
    strokes = [
        s * 7 + np.array([30 * index, 90], np.float32) for index, sign in enumerate("xab") for s in strokes_of(sign)
    ]
    placed = in_x_heights(Ink("xab", strokes, [("x", [0, 1]), ("a", [2]), ("b", [3, 4])], "collection/somebody"))
    assert placed is not None
    x = np.concatenate(placed[:2])
    assert abs(float(np.ptp(x[:, 1])) - 1) < 0.15
    assert abs(float(x[:, 1].max())) < 0.05


@pytest.fixture
def font_file(tmp_path: Path) -> Path:
    """Helvetica's stand-in, which MuPDF brings along."""
    path = tmp_path / "helvetica.cff"
    path.write_bytes(pymupdf.Font("helv").buffer)
    return path


def test_letters_of_a_font_become_strokes_of_a_pen(tmp_path: Path, font_file: Path) -> None:
    save_hands([read_hand(font_file)], tmp_path / "hands.json")
    (hand,) = load_hands(tmp_path / "hands.json", "train")
    assert load_hands(tmp_path / "hands.json", "test") == []
    assert set("axgQ1+(") <= set(hand.letters)
    assert abs(float(np.concatenate(hand.letters["x"])[:, 1].min()) + 1) < 0.1
    assert float(np.concatenate(hand.letters["g"])[:, 1].max()) > 0.2
    assert 0.8 < hand.advances["n"] < 1.6


def test_a_font_whose_small_letters_are_capitals_is_refused(monkeypatch: pytest.MonkeyPatch, font_file: Path) -> None:
    drawn = pen_fonts._draw
    monkeypatch.setattr(pen_fonts, "_draw", lambda font, letter, size: drawn(font, letter.upper(), size))
    with pytest.raises(ValueError, match="are capitals"):
        read_hand(font_file)


def test_thin_lines_are_followed_from_end_to_end() -> None:
    picture = np.zeros((60, 80), np.uint8)
    cv2.line(picture, (10, 10), (70, 50), 1, 7)
    cv2.circle(picture, (20, 45), 10, 1, 5)
    lines = thin(picture > 0)
    assert lines.sum() < 0.25 * picture.sum()
    strokes = sorted(trace(lines), key=lambda s: -len(s))
    spans = sorted((float(np.ptp(s[:, 0])), float(np.ptp(s[:, 1]))) for s in strokes[:2])
    assert spans[0] == pytest.approx((20, 20), abs=4) and spans[1] == pytest.approx((60, 40), abs=8)


def uneven_page(rng: random.Random, height: int) -> Iterator[tuple[int, int, int]]:
    for y in range(60, 800, 70):
        for x in range(40, 860, 34):
            yield x, y, round(height * rng.choice((1.0, 1.05, 1.65, 1.7, 1.75, 2.3)))


@pytest.mark.parametrize("height", [10, 18])
def test_the_size_of_handwriting_does_not_jump_between_letters_and_digits(height: int) -> None:
    sizes = []
    for seed in range(6):
        rng = random.Random(seed)
        image = np.full((900, 900), 255, np.uint8)
        for x, y, tall in uneven_page(rng, height):
            image[y - tall : y, x : x + 14] = 0
        sizes.append(read_written_ink(image).x_height / height)
    assert max(sizes) / min(sizes) < 1.2
    assert (
        read_written_ink(np.full((90, 90), 255, np.uint8)).x_height
        == read_ink(np.full((90, 90), 255, np.uint8)).x_height
    )
