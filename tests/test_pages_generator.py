"""Truth of typeset pages: boxes hug the ink, equal seeds give equal pages, scans move boxes along."""

import random
import shutil
from pathlib import Path

import numpy as np
import pymupdf
import pytest

from benchmarks.family_print import prints_alike
from benchmarks.region_scores import FoundRegion, f1, score_page
from benchmarks.regions import OWN_FORMULAS
from docproc.records import Box
from finetune.pretrain.page_families import (
    CLASSES,
    FAMILIES,
    DocumentClass,
    FontFamily,
    Recipe,
    draw_recipe,
    installed_families,
)
from finetune.pretrain.page_formulas import FormulaPool, is_undecidable, load_formulas, split_rows
from finetune.pretrain.page_scans import render_grey, scan_page
from finetune.pretrain.page_tex import MARK_BLUE, write_head, write_source
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.pages import make_document, make_pages, run_tex
from finetune.pretrain.prose_source import ProseSource

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pages are typeset with pdflatex (TeX Live)")
SEED = 5


@pytest.fixture(scope="module")
def formulas():
    return load_formulas([OWN_FORMULAS], "dev")


@pytest.fixture(scope="module")
def pages(formulas):
    made = list(make_pages(formulas, 4, SEED, pages_per_document=4))
    assert len(made) == 4
    return made


@needs_tex
def test_truth_boxes_hug_the_ink(pages):
    """In a picture of the page at 288 dpi, each box is full of ink at its four edges and paper is just outside."""
    dpi, checked = 288.0, 0
    for page in pages:
        with pymupdf.open("pdf", page.pdf) as document:
            ink = render_grey(document[page.number - 1], dpi) < 225  # thin strokes are grey
        for region in page.regions:
            x0, y0, x1, y1 = (edge * dpi / 72 for edge in (region.box.x0, region.box.y0, region.box.x1, region.box.y1))
            inside = ink[max(0, round(y0) - 1) : round(y1) + 1, max(0, round(x0) - 1) : round(x1) + 1]
            rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
            assert len(rows), region.latex
            # Ink reaches within 2 pixels (0.5 pt) of each edge: no box is loose.
            assert rows[0] <= 2 and columns[0] <= 2, (region.latex, region.box)
            assert len(inside) - 1 - rows[-1] <= 2, (region.latex, region.box)
            assert inside.shape[1] - 1 - columns[-1] <= 2, (region.latex, region.box)
            checked += 1
    assert checked > 40


@needs_tex
def test_pages_are_black_and_hold_both_kinds_with_numbers(pages):
    colors, kinds, numbers = set(), set(), []
    for page in pages:
        with pymupdf.open("pdf", page.pdf) as document:
            for block in document[page.number - 1].get_text("dict")["blocks"]:
                colors |= {span["color"] & 255 for line in block.get("lines", ()) for span in line["spans"]}
        kinds |= {region.kind for region in page.regions}
        numbers += [text for region in page.regions for text, _ in region.equation_numbers]
    assert MARK_BLUE not in colors
    assert kinds == {"inline", "display"}
    assert numbers and all(any(c.isdigit() for c in number) for number in numbers)


@needs_tex
def test_boxes_of_one_page_do_not_overlap(pages):
    for page in pages:
        boxes = [region.box for region in page.regions]
        for i, box in enumerate(boxes):
            assert 0 <= box.x0 < box.x1 <= page.width_pt and 0 <= box.y0 < box.y1 <= page.height_pt
            for other in boxes[:i]:
                assert box.iou(other) < 0.3


@needs_tex
def test_equal_seeds_give_equal_pages(formulas, pages):
    again = make_document(formulas, pages[0].seed, pages=4)
    same = [page for page in pages if page.seed == pages[0].seed]
    assert [page.regions for page in again[: len(same)]] == [page.regions for page in same]


