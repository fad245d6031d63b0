"""What a page is made of: paragraphs, displays, headings, lists, tables, figures, code, theorems, references."""

from __future__ import annotations

import random
from collections.abc import Callable

from finetune.pretrain.page_families import Recipe
from finetune.pretrain.page_tex import FormulaSetter
from finetune.pretrain.prose_source import ProseSource

Block = tuple[str, int]
"""LaTeX source, and about how many characters of a page it takes."""

_WEIGHTS = {
    "paragraph": 10, "heading": 2, "items": 1.6, "table": 1.1, "figure": 0.8, "code": 0.7, "references": 0.35,
    "quote": 0.4, "footnote": 0.7, "contents": 0.1,
}  # fmt: skip
_WEIGHTS_OF_FORMULAS = {"display": 12, "theorem": 2.6}
"""Times the share of sentences that hold formulas."""
_MORE_WEIGHTS = {"exercises": 0.9, "algorithm": 0.5, "indented": 1.2, "displays": 0.6}
"""Of recipes with `has_more_blocks`, as above."""
_WEIGHTS_WITHOUT = {"items": 3, "table": 3, "code": 3, "references": 1.5, "contents": 1, "theorem": 0.3, "figure": 1.5}
_TITLE_THEN_ABSTRACT = ("article", "extarticle", "scrartcl", "paper")
_ABSTRACT_THEN_TITLE = ("amsart", "amsproc")


