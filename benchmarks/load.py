"""A long run over distinct pages made for it: does memory, a handle, a process or speed leak away?

Pages are typeset with new formulas (pdflatex), a tenth of them turned, a tenth rendered, tilted and stained like scans.
All are found, written and stored; every 20th formula is read by the model, the others get a stand-in reading, unless
--read-all. Equal crops are read again (no cache). Printed are, over the pages after the first fifth: memory a 1,000
pages of the parent and of all processes (least squares), open files and processes at the first and last look, pages a
second and a processor second in the first and last fifth, bytes a formula; and what SQLite says of the database.

    python -m benchmarks.load [--pages 10000] [--read-all] [--seed 0] [--workers 0] [--json]
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pymupdf

from benchmarks.run_state import is_sound
from docproc.options import FindOptions, RunOptions
from docproc.pipeline import run
from docproc.reader_group import recognizer_for
from docproc.recognition import RunRecognizer
from docproc.records import Recognition
from docproc.store import FormulaStore

_PAGES_A_DOCUMENT = 50
_LOOK_SECONDS = 2.0
_READ_EVERY = 20
_SCAN_DPI = 150
_WORDS = ("the", "of", "every", "which", "so", "that", "since", "where", "follows", "bound", "point", "space", "map")
_HEAD = (
    "\\documentclass[10pt]{article}\\usepackage{amsmath,amssymb}"
    "\\usepackage[paperwidth=360pt,paperheight=240pt,margin=30pt]{geometry}\\pagestyle{empty}\\parindent0pt"
    "\\begin{document}\n"
)


@dataclass(frozen=True, slots=True)
class Look:
    """The run at one moment."""

    seconds: float
    pages: int
    parent_mib: float
    all_mib: float
    files: int
    processes: int
    processor_seconds: float


class Sampled:
    """Reads every 20th crop, and gives the others a stand-in."""

    def __init__(self, inner: RunRecognizer, every: int) -> None:
        self.name, self._inner, self._every = "load", inner, every
        self._seen = 0

    def batch_size(self, asked: str = "auto") -> int:
        """As the model."""
        return self._inner.batch_size(asked)

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition]]:
        """As the model, for those crops that are its turn."""
        chosen = [index for index in range(len(crops)) if (self._seen + index) % self._every == 0]
        self._seen += len(crops)
        for place, reading in self._inner.read([crops[index] for index in chosen], batch_size) if chosen else ():
            yield chosen[place], reading
        for index in set(range(len(crops))) - set(chosen):
            yield index, Recognition(f"x_{{{crops[index].shape[1]}}}", 0.5, "end")


class Watch:
    """Counts pages, as the run's progress, and looks at its processes."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.failures: list[str] = []
        self._pages, self._begun, self._stop = 0, time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def add_pages(self, count: int) -> None:
        """Nothing to do."""

    def page_done(self, formulas: int) -> None:
        """One more."""
        self._pages += 1

    def say(self, message: str) -> None:
        """Keep what failed."""
        self.failures.append(message)

    def close(self) -> None:
        """Take the last look."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            processes = [Path("/proc/self"), *_children()]
            sizes = [_resident_mib(process) for process in processes]
            files = len(list(Path("/proc/self/fd").iterdir()))
            seconds = time.monotonic() - self._begun
            used = sum(map(_processor_seconds, processes))
            self.looks.append(Look(seconds, self._pages, sizes[0], sum(sizes), files, len(processes), used))


@click.command()
@click.option("--pages", type=click.IntRange(100), default=10_000, show_default=True)
@click.option("--read-all", is_flag=True, help="Let the model read every formula.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=int, default=0, show_default=True, help="Page processes; 0: one a core, less one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(pages: int, read_all: bool, seed: int, workers: int, as_json: bool) -> None:
    """Make pages, run, look."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_documents(folder / "in", pages, seed)
        facts = {"pages": pages, "seed": seed, "read_every": 1 if read_all else _READ_EVERY}
        facts |= measure(folder / "in", folder / "out", 1 if read_all else _READ_EVERY, workers)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for name, value in facts.items():
            click.echo(f"{name:36}{value}")


def measure(documents: Path, output: Path, every: int, workers: int) -> dict[str, object]:
    """Run over a folder of documents; see the module."""
    FormulaStore.known_recognitions = lambda *_, **__: {}  # type: ignore[method-assign]  # every crop is a new one
    options = RunOptions(output=output, find=FindOptions(ocr=False), workers=workers)
    watch = Watch()
    with recognizer_for(options) as inner:
        summary = run([documents], options, Sampled(inner, every), watch)
    watch.close()
    database = output / "docproc.db"
    looks = [look for look in watch.looks if 0 < look.pages < summary.pages]  # not while it ends
    steady = [look for look in looks if look.pages >= summary.pages / 5]
    first = [look for look in steady if look.pages <= summary.pages * 2 / 5]
    last = [look for look in steady if look.pages >= summary.pages * 4 / 5]
    formulas = sum(summary.formulas.values())
    return {
        "pages_done": summary.pages,
        "formulas": formulas,
        "failures": len(summary.failures),
        "seconds": round(summary.elapsed_seconds),
        "parent_mib_per_1000_pages": _slope([(look.pages, look.parent_mib) for look in steady]),
        "all_mib_per_1000_pages": _slope([(look.pages, look.all_mib) for look in steady]),
        "peak_all_mib": round(max(look.all_mib for look in looks)),
        "open_files_first_last": [steady[0].files, steady[-1].files],
        "processes_first_last": [steady[0].processes, steady[-1].processes],
        "pages_per_second_first_last": [_rate(first, "seconds"), _rate(last, "seconds")],
        "pages_per_processor_second_first_last": [
            _rate(first, "processor_seconds"),
            _rate(last, "processor_seconds"),
        ],
        "database_bytes_per_formula": round(database.stat().st_size / max(formulas, 1)),
        "database_is_sound": is_sound(database),
    }


