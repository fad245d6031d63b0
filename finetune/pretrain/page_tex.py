"""The LaTeX source of one document, in which every formula is set in a colour of its own.

The colours carry the truth: page_truth.py reads which glyphs and rules bear which colour and then turns them all black.
A colour is pushed and popped outside the mathematics (or at the ends of a cell), so that the spacing is that of the
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
"""Blue part of every marking colour (0–255); red and green hold the number of the mark. No document here uses it else."""

_PREAMBLE = r"""
\usepackage[%(encoding)s]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{color,amsmath,amsthm,mathtools,array,textcomp}
%(fonts)s
%(symbols)s
\usepackage[version=4]{mhchem}
\usepackage{booktabs,tikz}
%(layout)s
\makeatletter
\ifdefined\pdfcolorstack
  \def\FMpush#1{\pdfcolorstack\@pdfcolorstack push{#1 rg #1 RG}}\def\FMpop{\pdfcolorstack\@pdfcolorstack pop\relax}
\else
  \def\FMpush#1{\pdfextension colorstack 0 push{#1 rg #1 RG}}\def\FMpop{\pdfextension colorstack 0 pop\relax}
\fi
\newbox\FMbox
%% \FMinline{colour}{mathematics}{colour}{short mathematics}: the short one if the first is wider than the column allows
\protected\def\FMinline#1#2#3#4{\setbox\FMbox\hbox{$#2$}%%
  \ifdim\wd\FMbox<.7\linewidth \FMpush{#1}$#2$\FMpop\else\FMpush{#3}$#4$\FMpop\fi}
%% \FMdisplay{mathematics to measure}{display}{else}
\protected\def\FMdisplay#1#2#3{\setbox\FMbox\hbox{$\displaystyle #1$}\@tempswatrue
  \ifdim\wd\FMbox<\dimexpr\linewidth-4.5em\relax\else\@tempswafalse\fi
  \ifdim\dimexpr\ht\FMbox+\dp\FMbox\relax<.45\textheight\else\@tempswafalse\fi
  \if@tempswa #2\else #3\fi}
\def\FMtag{0 0 0}
\def\tagform@#1{\maketag@@@{\FMpush{\FMtag}%(tag_open)s\ignorespaces#1\unskip\@@italiccorr%(tag_close)s\FMpop}}
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


@dataclass(slots=True)
class MarkedFormula:
    """A formula of the source and the marks that its parts bear."""

    kind: str
    latex: str
    is_in_figure: bool = False
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
    return _Writer(recipe, prose, pool, seed, formulas).document(pages)


class _Writer:
    """Grows the document block by block."""

    def __init__(self, recipe: Recipe, prose: ProseSource, pool: FormulaPool, seed: int, formulas: bool) -> None:
        self._recipe, self._prose, self._pool = recipe, prose, pool
        self._random = random.Random(f"source {seed}")
        self._has_formulas = formulas
        self._share = self._random.uniform(0.3, 0.9) if formulas else 0.0
        self._formulas: list[MarkedFormula] = []
        self._marks = 0

    def document(self, pages: int) -> MarkedSource:
        recipe = self._recipe
        options = [o for o in (recipe.size, recipe.document_class.options) if o]
        options += ["leqno"] * recipe.has_left_numbers + ["fleqn"] * recipe.has_flush_left_displays
        options += ["twocolumn"] * (recipe.columns == 2 and recipe.document_class.name != "proc")
        counter = "chapter" if recipe.document_class.has_chapters else "section"
        brackets = self._random.choice((("(", ")"), ("(", ")"), ("(", ")"), ("[", "]")))
        head = _PREAMBLE % {
            "fonts": recipe.family.preamble,
            "symbols": "" if recipe.family.loads_symbols else _SYMBOLS,
            "encoding": recipe.family.encoding,
            "theorems": "" if recipe.document_class.is_slides else _THEOREMS,
            "layout": f"{recipe.document_class.preamble}\n{recipe.preamble}",
            "tag_open": brackets[0],
            "tag_close": brackets[1],
            "numbering": rf"\numberwithin{{equation}}{{{counter}}}" if self._random.random() < 0.6 else "",
        }
        unicode_map = "" if recipe.has_unicode_map else r"\ifdefined\pdfgentounicode\pdfgentounicode=0\fi"
        room = pages * {1: 2600, 2: 4200}[recipe.columns] * (0.3 if recipe.document_class.is_slides else 1.0)
        blocks, written = [self._opening()], 0.0
        while written < room:
            tex, length = self._slide() if recipe.document_class.is_slides else self._block()
            blocks.append(tex)
            written += length
        body = "\n\n".join(blocks)
        tex = f"\\documentclass[{','.join(options)}]{{{recipe.document_class.name}}}\n{unicode_map}{head}\\begin{{document}}\n{body}\n\\end{{document}}\n"
        return MarkedSource(tex, tuple(self._formulas))

    # Formulas

    def _mark(self) -> tuple[int, str]:
        self._marks += 1
        return self._marks, " ".join(f"{part / 255:.4f}" for part in mark_color(self._marks))

    def _inline(self, in_figure: bool = False) -> str:
        operands, sides = [], []
        for latex in (self._pool.simple() if in_figure else self._pool.inline(), self._pool.simple()):
            mark, color = self._mark()
            self._formulas.append(MarkedFormula("inline", latex, in_figure, [[mark]]))
            operands.append(color)
            sides.append(latex)
        return rf"\FMinline{{{operands[0]}}}{{{sides[0]}}}{{{operands[1]}}}{{{sides[1]}}}"

    def _fill(self, text: str) -> str:
        return re.sub(re.escape(FORMULA_SLOT), lambda _: self._inline(), text)

    def _display(self) -> str:
        tex = ""
        for _ in range(3):
            latex, body = self._display_body(self._pool.display())
            tex = rf"{tex}\FMdisplay{{{latex}}}{{{body}}}{{"
        _, body = self._display_body(f"{self._pool.simple()} = {self._pool.simple()}")
        return f"{tex}{body}" + "}" * 3

    def _display_body(self, latex: str) -> tuple[str, str]:
        """What to measure and the display itself, with its marks."""
        formula = MarkedFormula("display", latex)
        self._formulas.append(formula)
        split = split_rows(latex)
        star = "*" if self._random.random() < 0.5 else ""
        number = ""
        if not star:
            formula.number_mark, color = self._mark()
            number = rf"\gdef\FMtag{{{color}}}"
        if split is None:
            mark, color = self._mark()
            formula.rows.append([mark])
            inside = rf"\FMpush{{{color}}}{latex}\FMpop"
            plain = (
                rf"\[{inside}\]"
                if self._random.random() < 0.7
                else rf"\begin{{displaymath}}{inside}\end{{displaymath}}"
            )
            return latex, rf"{number}\begin{{equation}}{inside}\end{{equation}}" if number else plain
        name, rows = split
        lines = []
        for row in rows:
            formula.rows.append([])
            cells = []
            for cell in row:
                mark, color = self._mark()
                formula.rows[-1].append(mark)
                cells.append(rf"\FMpush{{{color}}}{cell}\FMpop" if cell else "")
            lines.append(" & ".join(cells))
        if name == "gathered":
            kind = self._random.choice(("gather", "gather", "multline"))
        else:
            kind = self._random.choice(("align", "align", "align", "split"))
        if kind == "split" and max(map(len, rows)) > 2:
            kind = "align"
        if kind == "split":
            body = r"\begin{split}" + r" \\ ".join(lines) + r"\end{split}"
            return latex, rf"{number}\begin{{equation{star}}}{body}\end{{equation{star}}}"
        if kind != "multline" and not star:
            lines = [line + (r"\nonumber" if self._random.random() < 0.5 and i else "") for i, line in enumerate(lines)]
        return latex, rf"{number}\begin{{{kind}{star}}}" + r" \\ ".join(lines) + rf"\end{{{kind}{star}}}"

    # Blocks: each gives its source and about how many characters of a page it takes

    def _opening(self) -> str:
        prose = self._prose
        if self._recipe.document_class.is_slides:
            return rf"\begin{{frame}}\frametitle{{{prose.title()}}}{self._fill(prose.paragraph(self._share, 2))}\end{{frame}}"
        if self._random.random() < 0.4:
            abstract = rf"\begin{{abstract}}{self._fill(prose.paragraph(self._share / 2, 4))}\end{{abstract}}"
            front = rf"\title{{{prose.title()}}}\author{{{prose.reference().split(',')[0]}}}"
            name = self._recipe.document_class.name
            if name in ("amsart", "amsproc"):
                return rf"{front}{abstract}\maketitle"
            if name in ("article", "extarticle", "scrartcl", "paper"):
                return rf"{front}\maketitle{abstract}"
            return rf"{front}\maketitle"
        return (
            rf"\chapter{{{prose.title()}}}"
            if self._recipe.document_class.has_chapters
            else rf"\section{{{prose.title()}}}"
        )

    def _block(self) -> tuple[str, int]:
        weights = {
            "paragraph": 10,
            "display": 12 * self._share,
            "heading": 2,
            "items": 1.6,
            "table": 1.1,
            "figure": 0.8,
            "code": 0.7,
            "theorem": 2.6 * self._share,
            "references": 0.35,
            "quote": 0.4,
            "footnote": 0.7,
            "contents": 0.1,
        }
        if not self._has_formulas:
            weights |= {
                "items": 3,
                "table": 3,
                "code": 3,
                "references": 1.5,
                "contents": 1,
                "theorem": 0.3,
                "figure": 1.5,
            }
        kind = self._random.choices(list(weights), list(weights.values()))[0]
        tex, length = getattr(self, f"_block_{kind}")()
        return tex, length

    def _slide(self) -> tuple[str, int]:
        parts = [
            self._random.choice((self._block_paragraph, self._block_items, self._block_display, self._block_display))
            if self._has_formulas
            else self._random.choice((self._block_paragraph, self._block_items))
            for _ in range(self._random.choice((1, 1, 2)))
        ]
        body = "\n\n".join(part()[0] for part in parts)
        return rf"\begin{{frame}}[shrink]\frametitle{{{self._prose.title()}}}" f"\n{body}\n" r"\end{frame}", 780

    def _block_paragraph(self) -> tuple[str, int]:
        count = self._random.randint(2, 7)
        return self._fill(self._prose.paragraph(self._share, count)), 75 * count

    def _block_display(self) -> tuple[str, int]:
        before = self._fill(self._prose.paragraph(self._share, self._random.randint(0, 2)) + " " + self._prose.lead())
        after = self._fill(self._prose.tail())
        more = self._fill(self._prose.paragraph(self._share, self._random.randint(0, 3)))
        shown = self._display()
        if self._random.random() < 0.2:
            shown += f"\nand\n{self._display()}"
        return f"{before}\n{shown}\n{after} {more}", 480

    def _block_heading(self) -> tuple[str, int]:
        title = self._prose.title()
        level = self._random.choice(("section", "subsection", "subsection", "paragraph"))
        if self._recipe.document_class.has_chapters and self._random.random() < 0.1:
            return rf"\chapter{{{title}}}", 900
        shown = f"{title} of {self._inline()}" if self._has_formulas and self._random.random() < 0.08 else title
        text = self._fill(self._prose.sentence(self._share))
        return rf"\{level}[{title}]{{{shown}}}" f"\n{text}", 200

    def _block_items(self) -> tuple[str, int]:
        kind = self._random.choice(("itemize", "enumerate", "description"))
        label = (lambda: f"[{self._prose.noun()}]") if kind == "description" else (lambda: "")
        items = [
            rf"\item{label()} {self._fill(self._prose.sentence(self._share))}"
            for _ in range(self._random.randint(2, 6))
        ]
        return rf"\begin{{{kind}}}" + "\n".join(items) + rf"\end{{{kind}}}", 110 * len(items)

    def _block_table(self) -> tuple[str, int]:
        columns, rows = self._random.randint(2, 4 if self._recipe.columns == 1 else 3), self._random.randint(2, 9)
        has_formulas = self._has_formulas and self._random.random() < 0.6
        rules = self._random.choice(((r"\toprule", r"\midrule", r"\bottomrule"), (r"\hline",) * 3, ("", r"\hline", "")))
        bars = rules[0] == r"\hline" and self._random.random() < 0.5
        cells = [[f"{self._prose.phrase()}" for _ in range(columns)]]
        for _ in range(rows):
            cells.append([self._cell(has_formulas) for _ in range(columns)])
        spec = ("|" if bars else "").join(self._random.choice("lcr") for _ in range(columns))
        body = r" \\ ".join(" & ".join(row) for row in cells[1:])
        tabular = rf"\begin{{tabular}}{{{spec}}}{rules[0]} {' & '.join(cells[0])} \\ {rules[1]} {body} \\ {rules[2]}\end{{tabular}}"
        caption = rf"\caption{{{self._fill(self._prose.caption(has_formulas))}}}"
        inside = self._random.choice((f"{caption}\n{tabular}", f"{tabular}\n{caption}"))
        return rf"\begin{{table}}[htbp]\centering\small {inside}\end{{table}}", 130 + 60 * rows

    def _cell(self, has_formulas: bool) -> str:
        if has_formulas and self._random.random() < 0.45:
            return self._inline()
        return self._prose.number()

    def _block_figure(self) -> tuple[str, int]:
        rng = self._random
        kind = rng.choice(("axes", "bars", "boxes", "scatter"))
        label = (
            (lambda: self._inline(in_figure=True)) if self._has_formulas and rng.random() < 0.6 else self._prose.noun
        )
        if kind == "bars":
            drawn = "".join(
                rf"\draw[fill=black!{rng.randint(5, 60)}] ({i},0) rectangle ({i + 0.7},{rng.uniform(0.3, 2.4):.2f});"
                rf"\node[below] at ({i + 0.35},0) {{\footnotesize {1990 + 5 * i}}};"
                for i in range(4)
            )
        elif kind == "boxes":
            drawn = (
                "".join(
                    rf"\node[draw,rectangle] (n{i}) at ({1.9 * i},{rng.uniform(-0.4, 0.4):.2f}) {{\footnotesize {label()}}};"
                    for i in range(3)
                )
                + r"\draw[->] (n0) -- (n1); \draw[->] (n1) -- (n2);"
            )
        elif kind == "scatter":
            drawn = "".join(
                rf"\fill ({rng.uniform(0, 4):.2f},{rng.uniform(0, 2.4):.2f}) circle (1.2pt);" for _ in range(24)
            )
        else:
            points = " -- ".join(f"({0.25 * i:.2f},{1 + rng.uniform(-0.4, 0.4) + 0.05 * i:.2f})" for i in range(16))
            drawn = rf"\draw[thick] {points}; \node[above] at (2,1.9) {{\footnotesize {label()}}};"
        axes = rf"\draw[->] (0,0) -- (4.3,0) node[right] {{\footnotesize {label()}}}; \draw[->] (0,0) -- (0,2.7) node[above] {{\footnotesize {label()}}};"
        picture = drawn if kind == "boxes" else axes + drawn
        caption = self._fill(self._prose.caption(self._has_formulas))
        return (
            rf"\begin{{figure}}[htbp]\centering\begin{{tikzpicture}}{picture}\end{{tikzpicture}}\caption{{{caption}}}\end{{figure}}",
            700,
        )

    def _block_code(self) -> tuple[str, int]:
        code = self._prose.code()
        size = self._random.choice((r"\small", r"\footnotesize", ""))
        return f"{{{size}\n\\begin{{verbatim}}\n{code}\n\\end{{verbatim}}\n}}", 60 * (code.count("\n") + 2)

    def _block_theorem(self) -> tuple[str, int]:
        kind = self._random.choice(("theorem", "lemma", "claim", "notion", "remark", "proof"))
        text = self._fill(self._prose.paragraph(max(self._share, 0.5 * self._has_formulas), self._random.randint(1, 4)))
        shown = f"\n{self._display()}\n" if self._has_formulas and self._random.random() < 0.3 else ""
        return rf"\begin{{{kind}}}{text}{shown}\end{{{kind}}}", 260

    def _block_references(self) -> tuple[str, int]:
        entries = [rf"\item[{{[{i + 1}]}}] {self._prose.reference()}" for i in range(self._random.randint(4, 12))]
        return r"\section*{References}\begin{list}{}{\small}" + "\n".join(entries) + r"\end{list}", 100 * len(entries)

    def _block_quote(self) -> tuple[str, int]:
        return rf"\begin{{quote}}{self._fill(self._prose.paragraph(self._share / 2, 2))}\end{{quote}}", 200

    def _block_footnote(self) -> tuple[str, int]:
        note = self._fill(self._prose.sentence(self._share / 2))
        before, after = (self._fill(self._prose.sentence(self._share)) for _ in range(2))
        return rf"{before}\footnote{{{note}}} {after}", 250

    def _block_contents(self) -> tuple[str, int]:
        lines = [
            rf"\noindent {self._random.randint(1, 9)}.{i}\quad {self._prose.title()}\dotfill {self._random.randint(1, 400)}\par"
            for i in range(self._random.randint(4, 12))
        ]
        return "\n".join(lines), 60 * len(lines)
