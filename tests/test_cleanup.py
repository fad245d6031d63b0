import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docproc.cleanup import Transform, prepare_scan
from docproc.records import Box, FormulaKind, Region
from tests.scan_pages import as_page, degrade, draw_page


def ink_rows(image: np.ndarray) -> np.ndarray:
    return (image < 128).sum(axis=1)


def test_clean_page_is_left_as_it_is() -> None:
    page = as_page(draw_page()[0])
    clean, transform = prepare_scan(page)
    assert clean is page
    assert transform.to_original(Box(10, 20, 30, 40)) == Box(10, 20, 30, 40)


@pytest.mark.parametrize("angle", [-4.0, -0.6, 1.5, 8.0])
def test_skew_is_taken_out_and_boxes_find_back(angle: float) -> None:
    image, display, _ = draw_page()
    page = as_page(degrade(image, angle))
    clean, transform = prepare_scan(page)
    # On a straight page most rows between the lines of text are free of ink.
    assert (ink_rows(clean.image) == 0).mean() > 0.5
    # The middle of the display, turned by hand, lies in the box that comes back.
    zoom = clean.dpi / 72
    rows, columns = np.nonzero(clean.image < 128)
    forward = np.linalg.inv(np.vstack([transform.matrix, [0, 0, 1]]))
    radians, middle = np.radians(angle), np.array([210.0, 210.0])
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    turned = turn @ (np.array(display.center) - middle) + middle
    straight = forward @ [*turned, 1]
    near = (np.abs(rows / zoom - straight[1]) < 6) & (np.abs(columns / zoom - straight[0]) < 40)
    assert near.any()
    around = Box(straight[0] - 30, straight[1] - 5, straight[0] + 30, straight[1] + 5)
    assert transform.to_original(around).holds((float(turned[0]), float(turned[1])))


@pytest.mark.parametrize("quarter", [1, 2, 3])
@pytest.mark.parametrize("angle", [0.0, 1.2])
def test_turned_pages_are_set_upright(quarter: int, angle: float) -> None:
    upright = degrade(draw_page()[0], angle)
    straight, _ = prepare_scan(as_page(upright))
    clean, transform = prepare_scan(as_page(np.ascontiguousarray(np.rot90(upright, quarter))))
    difference = np.abs(clean.image.astype(int) - straight.image) if clean.image.shape == straight.image.shape else None
    assert difference is not None
    assert difference.mean() < 6
    # A box at the first words of the text goes to the corner where the turned page has them.
    box = transform.to_original(Box(60, 50, 80, 60))
    corner = {1: (55, 350), 2: (350, 365), 3: (365, 60)}[quarter]
    assert abs(box.center[0] - corner[0]) < 20
    assert abs(box.center[1] - corner[1]) < 20


def test_shadow_and_grey_paper_become_white() -> None:
    clean, _ = prepare_scan(as_page(degrade(draw_page()[0])))
    assert np.percentile(clean.image, 30) == 255
    assert clean.image.min() < 110


def test_black_borders_go() -> None:
    image = draw_page()[0]
    image[:, :40] = 12
    image[-30:] = 20
    clean, _ = prepare_scan(as_page(image))
    assert clean.image[:, :40].min() == 255
    assert clean.image[-28:].min() == 255
    assert (clean.image < 128).sum() == pytest.approx((draw_page()[0] < 128).sum(), rel=0.02)


def test_light_ink_on_dark_paper_is_inverted() -> None:
    clean, _ = prepare_scan(as_page(255 - draw_page()[0]))
    assert np.median(clean.image) == 255


@pytest.mark.parametrize(("shape", "value"), [((50, 40), 255), ((50, 40), 0), ((1, 1), 9), ((3, 900), 90)])
def test_pages_without_text_do_not_fail(shape: tuple[int, int], value: int) -> None:
    clean, transform = prepare_scan(as_page(np.full(shape, value, np.uint8)))
    assert clean.image.size
    assert transform.to_original(Box(0, 0, 1, 1)).area >= 0


def test_region_goes_back_with_its_lines() -> None:
    transform = Transform(((1, 0, 5), (0, 1, 7)), 100, 100)
    region = Region(FormulaKind.DISPLAY, Box(0, 0, 10, 10), lines=(Box(0, 0, 10, 4), Box(0, 5, 10, 10)))
    back = transform.region_to_original(region)
    assert back.box == Box(5, 7, 15, 17)
    assert back.lines == (Box(5, 7, 15, 11), Box(5, 12, 15, 17))


@given(st.floats(-0.2, 0.2), st.floats(0, 90), st.floats(0, 90), st.floats(0, 30), st.floats(0, 30))
def test_boxes_stay_in_the_page(turn: float, x: float, y: float, width: float, height: float) -> None:
    matrix = ((np.cos(turn), np.sin(turn), 3.0), (-np.sin(turn), np.cos(turn), -2.0))
    box = Transform(matrix, 100, 100).to_original(Box(x, y, x + width, y + height))
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= 100
    assert box.y1 <= 100
