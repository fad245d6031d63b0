"""One spelling for one look: the forms in which formulas are stored, compared and learned."""

from __future__ import annotations

import re

from docproc.latex.exact import respell
from docproc.latex.looks import fold
from docproc.latex.targets import is_learnable
from docproc.latex.tokens import MAX_CHARACTERS, join_tokens, split_latex
from docproc.latex.tree import LatexError, parse
from docproc.latex.write import Writer

_EXACT = Writer()
_LOOK = Writer(is_look=True)
_KEY = Writer(is_look=True, is_key=True)
# A recogniser's answer is never longer; 0.5 % of printed formulas are.
MAX_TARGET_TOKENS = 300
# Where TeX's programming begins, braces and blanks mean something else: such a formula is left alone. Each part begins
# with one certain character, which a search finds three times as fast as a look behind every other.
_PROGRAMMING = re.compile(
    r"\\(?:if[a-zA-Z]*|else|fi|def|let|edef|gdef|newcommand|renewcommand|expandafter|csname|pdfliteral|char|mathchar"
    r"|catcode|futurelet|number|the|string|noexpand|setlength|halign|noalign)(?![a-zA-Z])"
    r"|#(?<!\\#)|\$(?<!\\\$)")


def canonical(latex: str) -> str:
    r"""Respell a formula without changing its picture: the form in which formulas are stored.

    Braces around scripts, `_` before `^`, one name for each symbol, fonts and fractions in today's syntax, compact.

    Args:
        latex: A formula. What does not parse only loses its needless blanks.

    Returns:
        LaTeX; `canonical(canonical(x)) == canonical(x)`.
    """
    if _PROGRAMMING.search(latex):
        return " ".join(latex.split())
    try:
        return join_tokens(_EXACT.write(respell(parse(latex).items)))
    except LatexError:
        return join_tokens(split_latex(latex[:MAX_CHARACTERS]))


def match_key(latex: str) -> str:
    """Fold what a reader cannot tell apart in the picture (docs/canonical.md); equal keys mean equal looks.

    Args:
        latex: A formula. What does not parse is its own key, blanks removed.

    Returns:
        LaTeX-like text for comparison and search, not for typesetting.
    """
    try:
        tokens = _KEY.write(fold(parse(latex).items))
    except LatexError:
        tokens = split_latex(latex[:MAX_CHARACTERS])
    return join_tokens(_double_bars(tokens))


def _double_bars(tokens: list[str]) -> list[str]:
    r"""Two bars side by side are `\|`: in Computer Modern their gap is 0.28 em to its 0.22."""
    out: list[str] = []
    for token in tokens:
        if token == "|" and out and out[-1] == "|" and out[-2:-1] not in ([r"\left"], [r"\middle"], [r"\right"]):
            out[-1] = r"\|"
        else:
            out.append(token)
    return out


def recognition_target(latex: str) -> str | None:
    r"""LaTeX that a recogniser can be asked to write for the picture of this formula.

    All that the picture does not decide is settled by one rule: no thin spaces, `\left … \right` only around content
    taller than a line, upright words as `\operatorname` (`\mathrm` in scripts), one name for each symbol.

    Args:
        latex: A formula.

    Returns:
        Valid LaTeX with the same match key; None where the formula is broken, trivial, too long (over
        `MAX_TARGET_TOKENS`) or uses what is no LaTeX mathematics.
    """
    try:
        source = parse(latex)
    except LatexError:
        return None
    if not is_learnable(source.items):
        return None
    tokens = _LOOK.write(fold(source.items))
    if len(tokens) > MAX_TARGET_TOKENS or not any(t.isalnum() or len(t) > 1 for t in tokens):
        return None
    return join_tokens(tokens)
