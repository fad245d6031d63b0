"""Whether a formula holds a query as a part: with wildcards, by name or up to a renaming of its variables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from docproc.latex.structure import RELATION_SIGNS, SEPARATORS, WILDCARD, Row, is_variable

_MAX_STEPS = 5_000
"""Comparisons of one query with one formula: several wildcards in a row of many nodes try every division of it."""
_ENDS_WILDCARD = RELATION_SIGNS | SEPARATORS


@dataclass(frozen=True, slots=True)
class Match:
    """How a formula holds a query."""

    is_whole: bool
    """The query is the whole formula."""
    changed: int
    """Variables of the query that have another name in the formula."""


def find_pattern(pattern: Row, row: Row, *, renaming: bool) -> Match | None:
    """The best place of a query in a formula.

    Args:
        pattern: As `pattern_structure` gives it: neighbors of a row match neighbors of a row. A wildcard is one node or
            more, the same each time; beside other nodes it holds no relation and no comma.
        row: The formula.
        renaming: Let each variable stand for another of its alphabet, one to one.

    Returns:
        Whole before part, fewer changed names before more; None if the formula does not hold the query.
    """
    best: Match | None = None
    budget = [_MAX_STEPS]
    if not pattern:
        return None
    can_vary = pattern_can_vary(pattern)
    for is_top, part in _rows(row, is_top=True):
        for start in range(len(part)):
            if not _may_start(pattern[0], part[start], renaming):
                continue
            for end, bound in _match(pattern, part, 0, start, _Bound({}, {} if renaming else None), budget):
                changed = sum(name != other for name, other in (bound.names or {}).items())
                found = Match(is_top and start == 0 and end == len(part), changed)
                if best is None or (not found.is_whole, found.changed) < (not best.is_whole, best.changed):
                    best = found
                if best.is_whole and not best.changed:
                    return best
                if not can_vary:
                    break
    return best


def pattern_can_vary(pattern: Row) -> bool:
    """Whether a place may match in several ways: only with wildcards."""
    return any(
        node[0] == WILDCARD if isinstance(node, str) else any(map(pattern_can_vary, node[1:])) for node in pattern
    )


@dataclass(frozen=True, slots=True)
class _Bound:
    """What wildcards and variables stand for so far."""

    wildcards: dict[str, Row]
    names: dict[str, str] | None
    """Query's variable → formula's variable; None where names must agree."""
    others: frozenset[str] = field(default=frozenset())
    """Variables of the formula that are taken."""


def _rows(row: Row, *, is_top: bool) -> Iterator[tuple[bool, Row]]:
    yield is_top, row
    for node in row:
        if isinstance(node, list):
            for part in node[1:]:
                yield from _rows(part, is_top=False)


def _may_start(node: Any, other: Any, renaming: bool) -> bool:
    """A quick look at the first node, which settles most places."""
    if isinstance(node, str):
        return node == other or node[0] == WILDCARD or (renaming and isinstance(other, str) and is_variable(node))
    return isinstance(other, list) and bool(node[0] == other[0])


def _match(
    pattern: Row, row: Row, i: int, j: int, bound: _Bound, budget: list[int], *, is_full: bool = False
) -> Iterator[tuple[int, _Bound]]:
    """Match pattern[i:] with nodes from row[j]: where it ends, and what is bound; `is_full` demands the row's end."""
    if i == len(pattern):
        if not is_full or j == len(row):
            yield j, bound
        return
    budget[0] -= 1
    if budget[0] < 0:
        return
    node = pattern[i]
    if isinstance(node, str) and node[0] == WILDCARD:
        yield from _match_wildcard(node, pattern, row, i, j, bound, budget, is_full)
        return
    if j >= len(row):
        return
    for now in _match_node(node, row[j], bound, budget):
        yield from _match(pattern, row, i + 1, j + 1, now, budget, is_full=is_full)


def _match_wildcard(
    name: str, pattern: Row, row: Row, i: int, j: int, bound: _Bound, budget: list[int], is_full: bool
) -> Iterator[tuple[int, _Bound]]:
    known = bound.wildcards.get(name)
    if known is not None:
        end = j + len(known)
        if row[j:end] == known:
            yield from _match(pattern, row, i + 1, end, bound, budget, is_full=is_full)
        return
    is_alone = len(pattern) == 1
    for end in range(j + 1, len(row) + 1):
        last = row[end - 1]
        if not is_alone and isinstance(last, str) and last in _ENDS_WILDCARD:
            return
        now = _Bound({**bound.wildcards, name: row[j:end]}, bound.names, bound.others)
        yield from _match(pattern, row, i + 1, end, now, budget, is_full=is_full)


def _match_node(node: Any, other: Any, bound: _Bound, budget: list[int]) -> Iterator[_Bound]:
    if isinstance(node, str):
        if not isinstance(other, str):
            return
        if bound.names is None or not is_variable(node):
            if node == other:
                yield bound
            return
        taken = bound.names.get(node)
        if taken is not None:
            if taken == other:
                yield bound
        elif is_variable(other) and other not in bound.others and _alphabet(node) == _alphabet(other):
            yield _Bound(bound.wildcards, {**bound.names, node: other}, bound.others | {other})
        return
    if isinstance(other, str) or node[0] != other[0] or len(node) != len(other):
        return
    yield from _match_rows(node, other, 1, bound, budget)


def _match_rows(
    node: list[Any], other: list[Any], index: int, bound: _Bound, budget: list[int]
) -> Iterator[_Bound]:
    if index == len(node):
        yield bound
        return
    for _, now in _match(node[index], other[index], 0, 0, bound, budget, is_full=True):
        yield from _match_rows(node, other, index + 1, now, budget)


def _alphabet(leaf: str) -> str:
    return leaf.rpartition(":")[0]
