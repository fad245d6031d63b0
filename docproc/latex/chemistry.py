r"""Chemistry as the mathematics it prints: `\ce{SO4^2-}` is `\mathrm{SO}_{4}^{2-}` to a reader.

mhchem itself (its port that comes with KaTeX) turns the formula into LaTeX; the boxes by which it lowers scripts and
lines them up are taken out here, since they make no ink.
"""

from __future__ import annotations

import re
from functools import lru_cache

from docproc.latex.katex_engine import expand_mhchem

_KEPT_CHARACTERS = 500
# Scripts in front of an isotope: an empty copy first, which sets the width, then the scripts themselves.
_WIDTH = re.compile(
    r"\{\\vphantom\{X\}\}(?:\^\{\\hphantom\{[^{}]*\}\})?(?:_\{\\hphantom\{[^{}]*\}\})?\{\\vphantom\{X\}\}"
)
_PHANTOM = re.compile(r"\{\\vphantom\{X\}\}|\\vphantom\{\d?\}")
_BOX = re.compile(r"\\smash\[t\](?=\{)|\\mathllap(?=\{)")
_HALF = re.compile(r"\\mathchoice\{\\textstyle(\\frac\{[^{}]*\}\{[^{}]*\})\}(?:\{\\frac\{[^{}]*\}\{[^{}]*\}\}){3}")
_ARROWS = {
    r"\xrightarrow{}": r"\longrightarrow ",
    r"\xleftarrow{}": r"\longleftarrow ",
    r"\xleftrightarrow{}": r"\longleftrightarrow ",
    r"\xrightleftharpoons{}": r"\rightleftharpoons ",
    r"\xrightleftarrows{}": r"\rightleftarrows ",
}
# What is left of these has no name in plain LaTeX.
_UNNAMED = re.compile(
    r"\\(?:xrightequilibrium|xleftequilibrium|xrightleftarrows|tripledash|mathllap|mathchoice|rlap|[hv]phantom)"
)


@lru_cache(maxsize=4096)
def chemistry_as_mathematics(source: str) -> str | None:
    r"""Say in plain LaTeX what `\ce{source}` prints.

    Args:
        source: The argument of `\ce`.

    Returns:
        LaTeX mathematics; None where mhchem refuses the source or prints what plain LaTeX has no name for.

    Source: the expansions of mhchem in KaTeX 0.19.1, for the 3,945 chemical formulas of the corpus.
    """
    if len(source) > _KEPT_CHARACTERS:
        return None
    latex = expand_mhchem(source)
    if latex is None:
        return None
    latex = _PHANTOM.sub("", _WIDTH.sub("{}", latex))
    latex = _HALF.sub(r"\1", _BOX.sub("", latex))
    for arrow, name in _ARROWS.items():
        latex = latex.replace(arrow, name)
    return None if _UNNAMED.search(latex) else latex
