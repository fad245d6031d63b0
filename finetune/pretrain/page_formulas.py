"""Formulas for typeset pages: which are drawn how often, and which of them no finder could tell from prose."""

from __future__ import annotations

import json
import lzma
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.pretrain.sources import hashed_share, held_out_names

# Commands that belong to a display environment of their own or reach outside the formula.
_UNUSABLE = re.compile(
    r"\\(?:tag|label|intertext|shortintertext|hline|cline|multicolumn|color|textcolor|hspace|vspace|rule|footnote|xymatrix|"
    r"includegraphics|newline|par|rlap|llap|raisebox)(?![a-zA-Z])|"
    r"\\begin\{(?:align|gather|multline|eqnarray|flalign|alignat|equation|tikzpicture|tikzcd)\*?\}"
)
OWN_SOURCE = "docproc"
"""Formulas of samples/, written for this project: enough to try things without a corpus, in both splits."""
_CELL_TOKENS = re.compile(r"\\begin\{[a-zA-Z*]+\}|\\end\{[a-zA-Z*]+\}|\\left\b|\\right\b|\\\\\*?|\\.|[\s\S]")
_SENTENCE = re.compile(r"(?<![\\a-zA-Z])[a-z]{3,} [a-z]{3,}(?![a-zA-Z])")
"""Two words without a command: prose that a source's stray dollar turned into mathematics."""
_LETTERS = "abcdefghijklmnpqrstuvwxyz"
_GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "varepsilon",
    "zeta",
    "eta",
    "theta",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "varphi",
    "chi",
    "psi",
    "omega",
]
_CAPITALS = "ABCDEFGHKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class SourceFormula:
    """A formula of the corpus."""

    latex: str
    kind: str
    """`inline` or `display`."""
    source: str


def load_formulas(paths: Sequence[Path], split: str) -> list[SourceFormula]:
    r"""Read formulas of one split from JSON Lines files (`.xz` or plain) with the keys latex, kind and source.

    Args:
        paths: Files; `\begin{align*}` records and others that cannot stand inside a formula are left out.
        split: `test` takes the held-out sources only, `dev` all others; stacks-project is sampled down to a tenth.

    Returns:
        The formulas in the files' order.

    Raises:
        OSError: A file cannot be read.
        ValueError: A line is not a JSON object with these keys.
    """
    held_out = held_out_names()
    formulas = []
    for path in paths:
        for number, line in enumerate(_read_lines(path)):
            try:
                row = json.loads(line)
                formula = SourceFormula(row["latex"], row["kind"], row["source"])
            except (json.JSONDecodeError, KeyError) as error:
                raise ValueError(f"{path}, line {number + 1}: not a formula record ({error})") from error
            is_held_out = hashed_share(formula.latex) < held_out.get(formula.source, 0.0)
            if formula.source != OWN_SOURCE and is_held_out != split.startswith("test"):
                continue
            if formula.source == "stacks/stacks-project" and number % 10:
                continue
            if not _UNUSABLE.search(formula.latex) and _is_balanced(formula):
                formulas.append(formula)
    return formulas


class FormulaPool:
    """Draws inline and display formulas the way that documents use them."""

    def __init__(self, formulas: Sequence[SourceFormula], seed: int) -> None:
        """Sort the formulas by kind.

        Args:
            formulas: At least one display formula; inline formulas may be missing.
            seed: Everything drawn follows from it.

        Raises:
            ValueError: There is no display formula.
        """
        self._random = random.Random(f"pool {seed}")
        self._inline = [f for f in formulas if f.kind == "inline" and len(f.latex) <= 110]
        self._display = [f for f in formulas if f.kind == "display" and len(f.latex) >= 6]
        self._rows = [f for f in self._display if f.latex.startswith((r"\begin{aligned}", r"\begin{gathered}"))]
        if not self._display:
            raise ValueError("no display formulas to typeset")

    def inline(self) -> str:
        """An inline formula.

        A corpus without duplicates holds each single letter once, while four in ten formulas of a real page are a
        letter or little more (62 % of 5,167 decodable from single glyphs, design/detection.md): those are made here.
        """
        if not self._inline or self._random.random() < 0.4:
            return self.simple()
        # Two draws, the shorter one kept twice in three times: the corpus' long tail is rarer on pages.
        pair = sorted((self._random.choice(self._inline).latex for _ in range(2)), key=len)
        return _without_end_mark(pair[0 if self._random.random() < 0.66 else 1])

    def display(self) -> str:
        """A display formula, now and then one of several rows."""
        if self._rows and self._random.random() < 0.22:
            return self._random.choice(self._rows).latex
        return self._random.choice(self._display).latex

    def simple(self) -> str:
        """A letter, an indexed letter, a short relation: what fills most of a page of mathematics."""
        pick = self._random.choice
        a, b = pick(_LETTERS), pick(_LETTERS)
        greek, capital, digit = "\\" + pick(_GREEK), pick(_CAPITALS), str(self._random.randint(0, 9))
        return pick(
            (
                a,
                a,
                a,
                a,
                greek,
                greek,
                capital,
                capital,
                f"{a}_{b}",
                f"{a}_{digit}",
                f"{a}^{digit}",
                f"{a}+1",
                f"{a}-1",
                f"{capital}_{a}",
                f"{a}({b})",
                f"{a} = {digit}",
                f"{greek} > 0",
                f"{a} \\in {capital}",
                f"{a} \\le {b}",
                f"{greek}_{a}",
                f"{a}'",
                f"\\{pick(('hat', 'bar', 'tilde', 'vec'))}{{{a}}}",
                f"\\mathbb{{{pick('CNQRZ')}}}",
                f"\\mathcal{{{capital}}}",
                f"{capital} \\to {pick(_CAPITALS)}",
                f"2{a}",
                f"{a}, {b}",
                f"-{a}",
                f"\\Delta {a}",
                f"d{a}",
                f"{a} \\ne 0",
                f"{a}^{{{b}+1}}",
                f"\\{a}bar" if a == "h" else a,
                f"O({a}^2)",
                f"\\sqrt{{{a}}}",
                f"{a}/{b}",
                f"{a}_1, \\dots, {a}_{b}",
                f"\\partial {capital}",
                digit,
            )
        )


