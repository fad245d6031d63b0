r"""Damaged formulas: how many are noticed, repaired, and changed wrongly.

    python -m benchmarks.damage                                      # scores benchmarks/damaged.jsonl.xz
    python -m benchmarks.damage --make --formulas FILE… [--seed 7]   # makes the file anew (needs pdflatex)

A row of the file holds the true formula, the formula after one known edit, and the glyphs that pdflatex sets for the
true one with their places, as docproc reads them from a PDF. Each is judged twice: without the glyphs, as on a scan,
and with them, as on a born-digital page.
Right is what has the truth's `match_key`; a wrong change is any other formula than the damaged
one and the true one.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.latex_forms import draw_records
from docproc.latex.canonical import canonical, match_key
from docproc.latex.judge import judge
from docproc.latex.tokens import join_tokens, split_latex
from docproc.latex.tree import LatexError, parse
from docproc.records import Status

FILE = Path(__file__).with_name("damaged.jsonl.xz")
_EACH = 36
_CONFIDENCE = 0.95
"""Of a reading whose recognizer doubts nothing: what is noticed is noticed by the LaTeX or the glyphs alone."""
# Sources under CC0, MIT, Apache 2.0 or BSD, so that the file can be shared.
_FREE = (
    "ManyBodyPhysics/LectureNotesPhysics", "CompPhysics/ComputationalPhysics2", "mhjensen/Physics321",
    "Qiskit/textbook", "MITgcm/MITgcm", "Cantera/cantera", "scipy/scipy", "AlexKontorovich/PrimeNumberTheoremAnd",
    "teorth/pfr", "fpvandoorn/carleson", "ImperialCollegeLondon/FLT", "sympy/sympy", "pyro-ppl/pyro",
    "UniMath/agda-unimath",
)  # fmt: skip
_MIN_TOKENS, _MAX_TOKENS = 8, 90
_LOOK_ALIKES = (
    ("v", r"\nu"), ("0", "O"), (r"\ell", "l"), ("w", r"\omega"), ("x", r"\times"), ("B", r"\beta"), ("1", "l"),
    (r"\alpha", "a"), (r"\rho", "p"), ("n", "\\eta"), (r"\partial", r"\delta"), (r"\sum", r"\Sigma"), ("u", r"\mu"),
    (r"\leq", "<"), ("-", "="), ("5", "s"), ("2", "z"), ("9", "g"), (r"\gamma", "y"), ("k", r"\kappa"),
)  # fmt: skip

Tokens = list[str]
Edit = Callable[[Tokens, random.Random], Tokens | None]


def _pick(tokens: Tokens, rng: random.Random, which: Callable[[str], bool]) -> int | None:
    places = [i for i, token in enumerate(tokens) if which(token)]
    return rng.choice(places) if places else None


def _dropping(*names: str, more: int = 0) -> Edit:
    def edit(tokens: Tokens, rng: random.Random) -> Tokens | None:
        at = _pick(tokens, rng, lambda t: t in names)
        return None if at is None else tokens[:at] + tokens[at + 1 + more :]

    return edit


def _adding(name: str) -> Edit:
    def edit(tokens: Tokens, rng: random.Random) -> Tokens:
        at = rng.randint(1, len(tokens))
        return [*tokens[:at], name, *tokens[at:]]

    return edit


def _drop_end(tokens: Tokens, rng: random.Random) -> Tokens | None:
    at = _pick(tokens, rng, lambda t: t.startswith(r"\end{"))
    return None if at is None else tokens[:at] + tokens[at + 1 :]


def _rename_end(tokens: Tokens, rng: random.Random) -> Tokens | None:
    at = _pick(tokens, rng, lambda t: t.startswith(r"\end{"))
    if at is None:
        return None
    others = [name for name in ("array", "aligned", "matrix", "cases") if name not in tokens[at]]
    return [*tokens[:at], f"\\end{{{rng.choice(others)}}}", *tokens[at + 1 :]]


def _lose_environment(tokens: Tokens, _: random.Random) -> Tokens | None:
    if tokens[0] == r"\begin{aligned}" and tokens[-1] == r"\end{aligned}":
        return tokens[1:-1]
    return None


def _flat_script(tokens: Tokens, rng: random.Random) -> tuple[int, int] | None:
    """Where a script mark stands and where its group, which holds no other, ends."""
    at = _pick(tokens, rng, lambda t: t in ("_", "^"))
    if at is None or tokens[at + 1 : at + 2] != ["{"]:
        return None
    end = tokens.index("}", at)
    return (at, end) if tokens[at:end].count("{") == 1 else None


def _double_script(tokens: Tokens, rng: random.Random) -> Tokens | None:
    place = _flat_script(tokens, rng)
    return place and tokens[: place[1] + 1] + tokens[place[0] : place[1] + 1] + tokens[place[1] + 1 :]


def _lose_script(tokens: Tokens, rng: random.Random) -> Tokens | None:
    place = _flat_script(tokens, rng)
    return place and tokens[: place[0] + 1] + tokens[place[1] + 1 :]


def _cut(tokens: Tokens, rng: random.Random) -> Tokens:
    return tokens[: rng.randint(len(tokens) // 2, len(tokens) - 1)]


def _repeat_end(tokens: Tokens, rng: random.Random) -> Tokens:
    unit = rng.randint(2, min(8, len(tokens)))
    return tokens + tokens[-unit:] * rng.randint(5, 12)


def _wrap(tokens: Tokens, rng: random.Random) -> Tokens:
    left, right = rng.choice([("$", "$"), ("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("```latex\n", "\n```")])
    return [left, *tokens, right]


def _misspell(tokens: Tokens, rng: random.Random) -> Tokens | None:
    at = _pick(tokens, rng, lambda t: t[0] == "\\" and len(t) > 4 and t[1:].isalpha())
    if at is None:
        return None
    name, swap = tokens[at], rng.randint(2, len(tokens[at]) - 2)
    return [*tokens[:at], name[:swap] + name[swap + 1] + name[swap] + name[swap + 2 :], *tokens[at + 1 :]]


def _confuse(tokens: Tokens, rng: random.Random) -> Tokens | None:
    pairs = dict([*_LOOK_ALIKES, *((b, a) for a, b in _LOOK_ALIKES)])
    at = _pick(tokens, rng, lambda t: t in pairs)
    return None if at is None else [*tokens[:at], pairs[tokens[at]], *tokens[at + 1 :]]


def _is_letter(token: str) -> bool:
    return token.isalnum()


def _lose_symbol(tokens: Tokens, rng: random.Random) -> Tokens | None:
    at = _pick(tokens, rng, _is_letter)
    return None if at is None else tokens[:at] + tokens[at + 1 :]


def _double_symbol(tokens: Tokens, rng: random.Random) -> Tokens | None:
    at = _pick(tokens, rng, _is_letter)
    return None if at is None else [*tokens[: at + 1], *tokens[at:]]


def _swap(tokens: Tokens, rng: random.Random) -> Tokens | None:
    places = [i for i in range(len(tokens) - 1) if _is_letter(tokens[i]) and _is_letter(tokens[i + 1])]
    if not places:
        return None
    at = rng.choice(places)
    return [*tokens[:at], tokens[at + 1], tokens[at], *tokens[at + 2 :]]


def _turn_script(tokens: Tokens, rng: random.Random) -> Tokens | None:
    at = _pick(tokens, rng, lambda t: t in ("_", "^"))
    return None if at is None else [*tokens[:at], "^" if tokens[at] == "_" else "_", *tokens[at + 1 :]]


BREAKING: dict[str, Edit] = {
    "brace dropped": _dropping("{", "}"), "closing brace added": _adding("}"), "opening brace added": _adding("{"),
    r"\left dropped": _dropping(r"\left"), r"\right dropped": _dropping(r"\right"),
    r"\right and its delimiter dropped": _dropping(r"\right", more=1), r"\end dropped": _drop_end,
    r"\end renamed": _rename_end, "environment dropped": _lose_environment, "& added": _adding("&"),
    r"\\ added": _adding("\\\\"), "script doubled": _double_script, "script lost": _lose_script, "cut off": _cut,
    "end repeated": _repeat_end, "wrapped": _wrap, "command misspelt": _misspell,
}  # fmt: skip
SILENT: dict[str, Edit] = {
    "look-alike": _confuse, "symbol dropped": _lose_symbol, "symbol doubled": _double_symbol,
    "neighbors swapped": _swap, "script turned": _turn_script, "bracket dropped": _dropping("(", ")"),
}  # fmt: skip


def damage(latex: str, name: str, rng: random.Random) -> str | None:
    """The formula after one edit; None where that has no place, or changes nothing that shows."""
    edited = (BREAKING | SILENT)[name](split_latex(latex), rng)
    if not edited:
        return None
    damaged = join_tokens(edited)
    try:
        parse(damaged)
    except LatexError:
        return damaged if name in BREAKING else None
    return damaged if match_key(damaged) != match_key(latex) else None


def make_rows(files: list[Path], seed: int) -> list[dict[str, object]]:
    """Draw formulas of free sources, damage and typeset them."""
    rng = random.Random(seed)
    records = [r for r in draw_records(files, None, seed) if r["source"] in _FREE]
    rows: list[dict[str, object]] = []
    for name in BREAKING | SILENT:
        made = 0
        for record in rng.sample(records, len(records)):
            latex = canonical(record["latex"])
            tokens = split_latex(latex)
            if not _MIN_TOKENS <= len(tokens) <= _MAX_TOKENS or not latex.isascii() or join_tokens(tokens) != latex:
                continue
            damaged = damage(latex, name, rng)
            if damaged is not None:
                rows.append({"edit": name, "latex": latex, "damaged": damaged, "source": record["source"]})
                made += 1
            if made == _EACH:
                break
    return [row | glyphs for row, glyphs in zip(rows, read_glyphs(rows), strict=True) if glyphs]


def read_glyphs(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """What docproc reads from the glyphs of each true formula, lengths in tenths of a point; empty where TeX fails."""
    import pymupdf

    from docproc.font_statistics import gather_font_statistics
    from docproc.glyph_latex import describe_glyphs
    from docproc.page_marks import make_marks
    from docproc.render_match import typeset_pdf
    from docproc.text_layer import read_text_layer

    pdf, pages = typeset_pdf([str(row["latex"]) for row in rows])
    found: list[dict[str, object]] = [{}] * len(rows)
    with pymupdf.open("pdf", pdf) as document:
        statistics = gather_font_statistics(document, range(1, len(document) + 1))
        for page, index in zip(document, pages, strict=True):
            if index is not None:
                marks = sorted(make_marks(read_text_layer(page).glyphs, statistics), key=lambda mark: mark.x0)
                boxes = [(m.ink.x0, m.ink.y0, m.ink.x1, m.ink.y1, m.size) for m in marks]
                places = [[round(10 * length) for length in box] for box in boxes]
                found[index] = {"glyphs": describe_glyphs(marks), "boxes": places}
    return found


def score(rows: list[dict[str, object]], *, with_glyphs: bool) -> dict[str, Counter[str]]:
    """Outcomes by edit."""
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        damaged, truth = str(row["damaged"]), match_key(str(row["latex"]))
        glyphs = tuple(row["glyphs"]) if with_glyphs else ()  # type: ignore[arg-type]
        boxes = tuple(map(tuple, row["boxes"])) if with_glyphs else None  # type: ignore[call-overload]
        verdict = judge(damaged, "end", _CONFIDENCE, glyphs, boxes)
        key, counts = match_key(verdict.latex), outcomes[str(row["edit"])]
        counts["rows"] += 1
        counts["noticed"] += bool(verdict.repairs) or verdict.status not in (Status.OK, Status.VERIFIED)
        counts["right"] += key == truth
        counts["wrong"] += key not in (truth, match_key(damaged))
        counts["verified"] += verdict.status is Status.VERIFIED and key != truth
        sound = judge(str(row["latex"]), "end", _CONFIDENCE, glyphs, boxes)
        counts["false alarm"] += sound.status not in (Status.OK, Status.VERIFIED)
        counts["spoiled"] += match_key(sound.latex) != truth
    return outcomes


def table(outcomes: dict[str, Counter[str]]) -> str:
    """Rows of Markdown, with sums of the two groups."""
    lines = ["| edit | formulas | noticed | repaired right | changed wrongly | wrong, yet verified |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for title, names in (("breaks the syntax", BREAKING), ("leaves valid LaTeX", SILENT)):
        group = {name: outcomes[name] for name in names if name in outcomes}
        for name, c in [*group.items(), (f"**all: {title}**", sum(group.values(), Counter()))]:
            n = c["rows"]
            shares = (f"{c[key] / n:.1%}" for key in ("noticed", "right", "wrong"))
            lines.append(f"| {name} | {n} | {' | '.join(shares)} | {c['verified']} |")
    every = sum(outcomes.values(), Counter())
    lines.append(f"\nundamaged: {every['false alarm'] / every['rows']:.1%} called doubtful, {every['spoiled']} changed")
    return "\n".join(lines)


def read_damaged() -> list[dict[str, Any]]:
    """Rows of the file."""
    return [json.loads(line) for line in lzma.decompress(FILE.read_bytes()).splitlines()]


def main() -> int:
    """Score the file, or make it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--formulas", type=Path, nargs="+", default=[])
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.make:
        made = make_rows(arguments.formulas, arguments.seed)
        FILE.write_bytes(lzma.compress("".join(json.dumps(row) + "\n" for row in made).encode()))
    rows = read_damaged()
    for with_glyphs in (False, True):
        print(f"{'with' if with_glyphs else 'without'} the glyphs of the page\n")
        print(table(score(rows, with_glyphs=with_glyphs)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
