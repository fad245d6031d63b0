"""When the model worked and when it waited."""

import json
from pathlib import Path

import numpy as np
import pytest

from docproc.errors import OutputError
from docproc.finding import PageTask
from docproc.options import FindOptions
from docproc.recognition import recognize_all
from docproc.trace import Trace
from tests.conftest import SAMPLES, Docproc
from tests.test_recognition import Small, crops_of


def test_a_run_writes_when_pages_were_found_and_formulas_read(docproc: Docproc, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    done = docproc("run", SAMPLES / "calculus-notes.pdf", "-o", tmp_path, "--trace", file)
    assert done.returncode == 0, done.stderr
    assert "it was busy" in done.stderr
    content = json.loads(file.read_text())
    spans = [event for event in content["traceEvents"] if event["ph"] == "X"]
    names = [span["name"] for span in spans]
    assert {"open", "page 1", "page 2"} <= set(names)
    (reading,) = [span for span in spans if span["name"].startswith("read ")]
    found = max(span["ts"] + span["dur"] for span in spans if span["name"].startswith("page "))
    assert 0 < found <= reading["ts"], "the only window is read after its pages were found"
    assert content["otherData"]["reading_busy_share"] == 1, "one window has no pause"


def test_the_busy_share_is_that_of_the_readings() -> None:
    trace = Trace(begun=0.0)
    trace.add_reading(10.0, 12.0, 5)
    trace.add_reading(14.0, 20.0, 7)
    assert trace.busy_share == pytest.approx(0.8)
    assert "12 crops in 8.0 s: it was busy 80%" in trace.line()
    assert Trace().busy_share == 0


def test_what_is_watched_reads_the_same(tmp_path: Path) -> None:
    with Trace(tmp_path / "trace.json") as trace:
        read = recognize_all(trace.watch(Small(100)), crops_of(16, 32), 2)  # type: ignore[arg-type]
    assert [r.latex for r in read] == ["16", "32"]
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [event["name"] for event in events if event["ph"] == "X"] == ["read 2 crops"]
    assert np.isclose(trace.busy_share, 1)


@pytest.mark.parametrize("has_file", [False, True])
def test_a_long_run_gathers_nothing(has_file: bool, tmp_path: Path) -> None:
    with Trace(tmp_path / "trace.json" if has_file else None) as trace:
        trace.add_task(1.0, 7, PageTask(Path("a.pdf"), 1, None, FindOptions()))
        trace.add_reading(1.0, 2.0, 3)
        before = items(trace)
        for number in range(2, 2000):
            trace.add_task(float(number), 7, PageTask(Path("a.pdf"), number, None, FindOptions()))
            trace.add_reading(float(number), number + 1.0, 3)
        assert items(trace) == before
    if has_file:
        events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
        assert len([event for event in events if event["ph"] == "X"]) == 2 * 1999


def items(trace: Trace) -> int:
    """Items in all containers that a trace holds."""
    return sum(len(value) for value in vars(trace).values() if isinstance(value, list | set | dict | tuple))


def test_a_trace_of_a_run_that_failed_is_whole_nonetheless(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), Trace(tmp_path / "trace.json") as trace:
        trace.add_reading(1.0, 2.0, 3)
        raise ValueError("mine")
    assert len(json.loads((tmp_path / "trace.json").read_text())["traceEvents"]) == 2


def test_a_file_that_cannot_be_written_is_said_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="--trace"):
        Trace(tmp_path / "missing" / "trace.json")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_is_full_ends_no_thread_and_is_said_at_the_end() -> None:
    with (
        pytest.raises(OutputError, match="--trace /dev/full cannot be written: No space"),
        Trace(Path("/dev/full")) as trace,
    ):
        for number in range(2000):
            trace.add_task(1.0, 7, PageTask(Path("a.pdf"), number, None, FindOptions()))