_ROMAN = re.compile(
    r"\\(?:mathrm|text|textrm|operatorname\*?|mathbf|textbf|textit|mathit|mathsf|mathtt|texttt|mbox|ce)\s*\{[^{}$]*\}"
)
_NEUTRAL = re.compile(
    r"\\[,;:! ]|\\(?:quad|qquad|displaystyle|textstyle|ldots|dots|cdots|circ|prime|cdot|times|ast|star|dagger|ddagger|"
    r"bullet|checkmark|left|right|[bB]igg?[lr]?|%|\$|&|#|\{|\})(?![a-zA-Z])|[-+~\d.,;:!?()\[\]{}|/*%'\"\s^]"
)


def is_undecidable(latex: str) -> bool:
    r"""Whether the printed formula looks just like prose: a plain number, a plain word, a lone sign.

    Neither finding such a formula nor missing it says anything of a finder: `$3$` and `3` are the same ink.

    Args:
        latex: Without delimiters.

    Returns:
        True for `3`, `1{,}000`, `-5`, `(0, 1)`, `\mathrm{and}`, `50\%`, `\times`, `\ce{H2O}`; False for anything
        with a letter of mathematics, a relation, a script or a big symbol.
    """
    if "\\ce" in latex and ("->" in latex or "<=>" in latex):
        return False
    rest = _ROMAN.sub("", latex)
    if "_" in rest or (re.search(r"\^", rest) and not re.fullmatch(r".*\^\s*\{?\s*\\(?:circ|prime)\s*\}?.*", rest)):
        return False
    return not _NEUTRAL.sub("", rest)


def _without_end_mark(latex: str) -> str:
    """An inline formula without the comma or stop that belongs to its sentence."""
    if re.search(r"\\(?:left|right|[bB]igg?[lrm]?)\s*\.\s*$", latex):
        return latex
    return re.sub(r"(?:\\[,;!: ]|~|\s)*(?<!\\)[.,;]\s*$", "", latex) or latex


def _is_balanced(formula: SourceFormula) -> bool:
    """Whether an inline formula closes what it opens: `s - t)` is a scrap that its source cut in two."""
    plain = re.sub(r"\\(?:left|right|[bB]igg?[lrm]?)\s*", "", formula.latex)
    return formula.kind == "display" or (plain.count("(") == plain.count(")") and not _SENTENCE.search(formula.latex))


def split_rows(latex: str) -> tuple[str, list[list[str]]] | None:
    """The rows and cells of a formula that is one `aligned` or `gathered` block and nothing else.

    Args:
        latex: Without delimiters.

    Returns:
        The environment's name and its rows of cells (2 to 12 rows), or None if the formula has another form.
    """
    match = re.fullmatch(r"\\begin\{(aligned|gathered)\}(?:\[[tbc]\])?(.*)\\end\{\1\}", latex.strip(), re.DOTALL)
    if match is None or re.search(r"\\begin\{(aligned|gathered)\}", match.group(2)):
        return None
    rows = split_cells(match.group(2))
    return (match.group(1), rows) if rows and 2 <= len(rows) <= 12 and max(map(len, rows)) <= 4 else None


def split_cells(body: str) -> list[list[str]] | None:
    r"""Cut the inside of an alignment at its own `\\` and `&`, not at those of matrices in it.

    Args:
        body: What stands between `\begin{…}` and `\end{…}`.

    Returns:
        Rows of cells without empty rows, or None if braces do not balance.
    """
    rows: list[list[str]] = [[""]]
    depth = 0
    for token in _CELL_TOKENS.findall(body):
        if token == "{" or token.startswith((r"\begin{", r"\left")):
            depth += 1
        elif token == "}" or token.startswith((r"\end{", r"\right")):
            depth -= 1
        if depth == 0 and token.startswith("\\\\"):
            rows.append([""])
        elif depth == 0 and token == "&":
            rows[-1].append("")
        else:
            rows[-1][-1] += token
    if depth != 0:
        return None
    cells = [[re.sub(r"^\s*\[-?[\d.]+\s*(?:pt|em|ex|mm|cm)\]", "", cell).strip() for cell in row] for row in rows]
    return [row for row in cells if any(row)]


def _read_lines(path: Path) -> Iterator[str]:
    lines: Iterable[str]
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
        yield from lines
