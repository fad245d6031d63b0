"""Cheap signs that a formula was misread; hints for a reviewer, never a reason to change it."""

from __future__ import annotations

import re
from itertools import pairwise, zip_longest

from docproc.latex.looks import fold
from docproc.latex.nodes import children
from docproc.latex.tokens import split_latex
from docproc.latex.tree import Command, Environment, LatexError, Node, Symbol, parse
from docproc.latex.write import Writer

_OPEN = frozenset(("(", "["))
_CLOSE = frozenset((")", "]"))
_ENDS_WITH = frozenset((
    "=", "+", "/", r"\cdot", r"\times", r"\leq", r"\geq", r"\neq", r"\in", r"\subset", r"\subseteq",
))  # fmt: skip
_STACKS = frozenset((r"\substack", r"\shortstack", r"\subarray", r"\atop", r"\underset", r"\overset", r"\xrightarrow"))
_MIN_REPEATS, _MAX_UNIT = 5, 20
_BARE = frozenset(("matrix", "array"))
_WRITER = Writer(is_look=True)
_LABEL = r"\(\d+(?:\.\d+)*[a-z]?\)"
_NUMBER = re.compile(rf"^(?:\\begin\{{[a-z]+\}}&?)?{_LABEL}|(?<![a-zA-Z]){_LABEL}(?:\\end\{{[a-z]+\}})?[.,]?$")
NOTHING_AFTER = "nothing stands after"
REPEATS = "its end repeats"


def find_hints(latex: str) -> tuple[str, ...]:
    """Mathematical inconsistencies that real formulas hardly ever show.

    Args:
        latex: A formula.

    Returns:
        One line each; empty if it does not parse (the check says why).
    """
    try:
        source = parse(latex).items
    except LatexError:
        return ()
    items = fold(source)
    hints = []
    opened, closed = _count_brackets(items)
    if abs(opened - closed) == 1 and min(opened, closed) >= 1:
        hints.append(f"{opened} opening and {closed} closing brackets")
    if len(items) > 2 and isinstance(items[-1], Symbol) and items[-1].text in _ENDS_WITH:
        hints.append(f"{NOTHING_AFTER} the last {items[-1].text}")
    if any(isinstance(a, Symbol) and isinstance(b, Symbol) and a.text == b.text and (a.text == "=" or a.text == r"\leq")
           for a, b in pairwise(items)):
        hints.append("two relations follow each other")
    if _has_stray_row_end(source):
        hints.append(r"a row ends (\\) outside an environment")
    hints += _ragged(source)
    if len(items) == 1 and isinstance(items[0], Environment) and items[0].name in _BARE and len(items[0].rows) == 1:
        hints.append("a matrix of one row without brackets")
    tail = repeated_tail(split_latex(latex))
    if tail:
        hints.append(f"{REPEATS} {tail} times")
    return tuple(hints)


def is_complete(latex: str) -> bool:
    """Whether nothing seems to be missing at the ends, nor too much: brackets pair, terms stand around each sign.

    A number in brackets at an end may be the equation's own; how a matrix aligns cells of other widths cannot be told.
    """
    try:
        items = fold(parse(latex).items)
    except LatexError:
        return False
    if _NUMBER.search(latex) or _has_loose_columns(items):
        return False
    opened, closed = _count_brackets(items)
    ends = [item.text for item in (items[:1] + items[-1:]) if isinstance(item, Symbol)]
    return opened == closed and not any(text in _ENDS_WITH and text not in ("-", r"\in") for text in ends)


def _has_stray_row_end(items: list[Node]) -> bool:
    """TeX ignores such a row end, KaTeX and MathJax break the line there."""
    for item in items:
        if isinstance(item, Symbol) and item.text == "\\\\":
            return True
        is_stack = isinstance(item, Command) and item.name in _STACKS
        if not is_stack and any(_has_stray_row_end(child) for child in children(item)):
            return True
    return False


def repeated_tail(tokens: list[str]) -> int:
    """How often the last tokens repeat, 0 if fewer than five times or if they are only dots and digits."""
    for unit in range(1, min(_MAX_UNIT, len(tokens) // _MIN_REPEATS) + 1):
        last = tokens[-unit:]
        count = 1
        while tokens[-unit * (count + 1):-unit * count] == last:
            count += 1
        needed = _MIN_REPEATS if unit > 1 else 8
        if count >= needed and not all(token in (".", "}", "&", r"\cdot") or token.isdigit() for token in last):
            return count
    return 0


def _count_brackets(items: list[Node]) -> tuple[int, int]:
    opened = closed = 0
    for item in items:
        if isinstance(item, Symbol):
            opened += item.text in _OPEN
            closed += item.text in _CLOSE
        for child in children(item):
            a, b = _count_brackets(child)
            opened, closed = opened + a, closed + b
    return opened, closed


def _has_loose_columns(items: list[Node]) -> bool:
    """Whether a matrix or array has a column of cells of several lengths: left, centered or right is a guess."""
    for item in items:
        if isinstance(item, Environment) and item.name.endswith(("matrix", "array")):
            columns = zip_longest(*([len(_WRITER.write(cell.items)) for cell in row] for row in item.rows))
            if any(len(set(lengths) - {None}) > 1 for lengths in columns):
                return True
        if any(_has_loose_columns(child) for child in children(item)):
            return True
    return False


def _ragged(items: list[Node]) -> list[str]:
    for item in items:
        if isinstance(item, Environment) and item.name.endswith("matrix"):
            # A row of one cell may be an empty line or a rule.
            widths = {len(row) for row in item.rows if len(row) > 1}
            if len(widths) > 1:
                return [f"rows of a matrix have {min(widths)} to {max(widths)} cells"]
        for child in children(item):
            found = _ragged(child)
            if found:
                return found
    return []
