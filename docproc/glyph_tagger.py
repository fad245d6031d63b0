"""A small network over glyphs and rows: which glyphs are in inline formulas, which rows are displays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docproc.glyph_features import ColumnFeatures

WEIGHTS_FILE = "glyph_tagger.npz"
# Convolutions over neighboring marks: 5 wide, at these distances; together they see 28 marks to each side.
DILATIONS = (1, 3, 9, 1)
# Convolutions over neighboring rows: 3 wide; together they see 3 rows up and down.
ROW_DILATIONS = (1, 2)


@dataclass(frozen=True, slots=True)
class Tags:
    """Probabilities for each mark, arrays of shape (marks,), and for each row, of shape (rows,)."""

    inline: np.ndarray
    """The mark is in an inline formula, given that its row is not a display."""
    starts: np.ndarray
    """It begins an inline formula, also where it touches the one before."""
    in_display: np.ndarray
    """It is in a displayed formula."""
    display: np.ndarray
    """The row is one of a displayed formula."""
    joins: np.ndarray
    """The row goes on the display of the row above."""


@cache
def load_tagger() -> Mapping[str, np.ndarray]:
    """Read the weights that ship with the package (trained by finetune/pretrain/train_glyph_tagger.py)."""
    with files("docproc").joinpath("model", WEIGHTS_FILE).open("rb") as file, np.load(file) as stored:
        return prepare_weights({name: stored[name] for name in stored.files})


def prepare_weights(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights as training stores them, ready for `tag_marks`: 32-bit floats, kernels flattened."""
    weights = {name: value.astype(np.float32) for name, value in stored.items()}
    for name in [name for name in weights if "conv" in name and name.endswith(".weight")]:
        kernel = weights[name]  # (out, in, width) -> (width * in, out)
        weights[name] = np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0]))
    return weights


def tag_marks(features: ColumnFeatures, weights: Mapping[str, np.ndarray]) -> Tags:
    """Run the network.

    Args:
        features: Of one column; at least one mark.
        weights: Of `load_tagger` or `prepare_weights`.
    """
    row_of = np.repeat(np.arange(len(features.lengths)), features.lengths)
    firsts = np.cumsum(features.lengths) - features.lengths
    rows = (features.rows - weights["row_mean"]) * weights["row_scale"]
    x = np.concatenate([(features.marks - weights["mean"]) * weights["scale"], rows[row_of]], axis=1)
    x = np.maximum(x @ weights["embed.weight"].T + weights["embed.bias"], 0)
    for i, dilation in enumerate(DILATIONS):
        x = x + np.maximum(_convolve(x, weights, f"conv{i}", dilation, 5), 0)
    pooled = [np.add.reduceat(x, firsts) / features.lengths[:, None], np.maximum.reduceat(x, firsts), rows]
    r = np.maximum(np.concatenate(pooled, axis=1) @ weights["row_embed.weight"].T + weights["row_embed.bias"], 0)
    for i, dilation in enumerate(ROW_DILATIONS):
        r = r + np.maximum(_convolve(r, weights, f"row_conv{i}", dilation, 3), 0)
    of_rows = _sigmoid(r @ weights["row_head.weight"].T + weights["row_head.bias"])
    hidden = np.concatenate([x, r[row_of]], axis=1) @ weights["mix.weight"].T + weights["mix.bias"]
    of_marks = _sigmoid(np.maximum(hidden, 0) @ weights["head.weight"].T + weights["head.bias"])
    return Tags(of_marks[:, 0], of_marks[:, 1], of_marks[:, 2], of_rows[:, 0], of_rows[:, 1])


def _convolve(x: np.ndarray, weights: Mapping[str, np.ndarray], name: str, dilation: int, width: int) -> np.ndarray:
    """One dilated convolution along the first axis, the same length out as in."""
    n, reach = len(x), dilation * (width // 2)
    padded = np.pad(x, ((reach, reach), (0, 0)))
    stacked = np.concatenate([padded[k * dilation : k * dilation + n] for k in range(width)], axis=1)
    result: np.ndarray = stacked @ weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return result


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    result: np.ndarray = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return result
