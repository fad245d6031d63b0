"""A small network over glyphs: which are in an inline formula, where one begins, which are in a display."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

WEIGHTS_FILE = "glyph_tagger.npz"
# Convolutions over neighboring marks: 5 wide, at these distances; together they see 26 marks to each side.
DILATIONS = (1, 3, 9)


@dataclass(frozen=True, slots=True)
class Tags:
    """Probabilities for each mark, arrays of shape (marks,)."""

    inline: np.ndarray
    """It is in an inline formula."""
    starts: np.ndarray
    """It begins an inline formula, also where it touches the one before."""
    display: np.ndarray
    """It is in a displayed formula."""


@cache
def load_tagger() -> Mapping[str, np.ndarray]:
    """Read the weights that ship with the package (trained by finetune/pretrain/train_glyph_tagger.py)."""
    with files("docproc").joinpath("model", WEIGHTS_FILE).open("rb") as file, np.load(file) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def tag_marks(features: np.ndarray, weights: Mapping[str, np.ndarray]) -> Tags:
    """Run the network.

    Args:
        features: float32, shape (marks, N_FEATURES), marks in reading order.
        weights: Of `load_tagger`.
    """
    x = (features - weights["mean"]) * weights["scale"]
    x = np.maximum(x @ weights["embed.weight"].T + weights["embed.bias"], 0)
    for i, dilation in enumerate(DILATIONS):
        kernel = weights[f"conv{i}.weight"]  # (out, in, 5)
        padded = np.pad(x, ((2 * dilation, 2 * dilation), (0, 0)))
        n = len(x)
        stacked = np.concatenate([padded[k * dilation : k * dilation + n] for k in range(kernel.shape[2])], axis=1)
        flat = kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])
        x = x + np.maximum(stacked @ flat + weights[f"conv{i}.bias"], 0)
    logits = x @ weights["head.weight"].T + weights["head.bias"]
    probabilities = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return Tags(probabilities[:, 0], probabilities[:, 1], probabilities[:, 2])
