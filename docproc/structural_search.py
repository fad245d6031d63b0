"""Finding formulas by structure: the paths of the index narrow the search down, comparing the trees settles it."""

from __future__ import annotations

import heapq
import json
import math
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from docproc.latex.paths import path_term, paths
from docproc.latex.pattern import Match, find_pattern
from docproc.latex.structure import Row, count_leaves, has_wildcard, pattern_structure, shape_key, structure
from docproc.latex.tree import LatexError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

_COMMON = 3_000
"""A path of more formulas than this is not followed: it costs more time than it tells."""
_ENOUGH = 100
"""Once so few candidates are left, comparing them is cheaper than following another path."""
_MAX_COMPARED = 2_000
"""Trees compared for one tier, the smallest formulas first."""
_MAX_LOOKED_UP, _MAX_FOLLOWED = 60, 24
"""Paths of a query that are tried and followed for similar structure, the longest first."""
_MAX_SCORED, _MAX_REVIEWED = 300, 30
"""Formulas of similar structure that are ranked by those paths, and the best of them, ranked by all."""
_LEAST_LEAVES = 3
"""Symbols and operators that make a structure: `x_i` has three."""
_LEAST_LIKENESS = 0.25
"""Share of common structure below which two formulas have nothing to do with each other."""


@dataclass(slots=True)
class StructureQuery:
    """The formulas of a query, with what has been looked up for them."""

    connection: sqlite3.Connection
    patterns: list[Row]
    has_wildcards: bool
    conditions: str
    """SQL over `formulas f` and `documents d` that answers must meet."""
    values: tuple[Any, ...]
    _known: dict[str, frozenset[int] | None] = field(default_factory=dict)

    @property
    def has_structure(self) -> bool:
        """Whether the query is more than a symbol or two, which any others would match."""
        return sum(map(count_leaves, self.patterns)) >= _LEAST_LEAVES

    def restricted(self, condition: str, value: Any) -> StructureQuery:
        """The same query with one condition more."""
        return StructureQuery(
            self.connection,
            self.patterns,
            self.has_wildcards,
            f"{self.conditions} AND {condition}",
            (*self.values, value),
            self._known,
        )

    def formulas_with(self, path: str) -> frozenset[int] | None:
        """Formulas that have a path; None if they are too many to be of use."""
        if path not in self._known:
            term = f'"{path_term(path)}"'
            sql = "SELECT rowid FROM formula_paths WHERE formula_paths MATCH ?"
            # To see that it is common without taking its rows over into Python is three times faster on the whole.
            is_common = self.connection.execute(f"{sql} LIMIT 1 OFFSET ?", (term, _COMMON)).fetchone() is not None
            rows = [] if is_common else self.connection.execute(sql, (term,)).fetchall()
            self._known[path] = None if is_common else frozenset(row[0] for row in rows)
        return self._known[path]


def parse_structures(
    connection: sqlite3.Connection, formulas: Sequence[str], conditions: str, values: tuple[Any, ...]
) -> StructureQuery | None:
    """Prepare the formulas of a query; None if there is none or one of them does not parse."""
    try:
        patterns = [pattern_structure(latex) for latex in formulas]
    except LatexError:
        return None
    if not patterns or not all(patterns):
        return None
    return StructureQuery(connection, patterns, any(map(has_wildcard, formulas)), conditions, values)


def find_parts(query: StructureQuery, limit: int, *, renaming: bool) -> tuple[list[int], list[int]]:
    """Formulas that are the pattern, and formulas that hold all patterns: fewer other names first, then short ones."""
    named, renamed = _paths(query.patterns)
    found: list[tuple[bool, int, int, int]] = []
    enough = limit * 3 if renaming else limit
    candidates = _candidates(query, renamed if renaming else named | renamed)
    for size, formula_id, row in _trees(query, candidates, _MAX_COMPARED):
        matches: list[Match] = []
        for pattern in query.patterns:
            match = find_pattern(pattern, row, renaming=renaming)
            if match is None:
                break
            matches.append(match)
        else:
            is_whole = all(match.is_whole for match in matches)
            found.append((not is_whole, sum(match.changed for match in matches), size, formula_id))
            if len(found) >= enough:
                break
    found = sorted(found)[:limit]
    wholes = [formula_id for is_part, *_, formula_id in found if not is_part]
    return wholes, [formula_id for is_part, *_, formula_id in found if is_part]


def find_renamed(query: StructureQuery, limit: int) -> list[int]:
    """Formulas that are the pattern under other names, those with fewer other names first."""
    if len(query.patterns) != 1 or query.has_wildcards:
        return []
    (pattern,) = query.patterns
    rows = query.connection.execute(
        f"{_TREES} JOIN documents d ON d.id = f.document_id WHERE t.shape = ? AND {query.conditions} "
        "ORDER BY f.id LIMIT ?",
        (shape_key(pattern), *query.values, _MAX_COMPARED),
    )
    found: list[tuple[int, int]] = []
    for _, formula_id, tree in rows:
        match = find_pattern(pattern, json.loads(tree), renaming=True)
        if match is not None:
            found.append((match.changed, formula_id))
    return [formula_id for _, formula_id in sorted(found)][:limit]


