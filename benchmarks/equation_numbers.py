"""How often hints at equation numbers out of sequence are right, on documents whose numbers are known.

    python -m benchmarks.equation_numbers --documents 30 --seed 5 --formulas FILE…

Documents as in benchmarks.regions. The true numbers must give no hint; a hint at the numbers as found is right if the
found numbers of its document are not the true ones.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from benchmarks.glyph_latex import OWN_FORMULAS, find_regions
from docproc.number_sequence import find_breaks
from docproc.references import split_numbers
from finetune.pretrain.page_formulas import load_formulas
from finetune.pretrain.pages import make_document


def main() -> int:
    """Typeset the documents, find their numbers, count the hints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=30)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--formulas", type=Path, nargs="+", default=[OWN_FORMULAS], help="JSON Lines of formulas")
    arguments = parser.parse_args()
    formulas = load_formulas(arguments.formulas, arguments.split)
    counts: Counter[str] = Counter()
    seed = arguments.seed * 100_000
    while counts["documents"] < arguments.documents:
        pages = make_document(formulas, seed, split=arguments.split, pages=6)
        seed += 1
        if not pages:
            continue
        true = [(page.number, number) for page in pages for region in page.regions
                for number, _ in region.equation_numbers]  # fmt: skip
        found = [(page.number, number) for page, regions in zip(pages, find_regions(pages), strict=True)
                 for region in regions for number in split_numbers(region.equation_number or "")]  # fmt: skip
        wrong = sum(((Counter(n for _, n in true) - Counter(n for _, n in found))
                     + (Counter(n for _, n in found) - Counter(n for _, n in true))).values())  # fmt: skip
        numbers = [page.number for page in pages]
        hints = find_breaks(found, numbers)
        false = find_breaks(true, numbers)
        counts += Counter({
            "documents": 1, "numbers": len(true), "hints at true numbers": len(false), "hints": len(hints),
            "hints at right numbers": len(hints) if found == true else 0, "with lost or wrong numbers": wrong > 0,
            "of them with a hint": wrong > 0 and len(hints) > 0,
        })  # fmt: skip
        for page, words in [*false, *(hints if found == true else [])]:
            print(f"  {pages[0].recipe} {pages[0].seed}, page {page}: {words}")
    print(", ".join(f"{name} {counts[name]}" for name in (
        "documents", "numbers", "hints at true numbers", "with lost or wrong numbers", "of them with a hint", "hints",
        "hints at right numbers")))  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