@needs_tex
def test_pages_without_formulas_have_none(formulas):
    made = list(make_pages(formulas, 2, SEED, has_formulas=False, pages_per_document=2))
    assert made and all(region.is_ignored for page in made for region in page.regions)


@needs_tex
@pytest.mark.parametrize("has_curve", [False, True])
def test_scan_moves_boxes_with_the_ink(pages, has_curve):
    """The ink of every box that lies free on the flat page is in its box on the scan too."""
    page = pages[0]
    scan = scan_page(page, 3, dpi=200, has_curve=has_curve)
    paper = float(np.median(scan.image))
    for region in scan.regions:
        x0, y0, x1, y1 = (
            round(edge * 200 / 72) for edge in (region.box.x0, region.box.y0, region.box.x1, region.box.y1)
        )
        inside = scan.image[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1]
        dark = inside < paper - 40
        assert dark.any(axis=1)[:4].any() and dark.any(axis=1)[-4:].any(), region.latex
        assert dark.any(axis=0)[:4].any() and dark.any(axis=0)[-4:].any(), region.latex


@needs_tex
def test_scan_without_tilt_keeps_boxes_and_equal_seeds_agree(pages):
    first, second = (scan_page(pages[1], 8, dpi=200) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert abs(first.skew_degrees) <= 2
    for flat, moved in zip(pages[1].regions, first.regions, strict=True):
        # A turn by 2 degrees moves a corner of the page by 20 pt; nothing moves farther than that and the shift.
        assert abs(flat.box.center[0] - moved.box.center[0]) < 60
        assert abs(flat.box.center[1] - moved.box.center[1]) < 60


@needs_tex
def test_rows_of_an_align_are_lines_of_one_region(formulas):
    rows = [f for f in formulas if f.latex.startswith(r"\begin{aligned}")]
    family = FontFamily("cm", "", encoding="OT1")
    recipe = Recipe(DocumentClass("article", ("10pt",)), family, "10pt", 1, False, False, True, "")
    from finetune.pretrain import pages as module

    source = write_source(recipe, ProseSource(2, "dev"), FormulaPool(rows, 2), 2, 2, True)
    pdf, _ = module.run_tex(recipe, source.tex)
    assert pdf is not None
    _, regions = module.read_truth(pdf, source.formulas)
    displays = [region for page in regions for region in page if region.kind == "display" and len(region.lines) > 1]
    assert displays
    for region in displays:
        assert Box.around(region.lines) == region.box
        assert all(above.y0 < below.y0 for above, below in zip(region.lines, region.lines[1:], strict=False))


@needs_tex
@pytest.mark.parametrize(("split", "name"), [("dev", "iwona"), ("test", "kurier")])
def test_families_without_double_bars_print_them(split, name):
    families = [family for family in installed_families(split) if family.name == name]
    if not families:
        pytest.skip(f"{name} is not installed")
    recipe = Recipe(DocumentClass("article", ("10pt",)), families[0], "10pt", 1, False, False, False, "")
    bars = r"\|x\| \Vert x\Vert \lVert x\rVert \left\|x\right\| x\parallel y \biggl\|x\biggr\|"
    pdf, log = run_tex(recipe, f"{write_head(recipe, random.Random(1))}\\begin{{document}}${bars}$\\end{{document}}")
    assert pdf is not None
    assert "Missing character" not in log


@needs_tex
@pytest.mark.parametrize(
    ("other", "is_alike"), [(r"\mathit{x}_{a}", True), ("x^{a}", False), (r"x_{a}\input{a}", None)]
)
def test_what_the_fonts_of_a_page_print_alike_is_told(other, is_alike):
    name = draw_recipe(SEED, "dev").name
    assert prints_alike("x_{a}", other, SEED, name, is_display=False) is is_alike
    assert prints_alike("x_{a}", other, SEED, "another/family/10pt/1", is_display=False) is None


def test_splits_share_no_class_and_no_font_family():
    assert not {c.name for c in CLASSES["dev"]} & {c.name for c in CLASSES["test"]}
    assert not {f.name for f in FAMILIES["dev"]} & {f.name for f in FAMILIES["test"]}
    assert not {f.preamble for f in FAMILIES["dev"]} & {f.preamble for f in FAMILIES["test"]}


def test_held_out_sources_are_in_the_test_split_only(tmp_path: Path):
    file = tmp_path / "formulas.jsonl"
    file.write_text(
        '{"latex": "x^2", "kind": "inline", "source": "jirilebl/scv"}\n'
        '{"latex": "y^2", "kind": "inline", "source": "other"}\n'
    )
    assert [f.latex for f in load_formulas([file], "test")] == ["x^2"]
    assert [f.latex for f in load_formulas([file], "dev")] == ["y^2"]


def test_broken_formula_file_is_named_with_its_line(tmp_path: Path):
    file = tmp_path / "formulas.jsonl"
    file.write_text('{"latex": "x", "kind": "inline", "source": "s"}\n{"latex": 1\n')
    with pytest.raises(ValueError, match=r"formulas\.jsonl, line 2"):
        load_formulas([file], "dev")


@pytest.mark.parametrize(
    "latex", ["3", "1{,}000", "-5", "(0, 1)", r"\mathrm{and}", r"50\%", r"\times", r"\ce{H2O}", "3.14"]
)
def test_plain_numbers_and_words_are_undecidable(latex):
    assert is_undecidable(latex)


@pytest.mark.parametrize(
    "latex",
    ["x", "3x", "n=5", r"\alpha", "10^5", r"\mathrm{H}_2", r"\frac{1}{2}", r"\ce{A -> B}", "2 < 3", r"\sqrt{2}"],
)
def test_formulas_are_decidable(latex):
    assert not is_undecidable(latex)


def test_split_rows_respects_nesting():
    name, rows = split_rows(
        r"\begin{aligned} a &= \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} \\[2pt] &= {b \\ c} \end{aligned}"
    )
    assert name == "aligned"
    assert rows == [["a", r"= \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"], ["", r"= {b \\ c}"]]
    assert split_rows("a = b") is None


def test_scores_of_a_page():
    def region(x, kind="inline", is_ignored=False):
        box = Box(x, 0, x + 10, 10)
        return TrueRegion(kind, box, "x", (box,), is_ignored=is_ignored)

    truth = [region(0), region(20), region(40, is_ignored=True), region(60, "display")]
    found = [
        FoundRegion("inline", Box(0, 0, 10, 10)),
        FoundRegion("inline", Box(40, 0, 50, 10)),  # undecidable: counts neither way
        FoundRegion("inline", Box(60, 0, 70, 10)),  # a display
        FoundRegion("inline", Box(80, 0, 90, 10)),  # nothing there
    ]
    score = score_page(truth, found)
    assert f1(score.counts, "inline", 0.5) == (1 / 3, 1 / 2, 0.4)
    assert score.counts["inline", "covered"] == 1
    assert score.counts["display", "other-kind"] == 1
    assert sorted((error.kind, error.what) for error in score.errors) == [
        ("display", "one piece only"),
        ("inline", "not found"),
        ("inline", "nothing there"),
        ("inline", "too big"),
    ]


def test_prose_is_seeded_and_splits_share_no_noun():
    first, again = (ProseSource(4, "dev").paragraph(0.5, 6) for _ in range(2))
    assert first == again
    assert first != ProseSource(5, "dev").paragraph(0.5, 6)
    from finetune.pretrain.prose_words import THEMES

    assert not set(THEMES["dev"]["noun"].split()) & set(THEMES["test"]["noun"].split())


def test_formula_pool_draws_from_its_formulas(formulas):
    pool = FormulaPool(formulas, 1)
    known = {f.latex for f in formulas if f.kind == "display"}
    assert all(pool.display() in known for _ in range(30))
    with pytest.raises(ValueError, match="no display"):
        FormulaPool([], 1)
