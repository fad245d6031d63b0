"""The data engine and the training of the built-in model, on small inputs."""

import random
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.checkpoints import BUILT_IN_FOLDER
from docproc.latex.canonical import recognition_target
from docproc.model.load import load_built_in_weights
from finetune.pretrain import average
from finetune.pretrain.batches import Budget, Sample, group_samples, pack, patchify
from finetune.pretrain.crops import Crop, cut_formula, to_canvas
from finetune.pretrain.decoding import read_pictures
from finetune.pretrain.degrade import degrade
from finetune.pretrain.grammar import Grammar
from finetune.pretrain.ink import Ink, draw_ink
from finetune.pretrain.neighbors import draw_neighbors, draw_nothing
from finetune.pretrain.network import PackedNetwork, Shape, build_network
from finetune.pretrain.optimizer import Optimizer
from finetune.pretrain.prepare import draw_chemistry
from finetune.pretrain.quantize import quantize, write_model
from finetune.pretrain.scores import edit_distance
from finetune.pretrain.sources import (
    Formula,
    hashed_share,
    held_out_names,
    load_formulas,
    save_formulas,
    split_formulas,
)
from finetune.pretrain.stream import Curriculum, encode, value_at
from finetune.pretrain.symbol_library import Library
from finetune.pretrain.typeset import Job, typeset
from finetune.pretrain.vocabulary import EOS, FIRST_WORD, IMG, split_target
from finetune.pretrain.writer import Writer

torch = pytest.importorskip("torch")
SMALL = Budget(cells=64, labels=96, samples=8, sample_cells=20, sample_labels=20, glyphs=64)
needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(BUILT_IN_FOLDER / "tokenizer.json"))


def make_samples(seed: int = 0, count: int = 3) -> list[Sample]:
    rng = np.random.default_rng(seed)
    shapes = [(1, 3, 4), (2, 5, 9), (3, 2, 1), (4, 4, 12)][:count]
    return [
        Sample(rng.integers(0, 255, (16 * h, 16 * w), np.uint8), rng.integers(20, 700, n).tolist(), [(0, 1), (1, 2)])
        for h, w, n in shapes
    ]


@pytest.fixture(scope="module")
def small_model():
    torch.manual_seed(0)
    model = build_network(800, Shape(width=128, text_layers=2, vision_layers=2)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3)  # far from the symmetric start, so that mistakes show
    return model


def stock_inputs(sample: Sample) -> dict:
    from PIL import Image
    from transformers import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil.from_pretrained(BUILT_IN_FOLDER)
    found = processor(images=[Image.fromarray(255 - sample.ink).convert("RGB")], return_tensors="pt")
    ids = torch.tensor([[3] + [IMG] * sample.cells + [4, 1]])
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == IMG).int(),
        "pixel_values": found["pixel_values"],
        "image_grid_thw": found["image_grid_thw"],
    }


def test_packed_network_computes_what_the_stock_model_computes(small_model):
    samples = make_samples()
    b = pack(samples, SMALL, 0.0, np.random.default_rng(0), 700)
    network = PackedNetwork(small_model)
    with torch.no_grad():
        visual = network.see(b["ink"], b["rows"], b["columns"], b["vision_starts"], SMALL.longest_patches)
        places, positions = b["places"].long(), b["positions"].long()
        hidden = network.read(visual, b["ids"].long(), places, positions, b["text_starts"], SMALL.longest_tokens)
        logits = network.score(hidden)[b["at"].long()]
    done = 0
    for sample in samples:
        inputs = stock_inputs(sample)
        ids = torch.cat([inputs["input_ids"], torch.tensor([[*sample.ids, EOS]])], 1)
        inputs |= {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": (ids == IMG).int()}
        with torch.no_grad():
            stock = small_model(**inputs).logits[0]
        count = len(sample.ids) + 1
        first = sample.cells + 2
        torch.testing.assert_close(logits[done : done + count], stock[first : first + count], atol=2e-4, rtol=1e-4)
        done += count


def test_packed_decoding_writes_what_generate_writes(small_model):
    samples = make_samples(1, 4)
    readings = read_pictures(PackedNetwork(small_model), [s.ink for s in samples], 12, batch=3)
    for sample, reading in zip(samples, readings, strict=True):
        inputs = stock_inputs(sample)
        with torch.no_grad():
            written = small_model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, sample.cells + 3 :].tolist()
        assert written[: len(reading.ids)] == reading.ids
        assert reading.log_probability < 0


