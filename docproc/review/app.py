"""The application: its routes, and what they share."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from docproc.errors import DocprocError
from docproc.latex.speech import speak
from docproc.picture_process import Pictures
from docproc.review import actions, api, redraw, views
from docproc.review.security import Guard, GuardMiddleware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from docproc.recognition import Recognizer

_HERE = Path(__file__).parent
_KATEX = _HERE.parent / "latex" / "katex"


@dataclass(frozen=True, slots=True)
class Review:
    """What every handler needs; it is `request.app.state.review`."""

    database: Path
    reviewer: str
    guard: Guard
    pictures: Pictures
    templates: jinja2.Environment
    recognizer: Callable[[], Recognizer]
    """The built-in model, loaded when the first box is drawn."""
    reading: threading.Lock = field(default_factory=threading.Lock)
    """One formula is read at a time."""

    def page(self, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        """An HTML page; every value is escaped."""
        text = self.templates.get_template(template).render(
            csrf=self.guard.csrf, reviewer=self.reviewer, read_only=self.guard.is_read_only, **values
        )
        return HTMLResponse(text, status_code)


def create_app(database: Path, reviewer: str, guard: Guard) -> Starlette:
    """The web application over one database.

    Args:
        database: Exists.
        reviewer: Name that corrections are kept under.
        guard: Where the server is bound, and its secrets.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["spoken"] = _spoken
    pictures = Pictures()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with pictures:
            yield

    app = Starlette(
        routes=[
            Route("/", views.documents),
            Route("/documents/{document:int}", views.document),
            Route("/documents/{document:int}/pages/{page:int}", views.page),
            Route("/documents/{document:int}/pages/{page:int}/picture.png", views.page_picture),
            Route("/documents/{document:int}/pages/{page:int}/formulas", redraw.draw, methods=["POST"]),
            Route("/documents/{document:int}/pages/{page:int}/merge", redraw.merge, methods=["POST"]),
            Route("/formulas/{formula:int}", views.formula),
            Route("/formulas/{formula:int}/picture.png", views.formula_picture),
            Route("/formulas/{formula:int}/review", actions.review, methods=["POST"]),
            Route("/formulas/{formula:int}/split", redraw.split, methods=["POST"]),
            Route("/check", actions.check_latex, methods=["POST"]),
            Route("/queue", views.queue),
            Route("/search", views.search_page),
            Route("/api/documents", api.documents),
            Route("/api/documents/{document:int}/pages/{page:int}", api.page),
            Route("/api/formulas", api.formulas),
            Route("/api/formulas/{formula:int}", api.formula),
            Mount("/static/katex", StaticFiles(directory=_KATEX)),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        middleware=[Middleware(GuardMiddleware, guard=guard)],
        exception_handlers={404: _not_found, DocprocError: _refused},
        lifespan=lifespan,
    )
    app.state.review = Review(database, reviewer, guard, pictures, templates, _recognizer)
    return app


@lru_cache(maxsize=1)
def _recognizer() -> Recognizer:
    from docproc.options import RunOptions
    from docproc.qwen2_vl import Qwen2VLRecognizer

    return Qwen2VLRecognizer.from_options(RunOptions())


@lru_cache(maxsize=4096)
def _spoken(latex: str) -> str:
    """The formula in words, for who listens; its LaTeX where it cannot be said."""
    return speak(latex) or latex


def _not_found(request: Request, _: Exception) -> Response:
    return _message(request, "There is nothing at this address.", 404)


def _refused(request: Request, error: Exception) -> Response:
    return _message(request, str(error), 400)


def _message(request: Request, text: str, status_code: int) -> Response:
    review: Review = request.app.state.review
    return review.page("message.html", status_code, message=text)
