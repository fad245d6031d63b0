"""The loop closed: a scanned book in an odd font is read, corrected, learned from, and read again.

    python -m benchmarks.finetune_loop formulas.train.jsonl.xz formulas.wikipedia.jsonl.xz -o OUT [--epochs 6]

Writes OUT/volume-1.pdf and OUT/volume-2.pdf, scans with formulas in a brush script that no training has seen, from
sources that none has seen, and their truth. Then it runs the product's own commands: `docproc run` on both volumes; a
reviewer, played by the truth, goes through volume 1 and corrects what is wrong; `docproc finetune --from-db`; and
`docproc run --adapter ... --recompute low-confidence` on both. It counts how many formulas of volume 2, which nobody
has corrected, a reviewer would have to correct before and after.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import pymupdf

from benchmarks.finetune_domains import DOMAINS, held_out_formulas
from docproc.latex.canonical import match_key
from docproc.records import Box
from docproc.store import FormulaStore
from finetune.pretrain.page_marking import mark_document
from finetune.pretrain.page_scans import scan_page
from finetune.pretrain.page_truth import TrueRegion, read_truth
from finetune.pretrain.pages import TruePage
from finetune.pretrain.sources import Formula
from samples.make import run_tex

DPI = 150.0
SENTENCES = (
    "From this we see that {} holds, and therefore", "The same is true of {}; written out in full it says",
    "Let {} be given as before. Then the author finds", "In the next chapter {} will be needed. Compare also",
)  # fmt: skip
REVIEWER = "the truth"


def write_volume(formulas: Sequence[Formula], path: Path, seed: int) -> list[list[TrueRegion]]:
    """Typeset inline and display formulas between sentences, scan the pages; returns the truth of each page."""
    inline = [f.latex for f in formulas if not f.display]
    display = [f.latex for f in formulas if f.display]
    rng = random.Random(seed)
    body = []
    for n, one in enumerate(inline):
        body.append(rng.choice(SENTENCES).format(f"${one}$"))
        body.append(rf"\[{display[n % len(display)]}\]" if n < len(display) else "what was to be shown.")
    preamble, _ = DOMAINS["tune"]
    head = rf"\documentclass[11pt]{{article}}{preamble}\usepackage{{bm,mathrsfs,mathtools}}"
    head += r"\usepackage[a4paper,margin=27mm]{geometry}\pagestyle{empty}"
    source = mark_document(head + r"\begin{document}" + "\n\n".join(body) + r"\end{document}")
    pdf, regions = read_truth(run_tex(source.tex), source.formulas)
    scans, truth = pymupdf.open(), []
    with pymupdf.open("pdf", pdf) as document:
        sizes = [(page.rect.width, page.rect.height) for page in document]
    for number, ((width, height), found) in enumerate(zip(sizes, regions, strict=True), start=1):
        scan = scan_page(TruePage(pdf, number, width, height, found, path.stem, seed), seed, dpi=DPI, has_curve=False)
        tall, wide = scan.image.shape
        sheet = scans.new_page(width=wide * 72 / DPI, height=tall * 72 / DPI)
        data = cv2.imencode(".jpg", scan.image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
        sheet.insert_image(sheet.rect, stream=data)
        truth.append([r for r in scan.regions if not r.is_ignored])
    path.write_bytes(scans.tobytes(garbage=3, deflate=True))
    return truth


def compare(store: FormulaStore, name: str, truth: list[list[TrueRegion]]) -> list[tuple[int, str, bool]]:
    """Formulas of a document that lie on a true one: id, true LaTeX, and whether that is what was read."""
    (document,) = [i for i, path in store.document_paths().items() if Path(path).name == name]
    found = []
    for stored in store.document_formulas(document):
        here = truth[stored.page_number - 1]
        best = max(here, key=lambda r: _overlap(r.box, stored.formula.box), default=None)
        if best is not None and _overlap(best.box, stored.formula.box) > 0.6 and best.continues is None:
            found.append((stored.id, best.latex, match_key(stored.formula.latex) == match_key(best.latex)))
    return found


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - both)


def _docproc(*arguments: object) -> float:
    """Run a command of the product; returns its seconds."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "docproc", *map(str, arguments)], check=True)
    return time.monotonic() - begun


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@click.option("--first", type=int, default=120, help="Inline formulas of volume 1; half as many displays.")
@click.option("--second", type=int, default=60, help="Inline formulas of volume 2; half as many displays.")
@click.option("--epochs", type=float, help="As docproc finetune; by default the preset's.")
@click.option("--adapter", type=click.Path(path_type=Path), help="Take this result of finetune instead of training.")
@click.option("--no-tuning", is_flag=True, help="Stop after the review; the next call goes on from there.")
def main(
    files: tuple[Path, ...],
    output: Path,
    first: int,
    second: int,
    epochs: float | None,
    adapter: Path | None,
    no_tuning: bool,
) -> None:
    """Go through the loop and print what it gained."""
    output.mkdir(parents=True, exist_ok=True)
    formulas = held_out_formulas(files)[3000:]  # others than those of the domains
    short = [f for f in formulas if len(f.latex) < 90]
    inline, display = ([f for f in short if f.display == is_display] for is_display in (False, True))
    truths = {}
    for name, count, start in (("volume-1.pdf", first, 0), ("volume-2.pdf", second, first)):
        chosen = inline[start : start + count] + display[start : start + count // 2]
        truths[name] = write_volume(chosen, output / name, seed=start + 1)
    volumes = [output / name for name in truths]
    database = output / "out" / "docproc.db"
    noted = output / "figures.json"
    if noted.exists():
        figures: dict[str, Any] = json.loads(noted.read_text())
    else:
        figures = {"run_s": round(_docproc("run", *volumes, "-o", output / "out"))}
        with FormulaStore.open(database) as store:
            for name, truth in truths.items():
                found = compare(store, name, truth)
                figures[f"{name} before"] = f"{sum(not right for *_, right in found)} of {len(found)} to correct"
            for identity, latex, right in compare(store, "volume-1.pdf", truths["volume-1.pdf"]):
                store.review_formula(identity, "accept" if right else "correct", REVIEWER, None if right else latex)
        noted.write_text(json.dumps(figures))
    if no_tuning:
        click.echo(json.dumps(figures, indent=1))
        return
    tuned = adapter or output / "ours"
    if adapter is None:
        more = ("--epochs", epochs) if epochs else ()
        figures["finetune_s"] = round(_docproc("finetune", "--from-db", database, "-o", tuned, *more))
    again = ("--adapter", tuned, "--recompute", "low-confidence")
    figures["run_again_s"] = round(_docproc("run", *volumes, "-o", output / "out", *again))
    with FormulaStore.open(database) as store:
        found = compare(store, "volume-2.pdf", truths["volume-2.pdf"])
        figures["volume-2.pdf after"] = f"{sum(not right for *_, right in found)} of {len(found)} to correct"
        figures["models"] = store.summary().models
    click.echo(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