def test_batches_keep_the_budget_and_lose_no_label():
    samples = [s for seed in range(6) for s in make_samples(seed, 4)]
    batches = list(group_samples(samples, SMALL))
    assert sum(map(len, batches)) == len(samples)
    for members in batches:
        b = pack(members, SMALL, 0.0, np.random.default_rng(0), 700)
        assert b["want"][b["want"] >= 0].tolist() == [t for s in members for t in [*s.ids, EOS]]
        for name, end in (("vision_starts", 4 * SMALL.cells), ("text_starts", SMALL.tokens)):
            starts = b[name]
            assert len(starts) == SMALL.slots + 1
            assert starts[-1] == end  # the unused end belongs to filling sequences: no kernel leaves rows unwritten
            assert starts.diff().min() >= 0
            assert starts.diff().max() <= (SMALL.longest_patches if name[0] == "v" else SMALL.longest_tokens)


def test_noise_changes_what_the_decoder_sees_and_never_what_it_learns():
    samples = make_samples(2, 4)
    plain = pack(samples, SMALL, 0.0, np.random.default_rng(0), 700)
    noisy = pack(samples, SMALL, 0.5, np.random.default_rng(0), 700)
    assert torch.equal(plain["want"], noisy["want"])
    changed = plain["ids"] != noisy["ids"]
    assert changed.any()
    assert (noisy["ids"][changed] >= FIRST_WORD).all()


def test_patches_are_the_processors_patches():
    sample = make_samples(3, 2)[1]
    pixels = stock_inputs(sample)["pixel_values"]
    ours = patchify(sample.ink).astype(np.float32) * (-1 / (255 * 0.35))
    np.testing.assert_allclose(pixels.reshape(len(ours), 6, 64)[:, 0].numpy(), ours, atol=1e-5)


def test_a_few_steps_lower_the_loss_and_the_rate_ends_at_zero():
    torch.manual_seed(0)
    model = build_network(800, Shape(width=128, text_layers=1, vision_layers=1))
    network, head = PackedNetwork(model), torch.nn.Linear(4, 4)
    optimizer = Optimizer(model, head, 0.01, 0.003, 0.0, warm_up=2, flat=0.3)
    b = pack(make_samples(), SMALL, 0.0, np.random.default_rng(0), 700)
    losses = []
    for _ in range(12):
        visual = network.see(b["ink"], b["rows"], b["columns"], b["vision_starts"], SMALL.longest_patches)
        places, positions = b["places"].long(), b["positions"].long()
        hidden = network.read(visual, b["ids"].long(), places, positions, b["text_starts"], SMALL.longest_tokens)
        logits = network.score(hidden[b["at"].long()])
        loss = torch.nn.functional.cross_entropy(logits, b["want"].long(), ignore_index=-100)
        loss.backward()
        losses.append(loss.item())
        optimizer.step(0.1)
    assert losses[-1] < 0.6 * losses[0]
    assert optimizer.factor(0.2) == 1.0
    assert optimizer.factor(1.0) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    "latex",
    [
        r"\alpha x+\beta_{i}^{2}\text{if~and}\begin{array}{cc}a&b\\c&d\end{array}",
        r"\ce{A + B -> C}\mu *g\not\in\operatorname{id}_{V}\{\ \}\|x\|\quad\left(\frac{a}{b}\right)",
        r"\sin x\cos2y^{\prime\prime}",
    ],
)
def test_decoding_an_encoded_target_gives_the_target_back(tokenizer, latex):
    ids = tokenizer.encode(latex, add_special_tokens=False).ids
    assert ids == encode(latex, tokenizer.get_vocab())
    assert tokenizer.decode(ids) == latex


def test_random_formulas_have_targets_inside_the_vocabulary(tokenizer):
    grammar, words = Grammar(random.Random(4)), tokenizer.get_vocab()
    targets = [recognition_target(grammar.formula(n)) for n in (3, 5, 8, 13, 22, 40) * 40]
    known = [t for t in targets if t]
    assert len(known) > 0.95 * len(targets)
    encoded = [encode(t, words) for t in known]
    assert sum(ids is None for ids in encoded) < 0.03 * len(known)
    assert all(tokenizer.decode(ids) == t for ids, t in zip(encoded, known, strict=True) if ids)
    assert any(r"\begin{aligned}" in t for t in known)


def test_random_chemistry_is_learned_as_the_mathematics_it_prints(tokenizer):
    formulas = draw_chemistry(200)
    assert len(formulas) > 100
    assert all(f.latex.startswith(r"\ce{") for f in formulas)
    assert not any(r"\ce" in f.target for f in formulas)
    assert all(encode(f.target, tokenizer.get_vocab()) for f in formulas)


