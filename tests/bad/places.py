"""Hostile and odd names and places: what a folder may hold beside files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.bad.files import TEXT, Odd, bytes_of
from tests.bad.raw_pdf import one_page, pdf


def places() -> list[Odd]:
    """Odd names, links, pipes, devices and closed files."""
    found = [
        Odd("with spaces and 'quotes\".pdf", _good(1)),
        Odd("-o.pdf", _good(2)),
        Odd("--help.pdf", _good(3)),
        Odd("new\nline.pdf", _good(4)),
        Odd("esc\x1b[31mape.pdf", _good(5)),
        Odd(os.fsdecode(b"latin-\xe9.pdf"), _good(6)),
        Odd("$(touch pwned);`id`.pdf", _good(7)),
        Odd("%s%n{0}.pdf", _good(8)),
        Odd("a..pdf..pdf", _good(9)),
        Odd("n" * 250 + ".pdf", _good(10)),
        Odd("no-suffix", _good(11)),
        Odd("loop.pdf", lambda path: path.symlink_to(path.name), "symbolic links"),
        Odd("dangling.pdf", lambda path: path.symlink_to("nowhere"), "dangling.pdf"),
        Odd("up", lambda path: path.symlink_to(".."), "not followed"),
        Odd("etc.pdf", lambda path: path.symlink_to("/etc/passwd"), "plain text"),
        Odd("device.pdf", lambda path: path.symlink_to("/dev/zero"), "no regular file"),
        Odd("pipe.pdf", os.mkfifo, "no regular file"),
        Odd("empty folder.pdf", lambda path: path.mkdir(), None),
    ]
    if os.geteuid() != 0:  # root may read everything
        found += [Odd("closed.pdf", _closed, "permission"), Odd("closed folder", _closed_folder, "permission")]
    return found


def _good(number: int) -> Callable[[Path], object]:
    """A file with a content of its own, so that it is a document of its own."""
    return bytes_of(pdf(one_page(TEXT + b" %% %d" % number)))


def _closed(path: Path) -> None:
    path.write_bytes(pdf(one_page(TEXT)))
    path.chmod(0)


def _closed_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0)
