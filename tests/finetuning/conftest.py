"""A tiny Qwen2-VL with random weights, and a run over it that ended."""

from dataclasses import replace
from pathlib import Path

import pytest

from finetune.options import FinetuneOptions
from finetune.train import run
from tests.finetuning.setting import write_folder
from tests.tiny_qwen2_vl import write_tiny_qwen2_vl


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up in the net, not even to save an adapter."""

    def ask(*asked: object) -> None:
        raise AssertionError(f"the hub was asked for {asked}")

    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", ask)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_qwen2_vl(tmp_path_factory.mktemp("model") / "tiny", width=64, is_vocabulary_small=True)


@pytest.fixture(scope="session")
def options(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneOptions:
    """Four steps of four formulas."""
    return FinetuneOptions(
        data=(write_folder(tmp_path_factory.mktemp("data")),),
        held_out=write_folder(tmp_path_factory.mktemp("held"), range(20, 22)),
        model=str(tiny),
        device="cpu",
        preset="cpu",
        method="lora",
        rank=4,
        steps=4,
        batch_size=4,
        micro_batch_size=4,
        eval_steps=2,
        patience=0,
        learning_rate=1e-2,
    )


@pytest.fixture(scope="session")
def finished(options: FinetuneOptions, tmp_path_factory: pytest.TempPathFactory) -> FinetuneOptions:
    """A LoRA run that ended."""
    options = replace(options, output=tmp_path_factory.mktemp("out") / "lora", merge=True)
    result = run(options)
    assert result.steps == 4
    assert not result.is_interrupted
    return options
