"""Feed docproc mutants: PDFs and pictures with flipped bits, lost ends, lost and doubled pieces, changed numbers.

Every mutant must end as a document of the database or as one line that names it; no run may crash, hang or take a
mutant for a bug of its own. Ends with 1 if one did. What a mutant reads as is nobody's promise.

    python -m benchmarks.mutants [--count 2000] [--seed 0] [--keep DIR] [--json]
"""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click
import pymupdf
from PIL import Image

_SAMPLES = Path(__file__).parent.parent / "samples"
_FILES_A_RUN = 250
_PAGE_TIMEOUT_SECONDS = 20
_RUN_TIMEOUT_SECONDS = 1800
# A page with some text and a few formulas, in points of the sample.
_CLIP = pymupdf.Rect(0, 90, 595, 260)
# What a page process says of a fault that its own code should have named.
_ENDED, _LATE = "was ended by signal", "took longer than"
_BUG = re.compile(r": (?!Fz)\w*(?:Error|Exception): ")


@dataclass(slots=True)
class Outcome:
    """What became of the mutants."""

    files: int = 0
    exit_codes: Counter[int] = field(default_factory=Counter)
    read: int = 0
    refused: int = 0
    """With one line, and no page stored."""
    lost: list[str] = field(default_factory=list)
    """Neither read nor named."""
    crashes: list[str] = field(default_factory=list)
    """A run that crashed, or a page process that was ended by a signal or by an error nobody expected."""
    hangs: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether every mutant only failed, or was read."""
        return not (self.lost or self.crashes or self.hangs)


@click.command()
@click.option("--count", type=click.IntRange(1), default=2000, show_default=True, help="Mutants.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the mutations.")
@click.option("--keep", type=click.Path(path_type=Path), help="Copy mutants that did harm here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(count: int, seed: int, keep: Path | None, as_json: bool) -> None:
    """Make mutants and run docproc over them."""
    outcome = run_mutants(count, seed, keep)
    facts = {
        "mutants": outcome.files,
        "seed": seed,
        "read": outcome.read,
        "refused": outcome.refused,
        "lost": outcome.lost,
        "crashes": outcome.crashes,
        "hangs": outcome.hangs,
        "exit_codes": dict(outcome.exit_codes),
        "seconds": round(outcome.seconds),
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        click.echo(
            f"{outcome.files} mutants of seed {seed} in {outcome.seconds:.0f} s: {outcome.read} read, "
            f"{outcome.refused} refused with a line; {len(outcome.lost)} lost, {len(outcome.crashes)} crashes, "
            f"{len(outcome.hangs)} hangs; exit codes {facts['exit_codes']}"
        )
        for line in outcome.lost + outcome.crashes + outcome.hangs:
            click.echo(f"  {line}")
    sys.exit(0 if outcome.is_good else 1)


def run_mutants(count: int, seed: int, keep: Path | None = None) -> Outcome:
    """Make mutants, run docproc over them in some hundreds, and look at what it says of each."""
    chance, sources, outcome = random.Random(seed), originals(), Outcome()
    begun = time.monotonic()
    for start in range(0, count, _FILES_A_RUN):
        with tempfile.TemporaryDirectory() as scratch:
            folder, output = Path(scratch) / "mutants", Path(scratch) / "out"
            folder.mkdir()
            for index in range(start, min(start + _FILES_A_RUN, count)):
                name, data = chance.choice(sources)
                (folder / f"{index:05d}-{name}").write_bytes(mutant(data, chance))
            _run(folder, output, outcome)
            if keep is not None:
                _keep(folder, keep, outcome)
    outcome.seconds = time.monotonic() - begun
    return outcome


def originals() -> list[tuple[str, bytes]]:
    """Names and bytes of what is mutated: one small page in every format, PDFs packed and unpacked."""
    with pymupdf.open(_SAMPLES / "calculus-notes.pdf") as sample, pymupdf.open() as page, pymupdf.open() as scan:
        page.insert_pdf(sample, from_page=0, to_page=0)
        page[0].set_cropbox(_CLIP)
        pixmap = page[0].get_pixmap(dpi=150, colorspace=pymupdf.csGRAY)
        picture = Image.frombytes("L", (pixmap.width, pixmap.height), pixmap.samples)
        scan.new_page(width=_CLIP.width, height=_CLIP.height).insert_image(
            pymupdf.Rect(0, 0, _CLIP.width, _CLIP.height), stream=_encoded(picture, "JPEG")
        )
        found = [
            ("packed.pdf", page.tobytes(garbage=4, deflate=True)),
            ("plain.pdf", page.tobytes(garbage=4, expand=255)),
            ("objects.pdf", page.tobytes(garbage=4, deflate=True, use_objstms=1)),
            ("scan.pdf", scan.tobytes(garbage=4)),
        ]
    kinds = ("png", "PNG"), ("jpg", "JPEG"), ("tif", "TIFF"), ("webp", "WEBP"), ("bmp", "BMP")
    pictures = [(f"picture.{suffix}", _encoded(picture, kind)) for suffix, kind in kinds]
    # PDFs hold the most to go wrong: as many of them as of pictures.
    return [*found, *found, *pictures, ("fax.tif", _encoded(picture.convert("1"), "TIFF", compression="group4"))]


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Change bytes by one to three mutations."""
    for _ in range(chance.randint(1, 3)):
        data = chance.choice(_MUTATIONS)(bytearray(data), chance)
    return data


