"""Which crops an adapter reads: those that look like what it was trained on. The model as it was reads the others.

A model that is tuned to one hand reads print a little worse. Asked only for crops that look like the hand, it loses
nothing of what was known. How a crop looks is told by the first blocks of the untuned model's vision tower.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from docproc.errors import DependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GATE = "gate.json"
"""File beside an adapter's weights; an adapter without one reads everything."""
# Digits of a stored weight: a score of a thousand terms then moves by less than its own rounding in 8 bits.
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Gate:
    """A linear classifier: a crop is alike where its features' weighted sum lies above the threshold."""

    base: str
    """Name of the untuned model, whose sight the features are."""
    blocks: int
    """Blocks of its vision tower behind which they are taken."""
    weights: NDArray[np.float32]
    """Shape (2 * the tower's width,)."""
    threshold: float

    def alike(self, features: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether crops with such features, shape (crops, 2 * width), are for the adapter."""
        found: NDArray[np.bool_] = features @ self.weights > self.threshold
        return found


def load_gate(folder: Path, base: str) -> Gate | None:
    """The gate of an adapter; None if it has none.

    Args:
        folder: Of the adapter.
        base: Name of the untuned model that will look.

    Raises:
        DependencyError: It is damaged, or belongs to another model.
    """
    path = folder / GATE
    if not path.is_file():
        return None
    way_out = "Tune again, or give --adapter-for all to let the adapter read everything."
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        weights = np.array(stored["weights"], np.float32)
        gate = Gate(str(stored["base"]), int(stored["blocks"]), weights, float(stored["threshold"]))
        if weights.ndim != 1 or not np.isfinite([*weights, gate.threshold]).all():
            raise ValueError("its weights are no row of numbers")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DependencyError(f"--adapter {folder}: {GATE} is damaged ({error}). {way_out}") from error
    if gate.base != base:
        raise DependencyError(f"--adapter {folder}: {GATE} was made for {gate.base}, and this is {base}. {way_out}")
    return gate


def save_gate(gate: Gate, folder: Path) -> None:
    """Write it beside the adapter's weights."""
    stored = {
        "base": gate.base,
        "blocks": gate.blocks,
        "threshold": float(f"{gate.threshold:.{_DIGITS}g}"),
        "weights": [float(f"{weight:.{_DIGITS}g}") for weight in gate.weights.tolist()],
    }
    (folder / GATE).write_text(json.dumps(stored) + "\n", encoding="utf-8")
