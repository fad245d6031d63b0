r"""How many horizontal rules a formula draws: fraction bars, roots, overlines; a lost `\overline` leaves its rule."""

from __future__ import annotations

from docproc.latex.looks import fold
from docproc.latex.nodes import children
from docproc.latex.tokens import join_tokens, split_latex
from docproc.latex.tree import Command, LatexError, Node, Symbol, parse

_ONE = frozenset((r"\frac", r"\sqrt", r"\overline", r"\underline"))
_LINES = (r"\overline", r"\underline")
# Drawn by rules, by glyphs or by both, as the fonts go.
_UNSURE = (r"\boxed", r"\fbox", r"\cancel", r"\bcancel", r"\xcancel", r"\over", r"\under", r"\x", r"\rule", r"\cfrac",
           r"\genfrac")  # fmt: skip
_STACKS = frozenset((r"\overset", r"\underset"))


def count_rules(latex: str) -> int | None:
    """Count the horizontal rules that TeX draws for a formula.

    Args:
        latex: A formula.

    Returns:
        Their number; None where it depends on the fonts, or the formula does not parse.
    """
    try:
        return _count(fold(parse(latex).items))
    except LatexError:
        return None


def draws_too_much(latex: str, rule_count: int | None) -> bool:
    r"""Whether an `\overline` or `\underline` has no rule on the page: the edge of a table cell, read as part of it.

    A formula without such a line is left alone: some producers draw fraction bars and radicals otherwise.
    """
    if rule_count is None or not any(line in latex for line in _LINES):
        return False
    drawn = count_rules(latex)
    return drawn is not None and drawn > rule_count


def settle_by_rules(latex: str, rule_count: int | None) -> tuple[str, str] | None:
    """Take a line off that the page does not draw.

    Args:
        latex: A reading that `draws_too_much`.
        rule_count: Horizontal rules of the page.

    Returns:
        The rule in words and the formula without the line; None if more than one formula draws as much as the page.
    """
    tokens = split_latex(latex)
    shorter = {join_tokens([*tokens[:i], *tokens[i + 1 :]]) for i, token in enumerate(tokens) if token in _LINES}
    found = [one for one in shorter if count_rules(one) == rule_count]
    return ("removed a line that the page does not draw", found[0]) if len(found) == 1 else None


def _count(items: list[Node]) -> int | None:
    total = 0
    for item in items:
        inner = _inner(item)
        counts = [None] if inner is None else [_count(part) for part in inner]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return None
        total += sum(known) + (isinstance(item, Command) and item.name in _ONE)
    return total


def _inner(item: Node) -> list[list[Node]] | None:
    if isinstance(item, Symbol):
        return None if item.text == r"\hline" else []
    if not isinstance(item, Command):
        return children(item)
    if item.name not in _ONE and item.name not in _STACKS and item.name.startswith(_UNSURE):
        return None
    return [*([item.option.items] if item.option else []), *children(item)]
