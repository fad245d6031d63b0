"""What a run left behind: rows, Markdown, processes. Used by what kills runs."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

_TABLES = ("documents", "pages", "formulas", "failures", "formula_references", "crops", "formulas_fts", "formula_trees")
_TIMES = ("started_at", "finished_at")
_ORPHANS_SECONDS = 5.0
"""How long page processes may outlive their parent."""
_POLL_SECONDS = 0.2


def wait_for_orphans(group: int) -> int:
    """Processes of the group that are still there when they should be gone; they are ended then."""
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while (left := len(group_processes(group))) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    if left:
        os.killpg(group, signal.SIGKILL)
    return left


def group_processes(group: int) -> list[Path]:
    """Folders under /proc of a group's processes that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(folder)
    return found


def group_bytes(group: int) -> int:
    """Memory of a group's processes, pages they share counted once (proportional set size)."""
    total = 0
    for folder in group_processes(group):
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def stored_pages(database: Path) -> int:
    """Pages that a database holds; 0 while there is none."""
    try:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    try:
        return int(connection.execute("SELECT count(*) FROM pages WHERE status != 'stale'").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        connection.close()


def differences(one: Path, other: Path) -> list[str]:
    """What is not the same, a line each."""
    lines = []
    ours, theirs = rows_of(one / "docproc.db"), rows_of(other / "docproc.db")
    for table in _TABLES:
        if ours[table] != theirs[table]:
            unequal = sum(a != b for a, b in zip(ours[table], theirs[table], strict=False))
            lines.append(f"{table}: {len(ours[table])} and {len(theirs[table])} rows, {unequal} pairs differ")
    for file in sorted({path.name for folder in (one, other) for path in folder.glob("*.md")}):
        texts = [path.read_bytes() if (path := folder / file).exists() else None for folder in (one, other)]
        if texts[0] != texts[1]:
            lines.append(f"{file} differs")
    return lines


def rows_of(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables in the order of their ids, but for the times."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    tables = {}
    for table in _TABLES:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        columns = ", ".join(name for name in names if name not in _TIMES)
        tables[table] = connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
    connection.close()
    return tables


def is_sound(database: Path) -> bool:
    """Whether SQLite finds nothing wrong with a database, or there is none."""
    if not database.exists():
        return True
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])
    finally:
        connection.close()
