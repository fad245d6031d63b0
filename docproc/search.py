r"""Finding formulas by words, by LaTeX in any spelling, or by both at once.

The query's LaTeX is folded to the same key as the stored formulas, so that `\frac12` finds `\frac{1}{2}`.
Answers come in tiers: the exact formula, formulas that hold it as a sub-expression, the same up to the names of
variables, formulas of similar structure, formulas with the same tokens, formulas whose surrounding words or document
title match, then anything in common. Structure is compared by `structural_search`; the other tiers are ranked by BM25.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docproc.database import explained
from docproc.filters import FormulaFilter
from docproc.fulltext import index_tokens, search_key, telling_tokens
from docproc.latex.structure import has_wildcard
from docproc.query import STOP_WORDS, Query, parse_query
from docproc.records import Box
from docproc.store import FormulaStore
from docproc.structural_search import StructureQuery, find_parts, find_renamed, find_similar, parse_structures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WEIGHTS = "1.0, 2.0, 0.5"
"""BM25 weights of tokens, surrounding words and title: a word beside the formula says more than one of its tokens."""
_SNIPPET_CHARACTERS = 60
"""Prose shown on each side of a formula."""
_RAREST = 6
"""Terms of the last tier: common ones (a brace, `=`) are in every formula and cost a second on 300,000."""
_SPOKEN = {
    "integral": ("int", "iint", "iiint", "oint"),
    "sum": ("sum",),
    "product": ("prod",),
    "root": ("sqrt",),
    "fraction": ("frac",),
    "limit": ("lim",),
    "infinity": ("infty",),
    "gradient": ("nabla",),
    "derivative": ("partial",),
}
"""Words that people use for a command; a word that is itself a command's name (`alpha`) needs no entry."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A formula that answers a query."""

    formula_id: int
    document: str
    """Path of the document."""
    title: str
    page_number: int
    position: int
    kind: str
    box: Box
    equation_number: str | None
    latex: str
    """The reviewer's LaTeX where there is one."""
    status: str
    confidence: float
    snippet: str
    """The sentence around it, the formula as `$…$`."""
    match: str
    """`formula`, `sub-expression`, `renamed`, `structure`, `tokens`, `words` or `partial`."""

    def row(self) -> dict[str, Any]:
        """The hit for printing; the box as [x0, y0, x1, y1] in points."""
        box = [round(value, 1) for value in (self.box.x0, self.box.y0, self.box.x1, self.box.y1)]
        return {
            "id": self.formula_id,
            "document": self.document,
            "page": self.page_number,
            "latex": self.latex,
            "snippet": self.snippet,
            "box": box,
            "kind": self.kind,
            "equation_number": self.equation_number,
            "status": self.status,
            "confidence": self.confidence,
            "match": self.match,
            "title": self.title,
        }


def search(database: FormulaStore | Path | str, query: str, limit: int = 20, **conditions: Any) -> list[Hit]:
    """Find formulas.

    Args:
        database: An open store, or the path of a database, which is opened for reading.
        query: Words, LaTeX, or both; any text. In LaTeX, `?f` or `?` stands for any sub-expression.
        limit: At most so many hits.
        conditions: Fields of `FormulaFilter`: document, pages, kind, status, min_confidence, max_confidence, reviewed.

    Returns:
        The best hits first; empty for an empty query.

    Raises:
        InputError, OutputError: The database is missing or cannot be read.
        UsageError: The page ranges cannot be understood.
    """
    where, values = FormulaFilter(**conditions).where()
    with ExitStack() as stack:
        store = database
        if not isinstance(store, FormulaStore):
            store = stack.enter_context(FormulaStore.open(store, read_only=True))
        stack.enter_context(explained(store.path))
        hits: dict[int, Hit] = {}
        for name, rows in _tiers(store, parse_query(query), where, values, limit):
            for row in rows:
                if len(hits) < limit and row[0] not in hits:
                    hits[row[0]] = _hit(row, name)
            if len(hits) >= limit:
                break
        return list(hits.values())


