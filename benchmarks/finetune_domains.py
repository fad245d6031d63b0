"""Labelled pictures of domains that the built-in model never saw, for measuring `docproc finetune`.

    python -m benchmarks.finetune_domains formulas.train.jsonl.xz formulas.wikipedia.jsonl.xz -o OUT

Formulas come from the sources that no training sees (heldout.txt) and are typeset in fonts that none sees, then spoiled
more than the training's scans are. OUT/NAME holds 300 formulas to learn from and 200 held out, with other labels;
OUT/print holds 500 formulas in the training's own fonts, clean: what a model must not forget. Recipes may be chosen by
`tune` only; the others are what is reported. It needs TeX with its fonts (texlive-fonts-extra).
"""

from __future__ import annotations

import json
import lzma
import random
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import cv2
import numpy as np

from finetune.pretrain.crops import Crop, cut_formula
from finetune.pretrain.degrade import degrade
from finetune.pretrain.sources import Formula, hashed_share, held_out_names, read_formulas
from finetune.pretrain.typeset import FAMILIES, Job, typeset

TRAIN, HELD_OUT, PRINT = 300, 200, 500
# Not to be read off the picture, or a world of its own: see heldout.txt and the model card.
LEFT_OUT = ("ToposInstitute/poly", "glingley/BME450-project", "wangyu16/GeneralChemistry")
INLINE_SHARE = 0.7


def _letters(family: str, series: str = "m") -> str:
    """Preamble: letters and digits of mathematics from a text font, other signs from Computer Modern."""
    return (
        rf"\usepackage[T1]{{fontenc}}\usepackage{{amsmath,amssymb,amsfonts}}\usepackage[defaultmathsizes]{{mathastext}}"
        rf"\MTencoding{{T1}}\MTfamily{{{family}}}\MTseries{{{series}}}\MTshape{{n}}\Mathastext"
    )


# Name: preamble, strength of the spoiling (1 = the training's scans).
DOMAINS: dict[str, tuple[str, float]] = {
    "tune": (_letters("pbsi", series="xl"), 1.6),  # a brush script
    "augie": (_letters("augie"), 1.6),  # a hand in felt pen
    "skrivana": (_letters("JanaSkrivana"), 1.6),  # a calligraphic hand
    "miama": (_letters("fmm"), 1.6),  # a fast joined hand
    "almendra": (_letters("Almendra-OsF"), 1.6),  # a cut book letter between roman and chancery
}


def held_out_formulas(files: Iterable[Path]) -> list[Formula]:
    """Formulas of the held-out sources, distinct by target, in an order of their own."""
    held = held_out_names()
    found: dict[str, Formula] = {}
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.jsonl.xz"
        with lzma.open(few, "wt") as out:
            for path in files:
                with lzma.open(path, "rt") as file:
                    for line in file:
                        record = json.loads(line)
                        share = held.get(record["source"], 0.0)
                        if record["source"] not in LEFT_OUT and hashed_share(" ".join(record["latex"].split())) < share:
                            out.write(line)
        for formula in read_formulas([few]):
            found.setdefault(formula.target, formula)
    return sorted(found.values(), key=lambda f: hashed_share("order " + f.target))


def draw(
    formulas: Sequence[Formula], families: Sequence[str], strength: float, rng: random.Random
) -> list[tuple[Formula, np.ndarray]]:
    """Typeset at 150-200 dpi, cut tight, spoil."""
    import pymupdf

    drawn = []
    for start in range(0, len(formulas), 50):
        part = formulas[start : start + 50]
        family = rng.choice(families)
        sheet = typeset([Job(f.latex, f.display) for f in part], family=family, points=rng.choice([10, 11, 12]))
        if sheet is None:
            continue
        with pymupdf.open("pdf", sheet.pdf) as pdf:
            for page, i in sheet.pages:
                scale = rng.uniform(150, 200) / 72
                margin = 2 * scale
                crop = cut_formula(pdf[page], scale, False, (margin,) * 4, want_glyphs=False)
                if crop is not None:
                    crop = degrade(Crop(crop.grey), rng, strength) if strength else crop
                    drawn.append((part[i], crop.grey))
    return drawn


def write(folder: Path, drawn: Sequence[tuple[Formula, np.ndarray]], train: int) -> None:
    """Write pictures and labels; the first `train` are to learn from."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.jsonl").open("w") as file:
        for n, (formula, grey) in enumerate(drawn):
            name = f"{n:04d}.png"
            cv2.imwrite(str(folder / name), grey)
            part = "train" if n < train else "test"
            kind = "display" if formula.display else "inline"
            row = {"image": name, "latex": formula.target, "split": part, "kind": kind, "source": formula.source}
            file.write(json.dumps(row) + "\n")


def choose(formulas: list[Formula], count: int) -> list[Formula]:
    """Take formulas off the list, inline and display as INLINE_SHARE says."""
    chosen: list[Formula] = []
    for is_display, wanted in ((False, round(INLINE_SHARE * count)), (True, count - round(INLINE_SHARE * count))):
        chosen += [f for f in formulas if f.display == is_display][:wanted]
    taken = {f.target for f in chosen}
    formulas[:] = [f for f in formulas if f.target not in taken]
    return chosen


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(files: tuple[Path, ...], output: Path) -> None:
    """Write the domains."""
    formulas = held_out_formulas(files)
    click.echo(f"{len(formulas)} formulas of sources that no training sees")
    asked = {name: choose(formulas, int((TRAIN + HELD_OUT) * 1.2)) for name in (*DOMAINS, "print")}
    for name, chosen in asked.items():
        rng = random.Random(name)
        np.random.seed(len(name))
        rng.shuffle(chosen)
        preamble, strength = DOMAINS.get(name, ("", 0.0))
        drawn = draw(chosen, [preamble] if preamble else list(FAMILIES), strength, rng)
        drawn = drawn[: TRAIN + HELD_OUT if preamble else PRINT]
        write(output / name, drawn, TRAIN if preamble else 0)
        click.echo(f"{name}: {len(drawn)} pictures")


if __name__ == "__main__":
    main()
