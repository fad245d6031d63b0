"""Make finetune/keep.parquet: typeset formulas that `docproc finetune` rehearses beside new ones.

    python -m finetune.pretrain.keep_pack formulas.train.jsonl.xz finetune/keep.parquet

A third are formulas as they are, a third are formulas with symbols and alphabets exchanged, a third are random ones
with evenly drawn signs. What the model knows by heart it reads without looking, so that rehearsing it teaches nothing:
with formulas as they are alone, bold and upright letters, accents and rare signs of print were lost unnoticed.

The formulas come from training sources whose licence asks for no more than a notice (SOURCES); a row names its source.
Pictures have 16 greys, as lossless WebP: 0.8 kB each instead of 2.2.
"""

from __future__ import annotations

import io
import json
import lzma
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from docproc.latex.canonical import recognition_target
from finetune.pretrain.crops import cut_formula, draw_margins
from finetune.pretrain.grammar import Grammar
from finetune.pretrain.sources import Formula, read_formulas
from finetune.pretrain.typeset import FAMILIES, FREQUENT, SIZES, Job, typeset
from finetune.pretrain.variation import vary
from finetune.pretrain.vocabulary import split_target

SOURCES = {
    "ManyBodyPhysics/LectureNotesPhysics": "CC0-1.0",
    "AlexKontorovich/PrimeNumberTheoremAnd": "Apache-2.0",
    "Qiskit/textbook": "Apache-2.0",
    "fpvandoorn/carleson": "Apache-2.0",
    "teorth/pfr": "Apache-2.0",
    "RemyDegenne/brownian-motion": "Apache-2.0",
    "scipy/scipy": "BSD-3-Clause",
    "zachetienne/nrpytutorial": "BSD-2-Clause",
    "sympy/sympy": "BSD-3-Clause",
    "MITgcm/MITgcm": "MIT",
}
COUNT, INLINE_SHARE, LONGEST = 900, 0.7, 60
EXCHANGES = 3
"""Times that symbols or an alphabet of a formula are exchanged (variation.py)."""
RANDOM_SIZES = (3, 4, 5, 6, 8, 10, 13)
_RUN = 30  # formulas of one font


def draw_formulas(formulas: list[Formula], rng: random.Random) -> Iterator[Formula]:
    """Real, varied and random formulas in turn, without end."""
    inline, display = ([f for f in formulas if f.display == is_display] for is_display in (False, True))
    grammar = Grammar(rng)
    while True:
        real, other = (rng.choice(inline if rng.random() < INLINE_SHARE else display) for _ in range(2))
        yield real
        latex: str | None = other.target
        for _ in range(EXCHANGES):
            latex = (vary(latex, rng) if latex else None) or latex
        for made, source in ((latex, f"{other.source} (symbols exchanged)"), (None, "random (docproc)")):
            made = made or grammar.formula(rng.choice(RANDOM_SIZES))
            target = recognition_target(made)
            if target and 2 <= len(split_target(target)) <= LONGEST:
                yield Formula(made, target, other.display, source)


def draw_pack(formulas: list[Formula], count: int, seed: int = 0) -> list[tuple[Formula, np.ndarray]]:
    """Typeset in all fonts at 120-200 dpi, half of them in the frequent ones."""
    import pymupdf

    rng = random.Random(seed)
    drawn: dict[str, tuple[Formula, np.ndarray]] = {}
    waiting = draw_formulas(formulas, rng)
    families = [f for _ in range(count) for f in rng.sample(list(FAMILIES), len(FAMILIES))]
    for run in range(count):
        part = [next(waiting) for _ in range(_RUN)]
        family = rng.choice(FREQUENT) if run % 2 else families[run // 2]
        size, points = rng.choice(["small", "normalsize", "normalsize", "large"]), rng.choice([10, 11, 12])
        sheet = typeset([Job(f.latex, f.display) for f in part], family=family, size=size, points=points)
        if sheet is None:
            continue
        with pymupdf.open("pdf", sheet.pdf) as pdf:
            for page, i in sheet.pages:
                scale = rng.uniform(120, 200) / 72
                margins = draw_margins(rng, SIZES[size][points - 10] * scale, pdf[page].rect.height * scale)
                crop = cut_formula(pdf[page], scale, False, margins, want_glyphs=False)
                if crop is not None:
                    drawn.setdefault(part[i].target, (part[i], crop.grey))
        if len(drawn) >= count:
            break
    return list(drawn.values())[:count]


def main() -> None:
    """Command line."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]
    from PIL import Image

    from docproc.checkpoints import BUILT_IN_FOLDER, load_processor
    from finetune.labels import LabelError, Labels

    corpus, out = (Path(x) for x in sys.argv[1:3])
    labels = Labels(load_processor(str(BUILT_IN_FOLDER)).tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.jsonl.xz"
        with lzma.open(few, "wt") as kept, lzma.open(corpus, "rt") as file:
            kept.writelines(line for line in file if json.loads(line)["source"] in SOURCES)
        formulas = {f.target: f for f in read_formulas([few]) if 2 <= len(split_target(f.target)) <= LONGEST}
    rows: dict[str, list[object]] = {"image": [], "latex": [], "source": []}
    for formula, grey in draw_pack(list(formulas.values()), round(1.1 * COUNT)):
        try:
            labels.prepare(formula.target)
        except LabelError:
            continue
        buffer = io.BytesIO()
        Image.fromarray(grey // 16 * 17).convert("RGB").save(buffer, "WEBP", lossless=True, quality=100, method=6)
        rows["image"].append({"bytes": buffer.getvalue(), "path": None})
        rows["latex"].append(formula.target)
        rows["source"].append(formula.source)
    rows = {name: values[:COUNT] for name, values in rows.items()}
    pyarrow.parquet.write_table(pyarrow.table(rows), out, compression="zstd")
    print(f"{len(rows['latex'])} formulas, {out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
