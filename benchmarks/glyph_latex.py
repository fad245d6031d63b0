"""How often the LaTeX that is written straight from the glyphs of inline formulas is exactly right.

    python -m benchmarks.glyph_latex --pages 60 --split test --formulas FILE… [--errors FILE]

Pages as in benchmarks.regions. Exactly right means the same formula in any spelling (`match_key`), compared with the
source that the page was typeset from; formulas that no page could tell from prose (`$3$`) are left out, and documents
whose fonts lack characters: their formulas print less than the source says.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from docproc.latex.canonical import match_key
from docproc.records import Region
from finetune.pretrain.page_formulas import load_formulas
from finetune.pretrain.page_truth import TrueRegion
from finetune.pretrain.pages import TruePage, make_pages

OWN_FORMULAS = Path(__file__).parents[1] / "samples" / "formulas" / "formulas.jsonl"
_SAME_BOX = 0.9
"""A found box that overlaps a true one by less is a fault of finding, not of reading."""
_PAD_PT = 1.0
_END = re.compile(r"(?:\\[,;:!> ]|~|[\s.,;])+$")


def compare_page(truth: Sequence[TrueRegion], found: Sequence[Region]) -> Iterator[tuple[TrueRegion, str | None]]:
    """Each unbroken true inline formula that was found, with what its glyphs were read as."""
    broken = {region.continues for region in truth if region.continues is not None}
    for index, true in enumerate(truth):
        if true.kind != "inline" or true.is_ignored or true.continues is not None or index in broken:
            continue
        boxes = [box.padded(_PAD_PT) for box in (true.box, *true.also)]
        overlaps = [
            (max(box.iou(region.box.padded(_PAD_PT)) for box in boxes), region)
            for region in found
            if region.kind == "inline"
        ]
        overlap, region = max(overlaps, key=lambda pair: pair[0], default=(0.0, None))
        if region is not None and overlap >= _SAME_BOX:
            yield true, region.glyph_latex


def is_right(latex: str, truth: str) -> bool:
    """Whether two formulas are the same in any spelling; spaces, a comma or a stop at the source's end are left out."""
    bare = _END.sub("", truth)
    return match_key(latex) in (match_key(truth), match_key(bare))


def find_regions(pages: Sequence[TruePage]) -> Iterator[list[Region]]:
    """Docproc's regions of each page, from glyphs alone."""
    import pymupdf

    from docproc.born_digital import find_in_text_layer
    from docproc.font_statistics import gather_font_statistics
    from docproc.options import RegionOptions
    from docproc.text_layer import read_text_layer

    last, document, statistics = None, pymupdf.open(), None
    for page in pages:
        if page.seed != last:
            document, last = pymupdf.open("pdf", page.pdf), page.seed
            statistics = gather_font_statistics(document, range(1, len(document) + 1))
        layer = read_text_layer(document[page.number - 1])
        yield find_in_text_layer(layer, page.width_pt, page.height_pt, statistics, RegionOptions())


def main() -> int:
    """Typeset the pages, read their inline formulas, print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--split", choices=("dev", "test", "test-unicode"), default="dev")
    parser.add_argument("--formulas", type=Path, nargs="+", default=[OWN_FORMULAS], help="JSON Lines of formulas")
    parser.add_argument("--errors", type=Path, help="write wrong ones here, JSON Lines")
    arguments = parser.parse_args()
    formulas = load_formulas(arguments.formulas, arguments.split)
    pages = list(make_pages(formulas, arguments.pages, arguments.seed, split=arguments.split, pages_per_document=4))
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for page, found in zip(pages, find_regions(pages), strict=True):
        if not page.prints_all:
            counts["left out"] += 1
            continue
        for true, latex in compare_page(page.regions, found):
            counts["found"] += 1
            if latex is None:
                continue
            counts["written"] += 1
            if is_right(latex, true.latex):
                counts["right"] += 1
            else:
                row = {"recipe": page.recipe, "document": page.seed, "page": page.number}
                wrong.append(json.dumps(row | {"written": latex, "truth": true.latex}, ensure_ascii=False) + "\n")
    if arguments.errors is not None:
        arguments.errors.write_text("".join(wrong), encoding="utf-8")
    found, written, right = counts["found"], counts["written"], counts["right"]
    print(
        f"split {arguments.split}, seed {arguments.seed}, {len(pages) - counts['left out']} pages "
        f"({counts['left out']} left out whose fonts lack characters): of {found} unbroken inline formulas "
        f"{written} ({written / max(1, found):.1%}) written from their glyphs, {right} of them "
        f"({right / max(1, written):.1%}) exactly right"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
