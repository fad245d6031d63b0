"""What the pages of the review show, from the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docproc.database import explained
from docproc.entries import Entry, entries_by_id

if TYPE_CHECKING:
    from docproc.store import FormulaStore

DOUBTFUL = ("suspect", "invalid", "failed")
_DOUBT = f"f.reviewed_at IS NULL AND f.status IN ({', '.join(repr(status) for status in DOUBTFUL)})"


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A document in the list."""

    id: int
    path: str
    title: str
    pages: int
    formulas: int
    doubtful: int
    reviewed: int


@dataclass(frozen=True, slots=True)
class PageLine:
    """A page in a document's list."""

    number: int
    formulas: int
    doubtful: int


@dataclass(frozen=True, slots=True)
class PageView:
    """A page with its formulas."""

    document_id: int
    document: str
    title: str
    sha256: str
    number: int
    width: float
    height: float
    last: int
    """Number of the document's last page in the database."""
    entries: tuple[Entry, ...]


def list_documents(store: FormulaStore) -> list[DocumentLine]:
    """All documents by title."""
    sql = (
        "SELECT d.id, d.path, coalesce(d.title, d.path), (SELECT count(*) FROM pages p WHERE p.document_id = d.id), "
        f"count(f.id), coalesce(sum({_DOUBT}), 0), count(f.reviewed_at) "
        "FROM documents d LEFT JOIN formulas f ON f.document_id = d.id GROUP BY d.id ORDER BY 3, d.id"
    )
    with explained(store.path):
        return [DocumentLine(*row) for row in store.connection.execute(sql)]


def list_pages(store: FormulaStore, document_id: int) -> list[PageLine]:
    """The document's pages by number."""
    sql = (
        f"SELECT p.number, count(f.id), coalesce(sum({_DOUBT}), 0) FROM pages p "
        "LEFT JOIN formulas f ON f.page_id = p.id WHERE p.document_id = ? GROUP BY p.id ORDER BY p.number"
    )
    with explained(store.path):
        return [PageLine(*row) for row in store.connection.execute(sql, (document_id,))]


def view_page(store: FormulaStore, document_id: int, number: int) -> PageView | None:
    """One page; None if there is no such page."""
    sql = (
        "SELECT d.path, coalesce(d.title, d.path), d.sha256, coalesce(p.width_pt, 0), coalesce(p.height_pt, 0), "
        "(SELECT max(number) FROM pages WHERE document_id = d.id) FROM pages p "
        "JOIN documents d ON d.id = p.document_id WHERE d.id = ? AND p.number = ?"
    )
    with explained(store.path):
        row = store.connection.execute(sql, (document_id, number)).fetchone()
        if row is None:
            return None
        ids = store.connection.execute(
            "SELECT id FROM formulas WHERE document_id = ? AND page_number = ? ORDER BY position", (document_id, number)
        ).fetchall()
    path, title, sha256, width, height, last = row
    entries = entries_by_id(store, [formula_id for (formula_id,) in ids])
    return PageView(document_id, path, title, sha256, number, width, height, last, tuple(entries))


def count_lines(store: FormulaStore, formula_id: int) -> int:
    """Lines of a display of several lines whose boxes are known; 0 for one."""
    with explained(store.path):
        sql = "SELECT json_array_length(coalesce(nullif(lines, ''), '[]')) FROM formulas WHERE id = ?"
        (count,) = store.connection.execute(sql, (formula_id,)).fetchone()
    return int(count)


def next_doubtful(store: FormulaStore, after: int | None = None, document_id: int | None = None) -> int | None:
    """The least confident formula that is doubtful and that nobody has looked at, or the next one `after` a formula."""
    where = _DOUBT
    values: list[int] = []
    if document_id is not None:
        where += " AND f.document_id = ?"
        values.append(document_id)
    order = "ORDER BY f.confidence, f.id LIMIT 1"
    with explained(store.path):
        if after is not None:
            beyond = "(f.confidence, f.id) > (SELECT confidence, id FROM formulas WHERE id = ?)"
            sql = f"SELECT f.id FROM formulas f WHERE {where} AND {beyond} {order}"
            row = store.connection.execute(sql, (*values, after)).fetchone()
            if row is not None:
                return int(row[0])
        row = store.connection.execute(f"SELECT f.id FROM formulas f WHERE {where} {order}", values).fetchone()
    return None if row is None or row[0] == after else int(row[0])


def count_doubtful(store: FormulaStore) -> int:
    """How many formulas wait for a look."""
    with explained(store.path):
        (count,) = store.connection.execute(f"SELECT count(*) FROM formulas f WHERE {_DOUBT}").fetchone()
    return int(count)
