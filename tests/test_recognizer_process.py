"""A model that dies, hangs or fails over one crop: all others are read, and the report says which one was not."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from docproc.errors import DependencyError
from docproc.recognition import Unread, recognize_all
from docproc.recognizer_process import RecognizerProcess
from docproc.records import Recognition

BAD = 13
"""Width of the crop over which the recognizer fails."""


class Failing:
    """Provokes a fault: reads the width of a crop, and does something else to a narrow one."""

    name = "failing"

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def batch_size(self, asked: str = "auto") -> int:
        if self.fault == "dies while loading":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.fault == "is not there":
            raise DependencyError("There is no such model.")
        if self.fault == "tells how threads wait":
            raise DependencyError(os.environ.get("OMP_WAIT_POLICY", "spinning"))
        return 4 if asked == "auto" else int(asked)

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition]]:
        for index, crop in enumerate(crops):
            if crop.shape[1] == BAD:
                if self.fault == "hangs":
                    time.sleep(600)
                elif self.fault == "dies":
                    os.kill(os.getpid(), signal.SIGSEGV)
                elif self.fault == "raises":
                    raise ValueError("no such\nlayer")
            if self.fault == "is slow":
                time.sleep(0.3)
            yield index, Recognition(f"{crop.shape[1]}", 1.0, str(os.getpid()))


def crops_of(*widths: int) -> list[np.ndarray]:
    return [np.full((16, width), 255, np.uint8) for width in widths]


def test_threads_of_the_model_do_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    for given, expected in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        if given:
            monkeypatch.setenv("OMP_WAIT_POLICY", given)
        asked = RecognizerProcess("asked", Failing, "tells how threads wait", 1.0)
        with asked as recognizer, pytest.raises(DependencyError, match=expected):
            recognizer.batch_size()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("hangs", "the model read nothing for 1 s (--batch-timeout gives it more)"),
        ("dies", "the model's process was ended by signal SIGSEGV"),
        ("raises", "the model failed with ValueError: no such"),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_crop_that_breaks_the_model_costs_only_itself(fault: str, reason: str, batch_size: int) -> None:
    widths = [5, 6, 7, 8, 9, BAD, 20, 21, 22]
    with RecognizerProcess("failing", Failing, fault, 1.0) as recognizer:
        read = recognize_all(recognizer, crops_of(*widths), batch_size)
    assert [r.latex for r in read if isinstance(r, Recognition)] == [str(w) for w in widths if w != BAD]
    assert read[widths.index(BAD)] == Unread(reason)
    assert multiprocessing.active_children() == []


def test_a_process_that_is_killed_from_outside_reads_everything_once_more() -> None:
    with RecognizerProcess("failing", Failing, "is slow", 30.0) as recognizer:
        readings = recognizer.read(crops_of(5, 6, 7), 3)
        first = next(readings)
        (process,) = multiprocessing.active_children()
        os.kill(process.pid, signal.SIGKILL)
        read = [first, *readings]
    assert [(index, reading.latex) for index, reading in read] == [(0, "5"), (1, "6"), (2, "7")]
    assert str(process.pid) not in {reading.stop_reason for _, reading in read[1:]}


@pytest.mark.parametrize(("fault", "words"), [("dies while loading", "SIGSEGV"), ("is not there", "no such model")])
def test_a_model_that_cannot_be_loaded_says_why(fault: str, words: str) -> None:
    with RecognizerProcess("failing", Failing, fault, 30.0) as recognizer, pytest.raises(DependencyError, match=words):
        recognizer.batch_size()


def test_the_process_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "from tests.test_recognizer_process import Failing, RecognizerProcess, crops_of\n"
        "with RecognizerProcess('failing', Failing, 'hangs', 60.0) as recognizer:\n"
        "    for _, reading in recognizer.read(crops_of(5, 13), 2):\n"
        "        print(reading.stop_reason, flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.stdout is not None
    assert int(parent.stdout.readline())
    parent.kill()
    _, errors = parent.communicate(timeout=20)  # ends when the child, which hangs, holds the pipes no more
    assert not errors
