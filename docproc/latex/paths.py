r"""Paths of the operator tree of a formula: the terms of the index for structural search.

A row is read as an operator tree: relations over sums over products over factors, a product being written by
juxtaposition, a dot or a cross. Each symbol and operator gives short paths: its name, its name under its parent, under
its parent and grandparent, and beside its neighbor. A path with a variable in it is given twice, by name and as `v`:
those with `v` survive a renaming. The order of terms and factors plays no part, but in the pairs of neighbors.

What a sub-expression has, the whole has too: the paths of a part are among those of every formula that holds it.
That is what narrows a search down; `docproc/latex/pattern.py` then compares in full.

Source: leaf-to-root paths of operator trees after Zhong and Zanibbi, "Structural similarity search for formulas using
leaf-root paths in operator subtrees" (ECIR 2019); pairs of neighbors after Tangent-3 (Zanibbi et al., SIGIR 2016).
"""

from __future__ import annotations

import zlib
from itertools import pairwise
from typing import Any

from docproc.latex.structure import BINARY_SIGNS, RELATION_SIGNS, SEPARATORS, WILDCARD, Row, is_variable

_PRODUCT_SIGNS = frozenset((r"\cdot", r"\times", "*"))
_SUM = "+"
_PRODUCT = "."
_VARIABLE = "v"
_MAX_PATHS = 2_000
"""Of one formula: the longest of 620,000 has fewer."""


def paths(row: Row) -> tuple[set[str], set[str]]:
    """The paths of a formula or query.

    Args:
        row: As `structure` or `pattern_structure` gives it.

    Returns:
        Paths that name their variables, and paths that hold for every renaming. What touches a wildcard has none.
    """
    collector = _Collector()
    collector.row(row, ())
    return collector.named, collector.renamed


def path_terms(row: Row) -> list[str]:
    """All paths as words of letters and digits for the full-text index, sorted."""
    named, renamed = paths(row)
    return sorted({path_term(path) for path in sorted(named | renamed)[:_MAX_PATHS]})


def path_term(path: str) -> str:
    """A path as a word: 32 bits. Where two paths share one, a comparison more is made and no answer is wrong."""
    return f"{zlib.crc32(path.encode('utf-8', 'replace')):08x}"


class _Collector:
    """Gathers paths; an ancestor is the pair of its label by name and its label under renaming (the same for both)."""

    def __init__(self) -> None:
        self.named: set[str] = set()
        self.renamed: set[str] = set()

    def add(self, parts: tuple[str, ...], leaf: str) -> None:
        """A path, innermost part first."""
        tail = " ".join(("", *parts))
        if is_variable(leaf):
            self.named.add(leaf + tail)
            leaf = _VARIABLE
        self.renamed.add(leaf + tail)

    def row(self, row: Row, above: tuple[str, ...]) -> None:
        """Paths of a row below its ancestors, nearest first (two at most)."""
        self.neighbors(row)
        if any(isinstance(node, str) and node[0] == WILDCARD for node in row):
            for node in row:
                if isinstance(node, str):
                    self.leaf(node, None)
                else:
                    self.inner(node, None)
            return
        for operator, terms in _split(row, RELATION_SIGNS | SEPARATORS):
            self.relation(operator, terms, above)

    def relation(self, operator: tuple[str, str], terms: Row, above: tuple[str, ...]) -> None:
        """One term between two relations (or the ends of the row)."""
        relations = [sign for sign in operator if sign]
        for sign in relations:
            self.leaf(sign, above)
        parents = [(sign, *above[:1]) for sign in relations] or [above]
        signed = list(_signed(terms))
        is_sum = len(signed) > 1 or (signed and signed[0][0] != _SUM)
        for parent in parents:
            if is_sum:
                self.leaf(_SUM, parent)
            for sign, factors in signed:
                below = (_SUM + sign, *parent[:1]) if is_sum else parent
                self.product(factors, below)

    def product(self, factors: Row, above: tuple[str, ...]) -> None:
        """The factors of one term."""
        if len(factors) > 1:
            self.leaf(_PRODUCT, above)
            above = (_PRODUCT, *above[:1])
        for factor in factors:
            if isinstance(factor, str):
                self.leaf(factor, above)
            else:
                self.inner(factor, above)

    def leaf(self, leaf: str, above: tuple[str, ...] | None) -> None:
        """A symbol; `above` is None beside a wildcard, which hides the operator."""
        if leaf[0] == WILDCARD:
            return
        self.add((), leaf)
        for depth in range(1, len(above or ()) + 1):
            self.add((above or ())[:depth], leaf)

    def inner(self, node: list[Any], above: tuple[str, ...] | None) -> None:
        """A node with rows below it."""
        label = node[0]
        self.leaf(label, above)
        for index, row in enumerate(node[1:]):
            self.row(row, (f"{label}/{index}", *(above or ())[:1]))

    def neighbors(self, row: Row) -> None:
        """Pairs of nodes that stand side by side."""
        for left, right in pairwise(row):
            marks, one = _name(left)
            other_marks, other = _name(right)
            if WILDCARD in (one[:1], other[:1]):
                continue
            if is_variable(one) or is_variable(other):
                self.named.add(f"{marks}{one}>{other_marks}{other}")
                one = _VARIABLE if is_variable(one) else one
                other = _VARIABLE if is_variable(other) else other
            self.renamed.add(f"{marks}{one}>{other_marks}{other}")


def _name(node: Any) -> tuple[str, str]:
    """Marks of its scripts, and the label of what they hang on."""
    marks = ""
    while isinstance(node, list) and node[0] in ("^", "_") and len(node[1]) == 1:
        marks += node[0]
        node = node[1][0]
    return marks, node if isinstance(node, str) else str(node[0])


def _split(row: Row, signs: frozenset[str]) -> list[tuple[tuple[str, str], Row]]:
    """The parts of a row between signs, each with the sign before and behind it."""
    parts: list[tuple[tuple[str, str], Row]] = []
    before = ""
    part: Row = []
    for node in row:
        if isinstance(node, str) and node in signs:
            parts.append(((before, node), part))
            before, part = node, []
        else:
            part.append(node)
    parts.append(((before, ""), part))
    return parts


def _signed(terms: Row) -> list[tuple[str, Row]]:
    """The terms of a sum with the signs before them."""
    out: list[tuple[str, Row]] = []
    sign, factors = _SUM, []
    for node in terms:
        if not (isinstance(node, str) and node in BINARY_SIGNS):
            factors.append(node)
        elif node not in _PRODUCT_SIGNS:
            if factors:
                out.append((sign, factors))
            sign, factors = node, []
    if factors:
        out.append((sign, factors))
    return out
