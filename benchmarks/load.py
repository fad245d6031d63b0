"""A long run over distinct pages made for it: does memory, a handle, a process or speed leak away?

Every digit of every page is drawn anew, a tenth of the pages is turned, a tenth looks scanned (load_pages.py). All are
found, written and stored. The model reads every 20th crop, the others get a stand-in reading, unless --read-all. Equal
crops are read again (no cache). Printed are memory for 1,000 pages of the parent, of the page processes and of the
model's, open files and processes at the first and last look of the second half of the pages (the first fills pools of
memory once), pages a second of the wall in the second fifth and the last, milliseconds of processor time a page of each
kind of process there, bytes a formula; and what SQLite says of the database.

Memory is what is not mapped from files (that is shared with whoever else runs). Between two pages a page process holds
what its last scan took, 20 MiB more or less, and a fresh one begins small. So the parent and the page processes are
looked at every two seconds, and their slope is the median of the slopes between all looks of the second half (Theil
1950, Sen 1968), which a few high looks do not tilt. Some thousand pages are needed to tell. The model's process takes
some hundred MiB for a window of crops, more for long ones, and gives them back: its slope is that of what it holds at
rest, after each window. Its peak is of all looks.

A machine that others share is not always as fast. Beside every look a fixed piece of work is timed by the processor
time that it takes; the last speed over the second is also given as it would be on a machine that stays the same.

    python -m benchmarks.load [--pages 10000] [--read-all] [--seed 0] [--workers 0] [--stock FILE] [--seconds N]
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from benchmarks.load_pages import make_documents, typeset_stock
from benchmarks.run_state import is_sound
from docproc.options import FindOptions, RunOptions
from docproc.pipeline import run
from docproc.reader_group import recognizer_for
from docproc.recognition import RunRecognizer, Unread
from docproc.records import Recognition
from docproc.store import FormulaStore

_LOOK_SECONDS = 2.0
_LINE_SECONDS = 15.0
_READ_EVERY = 20
_WORK_ITEMS, _WORK_ROUNDS = 60_000, 3
_WHOSE = ("parent", "pages", "model")
_KINDS = {"docproc-page": "pages", "docproc-read": "model"}
"""Processes by the names that they give themselves."""


@dataclass(frozen=True, slots=True)
class Look:
    """The run at one moment."""

    seconds: float
    pages: int
    files: int
    processes: int
    parent_mib: float
    pages_mib: float
    """Of all page processes together."""
    model_mib: float
    model_rest_mib: float
    """After its last window."""
    parent_seconds: float
    """Processor time of the parent."""
    pages_seconds: float
    """Of all page processes so far, those included that have ended."""
    model_seconds: float
    work_ms: float
    """Processor time of the fixed piece of work."""


class TimeIsUpError(Exception):
    """The run has had its seconds."""


class Sampled:
    """Reads every 20th crop, and gives the others a stand-in: every page gives the model as much to do."""

    def __init__(self, inner: RunRecognizer, every: int) -> None:
        self.name, self._inner, self._every = "load", inner, every
        self._asked, self.read_count, self.rest_mib = 0, 0, 0.0

    def batch_size(self, asked: str = "auto") -> int:
        """As the model."""
        return self._inner.batch_size(asked)

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition | Unread]]:
        """As the model, for a crop whose turn it is."""
        turns = [index for index in range(len(crops)) if (self._asked + index) % self._every == 0]
        self._asked += len(crops)
        self.read_count += len(turns)
        for place, reading in self._inner.read([crops[index] for index in turns], batch_size):
            yield turns[place], reading
        self.rest_mib = sum(_resident_mib(child) for child in _children() if _KINDS.get(_name(child)) == "model")
        for index in sorted(set(range(len(crops))) - set(turns)):
            yield index, Recognition(f"x_{{{crops[index].shape[1]}}}", 0.5, "end")


class Watch:
    """Counts pages, as the run's progress, and looks at its processes."""

    def __init__(self, seconds: float, reader: Sampled) -> None:
        self.looks: list[Look] = []
        self.failures: list[str] = []
        self.pages = 0
        self._spent: dict[str, dict[int, float]] = {kind: {} for kind in _KINDS.values()}
        self._reader, self._seconds = reader, seconds
        self._begun, self._stop = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def add_pages(self, count: int) -> None:
        """Nothing to do."""

    def page_done(self, formulas: int) -> None:
        """One more; raises `TimeIsUpError` when the time is up: what is stored stays."""
        self.pages += 1
        if time.monotonic() - self._begun > self._seconds:
            raise TimeIsUpError

    def say(self, message: str) -> None:
        """Keep what failed."""
        self.failures.append(message)

    def close(self) -> None:
        """Take the last look."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        told = 0.0
        while not self._stop.wait(_LOOK_SECONDS):
            look = self._look()
            self.looks.append(look)
            if look.seconds - told >= _LINE_SECONDS:
                told = look.seconds
                line = json.dumps({name: round(value, 1) for name, value in asdict(look).items()})
                print(line, file=sys.stderr, flush=True)

    def _look(self) -> Look:
        own, sizes, children = Path("/proc/self"), {"pages": 0.0, "model": 0.0}, _children()
        for child in children:
            kind = _KINDS.get(_name(child))
            if kind is not None:
                sizes[kind] += _resident_mib(child)
                self._spent[kind][int(child.name)] = _processor_seconds(child)
        return Look(
            seconds=time.monotonic() - self._begun,
            pages=self.pages,
            files=len(list((own / "fd").iterdir())),
            processes=1 + len(children),
            parent_mib=_resident_mib(own),
            pages_mib=sizes["pages"],
            model_mib=sizes["model"],
            model_rest_mib=self._reader.rest_mib,
            parent_seconds=_processor_seconds(own),
            pages_seconds=sum(self._spent["pages"].values()),
            model_seconds=sum(self._spent["model"].values()),
            work_ms=_time_fixed_work(),
        )


@click.command()
@click.option("--pages", type=click.IntRange(100), default=10_000, show_default=True)
@click.option("--read-all", is_flag=True, help="Let the model read every formula.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=int, default=0, show_default=True, help="Page processes; 0: one a core, less one.")
@click.option("--stock", type=click.Path(path_type=Path), help="Blocks of an earlier run; made if not there.")
@click.option("--seconds", type=float, default=1e9, help="End the run after so many, and tell of the pages done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    pages: int, read_all: bool, seed: int, workers: int, stock: Path | None, seconds: float, as_json: bool
) -> None:
    """Make pages, run, look."""
    if stock is not None and stock.is_file():
        blocks = stock.read_bytes()
    else:
        blocks = typeset_stock(seed)
        if stock is not None:
            stock.write_bytes(blocks)
    every = 1 if read_all else _READ_EVERY
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        begun = time.monotonic()
        make_documents(folder / "in", pages, seed, blocks, workers or os.cpu_count() or 1)
        facts = {"pages": pages, "seed": seed, "read_every": every, "making_s": round(time.monotonic() - begun)}
        facts |= measure(folder / "in", folder / "out", every, workers, seconds)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for name, value in facts.items():
            click.echo(f"{name:44}{value}")


def measure(documents: Path, output: Path, every: int, workers: int, seconds: float) -> dict[str, object]:
    """Run over a folder of documents; see the module."""
    FormulaStore.known_recognitions = lambda *_, **__: {}  # type: ignore[method-assign]  # every crop is a new one
    options = RunOptions(output=output, find=FindOptions(ocr=False), workers=workers)
    is_whole = True
    with recognizer_for(options) as inner:
        sampled = Sampled(inner, every)
        watch = Watch(seconds, sampled)
        try:
            run([documents], options, sampled, watch)
        except TimeIsUpError:
            is_whole = False
        watch.close()
    database = output / "docproc.db"
    looks = [look for look in watch.looks if 0 < look.pages < watch.pages]  # not while it ends
    late = [look for look in looks if look.pages >= watch.pages / 2]
    first = [look for look in looks if watch.pages / 5 <= look.pages <= watch.pages * 2 / 5]
    last = [look for look in looks if look.pages >= watch.pages * 4 / 5]
    with closing(sqlite3.connect(database)) as connection:
        stored, formulas = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("pages", "formulas")
        )
    facts = {
        "is_whole": is_whole,
        "pages_done": watch.pages,
        "pages_stored": stored,
        "formulas": formulas,
        "crops_read_by_the_model": sampled.read_count,
        "failures": len(watch.failures),
        "database_bytes_per_formula": round(database.stat().st_size / max(formulas, 1)),
        "database_is_sound": is_sound(database),
    }
    if not late:  # the time was up too soon to tell more
        return facts
    speed = _ms(first, "seconds") / max(_ms(last, "seconds"), 1e-9)
    return facts | {
        "seconds": round(looks[-1].seconds),
        **{f"{kind}_mib_per_1000_pages": _slope(late, f"{kind}_mib") for kind in ("parent", "pages", "model_rest")},
        "model_rest_mib_first_last": [round(late[0].model_rest_mib, 1), round(late[-1].model_rest_mib, 1)],
        **{f"{kind}_mib_peak": round(max(getattr(look, f"{kind}_mib") for look in looks))
           for kind in _WHOSE},
        "open_files_first_last": [late[0].files, late[-1].files],
        "processes_first_last": [late[0].processes, late[-1].processes],
        "pages_per_second_first_last": [round(1000 / max(_ms(part, "seconds"), 1e-9), 2) for part in (first, last)],
        "fixed_work_ms_first_last": [round(_work_ms(part), 2) for part in (first, last)],
        "speed_last_over_first": round(speed, 3),
        "speed_last_over_first_for_the_machine": round(speed * _work_ms(last) / _work_ms(first), 3),
        **{f"{kind}_processor_ms_a_page_first_last": [_ms(part, f"{kind}_seconds") for part in (first, last)]
           for kind in _WHOSE},
    }


def _slope(looks: list[Look], what: str) -> float:
    """By how much it grows over 1,000 pages: the median of the slopes between all looks."""
    pages, sizes = np.array([[look.pages, getattr(look, what)] for look in looks], float).T
    first, last = np.nonzero(pages[:, None] < pages)
    if not first.size:
        return 0.0
    return round(1000 * float(np.median((sizes[last] - sizes[first]) / (pages[last] - pages[first]))), 2)


def _ms(looks: list[Look], clock: str) -> float:
    """Milliseconds a page by a clock."""
    if len(looks) < 2 or looks[-1].pages == looks[0].pages:
        return 0.0
    elapsed = getattr(looks[-1], clock) - getattr(looks[0], clock)
    return round(1000 * elapsed / (looks[-1].pages - looks[0].pages), 1)


def _work_ms(looks: list[Look]) -> float:
    return float(np.median([look.work_ms for look in looks])) if looks else 1.0


def _time_fixed_work() -> float:
    """Milliseconds of processor time for the same sort and transform, the least of some rounds."""
    least = float("inf")
    for _ in range(_WORK_ROUNDS):
        numbers = np.random.default_rng(0).random(_WORK_ITEMS, np.float32)
        begun = time.thread_time()
        np.sort(numbers)
        np.fft.rfft(numbers)
        least = min(least, time.thread_time() - begun)
    return 1000 * least


def _children() -> list[Path]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid():
            found.append(folder)
    return found


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return ""


def _resident_mib(process: Path) -> float:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def _processor_seconds(process: Path) -> float:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
