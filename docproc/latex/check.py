"""Whether LaTeX is valid mathematics, what is wrong with it in words, and its MathML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from docproc.latex.commands import ENVIRONMENTS, KNOWN
from docproc.latex.katex_engine import GAVE_UP, ask_katex, printable
from docproc.latex.tokens import tokenize
from docproc.latex.tree import LatexError, parse

# Real LaTeX that KaTeX cannot read whatever it is replaced by: our own parser answers for it (docs/canonical.md).
_BEYOND_KATEX = (r"\ce", r"\pu", r"\mathchoice", r"\raisebox", r"\scalebox", r"\multicolumn", r"\cline", r"\genfrac",
                 r"\intertext", r"\shortintertext", r"\vdotswithin", r"\vcenter", r"\vbox", r"\uproot", r"\leftroot",
                 r"\begin{CD}", r"\begin{cases*}", r"\begin{dcases*}", r"\mod", r"\tag", r"\mathop", r"\big", r"\Big")
MAX_PROBLEMS = 8
_TEXT_ONLY = '<math xmlns="http://www.w3.org/1998/Math/MathML"><mtext>'
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    is_valid: bool
    problems: tuple[str, ...] = ()
    """One line each, with the character (from 1) where one is known."""
    mathml: str = ""
    """Well-formed MathML; for what KaTeX cannot show, the LaTeX as text; empty if invalid."""


def check(latex: str, *, is_display: bool = True) -> Checked:
    """Check a formula without its dollars.

    Args:
        latex: Any text, of any length.
        is_display: Whether its MathML is for a display.

    Returns:
        Valid, if it parses and every command in it is known to LaTeX with amsmath, mathtools and mhchem or to KaTeX.
    """
    half = _HALF_CHARACTER.search(latex)
    if half:
        return Checked(False, (f"half a character (a lone surrogate) at character {half.start() + 1}",))
    try:
        source = parse(latex)
    except LatexError as error:
        return Checked(False, (str(error),))
    if not source.items:
        return Checked(False, ("there is no formula",))
    unknown = _unknown_commands(latex)
    answer = ask_katex(latex, is_display=is_display)
    if answer.mathml:
        return Checked(True, (), answer.mathml)
    if unknown:
        return Checked(False, tuple(unknown[:MAX_PROBLEMS]))
    where = f" at character {answer.position + 1}" if answer.position >= 0 else ""
    reason = f"KaTeX: {answer.reason}{'' if ' at position' in answer.reason else where}"
    if answer.reason.startswith((GAVE_UP, "Undefined control sequence", "No such environment")) \
            or any(name in latex for name in _BEYOND_KATEX):
        return Checked(True, (), f"{_TEXT_ONLY}{escape(printable(latex))}</mtext></math>")
    return Checked(False, (reason,))


def _unknown_commands(latex: str) -> list[str]:
    problems = []
    for text, start in zip(*tokenize(latex), strict=True):
        if text.startswith((r"\begin{", r"\end{")):
            if text.startswith(r"\b") and text[7:-1] not in ENVIRONMENTS:
                problems.append(f"unknown environment {text[7:-1]} at character {start + 1}")
        elif len(text) > 2 and text[0] == "\\" and text not in KNOWN and text not in (r"\left", r"\right"):
            problems.append(f"unknown command {text} at character {start + 1}")
    return problems
