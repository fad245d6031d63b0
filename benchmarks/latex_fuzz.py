"""Anything at all against the LaTeX functions: none may raise, and each must answer in time.

    python -m benchmarks.latex_fuzz --seconds 60 [--seed 7]

Random bytes, random Unicode with lone surrogates, soups of LaTeX tokens, shuffled formulas, and hostile giants (1 MB of
braces, 10,000 nested groups, endless macros). Seconds are of processor time, one call each.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from docproc.latex.canonical import canonical, match_key, recognition_target
from docproc.latex.check import check
from docproc.latex.commands import ENVIRONMENTS, KNOWN
from docproc.latex.hints import find_hints
from docproc.latex.layout import lay_out
from docproc.latex.repair import repair
from docproc.latex.speech import speak

LIMIT_SECONDS = 0.1
FUNCTIONS: tuple[Callable[[str], Any], ...] = (
    canonical, match_key, recognition_target, check, find_hints, repair, lay_out, speak,
)  # fmt: skip
GIANTS = (
    "{" * 1_000_000, "{}" * 500_000, "}" * 1_000_000, "{" * 10_000 + "x" + "}" * 10_000, r"\frac" * 200_000,
    r"\sqrt{" * 10_000 + "}" * 10_000, "x^" * 50_000, "^" * 100_000, r"\left(" * 50_000, "&" * 100_000, "\\" * 999_999,
    r"\begin{matrix}" * 20_000, r"\def\a{\a\a}\a", "$" * 100_000, "\x00" * 100_000, "\ud800" * 1000, "a" * 9_999,
    "x_{" * 49 + "}" * 49, r"\begin{aligned}" + "&" * 4_000 + r"\end{aligned}", "{" * 5_000, r"\hat" * 3_000 + "x",
    r"\text{" * 3_000, r"\ce{" + "A" * 5_000 + "}", "x" * 3_990, "(" * 9_000, "1+" * 4_900, r"\frac{" * 1_600,
)  # fmt: skip


def inputs(seed: int) -> Iterator[str]:
    """The giants, then random texts without end."""
    yield from GIANTS
    rng = random.Random(seed)
    soup = [*sorted(KNOWN), *(f"\\begin{{{e}}}" for e in ENVIRONMENTS), *(f"\\end{{{e}}}" for e in ENVIRONMENTS)]
    soup += [*"{}[]^_&$%#~'()|", "\\\\", r"\left", r"\right"] * 30
    while True:
        length = rng.choice((5, 20, 60, 200))
        kind = rng.randrange(4)
        if kind == 0:
            yield rng.randbytes(length).decode("latin-1")
        elif kind == 1:
            yield "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0x110000)))) for _ in range(length))
        elif kind == 2:
            yield rng.choice(("", " ")).join(rng.choices(soup, k=length))
        else:
            tokens = rng.choices(soup, k=3) + list(r"\frac{a}{b}+x^{2}_{i}")
            yield "".join(rng.sample(tokens, len(tokens)))


def main() -> int:
    """Feed the functions until the time is over; 1 if any raised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    check("x")  # loads KaTeX
    slowest = {function.__name__: (0.0, "") for function in FUNCTIONS}
    over = dict.fromkeys(slowest, 0)
    raised: list[str] = []
    count, end = 0, time.monotonic() + arguments.seconds
    for text in inputs(arguments.seed):
        if time.monotonic() > end:
            break
        count += 1
        for function in FUNCTIONS:
            begun = time.thread_time()
            try:
                function(text)
            except Exception as error:  # a benchmark of exactly this: any exception counts
                raised.append(f"{function.__name__}({text[:60]!r}): {type(error).__name__}: {error}")
            took = time.thread_time() - begun
            over[function.__name__] += took > LIMIT_SECONDS
            slowest[function.__name__] = max(slowest[function.__name__], (took, text[:40]))
    print(f"{count} texts, seed {arguments.seed}, {len(raised)} exceptions")
    for name, (took, text) in slowest.items():
        print(f"{name}: slowest {1000 * took:.0f} ms ({text!r}…), {over[name]} over {1000 * LIMIT_SECONDS:.0f} ms")
    print("\n".join(raised[:20]))
    return int(bool(raised))


if __name__ == "__main__":
    raise SystemExit(main())