def find_similar(query: StructureQuery, limit: int) -> list[int]:
    """Formulas of similar structure: most weight of common paths, rare paths weighing more."""
    named, renamed = _paths(query.patterns)
    wanted = sorted(named | renamed, key=_length_first)
    (total,) = query.connection.execute("SELECT count(*) FROM formula_trees").fetchone()
    weights = {path: math.log1p(total / _COMMON) for path in wanted}
    scores: dict[int, float] = {}
    followed = 0
    for path in wanted[:_MAX_LOOKED_UP]:
        having = query.formulas_with(path)
        if having is None:
            continue
        weights[path] = math.log1p(total / (len(having) + 1))
        for formula_id in having:
            scores[formula_id] = scores.get(formula_id, 0.0) + weights[path]
        followed += 1
        if followed >= _MAX_FOLLOWED:
            break
    weight, size = sum(weights.values()), sum(map(count_leaves, query.patterns))
    best = [formula_id for formula_id, _ in heapq.nlargest(_MAX_SCORED, scores.items(), key=itemgetter(1))]
    rows = _tree_rows(query, best, _MAX_SCORED)
    rows.sort(key=lambda row: (-scores[row[1]] / (size + row[0]), row[1]))  # the long ones have more of everything
    likeness: list[tuple[float, int, int]] = []
    for other_size, formula_id, tree in rows[: max(_MAX_REVIEWED, limit)]:
        other_named, other_renamed = paths(json.loads(tree))
        other = other_named | other_renamed
        common = sum(weights[path] for path in other if path in weights)
        rest = weight / len(weights) * sum(path not in weights for path in other)
        share = 2 * common / (weight + common + rest)
        if share >= _LEAST_LIKENESS:
            likeness.append((-share, other_size, formula_id))
    return [formula_id for *_, formula_id in sorted(likeness)][:limit]


def similar_formulas(connection: sqlite3.Connection, formula_id: int, latex: str, limit: int) -> list[int]:
    """Other formulas of the same or similar structure, for a look at one formula."""
    try:
        row = structure(latex)
    except LatexError:
        return []
    condition = "f.status NOT IN ('rejected', 'failed') AND f.id != ?"
    query = StructureQuery(connection, [row], False, condition, (formula_id,))
    if not query.has_structure:
        return []
    found = [*find_renamed(query, limit), *find_similar(query, limit)]
    return list(dict.fromkeys(found))[:limit]


_TREES = "SELECT t.size, f.id, t.tree FROM formula_trees t JOIN formulas f ON f.id = t.formula_id"


def _paths(patterns: Iterable[Row]) -> tuple[set[str], set[str]]:
    named: set[str] = set()
    renamed: set[str] = set()
    for pattern in patterns:
        one, other = paths(pattern)
        named |= one
        renamed |= other
    return named, renamed


def _candidates(query: StructureQuery, needed: set[str]) -> Iterable[int]:
    """Formulas that have all paths, or nearly: they are compared in full afterwards."""
    left: frozenset[int] | None = None
    for path in sorted(needed, key=_length_first):
        having = query.formulas_with(path)
        if having is None:
            continue
        left = having if left is None else left & having
        if len(left) <= _ENOUGH:
            break
    if left is not None:
        return left
    expression = " AND ".join(f'"{path_term(path)}"' for path in sorted(needed))
    if not expression:  # wildcards alone: any formula will do
        return _any_formulas(query)
    sql = (
        "SELECT f.id FROM formula_paths p JOIN formulas f ON f.id = p.rowid JOIN documents d ON d.id = f.document_id "
        f"WHERE formula_paths MATCH ? AND {query.conditions} LIMIT ?"
    )
    return [row[0] for row in query.connection.execute(sql, (expression, *query.values, _COMMON))]


def _length_first(path: str) -> tuple[int, str]:
    """Long paths are rare ones."""
    return -path.count(" ") - path.count(">"), path


def _any_formulas(query: StructureQuery) -> list[int]:
    sql = f"{_TREES} JOIN documents d ON d.id = f.document_id WHERE {query.conditions} ORDER BY f.id LIMIT ?"
    return [row[1] for row in query.connection.execute(sql, (*query.values, _MAX_COMPARED))]


def _trees(query: StructureQuery, candidates: Iterable[int], most: int) -> Iterator[tuple[int, int, Row]]:
    """Size, id and tree of candidates that meet the conditions, small ones first."""
    for size, formula_id, tree in _tree_rows(query, list(candidates), most):
        yield size, formula_id, json.loads(tree)


def _tree_rows(query: StructureQuery, formula_ids: list[int], most: int) -> list[tuple[int, int, str]]:
    rows = query.connection.execute(
        # CROSS JOIN keeps SQLite from starting with all formulas.
        "SELECT t.size, f.id, t.tree FROM json_each(?) c CROSS JOIN formula_trees t ON t.formula_id = c.value "
        "CROSS JOIN formulas f ON f.id = t.formula_id CROSS JOIN documents d ON d.id = f.document_id "
        f"WHERE {query.conditions} ORDER BY t.size, f.id LIMIT ?",
        (json.dumps(formula_ids), *query.values, most),
    )
    return rows.fetchall()
