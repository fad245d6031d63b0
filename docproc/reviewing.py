"""What people do to formulas: correct, accept, reject, number, and take it back; every step is kept in `reviews`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from docproc.formula_rows import index_formulas, insert_row, storable
from docproc.placing import Placed, place_drawn
from docproc.records import Box, FormulaKind, Status
from docproc.references import link_references
from docproc.rows import blocks_from_json, plain_text

if TYPE_CHECKING:
    import sqlite3

STATUS_AFTER = {"correct": Status.VERIFIED, "accept": Status.VERIFIED, "reject": Status.REJECTED}


def review(
    connection: sqlite3.Connection,
    formula_id: int,
    action: str,
    who: str,
    latex: str | None = None,
    number: str | None = None,
    group: int | None = None,
) -> None:
    """Record a verdict; see `FormulaStore.review_formula`.

    Args:
        connection: Inside a transaction.
        formula_id: Of `formulas`.
        action: `correct` (with `latex`), `accept`, `reject`, or `number` (with `number`).
        who: Name of the reviewer.
        latex: The correction.
        number: The equation number, beside a correction or alone; empty for none, None to leave it as it is.
        group: Id of the first of several steps that are one to the reviewer, and taken back as one.

    Raises:
        ValueError: No such formula or action, a correction without LaTeX, or a numbering without number.
    """
    is_known = action in STATUS_AFTER or (action == "number" and number is not None)
    if not is_known or (action == "correct") != (latex is not None):
        raise ValueError(f"cannot {action} formula {formula_id} with LaTeX {latex!r} and number {number!r}")
    before = state_of(connection, formula_id)
    after = dict(before)
    if action in STATUS_AFTER:
        after |= {"status": STATUS_AFTER[action].value, "reviewed_at": now(), "reviewer": who}
    if latex is not None:
        after |= {"latex": latex, "corrected": latex}
    if number is not None:
        after["equation_number"] = number or None
    record(connection, formula_id, action, who, before, after, group)


def undo(connection: sqlite3.Connection, formula_id: int, who: str) -> bool:
    """Take back the last step that is not taken back yet; False if there is none.

    What was one step to the reviewer, such as merging formulas, is taken back of all its formulas; where one of these
    was changed later, these changes are taken back before.

    Args:
        connection: Inside a transaction.
        formula_id: Of `formulas`.
        who: Name of the reviewer.

    Raises:
        ValueError: No such formula.
    """
    state_of(connection, formula_id)
    steps = _steps(connection, formula_id)
    if not steps:
        return False
    review_id, _, after = steps[0]
    _take_back(connection, formula_id, steps[0], who)
    group = after.get("group")
    if group is not None:
        for other_id, other_review in _group(connection, group, review_id):
            others = _steps(connection, other_id)
            if other_review in [step[0] for step in others]:
                for step in others:
                    if step[0] >= other_review:
                        _take_back(connection, other_id, step, who)
    return True


def state_of(connection: sqlite3.Connection, formula_id: int) -> dict[str, Any]:
    """What a review may change.

    Raises:
        ValueError: No such formula.
    """
    row = connection.execute(
        "SELECT coalesce(corrected_latex, latex), status, corrected_latex, reviewed_at, reviewer, equation_number "
        "FROM formulas WHERE id = ?",
        (formula_id,),
    ).fetchone()
    if row is None:
        raise ValueError(f"there is no formula {formula_id}")
    names = ("latex", "status", "corrected", "reviewed_at", "reviewer", "equation_number")
    return dict(zip(names, row, strict=True))


def record(
    connection: sqlite3.Connection,
    formula_id: int,
    action: str,
    who: str,
    before: dict[str, Any],
    after: dict[str, Any],
    group: int | None = None,
) -> int:
    """Write a step and what it changes; returns its id."""
    (finished_at,) = connection.execute(
        "SELECT d.finished_at FROM documents d JOIN formulas f ON f.document_id = d.id WHERE f.id = ?", (formula_id,)
    ).fetchone()
    review_id = insert_row(
        connection,
        "reviews",
        formula_id=formula_id,
        at=max(now(), finished_at or ""),  # behind the document's end even if the clock was set back
        who=who,
        action=action,
        before=json.dumps(before),
        after=json.dumps(after if group is None else {**after, "group": group}),
    )
    columns = [after[name] for name in ("corrected", "status", "reviewed_at", "reviewer", "equation_number")]
    connection.execute(
        "UPDATE formulas SET corrected_latex = ?, status = ?, reviewed_at = ?, reviewer = ?, equation_number = ? "
        "WHERE id = ?",
        (*storable(columns), formula_id),
    )
    index_formulas(connection, [formula_id])
    page_id, document_id = connection.execute(
        "SELECT page_id, document_id FROM formulas WHERE id = ?", (formula_id,)
    ).fetchone()
    rewrite_text(connection, page_id)
    numbers = before["equation_number"], after["equation_number"]
    is_owner_changed = numbers[0] != numbers[1] or (
        numbers[1] is not None and Status.REJECTED.value in (before["status"], after["status"])
    )
    link_references(connection, document_id, None if is_owner_changed else page_id)
    return review_id


def rewrite_text(connection: sqlite3.Connection, page_id: int) -> None:
    """Bring `pages.text` in step with a correction."""
    (blocks,) = connection.execute("SELECT blocks FROM pages WHERE id = ?", (page_id,)).fetchone()
    rows = connection.execute(
        "SELECT position, coalesce(corrected_latex, latex), kind, status, x0, y0, x1, y1 FROM formulas "
        "WHERE page_id = ?",
        (page_id,),
    ).fetchall()
    placed = [
        Placed(position, Box(*corners), FormulaKind(kind), status == Status.REJECTED.value)
        for position, _, kind, status, *corners in rows
    ]
    text = plain_text(place_drawn(blocks_from_json(blocks), placed), {row[0]: row[1] for row in rows})
    connection.execute("UPDATE pages SET text = ? WHERE id = ?", storable([text, page_id]))


def now() -> str:
    """The time as the database writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