class BlockWriter:
    """Draws blocks of one document."""

    def __init__(
        self, recipe: Recipe, prose: ProseSource, setter: FormulaSetter, rng: random.Random, has_formulas: bool
    ) -> None:
        """Choose how mathematical the document is, from a remark now and then to every sentence."""
        self._recipe, self._prose, self._setter, self._random = recipe, prose, setter, rng
        self._has_formulas = has_formulas
        self._share = rng.uniform(0.15, 0.9) if has_formulas else 0.0
        weights: dict[str, float] = dict(_WEIGHTS)
        if has_formulas:
            more = _MORE_WEIGHTS if recipe.has_more_blocks else {}
            weights |= {name: weight * self._share for name, weight in (_WEIGHTS_OF_FORMULAS | more).items()}
        else:
            weights |= _WEIGHTS_WITHOUT
        self._weights = weights
        self._blocks: dict[str, Callable[[], Block]] = {
            "paragraph": self._paragraph, "display": self._display, "heading": self._heading, "items": self._items,
            "table": self._table, "figure": self._figure, "code": self._code, "theorem": self._theorem,
            "references": self._references, "quote": self._quote, "footnote": self._footnote,
            "contents": self._contents, "exercises": self._exercises, "algorithm": self._algorithm,
            "indented": self._indented, "displays": self._displays,
        }  # fmt: skip

    def opening(self) -> str:
        """A title with or without an abstract, or the first heading."""
        prose, document_class = self._prose, self._recipe.document_class
        if document_class.is_slides:
            return self._frame(self._text(2))
        if self._random.random() < 0.4:
            front = rf"\title{{{prose.title()}}}\author{{{prose.author()}}}"
            abstract = rf"\begin{{abstract}}{self._text(4, self._share / 2)}\end{{abstract}}"
            if document_class.name in _ABSTRACT_THEN_TITLE:
                return rf"{front}{abstract}\maketitle"
            return rf"{front}\maketitle" + abstract * (document_class.name in _TITLE_THEN_ABSTRACT)
        return rf"\{'chapter' if document_class.has_chapters else 'section'}{{{prose.title()}}}"

    def block(self) -> Block:
        """Any block of a document that is not made of slides."""
        name = self._random.choices(list(self._weights), list(self._weights.values()))[0]
        return self._blocks[name]()

    def slide(self) -> Block:
        """One slide."""
        choices = [self._paragraph, self._items] + [self._display, self._display] * self._has_formulas
        parts = [self._random.choice(choices)()[0] for _ in range(self._random.choice((1, 1, 2)))]
        return self._frame("\n\n".join(parts)), 780

    def _frame(self, body: str) -> str:
        return rf"\begin{{frame}}[shrink]\frametitle{{{self._prose.title()}}}" + f"\n{body}\n" + r"\end{frame}"

    def _text(self, sentences: int, share: float | None = None) -> str:
        return self._setter.fill(self._prose.paragraph(self._share if share is None else share, sentences))

    def _paragraph(self) -> Block:
        count = self._random.randint(2, 7)
        return self._text(count), 75 * count

    def _display(self) -> Block:
        before = f"{self._text(self._random.randint(0, 2))} {self._setter.fill(self._prose.lead())}"
        shown = self._setter.display()
        if self._random.random() < 0.2:
            shown += f"\nand\n{self._setter.display()}"
        after = f"{self._setter.fill(self._prose.tail())} {self._text(self._random.randint(0, 3))}"
        return f"{before}\n{shown}\n{after}", 480

    def _heading(self) -> Block:
        title = self._prose.title()
        if self._recipe.document_class.has_chapters and self._random.random() < 0.1:
            return rf"\chapter{{{title}}}", 900
        level = self._random.choice(("section", "subsection", "subsection", "paragraph"))
        has_formula = self._has_formulas and self._random.random() < 0.08
        shown = f"{title} of {self._setter.inline()}" if has_formula else title
        return rf"\{level}[{title}]{{{shown}}}" + f"\n{self._text(1)}", 200

    def _items(self) -> Block:
        kind = self._random.choice(("itemize", "enumerate", "description"))
        items = []
        for _ in range(self._random.randint(2, 6)):
            label = f"[{self._prose.noun()}]" if kind == "description" else ""
            items.append(rf"\item{label} {self._text(1)}")
        return rf"\begin{{{kind}}}" + "\n".join(items) + rf"\end{{{kind}}}", 110 * len(items)

    def _table(self) -> Block:
        columns = self._random.randint(2, 4 if self._recipe.columns == 1 else 3)
        rows = self._random.randint(2, 9)
        has_formulas = self._has_formulas and self._random.random() < 0.6
        rules = self._random.choice(((r"\toprule", r"\midrule", r"\bottomrule"), (r"\hline",) * 3, ("", r"\hline", "")))
        bars = rules[0] == r"\hline" and self._random.random() < 0.5
        spec = ("|" if bars else "").join(self._random.choice("lcr") for _ in range(columns))
        head = " & ".join(self._prose.phrase() for _ in range(columns))
        body = r" \\ ".join(" & ".join(self._cell(has_formulas) for _ in range(columns)) for _ in range(rows))
        tabular = rf"\begin{{tabular}}{{{spec}}}{rules[0]} {head} \\ {rules[1]} {body} \\ {rules[2]}\end{{tabular}}"
        caption = rf"\caption{{{self._setter.fill(self._prose.caption(has_formulas))}}}"
        inside = self._random.choice((f"{caption}\n{tabular}", f"{tabular}\n{caption}"))
        return rf"\begin{{table}}[htbp]\centering\small {inside}\end{{table}}", 130 + 60 * rows

    def _cell(self, has_formulas: bool) -> str:
        return self._setter.inline() if has_formulas and self._random.random() < 0.45 else self._prose.number()

    def _figure(self) -> Block:
        has_formulas = self._has_formulas and self._random.random() < 0.6

        def label() -> str:
            text = self._setter.inline(in_figure=True) if has_formulas else self._prose.noun()
            return rf"{{\footnotesize {text}}}"

        kind = self._random.choice(("curve", "bars", "boxes", "dots"))
        axes = rf"\draw[->] (0,0) -- (4.3,0) node[right] {label()}; \draw[->] (0,0) -- (0,2.7) node[above] {label()};"
        drawn = {"curve": self._curve, "bars": self._bars, "boxes": self._boxes, "dots": self._dots}[kind](label)
        picture = rf"\begin{{tikzpicture}}{axes if kind != 'boxes' else ''}{drawn}\end{{tikzpicture}}"
        caption = self._setter.fill(self._prose.caption(self._has_formulas))
        return rf"\begin{{figure}}[htbp]\centering{picture}\caption{{{caption}}}\end{{figure}}", 700

    def _curve(self, label: Callable[[], str]) -> str:
        points = " -- ".join(f"({x / 4:.2f},{self._random.uniform(0.6, 1.4) + x / 20:.2f})" for x in range(16))
        return rf"\draw[thick] {points}; \node[above] at (2,1.9) {label()};"

    def _bars(self, label: Callable[[], str]) -> str:
        bars = []
        for x in range(4):
            shade, height = self._random.randint(5, 60), self._random.uniform(0.3, 2.4)
            bars.append(rf"\draw[fill=black!{shade}] ({x},0) rectangle ({x + 0.7},{height:.2f});")
            bars.append(rf"\node[below] at ({x + 0.35},0) {{\footnotesize {1990 + 5 * x}}};")
        return "".join(bars)

    def _boxes(self, label: Callable[[], str]) -> str:
        boxes = "".join(
            rf"\node[draw] (n{i}) at ({1.9 * i},{self._random.uniform(-0.4, 0.4):.2f}) {label()};" for i in range(3)
        )
        return boxes + r"\draw[->] (n0) -- (n1); \draw[->] (n1) -- (n2);"

    def _dots(self, label: Callable[[], str]) -> str:
        places = ((self._random.uniform(0, 4), self._random.uniform(0, 2.4)) for _ in range(24))
        return "".join(rf"\fill ({x:.2f},{y:.2f}) circle (1.2pt);" for x, y in places)

    def _code(self) -> Block:
        code = self._prose.code()
        size = self._random.choice((r"\small", r"\footnotesize", ""))
        return f"{{{size}\n\\begin{{verbatim}}\n{code}\n\\end{{verbatim}}\n}}", 60 * (code.count("\n") + 2)

    def _theorem(self) -> Block:
        kind = self._random.choice(("theorem", "lemma", "claim", "notion", "remark", "proof"))
        text = self._text(self._random.randint(1, 4), max(self._share, 0.5 * self._has_formulas))
        shown = f"\n{self._setter.display()}\n" if self._has_formulas and self._random.random() < 0.3 else ""
        return rf"\begin{{{kind}}}{text}{shown}\end{{{kind}}}", 260

    def _references(self) -> Block:
        entries = [rf"\item[{{[{i + 1}]}}] {self._prose.reference()}" for i in range(self._random.randint(4, 12))]
        listed = "\n".join(entries)
        return rf"\section*{{References}}\begin{{list}}{{}}{{\small}}{listed}\end{{list}}", 100 * len(entries)

    def _quote(self) -> Block:
        return rf"\begin{{quote}}{self._text(2, self._share / 2)}\end{{quote}}", 200

    def _footnote(self) -> Block:
        return rf"{self._text(1)}\footnote{{{self._text(1, self._share / 2)}}} {self._text(1)}", 250

    def _contents(self) -> Block:
        lines = []
        for i in range(self._random.randint(4, 12)):
            number, page = f"{self._random.randint(1, 9)}.{i}", self._random.randint(1, 400)
            lines.append(rf"\noindent {number}\quad {self._prose.title()}\dotfill {page}\par")
        return "\n".join(lines), 60 * len(lines)

    def _exercises(self) -> Block:
        """Numbered questions; some are a formula and nothing else, some have parts or a display."""
        items = []
        for _ in range(self._random.randint(3, 7)):
            form = self._random.randint(0, 4)
            if form == 0:
                parts = "".join(rf"\item {self._setter.inline()}" for _ in range(self._random.randint(2, 4)))
                items.append(rf"\item {self._text(1)}\begin{{enumerate}}{parts}\end{{enumerate}}")
            elif form == 1:
                items.append(rf"\item {self._setter.inline()}")
            elif form == 2:
                shown = f"{self._setter.fill(self._prose.lead())}\n{self._setter.display()}"
                items.append(f"\\item {shown}\n{self._text(1)}")
            else:
                items.append(rf"\item {self._text(1, max(self._share, 0.6))}")
        return r"\begin{enumerate}" + "\n".join(items) + r"\end{enumerate}", 150 * len(items)

    def _algorithm(self) -> Block:
        """Pseudocode: numbered lines, bold words and formulas."""
        lines, depth = [], 0
        for number in range(1, self._random.randint(4, 10)):
            inline = self._setter.inline
            shown, step = self._random.choice(
                (
                    (rf"\textbf{{for}} {inline()} \textbf{{do}}", 1),
                    (rf"\textbf{{if}} {inline()} \textbf{{then}}", 1),
                    (rf"{inline()}", 0),
                    (rf"Set {inline()} to {inline()}", 0),
                    (rf"\textbf{{return}} {inline()}", -1),
                    (r"\textbf{end}", -1),
                )
            )
            lines.append(rf"\makebox[2em][r]{{\footnotesize {number}:}}\hspace{{{0.6 + 1.5 * depth}em}}{shown}")
            depth = max(0, depth + step)
        return r"\par\medskip\noindent " + r"\\ ".join(lines) + r"\par\medskip", 55 * len(lines)

    def _indented(self) -> Block:
        """A list whose items hold displays."""
        kind = self._random.choice(("itemize", "enumerate"))
        items = [
            f"\\item {self._text(1)} {self._setter.fill(self._prose.lead())}\n{self._setter.display()}\n"
            f"{self._setter.fill(self._prose.tail())}"
            for _ in range(self._random.randint(1, 3))
        ]
        return rf"\begin{{{kind}}}" + "\n".join(items) + rf"\end{{{kind}}}", 400 * len(items)

    def _displays(self) -> Block:
        """Displays one right below the other."""
        shown = "\n".join(self._setter.display() for _ in range(2))
        return f"{self._text(1)} {self._setter.fill(self._prose.lead())}\n{shown}\n{self._text(1)}", 420
