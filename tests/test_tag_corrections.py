"""What the glyphs of a row prove against the tagger: words, units, accents, calls."""

from pathlib import Path

import numpy as np
import pytest

from docproc.accents import letter_below
from docproc.born_digital import find_in_text_layer
from docproc.documents import open_document
from docproc.font_statistics import FontRole, FontStatistics, gather_font_statistics
from docproc.options import RegionOptions
from docproc.page_marks import make_marks
from docproc.page_rows import Row, build_rows, find_gutters
from docproc.records import Box, Glyph
from docproc.tag_corrections import correct_tags
from docproc.text_layer import read_text_layer

SAMPLE = Path(__file__).parents[1] / "samples" / "physics-two-columns.pdf"
STATISTICS = FontStatistics({"Serif": FontRole.TEXT, "CMMI10": FontRole.MATH}, {"Serif": 0.9}, "Serif", 10.0)
SPACES = {" ": 3.3, "~": 1.67}
"""A word space and a thin space, in points at 10 pt."""


def row_of(text: str, fonts: str) -> Row:
    """A line at y = 100; under each character `m` in `fonts` sets it in a font of mathematics."""
    glyphs, x = [], 72.0
    for char, font in zip(text, fonts, strict=True):
        if char in SPACES:
            x += SPACES[char]
            glyphs.append(Glyph(" ", Box(x, 100, x, 100), (x, 100.0), 10.0, "Serif"))
            continue
        glyphs.append(Glyph(char, Box(x, 93.5, x + 5, 100), (x, 100.0), 10.0, "CMMI10" if font == "m" else "Serif"))
        x += 5.0
    row = Row(100.0, 10.0, 1)
    row.marks = make_marks(glyphs, STATISTICS)
    row.sort()
    return row


def pieces(row: Row, inline: list[float], starts: list[float] | None = None) -> list[str]:
    shares, begins = correct_tags(np.array(inline), np.array(starts or [0.0] * len(inline)), row)
    found, is_inside = [], False
    for mark, share, begin in zip(row.marks, shares, begins, strict=True):
        if share > 0.5 and (not is_inside or begin > 0.5):
            found.append("")
        is_inside = bool(share > 0.5)
        if is_inside:
            found[-1] += mark.text
    return found


def test_no_formula_cuts_a_word() -> None:
    row = row_of("a Rabin", "ttttttt")
    assert pieces(row, [0, 0, 0.1, 0.1, 0.9, 0.9]) == []
    assert pieces(row, [0, 0.4, 0.9, 0.9, 0.9, 0.9]) == ["Rabin"]


@pytest.mark.parametrize(("text", "found"), [("E=2~eV", ["E=2eV"]), ("E=2 eV", ["E=2"]), ("E=2~is", ["E=2"])])
def test_a_unit_a_thin_space_behind_a_number_is_of_its_formula(text: str, found: list[str]) -> None:
    assert pieces(row_of(text, "mmmttt"), [0.9, 0.9, 0.9, 0.1, 0.6]) == found


def test_a_symbol_keeps_the_bracket_behind_it_unless_the_tagger_is_sure() -> None:
    row = row_of("f~(x)", "mtmmm")
    assert pieces(row, [0.9] * 4, [1, 0.7, 0, 0]) == ["f(x)"]
    assert pieces(row, [0.9] * 4, [1, 0.9, 0, 0]) == ["f", "(x)"]


def test_an_accent_goes_with_the_letter_below() -> None:
    """Over a capital a hat stands off the baseline, nearer to the line above perhaps: it was a row and a formula."""
    accent = Glyph("ˆ", Box(97.5, 92, 100.5, 92), (97.5, 97.6), 10.0, "Serif", ink=Box(97.6, 91, 100.4, 92.5))
    letters = [Glyph(c, Box(x, 93.5, x + 5, 100), (x, 100.0), 10.0, "CMMI10") for c, x in (("L", 96.5), ("N", 102))]
    above = [
        Glyph(c, Box(72 + 5 * i, 81.5, 77 + 5 * i, 88), (72 + 5 * i, 88.0), 10.0, "Serif")
        for i, c in enumerate("prosewords")
    ]
    marks = make_marks([*above, accent, *letters], STATISTICS)
    rows = build_rows(marks, 1, 10.0)
    assert ["".join(sorted(mark.text for mark in row.marks)) for row in rows] == ["deooprrssw", "LNˆ"]
    row = rows[1]
    hat = next(mark for mark in row.marks if mark.text == "ˆ")
    below = letter_below(hat, row.marks)
    assert below is not None
    assert below.text == "L"
    shares = [0.1 if mark is hat else 0.9 for mark in row.marks]
    assert sorted(pieces(row, shares)[0]) == ["L", "N", "ˆ"]


def test_units_of_the_sample_are_whole() -> None:
    document = open_document(SAMPLE)
    statistics = gather_font_statistics(document.pdf, [1, 2])
    page = document.pdf[0]
    regions = find_in_text_layer(read_text_layer(page), page.rect.width, page.rect.height, statistics, RegionOptions())
    written = [region.glyph_latex for region in regions]
    assert r"E\approx2.1\mathrm{eV}" in written
    assert r"f_{1}=82.4\mathrm{Hz}" in written


@pytest.mark.parametrize(("heading", "gutters"), [(False, [303.0]), (True, [])])
def test_columns_with_short_lines_are_told_apart_if_nothing_crosses(heading: bool, gutters: list[float]) -> None:
    """Ragged lines, lists and displays: only five lines of twelve end near the gutter."""
    glyphs = []
    for line in range(12):
        for x, letters in ((72, 40 if line < 5 else 20), (305, 40)):
            for at in range(letters):
                y = 100.0 + 12 * line
                box = Box(x + 5.5 * at, y - 6, x + 5.5 * at + 5, y)
                glyphs.append(Glyph("a" if at % 6 else "b", box, (box.x0, y), 10.0, "Serif"))
                if at % 6 == 5:
                    glyphs.append(Glyph(" ", Box(box.x1, y, box.x1, y), (box.x1, y), 10.0, "Serif"))
    if heading:
        glyphs += [
            Glyph("H", Box(200 + 6 * at, 60, 205 + 6 * at, 66), (200.0 + 6 * at, 66.0), 10.0, "Serif")
            for at in range(40)
            if at % 5
        ]
    assert find_gutters(make_marks(glyphs, STATISTICS), 595.0) == gutters
