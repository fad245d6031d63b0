"""The database as JSON, JSON Lines and CSV: what other programs read while people review."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from docproc.entries import entries_by_id
from docproc.errors import UsageError
from docproc.export import export_text
from docproc.latex.speech import speak
from docproc.review import queries
from docproc.review.searching import asked, find
from docproc.review.views import open_store, review_of
from docproc.show import mentions_of
from docproc.structural_search import similar_formulas

if TYPE_CHECKING:
    from starlette.requests import Request

_LIMIT = 100
_SIMILAR = 5
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


def documents(request: Request) -> Response:
    """All documents, with what there is of each."""
    with open_store(review_of(request)) as store:
        return JSONResponse({"documents": [asdict(line) for line in queries.list_documents(store)]})


def page(request: Request) -> Response:
    """One page with its formulas."""
    with open_store(review_of(request)) as store:
        view = queries.view_page(store, request.path_params["document"], request.path_params["page"])
    if view is None:
        raise HTTPException(404)
    size = {"width_pt": view.width, "height_pt": view.height}
    rows = [entry.row() for entry in view.entries]
    return JSONResponse({"document": view.document, "title": view.title, "page": view.number, **size, "formulas": rows})


def formulas(request: Request) -> Response:
    """Formulas by query and filters, with facets; `format` is json, jsonl or csv."""
    form = request.query_params.get("format", "json")
    try:
        if form not in ("json", *_MEDIA_TYPES):
            raise UsageError(f"format is json, jsonl or csv, not {form!r}")
        question = asked(request.query_params, _LIMIT)
    except UsageError as error:
        return JSONResponse({"error": str(error)}, 400)
    with open_store(review_of(request)) as store:
        found = find(store, question)
        if form != "json":
            text = "".join(export_text(store, found.entries, form, whole_documents=False, pictures=False))
            headers = {"content-disposition": f'attachment; filename="formulas.{form}"'}
            return Response(text.encode("utf-8", "replace"), media_type=_MEDIA_TYPES[form], headers=headers)
    following = question.offset + question.limit
    rows = [{**entry.row(), "match": found.matches.get(entry.id)} for entry in found.entries]
    facets = {name: [asdict(facet) for facet in values] for name, values in found.facets.items()}
    onward = question.address("/api/formulas", limit=question.limit, offset=following)
    return JSONResponse(
        {"total": found.total, "next": onward if following < found.total else None, "facets": facets, "formulas": rows}
    )


def formula(request: Request) -> Response:
    """One formula with where it is referred to, its history, and similar ones."""
    with open_store(review_of(request)) as store:
        entries = entries_by_id(store, [request.path_params["formula"]])
        if not entries:
            raise HTTPException(404)
        (entry,) = entries
        similar: list[Any] = similar_formulas(store.connection, entry.id, entry.latex, _SIMILAR)
        return JSONResponse(
            {
                **entry.row(),
                "spoken": speak(entry.latex),
                "picture": f"/formulas/{entry.id}/picture.png",
                "references": [asdict(mention) for mention in mentions_of(store, entry.id)],
                "reviews": store.reviews(entry.id),
                "similar": similar,
            }
        )
