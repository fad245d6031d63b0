"""The LaTeX source of one document, in which every formula is set in a color of its own.

The colors carry the truth: page_truth.py reads which glyphs and rules bear which color and then turns them all black.
A color is pushed and popped outside the mathematics (or at the ends of a cell), so that the spacing is that of the
plain document.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from finetune.pretrain.page_families import Recipe
from finetune.pretrain.page_formulas import FormulaPool, split_rows
from finetune.pretrain.prose_source import FORMULA_SLOT, ProseSource

MARK_BLUE = 199
"""Blue part of every marking color (0–255), which no document here uses else; red and green number the mark."""

MARK_MACROS = r"""
\makeatletter
\ifdefined\pdfcolorstack
  \def\FMpush#1{\pdfcolorstack\@pdfcolorstack push{#1 rg #1 RG}}\def\FMpop{\pdfcolorstack\@pdfcolorstack pop\relax}
\else
  \def\FMpush#1{\pdfextension colorstack 0 push{#1 rg #1 RG}}\def\FMpop{\pdfextension colorstack 0 pop\relax}
\fi
\def\FMopen{(}\def\FMclose{)}\def\FMtag{0 0 0}
\def\tagform@#1{\maketag@@@{\FMpush{\FMtag}\FMopen\ignorespaces#1\unskip\@@italiccorr\FMclose\FMpop}}
\makeatother
"""
"""Needs color and amsmath; \\FMtag holds the mark of the equation numbers to come."""

_PREAMBLE = r"""
\usepackage[%(encoding)s]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{color,amsmath,amsthm,mathtools,array}
%(fonts)s
%(symbols)s
\usepackage[version=4]{mhchem}
\usepackage{booktabs,tikz}
%(layout)s
%(macros)s
\makeatletter\def\FMopen{%(tag_open)s}\def\FMclose{%(tag_close)s}
\newbox\FMbox
%% \FMinline{color}{mathematics}{color}{short mathematics}: the short one if the first is wider than the column allows
\protected\def\FMinline#1#2#3#4{\setbox\FMbox\hbox{$#2$}%%
  \ifdim\wd\FMbox<.7\linewidth \FMpush{#1}$#2$\FMpop\else\FMpush{#3}$#4$\FMpop\fi}
%% \FMdisplay{mathematics to measure}{display}{else}
\protected\def\FMdisplay#1#2#3{\setbox\FMbox\hbox{$\displaystyle #1$}\@tempswatrue
  \ifdim\wd\FMbox<\dimexpr\linewidth-4.5em\relax\else\@tempswafalse\fi
  \ifdim\dimexpr\ht\FMbox+\dp\FMbox\relax<.45\textheight\else\@tempswafalse\fi
  \if@tempswa #2\else #3\fi}
\providecommand\bm[1]{\boldsymbol{#1}}\providecommand\mathscr[1]{\mathcal{#1}}
\providecommand\cal{\protect\mathcal}\providecommand\rm{\protect\mathrm}\providecommand\bf{\protect\mathbf}
\providecommand\frak{\protect\mathfrak}\providecommand\it{\protect\mathit}\providecommand\sf{\protect\mathsf}
\makeatother
%(theorems)s
\emergencystretch=3em \hbadness=10000 \vbadness=10000 \hfuzz=2pt
%(numbering)s
"""

_THEOREMS = r"""\newtheorem{theorem}{Theorem}[section]\newtheorem{lemma}[theorem]{Lemma}\newtheorem{claim}{Claim}
\theoremstyle{definition}\newtheorem{notion}[theorem]{Definition}\newtheorem{remark}[theorem]{Remark}"""
_SYMBOLS = r"\usepackage{amssymb,bm,mathrsfs}"


_SLOT_OR_COMPOUND = re.compile(re.escape(FORMULA_SLOT) + r"|((?:[A-Z][A-Za-z]*\\textsubscript\{\d+\})+[A-Za-z]*)")


@dataclass(slots=True)
class MarkedFormula:
    """A formula of the source and the marks that its parts bear."""

    kind: str
    latex: str
    is_ignored: bool = False
    """In a figure, or a chemical formula set as text: neither finding nor missing it counts."""
    rows: list[list[int]] = field(default_factory=list)
    """Marks of each row; one row for an inline formula."""
    number_mark: int | None = None


@dataclass(frozen=True, slots=True)
class MarkedSource:
    """A document ready for TeX; a formula whose marks leave no ink was too wide and gave way to the next choice."""

    tex: str
    formulas: tuple[MarkedFormula, ...]


def mark_color(mark: int) -> tuple[int, int, int]:
    """Red, green and blue (0–255) of a mark's number (1 to 65,535)."""
    return mark >> 8, mark & 255, MARK_BLUE


def color_operand(part: int) -> str:
    """A part of a color as a PDF operand that gives `part` back whether a reader rounds or cuts off."""
    return f"{(part + 0.3) / 255:.4f}"


def write_source(
    recipe: Recipe, prose: ProseSource, pool: FormulaPool, seed: int, pages: int, formulas: bool
) -> MarkedSource:
    """Write a document of about `pages` pages.

    Args:
        recipe: Class, fonts and layout.
        prose: Where its words come from.
        pool: Where its formulas come from.
        seed: Everything drawn here follows from it.
        pages: Length; what TeX makes of it may differ by half.
        formulas: Whether there are any; without them the document has more tables, code, lists and references.

    Returns:
        The source and its formulas in order.
    """
    from finetune.pretrain.page_blocks import BlockWriter

    rng = random.Random(f"source {seed}")
    setter = FormulaSetter(pool, rng)
    blocks = BlockWriter(recipe, prose, setter, rng, formulas)
    document_class = recipe.document_class
    room = pages * {1: 2600, 2: 4200}[recipe.columns] * (0.3 if document_class.is_slides else 1.0)
    parts, written = [blocks.opening()], 0.0
    while written < room:
        tex, length = blocks.slide() if document_class.is_slides else blocks.block()
        parts.append(tex)
        written += length
    body = "\n\n".join(parts)
    tex = f"{write_head(recipe, rng)}\\begin{{document}}\n{body}\n\\end{{document}}\n"
    return MarkedSource(tex, tuple(setter.formulas))


def write_head(recipe: Recipe, rng: random.Random) -> str:
    r"""All of a document of the recipe that comes before its `\begin{document}`."""
    document_class = recipe.document_class
    options = [option for option in (recipe.size, document_class.options) if option]
    options += ["leqno"] * recipe.has_left_numbers + ["fleqn"] * recipe.has_flush_left_displays
    options += ["twocolumn"] * (recipe.columns == 2 and document_class.name != "proc")
    brackets = rng.choice((("(", ")"), ("(", ")"), ("(", ")"), ("[", "]")))
    counter = "chapter" if document_class.has_chapters else "section"
    preamble = _PREAMBLE % {
        "fonts": recipe.family.preamble,
        "symbols": "" if recipe.family.loads_symbols else _SYMBOLS,
        "encoding": recipe.family.encoding,
        "theorems": "" if document_class.is_slides else _THEOREMS,
        "macros": MARK_MACROS,
        "layout": f"{document_class.preamble}\n{recipe.preamble}",
        "tag_open": brackets[0],
        "tag_close": brackets[1],
        "numbering": rf"\numberwithin{{equation}}{{{counter}}}" if rng.random() < 0.6 else "",
    }
    unicode_map = "" if recipe.has_unicode_map else r"\ifdefined\pdfgentounicode\pdfgentounicode=0\fi"
    return f"\\documentclass[{','.join(options)}]{{{document_class.name}}}\n{unicode_map}{preamble}"


class FormulaSetter:
    """Sets formulas in marks of their own and keeps the list of them."""

    def __init__(self, pool: FormulaPool, rng: random.Random) -> None:
        """Draw from `pool`, and the form of displays from `rng`."""
        self._pool, self._random = pool, rng
        self.formulas: list[MarkedFormula] = []
        self._marks = 0

    def inline(self, in_figure: bool = False) -> str:
        """An inline formula with a short one to give way to if the column is too narrow."""
        colors, sides = [], []
        for latex in (self._pool.simple() if in_figure else self._pool.inline(), self._pool.simple()):
            mark, color = self._mark()
            self.formulas.append(MarkedFormula("inline", latex, in_figure, [[mark]]))
            colors.append(color)
            sides.append(latex)
        return rf"\FMinline{{{colors[0]}}}{{{sides[0]}}}{{{colors[1]}}}{{{sides[1]}}}"

    def fill(self, text: str) -> str:
        r"""Prose with an inline formula in every slot; `H\textsubscript{2}O` is marked as undecidable."""
        return _SLOT_OR_COMPOUND.sub(lambda match: self._compound(match[1]) if match[1] else self.inline(), text)

    def _compound(self, text: str) -> str:
        mark, color = self._mark()
        self.formulas.append(MarkedFormula("inline", text, True, [[mark]]))
        return rf"\FMpush{{{color}}}{text}\FMpop{{}}"

    def display(self) -> str:
        """A display: the first of three formulas that the column has room for, or else a short one."""
        tex = ""
        for _ in range(3):
            latex, body = self._display_body(self._pool.display())
            tex = rf"{tex}\FMdisplay{{{latex}}}{{{body}}}{{"
        _, body = self._display_body(f"{self._pool.simple()} = {self._pool.simple()}")
        return f"{tex}{body}" + "}" * 3

    def _mark(self) -> tuple[int, str]:
        self._marks += 1
        return self._marks, " ".join(color_operand(part) for part in mark_color(self._marks))

    def _display_body(self, latex: str) -> tuple[str, str]:
        """What to measure and the display itself, with its marks."""
        formula = MarkedFormula("display", latex)
        self.formulas.append(formula)
        star = self._random.choice(("", "*"))
        number = ""
        if not star:
            formula.number_mark, color = self._mark()
            number = rf"\gdef\FMtag{{{color}}}"
        split = split_rows(latex)
        if split is None:
            mark, color = self._mark()
            formula.rows.append([mark])
            inside = rf"\FMpush{{{color}}}{_closed(latex)}\FMpop"
            if number:
                return latex, _environment("equation", inside, number)
            return latex, rf"\[{inside}\]" if self._random.random() < 0.7 else _environment("displaymath", inside)
        name, rows = split
        lines = [self._row(formula, row) for row in rows]
        kinds = ("gather", "gather", "multline") if name == "gathered" else ("align", "align", "align", "split")
        kind = self._random.choice(kinds)
        if kind == "split" and max(map(len, rows)) <= 2:
            return latex, _environment(f"equation{star}", _environment("split", r" \\ ".join(lines)), number)
        if kind == "split":
            kind = "align"
        if kind != "multline" and not star:
            lines = [line + r"\nonumber" * (i > 0 and self._random.random() < 0.5) for i, line in enumerate(lines)]
        return latex, _environment(f"{kind}{star}", r" \\ ".join(lines), number)

    def _row(self, formula: MarkedFormula, cells: list[str]) -> str:
        formula.rows.append([])
        marked = []
        for cell in cells:
            mark, color = self._mark()
            formula.rows[-1].append(mark)
            marked.append(rf"\FMpush{{{color}}}{_closed(cell)}\FMpop" if cell else "")
        return " & ".join(marked)


def _closed(latex: str) -> str:
    r"""A formula that a command can follow: a control space at its end needs its space."""
    return f"{latex} " if latex.endswith("\\") else latex


def _environment(name: str, body: str, before: str = "") -> str:
    return rf"{before}\begin{{{name}}}{body}\end{{{name}}}"
