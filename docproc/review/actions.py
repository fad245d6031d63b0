"""What changes the database, and the live check of what is being typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from docproc.latex.canonical import canonical
from docproc.latex.check import check
from docproc.latex.tokens import MAX_CHARACTERS
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
