"""Page processes: what they may do, and what becomes of their task when they die."""

import errno
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from docproc.sandbox import isolation
from docproc.workers import Budget, Lost, WorkerPool
from tests.conftest import SAMPLES

kept: list[bytes] = []


def work(task: tuple[str, int]) -> int:
    what, value = task
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        time.sleep(60)
    if what == "raise":
        raise ValueError("no such glyph")
    if what == "eat":
        return len(bytearray(10 * 2**30))
    if what == "pid":
        return os.getpid()
    if what == "keep":
        kept.append(b"x" * (value * 2**20))
        return os.getpid()
    if what == "slow":
        time.sleep(0.3)
    return value * value


def results(tasks: list[tuple[str, int]], timeout_seconds: float = 20, count: int = 2) -> list[object]:
    with WorkerPool(work, count, timeout_seconds=timeout_seconds, memory_bytes=4 * 2**30) as pool:
        return [future.result(30) for future in [pool.submit(task) for task in tasks]]


def test_each_task_gets_its_own_result() -> None:
    assert results([("slow", 0), *(("square", i) for i in range(1, 8))]) == [i * i for i in range(8)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [("die", "SIGKILL"), ("raise", "ValueError: no such glyph"), ("eat", "GiB a page may take")],
)
def test_a_task_that_fails_costs_only_itself(bad: str, reason: str) -> None:
    two, lost, three, four = results([("square", 2), (bad, 0), ("square", 3), ("square", 4)])
    assert (two, three, four) == (4, 9, 16)
    assert isinstance(lost, Lost)
    assert reason in lost.reason


def test_a_task_that_hangs_is_ended_at_its_time_limit() -> None:
    lost, nine = results([("hang", 0), ("square", 3)], timeout_seconds=2, count=1)
    assert isinstance(lost, Lost)
    assert "longer than 2 s" in lost.reason
    assert nine == 9


def test_leaving_the_pool_ends_its_workers_at_once() -> None:
    begun = time.monotonic()
    with WorkerPool(work, 1, timeout_seconds=60, memory_bytes=4 * 2**30) as pool:
        assert pool.submit(("square", 5)).result(30) == 25
        pool.submit(("hang", 0))
        time.sleep(0.5)
    assert time.monotonic() - begun < 20


def test_workers_end_with_a_parent_that_is_killed() -> None:
    code = (
        "from tests.test_workers import WorkerPool, work\n"
        "with WorkerPool(work, 1, timeout_seconds=60, memory_bytes=4 * 2**30) as pool:\n"
        "    print(pool.submit(('pid', 0)).result(30), flush=True)\n"
        "    pool.submit(('hang', 0)).result()\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    parent = subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)
    assert parent.stdout is not None
    assert int(parent.stdout.readline())
    time.sleep(0.3)
    parent.kill()
    _, errors = parent.communicate(timeout=20)  # ends when the worker, who hangs for 60 s, holds the pipes no more
    assert not errors


def sneak(what: str) -> str:
    """A worker that tries what no page needs."""
    try:
        if what == "socket":
            socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", 9))
        elif what == "local socket":
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        elif what == "program":
            subprocess.run(["true"], check=False)
        elif what == "fork":
            os.fork()
        elif what == "signal":
            os.kill(os.getppid(), 0)
        elif what == "thread":
            thread = threading.Thread(target=time.sleep, args=(0,))
            thread.start()
            thread.join()
        elif what == "read":
            Path(__file__).read_bytes()
        elif what.startswith("write "):
            Path(what.removeprefix("write ")).write_text("mine")
        elif what.startswith("append "):
            with Path(what.removeprefix("append ")).open("a") as file:
                file.write("more")
        elif what.startswith("remove "):
            Path(what.removeprefix("remove ")).unlink()
        elif what.startswith("move "):
            Path(what.removeprefix("move ")).rename("/tmp/moved")
        elif what.startswith("mkdir "):
            Path(what.removeprefix("mkdir ")).mkdir()
        elif what == "core":
            return str(resource.getrlimit(resource.RLIMIT_CORE)[0])
    except OSError as error:
        return type(error).__name__
    return "done"


@pytest.mark.skipif("seccomp is not" in isolation(), reason="no seccomp on this system")
def test_a_worker_reads_and_computes_and_can_do_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    tasks = ["socket", "local socket", "program", "fork", "signal"]
    tasks += [f"{verb} {kept}" for verb in ("write", "append", "remove", "move")]
    tasks += [f"write {tmp_path / 'new'}", f"mkdir {tmp_path / 'folder'}"]
    with WorkerPool(sneak, 1, timeout_seconds=30, memory_bytes=4 * 2**30) as pool:
        answers = [pool.submit(task).result(60) for task in [*tasks, "read", "thread", "core"]]
    assert answers == ["PermissionError"] * len(tasks) + ["done", "done", "0"]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.read_text() == "mine"


def wait_for(file: str) -> int:
    while not Path(file).exists():
        time.sleep(0.02)
    return os.getpid()


def test_a_task_whose_worker_was_killed_from_outside_is_tried_once_more(tmp_path: Path) -> None:
    with WorkerPool(wait_for, 1, timeout_seconds=30, memory_bytes=4 * 2**30) as pool:
        future = pool.submit(str(tmp_path / "flag"))
        while not (children := multiprocessing.active_children()):
            time.sleep(0.02)
        os.kill(children[0].pid, signal.SIGKILL)
        (tmp_path / "flag").touch()
        assert future.result(60) not in (children[0].pid, os.getpid())


def test_a_worker_makes_room_for_a_fresh_one_and_no_task_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docproc.workers._TASKS_A_WORKER", 3)
    pids = results([("pid", 0)] * 8, count=1)
    assert len(set(pids)) == 3
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 2]


