"""What changes the database, and the live check of what is being typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from docproc.entries import entries_by_id
from docproc.latex.canonical import canonical
from docproc.latex.check import check
from docproc.latex.speech import speak
from docproc.latex.tokens import MAX_CHARACTERS
from docproc.review import queries
from docproc.review.views import formula_address, open_store, review_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from docproc.review.app import Review

_ACTIONS = ("correct", "accept", "reject", "undo")
_LONGEST_NUMBER = 60
"""Characters of an equation number; a display of several lines has several."""
_PLACE = re.compile(r"at (?:character|position) (\d+)")


async def review(request: Request) -> Response:
    """Correct, accept, reject or undo, then lead on."""
    shared = review_of(request)
    fields = await checked_form(request)
    return await run_in_threadpool(_review, shared, request.path_params["formula"], fields)


def _review(shared: Review, formula_id: int, fields: Mapping[str, str]) -> Response:
    action, latex = fields.get("action", ""), fields.get("latex", "").strip()
    is_queue = fields.get("queue") == "1"
    if action not in _ACTIONS:
        raise HTTPException(400)
    if action == "correct" and (not latex or len(latex) > MAX_CHARACTERS):
        raise HTTPException(400)
    number = fields.get("number", "").strip() if "number" in fields else None
    if number is not None and len(number) > _LONGEST_NUMBER:
        raise HTTPException(400)
    with open_store(shared) as store:
        address = formula_address(store, formula_id, is_queue=is_queue)
        if action == "undo":
            store.undo_review(formula_id, shared.reviewer)
        else:
            (entry,) = entries_by_id(store, [formula_id])
            number = None if action == "reject" or number == (entry.equation_number or "") else number
            if action == "correct" and latex == entry.latex and number is not None:
                action = "number"  # which says nothing of the LaTeX
            corrected = canonical(latex) if action == "correct" else None
            store.review_formula(formula_id, action, shared.reviewer, corrected, number)
        if is_queue and action != "undo":
            following = queries.next_doubtful(store, formula_id)
            address = "/queue" if following is None else formula_address(store, following, is_queue=True)
    return RedirectResponse(address, 303)


async def check_latex(request: Request) -> Response:
    """Whether LaTeX is valid, and at which character it is not."""
    fields = await checked_form(request)
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
        "spoken": speak(latex.strip()) if result.is_valid else "",
    }


async def checked_form(request: Request) -> dict[str, str]:
    """The fields of a form of ours, the last value of each.

    Raises:
        HTTPException: It is somebody else's form.
    """
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if not review_of(request).guard.knows(fields.get("csrf", "")):
        raise HTTPException(403, "The form is not of this server, or it was restarted: load the page again.")
    return fields
