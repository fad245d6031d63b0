"""When each page was found and each window read, in the format that Chrome's tracing and Perfetto show."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from docproc.errors import OutputError

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np

    from docproc.recognition import RunRecognizer, Unread
    from docproc.records import Recognition

_READING_LANE = 0


class Trace:
    """Spans of time of one run, in seconds of `time.monotonic`; use it in a `with` statement.

    They go to the file as they end: a run of a million pages gathers none of them.
    """

    def __init__(self, path: Path | None = None, begun: float | None = None) -> None:
        """Begin the file.

        Args:
            path: None for no file.
            begun: Time that counts as 0; None for now.

        Raises:
            OutputError: It cannot be written.
        """
        self._begun = time.monotonic() if begun is None else begun
        self._first, self._last, self._reading_seconds, self._crops = 0.0, 0.0, 0.0, 0
        self._lanes: set[int] = set()
        self._path = path
        self._file: IO[str] | None = None
        self._error: OSError | None = None
        self._lock = threading.Lock()  # page processes end while the model reads
        if path is not None:
            try:
                self._file = path.open("w", encoding="utf-8")
            except OSError as error:
                raise _unwritable(path, error) from error
            self._write('{"traceEvents": [')
            self._add_lane(_READING_LANE, "model", is_first=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the file.

        Raises:
            OutputError: It could not be written, and the run itself ended well.
        """
        if self._path is None:
            return
        self._write(f'\n], "otherData": {json.dumps({"reading_busy_share": round(self.busy_share, 4)})}}}\n')
        with self._lock:
            if self._file is not None:
                try:
                    self._file.close()
                except OSError as failed:
                    self._error = failed
        if self._error is not None and error is None:
            raise _unwritable(self._path, self._error) from self._error

    def watch(self, recognizer: RunRecognizer) -> RunRecognizer:
        """Return a recognizer that does the same and notes when it reads."""
        return _Watched(recognizer, self)

    def add_reading(self, begun: float, ended: float, crops: int) -> None:
        """Note that the model read so many crops."""
        self._first, self._last = self._first or begun, ended
        self._reading_seconds += ended - begun
        self._crops += crops
        self._add_span(f"read {crops} crops", begun, ended, _READING_LANE)

    def add_task(self, begun: float, process_id: int, task: object) -> None:
        """Note a task of a page process, which ends now."""
        number = getattr(task, "number", None)
        self._add_lane(process_id, f"pages {process_id}")
        self._add_span("open" if number is None else f"page {number}", begun, time.monotonic(), process_id)

    @property
    def busy_share(self) -> float:
        """Share of the time in which the recognizer read, from its first crop to its last; 0 if it read nothing."""
        return self._reading_seconds / max(self._last - self._first, 1e-9) if self._crops else 0.0

    def line(self) -> str:
        """One line for a person."""
        return (
            f"The model read {self._crops} crops in {self._reading_seconds:.1f} s: it was busy {self.busy_share:.0%} "
            "of the time between its first and its last."
        )

    def _add_span(self, name: str, begin: float, end: float, lane: int) -> None:
        start, length = (round(1e6 * seconds) for seconds in (begin - self._begun, end - begin))
        self._add({"name": name, "ph": "X", "ts": start, "dur": length, "pid": 1, "tid": lane})

    def _add_lane(self, lane: int, name: str, *, is_first: bool = False) -> None:
        if self._file is None or lane in self._lanes:
            return
        self._lanes.add(lane)
        event = {"name": "thread_name", "ph": "M", "pid": 1, "tid": lane, "args": {"name": name}}
        self._add(event, is_first=is_first)

    def _add(self, event: dict[str, Any], *, is_first: bool = False) -> None:
        if self._file is not None:
            self._write(f"{'' if is_first else ','}\n{json.dumps(event)}")

    def _write(self, text: str) -> None:
        """Write, or remember why it failed: a full disk must not end the thread that hands out pages."""
        with self._lock:
            if self._file is not None and self._error is None:
                try:
                    self._file.write(text)
                except OSError as error:
                    self._error = error


class _Watched:
    """A recognizer that is looked at."""

    def __init__(self, recognizer: RunRecognizer, trace: Trace) -> None:
        self.name, self._recognizer, self._trace = recognizer.name, recognizer, trace

    def batch_size(self, asked: str = "auto") -> int:
        return self._recognizer.batch_size(asked)

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition | Unread]]:
        begun = time.monotonic()
        try:
            yield from self._recognizer.read(crops, batch_size)
        finally:
            self._trace.add_reading(begun, time.monotonic(), len(crops))


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"--trace {path} cannot be written: {error.strerror}.")
