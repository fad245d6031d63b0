"""What the status of a formula is worth: the whole run over pages whose formulas are known.

    python -m benchmarks.verification --pages 24 --seed 31 --formulas FILE… [--kind scanned] [--errors FILE]
    python -m benchmarks.verification --pages 100 --seed 71 --formulas FILE… --keep DIR
    python -m benchmarks.verification --again DIR… [--errors FILE]

Pages as in benchmarks.regions (`dev` or `test` split), born-digital as PDF, scanned as pictures, without documents
whose fonts lack characters; `docproc run` reads them into a database. `--keep` keeps pages, truth and database;
`--again` finds the formulas of kept pages anew and judges the kept readings by the code as it is now, which takes
minutes where reading took hours.

A stored formula whose box is the true one (IoU of at least 0.8) is right if it is the same formula in any spelling, a
comma or stop at its end aside. Of each status the table says how many there are and how many of them are right, with
the 95 % interval of Wilson; of the wrong verified ones which print the same picture in the fonts of their page. An
error is caught if it is called suspect, invalid, failed or rejected. Times are parts of one run, see `Stopwatch`.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from benchmarks.family_print import prints_alike
from benchmarks.glyph_latex import OWN_FORMULAS
from docproc.latex.canonical import match_key
from docproc.records import Box, Recognition, Region
from finetune.pretrain.page_formulas import load_formulas
from finetune.pretrain.page_scans import scan_page
from finetune.pretrain.pages import TruePage, make_pages

_SAME_BOX, _PAD_PT = 0.8, 1.0
_ONE_BOX = 0.95
"""A formula of the kept database and one found anew with boxes as alike as this are one."""
# Truths that only TeX can read.
_PROGRAMMING = re.compile(r"\\if[a-z]+\b|\\ensuremath|penalty(?![a-z])")
# Alphabets of capitals alone: fonts print nothing or another sign (`\mathcal{y}` is a dagger in TeX's own).
_NOT_PRINTED = re.compile(r"\\(?:mathcal|mathscr|mathbb|cal)\s*\{?[^{}A-Z]*[a-z0-9]")
# What the OpenType families of the pages print upright (their `\boldsymbol` is `\symbf`).
_UPRIGHT_BOLD = re.compile(r"\\(?:boldsymbol|bm)(?![a-zA-Z])")
# One family sets each of these by the shape of the other (looked at on a page of it).
_SWAPPED = {"stickstoo": {r"\phi": r"\varphi", r"\epsilon": r"\varepsilon"}}
_CAUGHT = ("suspect", "invalid", "failed", "rejected")
# Marks of the sentence, and blanks.
_SENTENCE = ",.;:~"
_STOP_AT_END = re.compile(r"(?:\\[,;:! ]|[,.;:~ ])+$")
# KOMA-Script's old font commands take one letter in formulas: `{\rm cm}` prints an upright c and an italic m.
_OLD_FONT = re.compile(r"\\(rm|bf|it|sf|tt)\s*([A-Za-z0-9])")
_Z = 1.96
_PRINT = {True: "prints alike", False: "prints otherwise", None: "could not be printed"}
_TRUTH, _TIMES = "truth.json", "times.json"
Truth = dict[str, list[dict[str, Any]]]
"""By `FILE/NUMBER` the true regions of a page in its own units: kind, boxes, latex."""


def write_pages(pages: Sequence[TruePage], kind: str, seed: int, folder: Path) -> Truth:
    """Put the pages into files for `docproc run`."""
    import cv2

    truth: Truth = {}
    for index, page in enumerate(pages):
        if kind == "born-digital":
            path = folder / f"{page.seed}.pdf"
            path.write_bytes(page.pdf)
            place, regions, scale = f"{path.name}/{page.number}", page.regions, 1.0
        else:
            scan = scan_page(page, seed)
            path = folder / f"{index:03d}.png"
            cv2.imwrite(str(path), scan.image)
            place, regions, scale = f"{path.name}/1", scan.regions, scan.dpi / 72
        broken = {region.continues for region in regions}
        truth[place] = [
            {"kind": true.kind, "latex": true.latex, "recipe": page.recipe, "pad": _PAD_PT * scale,
             "boxes": [[b.x0, b.y0, b.x1, b.y1] for b in (box.scaled(scale) for box in (true.box, *true.also))]}
            for index, true in enumerate(regions)
            if not true.is_ignored and true.continues is None and index not in broken
        ]  # fmt: skip
    return truth


def is_same(latex: str, truth: str) -> bool:
    """Whether both are one formula in any spelling; what ends the sentence at its end is left out."""
    return match_key(latex).rstrip(_SENTENCE) == match_key(truth).rstrip(_SENTENCE)


class Stopwatch:
    """Seconds of the parts of a run: of reading by the wall, of judging by this thread's processor time.

    One window is judged while another is read, so that the wall would count both twice.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self.seconds: Counter[str] = Counter()
        self._again: list[Any] = []  # the objects themselves: an id is given anew

    def judging(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            begun = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds["judging"] += time.thread_time() - begun

        return timed

    def asking(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The generator that asks for second readings, its crops noted."""

        def noted(*arguments: Any, **options: Any) -> Any:
            asking = function(*arguments, **options)
            asked = next(asking)
            self._again.append(asked)
            try:
                asking.send((yield asked))
            except StopIteration as done:
                return done.value

        return noted

    def reading(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function that reads crops, timed."""

        def timed(recognizer: Any, crops: Any, batch_size: int) -> Any:
            begun = time.perf_counter()
            try:
                return function(recognizer, crops, batch_size)
            finally:
                name = "second reading" if any(crops is asked for asked in self._again) else "first reading"
                self.seconds[name] += time.perf_counter() - begun

        return timed


def run_timed(folder: Path, output: Path) -> dict[str, float]:
    """`docproc run` over a folder; seconds of first and second reading and of judging, and of all."""
    from docproc import formulas, read_ahead
    from docproc.options import RunOptions
    from docproc.pipeline import run
    from docproc.progress import Silent
    from docproc.qwen2_vl import Qwen2VLRecognizer

    watch = Stopwatch()
    kept = formulas.judge, formulas.ask_for_doubtful, read_ahead.recognize_all
    formulas.judge = watch.judging(kept[0])
    formulas.ask_for_doubtful = watch.asking(kept[1])
    read_ahead.recognize_all = watch.reading(kept[2])
    options = RunOptions(output=output, workers=1)
    begun = time.perf_counter()
    try:
        run([folder], options, Qwen2VLRecognizer.from_options(options), Silent())
    finally:
        formulas.judge, formulas.ask_for_doubtful, read_ahead.recognize_all = kept
    return {**watch.seconds, "all": time.perf_counter() - begun}


def stored_formulas(database: Path) -> list[dict[str, Any]]:
    """The formulas of a database as they stand."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    rows = connection.execute(
        "SELECT d.path, f.page_number, f.kind, f.x0, f.y0, f.x1, f.y1, f.latex, f.latex_raw, f.stop_reason, f.status, "
        "f.confidence, f.model, f.problems, f.repairs FROM formulas f JOIN documents d ON d.id = f.document_id"
    ).fetchall()
    connection.close()
    return [
        {**dict(row), "place": f"{Path(row['path']).name}/{row['page_number']}",
         "box": Box(row["x0"], row["y0"], row["x1"], row["y1"]),
         "problems": json.loads(row["problems"] or "[]"), "repairs": json.loads(row["repairs"] or "[]")}
        for row in rows
    ]  # fmt: skip


def judge_again(rows: Sequence[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """The same readings, the pages' formulas found anew and judged by the code as it is now."""
    from docproc.formulas import formula_of

    by_place: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_place.setdefault(row["place"], []).append(row)
    for path in sorted(folder.glob("*.pdf")):
        for number, regions in _regions_of(path):
            for row in by_place.get(f"{path.name}/{number}", ()):
                best = max(regions, key=lambda region: region.box.iou(row["box"]), default=None)
                if best is None or best.box.iou(row["box"]) < _ONE_BOX or best.kind.value != row["kind"]:
                    continue
                if (best.glyph_latex is None) == (row["model"] == "text-layer"):
                    continue  # another way of reading than at the time
                raw = best.glyph_latex if best.glyph_latex is not None else row["latex_raw"]
                reading = Recognition(raw, row["confidence"], row["stop_reason"])
                new = formula_of(best, 1, reading, row["model"], "")
                yield {**row, "latex": new.latex, "status": new.status.value, "problems": list(new.problems),
                       "repairs": list(new.repairs), "symbols": best.glyph_symbols, "is_whole": best.is_whole,
                       "glyph_boxes": best.glyph_boxes}  # fmt: skip


def _regions_of(path: Path) -> Iterator[tuple[int, list[Region]]]:
    import pymupdf

    from docproc.born_digital import find_in_text_layer
    from docproc.font_statistics import gather_font_statistics
    from docproc.options import RegionOptions
    from docproc.text_layer import read_text_layer

    with pymupdf.open(path) as document:
        statistics = gather_font_statistics(document, range(1, len(document) + 1))
        for page in document:
            layer, area = read_text_layer(page), page.rect
            yield page.number + 1, find_in_text_layer(layer, area.width, area.height, statistics, RegionOptions())


def compare(rows: Sequence[dict[str, Any]], truth: Truth) -> list[dict[str, Any]]:
    """Each formula that stands where a true one stands, with the truth."""
    found = []
    for row in rows:
        best = max(
            (
                (max(Box(*box).padded(true["pad"]).iou(row["box"].padded(true["pad"])) for box in true["boxes"]), index)
                for index, true in enumerate(truth.get(row["place"], ()))
                if true["kind"] == row["kind"]
            ),
            default=(0.0, -1),
        )
        if best[0] >= _SAME_BOX:
            true = truth[row["place"]][best[1]]
            if _prints_what_it_says(true):
                latex = printed(true)
                found.append({**row, "truth": latex, "recipe": true["recipe"], "overlap": best[0],
                              "is_right": is_same(row["latex"], latex)})  # fmt: skip
    return found


def printed(true: dict[str, Any]) -> str:
    """The truth as its font family prints it."""
    if true["recipe"].startswith("scr"):
        true = {**true, "latex": _OLD_FONT.sub(r"\\math\1{\2}", true["latex"])}
    pairs = _SWAPPED.get(true["recipe"].split("/")[1], {})
    names = {**pairs, **{other: one for one, other in pairs.items()}}
    return re.sub(r"\\[a-zA-Z]+", lambda match: names.get(match[0], match[0]), true["latex"])


def _prints_what_it_says(true: dict[str, Any]) -> bool:
    is_other = _UPRIGHT_BOLD.search(true["latex"]) and "-unicode/" in true["recipe"]
    return not (is_other or _PROGRAMMING.search(true["latex"]) or _NOT_PRINTED.search(true["latex"]))


def interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson (1927)."""
    share, z2 = right / count, _Z * _Z
    middle, half = share + z2 / (2 * count), _Z * sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return (middle - half) / (1 + z2 / count), min(1.0, (middle + half) / (1 + z2 / count))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Statuses with how many are right."""
    lines = ["| status | formulas | share | right | 95 % |", "| --- | --- | --- | --- | --- |"]
    for status in ("verified", "ok", *_CAUGHT):
        of_it = [row["is_right"] for row in rows if row["status"] == status]
        if of_it:
            low, high = interval(sum(of_it), len(of_it))
            lines.append(f"| {status} | {len(of_it)} | {len(of_it) / len(rows):.1%} | {sum(of_it)} = "
                         f"{sum(of_it) / len(of_it):.2%} | {low:.2%}–{high:.2%} |")
    wrong = [row for row in rows if not row["is_right"]]
    caught = sum(row["status"] in _CAUGHT for row in wrong)
    lines.append(f"\n{len(rows)} formulas, {1 - len(wrong) / max(1, len(rows)):.2%} right; "
                 f"of {len(wrong)} errors {caught} ({caught / max(1, len(wrong)):.0%}) are caught")
    return "\n".join(lines)


def _alike_in_print(rows: Sequence[dict[str, Any]]) -> str:
    """How many of the wrong verified formulas print the picture of their truth, each in the fonts of its page."""
    from docproc.render_match import has_tex

    wrong = [row for row in rows if row["status"] == "verified" and not row["is_right"]]
    verified = sum(row["status"] == "verified" for row in rows)
    if not verified or not has_tex():
        return ""
    for row in wrong:
        seed = int(Path(row["place"]).parent.stem)
        pair = (_STOP_AT_END.sub("", latex) for latex in (row["truth"], row["latex"]))
        row["prints_alike"] = prints_alike(*pair, seed, row["recipe"], is_display=row["kind"] == "display")
    equal = sum(row["prints_alike"] is True for row in wrong)
    right = verified - len(wrong) + equal
    low, high = interval(right, verified)
    keys = len({match_key(row["truth"]) for row in rows if row["status"] == "verified"})
    told = "".join(f"\n- {row['latex']} for {row['truth']} ({row['recipe']}, {row['place']}): "
                   f"{_PRINT[row['prints_alike']]}" for row in wrong)
    return (f"of {len(wrong)} wrong verified ones {equal} print the same picture: right by what is printed "
            f"{right} of {verified} = {right / verified:.2%} ({low:.2%}–{high:.2%}); {keys} different formulas{told}")


def read_and_keep(arguments: argparse.Namespace, folder: Path) -> None:
    """Make the pages, run docproc over them; pages, truth, times and database stay in the folder."""
    (folder / "pages").mkdir(parents=True)
    formulas = load_formulas(arguments.formulas, arguments.split)
    made = make_pages(formulas, arguments.pages, arguments.seed, split=arguments.split, pages_per_document=4)
    pages = [page for page in made if page.prints_all]
    truth = write_pages(pages, arguments.kind, arguments.seed, folder / "pages")
    (folder / _TRUTH).write_text(json.dumps(truth), encoding="utf-8")
    times = run_timed(folder / "pages", folder / "out")
    (folder / _TIMES).write_text(json.dumps(times), encoding="utf-8")


def kept_rows(folder: Path, *, is_again: bool) -> list[dict[str, Any]]:
    """The formulas of a kept run beside the truth."""
    rows: Sequence[dict[str, Any]] = stored_formulas(folder / "out" / "docproc.db")
    if is_again:
        rows = list(judge_again(rows, folder / "pages"))
    return compare(rows, json.loads((folder / _TRUTH).read_text(encoding="utf-8")))


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The tables, by who read."""
    parts = []
    for title, is_glyphs in (("read by the recognizer", False), ("written from the glyphs", True)):
        part = [row for row in rows if (row["model"] == "text-layer") is is_glyphs]
        if part:
            parts += [f"{title}\n\n{table(part)}", _alike_in_print(part)]
    return "\n\n".join(part for part in parts if part)


def main() -> int:
    """Make the pages, run docproc, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=24)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--split", choices=("dev", "test", "test-unicode"), default="dev")
    parser.add_argument("--kind", choices=("born-digital", "scanned"), default="born-digital")
    parser.add_argument("--formulas", type=Path, nargs="+", default=[OWN_FORMULAS], help="JSON Lines of formulas")
    parser.add_argument("--keep", type=Path, help="keep pages, truth and database in this new folder")
    parser.add_argument("--again", type=Path, nargs="+", help="judge kept runs anew")
    parser.add_argument("--errors", type=Path, help="write wrong ones here, JSON Lines")
    arguments = parser.parse_args()
    if arguments.again:
        rows = [row for folder in arguments.again for row in kept_rows(folder, is_again=True)]
        print(f"{len(arguments.again)} kept runs\n\n{report(rows)}")
    else:
        with tempfile.TemporaryDirectory() as name:
            folder = arguments.keep or Path(name) / "kept"
            read_and_keep(arguments, folder)
            rows = kept_rows(folder, is_again=False)
            times = Counter(json.loads((folder / _TIMES).read_text(encoding="utf-8")))
        print(f"{arguments.kind}, split {arguments.split}, seed {arguments.seed}, {arguments.pages} pages\n")
        print(report(rows))
        first = max(1e-9, times["all"] - times["second reading"] - times["judging"])
        parts = ", ".join(f"{part} {times[part]:.1f} s" for part in ("first reading", "second reading", "judging"))
        print(f"\nrun {times['all']:.1f} s: {parts}; second reading and judging add {times['all'] / first - 1:.1%}")
    if arguments.errors is not None:
        wrong = (json.dumps({**row, "box": None}, ensure_ascii=False) + "\n" for row in rows if not row["is_right"])
        arguments.errors.write_text("".join(wrong), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
