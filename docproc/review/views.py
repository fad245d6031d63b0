"""The pages that are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from docproc.entries import entries_by_id
from docproc.errors import InputError, UsageError
from docproc.records import Box
from docproc.reference_report import numbered_twice, numbers_out_of_sequence, unresolved_references
from docproc.review import queries
from docproc.review.searching import FIELDS, MOST_FOUND, STATUSES, Found, asked, find
from docproc.show import mentions_of
from docproc.store import FormulaStore
from docproc.structural_search import similar_formulas

if TYPE_CHECKING:
    from starlette.requests import Request

    from docproc.review.app import Review

_SIMILAR = 4
_FOUND = 50
# A picture is that of one version of a document: the browser may keep it for an hour.
_KEEP = {"cache-control": "private, max-age=3600"}


def documents(request: Request) -> Response:
    """The list of documents."""
    review = review_of(request)
    with open_store(review) as store:
        return review.page(
            "documents.html", documents=queries.list_documents(store), doubtful=queries.count_doubtful(store)
        )


def document(request: Request) -> Response:
    """The pages of a document, and what is wrong with its equation numbers."""
    review = review_of(request)
    document_id = request.path_params["document"]
    with open_store(review) as store:
        line = next((one for one in queries.list_documents(store) if one.id == document_id), None)
        if line is None:
            raise HTTPException(404)
        return review.page(
            "document.html",
            document=line,
            pages=queries.list_pages(store, document_id),
            doubled=numbered_twice(store, document_id),
            out_of_sequence=numbers_out_of_sequence(store, document_id),
            unresolved=unresolved_references(store, document_id),
        )


def page(request: Request) -> Response:
    """A page with its boxes, and the chosen formula beside it."""
    chosen = request.query_params.get("formula", "")
    return _page_view(
        request,
        request.path_params["document"],
        request.path_params["page"],
        int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 18 else None,
        is_queue=request.query_params.get("queue") == "1",
    )


def formula(request: Request) -> Response:
    """Lead to the formula on its page."""
    review = review_of(request)
    with open_store(review) as store:
        return RedirectResponse(formula_address(store, request.path_params["formula"]), 303)


def queue(request: Request) -> Response:
    """Lead to the least confident formula that nobody has looked at."""
    review = review_of(request)
    after = request.query_params.get("after", "")
    with open_store(review) as store:
        formula_id = queries.next_doubtful(store, int(after) if after.isascii() and after.isdigit() else None)
        if formula_id is None:
            return review.page("message.html", message="No doubtful formula is left: all have been looked at.")
        return RedirectResponse(formula_address(store, formula_id, is_queue=True), 303)


def search_page(request: Request) -> Response:
    """The search box with its filters, answers, and counts to narrow down by."""
    review = review_of(request)
    problem, found, question = "", Found(), None
    try:
        question = asked(request.query_params, _FOUND)
        with open_store(review) as store:
            found = find(store, question)
    except UsageError as error:
        problem = str(error)
    given = question.given if question else {name: request.query_params.get(name, "") for name in FIELDS}
    return review.page(
        "search.html",
        given=given,
        question=question,
        found=found,
        problem=problem,
        statuses=STATUSES,
        most=MOST_FOUND,
    )


def page_picture(request: Request) -> Response:
    """A page as PNG."""
    review = review_of(request)
    with open_store(review) as store:
        view = queries.view_page(store, request.path_params["document"], request.path_params["page"])
    if view is None:
        raise HTTPException(404)
    try:
        png = review.pictures.draw(view.document, view.sha256, view.number)
    except InputError as error:
        return PlainTextResponse(str(error), 404)
    return Response(png, media_type="image/png", headers=_KEEP)


def formula_picture(request: Request) -> Response:
    """A formula as PNG: as the recognizer saw it, else cut out of its page."""
    review = review_of(request)
    with open_store(review) as store:
        entries = entries_by_id(store, [request.path_params["formula"]])
        if not entries:
            raise HTTPException(404)
        png = store.crop_png(entries[0].image_sha256)
        view = queries.view_page(store, entries[0].document_id, entries[0].page)
    if png is None and view is not None:
        try:
            png = review.pictures.draw(view.document, view.sha256, view.number, Box(*entries[0].box))
        except InputError as error:
            return PlainTextResponse(str(error), 404)
    return Response(png, media_type="image/png", headers=_KEEP)


def formula_address(store: FormulaStore, formula_id: int, *, is_queue: bool = False) -> str:
    """Where a formula is looked at.

    Raises:
        HTTPException: There is no such formula.
    """
    entries = entries_by_id(store, [formula_id])
    if not entries:
        raise HTTPException(404)
    (entry,) = entries
    tail = "&queue=1" if is_queue else ""
    return f"/documents/{entry.document_id}/pages/{entry.page}?formula={formula_id}{tail}"


def review_of(request: Request) -> Review:
    """What the handlers share."""
    review: Review = request.app.state.review
    return review


def open_store(review: Review) -> FormulaStore:
    """The database for one request: SQLite wants a connection for each thread."""
    return FormulaStore.open(review.database)


def _page_view(
    request: Request, document_id: int, number: int, formula_id: int | None, *, is_queue: bool
) -> Response:
    review = review_of(request)
    with open_store(review) as store:
        view = queries.view_page(store, document_id, number)
        if view is None:
            raise HTTPException(404)
        chosen = next((entry for entry in view.entries if entry.id == formula_id), None)
        values: dict[str, Any] = {"view": view, "chosen": chosen, "is_queue": is_queue}
        if chosen is not None:
            place = view.entries.index(chosen)
            beside = [entry.id for entry in view.entries[place + 1 :] if entry.status != "rejected"]
            similar = similar_formulas(store.connection, chosen.id, chosen.latex, _SIMILAR)
            values |= {
                "previous": view.entries[place - 1].id if place else None,
                "next": view.entries[place + 1].id if place + 1 < len(view.entries) else None,
                "neighbor": beside[0] if beside else None,
                "line_count": queries.count_lines(store, chosen.id),
                "mentions": mentions_of(store, chosen.id),
                "reviews": store.reviews(chosen.id),
                "similar": entries_by_id(store, similar),
            }
        return review.page("page.html", **values)
