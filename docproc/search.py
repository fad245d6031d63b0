r"""Finding formulas by words, by LaTeX in any spelling, or by both at once.

The query's LaTeX is folded to the same key as the stored formulas, so that `\frac12` finds `\frac{1}{2}`.
Answers come in tiers: the exact formula, then formulas that hold it as a sub-expression, then formulas with the same
tokens, then formulas whose surrounding words or document title match, then anything in common. Within a tier, BM25.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docproc.database import explained
from docproc.fulltext import index_tokens, telling_tokens
from docproc.latex.canonical import match_key
from docproc.query import STOP_WORDS, Query, parse_query
from docproc.records import Box
from docproc.store import FormulaStore

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
    """`formula`, `sub-expression`, `tokens`, `words` or `partial`."""

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


def search(
    database: FormulaStore | Path | str,
    query: str,
    limit: int = 20,
    *,
    document: str | None = None,
    kind: str | None = None,
    status: str | None = None,
) -> list[Hit]:
    """Find formulas.

    Args:
        database: An open store, or the path of a database, which is opened for reading.
        query: Words, LaTeX, or both; any text.
        limit: At most so many hits.
        document: Only of documents whose path or title holds this text.
        kind: Only `display` or `inline`.
        status: Only of this status; else all but `rejected` and `failed`.

    Returns:
        The best hits first; empty for an empty query.

    Raises:
        InputError, OutputError: The database is missing or cannot be read.
    """
    with ExitStack() as stack:
        store = database
        if not isinstance(store, FormulaStore):
            store = stack.enter_context(FormulaStore.open(store, read_only=True))
        stack.enter_context(explained(store.path))
        conditions, values = _filters(document, kind, status)
        hits: dict[int, Hit] = {}
        for name, condition, wanted in _tiers(store, parse_query(query)):
            if len(hits) >= limit:
                break
            rank = f"bm25(formulas_fts, {_WEIGHTS})" if "MATCH" in condition else "f.reviewed_at IS NULL"
            source = (
                "formulas_fts JOIN formulas f ON f.id = formulas_fts.rowid" if "MATCH" in condition else "formulas f"
            )
            rows = store.connection.execute(
                "SELECT f.id, d.path, d.title, f.page_number, f.position, f.kind, f.x0, f.y0, f.x1, f.y1, "
                "f.equation_number, coalesce(f.corrected_latex, f.latex), f.status, f.confidence, f.text_before, "
                f"f.text_after FROM {source} JOIN documents d ON d.id = f.document_id "
                f"WHERE {condition} AND {conditions} ORDER BY {rank}, f.id LIMIT ?",
                (*wanted, *values, limit),
            )
            for row in rows:
                if len(hits) < limit and row[0] not in hits:
                    hits[row[0]] = _hit(row, name)
        return list(hits.values())


def _tiers(store: FormulaStore, query: Query) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Name, SQL condition and its values, the best tier first."""
    keys = tuple(match_key(latex) for latex in query.formulas)
    phrases = [index_tokens(key) for key in keys]
    phrases = [phrase for phrase in phrases if phrase]
    tokens = telling_tokens(token for phrase in phrases for token in phrase)
    required = [word for word in query.words if word not in STOP_WORDS] or list(query.words)
    words = " AND ".join(_word(word) for word in required)
    subexpressions = " AND ".join(f"tokens : {_quoted(*phrase)}" for phrase in phrases)
    if phrases:
        exact = f"f.match_key IN ({', '.join('?' * len(keys))})"
        if words:
            yield "formula", f"formulas_fts MATCH ? AND {exact}", (words, *keys)
            yield "sub-expression", "formulas_fts MATCH ?", (f"({subexpressions}) AND {words}",)
        yield "formula", exact, keys
        yield "sub-expression", "formulas_fts MATCH ?", (subexpressions,)
        if tokens:
            every = " AND ".join(f"tokens : {_quoted(token)}" for token in tokens)
            if words:
                yield "tokens", "formulas_fts MATCH ?", (f"{every} AND {words}",)
            yield "tokens", "formulas_fts MATCH ?", (every,)
    if words:
        yield "words", "formulas_fts MATCH ?", (words,)
    terms = [f"tokens : {_quoted(token)}" for token in _rarest(store, tokens)]
    terms += [_word(word) for word in _rarest(store, required)]
    if len(terms) > 1:
        yield "partial", "formulas_fts MATCH ?", (" OR ".join(terms),)


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


def _filters(document: str | None, kind: str | None, status: str | None) -> tuple[str, tuple[Any, ...]]:
    conditions, values = ["f.status NOT IN ('rejected', 'failed')"], []
    if status is not None:
        conditions, values = ["f.status = ?"], [status]
    if kind is not None:
        conditions.append("f.kind = ?")
        values.append(kind)
    if document is not None:
        conditions.append("(instr(d.path, ?) OR instr(d.title, ?))")
        values += [document, document]
    return " AND ".join(conditions), tuple(values)


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
