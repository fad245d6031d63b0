"""What people do to formulas: correct, accept, reject, and take it back; every step is kept in `reviews`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from docproc.formula_rows import index_formulas, insert_row, storable
from docproc.records import Box, Status
from docproc.references import link_references
from docproc.rows import blocks_from_json, formula_values, plain_text
from docproc.stored_crops import put_crops

if TYPE_CHECKING:
    import sqlite3

    from docproc.records import Formula, Region

_INSIDE = 0.8
"""Share of its area by which a formula lies inside a drawn box that stands for it."""
STATUS_AFTER = {"correct": Status.VERIFIED, "accept": Status.VERIFIED, "reject": Status.REJECTED}


def review(connection: sqlite3.Connection, formula_id: int, action: str, who: str, latex: str | None) -> None:
    """Record a verdict; see `FormulaStore.review_formula`.

    Args:
        connection: Inside a transaction.
        formula_id: Of `formulas`.
        action: `correct` (with `latex`), `accept`, or `reject`.
        who: Name of the reviewer.
        latex: The correction.

    Raises:
        ValueError: No such formula or action, or a correction without LaTeX.
    """
    if action not in STATUS_AFTER or (action == "correct") != (latex is not None):
        raise ValueError(f"cannot {action} formula {formula_id} with LaTeX {latex!r}")
    before = _state(connection, formula_id)
    after = dict(before, status=STATUS_AFTER[action].value, reviewed_at=_now(), reviewer=who)
    if latex is not None:
        after |= {"latex": latex, "corrected": latex}
    _record(connection, formula_id, action, who, before, after)


def undo(connection: sqlite3.Connection, formula_id: int, who: str) -> bool:
    """Take back the last step that is not taken back yet; False if there is none.

    Args:
        connection: Inside a transaction.
        formula_id: Of `formulas`.
        who: Name of the reviewer.

    Raises:
        ValueError: No such formula.
    """
    now = _state(connection, formula_id)
    taken_back: set[int] = set()
    rows = connection.execute(
        "SELECT id, action, before, after FROM reviews WHERE formula_id = ? ORDER BY id DESC", (formula_id,)
    ).fetchall()
    for review_id, action, before, after in rows:
        if action == "undo":
            taken_back.add(json.loads(after)["undoes"])
        elif review_id not in taken_back:
            old = json.loads(before)
            if "corrected" not in old:  # of docproc 1.0: latex and status alone
                (read,) = connection.execute("SELECT latex FROM formulas WHERE id = ?", (formula_id,)).fetchone()
                old |= {"corrected": None if old["latex"] == read else old["latex"], "reviewed_at": None}
                old["reviewer"] = None
            _record(connection, formula_id, "undo", who, now, {**old, "undoes": review_id})
            return True
    return False


def add_drawn(
    connection: sqlite3.Connection, page_id: int, formula: Formula, region: Region, who: str
) -> int:
    """Enter a formula that a person found, behind the others of its page; see `FormulaStore.add_drawn`.

    Args:
        connection: Inside a transaction.
        page_id: Of `pages`.
        formula: As it was read; its position is dealt anew.
        region: With its crop.
        who: Name of the reviewer.

    Returns:
        Its id. Formulas that lie inside it are rejected: it stands for them.
    """
    document_id, number, last = connection.execute(
        "SELECT p.document_id, p.number, coalesce(max(f.position), 0) FROM pages p "
        "LEFT JOIN formulas f ON f.page_id = p.id WHERE p.id = ?",
        (page_id,),
    ).fetchone()
    rows = connection.execute(
        "SELECT id, x0, y0, x1, y1 FROM formulas WHERE page_id = ? AND status != 'rejected' ORDER BY position",
        (page_id,),
    ).fetchall()
    inside = [row[0] for row in rows if _share_inside(Box(*row[1:]), formula.box) > _INSIDE]
    values = formula_values(replace(formula, position=last + 1))
    formula_id = insert_row(
        connection, "formulas", document_id=document_id, page_id=page_id, page_number=number, **values
    )
    put_crops(connection, [region], [replace(formula, position=1)])
    after = dict(_state(connection, formula_id))
    before = dict(after, status=Status.REJECTED.value)
    _record(connection, formula_id, "draw", who, before, after)
    for other in inside:
        review(connection, other, "reject", who, None)
    return formula_id


def _share_inside(box: Box, other: Box) -> float:
    return (box & other).area / box.area if box.area else 0.0


def _state(connection: sqlite3.Connection, formula_id: int) -> dict[str, Any]:
    row = connection.execute(
        "SELECT coalesce(corrected_latex, latex), status, corrected_latex, reviewed_at, reviewer FROM formulas "
        "WHERE id = ?",
        (formula_id,),
    ).fetchone()
    if row is None:
        raise ValueError(f"there is no formula {formula_id}")
    return dict(zip(("latex", "status", "corrected", "reviewed_at", "reviewer"), row, strict=True))


def _record(
    connection: sqlite3.Connection,
    formula_id: int,
    action: str,
    who: str,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    insert_row(
        connection,
        "reviews",
        formula_id=formula_id,
        at=_now(),
        who=who,
        action=action,
        before=json.dumps(before),
        after=json.dumps(after),
    )
    connection.execute(
        "UPDATE formulas SET corrected_latex = ?, status = ?, reviewed_at = ?, reviewer = ? WHERE id = ?",
        (*storable([after["corrected"], after["status"], after["reviewed_at"], after["reviewer"]]), formula_id),
    )
    index_formulas(connection, [formula_id])
    page_id, document_id, number = connection.execute(
        "SELECT page_id, document_id, equation_number FROM formulas WHERE id = ?", (formula_id,)
    ).fetchone()
    rewrite_text(connection, page_id)
    is_owner_changed = number is not None and Status.REJECTED.value in (before["status"], after["status"])
    link_references(connection, document_id, None if is_owner_changed else page_id)


def rewrite_text(connection: sqlite3.Connection, page_id: int) -> None:
    """Bring `pages.text` in step with a correction."""
    (blocks,) = connection.execute("SELECT blocks FROM pages WHERE id = ?", (page_id,)).fetchone()
    rows = connection.execute(
        "SELECT position, coalesce(corrected_latex, latex) FROM formulas WHERE page_id = ?", (page_id,)
    )
    text = plain_text(blocks_from_json(blocks), dict(rows.fetchall()))
    connection.execute("UPDATE pages SET text = ? WHERE id = ?", storable([text, page_id]))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
