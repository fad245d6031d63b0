r"""Train the network that tags the glyphs and rows of born-digital pages (docproc/glyph_tagger.py).

    python -m finetune.pretrain.pages --formulas FILE… --out DIR --count 400 --seed 1001
    python -m finetune.pretrain.train_glyph_tagger --pages DIR… --out docproc/model/glyph_tagger.npz

The shipped weights: seed 1001, 14 epochs; then seeds 1001 and 1003 (400 pages each) and 1002 (60 pages,
`--no-formulas`), `--epochs 5 --start … --keep 0`; then with seed 1005 (330 pages) too, `--epochs 5 --start …`.
25 minutes on one core, 15 of them for the pages. Nothing here knows a font by name, so that pages in fonts never seen
are read as well.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docproc.font_statistics import gather_font_statistics
from docproc.glyph_features import N_MARK_FEATURES, ColumnFeatures
from docproc.glyph_tagger import DILATIONS, ROW_DILATIONS
from docproc.page_columns import take_apart
from docproc.records import Box
from docproc.row_features import N_ROW_FEATURES
from docproc.text_layer import read_text_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from docproc.page_columns import Column

_WIDTH = 48
_EPOCHS = 14
_BATCH = 6
_LEARNING_RATE = 4e-3
_ROW_WEIGHT = 6.0
"""A row counts as this many marks in the loss."""
_FEATURE_LOSS = 0.05
"""Some features are lost now and then: a document's fonts may say less than those seen here."""
# Labels of a mark: in an inline formula, begins one, in a display; of a row: display, goes on the display above.
_N_HEADS, _N_ROW_HEADS = 3, 2
# Zeros between the columns of a batch, as far as the convolutions see.
_PAD, _ROW_PAD = 2 * sum(DILATIONS), sum(ROW_DILATIONS)


@dataclass(frozen=True, slots=True)
class Example:
    """One column with its truth; weights of 0 stand where either answer is right."""

    features: ColumnFeatures
    labels: np.ndarray
    """float32, shape (marks, 3)."""
    weights: np.ndarray
    row_labels: np.ndarray
    """float32, shape (rows, 2)."""
    row_weights: np.ndarray


def read_examples(folder: Path) -> Iterator[Example]:
    """Features and truth of each column of the pages in a folder that pages.py wrote."""
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
        truth = PageTruth(row["regions"])
        for column in take_apart(read_text_layer(page), page.rect.width, statistics):
            yield label_column(column, column.features(statistics), truth)


