"""Real training on the tiny model: its result, its interruptions, several processes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docproc.errors import OutputError, UsageError
from finetune.options import FinetuneOptions, options_to_json
from finetune.train import run
from tests.finetuning.setting import PATHS, first_logits, losses, read, weights

pytest.importorskip("trl", reason="docproc[finetune] is not installed")


def test_lora_changes_the_adapter_and_leaves_a_folder_that_can_be_used(finished: FinetuneOptions, tiny: Path) -> None:
    folder = finished.output
    adapter = weights(folder)
    towers = {name.split(".layers")[0].split(".blocks")[0].rpartition(".")[2] for name in adapter if "lora_B" in name}
    assert towers >= {"visual", "language_model"}
    assert sum(float(np.abs(w).max()) > 0 for name, w in adapter.items() if "lora_B" in name) > 20
    record = json.loads((folder / "finetune.json").read_text())
    assert record["steps"] == 4
    assert record["data"] | {"sha256": None} == {
        "sha256": None, "train": 16, "held_out": 2, "keep": 0, "left_out": {}, "is_split_by_document": True,
    }  # fmt: skip
    assert set(record["scores"]) == {"before", "before_details", "after", "after_details"}
    assert record["scores"]["after"]["exact_match"] == record["scores"]["after_details"]["exact"]
    assert record["versions"]["trl"]
    assert record["base_model_license"].startswith("not stated")
    assert (folder / "curves.png").stat().st_size > 5_000
    assert "exact match before" in (folder / "report.md").read_text()
    assert not (folder / "checkpoints").exists()


def test_merged_checkpoint_reads_what_the_adapter_reads(finished: FinetuneOptions) -> None:
    base, adapted = first_logits(finished.model), first_logits(finished.model, finished.output)
    merged = first_logits(str(finished.output / "merged"))
    effect = np.abs(adapted - base).max()
    # The merged weights are stored in the 16 bits of the base model.
    assert np.abs(merged - adapted).max() < 0.05 * effect
    assert read(str(finished.output / "merged")) == read(finished.model, finished.output)


def test_a_finished_folder_is_not_overwritten(finished: FinetuneOptions) -> None:
    with pytest.raises(OutputError, match="holds a run already"):
        run(finished)
    with pytest.raises(UsageError, match="is finished"):
        run(replace(finished, resume=True))


@pytest.mark.parametrize(("method", "step"), [("lora", 2), ("full", 2), ("lora", 4)])
def test_interrupted_and_resumed_ends_like_an_undisturbed_run(
    method: str, step: int, options: FinetuneOptions, finished: FinetuneOptions, tmp_path: Path
) -> None:
    undisturbed = finished
    if method == "full":
        undisturbed = replace(options, method="full", output=tmp_path / "whole")
        run(undisturbed)
    cut = replace(options, method=method, output=tmp_path / "cut")

    def interrupt(line: str) -> None:
        if line.startswith(f"step {step}/"):
            os.kill(os.getpid(), signal.SIGINT)

    result = run(cut, interrupt)
    assert result.is_interrupted
    assert step <= result.steps <= min(step + 1, 4)
    result = run(FinetuneOptions(output=cut.output, device="cpu", resume=True))
    assert (result.steps, result.is_interrupted) == (4, False)
    expected, found = weights(undisturbed.output), weights(cut.output)
    assert expected.keys() == found.keys()
    assert all(np.allclose(expected[name], found[name], atol=1e-6) for name in expected)
    records = [json.loads((o.output / "finetune.json").read_text()) for o in (undisturbed, cut)]
    assert records[0]["scores"] == records[1]["scores"]


def program(options: FinetuneOptions, folder: Path) -> list[str]:
    """Arguments for Python that run finetune in a process of its own."""
    (folder / "options.json").write_text(json.dumps(options_to_json(options)))
    (folder / "program.py").write_text(
        "import json, sys\nfrom pathlib import Path\nfrom finetune.options import options_from_json\n"
        "from finetune.train import run\nrun(options_from_json(json.loads(Path(sys.argv[1]).read_text())))\n"
    )
    return [str(folder / "program.py"), str(folder / "options.json")]


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(options: FinetuneOptions, tmp_path: Path) -> None:
    losses_by_count = {}
    for count in (1, 2):
        folder = tmp_path / str(count)
        folder.mkdir()
        one = replace(options, augment=False, token_noise=0.0, gradient_checkpointing=True, output=folder / "out")
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count), *program(one, folder)]
        subprocess.run(command, check=True, env=PATHS, timeout=300)
        losses_by_count[count] = losses(folder / "out")
    assert losses_by_count[2] == pytest.approx(losses_by_count[1], rel=1e-3)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_steps_and_scores(
    options: FinetuneOptions, finished: FinetuneOptions, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, *program(replace(options, output=tmp_path / "cut"), tmp_path)], env=PATHS
    )
    complete = tmp_path / "cut" / "checkpoints" / "checkpoint-2" / "complete"
    deadline = time.monotonic() + 300
    while not complete.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "cut" / "report.md").exists()
    assert run(FinetuneOptions(output=tmp_path / "cut", device="cpu", resume=True)).steps == 4
    records = [json.loads((folder / "finetune.json").read_text()) for folder in (finished.output, tmp_path / "cut")]
    assert records[0]["scores"] == records[1]["scores"]


def test_full_training_changes_what_it_should_and_nothing_else(
    options: FinetuneOptions, tiny: Path, tmp_path: Path
) -> None:
    run(replace(options, method="full", vision_layers=False, attention_modules=False, steps=2, output=tmp_path / "out"))
    before, after = weights(tiny), weights(tmp_path / "out")
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert any(".mlp." in name for name in changed)
    assert not [name for name in changed if "visual" in name or "self_attn" in name]
    assert np.abs(first_logits(str(tmp_path / "out")) - first_logits(str(tiny))).max() > 1e-3
