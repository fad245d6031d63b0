from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image

from docproc.documents import open_document
from docproc.errors import InputError
from docproc.pages import render_page
from docproc.records import Page, PageKind

TEXT = "The quick brown fox jumps over the lazy dog and runs on."


def text_picture(dpi: int = 200) -> pymupdf.Pixmap:
    source = pymupdf.open()
    page = source.new_page(width=300, height=400)
    for line in range(20):
        page.insert_text((20, 30 + 16 * line), TEXT, fontsize=9)
    return page.get_pixmap(dpi=dpi)


def render(pdf: pymupdf.Document, tmp_path: Path, **options: bool) -> Page:
    path = tmp_path / "a.pdf"
    pdf.save(path)
    with open_document(path) as document:
        return render_page(document, 1, **options)


def test_born_digital_page_has_22_pixels_an_em(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    pdf.new_page(width=300, height=400).insert_text((20, 30), TEXT, fontsize=11)
    page = render(pdf, tmp_path)
    assert page.kind is PageKind.BORN_DIGITAL
    assert page.text_layer is not None
    assert "".join(glyph.text for glyph in page.text_layer.glyphs).startswith("The quick")
    assert page.dpi == pytest.approx(72 * 22 / 11)
    assert page.image.shape == pytest.approx((400 * 2, 300 * 2), abs=1)


def test_text_layer_can_be_left_unused(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    pdf.new_page(width=300, height=400).insert_text((20, 30), TEXT)
    page = render(pdf, tmp_path, use_text_layer=False)
    assert (page.kind, page.text_layer, page.dpi) == (PageKind.SCAN, None, 300)


@pytest.mark.parametrize(("dpi", "expected"), [(100, 150), (200, 200), (400, 300)])
def test_scan_is_rendered_at_its_own_resolution(tmp_path: Path, dpi: int, expected: int) -> None:
    pdf = pymupdf.open()
    pdf.new_page(width=300, height=400).insert_image((0, 0, 300, 400), pixmap=text_picture(dpi))
    page = render(pdf, tmp_path)
    assert (page.kind, page.text_layer) == (PageKind.SCAN, None)
    assert page.dpi == pytest.approx(expected, rel=0.01)


def test_invisible_ocr_text_leaves_a_scan_a_scan(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    page.insert_image((0, 0, 300, 400), pixmap=text_picture())
    page.insert_text((20, 30), TEXT * 5, render_mode=3)
    assert render(pdf, tmp_path).kind is PageKind.SCAN


def test_text_under_a_covering_picture_leaves_a_scan_a_scan(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    for line in range(20):
        page.insert_text((20, 30 + 16 * line), TEXT, fontsize=9)
    page.insert_image((0, 0, 300, 400), pixmap=text_picture())
    assert render(pdf, tmp_path).kind is PageKind.SCAN


def test_stamp_leaves_a_scan_a_scan(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    page.insert_image((0, 0, 300, 400), pixmap=text_picture())
    page.insert_text((20, 390), "Downloaded from the library of a university, for personal use only", fontsize=7)
    assert render(pdf, tmp_path).kind is PageKind.SCAN


def test_text_on_a_full_page_picture_is_born_digital(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    background = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 30, 40))
    background.clear_with(230)
    page.insert_image((0, 0, 300, 400), pixmap=background)
    for line in range(10):
        page.insert_text((20, 30 + 16 * line), TEXT, fontsize=9)
    assert render(pdf, tmp_path).kind is PageKind.BORN_DIGITAL


def test_page_with_a_figure_is_born_digital(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    page.insert_image((50, 100, 250, 300), pixmap=text_picture(100))
    page.insert_text((20, 30), TEXT, fontsize=9)
    assert render(pdf, tmp_path).kind is PageKind.BORN_DIGITAL


def test_drawn_text_without_a_text_layer_is_a_scan(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    page.draw_line((20, 20), (200, 30))
    assert render(pdf, tmp_path).kind is PageKind.SCAN


def test_blank_page_is_born_digital(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    pdf.new_page(width=300, height=400)
    page = render(pdf, tmp_path)
    assert page.kind is PageKind.BORN_DIGITAL
    assert page.image.min() == 255


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_and_crop_box(tmp_path: Path, rotation: int) -> None:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    page.draw_rect((100, 50, 120, 60), fill=(0, 0, 0))
    page.insert_text((150, 200), TEXT, fontsize=6)
    page.set_cropbox(pymupdf.Rect(80, 40, 280, 340))
    page.set_rotation(rotation)
    found = render(pdf, tmp_path)
    size = (200, 300) if rotation in (0, 180) else (300, 200)
    assert (found.width_pt, found.height_pt, found.rotation) == (*size, rotation)
    x, y = {0: (30, 15), 90: (285, 30), 180: (170, 285), 270: (15, 170)}[rotation]  # middle of the mark
    zoom = found.dpi / 72
    assert found.image[int(y * zoom), int(x * zoom)] < 50
    rows, columns = np.nonzero(found.image < 128)
    assert rows.max() < found.image.shape[0]
    assert columns.size


def test_huge_page_is_rendered_within_the_limit(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    pdf.new_page(width=14_400, height=14_400).insert_text((100, 9_000), TEXT, fontsize=10)
    page = render(pdf, tmp_path)
    assert page.image.size <= 20_100_000
    assert page.width_pt == 14_400


def test_picture_too_large_to_decode_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)
    pdf = pymupdf.open()
    pdf.new_page(width=300, height=400).insert_image((0, 0, 300, 400), filename=str(bomb))
    with pytest.raises(InputError, match="20,000 x 20,000 pixels"):
        render(pdf, tmp_path)


def test_broken_page_is_an_input_error_and_the_others_go_on(tmp_path: Path) -> None:
    pdf = pymupdf.open()
    for _ in range(2):
        pdf.new_page(width=300, height=400).insert_text((20, 30), TEXT)
    pdf.xref_set_key(pdf[0].xref, "MediaBox", "[0 0 0 0]")
    path = tmp_path / "a.pdf"
    pdf.save(path)
    with open_document(path) as document:
        try:
            render_page(document, 1)
        except InputError as error:
            assert "Page 1" in str(error)
        assert render_page(document, 2).kind is PageKind.BORN_DIGITAL


def test_mupdf_writes_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pdf = pymupdf.open()
    pdf.new_page(width=300, height=400).insert_text((20, 30), TEXT)
    pdf.save(tmp_path / "whole.pdf")
    damaged = (tmp_path / "whole.pdf").read_bytes().replace(b"endstream", b"endstrexm", 1).replace(b"xref", b"xrxf")
    (tmp_path / "a.pdf").write_bytes(damaged)
    try:
        with open_document(tmp_path / "a.pdf") as document:
            render_page(document, 1)
    except InputError:
        pass
    assert capfd.readouterr() == ("", "")
