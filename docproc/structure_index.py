"""The index for structural search: each formula's tree, and the paths of its operator tree in a table of FTS5.

`formula_trees` holds a row for each formula that parses: the tree as JSON, its number of symbols, and `shape`, equal
for formulas that differ in the names of their variables only. `formula_paths` is FTS5 without content, positions or
ranks: nothing but which formula has which path (`docproc/latex/paths.py`). A path that is left there of a formula that
somebody else's SQL deleted does no harm: without its tree a formula is never an answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from docproc.latex.paths import path_terms
from docproc.latex.structure import count_leaves, shape_key, structure
from docproc.latex.tree import LatexError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from docproc.latex.structure import Row


def create_structure_tables(connection: sqlite3.Connection) -> None:
    """The tables, empty; they must not exist."""
    connection.execute(
        "CREATE TABLE formula_trees (formula_id INTEGER PRIMARY KEY REFERENCES formulas (id) ON DELETE CASCADE, "
        "size INTEGER NOT NULL, shape INTEGER NOT NULL, tree TEXT NOT NULL)"
    )
    connection.execute("CREATE INDEX idx_formula_trees_shape ON formula_trees (shape)")
    connection.execute(
        "CREATE VIRTUAL TABLE formula_paths USING fts5(paths, content = '', detail = none, columnsize = 0, "
        "tokenize = 'ascii')"
    )


def put_structure(connection: sqlite3.Connection, formula_id: int, latex: str) -> None:
    """Bring the index in step with a formula; one that does not parse is not in it.

    Args:
        connection: Inside the transaction that changes the formula.
        formula_id: Of `formulas`.
        latex: Its best LaTeX.
    """
    try:
        row: Row | None = structure(latex)
    except LatexError:
        row = None
    text = _to_json(row) if row else None
    old = _stored(connection, formula_id)
    if text == old:
        return
    if old is not None:
        _remove(connection, formula_id, old)
    if row and text is not None:
        _insert(connection, formula_id, row, text)


def drop_structure(connection: sqlite3.Connection, formula_ids: Iterable[int]) -> None:
    """Take formulas out of the index, before they are deleted."""
    for formula_id in formula_ids:
        old = _stored(connection, formula_id)
        if old is not None:
            _remove(connection, formula_id, old)


def clear_structures(connection: sqlite3.Connection) -> None:
    """Empty the index, whatever is in it."""
    connection.execute("DROP TABLE IF EXISTS formula_paths")
    connection.execute("DROP TABLE IF EXISTS formula_trees")
    create_structure_tables(connection)


def _stored(connection: sqlite3.Connection, formula_id: int) -> str | None:
    row = connection.execute("SELECT tree FROM formula_trees WHERE formula_id = ?", (formula_id,)).fetchone()
    return None if row is None else str(row[0])


def _insert(connection: sqlite3.Connection, formula_id: int, row: Row, text: str) -> None:
    connection.execute(
        "INSERT INTO formula_trees (formula_id, size, shape, tree) VALUES (?, ?, ?, ?)",
        (formula_id, count_leaves(row), shape_key(row), text),
    )
    connection.execute("INSERT INTO formula_paths (rowid, paths) VALUES (?, ?)", (formula_id, _terms(row)))


def _remove(connection: sqlite3.Connection, formula_id: int, text: str) -> None:
    # A table without content must be told what it held: the paths of the tree that is stored.
    connection.execute(
        "INSERT INTO formula_paths (formula_paths, rowid, paths) VALUES ('delete', ?, ?)",
        (formula_id, _terms(json.loads(text))),
    )
    connection.execute("DELETE FROM formula_trees WHERE formula_id = ?", (formula_id,))


def _terms(row: Row) -> str:
    return " ".join(path_terms(row))


def _to_json(row: Row) -> str:
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()