def test_a_compact_file_of_formulas_gives_them_all_back(tmp_path):
    formulas = [
        Formula("x^2_1", "x_{1}^{2}", False, "b"),
        Formula(r"\ce{H2O}", recognition_target(r"\ce{H2O}"), True, "a"),
    ]
    for compact in (False, True):
        save_formulas(formulas, tmp_path / "f.jsonl.xz", compact=compact)
        assert set(load_formulas(tmp_path / "f.jsonl.xz")) == set(formulas)


@needs_tex
def test_neighbors_peek_into_a_crop_and_do_not_move_it():
    import pymupdf

    jobs = [Job(r"\frac{x}{y}"), Job(r"\frac{x}{y}", False, r"we\ have\ ", r"\ and so", "a line above", "a line below")]
    sheet = typeset(jobs)
    assert sheet is not None
    assert [i for _, i in sheet.pages] == [0, 1]
    pdf = pymupdf.open("pdf", sheet.pdf)
    alone, among = (cut_formula(pdf[i], 2.5, near, (0, 0, 0, 0), True) for i, near in ((0, False), (1, True)))
    assert alone is not None
    assert among is not None
    assert abs(alone.grey.shape[0] - among.grey.shape[0]) <= 1
    assert abs(alone.grey.shape[1] - among.grey.shape[1]) <= 1
    wide = cut_formula(pdf[1], 2.5, True, (25, 25, 25, 25), True)
    bare = cut_formula(pdf[0], 2.5, False, (25, 25, 25, 25), True)
    assert (wide.grey < 128).sum() > 2 * (bare.grey < 128).sum()
    assert {chr(g[0]) for g in alone.glyphs} >= {"x", "y"}
    x, y = (next(g for g in alone.glyphs if chr(g[0]) == letter) for letter in "xy")
    assert x[4] < y[2]  # the numerator stands above the denominator


@needs_tex
def test_a_kept_preamble_gives_the_same_pages(tmp_path):
    jobs = [
        Job(r"\mathcal{L}=\frac{x}{\sqrt{2}}"),
        Job(r"\undefinedcommand"),
        Job(r"\ce{H2O}", display=True, left="a "),
    ]
    plain = typeset(jobs, family="newtx", size="large", points=11)
    for _ in range(2):  # makes the format, then finds it
        kept = typeset(jobs, family="newtx", size="large", points=11, formats=tmp_path / "formats")
        assert (kept.pages, kept.em_pt, len(kept.pdf)) == (plain.pages, plain.em_pt, len(plain.pdf))
    assert [p.name for p in (tmp_path / "formats").iterdir()] == ["newtx-11.fmt"]


@needs_tex
def test_what_does_not_typeset_is_left_out_and_costs_nothing_else():
    sheet = typeset([Job("x"), Job(r"\undefinedcommand y"), Job("z^{2}")])
    assert sheet is not None
    assert [i for _, i in sheet.pages] == [0, 2]


@needs_tex
def test_a_page_that_tex_refuses_does_not_shift_the_others():
    sheet = typeset([Job("x"), Job(r"\raisebox{12000pt}{y}\rule[-9000pt]{1pt}{9000pt}"), Job("z^{2}")])
    assert sheet is not None
    assert sheet.pages == [(0, 0), (1, 2)]


def test_degrading_keeps_pictures_dark_on_light():
    rng = random.Random(5)
    np.random.seed(5)
    grey = np.full((40, 160), 255, np.uint8)
    grey[12:28:4, 20:140] = 0
    for _ in range(60):
        crop = degrade(Crop(grey, [(120, 20.0, 12.0, 40.0, 28.0)]), rng)
        assert crop.grey.dtype == np.uint8
        assert np.median(crop.grey) > np.percentile(crop.grey, 3)
        assert crop.grey[:, -2:].mean() > 60  # no black edge
        assert len(crop.glyphs) == 1
        _, left, top, right, bottom = crop.glyphs[0]
        assert -10 < left < right < crop.grey.shape[1] + 10
        assert -10 < top < bottom < crop.grey.shape[0] + 10


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 900), st.integers(3, 900), st.integers(4, 80), st.booleans())
def test_any_crop_fits_a_canvas_of_whole_cells(height, width, most, drawn):
    grey = np.full((height, width), 255, np.uint8)
    canvas = to_canvas(Crop(grey), random.Random(1) if drawn else None, most).grey
    assert canvas.shape[0] % 16 == canvas.shape[1] % 16 == 0
    if max(height, width) / min(height, width) < most:
        assert canvas.size // 256 <= most


