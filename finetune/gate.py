"""Learns how the crops look that an adapter is trained on, so that it is asked for such crops only (docproc/gate.py).

Linear discriminant analysis between training pictures and rehearsed ones, with a shrunk common covariance. Source:
Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docproc.checkpoints import is_built_in, load_model_and_processor, model_name
from docproc.gate import Gate
from docproc.qwen2_vl import Qwen2VLRecognizer
from finetune.backends import Trainee
from finetune.dataset import CheckedData, Example, load_picture
from finetune.rehearsal import rehearsed_part

Floats = NDArray[np.float64]

# Blocks of the vision tower, of eight, behind which crops are compared (docs/finetune.md has what others do).
BLOCKS = 4
# Every crop is scored by a gate that was fitted without its document, or its formula where one document has more than
# this share of the crops.
FOLDS, LARGEST_GROUP = 5, 0.25
# Fewer formulas on a side say too little about how it looks.
LEAST_FORMULAS = 20
# What is told apart worse than this gets no gate: about one crop in twenty would go the wrong way.
LEAST_AUC = 0.99
# Of the new crops so many may be refused at most: one that is refused costs far more than a known one that is taken.
MOST_REFUSED = 0.02
# Of each side so many are looked at at most, 20-40 ms of processor time each: of 300 known ones 2 % of print was taken
# for a book letter, of 675 0.7 %.
MOST_LOOKED_AT = 600
# As many patches are seen at once as for so many rows that are read.
_ROWS = 32


@dataclass(frozen=True, slots=True)
class FittedGate:
    """A gate, and how well it tells the new from the known, by gates that did not see the crops that they score."""

    gate: Gate
    untuned: Qwen2VLRecognizer
    """The model before its training."""
    auc: float
    """Chance that a new crop scores above a known one, 0-1."""
    new_taken: float
    """Share of the new crops that the adapter would read, 0-1."""
    known_taken: float
    """Share of the known crops that the adapter would read, 0-1."""

    @property
    def is_used(self) -> bool:
        """Whether new and known look different enough."""
        return self.auc >= LEAST_AUC

    def to_json(self) -> dict[str, Any]:
        """As JSON values, without the weights."""
        names = ("auc", "new_taken", "known_taken")
        return {"is_used": self.is_used, **{name: round(float(getattr(self, name)), 4) for name in names}}


def describe(gate: dict[str, Any]) -> str:
    """Which crops the adapter reads, in a sentence or two; `gate` as `FittedGate.to_json` returns it."""
    if not gate["is_used"]:
        return (
            f"The adapter reads everything: the data look too much like what is rehearsed (AUC {gate['auc']:.3f}), so "
            "that crops cannot be parted by their looks."
        )
    return (
        f"The adapter reads crops that look like the data, the untuned model the others: {gate['new_taken']:.1%} of "
        f"training crops and {gate['known_taken']:.1%} of rehearsed ones went to the adapter, by gates that had not "
        f"seen them (AUC {gate['auc']:.4f}). With `--adapter-for all` it reads everything."
    )


def fit_gate(model: str, trainee: Trainee, data: CheckedData, seed: int) -> FittedGate | None:
    """Fit a gate for what was trained.

    Args:
        model: `--model`.
        trainee: What was trained from it.
        data: Its training part and the rehearsed formulas are told apart; nothing that is scored is looked at.
        seed: Of the folds and of the changes to pictures.

    Returns:
        None if the model is neither the built-in one nor made from it, or there are too few formulas.
    """
    new, known = (_some(part, seed) for part in (data.train, rehearsed_part(data.keep)))
    fewest = min(len({e.latex for e in part}) for part in (new, known))
    if not is_built_in(trainee.loaded.model) or fewest < LEAST_FORMULAS:
        return None
    untuned = Qwen2VLRecognizer(
        model_name(model), lambda: load_model_and_processor(model, trainee.device), is_shared=False
    )
    of_new, of_known = (_features(untuned, part) for part in (new, known))
    scores = _cross_validated(of_new, of_known, _folds(new, seed), _folds(known, seed))
    relative = _threshold(*scores)
    weights, low, high = _discriminant(of_new, of_known)
    gate = Gate(untuned.name, BLOCKS, weights.astype(np.float32), float(low + relative * (high - low)))
    taken = [float((score > relative).mean()) for score in scores]
    return FittedGate(gate, untuned, _auc(*scores), *taken)


def _some(examples: Sequence[Example], seed: int) -> list[Example]:
    """Those with one picture, or as many of them as are looked at."""
    asked = [e for e in examples if e.is_scored]
    return asked if len(asked) <= MOST_LOOKED_AT else random.Random(seed).sample(asked, MOST_LOOKED_AT)


def _features(untuned: Qwen2VLRecognizer, examples: Sequence[Example]) -> Floats:
    """How their pictures look, shape (examples, features)."""
    pictures = [load_picture(e.pictures[0]) for e in examples]
    order = sorted(range(len(pictures)), key=lambda i: pictures[i].size)
    seen = untuned.look([pictures[i] for i in order], _ROWS, BLOCKS)
    features = np.empty(seen.shape)
    features[order] = seen
    return features


def _folds(examples: Sequence[Example], seed: int) -> NDArray[np.int64]:
    """Fold of each example: a document's come into one, or a formula's where one document has most of them."""
    groups = [e.document for e in examples]
    if Counter(groups).most_common(1)[0][1] > LARGEST_GROUP * len(groups):
        groups = [e.latex for e in examples]
    names = sorted(set(groups))
    random.Random(seed).shuffle(names)
    sizes = Counter(groups)
    filled = [0] * FOLDS
    fold = {}
    for name in sorted(names, key=lambda name: -sizes[name]):
        fold[name] = filled.index(min(filled))
        filled[fold[name]] += sizes[name]
    return np.array([fold[group] for group in groups])


def _discriminant(new: Floats, known: Floats) -> tuple[Floats, float, float]:
    """Weights that tell new from known, and the mean scores of the known and of the new."""
    middles = known.mean(0), new.mean(0)
    within = np.concatenate([known - middles[0], new - middles[1]])
    spread = within.std(0) + 1e-6
    within /= spread
    count, size = within.shape
    covariance = within.T @ within / count
    scale = np.trace(covariance) / size
    apart = ((covariance - scale * np.eye(size)) ** 2).sum()
    noise = ((within**2).sum(1) ** 2).sum() / count**2 - (covariance**2).sum() / count
    share = min(1.0, max(1e-3, noise / apart))
    shrunk = (1 - share) * covariance + share * scale * np.eye(size)
    weights = np.linalg.solve(shrunk, (middles[1] - middles[0]) / spread) / spread
    return weights, float(middles[0] @ weights), float(middles[1] @ weights)


def _cross_validated(new: Floats, known: Floats, new_folds: Any, known_folds: Any) -> tuple[Floats, Floats]:
    """Scores of new and known crops by gates that did not see them; 0 is the mean of the known, 1 that of the new."""
    scores = np.empty(len(new)), np.empty(len(known))
    for fold in range(FOLDS):
        weights, low, high = _discriminant(new[new_folds != fold], known[known_folds != fold])
        for found, features, folds in zip(scores, (new, known), (new_folds, known_folds), strict=True):
            found[folds == fold] = (features[folds == fold] @ weights - low) / (high - low)
    return scores


def _threshold(new: Floats, known: Floats) -> float:
    """As many deviations above the mean of the known as below that of the new, so that both err alike, or lower."""
    middle = (new.mean() * known.std() + known.mean() * new.std()) / (new.std() + known.std())
    return float(min(middle, np.quantile(new, MOST_REFUSED)))


def _auc(new: Floats, known: Floats) -> float:
    ranks = np.concatenate([new, known]).argsort().argsort()[: len(new)]
    return float((ranks.sum() - len(new) * (len(new) - 1) / 2) / (len(new) * len(known)))
