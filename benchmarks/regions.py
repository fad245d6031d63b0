"""How well formulas are found on typeset pages with exact truth.

    python -m benchmarks.regions --pages 40 --split dev --kind born-digital
    python -m benchmarks.regions --pages 40 --split test --kind scanned --system scan-detector --system scan
    python -m benchmarks.regions --pages 40 --split test --kind written --system written-detector --data DATA \
        --hands hands.json --formulas FILE…
    python -m benchmarks.regions --pages 20 --kind scanned --draw /tmp/pages     # green: true, red: found

`dev` is what the finders were made on; `test` shares no class, no font family, no writer and no source of formulas
with it.
Without `--formulas` the pages draw from samples/formulas/formulas.jsonl, which is enough to try things; published
figures name the corpus. Needs pdflatex.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.region_scores import KINDS, THRESHOLDS, FoundRegion, RegionError, f1, score_page
from benchmarks.region_systems import SYSTEMS
from finetune.pretrain.page_formulas import load_formulas
from finetune.pretrain.page_scans import ScannedPage, scan_page
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.pages import TruePage, make_pages
from finetune.pretrain.written_pages import load_stock, write_page

OWN_FORMULAS = Path(__file__).parents[1] / "samples" / "formulas" / "formulas.jsonl"
PAGE_KINDS = ("born-digital", "scanned", "no-formula", "no-formula-scanned")
WRITTEN = "written"
ANY_KIND = "any"
"""Of the counts: display and inline alike."""
_SEEDS_APART = 1_000
_PAGES_PER_DOCUMENT = 4
"""Short documents, so that few pages still see many classes and fonts."""
_DEFAULT_SYSTEMS = {False: ["text-layer"], True: ["scan-detector"]}
_RED, _GREEN, _GREY = (40, 40, 230), (60, 170, 0), (160, 160, 160)  # blue, green, red as OpenCV wants them


@dataclass(slots=True)
class Report:
    """Figures of one system on one kind of page."""

    system: str
    kind: str
    pages: int = 0
    seconds: float = 0.0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_recipe: dict[str, Counter[tuple[str, str]]] = field(default_factory=lambda: defaultdict(Counter))

    def as_json(self) -> dict[str, Any]:
        """All figures, names as in the table."""
        row: dict[str, Any] = {"system": self.system, "pages": self.kind, "count": self.pages}
        row["pages_per_second"] = round(self.pages / self.seconds, 2) if self.seconds else None
        for kind in KINDS:
            truth = self.counts[kind, "truth"]
            row[kind] = {"truth": truth, "false_a_page": round(self.counts[kind, "false@0.5"] / max(1, self.pages), 3)}
            if truth:
                for threshold in THRESHOLDS:
                    precision, recall, mean = f1(self.counts, kind, threshold)
                    row[kind][f"@{threshold}"] = {
                        "precision": round(precision, 4),
                        "recall": round(recall, 4),
                        "f1": round(mean, 4),
                    }
                row[kind]["coverage"] = round(self.counts[kind, "covered"] / truth, 4)
                row[kind]["found_as_other_kind"] = self.counts[kind, "other-kind"]
        row["any_f1"] = round(f1(self.counts, ANY_KIND, THRESHOLDS[0])[2], 4)
        row["errors"] = {f"{kind}: {what}": count for (kind, what), count in self.errors.most_common()}
        return row


def main() -> int:
    """Typeset the pages, run the systems, print the table."""
    arguments = _arguments()
    formulas = load_formulas(arguments.formulas, arguments.split)
    reports = []
    for kind in arguments.kind or PAGE_KINDS:
        if kind == WRITTEN:
            written = written_pages(arguments)
            reports += [_run(name, kind, *written, arguments) for name in arguments.system or ["written-detector"]]
            continue
        has_formulas, is_scanned = not kind.startswith("no-formula"), kind.endswith("scanned")
        pages = list(
            make_pages(
                formulas,
                arguments.pages,
                arguments.seed,
                split=arguments.split,
                has_formulas=has_formulas,
                pages_per_document=_PAGES_PER_DOCUMENT,
            )
        )
        scans = [scan_page(page, arguments.seed) for page in pages] if is_scanned else None
        systems = arguments.system or _DEFAULT_SYSTEMS[is_scanned]
        reports += [_run(name, kind, pages, scans, arguments) for name in systems]
    if arguments.json:
        for report in reports:
            print(json.dumps(report.as_json() | {"split": arguments.split, "seed": arguments.seed}))
    else:
        _print_table(reports, arguments)
    return 0


def written_pages(arguments: argparse.Namespace) -> tuple[list[TruePage], list[ScannedPage]]:
    """The pages of a split and seed, and what they are as pictures."""
    if arguments.data is None or arguments.hands is None:
        raise SystemExit("--kind written needs --data and --hands, see finetune/pretrain/written_pages.py")
    stock = load_stock(arguments.data, arguments.hands, arguments.formulas, arguments.split)
    seeds = range(arguments.seed * _SEEDS_APART, arguments.seed * _SEEDS_APART + arguments.pages)
    scans = [write_page(stock, seed) for seed in seeds]
    pages = []
    for seed, scan in zip(seeds, scans, strict=True):
        height, width = (side * 72 / scan.dpi for side in scan.image.shape)
        pages.append(TruePage(b"", 1, width, height, scan.regions, scan.recipe, seed))
    return pages, scans


def _run(
    name: str, kind: str, pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None, arguments: argparse.Namespace
) -> Report:
    report = Report(name, kind)
    lines = []
    for index, outcome in enumerate(SYSTEMS[name](pages, scans)):
        page, truth = pages[index], (scans[index] if scans is not None else pages[index]).regions
        score = score_page(truth, outcome.found, arguments.pad)
        report.pages += 1
        report.seconds += outcome.seconds
        report.counts.update(score.counts)
        report.counts.update(_count_any(truth, outcome.found, arguments.pad))
        report.by_recipe["/".join(page.recipe.split("/")[:2])].update(score.counts)
        report.errors.update((error.kind, error.what) for error in score.errors)
        lines += [_error_line(name, kind, page, error) for error in score.errors]
        if arguments.draw is not None:
            _draw(
                arguments.draw,
                f"{name}-{kind}-{page.seed}-{page.number}",
                page,
                scans and scans[index],
                truth,
                outcome.found,
            )
    if arguments.errors is not None:
        with arguments.errors.open("a", encoding="utf-8") as file:
            file.writelines(lines)
    return report


def _count_any(truth: Sequence[TrueRegion], found: Sequence[FoundRegion], pad: float) -> dict[tuple[str, str], int]:
    """Counts without the difference between display and inline."""
    one = KINDS[0]
    score = score_page([replace(r, kind=one) for r in truth], [replace(r, kind=one) for r in found], pad)
    return {(ANY_KIND, name): count for (kind, name), count in score.counts.items() if kind == one}


def _error_line(system: str, kind: str, page: TruePage, error: RegionError) -> str:
    row = {
        "system": system,
        "pages": kind,
        "document": page.seed,
        "page": page.number,
        "recipe": page.recipe,
        "kind": error.kind,
        "what": error.what,
        "box": [round(edge, 1) for edge in (error.box.x0, error.box.y0, error.box.x1, error.box.y1)],
        "latex": error.latex,
    }
    if page.pdf and not kind.endswith("scanned"):
        row["line"] = _line_around(page, error)
    return json.dumps(row, ensure_ascii=False) + "\n"


def _line_around(page: TruePage, error: RegionError) -> str:
    """The words of the lines that an error lies in, those of its box in ⟦ ⟧."""
    import pymupdf

    box = error.box
    middle = (box.y0 + box.y1) / 2
    with pymupdf.open("pdf", page.pdf) as document:
        words = document[page.number - 1].get_text("words")
    near = [word for word in words if word[1] <= middle <= word[3] and abs(word[0] - box.x0) < 130]
    near.sort(key=lambda word: word[0])
    marked = [f"⟦{word[4]}⟧" if word[0] < box.x1 and word[2] > box.x0 else word[4] for word in near]
    return " ".join(marked)


def _draw(
    folder: Path,
    name: str,
    page: TruePage,
    scan: ScannedPage | None,
    truth: Sequence[TrueRegion],
    found: Sequence[FoundRegion],
) -> None:
    import cv2
    import pymupdf

    from finetune.pretrain.page_scans import render_grey

    if scan is None:
        dpi = 144.0
        with pymupdf.open("pdf", page.pdf) as document:
            grey = render_grey(document[page.number - 1], dpi)
    else:
        dpi, grey = scan.dpi, scan.image
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    drawn = [(region.box.padded(0.8), _GREY if region.is_ignored else _GREEN) for region in truth]
    drawn += [(region.box, _RED) for region in found]
    for box, color in drawn:
        edges = [round(edge * dpi / 72) for edge in (box.x0, box.y0, box.x1, box.y1)]
        cv2.rectangle(picture, (edges[0], edges[1]), (edges[2], edges[3]), color, 1)
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), picture)


def _print_table(reports: Sequence[Report], arguments: argparse.Namespace) -> None:
    print(f"split {arguments.split}, seed {arguments.seed}, boxes padded by {arguments.pad} pt, {platform.machine()}")
    print(
        "| pages | system | any F1@0.5 | display F1@0.5 | @0.75 | inline F1@0.5 | @0.75 | inline P / R | coverage d / i"
        " | pages/s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for report in reports:
        if report.kind.startswith("no-formula"):
            continue
        cells = [f"{report.kind} ({report.pages})", report.system, f"{f1(report.counts, ANY_KIND, 0.5)[2]:.3f}"]
        for kind in KINDS:
            cells += [f"{f1(report.counts, kind, threshold)[2]:.3f}" for threshold in THRESHOLDS]
        precision, recall, _ = f1(report.counts, "inline", 0.5)
        cells.append(f"{precision:.3f} / {recall:.3f}")
        cells.append(
            " / ".join(f"{report.counts[k, 'covered'] / max(1, report.counts[k, 'truth']):.3f}" for k in KINDS)
        )
        cells.append(f"{report.pages / report.seconds:.1f}" if report.seconds else "-")
        print(f"| {' | '.join(cells)} |")
    for report in reports:
        false = [f"{kind} {report.counts[kind, 'false@0.5'] / max(1, report.pages):.2f}" for kind in KINDS]
        if report.kind.startswith("no-formula"):
            print(f"{report.kind} ({report.pages} pages), {report.system}, false regions a page: " + ", ".join(false))
        else:
            print(
                f"{report.kind}, {report.system}, errors: "
                + ", ".join(f"{k} {w} {n}" for (k, w), n in report.errors.most_common(12))
            )
        if arguments.by_recipe:
            for recipe, counts in sorted(report.by_recipe.items()):
                figures = " ".join(
                    f"{kind} {f1(counts, kind, 0.5)[2]:.3f} of {counts[kind, 'truth']}" for kind in KINDS
                )
                print(f"    {recipe:28} {figures}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=20, help="of each kind")
    parser.add_argument("--split", choices=("dev", "test", "test-unicode"), default="dev")
    parser.add_argument(
        "--kind", action="append", choices=(*PAGE_KINDS, WRITTEN), help="repeat; the first four by default"
    )
    parser.add_argument("--system", action="append", choices=sorted(SYSTEMS), help="repeat; docproc's own by default")
    parser.add_argument(
        "--formulas", type=Path, nargs="+", default=[OWN_FORMULAS], help="JSON Lines: latex, kind, source"
    )
    parser.add_argument("--data", type=Path, help="for written pages: folder of finetune/pretrain/prepare.py")
    parser.add_argument("--hands", type=Path, help="for written pages: file of finetune/pretrain/pen_fonts.py")
    parser.add_argument("--seed", type=int, default=7, help="1-99; training pages use seeds from 1000")
    parser.add_argument("--pad", type=float, default=0.0, metavar="PT", help="grow all boxes before comparing them")
    parser.add_argument("--draw", type=Path, metavar="DIR", help="write PNGs: green true, grey undecidable, red found")
    parser.add_argument("--errors", type=Path, metavar="FILE", help="append every miss and invention as JSON Lines")
    parser.add_argument("--by-recipe", action="store_true", help="figures by class and font family too")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
