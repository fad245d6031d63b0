"""Make finetune/keep.parquet: typeset general formulas that `docproc finetune` rehearses beside new ones.

    python -m finetune.pretrain.keep_pack formulas.train.jsonl.xz finetune/keep.parquet

The formulas come from training sources whose licence asks for no more than a notice (SOURCES); a row names its source.
Pictures have 16 greys: 1.0 kB each instead of 2.2.
"""

from __future__ import annotations

import io
import json
import lzma
import random
import sys
import tempfile
from pathlib import Path

import numpy as np

from finetune.pretrain.crops import cut_formula, draw_margins
from finetune.pretrain.sources import Formula, read_formulas
from finetune.pretrain.typeset import FAMILIES, FREQUENT, SIZES, Job, typeset

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
COUNT, INLINE_SHARE, LONGEST = 500, 0.7, 60
_RUN = 40  # formulas of one font


def draw_pack(formulas: list[Formula], count: int, seed: int = 0) -> list[tuple[Formula, np.ndarray]]:
    """Typeset formulas in all fonts at 120-200 dpi, half of them in the frequent ones."""
    import pymupdf

    rng = random.Random(seed)
    inline, display = ([f for f in formulas if f.display == is_display] for is_display in (False, True))
    wanted = round(INLINE_SHARE * count * 1.15)
    chosen = rng.sample(inline, wanted) + rng.sample(display, round(count * 1.15) - wanted)
    rng.shuffle(chosen)
    drawn = []
    for start in range(0, len(chosen), _RUN):
        part = chosen[start : start + _RUN]
        family = rng.choice(FREQUENT if start // _RUN % 2 else list(FAMILIES))
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
                    drawn.append((part[i], crop.grey))
    return drawn[:count]


def main() -> None:
    """Command line."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]
    from PIL import Image

    from finetune.pretrain.vocabulary import split_target

    corpus, out = (Path(x) for x in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.jsonl.xz"
        with lzma.open(few, "wt") as kept, lzma.open(corpus, "rt") as file:
            kept.writelines(line for line in file if json.loads(line)["source"] in SOURCES)
        formulas = {f.target: f for f in read_formulas([few]) if 2 <= len(split_target(f.target)) <= LONGEST}
    rows: dict[str, list[object]] = {"image": [], "latex": [], "source": []}
    for formula, grey in draw_pack(list(formulas.values()), COUNT):
        buffer = io.BytesIO()
        grey16 = Image.fromarray(grey // 16).convert("P")
        grey16.putpalette([v for level in range(16) for v in (level * 17,) * 3])
        grey16.save(buffer, "PNG", bits=4, optimize=True)
        rows["image"].append({"bytes": buffer.getvalue(), "path": None})
        rows["latex"].append(formula.target)
        rows["source"].append(formula.source)
    pyarrow.parquet.write_table(pyarrow.table(rows), out, compression="zstd")
    print(f"{len(rows['latex'])} formulas, {out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
