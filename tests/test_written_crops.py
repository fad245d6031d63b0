"""Formulas cut out of handwritten pages: ink in them, labels on them, sizes as the product's, none of a training."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docproc.crops import WRITTEN_EM_PX
from docproc.latex.canonical import recognition_target
from docproc.records import Box
from docproc.scan_ink import X_HEIGHT_EM
from finetune.pretrain.batches import Budget
from finetune.pretrain.heldout import draw_from_pages
from finetune.pretrain.ink import Ink
from finetune.pretrain.page_formulas import SourceFormula
from finetune.pretrain.pen_marks import accent
from finetune.pretrain.sources import Formula, inks_of_split, split_inks
from finetune.pretrain.stream import Corpus, Curriculum, Producer, encode, load_words
from finetune.pretrain.vocabulary import join_target
from finetune.pretrain.writer import Writer
from finetune.pretrain.written_crops import PageCutter, WrittenCrop, _decorated, _has_all_strokes, held_out_crops
from finetune.pretrain.written_pages import InkStock
from tests.written_stock import make_stock, strokes_of

_TOKENIZER = Path(__file__).parents[1] / "docproc" / "model" / "tokenizer.json"


@pytest.fixture(scope="module")
def stock() -> InkStock:
    return make_stock()


@pytest.fixture(scope="module")
def crops(stock: InkStock) -> list[WrittenCrop]:
    cutter = PageCutter(stock, random.Random(5))
    return [crop for _ in range(6) for crop in cutter.crops()]


def test_crops_hold_the_ink_of_their_formula(crops: list[WrittenCrop]) -> None:
    assert len(crops) > 40
    for crop in crops:
        paper = np.percentile(crop.grey, 90)
        assert (crop.grey < paper - 50).any()
    widths = {crop.latex: crop.grey.shape[1] / crop.grey.shape[0] for crop in crops}
    longest, shortest = max(widths, key=len), min(widths, key=len)
    assert widths[longest] > 2 * widths[shortest]


def test_letters_have_the_size_that_the_product_gives_them(stock: InkStock) -> None:
    low = [SourceFormula("a+c+e+n", "display", ""), SourceFormula("a+c+e", "inline", "")]
    crops = held_out_crops(replace(stock, formulas=low), range(6), most_a_page=99)
    heights = [crop.grey.shape[0] for crop in crops if crop.latex in ("a+c+e+n", "a+c+e")]
    assert len(heights) > 5
    x_height, paper = X_HEIGHT_EM * WRITTEN_EM_PX, 8.0
    assert float(np.median(heights)) == pytest.approx(x_height + paper, rel=0.3)


def test_crops_that_lost_a_stroke_to_a_neighbor_are_told() -> None:
    grey = np.full((20, 40), 255, np.uint8)
    grey[5:15, 5:7] = grey[5:15, 30:32] = 0
    around, strokes = Box(0, 0, 20, 10), (Box(2.5, 2.5, 3.5, 7.5), Box(15, 2.5, 16, 7.5))
    assert _has_all_strokes(grey, around, strokes)
    grey[:, 20:] = 255
    assert not _has_all_strokes(grey, around, strokes)


def test_views_of_a_formula_differ(crops: list[WrittenCrop]) -> None:
    pairs = list(zip(crops[::2], crops[1::2], strict=True))
    assert all(one.latex == other.latex for one, other in pairs)
    assert sum(one.grey.shape == other.grey.shape for one, other in pairs) < 0.2 * len(pairs)


def test_some_people_write_far_apart(stock: InkStock) -> None:
    def width(apart: float) -> float:
        writer = Writer(stock.library, random.Random(2))
        writer.apart = apart
        points = np.concatenate(writer.write(["a", "=", "b"] * 8) or [])
        return float(np.ptp(points[:, 0]))

    assert width(1.6) > width(0.0) + 5


def test_pages_draw_on_formulas_with_structure_and_random_ones(stock: InkStock) -> None:
    letters = [SourceFormula(f"a+{'b' * n}", "display", "") for n in range(1, 4_000)]
    roots = [SourceFormula(rf"\sqrt{{{'a' * n}}}", "display", "") for n in range(1, 40)]
    cutter = PageCutter(replace(stock, formulas=letters + roots), random.Random(5))
    list(cutter.crops())
    pool = [f.latex for f in cutter.stock.formulas]
    assert sum(f.latex in pool for f in roots) > 20
    assert len(set(pool) - {f.latex for f in letters + roots}) > 300


def test_letters_are_decorated_all_or_none_and_stay_formulas() -> None:
    rng = random.Random(3)
    found = {_decorated(r"E(x) = \int x \, d\alpha", rng) for _ in range(60)}
    assert r"E(\vec{x}) = \int \vec{x} \, d\alpha" in found and r"\mathbb{E}(x) = \int x \, d\alpha" in found
    assert all(recognition_target(latex) for latex in found)
    assert _decorated(r"\text{a b}", rng) == r"\text{a b}"


def test_half_a_head_is_an_arrow_with_one_barb() -> None:
    line = [np.array([[0, 0], [1, 0]], np.float32)]
    whole, half = (accent(r"\vec", 1.0, lambda _: line, random.Random(1), is_half=x)[-1] for x in (False, True))
    assert len(whole) == 3 and np.array_equal(half, whole[:2])


def test_the_stream_takes_its_share_from_pages(stock: InkStock) -> None:
    words = load_words(_TOKENIZER)
    formulas = [f for f in stock.formulas if encode(recognition_target(f.latex) or "\x02", words)]
    own = [Formula(f.latex, str(recognition_target(f.latex)), f.kind == "display", f.source) for f in formulas]
    labels = [encode(f.target, words) or [] for f in own]
    corpus = Corpus(own, labels, stock.inks, [encode("a+b", words) or []], words, {}, hands=stock.hands)
    corpus.library = stock.library
    curriculum = Curriculum(ink=((0, 0.25),), pages=((0, 0.75),), nothing=((0, 0.0),))
    samples = Producer(corpus, curriculum, Budget(), random.Random(1)).samples(2000.0, 40)
    pages = [sample for sample in samples if sample.group == "page"]
    assert len(pages) == 30
    names = {number: token for token, number in words.items()}
    assert all(recognition_target(join_target(names[i] for i in sample.ids)) for sample in pages)
    assert all(np.ptp(sample.ink) > 25 for sample in pages)


def test_held_out_pages_follow_from_their_seeds_and_have_writers_of_their_own() -> None:
    inks = [Ink("a+b", strokes_of("a"), [("a", [0])], f"collection/writer {n}") for n in range(60)]
    formulas = [Formula("a+b=e+g", "a+b=e+g", True, "s"), Formula("a", "a", False, "s")]
    drawn = {sign: [strokes_of(sign)] for sign in "ab+=abcdefghilmnoprstuy"}
    one, two = (draw_from_pages(formulas, inks, [], drawn, count=3) for _ in range(2))
    assert [p.kind for p in one] == ["inline"] * 3 + ["display"] * 3
    assert all(np.array_equal(a.grey, b.grey) and a.latex == b.latex for a, b in zip(one, two, strict=True))
    trained = {ink.writer for ink in split_inks(inks)[0]}
    assert not trained & {ink.writer for ink in inks_of_split(inks, "test")}
