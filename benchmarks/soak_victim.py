"""A run of docproc that kills itself at a planned moment: within a transaction, or while it writes the Markdown.

    python -m benchmarks.soak_victim statement 120 -- run book.pdf -o out
    python -m benchmarks.soak_victim markdown 2 -- run book.pdf -o out

`statement N` ends it by SIGKILL before the N-th SQL statement of its writing connection, `commit N` before the N-th
COMMIT, `markdown N` at a step of the first file's writing: 0 before it, 1 with half of it on the disk, 2 before it is
put in its place, 3 after that and before the document is marked as done.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Arm, then run."""
    split = sys.argv.index("--")
    kind, number = sys.argv[1], int(sys.argv[2])
    if kind == "markdown":
        _arm_markdown(number)
    else:
        _arm_database(kind, number)
    sys.argv[1:] = sys.argv[split + 1 :]
    from docproc.cli import main as docproc

    docproc()


def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm_database(kind: str, number: int) -> None:
    from docproc import store

    seen = 0

    def count(sql: str) -> None:
        nonlocal seen
        seen += kind == "statement" or sql == "COMMIT"
        if seen == number:
            _die()

    opened = store.open_database

    def open_and_count(path: Path, *arguments: Any) -> sqlite3.Connection:
        connection = opened(path, *arguments)
        connection.set_trace_callback(count)
        return connection

    store.open_database = open_and_count


def _arm_markdown(step: int) -> None:
    from docproc import output

    if step == 0:
        output.render_markdown = _die
    elif step == 1:
        render = output.render_markdown

        class Half(str):
            """Text whose writing ends in its middle."""

        output.render_markdown = lambda *arguments: Half(render(*arguments))
        path_open = Path.open

        def open_half(self: Path, *arguments: Any, **options: Any) -> Any:
            file = path_open(self, *arguments, **options)
            if self.name.endswith(".unfinished"):
                write = file.write

                def half(text: str) -> None:
                    write(text[: len(text) // 2])
                    file.flush()
                    _die()

                file.write = half
            return file

        Path.open = open_half  # type: ignore[method-assign]
    else:
        replace = Path.replace

        def dying(self: Path, target: Path) -> Path:
            if step == 2:
                _die()
            replace(self, target)
            _die()
            return target

        Path.replace = dying  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
