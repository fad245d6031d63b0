"""Read doubtful crops once more, at another size: of two readings the one with the better evidence stays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence

import cv2
import numpy as np

from docproc.latex.canonical import match_key
from docproc.latex.judge import Verdict
from docproc.recognition import Reading, Unread, cells
from docproc.records import Recognition, Status

# Surer readings that glyphs contradict were read alike again: 27 of 27 (docs/latex-trust.md).
DOUBTFUL_BELOW = 0.5
# The same without glyphs, where nothing else speaks for a reading: 11 of 2,591 mended and 3 spoiled between the two.
UNWITNESSED_BELOW = 0.8
# The second size as a share of the first: letters of 26 instead of 22 px an em. Smaller ones gained a third of that.
LARGER, SMALLER = 1.19, 0.84
# Larger pictures cost more than they bring; what is broken is read again at any size, smaller where it fills the
# recognizer's room already.
_MOST_CELLS, _FULL_CELLS = 300, 800
_BROKEN = (Status.INVALID, Status.FAILED)
_RANK = {Status.VERIFIED: 3, Status.OK: 2, Status.SUSPECT: 1, Status.INVALID: 0, Status.FAILED: 0, Status.REJECTED: 0}

Judge = Callable[[str, Recognition], Verdict]
"""What a reading of the crop of this key is worth."""


def ask_for_doubtful(
    crops: Mapping[str, np.ndarray],
    readings: Mapping[str, Reading],
    judge_reading: Judge,
    late: Sequence[str] = (),
    unwitnessed: Collection[str] = (),
) -> Generator[Sequence[np.ndarray], Sequence[Reading], dict[str, Reading]]:
    """Ask for a second reading of what is unsure or broken.

    Args:
        crops: Grey uint8 pictures of shape (height, width), 0 = ink, by key.
        readings: The first reading of each.
        judge_reading: The evidence for a reading, by the page it is of.
        late: Crops that have no reading yet; they get their only one here.
        unwitnessed: Crops whose page has no glyphs for them.

    Yields:
        Crops, once; their readings are to be sent.

    Returns:
        The reading of each crop with the best status, and of those the surest; of two alike, the first text with the
        higher confidence.
    """
    verdicts = {
        key: judge_reading(key, reading) for key, reading in readings.items() if isinstance(reading, Recognition)
    }
    limits = {key: UNWITNESSED_BELOW if key in unwitnessed else DOUBTFUL_BELOW for key in verdicts}
    doubtful = [key for key, limit in limits.items() if _is_doubtful(readings[key], verdicts[key], crops[key], limit)]
    again = yield [*(crops[key] for key in late), *(_resized(crops[key]) for key in doubtful)]
    chosen = dict(readings) | dict(zip(late, again, strict=False))
    for key, second in zip(doubtful, again[len(late) :], strict=True):
        first = readings[key]
        if isinstance(first, Unread) or isinstance(second, Unread) or second.stop_reason != "end":
            continue
        if first.stop_reason == "end" and match_key(first.latex) == match_key(second.latex):
            chosen[key] = max((first, second), key=lambda reading: reading.confidence)
        elif _worth(judge_reading(key, second), second) > _worth(verdicts[key], first):
            chosen[key] = second
    return chosen


def _is_doubtful(reading: Reading, verdict: Verdict, crop: np.ndarray, limit: float) -> bool:
    if isinstance(reading, Unread) or verdict.status is Status.REJECTED:
        return False
    return verdict.status in _BROKEN or (reading.confidence < limit and cells(crop) <= _MOST_CELLS)


def _worth(verdict: Verdict, reading: Recognition) -> tuple[int, float]:
    return _RANK[verdict.status], reading.confidence


def _resized(crop: np.ndarray) -> np.ndarray:
    scale = LARGER if cells(crop) < _FULL_CELLS else SMALLER
    height, width = crop.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, size, interpolation=method), np.uint8)
