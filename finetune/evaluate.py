"""Scores of a model on labelled examples, by the recognition that `docproc run` uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from docproc.checkpoints import LoadedModel
from docproc.latex.canonical import match_key
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.recognition import Unread, recognize_all
from finetune.dataset import Example, load_picture


@dataclass(frozen=True, slots=True)
class Scores:
    """How well the examples were read."""

    count: int
    exact_match: float
    """Share read exactly right, 0–1, spellings that look alike counted as one."""
    character_error_rate: float
    """Edits needed for each character of the truth."""

    @property
    def selection(self) -> float:
        """What the best checkpoint is chosen by: exact match; among equals, fewer character errors."""
        return self.exact_match - 1e-3 * self.character_error_rate / (1 + self.character_error_rate)

    def __str__(self) -> str:
        return (
            f"{self.exact_match:.1%} of {self.count} formulas exactly right, "
            f"character error rate {self.character_error_rate:.3f}"
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def score_examples(loaded: LoadedModel, examples: Sequence[Example], batch_size: str = "auto") -> Scores:
    """Read the pictures and compare with the answers.

    Args:
        loaded: In eval mode.
        examples: Those with more than one picture or answer are passed over.
        batch_size: As `docproc run --batch-size`.

    Returns:
        Scores; 0 of 0 where there is nothing to score.
    """
    asked = [e for e in examples if e.is_scored]
    if not asked:
        return Scores(0, 0.0, 0.0)
    recognizer = Qwen2VLRecognizer("finetune", lambda: loaded)
    read = recognize_all(recognizer, [load_picture(e.pictures[0]) for e in asked], recognizer.batch_size(batch_size))
    pairs = [(e.latex, "" if isinstance(r, Unread) else r.latex) for e, r in zip(asked, read, strict=True)]
    return score_pairs(pairs)


def score_pairs(pairs: Sequence[tuple[str, str]]) -> Scores:
    """Score (truth, read) pairs."""
    keys = [(match_key(truth), match_key(read)) for truth, read in pairs]
    edits = sum(_edits(a, b) for a, b in keys)
    return Scores(len(keys), sum(a == b for a, b in keys) / len(keys), edits / max(1, sum(len(a) for a, _ in keys)))


def _edits(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