def _encoded(picture: Image.Image, kind: str, **options: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _flipped(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 4, 32))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _cut(data: bytearray, chance: random.Random) -> bytes:
    return bytes(data[: chance.randrange(1, len(data) + 1)])


def _overwritten(data: bytearray, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(data)), chance.choice((1, 4, 16, 64))
    data[start : start + length] = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return bytes(data)


def _without_a_piece(data: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    del data[start : start + chance.randrange(1, 200)]
    return bytes(data) or b"\0"


def _with_a_piece_twice(data: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randrange(1, 200)]
    return bytes(data[:start] + piece + data[start:])


def _other_number(data: bytearray, chance: random.Random) -> bytes:
    """Another digit in place of one: sizes, places and counts of a PDF are written in digits."""
    places = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    for place in chance.sample(places, min(len(places), chance.choice((1, 3, 10)))):
        data[place] = chance.choice(b"0123456789-")
    return bytes(data)


_MUTATIONS = (_flipped, _flipped, _cut, _overwritten, _without_a_piece, _with_a_piece_twice, _other_number)


def _run(folder: Path, output: Path, outcome: Outcome) -> None:
    files = sorted(folder.iterdir())
    outcome.files += len(files)
    command = [sys.executable, "-m", "docproc", "run", str(folder), "-o", str(output), "--no-ocr", "--pages", "1-3"]
    command += ["--page-timeout", str(_PAGE_TIMEOUT_SECONDS)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_RUN_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        outcome.hangs.append(f"a run over {len(files)} mutants")
        return
    outcome.exit_codes[run.returncode] += 1
    if run.returncode not in (0, 3, 6) or "Traceback" in run.stderr:
        outcome.crashes.append(f"exit code {run.returncode}: {run.stderr.strip().splitlines()[-1:]}")
    connection = sqlite3.connect(output / "docproc.db")
    stored = {path for (path,) in connection.execute("SELECT DISTINCT path FROM documents")}
    reasons = connection.execute("SELECT path, reason FROM failures").fetchall()
    same = {sha256 for (sha256,) in connection.execute("SELECT sha256 FROM documents")}
    connection.close()
    named = {path for path, _ in reasons}
    for path in map(str, files):
        outcome.read += path in stored and path not in named
        outcome.refused += path in named
        if path not in stored | named and not _is_double(Path(path), same):
            outcome.lost.append(path)
    for path, reason in reasons:
        said = reason.replace(path, Path(path).name)
        if _ENDED in reason:
            outcome.crashes.append(said)
        elif _LATE in reason:
            outcome.hangs.append(said)
        elif _BUG.search(reason):
            outcome.crashes.append(said)


def _is_double(path: Path, same: set[str]) -> bool:
    """Whether a mutant is the same as another, whose name then stands in the database."""
    from docproc.documents import file_sha256

    return file_sha256(path) in same


def _keep(folder: Path, keep: Path, outcome: Outcome) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if any(file.name in line for line in outcome.lost + outcome.crashes + outcome.hangs):
            shutil.copy(file, keep / file.name)


if __name__ == "__main__":
    main()
