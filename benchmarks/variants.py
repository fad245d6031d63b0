"""Reading time of shallower variants of the built-in model, on a CPU, beside the full depth in the same run.

    python -m benchmarks.variants FOLDER/6x6 FOLDER/8x4 FOLDER/4x4

Each folder holds weights that `python -m finetune.pretrain.quantize` wrote. The accuracy that belongs to the times is
printed by `python -m finetune.pretrain.variants`, which trained them; docs/training.md has both in one table.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import click

from benchmarks.engine import sample_crops, timed


def load(folder: Path) -> Any:
    """A variant as the product would hold it: the built-in model's processor around its own weights."""
    from docproc.checkpoints import BUILT_IN_FOLDER, LoadedModel, load_processor
    from docproc.model.load import load_built_in_weights
    from finetune.pretrain.network import build_network
    from finetune.pretrain.quantize import read_shape

    weights = load_built_in_weights(folder)
    processor = load_processor(str(BUILT_IN_FOLDER))
    model = build_network(len(processor.tokenizer), read_shape(weights))
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    return LoadedModel(model.eval(), processor)


@click.command(help=__doc__)
@click.argument("folders", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--crops", "count", type=int, default=100, show_default=True, help="Formulas.")
@click.option("--rounds", type=int, default=3, show_default=True, help="Rounds over all variants; the median counts.")
@click.option("--json", "as_json", is_flag=True)
def main(folders: tuple[Path, ...], count: int, rounds: int, as_json: bool) -> None:
    """Read the same crops with each variant in turn."""
    import torch

    from docproc.checkpoints import BUILT_IN_FOLDER
    from docproc.qwen2_vl import Qwen2VLRecognizer
    from docproc.recognition import recognize_all

    crops = sample_crops(count, None)
    places = {"8x6": BUILT_IN_FOLDER, **{folder.name: folder for folder in folders}}
    readers = {
        name: Qwen2VLRecognizer(name, lambda folder=folder: load(folder), is_shared=False)  # type: ignore[misc]
        for name, folder in places.items()
    }
    cpu = torch.device("cpu")
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in places}
    for reader in readers.values():
        recognize_all(reader, crops[:8], 8)  # loads
    for _ in range(rounds):
        for name, reader in readers.items():
            wall, worked, _ = timed(lambda reader=reader: recognize_all(reader, crops, 32), cpu)  # type: ignore[misc]
            seconds[name].append((wall, worked))
    rows = {
        name: {
            "wall_ms": 1000 * statistics.median(w for w, _ in values) / count,
            "cpu_ms": 1000 * statistics.median(c for _, c in values) / count,
        }
        for name, values in seconds.items()
    }
    report = {
        name: {**{k: round(v, 1) for k, v in row.items()}, "cpu_share": round(row["cpu_ms"] / rows["8x6"]["cpu_ms"], 3)}
        for name, row in rows.items()
    }
    if as_json:
        print(json.dumps(report))
        return
    for name, row in report.items():
        print(f"{name:6} " + "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
