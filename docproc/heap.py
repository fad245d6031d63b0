"""When this process gives freed memory back to the system; nothing happens where there is no glibc.

A task takes and frees the same large blocks again and again: a page's pictures, a step's tensors. glibc by itself
raises the size from which it gives a block back at once, and pictures of pages then leave holes between small blocks
(45 MiB more over 1,000 pages). Giving every large block back at once costs a page fault for each 4 KiB of the next one:
a quarter of the time of reading, a tenth of finding (docs/engine.md). So a process holds on to what it frees while it
works, and gives all of it back when a task is done.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER_BYTES = 1 << 30


def hold_freed_memory() -> None:
    """Keep freed blocks of any size for the next of their kind, until `return_freed_memory`."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _NEVER_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER_BYTES)


def return_freed_memory() -> None:
    """Give everything that is free back, holes between blocks included; some milliseconds."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