class PageTruth:
    """Finds the true region of a glyph by the middle of its ink."""

    def __init__(self, regions: Sequence[dict[str, Any]]) -> None:
        """Index the ink of the regions of a page, as pages.py writes them."""
        self.regions = regions
        self.numbers = [Box(**box) for region in regions for _, box in region["equation_numbers"]]
        self._places: dict[tuple[int, int], list[tuple[float, float, int]]] = {}
        for number, region in enumerate(regions):
            for box in region["ink"]:
                x, y = (box["x0"] + box["x1"]) / 2, (box["y0"] + box["y1"]) / 2
                self._places.setdefault((int(x // 4), int(y // 4)), []).append((x, y, number))

    def region_of(self, x: float, y: float) -> int | None:
        """Number of the region whose ink has its middle within 0.8 pt of the point."""
        best, best_distance = None, 0.8
        for column in range(int(x // 4) - 1, int(x // 4) + 2):
            for line in range(int(y // 4) - 1, int(y // 4) + 2):
                for other_x, other_y, number in self._places.get((column, line), ()):
                    distance = max(abs(x - other_x), abs(y - other_y))
                    if distance < best_distance:
                        best, best_distance = number, distance
        return best

    def is_number(self, x: float, y: float) -> bool:
        """Whether a point lies in an equation number."""
        return any(box.holds((x, y)) for box in self.numbers)


def label_column(column: Column, features: ColumnFeatures, truth: PageTruth) -> Example:
    """What each mark and row of a column is.

    A row is a display if most of its marks are, equation numbers left out.
    """
    labels: list[tuple[float, float, float]] = []
    weights: list[tuple[float, float, float]] = []
    rows: list[tuple[float, float]] = []
    row_weights: list[tuple[float, float]] = []
    above: int | None = None
    for row in column.rows:
        centers = [mark.box.center for mark in row.marks]
        numbers = [truth.region_of(*center) for center in centers]
        of_marks = [None if number is None else truth.regions[number] for number in numbers]
        votes = [
            number
            for number, region, center in zip(numbers, of_marks, centers, strict=True)
            if not (region is None and truth.is_number(*center)) and not (region is not None and region["is_ignored"])
        ]
        in_display = [n for n in votes if n is not None and truth.regions[n]["kind"] == "display"]
        is_display = len(in_display) > 0.5 * len(votes) and bool(votes)
        own = max(set(in_display), key=in_display.count) if is_display else None
        rows.append((float(is_display), float(own is not None and own == above)))
        row_weights.append((float(bool(votes)), float(own is not None and above is not None)))
        if votes:
            above = own
        seen: set[int] = set()
        for number, region in zip(numbers, of_marks, strict=True):
            is_start = number is not None and number not in seen
            if number is None or region is None:
                labels.append((0.0, 0.0, 0.0))
                weights.append((float(not is_display), 0.0, 1.0))
                continue
            seen.add(number)
            if region["is_ignored"]:
                labels.append((0.0, 0.0, 0.0))
                weights.append((0.0, 0.0, 0.0))
            elif region["kind"] == "display":
                labels.append((0.0, 0.0, 1.0))
                weights.append((0.0, 0.0, 1.0))
            else:
                labels.append((1.0, float(is_start), 0.0))
                weights.append((float(not is_display), 2.0 * (not is_display), 1.0))
    return Example(features, *(np.array(values, np.float32) for values in (labels, weights, rows, row_weights)))


def train(
    examples: Sequence[Example], epochs: int, seed: int, start: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Fit the network and return its weights under the names that docproc/glyph_tagger.py reads.

    Args:
        examples: Columns with their truth.
        epochs: Passes over all of them.
        seed: Of the first weights and of the order.
        start: Weights to go on from (at half the rate) instead of random ones.
    """
    import torch

    torch.manual_seed(seed)
    examples = [example for example in examples if len(example.labels)]
    marks = np.concatenate([example.features.marks for example in examples])
    rows = np.concatenate([example.features.rows for example in examples])
    norms = {"mean": marks.mean(axis=0), "scale": 1 / np.maximum(marks.std(axis=0), 0.05)}
    norms |= {"row_mean": rows.mean(axis=0), "row_scale": 1 / np.maximum(rows.std(axis=0), 0.05)}
    model = _make_network()
    if start is not None:
        norms = {name: start[name] for name in norms}
        model.load_state_dict({name: torch.from_numpy(v).float() for name, v in start.items() if name not in norms})
    rate = _LEARNING_RATE if start is None else _LEARNING_RATE / 2
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    steps = epochs * -(-len(examples) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    generator = np.random.default_rng(seed)
    for epoch in range(epochs):
        order = generator.permutation(len(examples))
        totals = np.zeros(4)
        for first in range(0, len(order), _BATCH):
            batch = _join([examples[index] for index in order[first : first + _BATCH]], norms)
            of_marks, of_rows = model(batch)
            loss, weight = _loss(of_marks, batch.labels, batch.weights)
            row_loss, row_weight = _loss(of_rows, batch.row_labels, batch.row_weights)
            optimizer.zero_grad()
            ((loss + _ROW_WEIGHT * row_loss) / (weight + _ROW_WEIGHT * row_weight).clamp(min=1)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            totals += [float(part.detach()) for part in (loss, weight, row_loss, row_weight)]
        print(f"epoch {epoch + 1}: loss {totals[0] / totals[1]:.5f}, rows {totals[2] / totals[3]:.5f}", flush=True)
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    return {**weights, **{name: value.astype(np.float32) for name, value in norms.items()}}


@dataclass(slots=True)
class _Batch:
    """Columns one behind the other with zeros between; `keep` is 0 there."""

    marks: torch.Tensor
    rows: torch.Tensor
    row_of: torch.Tensor
    keep: torch.Tensor
    row_keep: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    row_labels: torch.Tensor
    row_weights: torch.Tensor


def _join(examples: Sequence[Example], norms: dict[str, np.ndarray]) -> _Batch:
    import torch

    parts: dict[str, list[np.ndarray]] = {}

    def add(name: str, values: np.ndarray, pad: int) -> None:
        shape = ((0, pad),) + ((0, 0),) * (values.ndim - 1)
        parts.setdefault(name, []).append(np.pad(values, shape))

    n_rows = 0
    for example in examples:
        features = example.features
        add("marks", (features.marks - norms["mean"]) * norms["scale"], _PAD)
        add("rows", (features.rows - norms["row_mean"]) * norms["row_scale"], _ROW_PAD)
        row_of = np.repeat(np.arange(len(features.rows)), features.lengths) + n_rows
        # Marks between columns belong to the first row between columns.
        parts.setdefault("row_of", []).append(
            np.concatenate([row_of, np.full(_PAD, n_rows + len(features.rows), np.int64)])
        )
        n_rows += len(features.rows) + _ROW_PAD
        add("keep", np.ones(len(features.marks), np.float32), _PAD)
        add("row_keep", np.ones(len(features.rows), np.float32), _ROW_PAD)
        add("labels", example.labels, _PAD)
        add("weights", example.weights, _PAD)
        add("row_labels", example.row_labels, _ROW_PAD)
        add("row_weights", example.row_weights, _ROW_PAD)
    tensors = {name: torch.from_numpy(np.concatenate(arrays)) for name, arrays in parts.items()}
    return _Batch(**tensors)


def _loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    from torch.nn.functional import binary_cross_entropy_with_logits

    losses = binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (losses * weights).sum(), weights.sum()


def _make_network() -> Any:
    import torch
    from torch import nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            width = _WIDTH
            self.embed = nn.Linear(N_MARK_FEATURES + N_ROW_FEATURES, width)
            for i, dilation in enumerate(DILATIONS):
                setattr(self, f"conv{i}", nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation))
            self.row_embed = nn.Linear(2 * width + N_ROW_FEATURES, width)
            for i, dilation in enumerate(ROW_DILATIONS):
                setattr(self, f"row_conv{i}", nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation))
            self.row_head = nn.Linear(width, _N_ROW_HEADS)
            self.mix = nn.Linear(2 * width, width)
            self.head = nn.Linear(width, _N_HEADS)

        def forward(self, batch: _Batch) -> tuple[torch.Tensor, torch.Tensor]:
            drop = torch.rand(N_MARK_FEATURES) > _FEATURE_LOSS
            row_drop = torch.rand(N_ROW_FEATURES) > _FEATURE_LOSS
            rows = batch.rows * row_drop
            keep, row_keep = batch.keep[:, None], batch.row_keep[:, None]
            x = torch.cat([batch.marks * drop, rows[batch.row_of]], dim=1)
            x = torch.relu(self.embed(x)) * keep
            x = self._convolve(x, "conv", len(DILATIONS), keep)
            n = torch.zeros(len(rows)).index_add(0, batch.row_of, batch.keep).clamp(min=1)[:, None]
            mean = torch.zeros(len(rows), _WIDTH).index_add(0, batch.row_of, x) / n
            index = batch.row_of[:, None].expand(-1, _WIDTH)
            top = torch.zeros(len(rows), _WIDTH).scatter_reduce(0, index, x, "amax", include_self=False)
            r = torch.relu(self.row_embed(torch.cat([mean, top, rows], dim=1))) * row_keep
            r = self._convolve(r, "row_conv", len(ROW_DILATIONS), row_keep)
            mixed = torch.relu(self.mix(torch.cat([x, r[batch.row_of]], dim=1)))
            of_marks: torch.Tensor = self.head(mixed)
            return of_marks, self.row_head(r)

        def _convolve(self, x: torch.Tensor, name: str, count: int, keep: torch.Tensor) -> torch.Tensor:
            x, keep = x.T[None], keep.T[None]
            for i in range(count):
                x = x + torch.relu(getattr(self, f"{name}{i}")(x)) * keep
            return x[0].T

    return Tagger()


def main() -> None:
    """Read pages, train, write the weights (16-bit floats)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, nargs="+", required=True, help="folders that pages.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=_EPOCHS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--keep", type=float, default=0.35, help="share of the weights of --start in the result")
    arguments = parser.parse_args()
    start = dict(np.load(arguments.start)) if arguments.start is not None else None
    examples = [example for folder in arguments.pages for example in read_examples(folder)]
    print(f"{len(examples)} columns, {sum(len(example.labels) for example in examples)} glyphs", flush=True)
    weights = train(examples, arguments.epochs, arguments.seed, start)
    if start is not None:
        # The mean of two rounds errs less than either: dev inline F1 0.970 against 0.967 and 0.964.
        weights = {name: arguments.keep * start[name] + (1 - arguments.keep) * value for name, value in weights.items()}
    write_weights(arguments.out, weights)


def write_weights(path: Path, weights: dict[str, np.ndarray]) -> None:
    """Store the weights as docproc/glyph_tagger.py reads them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_norm = ("mean", "scale", "row_mean", "row_scale")
    small: dict[str, Any] = {n: v if n in is_norm else v.astype(np.float16) for n, v in weights.items()}
    np.savez_compressed(path, **small)


if __name__ == "__main__":
    main()
