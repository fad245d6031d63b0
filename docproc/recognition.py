"""Reading crops in batches, whatever reads them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
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


class BatchLostError(Exception):
    """What reads has died, hung or failed over a batch; its text says how. One of the crops may be the reason."""


class Recognizer(Protocol):
    """Anything that turns crops into LaTeX."""

    name: str

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition | Unread]]:
        """Read crops, `batch_size` of them at once at most, and yield the number of a crop with its result as it ends.

        Raises:
            OutOfMemoryError: What is being read does not fit into memory; what was yielded before is good.
            BatchLostError: It cannot go on; what was yielded before is good.
        """
        ...


class RunRecognizer(Recognizer, Protocol):
    """A recognizer that knows what its device takes."""

    def batch_size(self, asked: str = "auto") -> int:
        """Crops at once: the number asked for, or what fits the device; loads the model."""
        ...


@dataclass(frozen=True, slots=True)
class Unread:
    """A crop that could not be read, and why."""

    reason: str


Reading = Recognition | Unread


def cells(crop: np.ndarray) -> int:
    """Area of a crop in cells, the measure of what it costs."""
    height, width = crop.shape
    return int(-(-height // CELL_PX) * -(-width // CELL_PX))


def max_new_tokens(crop: np.ndarray) -> int:
    """Longest LaTeX that a crop of this area can hold, so that a runaway ends soon."""
    return min(TOKENS_AT_MOST, TOKENS_AT_LEAST + TOKENS_PER_CELL * cells(crop))


def recognize_all(recognizer: Recognizer, crops: Sequence[np.ndarray], batch_size: int) -> list[Recognition | Unread]:
    """Read all crops, those of similar cost together; where they do not fit into memory, fewer at once.

    Args:
        recognizer: What reads.
        crops: Grey uint8 pictures of shape (height, width), 0 = ink.
        batch_size: Crops at once at most. It is halved when memory runs out, and raised again after as many crops were
            read as it counts. After a batch that was lost the crops are read one by one first, so that one that is the
            reason costs only itself.

    Returns:
        One result a crop, in the order of `crops`.
    """
    waiting = sorted(range(len(crops)), key=lambda i: (cells(crops[i]), i))
    results: dict[int, Recognition | Unread] = {}
    size = batch_size
    while waiting:
        part = waiting if size >= batch_size else waiting[:size]
        try:
            for place, reading in recognizer.read([crops[i] for i in part], size):
                results[part[place]] = reading
            size = min(batch_size, 2 * size)
        except OutOfMemoryError:
            size = min(size, len(part))
            if size > 1:
                size //= 2
                logger.warning("out of memory; going on with %d crops at once", size)
            else:
                first = next(i for i in part if i not in results)
                height, width = crops[first].shape
                results[first] = Unread(
                    f"a crop of {width}×{height} pixels alone needs more memory than there is; "
                    "a smaller --model or --load-in-4bit may fit"
                )
        except BatchLostError as error:
            left = [i for i in part if i not in results]
            if size == 1 and left:  # it was the first of them that was being read
                results[left[0]] = Unread(str(error))
            size = 1
            logger.warning("%s; going on with one crop at a time", error)
        waiting = [i for i in waiting if i not in results]
    return [results[i] for i in range(len(crops))]