def _tiers(
    store: FormulaStore, query: Query, where: str, values: tuple[Any, ...], limit: int
) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Name and rows of each tier, the best first; a tier is looked up only when it is asked for."""
    keys = tuple(search_key(latex) for latex in query.formulas)
    required = [word for word in query.words if word not in STOP_WORDS] or list(query.words)
    words = " AND ".join(_word(word) for word in required)
    structures = parse_structures(store.connection, query.formulas, where, values)
    has_wildcards = any(map(has_wildcard, query.formulas))

    def full_text(expression: str, keys: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
        return _rows(store, expression, keys, where, values, limit)

    if keys:
        if words:
            yield "formula", full_text(words, keys)
            yield from _parts(store, structures, limit, words)
        yield "formula", full_text("", keys)
        yield from _parts(store, structures, limit)
        if structures is not None and structures.has_structure:
            yield "renamed", _rows_by_id(store, find_renamed(structures, limit))
            wholes, parts = find_parts(structures, limit, renaming=True)
            yield "renamed", _rows_by_id(store, wholes + parts)
            if not words:
                yield "structure", _rows_by_id(store, find_similar(structures, limit))
    tokens = telling_tokens(token for key in keys for token in index_tokens(key)) if not has_wildcards else []
    every = " AND ".join(f"tokens : {_quoted(token)}" for token in tokens)
    if structures is None and keys and not has_wildcards:  # no LaTeX, or cut in the middle: its tokens in a row
        phrases = [phrase for phrase in map(index_tokens, keys) if phrase]
        if phrases:
            yield "sub-expression", full_text(" AND ".join(f"tokens : {_quoted(*phrase)}" for phrase in phrases))
    if every and words:
        yield "tokens", full_text(f"{every} AND {words}")
    if words:
        yield "words", full_text(words)
    if every:
        yield "tokens", full_text(every)
    terms = [f"tokens : {_quoted(token)}" for token in _rarest(store, tokens)]
    terms += [_word(word) for word in _rarest(store, required)]
    if len(terms) > 1:
        yield "partial", full_text(" OR ".join(terms))


def _parts(
    store: FormulaStore, structures: StructureQuery | None, limit: int, words: str = ""
) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Formulas that hold those of the query, beside its words if there are any."""
    if structures is None:
        return
    if words:
        beside = "f.id IN (SELECT rowid FROM formulas_fts WHERE formulas_fts MATCH ?)"
        structures = structures.restricted(beside, words)
    wholes, parts = find_parts(structures, limit, renaming=False)
    yield "formula", _rows_by_id(store, wholes)
    yield "sub-expression", _rows_by_id(store, parts)


_COLUMNS = (
    "SELECT f.id, d.path, d.title, f.page_number, f.position, f.kind, f.x0, f.y0, f.x1, f.y1, f.equation_number, "
    "coalesce(f.corrected_latex, f.latex), f.status, f.confidence, f.text_before, f.text_after"
)


def _rows_by_id(store: FormulaStore, formula_ids: list[int]) -> list[tuple[Any, ...]]:
    """Rows in the order of the ids."""
    sql = (
        f"{_COLUMNS} FROM json_each(?) c CROSS JOIN formulas f ON f.id = c.value "
        "CROSS JOIN documents d ON d.id = f.document_id ORDER BY c.key"
    )
    return store.connection.execute(sql, (json.dumps(formula_ids),)).fetchall()


