"""Draw the curves of training logs.

python -m finetune.pretrain.curves OUT.png LOG [LOG...]

Several logs are one training in stages; samples count on from stage to stage.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

Row = dict[str, Any]
_NAMES = ("random<=25", "clean inline", "clean display", "scan inline", "im2latex display", "ink-new handwriting")


def read_log(path: Path, before: int = 0) -> tuple[list[Row], list[Row]]:
    """Steps and evaluations of a log written by `train`; `before` is added to the samples of each."""
    steps: list[Row] = []
    evaluations: list[Row] = []
    for line in path.read_text().splitlines():
        kind, _, text = line.partition(" ")
        if kind in ("LOG", "EVAL"):
            row = json.loads(text)
            row["samples"] += before
            (steps if kind == "LOG" else evaluations).append(row)
    return steps, evaluations


def draw_curves(logs: list[Path], out: Path) -> None:
    """Write a picture: text loss over samples, and exact match of the evaluations along the way."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    losses, exact = figure.subplots(1, 2)
    before = 0
    marks: list[Row] = []
    for number, log in enumerate(logs, 1):
        steps, evaluations = read_log(log, before)
        seen = [r["samples"] / 1e6 for r in steps]
        losses.plot(seen, [r["ce"] for r in steps], label=f"stage {number}", linewidth=1)
        before = steps[-1]["samples"]
        marks += evaluations
    losses.set(xlabel="million samples", ylabel="cross-entropy, nats a token", yscale="log", title="training loss")
    if len(logs) > 1:
        losses.legend()
    for name in _NAMES:
        points = [(r["samples"] / 1e6, 100 * r[name]) for r in marks if name in r]
        exact.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=3, label=name)
    exact.set(xlabel="million samples", ylabel="exact match, %", ylim=(0, 100), title="evaluations along the way")
    exact.legend(fontsize=7)
    for axes in (losses, exact):
        axes.grid(alpha=0.3)
    figure.savefig(out)


if __name__ == "__main__":
    draw_curves([Path(x) for x in sys.argv[2:]], Path(sys.argv[1]))
