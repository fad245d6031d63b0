"""Held-out pictures: the same for every model that is measured.

    python -m finetune.pretrain.heldout HELDOUT.jsonl HANDWRITING.jsonl.xz OUT.zip [HANDS.json PEN_SYMBOLS.json]
    python -m finetune.pretrain.heldout --add DATA     # written pages, to the archive of a data folder without them

The archive holds `labels.jsonl` (`{"image", "latex", "set", "kind", "source"}`) and one PNG a line.
"""

from __future__ import annotations

import json
import random
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from docproc.latex.canonical import recognition_target
from finetune.pretrain.crops import Crop, cut_formula, to_canvas
from finetune.pretrain.degrade import degrade
from finetune.pretrain.family_labels import label_in
from finetune.pretrain.ink import Ink, draw_ink, load_inks
from finetune.pretrain.neighbors import draw_neighbors, draw_nothing, draw_prose
from finetune.pretrain.pen_fonts import Hand, load_hands
from finetune.pretrain.pen_symbols import Drawn, load_drawn
from finetune.pretrain.sources import Formula, inks_of_split, load_formulas, split_inks
from finetune.pretrain.symbol_library import Library
from finetune.pretrain.typeset import FAMILIES, Job, typeset
from finetune.pretrain.written_crops import held_out_crops, page_formulas
from finetune.pretrain.written_pages import InkStock

IM2LATEX = "glingley/BME450-project"
_PAGE_SEEDS = range(50_000, 50_120)
_PATIENCE = 120.0
"""Seconds for a run of TeX: the sets must be the same on a busy machine."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A labelled held-out picture."""

    grey: NDArray[np.uint8] = field(repr=False)
    latex: str
    """Recognition target; empty for a picture without a formula."""
    set: str
    kind: str
    source: str
    family: str = ""
    """Font family that it is set in; empty for what is not typeset."""

    def ink(self, most_cells: int = 800) -> NDArray[np.uint8]:
        """On a canvas of whole cells, 255 = ink."""
        canvas = to_canvas(Crop(self.grey), None, most_cells).grey
        inverted: NDArray[np.uint8] = 255 - canvas
        return inverted


def draw_formulas(
    formulas: list[Formula],
    name: str,
    count: int,
    rng: random.Random,
    *,
    context: bool = False,
    worse: bool = False,
    small: bool = False,
) -> list[Picture]:
    """Typeset `count` formulas, cut tight (2 pt of paper), at 150-200 dpi (`small`: 100-120 dpi, Computer Modern)."""
    chosen = rng.sample(formulas, min(len(formulas), round(count * 1.1)))
    pictures: list[Picture] = []
    for start in range(0, len(chosen), 60):
        part = chosen[start : start + 60]
        found = [draw_neighbors(rng, f.display) if context else (("", "", "", ""), False) for f in part]
        jobs = [Job(f.latex, f.display, *n) for f, (n, _) in zip(part, found, strict=True)]
        family = "cm" if small else rng.choice(list(FAMILIES))
        sheet = typeset(jobs, family=family, points=10 if small else rng.choice([10, 11, 12]), most_seconds=_PATIENCE)
        if sheet is None:
            continue
        import pymupdf

        pdf = pymupdf.open("pdf", sheet.pdf)
        for page, i in sheet.pages:
            scale = (rng.uniform(100, 120) if small else rng.uniform(150, 200)) / 72
            margins = tuple(min(2 * scale, 0.1 * sheet.em_pt * scale) if found[i][1] else 2 * scale for _ in range(4))
            crop = cut_formula(pdf[page], scale, context, margins, want_glyphs=False)  # type: ignore[arg-type]
            if crop is None:
                continue
            if worse:
                crop = degrade(crop, rng, 1.0)
            f = part[i]
            label = label_in(f.target, family)
            if label:
                pictures.append(Picture(crop.grey, label, name, "display" if f.display else "inline", f.source, family))
    return pictures[:count]


def draw_written(inks: list[Ink], name: str, rng: random.Random) -> list[Picture]:
    """Real handwriting with a plain pen."""
    labelled = [(i, recognition_target(i.latex)) for i in inks]
    return [Picture(draw_ink(i.strokes, rng, varied=False), t, name, "handwriting", i.writer) for i, t in labelled if t]


def draw_from_pages(
    formulas: list[Formula], inks: list[Ink], hands: list[Hand], drawn: Drawn, count: int = 200
) -> list[Picture]:
    """Formulas cut out of handwritten pages: their writers, fonts and sources of formulas are in no training.

    Signs that few people wrote are those of training (pen_symbols.py): there is one set of drawings.

    Args:
        formulas: Held-out ones.
        inks: Of all writers.
        hands: Of the test split.
        drawn: Signs of pen_symbols.py.
        count: Formulas of each kind.
    """
    own = inks_of_split(inks, "test")
    known = page_formulas([(f.latex, f.display) for f in _mixed(formulas, random.Random(_PAGE_SEEDS.start))])
    stock = InkStock(own, hands, known, Library(own, drawn), "test")
    pictures: dict[str, list[Picture]] = {"inline": [], "display": []}
    for seed in _PAGE_SEEDS:
        for crop in held_out_crops(stock, [seed]):
            target = recognition_target(crop.latex)
            if target and len(pictures[crop.kind]) < count:
                pictures[crop.kind].append(Picture(crop.grey, target, "written", crop.kind, f"page {seed}"))
        if all(len(found) == count for found in pictures.values()):
            break
    return pictures["inline"] + pictures["display"]


