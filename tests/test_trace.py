"""When the model worked and when it waited."""

import json
from pathlib import Path

import numpy as np
import pytest

from docproc.errors import OutputError
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
    trace = Trace(0.0, readings=[(10.0, 12.0, 5), (14.0, 20.0, 7)])
    assert trace.busy_share == pytest.approx(0.8)
    assert "12 crops in 8.0 s: it was busy 80%" in trace.line()
    assert Trace().busy_share == 0


def test_what_is_watched_reads_the_same() -> None:
    trace = Trace()
    read = recognize_all(trace.watch(Small(100)), crops_of(16, 32), 2)  # type: ignore[arg-type]
    assert [r.latex for r in read] == ["16", "32"]
    assert [count for *_, count in trace.readings] == [2]
    assert np.isclose(trace.busy_share, 1)


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="--trace"):
        Trace().write(tmp_path / "missing" / "trace.json")
