"""An adapter reads what looks like its data; the untuned model reads the rest."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from docproc.checkpoints import load_model_and_processor, model_name
from docproc.cli import cli
from docproc.engine.rows import PASSED_OVER
from docproc.errors import DependencyError
from docproc.gate import GATE, Gate, load_gate, save_gate
from docproc.gated_reader import GatedRecognizer, gate_for, local_recognizer
from docproc.options import ALL, RunOptions
from docproc.qwen2_vl import Qwen2VLRecognizer
from finetune.backends import load_trainee
from finetune.dataset import check_data
from finetune.gate import describe, fit_gate
from finetune.options import FinetuneOptions, resolve_recipe
from finetune.readers import Row, read_rows
from finetune.rehearsal import REHEARSAL
from finetune.result import save_processor
from tests.finetuning.setting import AnyLabel

pytest.importorskip("trl", reason="docproc[finetune] is not installed")

BUILT_IN_ON_CPU = RunOptions(device="cpu")


def written(number: int) -> np.ndarray:
    """A formula in a script that print does not have, on soiled paper."""
    chance = np.random.default_rng(number)
    crop = np.full((40, 96 + number % 5 * 16), 225, np.uint8)
    text = "".join(chance.choice(list("abcdefghkxyz"), 4)) + f"+{number}"
    cv2.putText(crop, text, (4, 28), cv2.FONT_HERSHEY_SCRIPT_COMPLEX, 0.8, 40, 1, cv2.LINE_AA)
    return np.clip(crop + chance.normal(0, 14, crop.shape), 0, 255).astype(np.uint8)


def rows_of(pictures: list[np.ndarray]) -> list[Row]:
    user = {"role": "user", "content": [{"type": "image"}]}
    return [
        Row(
            f"row {n}",
            (user, {"role": "assistant", "content": [{"type": "text", "text": f"x_{{{n}}}"}]}),
            (cv2.imencode(".png", picture)[1].tobytes(),),
        )
        for n, picture in enumerate(pictures)
    ]


@pytest.fixture(scope="module")
def printed() -> list[np.ndarray]:
    """Small formulas of the rehearsal pack."""
    pictures = [
        cv2.imdecode(np.frombuffer(row.pictures[0], np.uint8), cv2.IMREAD_GRAYSCALE) for row in read_rows(REHEARSAL)
    ]
    return sorted(pictures, key=lambda picture: picture.size)[40:160]


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory):
    """Fits a gate of the built-in model between pictures."""
    options = FinetuneOptions(device="cpu")
    trainee = load_trainee(options, resolve_recipe(options, "cpu"), "trl")

    def fitted(new: list[np.ndarray], known: list[np.ndarray]):
        place = tmp_path_factory.mktemp("data")
        data = check_data(rows_of(new), (), rows_of(known), AnyLabel(), place, held_out_share=0, seed=0)
        return fit_gate("built-in", trainee, data, 0)

    fitted.trainee = trainee
    return fitted


@pytest.fixture(scope="module")
def adapter(fit, printed: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that reads otherwise than the untuned model, with a gate for the script."""
    import torch

    folder = tmp_path_factory.mktemp("adapter") / "ours"
    with torch.no_grad():
        for name, parameter in fit.trainee.model.named_parameters():
            if "lora_B" in name:
                parameter += 0.02 * torch.randn_like(parameter)
    fit.trainee.model.save_pretrained(folder)
    fitted = fit([written(n) for n in range(60)], printed[:60])
    assert fitted is not None and fitted.is_used and fitted.auc > 0.99, fitted.to_json()
    save_gate(fitted.gate, folder)
    return folder


def read(options: RunOptions, crops: list[np.ndarray]) -> list[tuple[str, float]]:
    found = dict(local_recognizer(options).read(crops, 8))
    return [(found[i].latex, round(found[i].confidence, 3)) for i in range(len(crops))]


def test_what_looks_like_the_data_is_read_by_the_adapter_and_print_by_the_model_as_it_was(
    adapter: Path, printed: list[np.ndarray]
) -> None:
    script, print_ = [written(n) for n in range(100, 112)], printed[80:92]
    crops = sorted([*script, *print_], key=lambda crop: crop.size)
    is_script = [any(crop is one for one in script) for crop in crops]
    gated = replace(BUILT_IN_ON_CPU, adapter=adapter)
    untuned, tuned, found = (read(o, crops) for o in (BUILT_IN_ON_CPU, replace(gated, adapter_for=ALL), gated))
    assert sum(a != b for a, b in zip(untuned, tuned, strict=True)) >= 20
    expected = [(b if script else a) for a, b, script in zip(untuned, tuned, is_script, strict=True)]
    assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 22  # of 24; a gate may err


def test_a_fully_trained_checkpoint_has_a_gate_too(
    adapter: Path, printed: list[np.ndarray], tmp_path: Path
) -> None:
    import torch

    loaded = load_model_and_processor("built-in", "cpu")
    with torch.no_grad():
        loaded.model.lm_head.weight *= -1  # it reads nonsense
    loaded.model.save_pretrained(tmp_path)
    save_processor(tmp_path, loaded.processor)
    (tmp_path / GATE).write_text((adapter / GATE).read_text())
    crops = sorted([*printed[90:94], written(300), written(301)], key=lambda crop: crop.size)
    untuned, found = (read(o, crops) for o in (BUILT_IN_ON_CPU, replace(BUILT_IN_ON_CPU, adapter=tmp_path)))
    assert [a == b for a, b in zip(untuned, found, strict=True)].count(False) == 2
    assert "+gate-" in model_name("built-in", tmp_path)
    assert "+gate-" not in model_name(str(tmp_path))


