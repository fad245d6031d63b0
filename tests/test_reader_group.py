"""Several processes read together what one would read."""

import multiprocessing
import os
import signal
import threading

import pytest

from docproc import reader_group
from docproc.errors import DependencyError
from docproc.options import RunOptions
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.reader_group import CROPS_A_PROCESS, ReaderGroup, recognizer_for
from docproc.recognition import Unread, recognize_all
from docproc.recognizer_process import RecognizerProcess
from docproc.records import Recognition
from tests.pictures import formula_pictures
from tests.test_recognizer_process import BAD, Failing, crops_of

MANY = list(range(100, 100 + 3 * CROPS_A_PROCESS))


def group_of(fault: str, count: int = 3) -> ReaderGroup:
    return ReaderGroup("failing", [RecognizerProcess("failing", Failing, fault, 2.0) for _ in range(count)])


def test_crops_are_dealt_to_all_processes_and_come_back_in_their_order() -> None:
    with group_of("none") as group:
        assert group.batch_size() == 4
        read = recognize_all(group, crops_of(*MANY), 4)
        again = recognize_all(group, crops_of(*MANY), 4)
    assert [r.latex for r in read] == [str(width) for width in MANY]
    assert len({r.stop_reason for r in read}) == 3, "each process has read something"
    assert read == again, "the same crops are read by the same process"
    assert multiprocessing.active_children() == []


def test_few_crops_are_read_in_one_process() -> None:
    with group_of("none") as group:
        read = recognize_all(group, crops_of(*MANY[:CROPS_A_PROCESS]), 4)
        assert len(multiprocessing.active_children()) == 1
    assert len({r.stop_reason for r in read}) == 1


@pytest.mark.parametrize("fault", ["dies", "hangs", "raises"])
def test_a_crop_that_breaks_a_process_costs_only_itself(fault: str) -> None:
    widths = [*MANY, BAD]
    with group_of(fault) as group:
        read = recognize_all(group, crops_of(*widths), 4)
    assert isinstance(read[-1], Unread)
    assert [r.latex for r in read[:-1] if isinstance(r, Recognition)] == [str(width) for width in MANY]


def test_a_process_that_is_killed_is_started_again() -> None:
    with group_of("is slow") as group:
        group.batch_size()
        (process,) = multiprocessing.active_children()
        threading.Timer(1.0, os.kill, (process.pid, signal.SIGKILL)).start()
        read = recognize_all(group, crops_of(*MANY), 4)
    assert [r.latex for r in read] == [str(width) for width in MANY]


def test_the_model_reads_the_same_in_one_process_and_in_two() -> None:
    crops = [crop[:, shift:] for crop in formula_pictures(12) for shift in (0, 1, 2)]
    options = RunOptions(device="cpu,cpu")
    alone = recognize_all(Qwen2VLRecognizer.from_options(RunOptions(device="cpu")), crops, 8)
    with recognizer_for(options) as group:
        together = recognize_all(group, crops, 8)
        assert len(multiprocessing.active_children()) == 2
    for a, b in zip(alone, together, strict=True):
        assert isinstance(a, Recognition)
        assert isinstance(b, Recognition)
        assert (a.latex, a.stop_reason) == (b.latex, b.stop_reason)
        assert a.confidence == pytest.approx(b.confidence, abs=0.02)


@pytest.mark.parametrize(
    ("device", "cores", "expected"),
    [
        ("auto", 16, [("auto", 0)]),
        ("cuda:1", 16, [("cuda:1", 0)]),
        ("cuda:0, cuda:1", 16, [("cuda:0", 8), ("cuda:1", 8)]),
        ("cpu,cpu", 1, [("cpu", 1)] * 2),
    ],
)
def test_where_a_run_reads(monkeypatch, device: str, cores: int, expected: list[tuple[str, int]]) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    places = reader_group._places(RunOptions(device=device))
    assert [(place.options.device, place.threads) for place in places] == expected


@pytest.mark.parametrize(("device", "words"), [("cpu,", "several such as"), ("cuda:0,cuda:1", "no CUDA device")])
def test_a_device_that_is_not_there_is_said(device: str, words: str) -> None:
    import torch

    if "cuda" in device and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DependencyError, match=words), recognizer_for(RunOptions(device=device)) as recognizer:
        recognizer.batch_size()


