"""The options of `docproc finetune`; the work is done by the package `finetune`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from docproc.errors import ExitCode

FOLDER = click.Path(path_type=Path)
# Every field of finetune.options.FinetuneOptions but `data` and `output`, with its help (a test compares the two).
SWITCHES = {
    "vision_layers": "Train the layers that see.",
    "language_layers": "Train the layers that write.",
    "attention_modules": "Train the attention of these layers.",
    "mlp_modules": "Train the MLPs of these layers.",
}
PRESET_NUMBERS: dict[str, tuple[type, str]] = {
    "rank": (int, "Rank of the LoRA adapter."),
    "alpha": (int, "Scale of the LoRA adapter."),
    "learning_rate": (float, "Highest learning rate."),
    "batch_size": (int, "Formulas a step, over all devices."),
    "micro_batch_size": (int, "Formulas at once on a device; halved when memory runs out."),
    "warmup_steps": (int, "Steps until the highest learning rate."),
    "steps": (int, "Steps in all; 0 goes by --epochs."),
    "epochs": (float, "Passes over the data."),
    "eval_steps": (int, "Steps between scores and checkpoints."),
    "patience": (int, "Scores without a gain before the training stops."),
    "token_noise": (float, "Share of the answer's tokens shown wrong, so that the model looks at the picture."),
    "rehearse_share": (float, "Share of what is shown in training that is rehearsed."),
    "hold": (float, "How strongly the model is held to what it saw and answered before on rehearsed formulas."),
    "max_picture_tokens": (int, "Larger pictures are scaled down to so many tokens."),
}
PRESET_SWITCHES = {
    "load_in_4bit": "Base weights in 4 bits; CUDA only.",
    "augment": "Shift, scale, turn and soil the training pictures a little.",
    "gradient_checkpointing": "Trade time for memory.",
}


def _flag(name: str) -> str:
    return name.replace("_", "-")


def _with_options(command: Callable[..., int]) -> Callable[..., int]:
    by_preset = " By default as the preset says."
    for name, text in reversed(PRESET_SWITCHES.items()):
        command = click.option(f"--{_flag(name)}/--no-{_flag(name)}", name, default=None, help=text + by_preset)(
            command
        )
    for name, (kind, text) in reversed(PRESET_NUMBERS.items()):
        command = click.option(f"--{_flag(name)}", name, type=kind, help=text + by_preset)(command)
    for name, text in reversed(SWITCHES.items()):
        command = click.option(f"--{_flag(name)}/--no-{_flag(name)}", name, default=True, help=text)(command)
    return command


@click.command()
@click.option("--data", multiple=True, type=FOLDER, help="Labelled data: folder, CSV, JSON Lines, Parquet; repeatable.")
@click.option("--from-db", type=FOLDER, help="A docproc database: its reviewed formulas are the data.")
@click.option("-o", "--output", type=FOLDER, default=Path("docproc-finetune"), help="Result folder.")
@click.option("--held-out", type=FOLDER, help="Labelled data for scoring only; without it a share of the data.")
@click.option("--held-out-share", type=click.FloatRange(0, 0.5), default=0.2, help="Share of the data held out.")
@click.option("--keep", type=FOLDER, help="Labelled data the model reads well and must go on reading well.")
@click.option(
    "--rehearse/--no-rehearse", default=True, help="Mix in typeset formulas that come with docproc (built-in model)."
)
@click.option("--model", default="built-in", help="`built-in`, a Qwen2-VL checkpoint folder, or a hub name.")
@click.option("--preset", default="auto", help="auto, quick, 8gb, 12gb, 16gb or cpu.")
@click.option("--method", help="lora or full. By default as the preset says.")
@click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N.")
@click.option("--backend", default="auto", help="auto, unsloth (CUDA) or trl.")
@click.option("--seed", type=int, default=0, help="Of the split and the training.")
@click.option("--resume", is_flag=True, help="Go on with the run in the result folder.")
@click.option("--merge", is_flag=True, help="Also write a checkpoint with the adapter worked in.")
@_with_options
def finetune(**given: Any) -> int:
    """Adapt the model to your own scans, with a score before and after.

    \b
    Example:
      docproc finetune --data labelled/ -o our-model
      docproc finetune --from-db docproc-out/docproc.db -o our-model
      docproc run scans/ --adapter our-model
    """
    from finetune.options import FinetuneOptions
    from finetune.train import run

    result = run(FinetuneOptions(**given), report=lambda line: click.echo(line, err=True))
    click.echo(f"before: {result.before}", err=True)
    if result.after is not None:
        click.echo(f"after {result.steps} steps in {result.elapsed_seconds:.0f} s: {result.after}", err=True)
    click.echo(result.folder)
    return ExitCode.INTERRUPTED if result.is_interrupted else ExitCode.OK