def test_pictures_of_nothing_and_neighbors_are_drawn():
    rng = random.Random(6)
    np.random.seed(6)
    assert all(draw_nothing(rng).dtype == np.uint8 for _ in range(40))
    found = [draw_neighbors(rng, display=False) for _ in range(60)]
    assert any(n[0] for n, _ in found)
    assert any(touching for _, touching in found)


def stroke(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float32)


def small_hand() -> Library:
    shapes = {"x": [stroke((0, 0), (10, 10)), stroke((0, 10), (10, 0))], "-": [stroke((0, 0), (12, 0))]}
    shapes |= {"2": [stroke((0, 0), (8, 0), (0, 16), (8, 16))], r"\sqrt": [stroke((0, 8), (4, 16), (8, 0), (30, 0))]}
    strokes, symbols = [], []
    for label, parts in shapes.items():
        symbols.append((label, list(range(len(strokes), len(strokes) + len(parts)))))
        strokes += parts
    return Library([Ink("x", strokes, symbols, "somebody/1")])


def test_composed_handwriting_places_scripts_and_fractions():
    writer = Writer(small_hand(), random.Random(7))
    power = writer.write(split_target("x^{2}"))
    assert power is not None
    base, script = np.concatenate(power[:2]), power[2]
    assert script[:, 1].max() < base[:, 1].max()
    assert script[:, 0].min() > base[:, 0].mean()
    fraction = writer.write(split_target(r"\frac{x}{2}"))
    assert fraction is not None
    assert len(fraction) == 4  # two strokes of x, the bar, one of 2
    assert fraction[0][:, 1].max() < fraction[3][:, 1].min()
    assert writer.write(split_target(r"\sqrt{x-2}")) is not None
    assert writer.write(split_target(r"\aleph")) is None
    grey = draw_ink(power, random.Random(8), unit=1.0)
    assert grey.min() < 130 < grey.max()


def test_held_out_formulas_never_train():
    held = held_out_names()
    assert held["jirilebl/scv"] == 1.0
    formulas = [Formula(f"x_{{{i}}}", f"x_{{{i}}}", False, source) for i in range(400) for source in ("enwiki", "a/b")]
    formulas.append(Formula("y", "y", False, "jirilebl/scv"))
    train, test = split_formulas(formulas)
    assert not {f.source for f in train} & {"jirilebl/scv"}
    share = sum(f.source == "enwiki" for f in test) / 400
    assert 0.01 < share < 0.11
    assert all(hashed_share(f.latex) >= 0.05 for f in train if f.source == "enwiki")


def test_the_curriculum_grows():
    c = Curriculum()
    assert value_at(c.length, 0) < value_at(c.length, 100) < value_at(c.length, 1000)
    assert value_at(((0, 1.0), (10, 3.0)), 5) == 2.0


def test_quantizing_keeps_each_channel_within_half_a_step():
    torch.manual_seed(1)
    tensor = torch.randn(6, 40) * torch.tensor([0.01, 0.1, 1, 3, 10, 0.0])[:, None]
    whole, scale = quantize(tensor)
    assert whole.dtype == torch.int8
    error = (whole.float() * scale[:, None] - tensor).norm(dim=1)
    assert (error <= 0.02 * tensor.norm(dim=1) + 1e-9).all()


def test_the_average_of_two_models_lies_between_them(tmp_path, monkeypatch):
    names = "layer.weight", "layer.bias"
    one = dict(zip(names, (torch.full((2, 3), 1.0), torch.zeros(2)), strict=True))
    other = dict(zip(names, (torch.full((2, 3), 3.0), torch.ones(2)), strict=True))
    for folder, weights in (("a", one), ("b", other)):
        (tmp_path / folder).mkdir()
        write_model(weights, tmp_path / folder)
    monkeypatch.setattr("sys.argv", ["average", *(str(tmp_path / x) for x in "abc"), "--share", "0.25"])
    average.main()
    mixed = load_built_in_weights(tmp_path / "c")
    assert torch.allclose(mixed["layer.weight"], torch.full((2, 3), 1.5), atol=0.01)
    assert torch.allclose(mixed["layer.bias"], torch.full((2,), 0.25))
    with pytest.raises(ValueError, match="one network"):
        average.average(one, {"layer.weight": torch.zeros(2, 4)}, 0.5)


def test_edit_distance():
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance([], ["a", "b"]) == 2
