"""How much of handwritten pages a whole run finds and reads right.

    python -m benchmarks.written_run --pages 12 --split test --data DATA --hands hands.json --formulas FILE…

Pages as in benchmarks.regions (`--kind written`), as pictures; `docproc run` reads them into a database. A true
formula is found if a stored one overlaps it with IoU of at least 0.5, and right if that one is the same formula in any
spelling, a comma or stop at its end aside. Formulas that nobody could tell from words count neither way. Where
docproc/model/written_detector.onnx is taken away, the run goes the classical way, for comparison.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.regions import OWN_FORMULAS, written_pages
from benchmarks.verification import is_same, run_timed, stored_formulas
from docproc.records import Box
from docproc.scan_detector import has_detector
from finetune.pretrain.page_truth import TrueRegion

_FOUND = 0.5


def count(truth: list[tuple[str, TrueRegion]], rows: list[dict[str, object]]) -> dict[str, int]:
    """Compare stored formulas with the true ones of their page, one to one, best overlap first.

    Args:
        truth: Name of the page and region, its box in points of the page.
        rows: Of verification.stored_formulas.
    """
    pairs = []
    for index, (name, true) in enumerate(truth):
        for other, row in enumerate(rows):
            box = row["box"]
            if str(row["place"]).startswith(f"{name}/") and isinstance(box, Box) and true.box.iou(box) >= _FOUND:
                pairs.append((true.box.iou(box), index, other))
    taken_true: set[int] = set()
    taken_rows: set[int] = set()
    counts = {"true": sum(not true.is_ignored for _, true in truth), "stored": len(rows), "found": 0, "right": 0}
    for _, index, other in sorted(pairs, reverse=True):
        if index in taken_true or other in taken_rows:
            continue
        taken_true.add(index)
        taken_rows.add(other)
        true, latex = truth[index][1], rows[other]["latex"]
        if not true.is_ignored:
            counts["found"] += 1
            counts["right"] += isinstance(latex, str) and is_same(latex, true.latex)
        else:
            counts["stored"] -= 1
    return counts


def main() -> int:
    """Write the pages, run, count."""
    import cv2

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=12)
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data", type=Path, required=True, help="folder of finetune/pretrain/prepare.py")
    parser.add_argument("--hands", type=Path, required=True, help="file of finetune/pretrain/pen_fonts.py")
    parser.add_argument("--formulas", type=Path, nargs="+", default=[OWN_FORMULAS])
    arguments = parser.parse_args()
    truth: list[tuple[str, TrueRegion]] = []
    with tempfile.TemporaryDirectory() as folder:
        for page, scan in zip(*written_pages(arguments), strict=True):
            name = f"{page.seed}.png"
            cv2.imwrite(str(Path(folder) / name), scan.image)
            # A point of a picture is a pixel.
            truth += [(name, region_in_pixels(region, scan.dpi)) for region in scan.regions]
        output = Path(folder) / "out"
        seconds = run_timed(Path(folder), output)
        rows = stored_formulas(output / "docproc.db")
    row: dict[str, object] = {"pages": arguments.pages, "split": arguments.split, "seed": arguments.seed}
    row |= {"network": has_detector(by_hand=True)}
    print(json.dumps(row | count(truth, rows) | {"seconds": round(seconds["all"], 1)}))
    return 0


def region_in_pixels(region: TrueRegion, dpi: float) -> TrueRegion:
    """The region with its box in pixels."""
    box = region.box.scaled(dpi / 72)
    return TrueRegion(region.kind, box, region.latex, (box,), is_ignored=region.is_ignored)


if __name__ == "__main__":
    sys.exit(main())
