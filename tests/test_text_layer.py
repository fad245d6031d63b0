"""Glyphs, rules and figures of born-digital pages, in points of the page as displayed."""

import shutil
import subprocess
from pathlib import Path

import pymupdf
import pytest

from docproc.glyph_names import SYMBOL_ENCODING
from docproc.text_layer import part_ligatures, read_text_layer


def page_with(
    text: str = "Area", rotation: int = 0, crop: tuple[float, float, float, float] | None = None
) -> pymupdf.Page:
    document = pymupdf.open()
    page = document.new_page(width=300, height=200)
    page.insert_text((100, 120), text, fontsize=10, fontname="tiro")
    page.draw_rect(pymupdf.Rect(100, 125, 140, 125.4), color=None, fill=(0, 0, 0))
    page.draw_line((50, 150), (250, 150), width=0.5)
    page.draw_circle((250, 50), 20)
    if crop is not None:
        page.set_cropbox(pymupdf.Rect(*crop))
    page.set_rotation(rotation)
    return pymupdf.open("pdf", document.tobytes())[0]


def test_glyphs_keep_their_order_and_spaces_and_have_ink_heights() -> None:
    layer = read_text_layer(page_with("a by"))
    assert "".join(glyph.text for glyph in layer.glyphs) == "a by"
    a, _, b, y = layer.glyphs
    assert a.size_pt == pytest.approx(10)
    assert a.origin == pytest.approx((100, 120), abs=0.01)
    assert a.box.y0 > b.box.y0 + 1.5, "an a is lower than a b"
    assert y.box.y1 > 121 > a.box.y1, "only the y goes below the line"


def test_thin_rectangles_and_lines_are_rules_and_curves_are_figures() -> None:
    layer = read_text_layer(page_with())
    assert sorted(round(rule.width) for rule in layer.rules) == [40, 200]
    (figure,) = layer.figures
    assert figure.center == pytest.approx((250, 50), abs=1)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_text_that_stands_upright_only_after_rotation(rotation: int) -> None:
    document = pymupdf.open()
    page = document.new_page(width=300, height=200)
    point = {90: (120, 150), 180: (150, 100), 270: (120, 50)}[rotation]
    page.insert_text(point, "up", fontsize=10, rotate=rotation)
    page.insert_text((20, 20), "no", fontsize=10)
    page.set_rotation(rotation)
    turned = pymupdf.open("pdf", document.tobytes())[0]
    layer = read_text_layer(turned)
    assert "".join(glyph.text for glyph in layer.glyphs) == "up", "what lies sideways on the screen is left out"
    picture = turned.get_pixmap(dpi=72, colorspace=pymupdf.csGRAY)
    for glyph in layer.glyphs:
        x, y = (round(value) for value in glyph.box.center)
        block = [picture.pixel(i, j)[0] for i in range(x - 2, x + 3) for j in range(y - 3, y + 4)]
        assert min(block) < 200, "the box lies on ink of the page as displayed"


def test_crop_box_moves_the_origin() -> None:
    whole = read_text_layer(page_with()).glyphs[0]
    cropped = read_text_layer(page_with(crop=(30, 20, 280, 190))).glyphs[0]
    assert cropped.origin == pytest.approx((whole.origin[0] - 30, whole.origin[1] - 20), abs=0.01)


def test_empty_page() -> None:
    document = pymupdf.open()
    layer = read_text_layer(document.new_page())
    assert layer.glyphs == layer.rules == layer.figures == ()


def test_a_frame_around_text_is_told_from_a_drawing() -> None:
    document = pymupdf.open()
    page = document.new_page(width=300, height=300)
    page.draw_rect(pymupdf.Rect(40, 40, 260, 90), fill=(0.9, 0.9, 1.0))
    page.draw_rect(pymupdf.Rect(40, 150, 260, 250))
    page.draw_circle((150, 200), 30)
    layer = read_text_layer(pymupdf.open("pdf", document.tobytes())[0])
    assert len(layer.figures) == 2
    (frame,) = layer.frames
    assert frame.center == pytest.approx((150, 65), abs=1), "the rectangle with a circle in it is a drawing"


