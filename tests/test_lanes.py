"""Threads that read at once on a CPU read what one reads, and end together."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from docproc.checkpoints import load_model_and_processor
from docproc.engine.lanes import Lanes, deal
from docproc.engine.layout import Layout
from docproc.engine.linear import Int8Linear
from docproc.engine.reader import Reader
from docproc.engine.rows import Decoded
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.recognition import cells
from tests.pictures import formula_pictures


@pytest.fixture
def two_threads() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reader() -> Reader:
    loaded = load_model_and_processor("built-in", "cpu")
    ends = [loaded.processor.tokenizer.eos_token_id]
    return Reader(loaded.model, Layout.of(loaded.processor, loaded.model.config), ends, Int8Linear)


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    return sorted(formula_pictures() * 3, key=cells)


class OneAfterTheOther(ThreadPoolExecutor):
    """Begins a lane when the one before has ended and its end has been noticed."""

    def submit(self, lane: Callable, /, *args: object) -> Future:
        def late() -> None:
            time.sleep(0.2)
            lane(*args)

        return super().submit(late)


def read(lanes: Lanes | Reader, layout: Layout, crops: list[np.ndarray], rows: int = 8) -> list[Decoded]:
    found = dict(lanes.read([layout.picture(crop) for crop in crops], [60] * len(crops), rows, rows * 256))
    return [found[i] for i in range(len(crops))]


@pytest.mark.usefixtures("two_threads")
def test_lanes_read_what_one_reader_reads(reader: Reader, crops: list[np.ndarray]) -> None:
    lanes = Lanes(reader)
    assert len(lanes.readers) == 2
    ours, alone = read(lanes, reader.layout, crops), read(reader, reader.layout, crops)
    assert [a.tokens for a in ours] == [b.tokens for b in alone]
    assert [a.mean_log_probability for a in ours] == pytest.approx([b.mean_log_probability for b in alone], abs=0.02)
    again = read(lanes, reader.layout, crops)
    assert [a.mean_log_probability for a in ours] == [b.mean_log_probability for b in again], "to the last digit"
    assert read(lanes, reader.layout, crops[:3], rows=1)[0].tokens == ours[0].tokens, "few crops need no lanes"


@pytest.mark.usefixtures("two_threads")
def test_the_recognizer_of_a_run_uses_them(crops: list[np.ndarray]) -> None:
    recognizer = Qwen2VLRecognizer("built-in", lambda: load_model_and_processor("built-in", "cpu"), is_shared=False)
    assert recognizer.batch_size() == 32
    assert len(recognizer._lanes.readers) == 2
    found = dict(recognizer.read(crops, 32))
    assert sorted(found) == list(range(len(crops)))
    assert all(recognition.stop_reason == "end" for recognition in found.values())
    assert [lane.cache_bytes for lane in recognizer._lanes.readers] == [0, 0], "at rest it holds the weights alone"


@pytest.mark.usefixtures("two_threads")
def test_one_lane_that_fails_ends_all(reader: Reader, crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = Lanes(reader)

    def fail(*_: object) -> Iterator[tuple[int, Decoded]]:
        raise MemoryError
        yield

    monkeypatch.setattr(lanes.readers[1], "read", fail)
    with pytest.raises(MemoryError):
        read(lanes, reader.layout, crops)
    monkeypatch.undo()
    assert len(read(lanes, reader.layout, crops)) == len(crops), "and they can go on"


@pytest.mark.usefixtures("two_threads")
def test_who_stops_asking_stops_the_lanes(reader: Reader, crops: list[np.ndarray]) -> None:
    lanes = Lanes(reader)
    asked = lanes.read([reader.layout.picture(crop) for crop in crops], [60] * len(crops), 8, 8 * 256)
    first = next(asked)
    asked.close()
    assert first[0] in range(len(crops))
    assert len(read(lanes, reader.layout, crops)) == len(crops)


@pytest.mark.usefixtures("two_threads")
def test_a_lane_that_begins_late_has_its_own_share(reader: Reader, crops: list[np.ndarray]) -> None:
    lanes = Lanes(reader)
    lanes._pool = OneAfterTheOther(1)
    asked: list[tuple[int, int]] = []

    def noting(inner: Reader) -> Callable[..., Iterator[tuple[int, Decoded]]]:
        def read(pictures: list, limits: list, rows: int, cache_tokens: int, *more) -> Iterator[tuple[int, Decoded]]:
            asked.append((rows, cache_tokens))
            return Reader.read(inner, pictures, limits, rows, cache_tokens, *more)

        return read

    for each in lanes.readers:
        each.read = noting(each)  # type: ignore[method-assign]
    assert len(read(lanes, reader.layout, crops, rows=8)) == len(crops)
    del reader.read
    assert asked == [(4, 4 * 256)] * 2


def test_crops_are_dealt_by_cost() -> None:
    sizes = sorted([400, 300, 90, 80, *[5] * 20])
    lanes = deal(sizes, 2)
    assert sorted(n for lane in lanes for n in lane) == list(range(len(sizes)))
    assert all(lane == sorted(lane) for lane in lanes)
    work = [sum(sizes[n] + sizes[n] ** 2 / 1500 + 6 for n in lane) for lane in lanes]
    assert max(work) < 1.1 * min(work)
    assert deal([7, 7], 3) == [[0], [1], []]
