"""Handwriting composed for training: constructs, signs that nobody wrote, what surrounds a formula on a sheet."""

import random
from pathlib import Path

import numpy as np
import pytest

from finetune.pretrain.ink import Ink, draw_ink
from finetune.pretrain.ink_context import on_a_sheet
from finetune.pretrain.pen_symbols import hershey_symbols, load_drawn, save_drawn
from finetune.pretrain.symbol_library import Library
from finetune.pretrain.vocabulary import split_target
from finetune.pretrain.writer import Writer


def stroke(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float32)


@pytest.fixture
def writer() -> Writer:
    shapes = {label: [stroke((0, 0), (10, 10), (0, 10))] for label in "xab()1"} | {"-": [stroke((0, 0), (12, 0))]}
    strokes = [s for parts in shapes.values() for s in parts]
    symbols = [(label, [i]) for i, label in enumerate(shapes)]
    rare = (r"\psi", r"\mathcalD", r"\{", r"\sim", "R", "h", "|")
    drawn = {label: [[stroke((0, 0), (4, 9), (8, 0))]] for label in rare}
    return Writer(Library([Ink("x", strokes, symbols, "somebody/1")], drawn), random.Random(3))


@pytest.mark.parametrize(
    ("latex", "strokes"),
    [
        (r"\psi(x)", 4),
        (r"\left(\frac{a}{b}\right)", 5),
        (r"\left.\frac{a}{b}\right|_{x}", 5),
        (r"\left[a\right]", None),  # nobody wrote a [
        (r"\hat{x}", 2),
        (r"\vec{x}", 3),
        (r"\ddot{x}", 3),
        (r"\overline{ab}", 3),
        (r"\operatorname{ab}x", 3),
        (r"\operatorname{a}x", None),  # nobody sees that one letter is upright
        (r"\mathcal{D}", 1),
        (r"\mathbb{R}", 2),
        (r"a\approx b", 4),
        (r"\hbar a", 3),
        (r"x\otimes a", 5),
        (r"\begin{aligned}a&=b\end{aligned}", None),  # nor an =
        (r"\begin{cases}1&x\\a&b\end{cases}", 5),
        (r"\left(a", None),
    ],
)
def test_constructs_are_written(writer: Writer, latex: str, strokes: int | None) -> None:
    found = writer.write(split_target(latex))
    assert (None if found is None else len(found)) == strokes


@pytest.mark.parametrize(
    "latex", [r"\left(\frac{a}{b}\right)", r"\left|\frac{a}{b}\right|", r"\begin{vmatrix}a\\b\end{vmatrix}"]
)
def test_brackets_are_as_tall_as_what_they_hold(writer: Writer, latex: str) -> None:
    strokes = writer.write(split_target(latex)) or []
    left, right = (chosen(strokes, key=lambda s: s[:, 0].mean()) for chosen in (min, max))
    body = np.concatenate([s for s in strokes if s is not left and s is not right])
    for bracket in (left, right):
        assert bracket[:, 1].min() < body[:, 1].min()
        assert bracket[:, 1].max() > body[:, 1].max()
    assert left[:, 0].max() <= body[:, 0].min()
    assert right[:, 0].min() >= body[:, 0].max()


def test_what_surrounds_a_formula_leaves_its_ink(writer: Writer) -> None:
    strokes = writer.write(split_target("a(x)-b")) or []
    grey = draw_ink(strokes, random.Random(1), varied=False, unit=1.0)
    rng, shapes = random.Random(2), set()
    for neighbor in (None, grey) * 30:
        sheet = on_a_sheet(grey, neighbor, rng)
        assert sheet.dtype == np.uint8
        assert (sheet < 128).sum() >= (grey < 128).sum()
        shapes.add(sheet.shape)
    assert len(shapes) > 5


def test_drawings_of_a_pen_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("HersheyFonts", reason="the package Hershey-Fonts is not installed")
    drawn = hershey_symbols()
    assert {"D", r"\psi", r"\partial", r"\mathcalL", r"\langle"} <= set(drawn)
    save_drawn(drawn, tmp_path / "pen.json")
    again = load_drawn(tmp_path / "pen.json")
    assert again.keys() == drawn.keys()
    assert np.allclose(again[r"\psi"][0][0], drawn[r"\psi"][0][0], atol=0.01)
    assert load_drawn(tmp_path / "absent.json") == {}
