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
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.run_state import differences, group_bytes, stored_pages, wait_for_orphans

_POLL_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 3.0
"""A kill follows the page that was drawn for it by up to this, so that it hits any part of the work."""


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
        unequal = differences(folder / "undisturbed", folder / "killed")
    facts = {
        "book": book.name,
        "pages": straight.pages_after,
        "undisturbed_seconds": round(straight.seconds, 1),
        "killed_seconds": round(sum(run.seconds for run in runs), 1),
        "kills": [{"target": run.target, "after_pages": run.pages_after} for run in runs if run.target],
        "orphans": sum(run.orphans for run in runs),
        "peak_mib": round(max(run.peak_bytes for run in [straight, *runs]) / 2**20),
        "exit_codes": [straight.exit_code, runs[-1].exit_code],
        "differences": unequal,
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        moments = ", ".join(f"{run.target} after {run.pages_after}" for run in runs if run.target)
        click.echo(
            f"{book.name}: {facts['pages']} pages, undisturbed {facts['undisturbed_seconds']} s; {kills} kills "
            f"({moments}), {facts['killed_seconds']} s in all; peak {facts['peak_mib']} MiB in all processes; "
            f"{facts['orphans']} orphans; " + ("the same rows and Markdown" if not unequal else "DIFFERENT:")
        )
        for line in unequal:
            click.echo(f"  {line}")
    sys.exit(1 if unequal or facts["orphans"] else 0)


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
    before, peak, reached = stored_pages(database), 0, 0.0
    begun = time.monotonic()
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while run.poll() is None:
        time.sleep(_POLL_SECONDS)
        peak = max(peak, group_bytes(run.pid))
        if target and stored_pages(database) >= moment:
            reached = reached or time.monotonic()
            if time.monotonic() >= reached + delay_seconds:
                break
    if run.poll() is not None:
        return _Run(time.monotonic() - begun, before, stored_pages(database), peak, run.returncode)
    (os.killpg if target == "group" else os.kill)(run.pid, signal.SIGKILL)
    run.wait()
    seconds, orphans = time.monotonic() - begun, wait_for_orphans(run.pid)
    return _Run(seconds, before, stored_pages(database), peak, run.returncode, target, orphans)


if __name__ == "__main__":
    main()
