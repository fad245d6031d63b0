"""Whether a file is still the one that the run looked at: it may be written, replaced or linked elsewhere meanwhile."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from docproc.documents import file_sha256, path_text
from docproc.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_seen: dict[tuple[Path, str], FileStamp] = {}
"""The stamp under which this process last knew a file to have a content; one file at a time."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What the system says of a file, links followed; it changes whenever the content does."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Of a regular file; None for anything else, or if there is none."""
        try:
            state = path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(state.st_mode):
            return None
        return cls(state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)


def check_unchanged(path: Path, stamp: FileStamp | None, sha256: str) -> None:
    """Make sure that a file has the content that the run looked at.

    Where the stamp is another one the content decides: files are touched, copied over themselves, and some network
    file systems number them anew.

    Args:
        path: Of the file.
        stamp: As it was when its hash was taken; None leaves it to the content.
        sha256: Of that content.

    Raises:
        InputError: It is not there any more, or is another one.
    """
    now = FileStamp.of(path)
    if now is not None and now in (stamp, _seen.get((path, sha256))):
        return
    try:
        is_same = now is not None and file_sha256(path) == sha256
    except OSError:
        is_same = False
    if not is_same or now is None:
        what = "was taken away" if now is None else "was changed"
        raise InputError(
            f"{path_text(path)} {what} while it was read; pages of it were left out. Run it again when it is whole."
        )
    _seen.clear()
    _seen[path, sha256] = now
