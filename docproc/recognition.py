"""Reading crops in batches, whatever reads them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from docproc.records import Recognition

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

# Cells of 16 x 16 pixels are what the built-in model sees as one token; a longer batch costs memory, not speed.
CELL_PX = 16
# A formula of the corpus never needs more than about 3 LaTeX tokens a cell; what writes more has run away.
TOKENS_PER_CELL, TOKENS_AT_LEAST, TOKENS_AT_MOST = 4, 24, 512


class OutOfMemoryError(Exception):
    """The batch did not fit; half of it may."""


class Recognizer(Protocol):
    """Anything that turns crops into LaTeX."""

    name: str

    def recognize(self, crops: Sequence[np.ndarray]) -> list[Recognition]:
        """Read one batch; as many results as crops, in their order.

        Raises:
            OutOfMemoryError: The batch does not fit into memory.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unread:
    """A crop that could not be read, and why."""

    reason: str


def cells(crop: np.ndarray) -> int:
    """Area of a crop in cells, the measure of what it costs."""
    height, width = crop.shape
    return int(-(-height // CELL_PX) * -(-width // CELL_PX))


def max_new_tokens(crop: np.ndarray) -> int:
    """Longest LaTeX that a crop of this area can hold, so that a runaway ends soon."""
    return min(TOKENS_AT_MOST, TOKENS_AT_LEAST + TOKENS_PER_CELL * cells(crop))


def recognize_all(recognizer: Recognizer, crops: Sequence[np.ndarray], batch_size: int) -> list[Recognition | Unread]:
    """Read all crops in batches of similar cost; a batch that does not fit is halved and tried again.

    Args:
        recognizer: What reads.
        crops: Grey uint8 pictures of shape (height, width), 0 = ink.
        batch_size: Crops a batch at most.

    Returns:
        One result a crop, in the order of `crops`.
    """
    order = sorted(range(len(crops)), key=lambda i: (cells(crops[i]), i))
    results: dict[int, Recognition | Unread] = {}
    waiting = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    while waiting:
        batch = waiting.pop(0)
        try:
            read: Sequence[Recognition | Unread] = recognizer.recognize([crops[i] for i in batch])
        except OutOfMemoryError:
            if len(batch) == 1:
                read = [
                    Unread(
                        f"a crop of {crops[batch[0]].shape[1]}×{crops[batch[0]].shape[0]} pixels alone needs more "
                        "memory than there is; a smaller --model or --load-in-4bit may fit"
                    )
                ]
            else:
                half = len(batch) // 2
                logger.warning("out of memory with %d crops; going on with %d", len(batch), half)
                waiting[:0] = [batch[:half], batch[half:]]
                continue
        results.update(zip(batch, read, strict=True))
    return [results[i] for i in range(len(crops))]