def test_the_gate_decides_alike_on_its_own_and_while_reading(adapter: Path, printed: list[np.ndarray]) -> None:
    crops = sorted([written(200), *printed[100:116], written(201)], key=lambda crop: crop.size)
    gate = load_gate(adapter, model_name("built-in"))
    assert gate is not None
    recognizer = Qwen2VLRecognizer.from_options(BUILT_IN_ON_CPU)
    alike = gate.alike(recognizer.look(crops, 8, gate.blocks))
    found = dict(recognizer.read(crops, 8, gate))
    assert len(found) == len(crops)
    assert [found[i].stop_reason == PASSED_OVER for i in range(len(crops))] == alike.tolist()
    everything = Gate(gate.base, gate.blocks, gate.weights, -1e9)
    assert {r.stop_reason for r in dict(recognizer.read(crops, 8, everything)).values()} == {PASSED_OVER}


def test_readings_are_named_after_the_gate(adapter: Path) -> None:
    gated, ungated = model_name("built-in", adapter), model_name("built-in", adapter, ALL)
    assert gated.startswith(ungated) and gated != ungated
    before = (adapter / GATE).read_text()
    try:
        stored = json.loads(before)
        (adapter / GATE).write_text(json.dumps(stored | {"threshold": stored["threshold"] + 1}))
        assert model_name("built-in", adapter) not in (gated, ungated)
        assert model_name("built-in", adapter, ALL) == ungated
        (adapter / GATE).unlink()
        assert model_name("built-in", adapter) == ungated
        assert isinstance(local_recognizer(replace(BUILT_IN_ON_CPU, adapter=adapter)), Qwen2VLRecognizer)
    finally:
        (adapter / GATE).write_text(before)
    assert isinstance(local_recognizer(replace(BUILT_IN_ON_CPU, adapter=adapter)), GatedRecognizer)


@pytest.mark.parametrize("damage", ["", "{", '{"base": "built-in-5"}', '{"base": 1, "blocks": 4, "weights": "x"}'])
def test_a_damaged_gate_is_one_clear_line(damage: str, adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / GATE).write_text(damage)
    result = CliRunner().invoke(cli, ["evaluate", "samples/formulas", "--device", "cpu", "--adapter", str(tmp_path)])
    assert isinstance(result.exception, DependencyError)
    assert "gate.json is damaged" in str(result.exception)
    assert "--adapter-for all" in str(result.exception)
    assert gate_for(replace(BUILT_IN_ON_CPU, adapter=tmp_path, adapter_for=ALL)) is None


def test_a_gate_of_another_model_is_refused(adapter: Path) -> None:
    with pytest.raises(DependencyError, match="was made for built-in-5, and this is built-in-6"):
        load_gate(adapter, "built-in-6")


def test_print_cannot_be_told_from_print(fit, printed: list[np.ndarray]) -> None:
    fitted = fit(printed[::2], printed[1::2])
    assert fitted is not None and not fitted.is_used and fitted.auc < 0.9
    assert "The adapter reads everything" in describe(fitted.to_json())
    assert fit(printed[:10], printed[20:60]) is None


def test_a_finished_run_leaves_its_gate_also_after_a_stop(tmp_path: Path, printed: list[np.ndarray]) -> None:
    import os
    import signal

    from finetune.train import run

    for name, pictures in (("data", [written(n) for n in range(40)]), ("keep", printed[:60])):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "labels.jsonl").open("w") as file:
            for n, picture in enumerate(pictures):
                cv2.imwrite(str(tmp_path / name / f"{n}.png"), picture)
                file.write(json.dumps({"image": f"{n}.png", "latex": f"x_{{{n}}}"}) + "\n")
    options = FinetuneOptions(
        data=(tmp_path / "data",), keep=tmp_path / "keep", rehearse=False, output=tmp_path / "ours", device="cpu",
        steps=2, batch_size=4, eval_steps=1, learning_rate=1e-5, hold=0.0,
    )  # fmt: skip
    stopped = run(options, lambda line: os.kill(os.getpid(), signal.SIGINT) if line.startswith("step 1/") else None)
    assert stopped.is_interrupted and not (tmp_path / "ours" / GATE).exists()
    lines: list[str] = []
    assert not run(FinetuneOptions(output=tmp_path / "ours", device="cpu", resume=True), lines.append).is_interrupted
    record = json.loads((tmp_path / "ours" / "finetune.json").read_text())
    assert record["gate"]["is_used"] and record["gate"]["auc"] > 0.99
    assert any(line.startswith("The adapter reads crops that look like the data") for line in lines)
    assert "--adapter-for all" in (tmp_path / "ours" / "report.md").read_text()
    assert isinstance(local_recognizer(replace(BUILT_IN_ON_CPU, adapter=tmp_path / "ours")), GatedRecognizer)
