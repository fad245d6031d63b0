"""Grouping of ink by the network's maps; the maps here are painted from the truth of drawn pages."""

from pathlib import Path

import numpy as np
import pytest

from docproc import scan_detector
from docproc.errors import DependencyError
from docproc.ocr import OcrWord
from docproc.options import RegionOptions
from docproc.records import Box, FormulaKind
from docproc.scan_detector import (
    CHANNELS,
    WORKING_X_HEIGHT,
    detect_formulas,
    has_detector,
    to_cells,
    to_working_scale,
)
from docproc.scan_groups import group_formulas
from docproc.scan_ink import read_ink
from docproc.scan_regions import find_in_image
from finetune.pretrain.page_truth import TrueRegion
from tests.scan_pages import as_page, degrade, draw_page, true_maps

DPI = 200


def region(kind: str, box: Box, numbers: tuple[tuple[str, Box], ...] = ()) -> TrueRegion:
    return TrueRegion(kind, box, "x", (box,), equation_numbers=numbers)


def test_regions_hug_their_ink_and_come_in_reading_order() -> None:
    image, display, inline = draw_page(DPI)
    page = as_page(image, DPI)
    number = Box(329, display.y0 - 1, 353, display.y1)
    maps = true_maps(page, [region("inline", inline), region("display", display, (("3.2", number),))])
    words = [OcrWord("(3.2)", number, 0.99, 0)]
    found = group_formulas(read_ink(image), maps, page, words)
    assert [one.kind for one in found] == [FormulaKind.INLINE, FormulaKind.DISPLAY]
    assert found[0].box.iou(inline) > 0.8
    assert found[1].box.iou(display) > 0.8
    assert found[1].equation_number == "3.2"
    assert found[1].box.x1 < number.x0


def test_near_formulas_stay_apart_and_the_comma_between_them_out() -> None:
    image = np.full((300, 600), 255, np.uint8)
    for x in range(20, 580, 14):  # letters of prose, as high as an x
        image[40:50, x : x + 9] = 0
        image[240:250, x : x + 9] = 0
    image[140:150, 100:108] = image[140:150, 120:128] = 0
    image[148:153, 112:114] = 0  # the comma
    page = as_page(image, 72)
    maps = true_maps(page, [region("inline", Box(100, 140, 108, 150)), region("inline", Box(120, 140, 128, 150))])
    found = group_formulas(read_ink(image), maps, page, None)
    assert len(found) == 2
    assert found[0].box.x1 < 112 < 114 < found[1].box.x0


def test_a_letter_grown_together_with_its_formula_is_cut_off() -> None:
    image = np.full((300, 600), 255, np.uint8)
    for x in range(20, 580, 14):
        image[40:50, x : x + 9] = 0
        image[240:250, x : x + 9] = 0
    image[140:150, 100:150] = 0  # five letters in one blot, of which the last two are the formula
    page = as_page(image, 72)
    maps = true_maps(page, [region("inline", Box(122, 140, 150, 150))])
    found = group_formulas(read_ink(image), maps, page, None)
    assert len(found) == 1
    assert found[0].box.x0 == pytest.approx(122, abs=4)


def test_a_display_of_two_lines_keeps_its_lines() -> None:
    image = np.full((400, 600), 255, np.uint8)
    for x in range(20, 580, 14):
        image[40:50, x : x + 9] = 0
        image[340:350, x : x + 9] = 0
    for x in range(200, 400, 14):
        image[150:160, x : x + 9] = image[185:195, x : x + 9] = 0
    page = as_page(image, 72)
    maps = true_maps(page, [region("display", Box(200, 150, 403, 195))])
    (found,) = group_formulas(read_ink(image), maps, page, None)
    assert len(found.lines) == 2


def test_maps_without_formulas_give_no_regions() -> None:
    image, _, _ = draw_page(DPI)
    page = as_page(image, DPI)
    assert group_formulas(read_ink(image), true_maps(page, []), page, None) == []


def test_every_resolution_is_seen_at_one_scale() -> None:
    heights = []
    for dpi in (100, 200, 300):
        image = draw_page(dpi)[0]
        ink = read_ink(image)
        small, scale = to_working_scale(image, ink.x_height)
        heights.append(small.shape[0])
        assert ink.x_height * scale == pytest.approx(WORKING_X_HEIGHT)
    assert max(heights) < 1.25 * min(heights)  # letters of 100 dpi are measured in whole pixels


def test_huge_pictures_are_seen_smaller() -> None:
    small, scale = to_working_scale(np.full((6000, 6000), 255, np.uint8), 5.0)
    assert small.size <= 4_001_000
    assert small.shape[0] == pytest.approx(6000 * scale, abs=1)


def test_cells_are_parted_from_channels() -> None:
    answer = np.zeros((CHANNELS * 4, 2, 3), np.float32)
    answer[4 * 2 + 1, 1, 2] = 5.0  # class 2, upper right cell of position (1, 2)
    cells = to_cells(answer)
    assert cells.shape == (CHANNELS, 4, 6)
    assert cells[2, 2, 5] == 5.0
    assert np.count_nonzero(cells) == 1


def test_a_damaged_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scan_detector.onnx").write_bytes(b"no network")
    monkeypatch.setattr(scan_detector, "_MODELS", tmp_path)
    with pytest.raises(DependencyError, match="install docproc anew"):
        detect_formulas(draw_page(DPI)[0], 10.0)


class TestNetwork:
    def test_it_ships(self) -> None:
        assert has_detector()

    def test_a_drawn_page_is_found_without_ocr(self) -> None:
        image, display, inline = draw_page(DPI)
        found = find_in_image(as_page(degrade(image), DPI), RegionOptions(), None)
        assert [one.kind for one in found] == [FormulaKind.INLINE, FormulaKind.DISPLAY]
        assert found[0].box.iou(inline) > 0.6
        assert found[1].box.iou(display) > 0.75

    def test_the_maps_cover_the_page(self) -> None:
        image = draw_page(DPI)[0]
        ink = read_ink(image)
        maps = detect_formulas(image, ink.x_height)
        for values in (maps.inline, maps.display, maps.number, maps.core):
            assert values.shape == maps.core.shape
            assert values.min() >= 0
            assert values.max() <= 1
        rows, columns = maps.core.shape
        assert rows == pytest.approx(image.shape[0] * maps.cells_a_pixel, abs=1)
        assert columns == pytest.approx(image.shape[1] * maps.cells_a_pixel, abs=1)
