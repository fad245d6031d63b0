"""What saves memory changes nothing in what is learned."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from docproc.checkpoints import load_model_and_processor
from finetune.backends import load_trainee
from finetune.collator import AnswerCollator, split_batch
from finetune.dataset import check_data
from finetune.options import FinetuneOptions, resolve_recipe
from finetune.readers import read_rows
from finetune.train import run
from finetune.trainer import EmbeddingOnHost, has_tied_embeddings, keep_activations
from tests.finetuning.setting import AnyLabel, losses, weights

pytest.importorskip("trl", reason="docproc[finetune] is not installed")


def test_out_of_memory_shrinks_the_micro_batch_and_changes_nothing(
    options: FinetuneOptions, finished: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel

    forward = Qwen2VLModel.forward

    def tight(self, input_ids=None, **kwargs):
        if self.training and input_ids is not None and len(input_ids) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(Qwen2VLModel, "forward", tight)
    lines: list[str] = []
    run(replace(options, output=tmp_path / "out"), lines.append)
    assert [line.split(" (")[0] for line in lines if "memory" in line] == [
        "out of memory: going on with 2 formulas at once", "out of memory: going on with 1 formulas at once"
    ]  # fmt: skip
    assert json.loads((tmp_path / "out" / "finetune.json").read_text())["micro_batch_size"] == 1
    expected, found = losses(finished.output), losses(tmp_path / "out")
    assert len(found) == 4
    assert found == pytest.approx(expected, rel=0.02)  # bfloat16 rounds otherwise where rows are padded otherwise


def test_the_embeddings_work_from_the_host_and_come_back(options: FinetuneOptions, tmp_path: Path) -> None:
    loaded = load_model_and_processor(options.model, "cpu")
    data = check_data(read_rows(options.data[0]), (), (), AnyLabel(), tmp_path, held_out_share=0, seed=0)
    (piece,) = split_batch(AnswerCollator(loaded.processor, 28, max_picture_tokens=64)(data.train[:3]), 3)
    expected = loaded.model(**piece).loss.item()
    embeddings = EmbeddingOnHost(loaded.model)
    embeddings.move_out()
    assert loaded.model(**piece).loss.item() == expected
    with embeddings.back():
        assert not loaded.model.get_input_embeddings()._forward_hooks
    assert loaded.model.get_input_embeddings()._forward_hooks
    embeddings.come_back()
    assert has_tied_embeddings(loaded.model)  # the 2B configuration: there it must not be moved from a GPU
    assert not loaded.model.get_input_embeddings()._forward_pre_hooks


def test_layers_keep_their_activations_where_memory_allows_and_nothing_changes(
    options: FinetuneOptions, finished: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.modeling_layers import GradientCheckpointingLayer

    counts: list[tuple[int, int, int]] = []

    def note(model, tokens: int, patches: int) -> None:
        keep_activations(model, tokens, patches)
        layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
        assert all(m.training for m in layers), "they would keep what they should work out again"
        counts.append((sum(not m.gradient_checkpointing for m in layers), len(layers), tokens))

    monkeypatch.setattr("finetune.trainer.keep_activations", note)
    width = json.loads((Path(options.model) / "config.json").read_text())["text_config"]["hidden_size"]
    constants = {"TEXT_BYTES": 1 / width, "VISION_BYTES": 0, "LEAST_BYTES_A_TOKEN": 0, "KEPT_BYTES": 600}
    for name, value in constants.items():
        monkeypatch.setattr(f"finetune.trainer.{name}", value)
    run(replace(options, gradient_checkpointing=True, micro_batch_size=3, output=tmp_path / "out"))
    assert any(kept == count for kept, count, _ in counts), counts  # pieces of one row
    assert any(0 < kept < count for kept, count, _ in counts), counts  # pieces of three
    assert losses(tmp_path / "out") == pytest.approx(losses(finished.output), rel=0.02)
    # Where a layer's input has no gradients, reentrant checkpointing leaves its adapter as it was without a word.
    learned = {name: value for name, value in weights(tmp_path / "out").items() if "lora_B" in name}
    assert any("visual" in name for name in learned)
    assert all(value.any() for value in learned.values())


@pytest.mark.parametrize("is_mixed", [False, True])
def test_adapters_add_in_one_product_what_peft_adds_in_three_steps(
    is_mixed: bool, options: FinetuneOptions, tmp_path: Path
) -> None:
    import copy

    import torch
    from peft.tuners.lora import Linear

    trainee = load_trainee(options, resolve_recipe(options, "cpu"), "trl")
    data = check_data(read_rows(options.data[0]), (), (), AnyLabel(), tmp_path, held_out_share=0, seed=0)
    (piece,) = split_batch(AnswerCollator(trainee.loaded.processor, 28, max_picture_tokens=64)(data.train[:3]), 3)
    piece.pop("is_rehearsed")
    with torch.no_grad():
        for name, parameter in trainee.model.named_parameters():
            if "lora_B" in name:
                parameter += 0.05 * torch.randn_like(parameter)
    lean, plain = trainee.model, copy.deepcopy(trainee.model)
    replaced = [m for m in plain.modules() if type(m).__name__ == "LeanLinear"]
    assert len(replaced) == sum(hasattr(m, "lora_A") for m in plain.modules()) > 20
    for module in replaced:
        module.__class__ = Linear
    losses_of, gradients = [], []
    for model in (lean, plain):
        with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
            loss = model(**piece).loss
        loss.backward()
        losses_of.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert losses_of[0] == pytest.approx(losses_of[1], rel=5e-3 if is_mixed else 1e-5)
    apart = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert apart < (0.05 if is_mixed else 1e-4), apart
    with lean.disable_adapter(), plain.disable_adapter(), torch.no_grad():
        assert lean(**piece).loss.item() == plain(**piece).loss.item()


@pytest.mark.parametrize(("pictures", "text", "vision"), [(40, 21, 32), (512, 3, 0), (5000, 0, 0)])
def test_activations_of_a_7b_model_stay_within_what_8_gb_leave(pictures: int, text: int, vision: int) -> None:
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    sizes = {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4}
    config = Qwen2VLConfig(text_config=sizes, vision_config={"depth": 32, "embed_dim": 1280, "hidden_size": 3584})
    with torch.device("meta"):
        model = Qwen2VLForConditionalGeneration._from_config(config)
    keep_activations(model, 2 * (pictures + 85), 2 * 4 * pictures)
    for tower, kept in ((model.model.visual.blocks, vision), (model.model.language_model.layers, text)):
        assert sum(not layer.gradient_checkpointing for layer in tower) == kept
