"""What the status of a formula is worth: the whole run over pages whose formulas are known.

    python -m benchmarks.verification --pages 24 --seed 31 --formulas FILE… [--kind scanned] [--errors FILE]

Pages as in benchmarks.regions (`dev` or `test` split), born-digital as PDF, scanned as pictures; `docproc run` reads
them into a database. A stored formula whose box is the true one (IoU of at least 0.8) is right if it is the same
formula in any spelling, a comma or stop at its end aside. Of each status the table says how many there are and how
many of them are right; an error is caught if it is called suspect, invalid, failed or rejected. Times are of one
thread waiting: parts of one run.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.glyph_latex import OWN_FORMULAS
from docproc.latex.canonical import match_key
from docproc.records import Box
from finetune.pretrain.page_formulas import load_formulas
from finetune.pretrain.page_scans import scan_page
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.pages import TruePage, make_pages

_SAME_BOX, _PAD_PT = 0.8, 1.0
# Truths that only TeX can read.
_PROGRAMMING = re.compile(r"\\if[a-z]+\b|\\ensuremath")
_CAUGHT = ("suspect", "invalid", "failed", "rejected")
Truth = dict[tuple[str, int], tuple[Sequence[TrueRegion], float]]
"""Regions and pixels a point by file name and page number."""


def write_pages(pages: Sequence[TruePage], kind: str, seed: int, folder: Path) -> Truth:
    """Put the pages into files for `docproc run`."""
    import cv2

    truth: Truth = {}
    for index, page in enumerate(pages):
        if kind == "born-digital":
            path = folder / f"{page.seed}.pdf"
            path.write_bytes(page.pdf)
            truth[path.name, page.number] = page.regions, 1.0
        else:
            scan = scan_page(page, seed)
            path = folder / f"{index:03d}.png"
            cv2.imwrite(str(path), scan.image)
            truth[path.name, 1] = scan.regions, scan.dpi / 72
    return truth


def is_same(latex: str, truth: str) -> bool:
    """Whether both are one formula in any spelling; what ends the sentence at its end is left out."""
    return match_key(latex).rstrip(",.;~") == match_key(truth).rstrip(",.;~")


class Stopwatch:
    """Adds up the seconds that functions take."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.seconds: Counter[str] = Counter()

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] += time.perf_counter() - begun

        return timed


def run_timed(folder: Path, output: Path) -> tuple[Counter[str], float]:
    """`docproc run` over a folder; seconds of first and second reading and of judging, and of all."""
    from docproc import formulas, second_reading
    from docproc.options import RunOptions
    from docproc.pipeline import run
    from docproc.progress import Silent
    from docproc.qwen2_vl import Qwen2VLRecognizer

    watch = Stopwatch()
    kept = formulas.recognize_all, second_reading.recognize_all, formulas.judge
    formulas.recognize_all = watch.around("first reading", kept[0])  # type: ignore[assignment]
    second_reading.recognize_all = watch.around("second reading", kept[1])  # type: ignore[assignment]
    formulas.judge = watch.around("judging", kept[2])  # type: ignore[assignment]
    options = RunOptions(output=output, workers=1)
    begun = time.perf_counter()
    try:
        run([folder], options, Qwen2VLRecognizer.from_options(options), Silent())
    finally:
        formulas.recognize_all, second_reading.recognize_all, formulas.judge = kept
    return watch.seconds, time.perf_counter() - begun


def compare(database: Path, truth: Truth) -> list[dict[str, Any]]:
    """Each stored formula that stands where a true one stands, with the truth."""
    connection = sqlite3.connect(database)
    rows = connection.execute(
        "SELECT d.path, f.page_number, f.kind, f.x0, f.y0, f.x1, f.y1, f.latex, f.status, f.confidence, f.model, "
        "f.problems, f.repairs FROM formulas f JOIN documents d ON d.id = f.document_id"
    ).fetchall()
    connection.close()
    found = []
    for path, number, kind, x0, y0, x1, y1, latex, status, confidence, model, problems, repairs in rows:
        regions, scale = truth.get((Path(path).name, number), ((), 1.0))
        broken = {region.continues for region in regions}
        box, pad = Box(x0, y0, x1, y1), _PAD_PT * scale
        best = max(
            (
                (max(b.scaled(scale).padded(pad).iou(box.padded(pad)) for b in (true.box, *true.also)), index)
                for index, true in enumerate(regions)
                if true.kind == kind and not true.is_ignored and true.continues is None and index not in broken
            ),
            default=(0.0, -1),
        )
        if best[0] >= _SAME_BOX and not _PROGRAMMING.search(regions[best[1]].latex):
            true = regions[best[1]].latex
            found.append({
                "kind": kind, "status": status, "is_right": is_same(latex, true), "latex": latex, "truth": true,
                "confidence": confidence, "model": model, "problems": json.loads(problems or "[]"),
                "is_repaired": bool(json.loads(repairs or "[]")),
            })  # fmt: skip
    return found


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Statuses with how many are right."""
    lines = ["| status | formulas | share | right |", "| --- | --- | --- | --- |"]
    for status in ("verified", "ok", *_CAUGHT):
        of_it = [row["is_right"] for row in rows if row["status"] == status]
        if of_it:
            lines.append(f"| {status} | {len(of_it)} | {len(of_it) / len(rows):.1%} | {sum(of_it) / len(of_it):.2%} |")
    wrong = [row for row in rows if not row["is_right"]]
    caught = sum(row["status"] in _CAUGHT for row in wrong)
    lines.append(f"\n{len(rows)} formulas, {1 - len(wrong) / max(1, len(rows)):.2%} right; "
                 f"of {len(wrong)} errors {caught} ({caught / max(1, len(wrong)):.0%}) are caught")
    return "\n".join(lines)


def main() -> int:
    """Make the pages, run docproc, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=24)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--split", choices=("dev", "test", "test-unicode"), default="dev")
    parser.add_argument("--kind", choices=("born-digital", "scanned"), default="born-digital")
    parser.add_argument("--formulas", type=Path, nargs="+", default=[OWN_FORMULAS], help="JSON Lines of formulas")
    parser.add_argument("--errors", type=Path, help="write wrong ones here, JSON Lines")
    arguments = parser.parse_args()
    formulas = load_formulas(arguments.formulas, arguments.split)
    pages = list(make_pages(formulas, arguments.pages, arguments.seed, split=arguments.split, pages_per_document=4))
    with tempfile.TemporaryDirectory() as name:
        folder, output = Path(name) / "pages", Path(name) / "out"
        folder.mkdir()
        truth = write_pages(pages, arguments.kind, arguments.seed, folder)
        seconds, elapsed = run_timed(folder, output)
        rows = compare(output / "docproc.db", truth)
    print(f"{arguments.kind}, split {arguments.split}, seed {arguments.seed}, {len(pages)} pages\n")
    for title, is_glyphs in (("read by the recognizer", False), ("written from the glyphs", True)):
        part = [row for row in rows if (row["model"] == "text-layer") is is_glyphs]
        if part:
            print(f"{title}\n\n{table(part)}\n")
    first = max(1e-9, elapsed - seconds["second reading"] - seconds["judging"])
    parts = ", ".join(f"{part} {seconds[part]:.1f} s" for part in ("first reading", "second reading", "judging"))
    print(f"run {elapsed:.1f} s: {parts}; second reading and judging add {elapsed / first - 1:.1%}")
    if arguments.errors is not None:
        wrong = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows if not row["is_right"])
        arguments.errors.write_text("".join(wrong), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
