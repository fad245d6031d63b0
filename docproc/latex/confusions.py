r"""Symbols that are taken for each other: `v` for `\nu`, `0` for `O`; settled by the glyphs of the page alone."""

from __future__ import annotations

from collections import Counter

from docproc.latex.evidence import Agreement, compare_with_glyphs
from docproc.latex.symbols import glyph_marks, read_marks
from docproc.latex.tokens import join_tokens, split_latex

# Shapes that readers and recognizers mistake for each other, in their usual fonts.
_ALIKE = tuple(
    frozenset(group.split())
    for group in (
        r"v \nu \upsilon u", r"0 O o \circ", r"1 l I \ell i |", r"w \omega", r"x \times \chi X", r"B \beta",
        r"a \alpha", r"p \rho P", r"n \eta", r"\partial \delta", r"\sum \Sigma", r"\prod \Pi", r"u \mu", r"\leq <",
        r"\geq >", r"5 s S", r"2 z Z", r"9 g q", r"\gamma y Y", r"k \kappa K", r"c C", r"s S", r"t \tau",
        r"\xi \zeta", r"\theta \Theta 0", r"\phi \psi", r"\phi \emptyset", r"\in \epsilon \varepsilon", r"\cdot .",
        r"\wedge \Lambda", r"\vee v", r"\nabla \triangledown", r"i j", r"w W", r"v V", r"f \int",
        r"\subset \subseteq", r"\supset \supseteq",
    )
)  # fmt: skip
_MOST = 3
"""More of one symbol misread is no slip but another notation."""


def settle_by_glyphs(latex: str, glyph_symbols: tuple[str, ...]) -> tuple[str, str] | None:
    """Exchange one symbol for its look-alike, if the glyphs of the page then agree in full.

    Args:
        latex: A reading that the glyphs contradict.
        glyph_symbols: LaTeX meaning of each glyph from left to right.

    Returns:
        The rule in words and the only formula that agrees; None if there is none or more than one.
    """
    marks = read_marks(latex)
    if marks is None:
        return None
    read = Counter(mark.symbol for mark in marks)
    page = Counter(mark.symbol for symbol in glyph_symbols for mark in glyph_marks(symbol))
    added, missing = read - page, page - read
    if len(added) != 1 or len(missing) != 1 or added.total() != missing.total() or added.total() > _MOST:
        return None
    (wrong,), (right,) = added, missing
    if not any({wrong, right} <= group for group in _ALIKE):
        return None
    tokens = split_latex(latex)
    places = [i for i, token in enumerate(tokens) if token == wrong]
    if len(places) == added.total():
        choices = [places]
    elif added.total() == 1:
        choices = [[place] for place in places]
    else:
        return None
    found = []
    for chosen in choices:
        candidate = join_tokens([right if i in chosen else token for i, token in enumerate(tokens)])
        if compare_with_glyphs(candidate, glyph_symbols).agreement is Agreement.FULL:
            found.append(candidate)
    return (f"read {wrong} as {right}, which is what the page has", found[0]) if len(found) == 1 else None
