"""Kill a run again and again at random moments, and compare what it ends with to an undisturbed run.

Half of the kills take the whole process group, the others the parent alone, both with SIGKILL. Compared are all rows
of all tables, row ids included, but for the times; and the Markdown, byte by byte. Ends with 1 if anything differs.

    python -m benchmarks.resume BOOK [--pages 1-60] [--kills 4] [--seed 0] [--work DIR] [--json]
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

_TABLES = ("documents", "pages", "formulas", "failures", "formula_references", "crops", "formulas_fts")
_TIMES = ("started_at", "finished_at")
_POLL_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 3.0
"""A kill follows the page that was drawn for it by up to this, so that it hits any part of the work."""
_ORPHANS_SECONDS = 5.0
"""How long page processes may outlive their parent."""


@dataclass(slots=True)
class _Run:
    """One start of `docproc run`, ended by itself or by us."""

    seconds: float
    pages_before: int
    pages_after: int
    peak_bytes: int
    exit_code: int
    target: str = ""
    orphans: int = 0


@click.command()
@click.argument("book", type=click.Path(path_type=Path, exists=True))
@click.option("--pages", default=None, help="Page ranges; all without it.")
@click.option("--kills", type=click.IntRange(1), default=4, show_default=True, help="Kills before it may finish.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the moments.")
@click.option("--work", type=click.Path(path_type=Path), default=None, help="Keep the outputs here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(book: Path, pages: str | None, kills: int, seed: int, work: Path | None, as_json: bool) -> None:
    """Run BOOK once undisturbed and once with kills."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = work or Path(scratch)
        straight = _start(book, pages, folder / "undisturbed")
        runs = _killed(book, pages, folder / "killed", straight, kills, random.Random(seed))
        differences = _differences(folder / "undisturbed", folder / "killed")
    facts = {
        "book": book.name,
        "pages": straight.pages_after,
        "undisturbed_seconds": round(straight.seconds, 1),
        "killed_seconds": round(sum(run.seconds for run in runs), 1),
        "kills": [{"target": run.target, "after_pages": run.pages_after} for run in runs if run.target],
        "orphans": sum(run.orphans for run in runs),
        "peak_mib": round(max(run.peak_bytes for run in [straight, *runs]) / 2**20),
        "exit_codes": [straight.exit_code, runs[-1].exit_code],
        "differences": differences,
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        moments = ", ".join(f"{run.target} after {run.pages_after}" for run in runs if run.target)
        click.echo(
            f"{book.name}: {facts['pages']} pages, undisturbed {facts['undisturbed_seconds']} s; {kills} kills "
            f"({moments}), {facts['killed_seconds']} s in all; peak {facts['peak_mib']} MiB in all processes; "
            f"{facts['orphans']} orphans; " + ("the same rows and Markdown" if not differences else "DIFFERENT:")
        )
        for line in differences:
            click.echo(f"  {line}")
    sys.exit(1 if differences or facts["orphans"] else 0)


def _killed(
    book: Path, pages: str | None, output: Path, straight: _Run, kills: int, chance: random.Random
) -> list[_Run]:
    """Runs that are killed, and a last one that is not."""
    moments = sorted(chance.sample(range(straight.pages_after), min(kills, straight.pages_after)))
    runs = []
    for index, moment in enumerate(moments):
        target = ("group", "parent")[index % 2]
        delay = chance.uniform(0, _LONGEST_DELAY_SECONDS)
        runs.append(_start(book, pages, output, target=target, moment=moment, delay_seconds=delay))
    return [*runs, _start(book, pages, output)]


def _start(
    book: Path, pages: str | None, output: Path, *, target: str = "", moment: int = 0, delay_seconds: float = 0.0
) -> _Run:
    """Run docproc to its end, or kill `target` a while after `moment` pages are stored."""
    command = [sys.executable, "-m", "docproc", "run", str(book), "-o", str(output)]
    command += ["--pages", pages] if pages else []
    database = output / "docproc.db"
    before, peak, reached = _stored_pages(database), 0, 0.0
    begun = time.monotonic()
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while run.poll() is None:
        time.sleep(_POLL_SECONDS)
        peak = max(peak, _group_bytes(run.pid))
        if target and _stored_pages(database) >= moment:
            reached = reached or time.monotonic()
            if time.monotonic() >= reached + delay_seconds:
                break
    if run.poll() is not None:
        return _Run(time.monotonic() - begun, before, _stored_pages(database), peak, run.returncode)
    (os.killpg if target == "group" else os.kill)(run.pid, signal.SIGKILL)
    run.wait()
    seconds, orphans = time.monotonic() - begun, _wait_for_orphans(run.pid)
    return _Run(seconds, before, _stored_pages(database), peak, run.returncode, target, orphans)


def _wait_for_orphans(group: int) -> int:
    """Processes of the group that are still there when they should be gone; they are ended then."""
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while (left := len(_group_processes(group))) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    if left:
        os.killpg(group, signal.SIGKILL)
    return left


def _group_processes(group: int) -> list[Path]:
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


def _group_bytes(group: int) -> int:
    """Memory of a group's processes, pages they share counted once (proportional set size)."""
    total = 0
    for folder in _group_processes(group):
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def _stored_pages(database: Path) -> int:
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


def _differences(one: Path, other: Path) -> list[str]:
    """What is not the same, a line each."""
    lines = []
    ours, theirs = _rows(one / "docproc.db"), _rows(other / "docproc.db")
    for table in _TABLES:
        if ours[table] != theirs[table]:
            unequal = sum(a != b for a, b in zip(ours[table], theirs[table], strict=False))
            lines.append(f"{table}: {len(ours[table])} and {len(theirs[table])} rows, {unequal} pairs differ")
    for file in sorted({path.name for folder in (one, other) for path in folder.glob("*.md")}):
        texts = [path.read_bytes() if (path := folder / file).exists() else None for folder in (one, other)]
        if texts[0] != texts[1]:
            lines.append(f"{file} differs")
    return lines


def _rows(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables in the order of their ids, but for the times."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    tables = {}
    for table in _TABLES:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        columns = ", ".join(name for name in names if name not in _TIMES)
        tables[table] = connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
    connection.close()
    return tables


if __name__ == "__main__":
    main()
