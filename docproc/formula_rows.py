"""Writing the formulas of a page: same place, same id; the indexes are kept in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docproc.fulltext import index_tokens, index_words, search_key
from docproc.records import Box
from docproc.rows import formula_values, match_places
from docproc.structure_index import clear_structures, drop_structure, put_structure

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from docproc.records import Formula

_NUMBERED = (
    "SELECT 1 FROM reviews WHERE formula_id = f.id AND json_type(before, '$.equation_number') IS NOT NULL "
    "AND json_extract(before, '$.equation_number') IS NOT json_extract(after, '$.equation_number')"
)
"""A person's step that changed the equation number of formula f."""


def replace_formulas(
    connection: sqlite3.Connection, document_id: int, page_id: int, number: int, formulas: Sequence[Formula]
) -> None:
    """Put the page's formulas in place of the earlier ones; same place = same id, reviews stay."""
    old = connection.execute(
        "SELECT x0, y0, x1, y1, id, reviewed_at IS NOT NULL, EXISTS (SELECT 1 FROM reviews WHERE formula_id = f.id), "
        f"EXISTS ({_NUMBERED}) FROM formulas f WHERE page_id = ? ORDER BY position",
        (page_id,),
    ).fetchall()
    boxes = [Box(*row[:4]) for row in old]
    matches = match_places(boxes, [formula.box for formula in formulas])
    # Positions are unique on a page: park the old ones out of the way before they are dealt anew.
    connection.execute("DELETE FROM formula_references WHERE page_id = ?", (page_id,))
    connection.execute("UPDATE formulas SET position = -id, parent_id = NULL WHERE page_id = ?", (page_id,))
    last = max((formula.position for formula in formulas), default=0)
    kept = set(matches.values())
    for j, (*_, formula_id, is_reviewed, has_history, _) in enumerate(old):
        if j in kept:
            continue
        if is_reviewed or has_history:
            last += 1
            connection.execute("UPDATE formulas SET position = ? WHERE id = ?", (last, formula_id))
        else:
            connection.execute("DELETE FROM formulas_fts WHERE rowid = ?", (formula_id,))
            drop_structure(connection, [formula_id])
            connection.execute("UPDATE formula_references SET formula_id = NULL WHERE formula_id = ?", (formula_id,))
            connection.execute("DELETE FROM formulas WHERE id = ?", (formula_id,))
    ids: dict[int, int] = {}
    for i, formula in enumerate(formulas):
        values = formula_values(formula)
        if i in matches:
            *_, formula_id, is_reviewed, _, is_numbered = old[matches[i]]
            ids[formula.position] = formula_id
            if is_reviewed:
                del values["status"]  # a person's verdict outweighs a machine's
            if is_numbered:
                del values["equation_number"]
            assignments = ", ".join(f"{name} = ?" for name in values)
            connection.execute(
                f"UPDATE formulas SET {assignments} WHERE id = ?", (*storable(values.values()), formula_id)
            )
        else:
            ids[formula.position] = insert_row(
                connection, "formulas", document_id=document_id, page_id=page_id, page_number=number, **values
            )
    for formula in formulas:
        if formula.parent_position is not None:
            connection.execute(
                "UPDATE formulas SET parent_id = ? WHERE id = ?",
                (ids[formula.parent_position], ids[formula.position]),
            )
    index_formulas(connection, ids.values())


def index_formulas(connection: sqlite3.Connection, formula_ids: Iterable[int]) -> None:
    """Bring match_key, the full-text index and the structural index in step with the formulas."""
    for formula_id in formula_ids:
        ((latex, before, after, number, title),) = connection.execute(
            "SELECT coalesce(f.corrected_latex, f.latex), f.text_before, f.text_after, f.equation_number, d.title "
            "FROM formulas f JOIN documents d ON d.id = f.document_id WHERE f.id = ?",
            (formula_id,),
        )
        key = search_key(latex)
        words = index_words(" ".join((before or "", after or "", number or "")))
        connection.execute("UPDATE formulas SET match_key = ? WHERE id = ?", (key, formula_id))
        connection.execute("DELETE FROM formulas_fts WHERE rowid = ?", (formula_id,))
        connection.execute(
            "INSERT INTO formulas_fts (rowid, tokens, words, title) VALUES (?, ?, ?, ?)",
            (formula_id, " ".join(index_tokens(key)), " ".join(words), " ".join(index_words(title or ""))),
        )
        put_structure(connection, formula_id, latex)


def rebuild_indexes(connection: sqlite3.Connection) -> int:
    """Make the full-text and the structural index anew from the formulas; returns how many there are.

    Args:
        connection: Inside a transaction.
    """
    connection.execute("DELETE FROM formulas_fts")
    clear_structures(connection)
    formula_ids = [formula_id for (formula_id,) in connection.execute("SELECT id FROM formulas ORDER BY id")]
    index_formulas(connection, formula_ids)
    return len(formula_ids)


def insert_row(connection: sqlite3.Connection, table: str, **values: Any) -> int:
    """Insert one row and return its id."""
    cursor = connection.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", storable(values.values())
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def storable(values: Iterable[Any]) -> tuple[Any, ...]:
    """SQLite takes no lone surrogates, which file names of another encoding and broken PDFs bring along."""
    return tuple(v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for v in values)
