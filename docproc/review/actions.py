"""What changes the database, and the live check of what is being typed."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from docproc.formulas import read_formulas
from docproc.latex.canonical import canonical
from docproc.latex.check import check
from docproc.latex.tokens import MAX_CHARACTERS
from docproc.records import Box, FormulaKind, Status
from docproc.review import queries
from docproc.review.views import formula_address, open_store, review_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from docproc.review.app import Review

_ACTIONS = ("correct", "accept", "reject", "undo")
_PLACE = re.compile(r"at (?:character|position) (\d+)")


async def review(request: Request) -> Response:
    """Correct, accept, reject or undo, then lead on."""
    shared = review_of(request)
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    _check_csrf(shared, fields)
    return await run_in_threadpool(_review, shared, request.path_params["formula"], fields)


def _review(shared: Review, formula_id: int, fields: Mapping[str, str]) -> Response:
    action, latex = fields.get("action", ""), fields.get("latex", "").strip()
    is_queue = fields.get("queue") == "1"
    if action not in _ACTIONS:
        raise HTTPException(400)
    if action == "correct" and (not latex or len(latex) > MAX_CHARACTERS):
        raise HTTPException(400)
    with open_store(shared) as store:
        address = formula_address(store, formula_id, is_queue=is_queue)
        if action == "undo":
            store.undo_review(formula_id, shared.reviewer)
        elif action == "correct":
            store.review_formula(formula_id, "correct", shared.reviewer, canonical(latex))
        else:
            store.review_formula(formula_id, action, shared.reviewer)
        if is_queue and action != "undo":
            following = queries.next_doubtful(store, formula_id)
            address = "/queue" if following is None else formula_address(store, following, is_queue=True)
    return RedirectResponse(address, 303)


async def draw(request: Request) -> Response:
    """Read the formula in a box that was drawn, and lead to it."""
    shared = review_of(request)
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    _check_csrf(shared, fields)
    return await run_in_threadpool(_draw, shared, request.path_params["document"], request.path_params["page"], fields)


def _draw(shared: Review, document_id: int, number: int, fields: Mapping[str, str]) -> Response:
    try:
        x0, y0, x1, y1 = (float(fields.get(name, "")) for name in ("x0", "y0", "x1", "y1"))
        kind = FormulaKind(fields.get("kind", ""))
    except ValueError as error:
        raise HTTPException(400) from error
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        raise HTTPException(400)
    box = Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    with open_store(shared) as store:
        view = queries.view_page(store, document_id, number)
        if view is None:
            raise HTTPException(404)
        found = shared.pictures.cut(view.document, view.sha256, number, box, kind)
        with shared.reading:
            ((formulas, _),) = read_formulas([found], [], shared.recognizer(), 1, store)
        (formula,) = formulas
        if formula.status is Status.REJECTED:  # the recognizer sees none, but a person does
            formula = replace(formula, status=Status.FAILED)
        formula_id = store.add_drawn(document_id, number, formula, found.regions[0], shared.reviewer)
        return RedirectResponse(formula_address(store, formula_id), 303)


async def check_latex(request: Request) -> Response:
    """Whether LaTeX is valid, and at which character it is not."""
    shared = review_of(request)
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    _check_csrf(shared, fields)
    return JSONResponse(await run_in_threadpool(_checked, fields.get("latex", "")[:MAX_CHARACTERS]))


def _checked(latex: str) -> dict[str, Any]:
    result = check(latex.strip())
    problem = result.problems[0] if result.problems else ""
    place = _PLACE.search(problem)
    lead = len(latex) - len(latex.lstrip())
    return {
        "valid": result.is_valid,
        "problem": problem,
        "position": int(place[1]) - 1 + lead if place else None,
        "mathml": result.mathml,
    }


def _check_csrf(shared: Review, fields: Mapping[str, str]) -> None:
    if not shared.guard.knows(fields.get("csrf", "")):
        raise HTTPException(403, "The form is not of this server, or it was restarted: load the page again.")
