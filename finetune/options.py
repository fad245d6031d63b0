"""Options of `docproc finetune` and the presets behind them; each field is the command-line option of the same name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from docproc.errors import UsageError


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """All of `docproc finetune`. None means: as the preset says."""

    data: tuple[Path, ...] = ()
    """Labelled data: folders, CSV, JSON Lines, Parquet."""
    from_db: Path | None = None
    """A docproc database whose reviewed formulas are the data."""
    held_out: Path | None = None
    """Labelled data for scoring only; None takes a share of the data, whole documents at a time."""
    keep: Path | None = None
    """Labelled data the model reads well and must go on reading well: mixed into the training and scored beside it."""
    rehearse: bool = True
    """Mix in typeset formulas that come with docproc, so that print is not forgotten; built-in model only."""
    output: Path = Path("docproc-finetune")
    model: str = "built-in"
    preset: str = "auto"
    """`auto`, or one of PRESETS; `auto` goes by the model and the device's memory."""
    device: str = "auto"
    backend: str = "auto"
    """`unsloth` (CUDA), `trl`, or `auto`: unsloth where it can be used."""
    seed: int = 0
    held_out_share: float = 0.2
    """Share of the rows that is held out, 0–0.5."""
    resume: bool = False
    """Go on with the run in `output`; its own options and data hold."""
    merge: bool = False
    """Also write `output`/merged, a checkpoint with the adapter worked in."""
    vision_layers: bool = True
    language_layers: bool = True
    attention_modules: bool = True
    mlp_modules: bool = True
    method: str | None = None
    """`lora` or `full`."""
    load_in_4bit: bool | None = None
    rank: int | None = None
    alpha: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    """Formulas an optimizer step, over all devices."""
    micro_batch_size: int | None = None
    """Formulas at once on a device; halved when memory runs out, which changes nothing in the result."""
    warmup_steps: int | None = None
    steps: int | None = None
    """Optimizer steps; 0 goes by `epochs`."""
    epochs: float | None = None
    eval_steps: int | None = None
    """Steps between scores and checkpoints; 0 = four of them in all."""
    patience: int | None = None
    """Scores without a gain before the training stops."""
    token_noise: float | None = None
    """Share of the answer's tokens that the model is shown wrong, so that it looks at the picture; 0–0.5."""
    rehearse_share: float | None = None
    """Share of what is shown in training that is rehearsed, where there is anything to rehearse; 0–0.9."""
    hold: float | None = None
    """How strongly the model is held to what it saw and answered before on formulas that are rehearsed; 0 = not."""
    augment: bool | None = None
    """Shift, scale, turn, blur and soil the training pictures a little."""
    max_picture_tokens: int | None = None
    """Larger pictures are scaled down to so many tokens."""
    gradient_checkpointing: bool | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a preset decides; the fields are those of FinetuneOptions."""

    method: str = "lora"
    load_in_4bit: bool = False
    rank: int = 16
    alpha: int = 16
    learning_rate: float = 2e-4
    batch_size: int = 8
    micro_batch_size: int = 8
    warmup_steps: int = 5
    steps: int = 0
    epochs: float = 3.0
    eval_steps: int = 0
    patience: int = 3
    token_noise: float = 0.0
    rehearse_share: float = 1 / 3
    hold: float = 0.0
    augment: bool = True
    max_picture_tokens: int = 1280
    gradient_checkpointing: bool = False


# The GPU presets rest on the memory of a 7B checkpoint in nf4 with LoRA of rank 16 on all layers, measured on an 80 GB
# card (benchmarks/finetune_large.py): 5.5 GB with an optimizer's state and without the table of embeddings, then 8 MB a
# token while activations are kept (up to 256 tokens at once), 1.3 MB a token where they are worked out again.
_GPU = Recipe(load_in_4bit=True, gradient_checkpointing=True)
PRESETS: dict[str, Recipe] = {
    # The recipe known from the unsloth notebooks for Qwen2-VL and LaTeX: a first look, not the best result.
    "quick": replace(_GPU, batch_size=2, micro_batch_size=2, warmup_steps=5, steps=30, augment=False, patience=0),
    "8gb": replace(_GPU, batch_size=8, micro_batch_size=2, max_picture_tokens=512),
    "12gb": replace(_GPU, batch_size=8, micro_batch_size=4, max_picture_tokens=768),
    "16gb": replace(_GPU, batch_size=16, micro_batch_size=4, max_picture_tokens=1280),
    # For the built-in model (28 M parameters), on any device. Of ten recipes tried on three development domains
    # (docs/finetune.md) it gained most; half instead of a third rehearsed lost 0.7 instead of 1.2 points of print.
    # Pictures of more than 256 tokens, one in sixteen, took two thirds of the attention's time.
    "cpu": Recipe(
        alpha=32,
        learning_rate=1e-3,
        batch_size=16,
        micro_batch_size=8,
        warmup_steps=10,
        epochs=4,
        patience=0,
        token_noise=0.1,
        rehearse_share=0.5,
        hold=1.0,
        max_picture_tokens=256,
    ),
}


def resolve_recipe(options: FinetuneOptions, preset: str) -> Recipe:
    """Put the options that were given over those of the preset.

    Raises:
        UsageError: An option has a value that cannot be used.
    """
    if preset not in PRESETS:
        raise UsageError(f"--preset {preset}: give auto or one of {', '.join(PRESETS)}.")
    given = {f.name: getattr(options, f.name) for f in fields(Recipe)}
    recipe = replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
    if recipe.method not in ("lora", "full"):
        raise UsageError(f"--method {recipe.method}: give lora or full.")
    if recipe.method == "full" and recipe.load_in_4bit:
        raise UsageError(
            "--method full cannot train weights of 4 bits. Leave out --load-in-4bit, or use --method lora."
        )
    if not (options.attention_modules or options.mlp_modules) or not (options.vision_layers or options.language_layers):
        raise UsageError("Nothing is left to train: switch on vision or language layers, and attention or MLP modules.")
    for name in ("rank", "alpha", "learning_rate", "batch_size", "micro_batch_size", "max_picture_tokens"):
        if getattr(recipe, name) <= 0:
            raise UsageError(f"--{name.replace('_', '-')} must be above 0.")
    if recipe.steps <= 0 and recipe.epochs <= 0:
        raise UsageError("Give --epochs or --steps above 0.")
    if not 0 <= recipe.token_noise <= 0.5:
        raise UsageError("--token-noise must lie between 0 and 0.5.")
    if not 0 <= recipe.rehearse_share <= 0.9:
        raise UsageError("--rehearse-share must lie between 0 and 0.9.")
    if recipe.hold < 0:
        raise UsageError("--hold must not lie below 0.")
    if not 0 <= options.held_out_share <= 0.5:
        raise UsageError("--held-out-share must lie between 0 and 0.5.")
    return recipe


def options_to_json(options: FinetuneOptions) -> dict[str, Any]:
    """The options as JSON values."""

    def plain(value: Any) -> Any:
        return (
            str(value) if isinstance(value, Path) else [plain(v) for v in value] if isinstance(value, tuple) else value
        )

    return {name: plain(value) for name, value in asdict(options).items()}


def options_from_json(values: dict[str, Any]) -> FinetuneOptions:
    """Inverse of `options_to_json`; unknown names (of another version) are left out."""
    known = {f.name for f in fields(FinetuneOptions)}
    given = {name: value for name, value in values.items() if name in known}
    for name in ("from_db", "held_out", "keep", "output"):
        if given.get(name) is not None:
            given[name] = Path(given[name])
    given["data"] = tuple(Path(p) for p in given.get("data", ()))
    return FinetuneOptions(**given)
