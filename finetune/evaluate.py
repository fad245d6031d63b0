"""Scores of a model on labelled examples, by the recognition that `docproc run` uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from docproc.checkpoints import LoadedModel
from docproc.distances import normalized_distance
from docproc.evaluation import Pair
from docproc.latex.canonical import match_key
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.recognition import RunRecognizer, Unread, recognize_all
from finetune.dataset import Example, load_picture
from finetune.processes import gather, share


@dataclass(frozen=True, slots=True)
class Scores:
    """How well the examples were read; the definitions are those of `docproc evaluate`."""

    count: int
    exact_match: float
    """Share read exactly right, 0–1; what looks alike counts as equal."""
    character_edit_distance: float
    """Mean over the formulas of edits divided by length, 0 = equal, 1 = nothing in common."""

    @property
    def selection(self) -> float:
        """What the best checkpoint is chosen by: exact match; among equals, fewer character errors."""
        return self.exact_match - 1e-3 * self.character_edit_distance

    def __str__(self) -> str:
        return (
            f"{self.exact_match:.1%} of {self.count} formulas exactly right, "
            f"character edit distance {self.character_edit_distance:.3f}"
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def reader_of(loaded: LoadedModel) -> Qwen2VLRecognizer:
    """What reads with a model, in training or not.

    Args:
        loaded: In eval mode.
    """
    # Without parameters to train it is a copy, whose layers may become what `docproc run` makes of them.
    is_in_training = any(p.requires_grad for p in loaded.model.parameters())
    return Qwen2VLRecognizer("finetune", lambda: loaded, is_shared=is_in_training)


def read_examples(recognizer: RunRecognizer, examples: Sequence[Example], batch_size: str = "auto") -> list[Pair]:
    """Read the pictures of the examples with one picture and one answer; several processes share the work.

    Args:
        recognizer: Reads.
        examples: Those with more than one picture or answer are passed over.
        batch_size: As `docproc run --batch-size`.

    Returns:
        Truth and reading of each.
    """
    asked = share([e for e in examples if e.is_scored])
    read = recognize_all(recognizer, [load_picture(e.pictures[0]) for e in asked], recognizer.batch_size(batch_size))
    pairs = [
        Pair(e.latex, "", 0.0, source=e.document, name=e.origin, stop_reason="memory")
        if isinstance(r, Unread)
        else Pair(e.latex, r.latex, r.confidence, source=e.document, name=e.origin, stop_reason=r.stop_reason)
        for e, r in zip(asked, read, strict=True)
    ]
    return gather(pairs)


def score_pairs(pairs: Sequence[Pair]) -> Scores:
    """The two figures that training goes by; 0 of 0 where there is nothing to score."""
    if not pairs:
        return Scores(0, 0.0, 0.0)
    keys = [(match_key(pair.truth), match_key(pair.predicted)) for pair in pairs]
    distance = sum(normalized_distance(a, b) for a, b in keys)
    return Scores(len(keys), sum(a == b for a, b in keys) / len(keys), distance / len(keys))