_Step = tuple[int, dict[str, Any], dict[str, Any]]


def _steps(connection: sqlite3.Connection, formula_id: int) -> list[_Step]:
    """Id, before and after of the steps that are not taken back, the last one first."""
    taken_back: set[int] = set()
    steps: list[_Step] = []
    rows = connection.execute(
        "SELECT id, action, before, after FROM reviews WHERE formula_id = ? ORDER BY id DESC", (formula_id,)
    )
    for review_id, action, before, after in rows.fetchall():
        if action == "undo":
            taken_back.add(json.loads(after)["undoes"])
        elif review_id not in taken_back:
            steps.append((review_id, json.loads(before), json.loads(after)))
    return steps


def _take_back(connection: sqlite3.Connection, formula_id: int, step: _Step, who: str) -> None:
    review_id, old, _ = step
    current = state_of(connection, formula_id)
    if "corrected" not in old:  # of docproc 1.0: latex and status alone
        (read,) = connection.execute("SELECT latex FROM formulas WHERE id = ?", (formula_id,)).fetchone()
        old = {**old, "corrected": None if old["latex"] == read else old["latex"], "reviewed_at": None}
        old["reviewer"] = None
    old.setdefault("equation_number", current["equation_number"])
    record(connection, formula_id, "undo", who, current, {**old, "undoes": review_id})


def _group(connection: sqlite3.Connection, group: int, but: int) -> list[tuple[int, int]]:
    """Formula and step of the steps of a group, but one."""
    rows = connection.execute(
        "SELECT formula_id, id FROM reviews WHERE id >= ? AND id != ? AND action != 'undo' "
        "AND json_extract(after, '$.group') = ? ORDER BY id",
        (group, but, group),
    )
    return [(formula_id, review_id) for formula_id, review_id in rows.fetchall()]
