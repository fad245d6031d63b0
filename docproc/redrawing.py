"""Formulas that a person draws, merges or splits: new ones stand for old ones, which are rejected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docproc.formula_rows import insert_row
from docproc.placing import INSIDE, share_inside
from docproc.records import Box, Status
from docproc.reviewing import record, review, state_of
from docproc.rows import formula_values
from docproc.stored_crops import put_crops

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from docproc.records import Formula, Region

ACTIONS = ("draw", "merge", "split")


def add_drawn(
    connection: sqlite3.Connection,
    page_id: int,
    formulas: Sequence[Formula],
    regions: Sequence[Region],
    who: str,
    action: str = "draw",
    replacing: Collection[int] | None = None,
) -> list[int]:
    """Enter formulas that a person found, behind the others of their page; see `FormulaStore.add_drawn`.

    Args:
        connection: Inside a transaction.
        page_id: Of `pages`.
        formulas: As they were read; their positions are dealt anew.
        regions: With the crop of each.
        who: Name of the reviewer.
        action: One of `ACTIONS`.
        replacing: Formulas that they stand for and that are rejected; those that lie inside them without it.

    Returns:
        Their ids.
    """
    document_id, number, last = connection.execute(
        "SELECT p.document_id, p.number, coalesce(max(f.position), 0) FROM pages p "
        "LEFT JOIN formulas f ON f.page_id = p.id WHERE p.id = ?",
        (page_id,),
    ).fetchone()
    if replacing is None:
        rows = connection.execute(
            "SELECT id, x0, y0, x1, y1 FROM formulas WHERE page_id = ? AND status != 'rejected' ORDER BY position",
            (page_id,),
        ).fetchall()
        replacing = [
            row[0] for row in rows if any(share_inside(Box(*row[1:]), formula.box) > INSIDE for formula in formulas)
        ]
    (group,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM reviews").fetchone()
    ids: list[int] = []
    for position, (formula, region) in enumerate(zip(formulas, regions, strict=True), last + 1):
        values = formula_values(replace(formula, position=position))
        formula_id = insert_row(
            connection, "formulas", document_id=document_id, page_id=page_id, page_number=number, **values
        )
        put_crops(connection, [region], [replace(formula, position=1)])
        after = state_of(connection, formula_id)
        record(connection, formula_id, action, who, {**after, "status": Status.REJECTED.value}, after, group)
        ids.append(formula_id)
    for other in replacing:
        review(connection, other, "reject", who, group=group)
    return ids
