"""Ink of glyphs from the outlines of embedded fonts, compared with the pixels of the page."""

from collections.abc import Iterator

import numpy as np
import pymupdf
import pytest

from docproc.glyph_ink import measure_ink
from docproc.text_layer import read_text_layer
from tests.conftest import SAMPLES

DPI = 288
SCALE = DPI / 72


@pytest.fixture(scope="module")
def page() -> Iterator[pymupdf.Page]:
    with pymupdf.open(SAMPLES / "calculus-notes.pdf") as document:
        yield document[0]


def test_ink_boxes_end_where_the_pixels_end(page: pymupdf.Page) -> None:
    """Beside glyphs that stand alone, pixels begin and end within 0.3 pt of the box."""
    pixmap = page.get_pixmap(dpi=DPI, colorspace=pymupdf.csGRAY)
    dark = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.stride)[:, : pixmap.width] < 200
    glyphs = [glyph for glyph in read_text_layer(page).glyphs if glyph.ink is not None]
    checked = 0
    for glyph in glyphs:
        ink = glyph.ink
        assert ink is not None
        wide, alone = ink.padded(1.2), ink.padded(2.5)
        if glyph.text.isspace() or any(o is not glyph and o.ink is not None and (o.ink & alone).area for o in glyphs):
            continue
        rows = slice(int(wide.y0 * SCALE), int(wide.y1 * SCALE))
        first = int(wide.x0 * SCALE)
        columns = np.flatnonzero(dark[rows, first : int(wide.x1 * SCALE)].any(axis=0))
        if not len(columns):
            continue
        left, right = (columns[0] + first) / SCALE, (columns[-1] + 1 + first) / SCALE
        assert left == pytest.approx(ink.x0, abs=0.3), glyph
        assert right == pytest.approx(ink.x1, abs=0.3), glyph
        checked += 1
    assert checked > 3


def test_most_glyphs_of_a_page_of_tex_have_ink(page: pymupdf.Page) -> None:
    glyphs = [glyph for glyph in read_text_layer(page).glyphs if not glyph.text.isspace()]
    assert sum(glyph.ink is not None for glyph in glyphs) > 0.95 * len(glyphs)


def test_pages_without_embedded_fonts_or_turned_have_none() -> None:
    document = pymupdf.open()
    page = document.new_page(width=300, height=200)
    page.insert_text((100, 120), "x", fontname="tiro")
    ink = measure_ink(page)
    assert ink is not None
    assert not ink.boxes
    page.set_rotation(90)
    assert measure_ink(page) is None