def make_documents(folder: Path, pages: int, seed: int) -> None:
    """Typeset documents of 50 pages; every tenth page is turned, every tenth looks scanned."""
    folder.mkdir()
    for start in range(0, pages, _PAGES_A_DOCUMENT):
        chance = random.Random(f"{seed}-{start}")
        count = min(_PAGES_A_DOCUMENT, pages - start)
        body = "\n\\newpage\n".join(_page_source(chance) for _ in range(count))
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "a.tex").write_text(f"{_HEAD}{body}\n\\end{{document}}\n", encoding="ascii")
            command = ["pdflatex", "-no-shell-escape", "-interaction=batchmode", "a.tex"]
            subprocess.run(command, cwd=name, check=True, stdout=subprocess.DEVNULL, timeout=120)
            with pymupdf.open(Path(name) / "a.pdf") as typeset, pymupdf.open() as out:
                for index in range(count):
                    _add_page(out, typeset, index, chance)
                out.save(folder / f"{start:06d}.pdf", garbage=3, deflate=True)


def _page_source(chance: random.Random) -> str:
    def prose(words: int) -> str:
        return " ".join(chance.choice(_WORDS) for _ in range(words)).capitalize()

    lines = [
        f"{prose(6)} ${_formula(chance, 1)}$ {prose(5).lower()} ${_formula(chance, 1)}$ {prose(4).lower()}.\n"
        f"\\[ {_formula(chance, 3)} = {_formula(chance, 2)} \\]"
        for _ in range(2)
    ]
    return "\n\n".join(lines)


def _formula(chance: random.Random, depth: int) -> str:
    letter, other = chance.choice("abcfghkmnpqrstuvwxyz"), chance.choice("xyzABCDFGH")
    number = chance.randint(2, 99)
    if depth == 0:
        return chance.choice([letter, f"{number}", f"\\{chance.choice(['alpha', 'beta', 'lambda', 'mu', 'pi'])}"])
    inner = [_formula(chance, depth - 1) for _ in range(2)]
    return chance.choice(
        [
            f"{letter}_{{{inner[0]}}}+{number}{other}",
            f"\\frac{{{inner[0]}}}{{{inner[1]}+{number}}}",
            f"\\sqrt{{{inner[0]}-{number}}}",
            f"\\sum_{{{letter}=1}}^{{{number}}} {inner[0]}",
            f"\\int_0^{{{number}}} {inner[0]}\\,d{other}",
            f"\\left({inner[0]}-{inner[1]}\\right)^{{{number}}}",
        ]
    )


def _add_page(out: pymupdf.Document, typeset: pymupdf.Document, index: int, chance: random.Random) -> None:
    rect = typeset[index].rect
    if index % 10 == 3:  # lies on its side in the file, and is turned for display
        page = out.new_page(width=rect.height, height=rect.width)
        page.show_pdf_page(page.rect, typeset, index, rotate=90)
        page.set_rotation(90)
    elif index % 10 == 7:
        zoom = pymupdf.Matrix(_SCAN_DPI / 72, _SCAN_DPI / 72).prerotate(chance.uniform(-0.7, 0.7))
        pixmap = typeset[index].get_pixmap(matrix=zoom, colorspace=pymupdf.csGRAY)
        grey = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.stride).astype(np.int16)
        noise = np.random.default_rng(chance.randrange(2**32)).normal(0, 9, grey.shape)
        stained = np.clip(grey * 0.92 + noise, 0, 255).astype(np.uint8)
        stained = np.ascontiguousarray(stained[:, : pixmap.width])
        scan = pymupdf.Pixmap(pymupdf.csGRAY, pixmap.width, stained.shape[0], stained.tobytes(), False)
        page = out.new_page(width=rect.width, height=rect.height)
        page.insert_image(page.rect, stream=scan.tobytes("jpeg", jpg_quality=80))
    else:
        out.insert_pdf(typeset, from_page=index, to_page=index)


def _slope(points: list[tuple[int, float]]) -> float:
    """By how much it grows over 1,000 pages."""
    pages, sizes = np.array(points, float).T
    return round(float(np.polyfit(pages, sizes, 1)[0]) * 1000, 2)


def _rate(looks: list[Look], clock: str) -> float:
    elapsed = getattr(looks[-1], clock) - getattr(looks[0], clock)
    return round((looks[-1].pages - looks[0].pages) / elapsed, 2) if elapsed else 0.0


def _children() -> list[Path]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid():
            found.append(folder)
    return found


def _resident_mib(process: Path) -> float:
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _processor_seconds(process: Path) -> float:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
