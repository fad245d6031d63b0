"""Reads in a thread of its own, in the order asked, while the run judges and stores what was read before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Self

from docproc.recognition import Reading, RunRecognizer, recognize_all

if TYPE_CHECKING:
    import numpy as np

    from docproc.formulas import Asking, Rows


class ReadAhead:
    """A queue of crops before the recognizer; use it in a `with` statement."""

    def __init__(self, recognizer: RunRecognizer, batch_size: str) -> None:
        """Load nothing yet.

        Args:
            recognizer: Only this object asks it, one question at a time.
            batch_size: What the user asked for, see `RunRecognizer.batch_size`.
        """
        self._recognizer, self._asked_size = recognizer, batch_size
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._loading: Future[int] | None = None
        self._is_over = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Begin nothing more; what is being read ends by itself, or when the recognizer is closed."""
        self._is_over.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def load(self) -> None:
        """Let the model be loaded, if it is not."""
        if self._loading is None:
            self._loading = self._thread.submit(self._recognizer.batch_size, self._asked_size)

    def begin(self, asking: Asking) -> Underway:
        """Let the first crops of some pages be read."""
        self.load()
        return Underway(asking, self)

    def read(self, crops: Sequence[np.ndarray]) -> Future[list[Reading]]:
        """Queue crops; where there are none, the answer is there at once."""
        if crops:
            return self._thread.submit(self._read, crops)
        nothing: Future[list[Reading]] = Future()
        nothing.set_result([])
        return nothing

    def _read(self, crops: Sequence[np.ndarray]) -> list[Reading]:
        assert self._loading is not None
        size = self._loading.result()  # raises what loading raised
        return recognize_all(_Stoppable(self._recognizer, self._is_over), crops, size)


class Underway:
    """Pages whose formulas are being read."""

    def __init__(self, asking: Asking, ahead: ReadAhead) -> None:
        self._asking, self._ahead = asking, ahead
        self._rows: Rows | None = None
        self._answer = ahead.read(next(asking))

    def advance(self) -> None:
        """Wait for the readings asked for, judge them, and ask for what is to be read next, if anything is."""
        if self._rows is not None:
            return
        try:
            self._answer = self._ahead.read(self._asking.send(self._answer.result()))
        except StopIteration as done:
            self._rows = done.value

    def rows(self) -> Rows:
        """Wait for the end."""
        while self._rows is None:
            self.advance()
        return self._rows


class OverError(Exception):
    """Nobody waits for the readings any more."""


class _Stoppable:
    """A recognizer that ends between two readings when the run is over."""

    def __init__(self, recognizer: RunRecognizer, is_over: Event) -> None:
        self.name, self._recognizer, self._is_over = recognizer.name, recognizer, is_over

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Reading]]:
        try:
            for reading in self._recognizer.read(crops, batch_size):
                yield reading
                self._stop_if_over()
        finally:
            self._stop_if_over()  # whatever it raised came of its end

    def _stop_if_over(self) -> None:
        if self._is_over.is_set():
            raise OverError
