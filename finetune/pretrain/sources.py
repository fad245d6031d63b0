"""The corpora: which formulas train, which are held out, and what the recogniser shall write for each."""

from __future__ import annotations

import hashlib
import json
import lzma
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
_COMMENT = re.compile(r"(?<!\\)%")


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
                if not target:
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


def save_formulas(formulas: Iterable[Formula], path: Path) -> None:
    """Write JSON Lines, xz-compressed where the name says so."""
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "wt") as file:
        for f in formulas:
            file.write(json.dumps(asdict(f)) + "\n")


def load_formulas(path: Path) -> list[Formula]:
    """Read what `save_formulas` wrote."""
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt") as file:
        return [Formula(**json.loads(line)) for line in file]
