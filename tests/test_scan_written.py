"""Regions of handwritten pages out of the network's maps; the maps here are painted from the truth."""

import cv2
import numpy as np
import pytest

from docproc.ocr import OcrWord
from docproc.records import Box, FormulaKind
from docproc.scan_handwriting import read_written_ink
from docproc.scan_written import group_written
from finetune.pretrain.page_truth import TrueRegion
from tests.scan_pages import as_page, true_maps

_UPPER, _LOWER = Box(100, 100, 292, 120), Box(130, 124, 292, 144)


def region(kind: str, box: Box, numbers: tuple[tuple[str, Box], ...] = ()) -> TrueRegion:
    return TrueRegion(kind, box, "x", (box,), equation_numbers=numbers)


@pytest.fixture
def image() -> np.ndarray:
    """Two lines of a tight calculation; letters are 20 pixels high."""
    image = np.full((300, 500), 255, np.uint8)
    for box in (_UPPER, _LOWER):
        for x in range(int(box.x0), int(box.x1) - 10, 18):
            image[int(box.y0) : int(box.y1), x : x + 12] = 0
    return image


def found_on(image: np.ndarray, truth: list[TrueRegion], words: list[OcrWord] | None = None) -> list:
    page = as_page(image, 72)
    return group_written(read_written_ink(image), true_maps(page, truth, by_hand=True), page, words)


def test_lines_of_a_tight_calculation_stay_apart(image: np.ndarray) -> None:
    found = found_on(image, [region("display", _UPPER), region("display", _LOWER)])
    assert [one.kind for one in found] == [FormulaKind.DISPLAY] * 2
    assert found[0].box.iou(_UPPER) > 0.9 and found[1].box.iou(_LOWER) > 0.9


def test_formulas_know_the_size_of_the_writing(image: np.ndarray) -> None:
    (found,) = found_on(image, [region("display", _UPPER)])
    assert found.written_em_pt == pytest.approx(read_written_ink(image).em)  # at 72 dpi a point is a pixel


def test_a_stroke_that_hangs_into_the_next_line_joins_nothing(image: np.ndarray) -> None:
    image[100:140, 208:212] = 0  # a tail of the upper line runs through the lower one
    found = found_on(image, [region("display", _UPPER), region("display", _LOWER)])
    assert len(found) == 2
    assert found[0].box.iou(_UPPER) > 0.8 and found[1].box.iou(_LOWER) > 0.8


def test_a_loop_around_a_result_is_left_out(image: np.ndarray) -> None:
    cv2.rectangle(image, (110, 122), (320, 170), 0, 2)
    found = found_on(image, [region("display", _UPPER), region("display", _LOWER)])
    assert [round(one.box.iou(box), 1) >= 0.8 for one, box in zip(found, (_UPPER, _LOWER), strict=True)] == [True, True]


def test_a_formula_in_a_sentence_is_inline_and_cut_out_of_a_word_that_touches_it(image: np.ndarray) -> None:
    image[224:244, 100:200] = 0  # one blot, of which the right half is the formula
    truth = Box(152, 224, 200, 244)
    (found,) = found_on(image, [region("inline", truth)])
    assert found.kind is FormulaKind.INLINE
    assert found.box.iou(truth) > 0.8


def test_where_there_is_no_ink_there_is_no_formula(image: np.ndarray) -> None:
    assert found_on(image, [region("display", Box(100, 220, 300, 250))]) == []
    assert found_on(image, []) == []


def test_numbers_of_equations_are_read(image: np.ndarray) -> None:
    number = Box(400, 100, 440, 120)
    for x in range(400, 436, 12):
        image[100:120, x : x + 8] = 0
    truth = [region("display", _UPPER, (("7", number),)), region("display", _LOWER)]
    found = found_on(image, truth, [OcrWord("(7)", number, 0.9, 0)])
    assert [one.equation_number for one in found] == ["7", None]
    assert found[0].box.x1 < 400
