"""What the recogniser sees of a formula."""

from dataclasses import replace

import numpy as np
import pytest

from docproc.crops import WRITTEN_EM_PX, cut_crops, fit_picture
from docproc.options import RegionOptions
from docproc.records import Box, FormulaKind, Glyph, Page, PageKind, Region, TextLayer


def page(size_pt: float = 10.0, dpi: float = 144.0) -> Page:
    image = np.full((400, 1200), 255, np.uint8)
    scale = dpi / 72
    glyphs = []
    for x in (100.0, 110.0, 120.0, 150.0):
        box = Box(x, 60, x + 6, 67)
        glyphs.append(Glyph("x", box, (x, 67), size_pt, "CMMI10"))
        image[int(box.y0 * scale) : int(box.y1 * scale), int(box.x0 * scale) : int(box.x1 * scale)] = 0
    return Page("a.pdf", 1, 600, 200, 0, PageKind.BORN_DIGITAL, dpi, image, TextLayer(tuple(glyphs)))


def region(box: Box, glyph_latex: str | None = None) -> Region:
    return Region(FormulaKind.INLINE, box, glyph_latex=glyph_latex)


@pytest.mark.parametrize("dpi", [72.0, 144.0])
@pytest.mark.parametrize("size_pt", [8.0, 10.0, 17.0])
def test_scale_is_22_pixels_an_em_whatever_size_and_resolution(size_pt: float, dpi: float) -> None:
    (cut,) = cut_crops(page(size_pt, dpi), [region(Box(100, 60, 126, 67))], RegionOptions(margin_pt=2.0))
    assert cut.crop is not None
    assert cut.crop.shape[1] == pytest.approx((26 + 4) * 22 / size_pt, abs=3)
    assert cut.crop.dtype == np.uint8 and cut.crop.base is None


@pytest.mark.parametrize("size_pt", [8.0, 17.0])
def test_handwriting_is_cut_by_its_own_size_and_larger_than_print(size_pt: float) -> None:
    scan = replace(page(), text_layer=None)
    written = replace(region(Box(100, 60, 126, 67)), written_em_pt=size_pt)
    (cut,) = cut_crops(scan, [written], RegionOptions(margin_pt=2.0))
    assert cut.crop is not None
    assert cut.crop.shape[1] == pytest.approx((26 + 4) * WRITTEN_EM_PX / size_pt, abs=3)
    assert WRITTEN_EM_PX > 22


def test_neighbors_in_the_margin_are_painted_away_and_own_ink_stays() -> None:
    (cut,) = cut_crops(page(), [region(Box(110, 60, 116, 67))], RegionOptions(margin_pt=6.0))
    assert cut.crop is not None
    scale = 22 / 10
    assert cut.crop[:, : int(4 * scale)].min() > 200, "the letter to the left is gone"
    assert cut.crop[:, -int(4 * scale) :].min() > 200, "the letter to the right is gone"
    middle = cut.crop[cut.crop.shape[0] // 2, cut.crop.shape[1] // 2]
    assert middle < 50


def test_known_formulas_need_no_crop_and_tiny_ones_are_padded() -> None:
    known, tiny = cut_crops(
        page(), [region(Box(100, 60, 106, 67), "x"), region(Box(100, 66, 101, 67))], RegionOptions()
    )
    assert known.crop is None
    assert tiny.crop is not None and min(tiny.crop.shape) >= 16


def test_very_large_formulas_are_scaled_down() -> None:
    (cut,) = cut_crops(page(2.0), [region(Box(0, 0, 600, 200))], RegionOptions())
    assert cut.crop is not None and cut.crop.size <= 1200 * 256


def test_box_beyond_the_page_gives_paper() -> None:
    (cut,) = cut_crops(page(), [region(Box(700, 300, 720, 310))], RegionOptions())
    assert cut.crop is not None and cut.crop.min() == 255


def test_light_ink_on_a_dark_ground_becomes_dark_ink() -> None:
    """Slides with a dark theme: the crop is what it would be on paper."""
    light = page()
    dark = replace(light, image=255 - light.image)
    boxes = [region(Box(110, 60, 116, 67)), region(Box(100, 60, 156, 67))]
    options = RegionOptions()
    for one, other in zip(cut_crops(light, boxes, options), cut_crops(dark, boxes, options), strict=True):
        assert one.crop is not None and other.crop is not None
        assert np.array_equal(one.crop, other.crop)


def test_pictures_of_formulas_are_turned_to_dark_ink_but_bars_are_not_paper() -> None:
    picture = page().image[100:160, 180:330]
    assert np.array_equal(fit_picture(255 - picture), fit_picture(picture))
    dash = np.full((12, 60), 20, np.uint8)
    assert np.array_equal(fit_picture(dash), dash)


@pytest.mark.parametrize("text", ["2 3 4 5", "A B C D", "(x)(y)", "x a n m"])
def test_a_picture_of_a_size_that_is_read_is_left_as_it_is(text: str) -> None:
    """Digits, capitals and brackets are tall, but no sign of large print."""
    import cv2

    picture = np.full((48, 220), 255, np.uint8)
    cv2.putText(picture, text, (8, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.65, 0, 2)  # capitals of 14 px: 20 px an em
    assert fit_picture(picture) is picture
    large = cv2.resize(picture, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    assert fit_picture(large).shape[0] == pytest.approx(picture.shape[0], rel=0.6)
    tiny = cv2.resize(picture, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    if "(" not in text:  # brackets might be letters of twice their size
        assert fit_picture(tiny).shape[0] == pytest.approx(picture.shape[0], rel=0.6)
