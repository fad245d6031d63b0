"""One run at a time writes to an output folder; a second one waits, and says so."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def only_run(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a folder for the time of the block; the system lets go of it if this process is killed.

    Two runs would not harm the database, whose transactions part them, but find and read the same pages twice and write
    the same Markdown. Searching and reviewing go on beside a run.

    Args:
        folder: Of the output.
        say: Takes a line if another run has it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another run of docproc writes to {folder}. Waiting for its end; Ctrl-C gives up.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system that knows no locks, as some network shares
        yield
    finally:
        os.close(descriptor)
