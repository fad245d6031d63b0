"""What a run leaves behind: adapter or checkpoint, processor, a record of how it came about, curves, a report."""

from __future__ import annotations

import json
import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from docproc.checkpoints import BUILT_IN, load_model_and_processor, model_name
from docproc.errors import OutputError
from finetune.backends import Trainee
from finetune.dataset import CheckedData
from finetune.evaluate import Scores
from finetune.gate import describe
from finetune.options import FinetuneOptions, Recipe, options_to_json
from finetune.processes import is_first

RECORD_FILE = "finetune.json"
_PACKAGES = ("docproc", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "unsloth", "bitsandbytes")
# As docproc/model/MODEL_CARD.md says under "Data and licences".
_BUILT_IN_LICENSE = (
    "AGPL-3.0-or-later, as docproc; its handwriting was learned from data given for non-commercial research "
    "(CC BY-NC-SA 3.0): see docproc/model/MODEL_CARD.md"
)
_LICENSE_LINE = re.compile(r"^license(?:_name)?:\s*(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """What `docproc finetune` did."""

    folder: Path
    steps: int
    """Optimizer steps done."""
    before: Scores
    after: Scores | None
    """None if the run was interrupted."""
    keep_before: Scores | None
    keep_after: Scores | None
    left_out: dict[str, int]
    """Rows that were not used, by reason."""
    elapsed_seconds: float
    is_interrupted: bool = False


def start_record(
    options: FinetuneOptions, recipe: Recipe, preset: str, trainee: Trainee, data: CheckedData
) -> dict[str, Any]:
    """The record as known before the first step."""
    return {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "base_model": options.model,
        "base_model_name": model_name(options.model),
        "base_model_license": find_license(options.model),
        "method": recipe.method,
        "backend": trainee.backend,
        "device": trainee.device,
        "preset": preset,
        "recipe": asdict(recipe),
        "options": options_to_json(options),
        "seed": options.seed,
        "versions": {"python": platform.python_version(), **_versions()},
        "data": {
            "sha256": data.sha256,
            "train": len(data.train),
            "held_out": len(data.held_out),
            "keep": len(data.keep),
            "left_out": data.reasons(),
            "is_split_by_document": data.is_split_by_document,
        },
    }


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write finetune.json in one go, so that a kill leaves the old or the new one.

    Raises:
        OutputError: The folder cannot be written.
    """
    if not is_first():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{RECORD_FILE}.tmp"
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(folder / RECORD_FILE)
    except OSError as error:
        raise OutputError(f"-o {folder} cannot be written: {error.strerror}. Choose another folder.") from error


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of an earlier run, None if there is none that can be read."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "options" in record else None


def save_model(folder: Path, trainee: Trainee) -> None:
    """Write adapter (LoRA) or checkpoint (full training), and the processor, into the top of the folder."""
    trainee.model.save_pretrained(folder)
    save_processor(folder, trainee.loaded.processor)
    if (folder / "adapter_config.json").is_file():
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card; report.md says what this is


def save_processor(folder: Path, processor: Any) -> None:
    """Write tokenizer, chat template and image processor as a hub checkpoint has them."""
    processor.tokenizer.chat_template = processor.chat_template
    processor.tokenizer.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)


def merge(folder: Path, options: FinetuneOptions) -> Path:
    """Work the adapter in `folder` into its base model and write `folder`/merged, which loads in transformers."""
    import torch

    target = folder / "merged"
    shutil.rmtree(target, ignore_errors=True)
    # Large models are merged in the 16 bits they are stored in; the built-in one in 32.
    dtype = torch.float32 if options.model == BUILT_IN else "auto"
    loaded = load_model_and_processor(options.model, "cpu", adapter=folder, dtype=dtype)
    loaded.model.save_pretrained(target)
    save_processor(target, loaded.processor)
    return target


def find_license(model: str) -> str:
    """What the base model's folder says of its licence."""
    if model == BUILT_IN:
        return _BUILT_IN_LICENSE
    folder = Path(model)
    if not folder.is_dir():
        return f"see the model's page: {model}"
    for name in ("README.md", "model_card.md", "MODEL_CARD.md"):
        if (folder / name).is_file():
            found = _LICENSE_LINE.search((folder / name).read_text(encoding="utf-8", errors="replace"))
            if found:
                return found.group(1).strip()
    for file in sorted(folder.glob("LICENSE*")):
        first = next((line.strip() for line in file.read_text(errors="replace").splitlines() if line.strip()), "")
        return f"{first} (see {file.name} of the base model)"
    return "not stated in the base model's folder: ask its publisher before passing the adapter on"


def write_curves(path: Path, history: Sequence[dict[str, Any]], before: Scores) -> None:
    """Draw loss, exact match and memory over the steps.

    Args:
        path: PNG to write.
        history: The trainer's log: dicts with `step` and `loss`, `eval_exact_match` or `memory_gib`.
        before: Score at step 0.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3)
    series = {
        "loss a token (nats)": [(h["step"], h["loss"]) for h in history if "loss" in h],
        "exact match, held out": [
            (0, before.exact_match),
            *((h["step"], h["eval_exact_match"]) for h in history if "eval_exact_match" in h),
        ],
        "peak memory (GiB)": [(h["step"], h["memory_gib"]) for h in history if "memory_gib" in h],
    }
    for panel, (title, points) in zip(panels, series.items(), strict=True):
        if points:
            panel.plot(*zip(*points, strict=True), marker="." if len(points) < 40 else None)
        panel.set(title=title, xlabel="step")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def write_report(folder: Path, record: dict[str, Any]) -> None:
    """Write report.md: what was done, what it gained, how to use it, what may be done with it."""
    data, scores = record["data"], record["scores"]
    gate = record.get("gate")
    is_gated = gate is not None and gate["is_used"]
    is_adapter = record["method"] == "lora" or is_gated
    use = (
        f"docproc run --model {record['base_model']} --adapter {folder}"
        if is_adapter
        else f"docproc run --model {folder}"
    )
    lines = [
        f"# {record['base_model_name']} adapted by docproc finetune",
        "",
        f"Use it: `{use} FILE`",
        "",
        "| | formulas | exact match before | after | character edit distance before | after |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for key, title in (("", "held-out part"), ("keep_", "--keep: what it read well before")):
        before, after = scores.get(f"{key}before"), scores.get(f"{key}after")
        if before and after and before["count"]:
            figures = [f"{s['exact_match']:.1%}" for s in (before, after)]
            figures += [f"{s['character_edit_distance']:.3f}" for s in (before, after)]
            lines.append(f"| {title} | {before['count']} | " + " | ".join(figures) + " |")
    lines += [
        "",
        *([] if gate is None else [describe(gate), ""]),
        (
            f"Trained on {data['train']} formulas for {record['steps']} steps in "
            f"{record['elapsed_seconds'] / 60:.1f} minutes ({record['backend']}, {record['device']}, "
            f"preset {record['preset']}, seed {record['seed']})."
        ),
        "",
        *(
            []
            if data["is_split_by_document"]
            else ["All rows come from one document: the score on another may be lower.", ""]
        ),
        (
            f"Base model: {record['base_model']}; its licence: {record['base_model_license']}. What is made from it, "
            "this folder included, is bound by that licence and by the terms of the training data."
        ),
        "",
        f"Rows left out: {sum(data['left_out'].values())}"
        + "".join(f"\n- {count} × {reason}" for reason, count in data["left_out"].items()),
        "",
        "![curves](curves.png)",
        "",
    ]
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
