"""Crops are read in a thread, in the order asked, while others are judged."""

import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError

import numpy as np
import pytest

from docproc.errors import DependencyError
from docproc.read_ahead import OverError, ReadAhead
from docproc.records import Recognition

Crops = Sequence[np.ndarray]


class Gated:
    """Reads a crop when it is let, and says which crops it was shown."""

    name = "gated"

    def __init__(self, *, is_open: bool = True, loads: bool = True) -> None:
        self.gate, self.loads = threading.Semaphore(1000 if is_open else 0), loads
        self.seen: list[int] = []
        self.threads: set[int] = set()

    def batch_size(self, asked: str = "auto") -> int:
        if not self.loads:
            raise DependencyError("no model here")
        return int(asked)

    def read(self, crops: Crops, batch_size: int) -> Iterator[tuple[int, Recognition]]:
        for index, crop in enumerate(crops):
            assert self.gate.acquire(timeout=20)
            self.threads.add(threading.get_ident())
            self.seen.append(crop.shape[1])
            yield index, Recognition(str(crop.shape[1]), 1.0, "end")


def crops_of(*widths: int) -> list[np.ndarray]:
    return [np.zeros((16, width), np.uint8) for width in widths]


def conversation(*questions: Crops) -> Generator[Crops, list[Recognition], list[str]]:
    heard = []
    for question in questions:
        heard += [reading.latex for reading in (yield question)]
    return heard


def test_the_next_pages_are_read_before_the_first_are_judged() -> None:
    reader = Gated()
    with ReadAhead(reader, "4") as ahead:
        first = ahead.begin(conversation(crops_of(16, 32), crops_of(48)))
        second = ahead.begin(conversation(crops_of(64), []))
        assert second.rows() == ["64"], "it waits for nobody to judge the first"
        assert first.rows() == ["16", "32", "48"]
    assert reader.seen == [16, 32, 64, 48]
    assert threading.get_ident() not in reader.threads
    assert len(reader.threads) == 1


def test_pages_that_are_done_stay_done() -> None:
    with ReadAhead(Gated(), "4") as ahead:
        one = ahead.begin(conversation(crops_of(16)))
        for _ in range(3):
            one.advance()
        assert one.rows() == ["16"]


def test_nothing_to_read_waits_for_nothing() -> None:
    reader = Gated(is_open=False)
    with ReadAhead(reader, "4") as ahead:
        slow = ahead.begin(conversation(crops_of(16)))
        assert ahead.begin(conversation([], [])).rows() == []
        reader.gate.release()
        assert slow.rows() == ["16"]


def test_a_model_that_cannot_be_loaded_is_said_to_who_waits() -> None:
    with ReadAhead(Gated(loads=False), "4") as ahead, pytest.raises(DependencyError, match="no model here"):
        ahead.begin(conversation(crops_of(16))).rows()


def test_a_run_that_ends_early_reads_no_more_than_the_crop_in_hand() -> None:
    reader = Gated(is_open=False)
    with ReadAhead(reader, "4") as ahead:
        begun = [ahead.begin(conversation(crops_of(16, 32, 48))), ahead.begin(conversation(crops_of(64)))]
    for _ in range(10):
        reader.gate.release()
    for one in begun:
        with pytest.raises((CancelledError, OverError)):
            one.rows()
    assert reader.seen in ([], [16])
