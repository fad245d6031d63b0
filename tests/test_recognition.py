from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from docproc.recognition import OutOfMemoryError, Unread, cells, max_new_tokens, recognize_all
from docproc.records import Recognition


class Small:
    """A recognizer with room for few cells: provokes the fault of a full memory."""

    name = "small"

    def __init__(self, room: int) -> None:
        self.room = room
        self.batches: list[int] = []

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition]]:
        for start in range(0, len(crops), batch_size):
            batch = crops[start : start + batch_size]
            self.batches.append(len(batch))
            if sum(cells(crop) for crop in batch) > self.room:
                raise OutOfMemoryError
            yield from ((start + i, Recognition(f"{c.shape[1]}", 1.0, "end")) for i, c in enumerate(batch))


def crops_of(*widths: int) -> list[np.ndarray]:
    return [np.full((16, width), 255, np.uint8) for width in widths]


def test_results_come_in_the_order_of_the_crops() -> None:
    widths = [160, 16, 320, 48, 32]
    read = recognize_all(Small(1000), crops_of(*widths), batch_size=2)
    assert [r.latex for r in read] == [str(width) for width in widths]


def test_crops_of_similar_cost_share_a_batch_of_at_most_the_size() -> None:
    small = Small(1000)
    recognize_all(small, crops_of(*range(16, 176, 16)), batch_size=4)
    assert small.batches == [4, 4, 2]


def test_a_batch_that_does_not_fit_is_halved_until_it_does() -> None:
    small = Small(8)
    read = recognize_all(small, crops_of(*[32] * 16), batch_size=16)
    assert all(isinstance(r, Recognition) for r in read)
    assert max(b for b in small.batches if b <= 4) == 4


def test_what_was_read_before_memory_ran_out_is_kept_and_the_size_is_raised_again() -> None:
    class Once(Small):
        def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition]]:
            self.room = 1000 if len(self.batches) != 1 else 0
            return super().read(crops, batch_size)

    once = Once(1000)
    read = recognize_all(once, crops_of(*[16] * 3), 4)
    assert len(read) == once.batches[0] == 3
    read = recognize_all(once, crops_of(*range(16, 16 * 21, 16)), batch_size=8)
    assert [r.latex for r in read] == [str(width) for width in range(16, 16 * 21, 16)]
    assert once.batches[1:] == [8, 4, 8, 8]


def test_a_crop_that_does_not_fit_alone_is_unread_and_the_others_are_read() -> None:
    read = recognize_all(Small(8), crops_of(16, 16 * 100, 32), batch_size=8)
    assert [type(r) for r in read] == [Recognition, Unread, Recognition]
    assert "1600×16" in read[1].reason


@pytest.mark.parametrize(("shape", "most"), [((16, 16), 30), ((32, 64), 64), ((400, 1600), 512)])
def test_the_longest_answer_grows_with_the_area(shape: tuple[int, int], most: int) -> None:
    assert 4 < max_new_tokens(np.zeros(shape, np.uint8)) <= most


def test_no_crops_no_batches() -> None:
    small = Small(10)
    assert recognize_all(small, [], batch_size=4) == []
    assert small.batches == []
