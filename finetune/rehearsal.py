"""What a model read well before and is shown again while it learns, so that it is not forgotten."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from docproc.checkpoints import BUILT_IN
from finetune.dataset import CheckedData, Example
from finetune.options import FinetuneOptions
from finetune.readers import Row, read_rows

# Typeset formulas in the fonts of the built-in model's training (finetune/pretrain/keep_pack.py).
REHEARSAL = Path(__file__).parent / "keep.parquet"
# One in so many `keep` formulas is for scoring, the others are for training.
KEEP_SCORED = 4


def keep_rows(options: FinetuneOptions) -> Iterator[Row]:
    """Rows that the model reads well: those of `--keep`, and for the built-in model those that come with docproc."""
    if options.keep:
        yield from read_rows(options.keep)
    if options.rehearse and options.model == BUILT_IN:
        yield from read_rows(REHEARSAL)


def with_rehearsal(data: CheckedData, share: float) -> list[Example | None]:
    """Training examples, with a None wherever the collator is to draw one of those that are kept."""
    if not rehearsed_part(data.keep):
        return list(data.train)
    return [*data.train, *[None] * math.ceil(len(data.train) * share / (1 - share))]


def scored_part(keep: Sequence[Example]) -> Sequence[Example]:
    """Those of the `keep` formulas that are never trained on."""
    return keep[::KEEP_SCORED]


def rehearsed_part(keep: Sequence[Example]) -> Sequence[Example]:
    """Those of the `keep` formulas that are trained on."""
    return [e for i, e in enumerate(keep) if i % KEEP_SCORED]
