r"""Whether `canonical()` keeps the picture, and what the parser and the MathML make of real formulas.

    python -m benchmarks.latex_forms --count 20000 --formulas FILE… [--pictures 20000] [--failures FILE]

Every formula is parsed, respelled twice, checked and timed; source and respelling are typeset by pdflatex in display
style and compared pixel by pixel. Formulas that TeX cannot set inside a formula (`align*` with `\tag`, comments,
programming) are counted apart; a respelling that fails where its source does not is a difference.

Milliseconds are of processor time, of one call each, a function at a time (with the caches of the processor full of
other work, as after `check`, all take up to twice as long). A call over 1 ms is made again, three times at most, and
the least counts: a collection of all the garbage of the process, or another process on the core, takes as long.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from docproc.latex.canonical import canonical, match_key
from docproc.latex.check import check
from docproc.latex.chemistry import chemistry_as_mathematics
from docproc.latex.tree import LatexError, parse
from docproc.render_match import has_tex, render_latex

OWN_FORMULAS = Path(__file__).parents[1] / "samples" / "formulas" / "formulas.jsonl"
_DPI = 150
_CHUNK = 1000
_LIMIT_MS = 1.0
_CALLS = 3


def draw_records(files: Sequence[Path], count: int | None, seed: int) -> list[dict[str, str]]:
    """A seeded sample (None: all of them, shuffled) of the records of JSON Lines files, blanks of LaTeX collapsed."""
    lines: list[str] = []
    for path in files:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
            lines.extend(file)
    drawn = random.Random(seed).sample(lines, min(count or len(lines), len(lines)))
    records = [json.loads(line) for line in drawn]
    return [record | {"latex": " ".join(record["latex"].split())} for record in records]


def time_call(function: Callable[[str], object], latex: str) -> float:
    """Milliseconds of a call, least of up to three while over the limit."""
    least = float("inf")
    for _ in range(_CALLS):
        chemistry_as_mathematics.cache_clear()
        begun = time.thread_time()
        function(latex)
        least = min(least, 1000 * (time.thread_time() - begun))
        if least <= _LIMIT_MS:
            break
    return least


def check_forms(formulas: Sequence[str]) -> tuple[Counter[str], list[tuple[str, str]]]:
    """Counts by outcome, and the failures as (kind, LaTeX)."""
    counts: Counter[str] = Counter()
    failures: list[tuple[str, str]] = []

    def note(kind: str, latex: str) -> None:
        counts[kind] += 1
        failures.append((kind, latex))

    for latex in formulas:
        try:
            parse(latex)
        except LatexError:
            note("not parsed", latex)
        once = canonical(latex)
        counts["respelled"] += once != latex
        if canonical(once) != once:
            note("not idempotent", latex)
        if match_key(once) != match_key(latex):
            note("other match key", latex)
        checked = check(once)
        if not checked.is_valid:
            note("called invalid", latex)
            continue
        try:
            root = ET.fromstring(checked.mathml)
        except ET.ParseError:
            note("MathML not well-formed", latex)
            continue
        counts["MathML"] += 1
        counts["MathML as text"] += len(root) == 1 and root[0].tag.endswith("mtext") and "\\" in (root[0].text or "")
    return counts, failures


def compare_pictures(formulas: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Outcome of each formula whose spelling changes: `equal`, `differs` or `source not typeset`."""
    pairs = [(latex, once) for latex, once in ((latex, canonical(latex)) for latex in formulas) if latex != once]
    for start in range(0, len(pairs), _CHUNK // 2):
        part = pairs[start : start + _CHUNK // 2]
        pictures = render_latex(sorted({latex for pair in part for latex in pair}), dpi=_DPI)
        for latex, once in part:
            one, other = pictures.get(latex), pictures.get(once)
            if one is None:
                yield "source not typeset", latex
            elif other is None or not np.array_equal(one, other):
                yield "differs", latex
            else:
                yield "equal", latex


def main() -> int:
    """Draw the formulas, check them, print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formulas", type=Path, nargs="+", default=[OWN_FORMULAS], help="JSON Lines with `latex`")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--pictures", type=int, help="compare the pictures of as many of them (all; 0: none)")
    parser.add_argument("--failures", type=Path, help="write failures here, JSON Lines")
    arguments = parser.parse_args()
    formulas = [r["latex"] for r in draw_records(arguments.formulas, arguments.count, arguments.seed)]
    check("x")  # loads KaTeX
    counts, failures = check_forms(formulas)
    total = len(formulas)
    parsed, valid = total - counts["not parsed"], total - counts["called invalid"]
    print(f"{total} formulas, seed {arguments.seed}")
    print(f"parsed: {parsed} ({parsed / total:.2%}); called valid: {valid} ({valid / total:.2%})")
    print(f"canonical() idempotent: {total - counts['not idempotent']} ({1 - counts['not idempotent'] / total:.2%}); "
          f"same match key: {total - counts['other match key']}")
    for function in (canonical, match_key, check):
        taken = [time_call(function, latex) for latex in formulas]
        print(f"{function.__name__}(): mean {np.mean(taken):.3f} ms, median {np.median(taken):.3f}, "
              f"99 % {np.quantile(taken, 0.99):.2f}, longest {max(taken):.2f} of processor time; "
              f"{np.count_nonzero(np.array(taken) > _LIMIT_MS)} take over {_LIMIT_MS:g} ms")
    print(f"MathML well-formed: {counts['MathML']} of {valid}; {counts['MathML as text']} of them LaTeX as text")
    compared = formulas[: arguments.pictures]
    if compared and has_tex():
        outcomes: Counter[str] = Counter()
        for outcome, latex in compare_pictures(compared):
            outcomes[outcome] += 1
            if outcome == "differs":
                failures.append((outcome, latex))
        print(f"respelled: {counts['respelled']}; pictures of the first {len(compared)}: equal to the pixel at {_DPI} "
              f"dpi {outcomes['equal']}, different {outcomes['differs']}, source not typeset "
              f"{outcomes['source not typeset']}")
    if arguments.failures is not None:
        rows = (json.dumps({"failure": kind, "latex": latex}, ensure_ascii=False) + "\n" for kind, latex in failures)
        arguments.failures.write_text("".join(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
