"""Several threads that read at once on a CPU, each its own crops, all with one set of weights.

The small operations of a step leave most of a second core idle when PyTorch parts each of them over threads; two
threads that read crops of their own keep both busy (docs/engine.md has the measurements).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING

from docproc.engine.reader import Reader

if TYPE_CHECKING:
    from docproc.engine.layout import Picture
    from docproc.engine.rows import Decoded
    from docproc.gate import Gate

# More lanes would see too few of a window's crops each.
LANES_AT_MOST = 4
# A lane with fewer crops is not worth it.
CROPS_A_LANE = 8
# Cost of a crop in cells: its own, attention between them, the tokens that even a small one needs.
_ATTENTION_CELLS, _LEAST_CELLS = 1500, 6


class Lanes:
    """Readers side by side; a single one on a GPU or with one thread."""

    def __init__(self, reader: Reader) -> None:
        """Divide the threads that PyTorch may use here over lanes."""
        import torch

        threads = torch.get_num_threads() if reader.decoder.device.type == "cpu" else 1
        self.readers = [reader, *(reader.sibling() for _ in range(min(LANES_AT_MOST, threads) - 1))]
        self._threads_a_lane = max(1, threads // len(self.readers))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        import torch

        return ThreadPoolExecutor(
            len(self.readers), "lane", initializer=torch.set_num_threads, initargs=(self._threads_a_lane,)
        )

    def forget(self) -> None:
        """Give the caches back."""
        for reader in self.readers:
            reader.forget()

    def read(
        self,
        pictures: Sequence[Picture],
        limits: Sequence[int],
        rows: int,
        cache_tokens: int,
        gate: Gate | None = None,
    ) -> Iterator[tuple[int, Decoded]]:
        """Read pictures; see `Reader.read`, whose rows and memory the lanes share.

        The same pictures always come into the same lanes, so that a repeated run gives the same digits.
        """
        count = max(1, min(len(self.readers), rows, len(pictures) // CROPS_A_LANE))
        if count == 1:
            yield from self.readers[0].read(pictures, limits, rows, cache_tokens, gate)
            return
        share = rows // count, cache_tokens // count
        found: SimpleQueue[tuple[int, Decoded] | BaseException | None] = SimpleQueue()
        is_over = threading.Event()

        def lane(reader: Reader, part: list[int]) -> None:
            try:
                chosen = [pictures[i] for i in part], [limits[i] for i in part]
                for index, row in reader.read(*chosen, *share, gate):
                    if is_over.is_set():
                        return
                    found.put((part[index], row))
            except BaseException as error:  # raised again by the thread that asked
                found.put(error)
            finally:
                found.put(None)

        parts = deal([picture.cells for picture in pictures], count)
        running = [self._pool.submit(lane, *job) for job in zip(self.readers, parts, strict=False)]
        unfinished = count
        try:
            while unfinished:
                item = found.get()
                if item is None:
                    unfinished -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            is_over.set()
            wait(running)


def deal(cells: Sequence[int], count: int) -> list[list[int]]:
    """Part crops by their sizes into lanes of equal cost.

    Args:
        cells: Of each crop.
        count: Lanes.

    Returns:
        The numbers of the crops of each lane, rising. The dearest go first, each to the lane with the least work.
    """
    costs = [n + n * n / _ATTENTION_CELLS + _LEAST_CELLS for n in cells]
    lanes: list[list[int]] = [[] for _ in range(count)]
    work = [0.0] * count
    for number in sorted(range(len(cells)), key=lambda i: (-costs[i], i)):
        lane = work.index(min(work))
        lanes[lane].append(number)
        work[lane] += costs[number]
    return [sorted(lane) for lane in lanes]