def test_a_worker_that_holds_on_to_memory_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docproc.workers._KEPT_BYTES", 400 * 2**20)
    small, same, large, fresh = results([("keep", 50), ("pid", 0), ("keep", 400), ("pid", 0)], count=1)
    assert small == same == large
    assert fresh not in (large, os.getpid())


def test_tasks_of_one_budget_share_its_time() -> None:
    budget = Budget(1.0, "the document took longer than 1 s")
    with WorkerPool(work, 1, timeout_seconds=60, memory_bytes=4 * 2**30) as pool:
        assert pool.submit(("square", 1)).result(30) == 1
        futures = [pool.submit(task, budget) for task in (("square", 2), ("hang", 0), ("square", 3))]
        others = pool.submit(("square", 4))
        assert [future.result(30) for future in futures] == [4, *[Lost("the document took longer than 1 s")] * 2]
        assert others.result(30) == 16


def test_a_worker_that_computes_for_ever_is_ended_even_if_nobody_watches_it() -> None:
    code = "from docproc.sandbox import limit_processor_time\nlimit_processor_time(0.5)\nwhile True: pass"
    ended = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)
    assert ended.returncode == -signal.SIGXCPU


def test_a_system_that_starts_no_process_costs_tasks_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with WorkerPool(work, 1, timeout_seconds=20, memory_bytes=4 * 2**30) as workers:

        def refuse(_: object) -> None:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

        monkeypatch.setattr(workers._context.Process, "start", refuse)
        lost = workers.submit(("square", 3)).result(20)
        assert lost == Lost("no page process could be started: Resource temporarily unavailable")
        monkeypatch.undo()
        assert workers.submit(("square", 3)).result(60) == 9, "it is tried again for the next"


def test_a_script_without_a_main_guard_is_told_at_once(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from pathlib import Path\n"
        "from docproc.options import RunOptions\n"
        "from docproc.pipeline import run\n"
        "from docproc.progress import Silent\n"
        "from docproc.reader_group import recognizer_for\n"
        f"options = RunOptions(output=Path({str(tmp_path / 'out')!r}))\n"
        "with recognizer_for(options) as recognizer:\n"
        f"    run([Path({str(SAMPLES / 'physics-photo.jpg')!r})], options, recognizer, Silent())\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=100, check=False)
    assert "if __name__ == '__main__':" in done.stderr
