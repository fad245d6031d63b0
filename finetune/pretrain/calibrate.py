"""Fit the confidence of a checkpoint to how often its readings are right.

    python -m finetune.pretrain.calibrate RUN/predictions.jsonl docproc/model

The readings are those of held-out pictures, which `train` writes at its end. The figures are cross-validated: each
source (and writer) is judged by a fit to the others. The file that ships is fitted to all.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from docproc.confidence import Calibration, features, save_calibration, uncalibrated
from docproc.distances import calibration_error, errors_in_lowest
from finetune.pretrain.vocabulary import split_target

_STEPS, _FOLDS = 50, 5
_RIDGE = 1e-3
"""Keeps the weights finite where the classes can be told apart."""
_SHARES = (0.1, 0.2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One reading."""

    mean_log_probability: float
    tokens: int
    is_right: bool
    group: str
    """Source or writer."""


def read_outcomes(path: Path) -> list[Outcome]:
    """Readings of formulas; answers that ran on or saw no formula have a status of their own and are left out."""
    outcomes = []
    for line in path.read_text(encoding="utf-8").splitlines():
        r = json.loads(line)
        if r["set"] != "nothing" and r["pred"] and r["finished"]:
            tokens = len(split_target(r["pred"])) + 1
            outcomes.append(Outcome(r["log_p"] / tokens, tokens, r["same"], f"{r['source']} {r['set']}"))
    return outcomes


def fit(outcomes: Sequence[Outcome]) -> Calibration:
    """Logistic regression by Newton's method."""
    x = np.array([features(o.mean_log_probability, o.tokens) for o in outcomes])
    y = np.array([o.is_right for o in outcomes], float)
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (y - p) - _RIDGE * weights
        curve = (x * (p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(len(weights))
        weights += np.linalg.solve(curve, slope)
    return Calibration(*map(float, weights))


def cross_validate(outcomes: Sequence[Outcome]) -> list[float]:
    """Confidence of each outcome by a fit to outcomes of other groups."""
    groups = sorted({o.group for o in outcomes})
    random.Random(1).shuffle(groups)
    confidences = [0.0] * len(outcomes)
    for k in range(_FOLDS):
        held = set(groups[k::_FOLDS])
        calibration = fit([o for o in outcomes if o.group not in held])
        for i, o in enumerate(outcomes):
            if o.group in held:
                confidences[i] = calibration.confidence(o.mean_log_probability, o.tokens)
    return confidences


def figures(confidences: Sequence[float], outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Expected calibration error, and the share of errors among the least confident."""
    right = [o.is_right for o in outcomes]
    row = {"n": float(len(right)), "right": sum(right) / len(right), "ece": calibration_error(confidences, right)}
    for share in _SHARES:
        row[f"errors in the lowest {share:.0%}"] = errors_in_lowest(confidences, right, share) or math.nan
    return {name: round(value, 4) for name, value in row.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("folder", type=Path, help="of the checkpoint")
    options = parser.parse_args()
    outcomes = read_outcomes(options.predictions)
    plain = [uncalibrated(o.mean_log_probability) for o in outcomes]
    print(f"uncalibrated: {json.dumps(figures(plain, outcomes))}")
    print(f"calibrated, cross-validated: {json.dumps(figures(cross_validate(outcomes), outcomes))}")
    save_calibration(fit(outcomes), options.folder)


if __name__ == "__main__":
    main()
