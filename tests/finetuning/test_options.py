"""Options and presets."""

import json
from pathlib import Path

import pytest

from docproc.checkpoints import BUILT_IN_FOLDER
from docproc.errors import DependencyError, UsageError
from finetune.options import PRESETS, FinetuneOptions, options_from_json, options_to_json, resolve_recipe
from finetune.result import find_license
from finetune.train import run

pytest.importorskip("trl", reason="docproc[finetune] is not installed")


def test_options_survive_json() -> None:
    options = FinetuneOptions(data=(Path("a"), Path("b")), from_db=Path("c.db"), rank=8, learning_rate=1e-4)
    assert options_from_json(json.loads(json.dumps(options_to_json(options)))) == options


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "24gb"}, "--preset 24gb"),
        ({"method": "qlora"}, "--method qlora"),
        ({"method": "full", "load_in_4bit": True}, "4 bits"),
        ({"vision_layers": False, "language_layers": False}, "Nothing is left to train"),
        ({"rank": 0}, "--rank must be above 0"),
        ({"rehearse_share": 1.0}, "--rehearse-share must lie"),
        ({"held_out_share": 0.9}, "--held-out-share"),
    ],
)
def test_options_that_cannot_work_are_refused_with_a_reason(change: dict, message: str) -> None:
    options = FinetuneOptions(**change)
    with pytest.raises(UsageError, match=message):
        resolve_recipe(options, options.preset if options.preset != "auto" else "cpu")


def test_what_is_missing_is_said_before_anything_is_loaded(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Nothing to learn from"):
        run(FinetuneOptions(model=str(tiny), device="cpu", output=tmp_path / "out"))
    with pytest.raises(UsageError, match="holds no run"):
        run(FinetuneOptions(output=tmp_path / "out", device="cpu", resume=True))
    with pytest.raises(DependencyError, match="unsloth needs a CUDA device"):
        run(
            FinetuneOptions(data=(tmp_path,), model=str(tiny), device="cpu", backend="unsloth", output=tmp_path / "out")
        )


def test_the_quick_preset_is_the_reference_recipe() -> None:
    quick = PRESETS["quick"]
    assert (quick.rank, quick.alpha, quick.learning_rate, quick.batch_size) == (16, 16, 2e-4, 2)
    assert (quick.warmup_steps, quick.steps, quick.load_in_4bit) == (5, 30, True)


def test_the_licence_of_the_base_model_is_found(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Model\n")
    assert find_license(str(tmp_path)) == "apache-2.0"
    (tmp_path / "README.md").unlink()
    (tmp_path / "LICENSE").write_text("\nTongyi Qianwen LICENSE AGREEMENT\n")
    assert find_license(str(tmp_path)) == "Tongyi Qianwen LICENSE AGREEMENT (see LICENSE of the base model)"
    assert find_license("Qwen/Qwen2-VL-2B-Instruct") == "see the model's page: Qwen/Qwen2-VL-2B-Instruct"
    assert "CC BY-NC-SA" in find_license("built-in")
    card = (BUILT_IN_FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(words in card for words in ("AGPL-3.0-or-later", "CC BY-NC-SA 3.0"))
