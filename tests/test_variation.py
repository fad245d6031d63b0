"""Varied training formulas, and variants of the network with fewer layers."""

import json
import lzma
import random
import shutil

import pytest

from docproc.checkpoints import BUILT_IN_FOLDER
from docproc.latex.canonical import recognition_target
from finetune.pretrain.sources import read_formulas
from finetune.pretrain.variation import vary

torch = pytest.importorskip("torch")
TARGETS = (
    r"\sum_{i=1}^{n}\frac{a_{i}}{b}+\operatorname{rank}A",
    r"f(x)=\begin{cases}x&\text{if~}x>0\\0&\text{otherwise}\end{cases}",
    r"\begin{array}{c|c}a&b\\c&d\end{array}",
    r"\mathcal{H}\otimes\mathbb{C}^{2}\rightarrow\mathsf{Out}(F_{2})",
)


@pytest.mark.parametrize("latex", TARGETS)
def test_varied_formulas_stay_formulas(latex):
    """Layout, column letters and letters of an alphabet stay; a symbol, an alphabet or a word changes."""
    target = recognition_target(latex)
    rng, seen = random.Random(2), set()
    for _ in range(300):
        varied = vary(target, rng)
        if varied is None:
            continue
        wanted = recognition_target(varied)
        assert wanted is not None, varied
        for part in (r"\begin{array}{c|c}", r"\begin{cases}", r"\mathcal{H}", r"\mathbb{C}", r"\frac{"):
            assert (part in target) <= (part in wanted), wanted
        seen.add(wanted)
    assert len(seen) > 60
    assert any(r"\mathsf{" in x or r"\mathtt{" in x for x in seen)


def test_a_formula_without_symbols_is_left_alone():
    assert vary(r"\rightarrow", random.Random(1)) is None


def test_formulas_whose_letters_tex_prints_as_signs_are_left_out(tmp_path):
    r"""`\mathcal{y}` prints a dagger: a picture of it with that label would teach, or test, an error."""
    lines = [r"\mathcal{y}^{2}+1", r"\mathcal{Y}^{2}+1", r"\mathbb{1}_{A}", r"\mathbb{R}_{1}"]
    path = tmp_path / "f.jsonl.xz"
    with lzma.open(path, "wt") as file:
        for latex in lines:
            file.write(json.dumps({"latex": latex, "kind": "inline", "source": "a/b"}) + "\n")
    assert [f.latex for f in read_formulas([path])] == [lines[1], lines[3]]


def test_a_variant_keeps_the_first_and_the_last_layers():
    from docproc.model.load import load_built_in_weights
    from finetune.pretrain.network import Shape, build_network
    from finetune.pretrain.quantize import read_shape
    from finetune.pretrain.variants import spread_layers

    weights = load_built_in_weights(BUILT_IN_FOLDER)
    kept = spread_layers(weights, 4, 3)
    name = "model.visual.blocks.{}.norm1.weight"
    assert torch.equal(kept[name.format(0)], weights[name.format(0)])
    assert torch.equal(kept[name.format(3)], weights[name.format(7)])
    assert read_shape(kept) == Shape(text_layers=3, vision_layers=4)
    model = build_network(800, read_shape(kept))
    result = model.load_state_dict(kept, strict=False)
    assert not result.unexpected_keys
    assert set(result.missing_keys) <= {"lm_head.weight"}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_a_reading_is_compared_in_the_font_of_its_picture():
    r"""In a sans-serif family `\mathsf{1}` looks like `1`; in Computer Modern sans serif can be told apart."""
    from finetune.pretrain.render_scores import match_in_family

    pairs = [
        (r"\mathsf{1}", "1", "cmbright"),
        (r"\mathsf{2}", "2", "cm"),
        (r"\frac{a}{b}", r"\frac{a}{b}", "newtx"),
        (r"\frac{a}{b}", r"\frac{a}{", "newtx"),
        (r"\undefinedcommand", "x", "cm"),
    ]
    assert match_in_family(pairs) == [True, False, True, False, None]
