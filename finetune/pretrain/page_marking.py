r"""Give every formula of a plainly written LaTeX document a mark of its own, to read its ink from the PDF.

For documents that a person wrote; page_tex.py writes marked documents itself. Understood are `$…$`, `\(…\)`,
`\[…\]` and the environments of amsmath; comments, `verbatim` and `\verb` are left alone.
"""

from __future__ import annotations

import re

from finetune.pretrain.page_formulas import split_cells
from finetune.pretrain.page_tex import MARK_MACROS, MarkedFormula, MarkedSource, color_operand, mark_color

_WHOLE = "equation|displaymath"
_ROWS = "align|gather|multline|flalign"
_TOKENS = re.compile(
    r"(?P<skip>(?<!\\)%[^\n]*|\\begin\{(?P<code>verbatim|lstlisting)\}.*?\\end\{(?P=code)\}|\\verb(?P<bar>\W).*?(?P=bar)|\\\$)"
    r"|\\\[(?P<brackets>.*?)\\\]|\\\((?P<round>.*?)\\\)"
    rf"|\\begin\{{(?P<name>(?:{_WHOLE}|{_ROWS})\*?)\}}(?P<body>.*?)\\end\{{(?P=name)\}}"
    r"|\$\$(?P<double>.+?)\$\$|\$(?P<inline>(?:\\.|[^$\\])+?)\$",
    re.DOTALL,
)
# Commands that belong to the row of an environment, not to its mathematics.
_OF_ROW = re.compile(r"\\(?:nonumber|notag)(?![a-zA-Z])|\\(?:label|tag\*?)\s*\{[^{}]*\}")


def mark_document(tex: str) -> MarkedSource:
    r"""Mark a document.

    Args:
        tex: A whole document with amsmath.

    Returns:
        The document in colors, and its formulas in order.

    Raises:
        ValueError: There is no `\begin{document}`, or an alignment whose braces do not balance.
    """
    head, begin, body = tex.partition(r"\begin{document}")
    if not begin:
        raise ValueError("this is no whole LaTeX document: there is no \\begin{document}")
    marker = _Marker()
    marked = _TOKENS.sub(marker.replace, body)
    return MarkedSource(f"{head}\\usepackage{{color}}{MARK_MACROS}{begin}{marked}", tuple(marker.formulas))


class _Marker:
    def __init__(self) -> None:
        self.formulas: list[MarkedFormula] = []
        self._marks = 0

    def replace(self, match: re.Match[str]) -> str:
        if match["skip"]:
            return match.group()
        if match["inline"] or match["round"]:
            latex = match["inline"] or match["round"]
            mark, color = self._mark()
            self.formulas.append(MarkedFormula("inline", latex.strip(), rows=[[mark]]))
            return rf"\FMpush{{{color}}}${latex}$\FMpop{{}}"
        latex = match["body"] or match["brackets"] or match["double"]
        name = match["name"] or "displaymath"
        formula = MarkedFormula("display", _OF_ROW.sub("", latex).strip())
        self.formulas.append(formula)
        tag = ""
        if not name.endswith("*") and name != "displaymath":
            formula.number_mark, color = self._mark()
            tag = rf"\gdef\FMtag{{{color}}}"
        if re.fullmatch(rf"(?:{_WHOLE})\*?", name):
            return rf"{tag}\begin{{{name}}}{self._part(formula, latex, is_new_row=True)}\end{{{name}}}"
        rows = split_cells(latex)
        if rows is None:
            raise ValueError(f"the braces of this {name} do not balance: {latex[:60]!r}")
        inner = {"align": "aligned", "flalign": "aligned"}.get(name.rstrip("*"), "gathered")
        formula.latex = rf"\begin{{{inner}}} {formula.latex} \end{{{inner}}}"
        lines = []
        for row in rows:
            cells = [self._part(formula, cell, is_new_row=number == 0) for number, cell in enumerate(row)]
            lines.append(" & ".join(cells))
        return rf"{tag}\begin{{{name}}}" + " \\\\\n".join(lines) + rf"\end{{{name}}}"

    def _part(self, formula: MarkedFormula, latex: str, *, is_new_row: bool) -> str:
        """One cell with its mark; commands of the row stand behind it."""
        if is_new_row:
            formula.rows.append([])
        bare = _OF_ROW.sub("", latex).strip()
        if not bare:
            return latex
        mark, color = self._mark()
        formula.rows[-1].append(mark)
        return rf"\FMpush{{{color}}}{bare}\FMpop{{}}" + "".join(_OF_ROW.findall(latex))

    def _mark(self) -> tuple[int, str]:
        self._marks += 1
        return self._marks, " ".join(color_operand(part) for part in mark_color(self._marks))
