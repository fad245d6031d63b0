from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.cleanup import prepare_scan
from docproc.crops import WRITTEN_EM_PX
from docproc.documents import file_sha256
from docproc.ocr import OcrWord, read_words
from docproc.options import RegionOptions
from docproc.page_pictures import RegionTask, cut_regions
from docproc.records import Box, FormulaKind, Region
from docproc.scan_handwriting import is_handwritten, read_written_ink
from docproc.scan_ink import read_ink
from docproc.scan_regions import find_in_image
from tests.scan_pages import as_page, degrade, draw_page


@pytest.fixture(scope="module")
def words() -> list[OcrWord]:
    return read_words(prepare_scan(as_page(degrade(draw_page()[0])))[0])


@pytest.fixture(scope="module")
def scan(words: list[OcrWord]) -> tuple[list[Region], Box, Box]:
    image, display, inline = draw_page()
    clean, transform = prepare_scan(as_page(degrade(image)))
    regions = find_in_image(clean, RegionOptions(), words)
    return [transform.region_to_original(region) for region in regions], display, inline


def test_display_is_found_without_its_number(scan: tuple[list[Region], Box, Box]) -> None:
    regions, truth, _ = scan
    displays = [region for region in regions if region.kind is FormulaKind.DISPLAY]
    assert len(displays) == 1
    assert displays[0].box.iou(truth) > 0.75
    assert displays[0].equation_number == "3.2"


def test_inline_formula_is_found_and_prose_is_not(scan: tuple[list[Region], Box, Box]) -> None:
    regions, _, truth = scan
    inline = [region for region in regions if region.kind is FormulaKind.INLINE]
    assert len(inline) == 1
    assert inline[0].box.iou(truth) > 0.75


def test_regions_come_in_reading_order(scan: tuple[list[Region], Box, Box]) -> None:
    assert [region.kind for region in scan[0]] == [FormulaKind.INLINE, FormulaKind.DISPLAY]


def test_without_ocr_the_display_is_still_found() -> None:
    image, truth, _ = draw_page()
    regions = find_in_image(as_page(image), RegionOptions(), None)
    assert any(region.box.iou(truth) > 0.5 for region in regions if region.kind is FormulaKind.DISPLAY)


def test_resolution_does_not_matter(words: list[OcrWord]) -> None:
    boxes = []
    for dpi in (150, 300):
        page = as_page(draw_page(dpi)[0], dpi)
        found = find_in_image(page, RegionOptions(), words)
        boxes.append([region.box for region in found])
    assert len(boxes[0]) == len(boxes[1]) == 2
    assert all(one.iou(two) > 0.8 for one, two in zip(*boxes, strict=True))


def test_dust_and_ghosts_are_no_ink() -> None:
    image, _, _ = draw_page()
    clean = len(read_ink(image).boxes)
    dusty = image.copy()
    rng = np.random.default_rng(1)
    for x, y in rng.integers(0, 100, (40, 2)):
        dusty[10 + y, 10 + x] = 0  # specks in the margin
    ghost = np.minimum(dusty, 255 - (255 - dusty[:, ::-1]) // 6)
    assert abs(len(read_ink(ghost).boxes) - clean) <= 3


def test_bold_print_with_letters_grown_together_is_not_handwriting() -> None:
    image = draw_page()[0]
    for thickness in (1, 2, 3):
        bold = cv2.erode(image, np.ones((thickness, 2 * thickness), np.uint8))
        assert not is_handwritten(bold, read_ink(bold))


def scrawl(is_level: bool, kinds: int) -> np.ndarray:
    """A page of 420 letters, each a random stroke of one of so many kinds, on level lines or not."""
    rng = np.random.default_rng(2)
    drawn = [rng.integers(0, 22, (6, 2)) for _ in range(kinds)]
    image = np.full((900, 900), 255, np.uint8)
    for x in range(60, 840, 26):
        for y in range(60, 840, 56):
            stroke = drawn[rng.integers(kinds)]
            drop = 24 - stroke[:, 1].max() + (0 if is_level else rng.integers(-9, 10))
            points = (stroke + np.array([x, y + drop])).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(image, [points], False, 0, 3, cv2.LINE_AA)
    return image


def test_letters_that_never_come_again_are_handwriting() -> None:
    image = scrawl(is_level=False, kinds=10_000)
    assert is_handwritten(image, read_ink(image))
    image = scrawl(is_level=True, kinds=10_000)
    assert is_handwritten(image, read_ink(image))


def test_letters_that_come_again_are_print_even_where_lines_waver() -> None:
    image = scrawl(is_level=False, kinds=12)
    assert not is_handwritten(image, read_ink(image))


def test_formulas_know_the_size_of_the_writing_without_the_network_too() -> None:
    image = scrawl(is_level=False, kinds=10_000)
    found = find_in_image(as_page(image), RegionOptions(), classical=True)
    size = read_written_ink(image).em * 72 / 200
    assert found and all(region.written_em_pt == pytest.approx(size) for region in found)
    printed = find_in_image(as_page(draw_page()[0]), RegionOptions(), classical=True)
    assert printed and all(region.written_em_pt is None for region in printed)


@pytest.mark.parametrize("is_by_hand", [False, True])
def test_a_box_that_a_person_draws_is_cut_at_the_size_of_what_stands_there(tmp_path: Path, is_by_hand: bool) -> None:
    image = scrawl(is_level=False, kinds=10_000) if is_by_hand else draw_page()[0]
    path = tmp_path / "page.png"
    cv2.imwrite(str(path), image)
    box = Box(60, 60, 500, 110)
    page = cut_regions(RegionTask(path, 1, ((FormulaKind.DISPLAY, box),), file_sha256(path)))
    (region,) = page.regions
    assert region.crop is not None
    if not is_by_hand:
        assert region.written_em_pt is None
        return
    size = read_written_ink(image).em  # a picture has a pixel for each point
    assert region.written_em_pt == pytest.approx(size, rel=0.05)
    margin = 2 * RegionOptions().margin_pt
    assert region.crop.shape[1] == pytest.approx((box.width + margin) * WRITTEN_EM_PX / size, rel=0.07)


@pytest.mark.parametrize("dpi", [72, 100, 150, 300])
def test_print_is_no_handwriting_at_any_resolution(dpi: int) -> None:
    image = draw_page(dpi)[0]
    assert not is_handwritten(image, read_ink(image))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_plain_pages_have_no_formula(value: int) -> None:
    page = as_page(np.full((300, 200), value, np.uint8))
    assert find_in_image(page, RegionOptions(), []) == []
    assert find_in_image(page, RegionOptions(), None) == []


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 60))
def test_boxes_stay_in_the_page_whatever_the_ink(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    image = np.full((160, 240), 255, np.uint8)
    for x, y, width, height in zip(*(rng.integers(0, top, count) for top in (230, 150, 40, 20)), strict=True):
        image[y : y + height, x : x + width] = rng.integers(0, 120)
    words = [
        OcrWord(str(rng.choice(["x", "=", "the", "(1)", "f(x),", "12"])), Box(x, y, x + 20, y + 9), 0.9, int(line))
        for x, y, line in zip(*(rng.integers(0, top, 8) for top in (80, 50, 3)), strict=True)
    ]
    page = as_page(image)
    for given_words in (None, words):
        for region in find_in_image(page, RegionOptions(), given_words):
            box = region.box
            assert box.area > 0
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= page.width_pt + 1e-6
            assert box.y1 <= page.height_pt + 1e-6
