"""What was read before is rehearsed, and no more is taken over than keeps it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docproc.checkpoints import load_model_and_processor
from finetune.anchor import Anchor
from finetune.backends import load_trainee
from finetune.blend import Blend, choose_share
from finetune.collator import AnswerCollator, split_batch
from finetune.dataset import check_data
from finetune.evaluate import Scores
from finetune.options import FinetuneOptions, resolve_recipe
from finetune.readers import read_rows
from finetune.rehearsal import rehearsed_part, scored_part, with_rehearsal
from finetune.train import run
from tests.finetuning.setting import AnyLabel, first_logits, write_folder

pytest.importorskip("trl", reason="docproc[finetune] is not installed")


def test_rehearsed_formulas_differ_from_step_to_step_and_scored_ones_are_not_among_them(
    tiny: Path, tmp_path: Path
) -> None:
    loaded = load_model_and_processor(str(tiny), "cpu")
    rows = read_rows(write_folder(tmp_path / "data", range(12)))
    keep = read_rows(write_folder(tmp_path / "keep", range(20, 40)))
    data = check_data(rows, (), keep, AnyLabel(), tmp_path / "out", held_out_share=0, seed=0)
    scored, rehearsed = scored_part(data.keep), rehearsed_part(data.keep)
    assert (len(scored), len(rehearsed)) == (5, 15)
    assert not {e.latex for e in scored} & {e.latex for e in rehearsed}
    collator = AnswerCollator(loaded.processor, 28, max_picture_tokens=64, rehearsed=rehearsed)
    lines = [tuple(collator([None])["input_ids"][0].tolist()) for _ in range(20)]
    assert 5 < len(set(lines)) <= 15
    again = AnswerCollator(loaded.processor, 28, max_picture_tokens=64, rehearsed=rehearsed)
    again.batches_made = 7
    assert tuple(again([None])["input_ids"][0].tolist()) == lines[7]


@pytest.mark.parametrize(("share", "rehearsed"), [(0.0, 0), (1 / 3, 6), (0.5, 12)])
def test_so_many_of_what_is_shown_are_rehearsed(share: float, rehearsed: int, tmp_path: Path) -> None:
    rows = read_rows(write_folder(tmp_path / "data", range(12)))
    keep = read_rows(write_folder(tmp_path / "keep", range(20, 30)))
    data = check_data(rows, (), keep, AnyLabel(), tmp_path / "out", held_out_share=0, seed=0)
    shown = with_rehearsal(data, share)
    assert (shown.count(None), len(shown)) == (rehearsed, 12 + rehearsed)


def test_a_blend_takes_as_much_of_the_new_as_keeps_the_old() -> None:
    import torch

    model = torch.nn.Linear(2, 2, bias=False)
    before = model.weight.detach().clone()
    blend = Blend(model)
    with torch.no_grad():
        model.weight += 1
    lines: list[str] = []

    # Of what was known, a tenth is lost with all that was learned.
    def kept() -> Scores:
        return Scores(10, 0.9 - 0.1 * float((model.weight - before).detach().mean()), 0.0)

    share, score = choose_share(blend, kept, 0.9, 0.06, lines.append)
    assert share == 0.55
    assert score.exact_match == pytest.approx(0.845)
    assert torch.allclose(model.weight, before + 0.55)
    assert len(lines) == 5


@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_anchor_tells_how_far_a_model_has_gone(tiny: Path, options: FinetuneOptions, method: str) -> None:
    import torch

    options = replace(options, method=method)
    trainee = load_trainee(options, resolve_recipe(options, "cpu"), "trl")
    data = check_data(read_rows(options.data[0]), (), (), AnyLabel(), tiny.parent / method, held_out_share=0, seed=0)
    (piece,) = split_batch(AnswerCollator(trainee.loaded.processor, 28, max_picture_tokens=64)(data.train[:3]), 3)
    assert not piece.pop("is_rehearsed").any()
    anchor = Anchor(trainee.model, 1.0)
    distances = []
    for _ in range(2):
        given = {**piece, "use_cache": False}
        away = anchor.distance(trainee.model, given, trainee.model(**given).logits, 10)
        distances.append(away.item())
        with torch.no_grad():
            for name, parameter in trainee.model.named_parameters():
                if parameter.requires_grad and "lora_A" not in name:
                    parameter += 0.05 * torch.randn_like(parameter)
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[1] > 1e-4
    trainee.model.zero_grad()
    anchor.distance(trainee.model, given, trainee.model(**given).logits, 10).backward()
    towers = {".visual." in name for name, p in trainee.model.named_parameters() if p.grad is not None and p.grad.any()}
    assert towers == {True, False}


def test_held_training_leaves_what_is_rehearsed_nearer_to_what_it_was(
    options: FinetuneOptions, tiny: Path, tmp_path: Path
) -> None:
    keep = write_folder(tmp_path / "keep", range(30, 46))
    before = first_logits(str(tiny))
    away = []
    for hold in (0.0, 100.0):
        out = tmp_path / f"hold{hold}"
        run(replace(options, keep=keep, rehearse_share=0.5, hold=hold, steps=8, output=out))
        assert json.loads((out / "finetune.json").read_text())["share"] == 1
        away.append(float(np.abs(first_logits(str(tiny), out) - before).mean()))
    assert away[1] < 0.8 * away[0]
