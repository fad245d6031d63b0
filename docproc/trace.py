"""When each page was found and each window read, in the format that Chrome's tracing and Perfetto show."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docproc.errors import OutputError

if TYPE_CHECKING:
    import numpy as np

    from docproc.recognition import RunRecognizer, Unread
    from docproc.records import Recognition

_READING_LANE = 0


@dataclass(slots=True)
class Trace:
    """Spans of time of one run, in seconds of `time.monotonic`."""

    begun: float = field(default_factory=time.monotonic)
    readings: list[tuple[float, float, int]] = field(default_factory=list)
    """Begin, end and number of crops."""
    tasks: list[tuple[float, float, int, str]] = field(default_factory=list)
    """Begin, end, page process and what it did."""

    def watch(self, recognizer: RunRecognizer) -> RunRecognizer:
        """Return a recognizer that does the same and notes when it reads."""
        return _Watched(recognizer, self)

    def add_task(self, begun: float, process_id: int, task: object) -> None:
        """Note a task of a page process, which ends now."""
        number = getattr(task, "number", None)
        name = "open" if number is None else f"page {number}"
        self.tasks.append((begun, time.monotonic(), process_id, name))

    @property
    def busy_share(self) -> float:
        """Share of the time in which the recognizer read, from its first crop to its last; 0 if it read nothing."""
        if not self.readings:
            return 0.0
        whole = self.readings[-1][1] - self.readings[0][0]
        return sum(end - begin for begin, end, _ in self.readings) / max(whole, 1e-9)

    def line(self) -> str:
        """One line for a person."""
        reading = sum(end - begin for begin, end, _ in self.readings)
        crops = sum(count for *_, count in self.readings)
        return (
            f"The model read {crops} crops in {reading:.1f} s: it was busy {self.busy_share:.0%} of the time "
            "between its first and its last."
        )

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OutputError: It cannot be written.
        """
        events = [self._event(f"read {count} crops", begin, end, _READING_LANE) for begin, end, count in self.readings]
        events += [self._event(name, begin, end, process) for begin, end, process, name in self.tasks]
        lanes = {_READING_LANE: "model"} | {process: f"pages {process}" for *_, process, _ in self.tasks}
        events += [
            {"name": "thread_name", "ph": "M", "pid": 1, "tid": lane, "args": {"name": name}}
            for lane, name in lanes.items()
        ]
        content = {"traceEvents": events, "otherData": {"reading_busy_share": round(self.busy_share, 4)}}
        try:
            path.write_text(json.dumps(content), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"--trace {path} cannot be written: {error.strerror}.") from error

    def _event(self, name: str, begin: float, end: float, lane: int) -> dict[str, Any]:
        start, length = (round(1e6 * seconds) for seconds in (begin - self.begun, end - begin))
        return {"name": name, "ph": "X", "ts": start, "dur": length, "pid": 1, "tid": lane}


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
            self._trace.readings.append((begun, time.monotonic(), len(crops)))
