"""When this process gives freed memory back to the system; nothing happens where there is no glibc.

A task takes and frees the same large blocks again and again: a page's pictures, a step's tensors. glibc by itself
raises the size from which it gives a block back at once, and pictures of pages then leave holes between small blocks
(45 MiB more over 1,000 pages). Giving every large block back at once costs a page fault for each 4 KiB of the next one:
a quarter of the time of reading, a tenth of finding (docs/engine.md). So a process holds on to what it frees while it
works, and gives all of it back when a task is done.

All threads share one arena: what the last block of another thread's was, glibc gives back to nobody when it is asked
to (`mtrim` leaves the top of every arena but the first), 30 to 80 MiB of a model that two threads read with.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_NEVER_BYTES = 1 << 30


def hold_freed_memory() -> None:
    """Keep freed blocks of any size for the next of their kind, until `return_freed_memory`; call it before threads."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _NEVER_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER_BYTES)
        libc.mallopt(_M_ARENA_MAX, 1)


def return_freed_memory() -> None:
    """Give everything that is free back, holes between blocks included; some milliseconds."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
