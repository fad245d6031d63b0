"""The corpora: which formulas train, which are held out, and what the recogniser shall write for each."""

from __future__ import annotations

import hashlib
import json
import lzma
import multiprocessing
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from docproc.latex.canonical import recognition_target
from finetune.pretrain.ink import Ink

HELDOUT_FILE = Path(__file__).parents[2] / "benchmarks" / "heldout.txt"
MOST_STACKS = 25_000
"""Formulas taken of stacks-project, which is a third of formulas.train."""
DEV_WRITERS = 0.08
"""Share of the writers that the finder of formulas on written pages is developed on."""
_COMMENT = re.compile(r"(?<!\\)%")
_CHEMISTRY = r"\ce"
_NO_SUCH_LETTER = re.compile(r"\\(?:mathcal|mathscr|mathbb)\{[^{}]*[a-z0-9]")
"""These alphabets of TeX have capitals alone: `\\mathcal{y}` prints a dagger, so that picture and label disagree."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula of the corpora."""

    latex: str
    """As its source has it, for typesetting."""
    target: str
    """What a recogniser shall write."""
    display: bool
    source: str


def held_out_names() -> dict[str, float]:
    """Held-out sources with the share held out (1 for a whole source)."""
    names = {}
    for line in HELDOUT_FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, share = line.partition(" ")
            names[name] = float(share.rstrip("%")) / 100 if share else 1.0
    return names


def hashed_share(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def read_formulas(files: Iterable[Path]) -> Iterator[Formula]:
    """Formulas of corpus files (.jsonl.xz) that can be asked for: canonical target known, distinct by target, kind."""
    seen: set[tuple[str, bool, str]] = set()
    for path in files:
        with lzma.open(path, "rt") as file:
            for line in file:
                record = json.loads(line)
                latex = " ".join(record["latex"].split())
                if len(latex) > 2_000 or _COMMENT.search(latex) or latex.startswith(r"\begin{align*}"):
                    continue
                target = recognition_target(latex)
                if not target or _NO_SUCH_LETTER.search(target):
                    continue
                display = record["kind"] == "display"
                key = (target, display, record["source"])
                if key not in seen:
                    seen.add(key)
                    yield Formula(latex, target, display, record["source"])


def split_formulas(formulas: Iterable[Formula]) -> tuple[list[Formula], list[Formula]]:
    """Training and held-out formulas; training is distinct by target and kind over all sources, the stacks thinned."""
    held = held_out_names()
    train: list[Formula] = []
    test: list[Formula] = []
    stacks: list[Formula] = []
    seen: set[tuple[str, bool]] = set()
    for f in formulas:
        if hashed_share(f.latex) < held.get(f.source, 0.0):
            test.append(f)
            continue
        if (f.target, f.display) in seen:
            continue
        seen.add((f.target, f.display))
        if _CHEMISTRY in f.target:  # no chemistry, or none that mhchem reads: 561 of 476,000
            continue
        (stacks if f.source == "stacks/stacks-project" else train).append(f)
    random.Random(1).shuffle(stacks)
    return train + stacks[:MOST_STACKS], test


def split_inks(inks: list[Ink]) -> tuple[list[Ink], list[Ink], list[Ink]]:
    """Handwriting: training, test (unseen writers and labels), unseen writers alone."""
    held = held_out_names()
    by_writer, by_label = held["handwriting-writers"], held["handwriting-labels"]
    train: list[Ink] = []
    both: list[Ink] = []
    writers: list[Ink] = []
    for ink in inks:
        new_writer = hashed_share("writer " + ink.writer) < by_writer
        new_label = hashed_share("label " + (recognition_target(ink.latex) or ink.latex)) < by_label
        if new_writer:
            (both if new_label else writers).append(ink)
        elif not new_label:
            train.append(ink)
    return train, both, writers


def inks_of_split(inks: list[Ink], split: str) -> list[Ink]:
    """Handwriting of whole writers, for pages.

    Args:
        inks: Of all writers.
        split: `test` has the held-out writers alone, `dev` writers that `train` lacks.
    """
    held = held_out_names()["handwriting-writers"]

    def split_of(ink: Ink) -> str:
        share = hashed_share("writer " + ink.writer)
        return "test" if share < held else "dev" if share < held + DEV_WRITERS else "train"

    return [ink for ink in inks if split_of(ink) == split]


def save_formulas(formulas: Iterable[Formula], path: Path, *, compact: bool = False) -> None:
    """Write JSON Lines, xz-compressed where the name says so.

    Args:
        formulas: Written in their order; compact, by source.
        path: The file.
        compact: Leave out what `load_formulas` can work out again: a file that travels is half as large. Targets of
            chemistry stay, since they need QuickJS.
    """
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "wt") as file:
        for f in sorted(formulas, key=lambda f: (f.source, f.display)) if compact else formulas:
            record = asdict(f)
            if compact and _CHEMISTRY not in f.latex:
                del record["target"]
            file.write(json.dumps(record) + "\n")


def load_formulas(path: Path) -> list[Formula]:
    """Read what `save_formulas` wrote; targets that were left out are worked out on all cores."""
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt") as file:
        records = [json.loads(line) for line in file]
    missing = [r for r in records if "target" not in r]
    if missing:
        with multiprocessing.Pool() as pool:
            targets = pool.map(recognition_target, [r["latex"] for r in missing], chunksize=2_000)
        for record, target in zip(missing, targets, strict=True):
            record["target"] = target
    return [Formula(**r) for r in records if r["target"]]