def _rows(
    store: FormulaStore, expression: str, keys: tuple[str, ...], conditions: str, values: tuple[Any, ...], limit: int
) -> list[tuple[Any, ...]]:
    """Rows of one tier of the full-text index or of match keys, the best first."""
    exact = f" AND f.match_key IN ({', '.join('?' * len(keys))})" if keys else ""
    if not expression:
        tables = "formulas f JOIN documents d ON d.id = f.document_id"
        sql = f"{_COLUMNS} FROM {tables} WHERE {conditions}{exact} ORDER BY f.id LIMIT ?"
        return store.connection.execute(sql, (*values, *keys, limit)).fetchall()
    if not keys:
        # FTS5 sorts by its own rank five times faster than SQLite sorts joined rows: enough unless filters drop many.
        sql = (
            f"{_COLUMNS} FROM (SELECT rowid, rank FROM formulas_fts WHERE formulas_fts MATCH ? AND rank MATCH ? "
            "ORDER BY rank LIMIT ?) best JOIN formulas f ON f.id = best.rowid JOIN documents d ON d.id = f.document_id "
            f"WHERE {conditions} ORDER BY best.rank, f.id"
        )
        inner = 2 * limit
        rows = store.connection.execute(sql, (expression, f"bm25({_WEIGHTS})", inner, *values)).fetchall()
        if len(rows) >= limit or not _has_more(store, expression, inner):
            return rows
    sql = (
        f"{_COLUMNS} FROM formulas_fts JOIN formulas f ON f.id = formulas_fts.rowid "
        "JOIN documents d ON d.id = f.document_id WHERE formulas_fts MATCH ? "
        f"AND {conditions}{exact} ORDER BY bm25(formulas_fts, {_WEIGHTS}), f.id LIMIT ?"
    )
    return store.connection.execute(sql, (expression, *values, *keys, limit)).fetchall()


def _has_more(store: FormulaStore, expression: str, count: int) -> bool:
    sql = "SELECT count(*) FROM (SELECT 1 FROM formulas_fts WHERE formulas_fts MATCH ? LIMIT ?)"
    (found,) = store.connection.execute(sql, (expression, count)).fetchone()
    return bool(found >= count)


def _rarest(store: FormulaStore, terms: list[str]) -> list[str]:
    """The terms that are in fewest formulas, and in one at least."""
    if not terms:
        return []
    store.connection.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.formula_terms USING fts5vocab('main', 'formulas_fts', 'row')"
    )
    marks = ", ".join("?" * len(terms))
    rows = store.connection.execute(
        f"SELECT term FROM temp.formula_terms WHERE term IN ({marks}) ORDER BY doc, term LIMIT ?", (*terms, _RAREST)
    )
    return [term for (term,) in rows]


def _word(word: str) -> str:
    """An FTS5 expression for a word: beside a formula, in the title, or as the name of what stands in the formula."""
    commands = _SPOKEN.get(word, (word,) if word.isascii() and word.isalpha() else ())
    named = "".join(f" OR tokens : {_quoted('c_' + command)}" for command in commands)
    return f"({{words title}} : {_quoted(word)}{named})"


def _quoted(*terms: str) -> str:
    """An FTS5 phrase; terms hold letters, digits and `_` only, so that nothing in them can be syntax."""
    return '"' + " ".join(terms) + '"'


def _hit(row: tuple[Any, ...], match: str) -> Hit:
    (
        formula_id,
        path,
        title,
        page,
        position,
        kind,
        x0,
        y0,
        x1,
        y1,
        number,
        latex,
        status,
        confidence,
        before,
        after,
    ) = row
    before, after = before or "", after or ""
    before = before if len(before) <= _SNIPPET_CHARACTERS else "…" + before[-_SNIPPET_CHARACTERS:].partition(" ")[2]
    after = after if len(after) <= _SNIPPET_CHARACTERS else after[:_SNIPPET_CHARACTERS].rpartition(" ")[0] + "…"
    return Hit(
        formula_id=formula_id,
        document=path,
        title=title or "",
        page_number=page,
        position=position,
        kind=kind,
        box=Box(x0, y0, x1, y1),
        equation_number=number,
        latex=latex,
        status=status,
        confidence=confidence,
        snippet=" ".join(f"{before} ${latex}$ {after}".split()),
        match=match,
    )