def draw_empty(count: int, rng: random.Random) -> list[Picture]:
    """Pictures without a formula."""
    jobs = [Job(draw_prose(rng)) for _ in range(count // 2)]
    sheet = typeset(jobs, family="lm", most_seconds=_PATIENCE)
    pictures = [draw_nothing(rng) for _ in range(count - count // 2)]
    if sheet:
        import pymupdf

        pdf = pymupdf.open("pdf", sheet.pdf)
        crops = [cut_formula(pdf[p], 2.3, False, (4, 4, 4, 4), want_glyphs=False) for p, _ in sheet.pages]
        pictures += [c.grey for c in crops if c]
    return [Picture(p, "", "nothing", "nothing", "drawn") for p in pictures]


def make_sets(formulas: list[Formula], inks: list[Ink], seed: int = 20) -> list[Picture]:
    """All held-out sets."""
    rng = random.Random(seed)
    np.random.seed(seed)
    mixed = _mixed(formulas, rng)
    inline, display = [f for f in mixed if not f.display], [f for f in mixed if f.display]
    im2latex = [f for f in formulas if f.source == IM2LATEX]
    pictures = draw_formulas(inline, "clean", 500, rng) + draw_formulas(display, "clean", 300, rng)
    pictures += draw_formulas(inline, "scan", 500, rng, worse=True) + draw_formulas(
        display, "scan", 300, rng, worse=True
    )
    pictures += draw_formulas(inline, "context", 200, rng, context=True) + draw_formulas(
        display, "context", 100, rng, context=True
    )
    pictures += draw_formulas(im2latex, "im2latex", 300, rng, small=True)
    _, both, writers = split_inks(inks)
    pictures += draw_written(both, "ink-new", rng) + draw_written(
        rng.sample(writers, min(len(writers), 200)), "ink-writer", rng
    )
    return pictures + draw_empty(120, rng)


def _mixed(formulas: list[Formula], rng: random.Random) -> list[Formula]:
    """All sources but im2latex, Wikipedia thinned to a third of the whole."""
    general = [f for f in formulas if f.source != IM2LATEX]
    wiki = [f for f in general if f.source == "enwiki"]
    others = [f for f in general if f.source != "enwiki"]
    return others + rng.sample(wiki, min(len(wiki), len(others) // 2))


def save_sets(pictures: list[Picture], path: Path) -> None:
    """Write the archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        lines = []
        for n, p in enumerate(pictures):
            name = f"{p.set}/{n:05d}.png"
            archive.writestr(name, cv2.imencode(".png", p.grey, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())
            label = {"image": name, "latex": p.latex, "set": p.set, "kind": p.kind, "source": p.source}
            lines.append(json.dumps(label | ({"family": p.family} if p.family else {})))
        archive.writestr("labels.jsonl", "\n".join(lines) + "\n")


def load_sets(path: Path) -> list[Picture]:
    """Read what `save_sets` wrote."""
    with zipfile.ZipFile(path) as archive:
        records = [json.loads(line) for line in archive.read("labels.jsonl").decode().splitlines()]
        pictures = []
        for r in records:
            grey = cv2.imdecode(np.frombuffer(archive.read(r["image"]), np.uint8), cv2.IMREAD_GRAYSCALE)
            names = (r["latex"], r["set"], r["kind"], r["source"], r.get("family", ""))
            pictures.append(Picture(np.asarray(grey, np.uint8), *names))
    return pictures


def main() -> None:
    """Command line."""
    if sys.argv[1] == "--add":
        data = Path(sys.argv[2])
        paths = [data / name for name in ("heldout.jsonl.xz", "handwriting.jsonl.xz", "heldout.zip", "hands.json")]
        formulas, inks, out, hands, drawn = *paths, data / "pen_symbols.json"
        pictures = [p for p in load_sets(out) if p.set != "written"]
    else:
        formulas, inks, out, hands, drawn = ([Path(x) for x in sys.argv[1:6]] + [Path("none")] * 2)[:5]
        pictures = make_sets(load_formulas(formulas), load_inks(inks))
    pictures += draw_from_pages(load_formulas(formulas), load_inks(inks), load_hands(hands, "test"), load_drawn(drawn))
    save_sets(pictures, out)
    print(len(pictures), "pictures")


if __name__ == "__main__":
    main()
