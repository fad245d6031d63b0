"""The chance that a reading is right, from the probabilities that the model gave its tokens."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

CALIBRATION = "calibration.json"
"""File beside a checkpoint's weights; a checkpoint without one is uncalibrated."""
LOW_CONFIDENCE = 0.9
"""Below it a reading is worth a second look: by calibration, at most one in ten of the others is wrong."""
_NEVER, _ALWAYS = 1e-9, 1e-6
"""Probabilities are kept this far from 0 and from 1."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model of the chance that every token is right.

    Source: fitted by `python -m finetune.pretrain.calibrate` on readings of formulas that were never trained on.
    """

    bias: float
    odds: float
    """Weight of the log-odds that the model itself gives the whole answer."""
    length: float
    """Weight of the logarithm of the number of tokens."""

    def confidence(self, mean_log_probability: float, tokens: int) -> float:
        """Chance that the reading is right, 0-1.

        Args:
            mean_log_probability: Over the tokens and the end token.
            tokens: How many these are.
        """
        weights = (self.bias, self.odds, self.length)
        log_odds = sum(w * x for w, x in zip(weights, features(mean_log_probability, tokens), strict=True))
        return 1 / (1 + math.exp(-min(max(log_odds, -30.0), 30.0)))


def features(mean_log_probability: float, tokens: int) -> tuple[float, float, float]:
    """What the confidence is computed from: 1, the answer's own log-odds, the logarithm of its length."""
    count = max(1, tokens)
    probability = min(max(math.exp(mean_log_probability * count), _NEVER), 1 - _ALWAYS)
    return 1.0, math.log(probability / (1 - probability)), math.log(count)


def uncalibrated(mean_log_probability: float) -> float:
    """Confidence for a checkpoint without a calibration: the geometric mean of its tokens' probabilities."""
    return math.exp(mean_log_probability)


def load_calibration(folder: Path) -> Calibration | None:
    """Calibration of the checkpoint in a folder; None if it has none."""
    path = folder / CALIBRATION
    if not path.is_file():
        return None
    weights = json.loads(path.read_text(encoding="utf-8"))
    return Calibration(**{name: float(weights[name]) for name in ("bias", "odds", "length")})


def save_calibration(calibration: Calibration, folder: Path) -> None:
    """Write it beside the checkpoint's weights."""
    rounded = {name: round(value, 5) for name, value in asdict(calibration).items()}
    (folder / CALIBRATION).write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
