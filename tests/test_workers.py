import os
import signal
import subprocess
import sys
import time

import pytest

from docproc.workers import Lost, WorkerPool


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
