"""Formulas of born-digital pages, found in the samples and in made-up text layers."""

import json
import pickle
import random
import re

import pymupdf
import pytest

from docproc.born_digital import find_in_text_layer
from docproc.display_formulas import ColumnLayout, gather_displays
from docproc.font_statistics import FontRole, FontStatistics, count_fonts, gather_font_statistics
from docproc.fractions import find_stacks
from docproc.latex.canonical import match_key
from docproc.latex.rules import count_rules
from docproc.options import RegionOptions
from docproc.page_marks import Kind, Mark
from docproc.page_rows import Row, build_rows
from docproc.records import Box, FormulaKind, Glyph, Region, TextLayer
from docproc.text_layer import read_text_layer
from tests.conftest import SAMPLES

NAMES = ("calculus-notes", "physics-two-columns")


def find_all(name: str) -> dict[int, list[Region]]:
    with pymupdf.open(SAMPLES / f"{name}.pdf") as document:
        statistics = gather_font_statistics(document, range(1, len(document) + 1))
        found = {}
        for number, page in enumerate(document, start=1):
            size = page.rect.width, page.rect.height
            found[number] = find_in_text_layer(read_text_layer(page), *size, statistics, RegionOptions())
        return found


def read_truth(name: str) -> list[tuple[int, str, Box, str, str | None]]:
    lines = (SAMPLES / f"{name}.truth.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(r["page"], r["kind"], Box(*r["box"]), r["latex"], r["equation_number"]) for r in rows]


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_found_with_few_exceptions(name: str) -> None:
    found, truth = find_all(name), read_truth(name)
    hits = [
        any(region.kind == kind and region.box.padded(1).iou(box.padded(1)) > 0.5 for region in found[page])
        for page, kind, box, _, _ in truth
    ]
    assert sum(hits) >= 0.93 * len(truth)
    assert sum(map(len, found.values())) <= 1.1 * len(truth)


@pytest.mark.parametrize("name", NAMES)
def test_rules_are_those_of_the_formula(name: str) -> None:
    found, counts = find_all(name), []
    for page, _, box, latex, _ in read_truth(name):
        region = max(found[page], key=lambda region: region.box.iou(box))
        if region.box.iou(box) > 0.9 and region.is_whole:
            counts.append((region.rule_count, count_rules(latex)))
    assert any(rules for rules, _ in counts)
    assert sum(rules == expected for rules, expected in counts) >= 0.98 * len(counts)


@pytest.mark.parametrize("name", NAMES)
def test_equation_numbers_are_split_off(name: str) -> None:
    found = find_all(name)
    numbered = [row for row in read_truth(name) if row[4]]
    assert numbered
    for page, _, box, _, number in numbered:
        region = max(found[page], key=lambda region: region.box.iou(box))
        assert region.equation_number == number
        assert region.box.x1 < box.x1 + 5, "the number lies outside the box"


@pytest.mark.parametrize("name", NAMES)
def test_latex_from_glyphs_is_right_wherever_it_is_given(name: str) -> None:
    found = find_all(name)
    checked = 0
    for page, kind, box, latex, _ in read_truth(name):
        region = max(found[page], key=lambda region: region.box.padded(1).iou(box.padded(1)))
        if kind == "inline" and region.glyph_latex is not None and region.box.padded(1).iou(box.padded(1)) > 0.9:
            checked += 1
            assert match_key(region.glyph_latex) == match_key(re.sub(r"[.,]$", "", latex))
    assert checked >= 12


def test_reading_order_and_context() -> None:
    regions = find_all("physics-two-columns")[1]
    middle = 300
    columns = [region.box.x0 > middle for region in regions if region.box.width < middle]
    assert columns == sorted(columns), "the left column is read before the right one"
    inline = [region for region in regions if region.kind is FormulaKind.INLINE]
    assert all(region.text_before or region.text_after for region in inline)
    assert all(len(region.text_before) <= 120 and len(region.text_after) <= 120 for region in regions)


def line_of(text: str, y: float, font: str = "Serif-Roman", x: float = 72.0, size: float = 10.0) -> list[Glyph]:
    glyphs = []
    for char in text:
        width = size * (0.3 if char in " ,.;:()[]" else 0.5)
        box = Box(x, y, x, y) if char == " " else Box(x, y - 0.65 * size, x + width, y)
        glyphs.append(Glyph(char, box, (x, y), size, font, is_italic="Italic" in font))
        x += width
    return glyphs


PROSE = (
    "On 5 May 2021 the price was $5 (see [12], p. 7) and rose by 3 %",
    "to $1,250.00 within two weeks. See https://example.org/a-b and the",
    "table in Section 2.1 for the others; vitamin C was kept at 20 degrees",
    "as the three authors had said before (i) and (ii) it became clear",
)


def find_in_lines(lines: list[list[Glyph]], **roles: FontRole) -> list[Region]:
    layer = TextLayer(tuple(glyph for line in lines for glyph in line))
    statistics = FontStatistics({"Serif-Roman": FontRole.TEXT, **roles}, {"Serif-Roman": 0.9}, "Serif-Roman", 10.0)
    return find_in_text_layer(layer, 595, 842, statistics, RegionOptions())


def test_prices_dates_references_and_labels_are_no_formulas() -> None:
    lines = [line_of(text, 100 + 12 * i) for i, text in enumerate(PROSE * 3)]
    assert find_in_lines(lines) == []


def test_what_may_go_on_beyond_its_page_is_not_whole() -> None:
    """A formula that begins the first line of a page, and one that the edge of the page cuts off."""
    def line(before: str, formula: str, after: str, y: float) -> list[Glyph]:
        made: list[Glyph] = []
        for text, font in ((before, "Serif-Roman"), (formula, "Math-Italic"), (after, "Serif-Roman")):
            made += line_of(text, y, font=font, x=made[-1].box.x1 + 3.0 if made else 72.0)
        return made

    lines = [line_of(text, 60 + 12 * i) for i, text in enumerate(PROSE)]
    roles = {"Math-Italic": FontRole.MATH}
    top, low, cut = line("", "u=v", "as before and so it ends", 48), line("", "x=y", "as they said", 120), line_of(
        "p=q", 140, font="Math-Italic", x=582.0)
    found = find_in_lines([top, *lines, low, cut], **roles)
    assert [region.is_whole for region in found] == [False, True, False]


def test_code_is_no_formula() -> None:
    code = ["for i in range(n):", "    x[i] = a * y[i] + b", "    if x[i] <= 0: break"]
    lines = [line_of(text, 100 + 12 * i) for i, text in enumerate(PROSE)]
    lines += [line_of(text, 160 + 12 * i, font="Some-Mono") for i, text in enumerate(code)]
    assert find_in_lines(lines, **{"Some-Mono": FontRole.CODE}) == []


def test_random_layers_do_not_raise() -> None:
    """Sizes of 0, glyphs off the page, ink without width, control codes: all of it was seen in real PDFs."""
    for seed in range(60):
        draw = random.Random(seed)
        glyphs = []
        for _ in range(draw.randint(1, 90)):
            x, y = draw.uniform(-20, 620), draw.choice([100, 112, draw.uniform(-10, 850)])
            size = draw.choice([0, 0.001, 7, 10, 10, 12, 200])
            box = Box(x, y - 0.7 * size, x + draw.choice([0, 0.5 * size]), y)
            text = draw.choice([*"abx(){}|=+-∑∫√α01.,:•†\u0338\u0302\ufffd\uf061𝑥 \x01", "fi", ""])
            font = draw.choice(["CMMI10", "CMR10", "Serif", "CMEX10", ""])
            glyphs.append(Glyph(text, box, (x, y), size, font, ink=draw.choice([None, box])))
        rules = (Box(90, 95, 140, 95.4), Box(90, 120, 400, 120), Box(300, 90, 300.4, 200))
        for region in find_in_text_layer(TextLayer(tuple(glyphs), rules), 595, 842, None, RegionOptions()):
            assert region.box.x0 <= region.box.x1
            assert region.box.y0 <= region.box.y1


@pytest.mark.parametrize(
    "glyphs", [(), tuple(line_of("   ", 100)), tuple(line_of("=", 100)), tuple(line_of("\ufffd" * 9, 100))]
)
def test_odd_pages_do_not_raise(glyphs: tuple[Glyph, ...]) -> None:
    layer = TextLayer(glyphs, rules=(Box(0, 0, 0, 0), Box(5, 5, 500, 5.1)), figures=(Box(0, 0, 1, 1),))
    assert isinstance(find_in_text_layer(layer, 595, 842, None, RegionOptions()), list)


def test_font_statistics_tell_text_code_and_mathematics_apart_and_can_be_sent() -> None:
    prose = [glyph for i in range(8) for glyph in line_of("several ordinary words of prose", 100 + 12 * i)]
    letters = [glyph for i in range(20) for glyph in line_of("x", 300, font="Strange", x=80 + 20 * i)]
    statistics = pickle.loads(pickle.dumps(count_fonts([prose + letters])))
    assert statistics.role("Serif-Roman") is FontRole.CODE, "letters of equal width are code"
    assert statistics.role("Strange") is FontRole.MATH
    assert statistics.role("CMMI10") is FontRole.MATH
    assert statistics.role("Courier") is FontRole.CODE
    assert statistics.role("Unheard-Of") is FontRole.TEXT


def display_rows(*lines: tuple[str, float, bool]) -> list[Row]:
    """Display rows at x = 100 of (text, baseline, whether the tagger joins it to the row above)."""
    rows = []
    for text, y, joins in lines:
        row = Row(y, 10.0, 1)
        for index, glyph in enumerate(line_of(text, y, "CMMI10", x=100)):
            mark = Mark(index, glyph, FontRole.MATH, has_space_before=False)
            mark.kind = Kind.MATH
            row.marks.append(mark)
        row.sort()
        row.is_display, row.joins_above = True, joins
        rows.append(row)
    return rows


def gathered(rows: list[Row]) -> list[int]:
    layout = ColumnLayout(72.0, 523.0, (72.0,), 12.0)
    return [len(display.rows) for display in gather_displays(rows, layout, 10.0)]


def test_rows_of_an_alignment_are_one_display() -> None:
    assert gathered(display_rows(("x=y", 100, False), ("u=v", 115, False))) == [2], "3 pt more than lines of prose"
    assert gathered(display_rows(("x=y", 100, False), ("u=v", 127, True))) == [2], "wider, but the tagger joins them"
    assert gathered(display_rows(("x=y", 100, False), ("u=v", 132, False))) == [1, 1]
    assert gathered(display_rows(("x=y", 100, False), ("u=v", 150, True))) == [1, 1], "too far apart for any tagger"


def test_a_pair_keeps_its_brackets_and_a_set_its_parts() -> None:
    prose = [line_of(text, 100 + 12 * i) for i, text in enumerate(PROSE)]
    line = line_of("We take the pair ", 148)
    x = 72 + sum(10 * (0.3 if char in " ,.;:()[]" else 0.5) for char in "We take the pair ")
    formula = line_of("(", 148, x=x) + line_of("α", 148, "CMMI10", x=x + 3) + line_of(",", 148, "CMMI10", x=x + 8)
    formula += line_of("β", 148, "CMMI10", x=x + 12.6) + line_of(")", 148, x=x + 17.6)
    after = line_of(" as it stands in the list of all of them", 148, x=x + 20.6)
    regions = find_in_lines([*prose, line + formula + after], CMMI10=FontRole.MATH)
    assert [round(region.box.width, 1) for region in regions] == [20.6]


def test_the_glyphs_of_a_display_hold_its_limits() -> None:
    (first,) = [region for region in find_all("calculus-notes")[1] if region.equation_number == "2.1"]
    assert sorted(symbol for symbol in first.glyph_symbols if symbol in "ab") == ["a", "a", "b", "b"]


def test_cases_with_words_are_one_display() -> None:
    """`c = { x if so, y if not`: a row beside the brace that looks like prose goes with the others."""
    rows = display_rows(("c=", 112, False), ("x if it is", 105, False), ("y if it is not", 119, False))
    for row in rows[1:]:
        for mark in row.marks:
            mark.x0, mark.x1 = mark.x0 + 30, mark.x1 + 30
    rows[2].is_display = False
    glyph = Glyph("{", Box(115, 95, 120, 125), (115, 95), 10.0, "CMEX10")
    brace = Mark(9, glyph, FontRole.MATH, has_space_before=False)
    brace.kind = Kind.MATH
    rows[0].marks.append(brace)
    assert brace.is_big
    assert gathered(sorted(rows, key=lambda row: row.y)) == [3]


def test_a_fraction_in_an_index_stays_in_the_line() -> None:
    """`q_{n-1/2}`: the bar is half an em below the axis of the line."""
    parts = [("q", 100, 100, 10), ("n", 105, 102, 7), ("−", 109, 102, 7), ("1", 114, 99.5, 5), ("2", 114, 105.5, 5)]
    marks = []
    for index, (char, x, y, size) in enumerate(parts):
        glyph = Glyph(char, Box(x, y - 0.65 * size, x + 0.5 * size, y), (x, y), size, "CMMI10")
        mark = Mark(index, glyph, FontRole.MATH, has_space_before=False)
        mark.kind = Kind.MATH
        marks.append(mark)
    stacks = find_stacks(marks, [Box(113.5, 100.5, 117, 100.8)])
    assert [len(stack.marks) for stack in stacks] == [2]
    assert len(build_rows(marks, 1, 10.0, stacks)) == 1
