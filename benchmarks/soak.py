"""Kill runs at random moments with SIGKILL, go on, and compare with a run that was never disturbed.

Killed are a page process, the recognizer, the parent, all of them at once, and the parent within a transaction, before
a COMMIT and while it writes the Markdown. After each kill the database must be sound and hold no page less. Runs go on
in the same folder until one ends by itself; then all rows with their ids (but for the times) and the Markdown must be
those of the undisturbed run, and no process may be left. Ends with 1 if anything differs.

    python -m benchmarks.soak [--kills 200] [--seed 0] [--pages 34] [--json]
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
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click
import pymupdf

from benchmarks.run_state import differences, group_processes, is_sound, stored_pages, wait_for_orphans

_SAMPLE = Path(__file__).parent.parent / "samples" / "calculus-notes.pdf"
_POLL_SECONDS = 0.02
_RUN_TIMEOUT_SECONDS = 900
_FATAL = ("parent", "group", "statement", "commit", "markdown")
_WEIGHTS = (3, 3, 6, 3, 3)
_NAMES = {"page": "docproc-page", "recognizer": "docproc-read"}
"""What these processes call themselves."""
_STATEMENTS_A_PAGE = 60
"""SQL statements that writing a page takes, about."""


@dataclass(slots=True)
class Soak:
    """What the kills did."""

    kills: Counter[str] = field(default_factory=Counter)
    chains: int = 0
    """Documents that were brought to their end over kills."""
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


@click.command()
@click.option("--kills", type=click.IntRange(1), default=200, show_default=True, help="Kills in all.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the moments.")
@click.option("--pages", type=click.IntRange(1), default=34, show_default=True, help="Of the document.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(kills: int, seed: int, pages: int, as_json: bool) -> None:
    """Kill, go on, compare."""
    with tempfile.TemporaryDirectory() as scratch:
        soak = run_soak(kills, seed, pages, Path(scratch))
    facts = {
        "seed": seed,
        "kills": sum(soak.kills.values()),
        "by_target": dict(soak.kills),
        "chains": soak.chains,
        "wrong": soak.wrong,
        "seconds": round(soak.seconds),
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        targets = ", ".join(f"{name} {count}" for name, count in sorted(soak.kills.items()))
        click.echo(
            f"seed {seed}: {facts['kills']} kills ({targets}) over {soak.chains} documents of {pages} pages in "
            f"{soak.seconds:.0f} s; " + ("the same rows and Markdown every time" if not soak.wrong else "WRONG:")
        )
        for line in soak.wrong:
            click.echo(f"  {line}")
    sys.exit(1 if soak.wrong else 0)


def run_soak(kills: int, seed: int, pages: int, folder: Path) -> Soak:
    """Kill so many times; see the module.

    Args:
        kills: In all.
        seed: Of the moments.
        pages: Of the document.
        folder: Scratch space.
    """
    begun, chance, soak = time.monotonic(), random.Random(seed), Soak()
    book = folder / "book.pdf"
    make_book(book, pages)
    straight = time.monotonic()
    _start(book, folder / "undisturbed").wait(_RUN_TIMEOUT_SECONDS)
    straight_seconds = time.monotonic() - straight
    if stored_pages(folder / "undisturbed" / "docproc.db") != pages:
        soak.wrong.append("the undisturbed run did not end well")
        return soak
    while sum(soak.kills.values()) < kills and not soak.wrong:
        output = folder / f"chain-{soak.chains}"
        while _disturbed_run(book, output, chance, straight_seconds, kills, soak):
            pass
        soak.wrong += [f"chain {soak.chains}: {line}" for line in differences(folder / "undisturbed", output)]
        left = [path.name for path in output.iterdir() if not path.name.startswith(("book.md", "docproc.db"))]
        soak.wrong += [f"chain {soak.chains}: {name} was left behind" for name in left]
        soak.chains += 1
    soak.seconds = time.monotonic() - begun
    return soak


def make_book(path: Path, pages: int) -> None:
    """Pages that show different parts of the samples, with some formulas each."""
    with pymupdf.open(_SAMPLE) as sample, pymupdf.open() as book:
        for index in range(pages):
            book.insert_pdf(sample, from_page=index % 2, to_page=index % 2)
            top = 60 + index * 53 % 560
            book[index].set_cropbox(pymupdf.Rect(0, top, 595, top + 150))
        book.save(path, garbage=3, deflate=True)


def _disturbed_run(
    book: Path, output: Path, chance: random.Random, straight_seconds: float, kills: int, soak: Soak
) -> bool:
    """One start; returns whether another is due."""
    target = chance.choices(_FATAL, _WEIGHTS)[0]
    moment = chance.uniform(0, straight_seconds)
    plan: tuple[str, int] | None = None
    if sum(soak.kills.values()) >= kills:
        target = "none"
    elif target == "statement":
        plan = target, chance.randint(1, 17 * _STATEMENTS_A_PAGE)
    elif target == "commit":
        plan = target, chance.randint(1, 18)
    elif target == "markdown":
        plan = target, chance.randrange(4)
    helper, helper_moment = chance.choice(["page", "recognizer", "none"]), chance.uniform(0, straight_seconds / 2)
    pages_before = stored_pages(output / "docproc.db")
    run = _start(book, output, plan)
    begun = time.monotonic()
    while run.poll() is None:
        seconds = time.monotonic() - begun
        if seconds > _RUN_TIMEOUT_SECONDS:
            os.killpg(run.pid, signal.SIGKILL)
            soak.wrong.append("a run hung")
        elif helper != "none" and target != "none" and seconds >= helper_moment and _kill(helper, run.pid):
            soak.kills[helper] += 1
            helper = "none"
        elif target in ("parent", "group") and seconds >= moment:
            (os.killpg if target == "group" else os.kill)(run.pid, signal.SIGKILL)
            break
        time.sleep(_POLL_SECONDS)
    code = run.wait()
    if code == -signal.SIGKILL:
        soak.kills[target] += 1
    elif code != 0:
        soak.wrong.append(f"a run ended with {code}")
    if wait_for_orphans(run.pid):
        soak.wrong.append("processes were left behind")
    if not is_sound(output / "docproc.db"):
        soak.wrong.append("the database is damaged")
    if stored_pages(output / "docproc.db") < pages_before:
        soak.wrong.append("pages were lost")
    return code != 0 and not soak.wrong


def _kill(helper: str, group: int) -> bool:
    """Kill one of a run's helpers, if there is one now."""
    for folder in group_processes(group):
        try:
            if (folder / "comm").read_text().strip() == _NAMES[helper]:
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        except OSError:
            continue
    return False


def _start(book: Path, output: Path, plan: tuple[str, int] | None = None) -> subprocess.Popen[bytes]:
    module = ["benchmarks.soak_victim", *map(str, plan), "--"] if plan else ["docproc"]
    command = [sys.executable, "-m", *module, "run", str(book), "-o", str(output), "--batch-size", "32"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


if __name__ == "__main__":
    main()
