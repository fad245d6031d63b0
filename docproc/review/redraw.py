"""Drawing a formula that was missed, merging several, and splitting one: what is new is read at once."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from docproc.database import explained
from docproc.formulas import read_formulas
from docproc.records import Box, FormulaKind, Status
from docproc.references import split_numbers
from docproc.review import queries
from docproc.review.actions import checked_form
from docproc.review.views import formula_address, open_store, review_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from docproc.entries import Entry
    from docproc.records import Formula
    from docproc.review.app import Review
    from docproc.store import FormulaStore

_MOST_PARTS = 30
"""Formulas merged into one."""
_MARGIN = 0.01, 0.99
"""Where a box can be cut, as a share of its side."""


async def draw(request: Request) -> Response:
    """Read the formula in a box that was drawn, and lead to it."""
    fields = await checked_form(request)
    place = request.path_params["document"], request.path_params["page"]
    return await run_in_threadpool(_draw, review_of(request), *place, fields)


def _draw(shared: Review, document_id: int, number: int, fields: dict[str, str]) -> Response:
    try:
        x0, y0, x1, y1 = (float(fields.get(name, "")) for name in ("x0", "y0", "x1", "y1"))
        kind = FormulaKind(fields.get("kind", ""))
    except ValueError as error:
        raise HTTPException(400) from error
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        raise HTTPException(400)
    box = Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    with open_store(shared) as store:
        return _entered(shared, store, document_id, number, [(kind, box, {})], "draw")


async def merge(request: Request) -> Response:
    """Read some formulas of a page as one, and lead to it."""
    await checked_form(request)
    chosen = (await request.form()).getlist("formula")
    ids = {int(one) for one in chosen if isinstance(one, str) and one.isascii() and one.isdigit() and len(one) < 18}
    place = request.path_params["document"], request.path_params["page"]
    return await run_in_threadpool(_merge, review_of(request), *place, ids)


def _merge(shared: Review, document_id: int, number: int, ids: set[int]) -> Response:
    with open_store(shared) as store:
        view = queries.view_page(store, document_id, number)
        parts = [entry for entry in view.entries if entry.id in ids] if view is not None else []
        if len(parts) < len(ids) or not 2 <= len(parts) <= _MOST_PARTS:
            raise HTTPException(400, "Choose at least two formulas of one page.")
        kinds = {part.kind for part in parts}
        kind = FormulaKind.DISPLAY if "display" in kinds else FormulaKind.INLINE
        numbers = [one for part in parts for one in split_numbers(part.equation_number or "")]
        values = {
            "equation_number": ", ".join(dict.fromkeys(numbers)) or None,
            "text_before": parts[0].text_before,
            "text_after": parts[-1].text_after,
        }
        box = Box.around(Box(*part.box) for part in parts)
        return _entered(shared, store, document_id, number, [(kind, box, values)], "merge", parts)


async def split(request: Request) -> Response:
    """Cut a formula in two, or into its lines, read the parts, and lead to the first."""
    fields = await checked_form(request)
    return await run_in_threadpool(_split, review_of(request), request.path_params["formula"], fields)


def _split(shared: Review, formula_id: int, fields: dict[str, str]) -> Response:
    with open_store(shared) as store:
        entry, lines = _with_lines(store, formula_id)
        try:
            parts = _parts(Box(*entry.box), lines, fields.get("axis", ""), float(fields.get("at", "50")) / 100)
        except ValueError as error:
            raise HTTPException(400) from error
        numbers = split_numbers(entry.equation_number or "")
        dealt = numbers if len(numbers) == len(parts) else [entry.equation_number, *[None] * (len(parts) - 1)]
        regions = [
            (
                FormulaKind(entry.kind),
                part,
                {
                    "equation_number": number,
                    "text_before": entry.text_before if i == 0 else "",
                    "text_after": entry.text_after if i + 1 == len(parts) else "",
                },
            )
            for i, (part, number) in enumerate(zip(parts, dealt, strict=True))
        ]
        return _entered(shared, store, entry.document_id, entry.page, regions, "split", [entry])


def _parts(box: Box, lines: list[Box], axis: str, share: float) -> list[Box]:
    """The boxes after the cut.

    Raises:
        ValueError: There is no such axis, or the place is none.
    """
    if axis == "lines" and len(lines) > 1:
        return lines
    share = min(max(share, _MARGIN[0]), _MARGIN[1])
    if axis == "x" and math.isfinite(share):
        x = box.x0 + share * box.width
        return [Box(box.x0, box.y0, x, box.y1), Box(x, box.y0, box.x1, box.y1)]
    if axis == "y" and math.isfinite(share):
        y = box.y0 + share * box.height
        return [Box(box.x0, box.y0, box.x1, y), Box(box.x0, y, box.x1, box.y1)]
    raise ValueError(f"cannot cut along {axis!r}")


def _with_lines(store: FormulaStore, formula_id: int) -> tuple[Entry, list[Box]]:
    from docproc.entries import entries_by_id

    entries = entries_by_id(store, [formula_id])
    if not entries:
        raise HTTPException(404)
    with explained(store.path):
        (text,) = store.connection.execute("SELECT lines FROM formulas WHERE id = ?", (formula_id,)).fetchone()
    return entries[0], [Box(*corners) for corners in json.loads(text or "[]")]


def _entered(
    shared: Review,
    store: FormulaStore,
    document_id: int,
    number: int,
    regions: Sequence[tuple[FormulaKind, Box, dict[str, Any]]],
    action: str,
    replaced: Sequence[Entry] | None = None,
) -> Response:
    """Cut, read and enter formulas; values that are known of each are given beside its box."""
    view = queries.view_page(store, document_id, number)
    if view is None:
        raise HTTPException(404)
    found = shared.pictures.cut(view.document, view.sha256, number, [(kind, box) for kind, box, _ in regions])
    with shared.reading:
        ((formulas, _),) = read_formulas([found], [], shared.recognizer(), len(regions), store)
    entered = [
        replace(_kept(formula), **values) for formula, (_, _, values) in zip(formulas, regions, strict=True)
    ]
    replacing = None if replaced is None else [entry.id for entry in replaced]
    first, *_ = store.add_drawn(document_id, number, entered, found.regions, shared.reviewer, action, replacing)
    return RedirectResponse(formula_address(store, first), 303)


def _kept(formula: Formula) -> Formula:
    """The recognizer may see no formula, but a person does."""
    return replace(formula, status=Status.FAILED) if formula.status is Status.REJECTED else formula
