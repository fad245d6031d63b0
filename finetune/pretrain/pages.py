"""Full pages with exact truth: whole documents typeset from formulas of a corpus and generated prose.

    python -m finetune.pretrain.pages --formulas FILE… --out DIR --count 20 --seed 1 --split dev

Born-digital pages come as PDF with the ink box of every formula; page_scans.py turns them into pages that look
scanned, with the boxes moved along.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from finetune.pretrain.page_families import Recipe, draw_recipe
from finetune.pretrain.page_formulas import FormulaPool, SourceFormula, load_formulas
from finetune.pretrain.page_tex import write_source
from finetune.pretrain.page_truth import TrueRegion, read_truth
from finetune.pretrain.prose_source import ProseSource

_TEX_SECONDS = 120
_NO_CAPITAL = re.compile(r"[a-z0-9] in font ")
_LOST = re.compile(r"^Missing character: There is no (.+?)[!:]?$", re.MULTILINE)
# newtx wants hexadecimal digits from a file of plain TeX that small installations lack: the same two macros.
BINHEX = r"""\def\hex#1{\ifcase#1 0\or1\or2\or3\or4\or5\or6\or7\or8\or9\or A\or B\or C\or D\or E\or F\fi}
\def\nhex#1#2{\ifnum#2>15 \expandafter\hex\expandafter{\number\numexpr(#2-8)/16\relax}\fi
\expandafter\hex\expandafter{\number\numexpr#2-16*((#2-8)/16)\relax}}
"""


@dataclass(frozen=True, slots=True)
class TruePage:
    """One typeset page and its formulas."""

    pdf: bytes = field(repr=False, compare=False)
    """The whole document that the page is of; its pages share one object."""
    number: int
    """In the document, from 1."""
    width_pt: float
    height_pt: float
    regions: tuple[TrueRegion, ...]
    recipe: str
    """Class, fonts, size and columns."""
    seed: int
    """Of the document."""
    lost_characters: frozenset[str] = frozenset()
    """Characters of the document that its fonts lack (TeX's words): formulas with them print less than they say."""

    @property
    def prints_all(self) -> bool:
        """Whether its formulas print what they say, but for small letters in alphabets of capitals."""
        return all(map(_NO_CAPITAL.match, self.lost_characters))


def make_pages(
    formulas: Sequence[SourceFormula],
    count: int,
    seed: int,
    *,
    split: str = "dev",
    has_formulas: bool = True,
    pages_per_document: int = 8,
) -> Iterator[TruePage]:
    """Typeset pages, document by document.

    Args:
        formulas: Those of the split (see load_formulas); `split` chooses classes, fonts and words here.
        count: Pages wanted.
        seed: Equal arguments give equal pages on one TeX installation; documents use `seed * 100,000`, `+ 1`, ….
        split: `dev` or `test`.
        has_formulas: False gives prose, code, tables and references without any formula.
        pages_per_document: About how long a document is.

    Yields:
        Pages in order; documents that TeX could not set are passed over.

    Raises:
        RuntimeError: TeX failed on 20 documents in a row.
    """
    made = failed = 0
    document_seed = seed * 100_000
    while made < count:
        pages = make_document(formulas, document_seed, split=split, has_formulas=has_formulas, pages=pages_per_document)
        document_seed += 1
        failed = 0 if pages else failed + 1
        if failed == 20:
            raise RuntimeError(
                "TeX failed on 20 documents in a row: try one by hand, see finetune/pretrain/page_tex.py"
            )
        for page in pages[: count - made]:
            made += 1
            yield page


def make_document(
    formulas: Sequence[SourceFormula], seed: int, *, split: str = "dev", has_formulas: bool = True, pages: int = 8
) -> list[TruePage]:
    """Typeset one document.

    Args:
        formulas: Those of the split.
        seed: Everything follows from it.
        split: `dev` or `test`.
        has_formulas: Whether the document has any.
        pages: About how many pages.

    Returns:
        All its pages; empty if TeX reported an error, since the page may then lie about its formulas.
    """
    recipe = draw_recipe(seed, split)
    source = write_source(recipe, ProseSource(seed, split), FormulaPool(formulas, seed), seed, pages, has_formulas)
    pdf, log = run_tex(recipe, source.tex)
    if pdf is None:
        return []
    clean, regions = read_truth(pdf, source.formulas)
    return _pages_of(clean, regions, recipe, seed, frozenset(_LOST.findall(log)))


def _pages_of(
    pdf: bytes, regions: list[tuple[TrueRegion, ...]], recipe: Recipe, seed: int, lost: frozenset[str]
) -> list[TruePage]:
    import pymupdf

    with pymupdf.open("pdf", pdf) as document:
        sizes = [(page.rect.width, page.rect.height) for page in document]
    return [
        TruePage(pdf, number, width, height, found, recipe.name, seed, lost)
        for number, ((width, height), found) in enumerate(zip(sizes, regions, strict=True), start=1)
    ]


def run_tex(recipe: Recipe, tex: str) -> tuple[bytes | None, str]:
    """The document's PDF, or None if there was an error, and TeX's log."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "page.tex").write_text(tex, encoding="utf-8")
        (folder / "binhex.tex").write_text(BINHEX, encoding="ascii")
        command = [recipe.family.engine, "-no-shell-escape", "-interaction=batchmode", "page.tex"]
        try:
            subprocess.run(
                command,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_TEX_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, ""
        log, pdf = folder / "page.log", folder / "page.pdf"
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return (None if not pdf.exists() or "\n! " in text else pdf.read_bytes()), text


def main() -> None:
    """Write pages and their truth to a folder, for a look at them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formulas", type=Path, nargs="+", required=True, help="JSON Lines with latex, kind, source")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=("dev", "test", "test-unicode"), default="dev")
    parser.add_argument("--no-formulas", action="store_true", help="prose, code, tables and references only")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    formulas = load_formulas(arguments.formulas, arguments.split)
    pages = make_pages(
        formulas, arguments.count, arguments.seed, split=arguments.split, has_formulas=not arguments.no_formulas
    )
    with (arguments.out / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for page in pages:
            (arguments.out / f"{page.seed}.pdf").write_bytes(page.pdf)
            row = {"file": f"{page.seed}.pdf", "page": page.number, "recipe": page.recipe}
            truth.write(json.dumps(row | {"regions": [asdict(region) for region in page.regions]}) + "\n")


if __name__ == "__main__":
    main()
