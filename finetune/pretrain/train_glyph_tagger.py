r"""Train the network that tags the glyphs of born-digital pages (docproc/glyph_tagger.py).

    python -m finetune.pretrain.pages --formulas FILE… --out DIR --count 560 --seed 171
    python -m finetune.pretrain.train_glyph_tagger --pages DIR… --out docproc/model/glyph_tagger.npz

Minutes on one CPU core. Nothing here knows a font by name, so that pages in fonts never seen are read as well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docproc.font_statistics import gather_font_statistics
from docproc.glyph_features import N_FEATURES
from docproc.glyph_tagger import DILATIONS
from docproc.page_columns import take_apart
from docproc.text_layer import read_text_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docproc.page_columns import Column

_WIDTH = 40
_EPOCHS = 12
_LEARNING_RATE = 3e-3
# Labels of a mark: in an inline formula, begins one, in a display; each with a weight (0 = either is right).
_N_HEADS = 3


def read_examples(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Features, labels and weights of each column of the pages in a folder that pages.py wrote.

    Yields:
        Arrays of shape (marks, N_FEATURES), (marks, 3) and (marks, 3).
    """
    import pymupdf

    name, document, statistics = "", None, None
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["file"] != name:
            name = row["file"]
            document = pymupdf.open(folder / name)
            statistics = gather_font_statistics(document, range(1, document.page_count + 1))
        assert document is not None
        assert statistics is not None
        page = document[row["page"] - 1]
        truth = _Truth(row["regions"])
        for column in take_apart(read_text_layer(page), page.rect.width, statistics):
            labels, weights = _label(column, truth)
            yield column.features(statistics), labels, weights


class _Truth:
    """Finds the true region of a glyph by the middle of its ink."""

    def __init__(self, regions: Sequence[dict[str, Any]]) -> None:
        self.regions = regions
        self.places: dict[tuple[int, int], list[tuple[float, float, int]]] = {}
        for number, region in enumerate(regions):
            for box in region["ink"]:
                x, y = (box["x0"] + box["x1"]) / 2, (box["y0"] + box["y1"]) / 2
                self.places.setdefault((int(x // 4), int(y // 4)), []).append((x, y, number))

    def region_of(self, x: float, y: float) -> int | None:
        """Number of the region whose ink has its middle within 0.8 pt of the point."""
        best, best_distance = None, 0.8
        for column in range(int(x // 4) - 1, int(x // 4) + 2):
            for line in range(int(y // 4) - 1, int(y // 4) + 2):
                for other_x, other_y, number in self.places.get((column, line), ()):
                    distance = max(abs(x - other_x), abs(y - other_y))
                    if distance < best_distance:
                        best, best_distance = number, distance
        return best


def _label(column: Column, truth: _Truth) -> tuple[np.ndarray, np.ndarray]:
    labels: list[list[float]] = []
    weights: list[list[float]] = []
    for row in column.rows:
        seen: set[int] = set()
        for mark in row.marks:
            number = truth.region_of(*mark.box.center)
            region = truth.regions[number] if number is not None else None
            if number is None or region is None:
                labels.append([0.0, 0.0, 0.0])
                weights.append([1.0, 0.0, 1.0])
                continue
            is_start = number not in seen
            seen.add(number)
            if region["is_ignored"]:
                labels.append([0.0, 0.0, 0.0])
                weights.append([0.0, 0.0, 0.0])
            elif region["kind"] == "display":
                labels.append([0.0, 0.0, 1.0])
                weights.append([0.0, 0.0, 1.0])
            else:
                labels.append([1.0, float(is_start), 0.0])
                weights.append([1.0, 2.0, 1.0])
    return np.array(labels, np.float32).reshape(-1, _N_HEADS), np.array(weights, np.float32).reshape(-1, _N_HEADS)


def train(
    examples: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], epochs: int, seed: int
) -> dict[str, np.ndarray]:
    """Fit the network and return its weights under the names that docproc/glyph_tagger.py reads."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    everything = np.concatenate([features for features, _, _ in examples])
    mean = everything.mean(axis=0)
    scale = 1 / np.maximum(everything.std(axis=0), 0.05)

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(N_FEATURES, _WIDTH)
            for i, dilation in enumerate(DILATIONS):
                setattr(self, f"conv{i}", nn.Conv1d(_WIDTH, _WIDTH, 5, padding=2 * dilation, dilation=dilation))
            self.head = nn.Linear(_WIDTH, _N_HEADS)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.embed(x)).transpose(1, 2)
            for i in range(len(DILATIONS)):
                x = x + torch.relu(getattr(self, f"conv{i}")(x))
            logits: torch.Tensor = self.head(x.transpose(1, 2))
            return logits

    model = Tagger()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=0.01)
    ready = [
        (torch.from_numpy((features - mean) * scale), torch.from_numpy(labels), torch.from_numpy(weights))
        for features, labels, weights in examples
        if len(features)
    ]
    batches_per_epoch = -(-len(ready) // 8)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=epochs * batches_per_epoch)
    generator = np.random.default_rng(seed)
    for epoch in range(epochs):
        order = generator.permutation(len(ready))
        total = count = 0.0
        for first in range(0, len(order), 8):
            loss, weight = torch.zeros(()), torch.zeros(())
            for index in order[first : first + 8]:
                x, y, w = ready[index]
                # Some features are lost now and then: a document's fonts may say less than those seen here.
                kept = (torch.rand(x.shape[1]) > 0.05).float()
                logits = model((x * kept)[None])[0]
                loss = loss + (nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none") * w).sum()
                weight = weight + w.sum()
            optimizer.zero_grad()
            (loss / weight.clamp(min=1)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total, count = total + float(loss.detach()), count + float(weight)
        print(f"epoch {epoch + 1}: loss {total / count:.5f}", flush=True)
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    return {**weights, "mean": mean.astype(np.float32), "scale": scale.astype(np.float32)}


def main() -> None:
    """Read pages, train, write the weights (16-bit floats)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, nargs="+", required=True, help="folders that pages.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=_EPOCHS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    examples = [example for folder in arguments.pages for example in read_examples(folder)]
    print(f"{len(examples)} columns, {sum(len(features) for features, _, _ in examples)} glyphs", flush=True)
    weights = train(examples, arguments.epochs, arguments.seed)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    small: dict[str, Any] = {
        name: value.astype(np.float16) if name not in ("mean", "scale") else value for name, value in weights.items()
    }
    np.savez_compressed(arguments.out, **small)


if __name__ == "__main__":
    main()
