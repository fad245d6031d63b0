"""What a process does with memory that it freed."""

import platform
import resource
import subprocess
import sys
import threading

import numpy as np
import pytest

from docproc.workers import resident_bytes

BLOCK_BYTES, BLOCKS = 4 << 20, 16
on_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="it is another allocator than glibc's"
)
# Below the size that glibc maps by itself.
SMALL_BYTES = 64 << 10

SCRIPT = """
import sys
from tests.test_heap import faults_of_taking_again, held_after_return, held_of_a_thread
sys.stdout.write(str({function}({hold})))
"""


def take_and_free() -> list[bytes]:
    """Large blocks, each with a small one behind it that stays."""
    large, small = [], []
    for _ in range(BLOCKS):
        large.append(np.ones(BLOCK_BYTES, np.uint8))
        small.append(b"x" * 100)
    return small


def faults_of_taking_again(hold: bool) -> int:
    """Page faults of taking blocks that were taken and freed before."""
    from docproc.heap import hold_freed_memory

    if hold:
        hold_freed_memory()
    kept = [take_and_free()]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    kept.append(take_and_free())
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def held_after_return(returns: bool) -> int:
    """Bytes of the freed blocks that the process still holds."""
    from docproc.heap import hold_freed_memory, return_freed_memory

    hold_freed_memory()
    before = resident_bytes("self")
    kept = take_and_free()
    if returns:
        return_freed_memory()
    return resident_bytes("self") - before + 0 * len(kept)


def held_of_a_thread(holds: bool) -> int:
    """Bytes of blocks that another thread, which still runs, took and freed, when all that is free was returned."""
    from docproc.heap import hold_freed_memory, return_freed_memory

    if holds:
        hold_freed_memory()
    before = resident_bytes("self")
    freed, over = threading.Event(), threading.Event()

    def work() -> None:
        blocks = [np.ones(SMALL_BYTES, np.uint8) for _ in range(BLOCKS * BLOCK_BYTES // SMALL_BYTES)]
        blocks.clear()
        freed.set()
        over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    freed.wait()
    return_freed_memory()
    held = resident_bytes("self") - before
    over.set()
    thread.join()
    return held


def asked(function: str, hold: bool) -> int:
    script = SCRIPT.format(function=function, hold=hold)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(done.stdout)


@on_glibc
def test_blocks_that_were_freed_are_taken_again_without_page_faults() -> None:
    blocks = BLOCKS * BLOCK_BYTES // resource.getpagesize()
    assert asked("faults_of_taking_again", True) < blocks / 8
    assert asked("faults_of_taking_again", False) > blocks / 8, "else this test shows nothing"


@on_glibc
def test_what_is_free_goes_back_when_a_task_is_done() -> None:
    assert asked("held_after_return", True) < 2 * BLOCK_BYTES
    assert asked("held_after_return", False) > BLOCKS // 2 * BLOCK_BYTES, "else this test shows nothing"


@on_glibc
def test_what_other_threads_freed_goes_back_too() -> None:
    assert asked("held_of_a_thread", True) < 2 * BLOCK_BYTES
