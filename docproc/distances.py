"""Distances between token sequences, and what they say over many pairs."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLEU_ORDER = 4
_BINS = 10


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Levenshtein distance: insertions, deletions and substitutions, each costing one.

    Args:
        one: Tokens or a string.
        other: Tokens or a string.
    """
    if not one or not other:
        return len(one) + len(other)
    codes: dict[str, int] = {}
    a = np.array([codes.setdefault(x, len(codes)) for x in one])
    b = np.array([codes.setdefault(x, len(codes)) for x in other])
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for number, code in enumerate(a, 1):
        best = np.empty_like(row)
        best[0] = number
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (b != code))
        # Insertions run along the row: the smallest of best[j] + (i - j) for all j <= i.
        row = np.minimum.accumulate(best - steps) + steps
    return int(row[-1])


def normalized_distance(one: Sequence[str], other: Sequence[str]) -> float:
    """Edit distance divided by the longer length, 0–1; 0 for two empty sequences."""
    longer = max(len(one), len(other))
    return edit_distance(one, other) / longer if longer else 0.0


def align(one: Sequence[str], other: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of tokens that differ in a shortest edit script; `""` stands for nothing."""
    table = np.zeros((len(one) + 1, len(other) + 1), dtype=np.int32)
    table[:, 0] = np.arange(len(one) + 1)
    table[0, :] = np.arange(len(other) + 1)
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1,
                              table[i - 1, j - 1] + (one[i - 1] != other[j - 1]))
    pairs = []
    i, j = len(one), len(other)
    while i or j:
        if i and j and table[i, j] == table[i - 1, j - 1] + (one[i - 1] != other[j - 1]):
            if one[i - 1] != other[j - 1]:
                pairs.append((one[i - 1], other[j - 1]))
            i, j = i - 1, j - 1
        elif i and table[i, j] == table[i - 1, j] + 1:
            pairs.append((one[i - 1], ""))
            i -= 1
        else:
            pairs.append(("", other[j - 1]))
            j -= 1
    return pairs[::-1]


def bleu(truths: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU-4 with brevity penalty, 0–1; one reference a sentence, no smoothing.

    Source: Papineni et al. 2002. Orders for which no sentence is long enough are left out.
    """
    matches, totals = [0] * _BLEU_ORDER, [0] * _BLEU_ORDER
    for truth, prediction in zip(truths, predictions, strict=True):
        for order in range(1, _BLEU_ORDER + 1):
            wanted, given = _grams(truth, order), _grams(prediction, order)
            matches[order - 1] += (wanted & given).total()
            totals[order - 1] += given.total()
    used = [(m, t) for m, t in zip(matches, totals, strict=True) if t]
    if not used or any(m == 0 for m, _ in used):
        return 0.0
    length, wanted_length = sum(map(len, predictions)), sum(map(len, truths))
    penalty = 1.0 if length >= wanted_length else math.exp(1 - wanted_length / length)
    return penalty * math.exp(sum(math.log(m / t) for m, t in used) / len(used))


def _grams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i:i + order]) for i in range(len(tokens) - order + 1))


def calibration_error(confidences: Sequence[float], is_right: Sequence[bool]) -> float:
    """Expected calibration error over ten equal bins of confidence, 0–1; 0 where there is nothing."""
    if not confidences:
        return 0.0
    values, right = np.asarray(confidences, dtype=float), np.asarray(is_right, dtype=float)
    bins = np.minimum((values * _BINS).astype(int), _BINS - 1)
    gaps = [abs(values[bins == k].mean() - right[bins == k].mean()) * (bins == k).sum() for k in set(bins.tolist())]
    return float(sum(gaps) / len(values))


def errors_in_lowest(confidences: Sequence[float], is_right: Sequence[bool], share: float = 0.1) -> float | None:
    """Share of all errors among the least confident; None without errors.

    Args:
        confidences: One a formula.
        is_right: Whether it was read right.
        share: How much of the list a reviewer looks at, 0–1; at least one formula.
    """
    wrong = [not right for right in is_right]
    if not any(wrong):
        return None
    order = sorted(range(len(wrong)), key=lambda index: confidences[index])
    seen = order[:max(1, round(share * len(order)))]
    return sum(wrong[index] for index in seen) / sum(wrong)