def test_axes_are_of_their_plot() -> None:
    document = pymupdf.open()
    page = document.new_page(width=300, height=300)
    page.draw_line((50, 250), (250, 250), width=0.5)
    page.draw_line((50, 250), (50, 100), width=0.5)
    page.draw_bezier((51, 249), (100, 150), (150, 150), (200, 160))
    (figure,) = read_text_layer(pymupdf.open("pdf", document.tobytes())[0]).figures
    assert figure.x1 > 249
    assert figure.y0 < 101


def test_letters_of_a_ligature_share_its_box() -> None:
    """LuaTeX says of its fi that it stands for two letters; MuPDF sets the second where the next letter begins."""
    chars = [
        {"c": char, "origin": (x, 10.0), "bbox": (x, 3.0, x + width, 10.0)}
        for char, x, width in (("f", 0.0, 5.0), ("i", 5.0, 4.0), ("l", 5.0, 3.0), ("m", 8.0, 8.0))
    ]
    f, i, el, m = (char["bbox"] for char in part_ligatures(chars))
    assert f == (0.0, 3.0, 2.5, 10.0)
    assert i == (2.5, 3.0, 5.0, 10.0)
    assert el == (5.0, 3.0, 8.0, 10.0)
    assert m == (8.0, 3.0, 16.0, 10.0)


def test_codes_of_the_symbol_font_are_known() -> None:
    greek = "".join(SYMBOL_ENCODING[code] for code in b"abgD")
    assert greek == "αβγΔ"
    assert "".join(SYMBOL_ENCODING[code] for code in (0xA3, 0xA5, 0xB1, 0xCE, 0xD6, 0xE5, 0xF2)) == "≤∞±∈√∑∫"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_letters_beyond_16_bits_and_accents_at_the_start_of_a_line_are_read(tmp_path: Path) -> None:
    """MuPDF cuts `u1D713` to 16 bits, a Korean syllable, and leaves an accent out that no letter precedes."""
    head = r"\documentclass{article}\usepackage{stix2}\pagestyle{empty}\begin{document}\noindent"
    (tmp_path / "a.tex").write_text(head + r"$\bar{\partial}\psi=h$\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=batchmode", "a.tex"]
    made = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True)
    if made.returncode:
        pytest.skip("no stix2 fonts")
    with pymupdf.open(tmp_path / "a.pdf") as document:
        glyphs = [glyph for glyph in read_text_layer(document[0]).glyphs if not glyph.text.isspace()]
    assert sorted(glyph.text for glyph in glyphs) == sorted(("\u0304", "𝜕", "𝜓", "=", "ℎ"))
    accent, letter = (next(glyph for glyph in glyphs if glyph.text == text) for text in ("\u0304", "𝜕"))
    assert accent.ink is not None
    assert accent.ink.y1 < letter.box.y0 + 1
    assert letter.box.x0 < accent.ink.center[0] < letter.box.x1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_an_accent_that_mupdf_tells_in_the_line_before_hides_no_other(tmp_path: Path) -> None:
    """That of the last row is told behind the row before, and was taken for the one there: one was lost."""
    body = r"\noindent$\hat{H}\psi=1$\begin{align*}F_{ba}&=-\frac{Gm_am_b}{|r_a-r_b|^2}\hat{r}_{ab},\\"
    body += r"\hat{r}_{ab}&=\frac{r_b-r_a}{|r_a-r_b|}.\end{align*}"
    head = r"\documentclass{article}\usepackage{amsmath,stix}\pagestyle{empty}\begin{document}"
    (tmp_path / "a.tex").write_text(head + body + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=batchmode", "a.tex"]
    if subprocess.run(["kpsewhich", "stix.sty"], check=False, capture_output=True).returncode:
        pytest.skip("no stix fonts")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with pymupdf.open(tmp_path / "a.pdf") as document:
        hats = [glyph.ink for glyph in read_text_layer(document[0]).glyphs if glyph.text == "\u0302"]
    assert len(hats) == len(set(hats)) == 3
