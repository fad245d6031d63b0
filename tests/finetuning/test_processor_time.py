"""What a training on a CPU saves gives the same result: attention by products, scores of a copy in 8 bits."""

from dataclasses import replace
from pathlib import Path

import pytest

from docproc.checkpoints import load_model_and_processor
from docproc.qwen2_vl import Qwen2VLRecognizer
from finetune import train
from finetune.attention import NAME, _attend, attending_by_products
from finetune.backends import as_in_use, load_trainee
from finetune.collator import AnswerCollator
from finetune.dataset import check_data
from finetune.options import FinetuneOptions, resolve_recipe
from finetune.readers import read_rows
from tests.finetuning.setting import AnyLabel, picture, write_folder

pytest.importorskip("trl", reason="docproc[finetune] is not installed")


def gradients(attend, values, given, dtype):
    """Result and gradients of one attention, in 32 bits."""
    inputs = [v.to(dtype, copy=True).requires_grad_() for v in values]
    found = attend(*inputs)
    found.backward(given.to(dtype))
    return [found.detach().float(), *(v.grad.float() for v in inputs)]


def test_attention_by_products_is_attention() -> None:
    import torch
    import torch.nn.functional as F  # noqa: N812

    torch.manual_seed(0)
    values = [2 * torch.randn(1, 3, 150, 64) for _ in "qkv"]
    given = torch.randn(1, 3, 150, 64)

    def by_products(q, k, v):
        return _attend(None, q, k, v, scaling=0.125)[0].transpose(1, 2)

    exact = gradients(F.scaled_dot_product_attention, values, given, torch.float32)
    for one, other in zip(gradients(by_products, values, given, torch.float32), exact, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    # In bfloat16 it is no worse than twice as far from the truth as PyTorch's own.
    ours = gradients(by_products, values, given, torch.bfloat16)
    theirs = gradients(F.scaled_dot_product_attention, values, given, torch.bfloat16)
    for one, other, true in zip(ours, theirs, exact, strict=True):
        assert (one - true).norm() < 2 * (other - true).norm()


def test_a_model_that_attends_by_products_learns_the_same(options: FinetuneOptions, tiny: Path) -> None:
    import torch

    trainee = load_trainee(options, resolve_recipe(options, "cpu"), "trl")
    folder = tiny.parent / "products"
    data = check_data(read_rows(options.data[0]), (), (), AnyLabel(), folder, held_out_share=0, seed=0)
    batch = AnswerCollator(trainee.loaded.processor, 28, max_picture_tokens=64)(data.train[:3])
    given = {k: v for k, v in batch.items() if k not in ("is_rehearsed", "picture_counts")}
    names = [name for name, p in trainee.model.named_parameters() if p.requires_grad]
    config = trainee.loaded.model.model.visual.config
    before = config._attn_implementation

    def learned() -> dict[str, torch.Tensor]:
        trainee.model.zero_grad()
        trainee.model(**given, use_cache=False).loss.backward()
        found = dict(trainee.model.named_parameters())
        return {name: found[name].grad.clone() for name in names}

    usual = learned()
    with attending_by_products(trainee.model):
        assert config._attn_implementation == NAME
        ours = learned()
    assert config._attn_implementation == before
    assert any(usual[name].any() for name in names if "visual" in name)
    for name in names:
        assert torch.allclose(ours[name], usual[name], atol=1e-5), name


def test_the_built_in_model_is_scored_as_it_will_be_used_and_goes_on_learning(tmp_path: Path) -> None:
    import torch

    options = FinetuneOptions(device="cpu")
    trainee = load_trainee(options, resolve_recipe(options, "cpu"), "trl")
    with torch.no_grad():
        for name, parameter in trainee.model.named_parameters():
            if "lora_B" in name:
                parameter += 0.02 * torch.randn_like(parameter)
    before = {name: p.detach().clone() for name, p in trainee.model.named_parameters()}

    def read(loaded) -> list[tuple[str, float]]:
        recognizer = Qwen2VLRecognizer("test", lambda: loaded, is_shared=False)
        found = dict(recognizer.read([picture(n) for n in (1, 30)], 2))
        return [(found[i].latex, round(found[i].confidence, 4)) for i in range(2)]

    scored = as_in_use(trainee)
    assert not any(p.requires_grad for p in scored.model.parameters())
    now = read(replace(scored, calibration=None))
    assert any(p.requires_grad for p in trainee.model.parameters())
    assert all(torch.equal(p, before[name]) for name, p in trainee.model.named_parameters())
    trainee.model.save_pretrained(tmp_path / "adapter")
    later = read(load_model_and_processor("built-in", "cpu", adapter=tmp_path / "adapter"))
    assert now == later
    assert now != read(load_model_and_processor("built-in", "cpu"))


def test_a_large_model_is_scored_without_a_copy(options: FinetuneOptions) -> None:
    trainee = load_trainee(options, resolve_recipe(options, "cpu"), "trl")
    assert as_in_use(trainee) is trainee.loaded


def test_what_is_kept_is_read_once_before_and_once_for_each_share(
    options: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    truly = train.read_examples

    def counting(loaded, examples):
        asked.append(len(examples))
        return truly(loaded, examples)

    monkeypatch.setattr(train, "read_examples", counting)
    lines: list[str] = []
    keep = write_folder(tmp_path / "keep", range(40, 52))  # every fourth is scored
    result = train.run(replace(options, keep=keep, output=tmp_path / "out", hold=0.0), lines.append)
    shares = sum(line.startswith("with ") for line in lines)
    assert asked.count(3) == 1 + shares
    assert result.keep_after is not None and result.keep_after.count == 3
