"""Formulas as one HTML file that needs nothing else: MathML, and the pages they stand on."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from docproc.database import explained
from docproc.errors import InputError
from docproc.latex.speech import speak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from docproc.entries import Entry
    from docproc.store import FormulaStore

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Formulas</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: auto; padding: 1rem }
figure { position: relative; margin: 1rem 0; line-height: 0; background: white }
figure img { width: 100% }
figure a { position: absolute; border: 1px solid #06c; margin: -1px; background: #06c1 }
article { border-top: 1px solid #8886; padding: .5rem 0; overflow-x: auto }
article:target { background: #fc03 }
math[display=block] { font-size: 1.2rem }
small { opacity: .75 }
code { overflow-wrap: anywhere }
</style>
</head>
<body>
"""


def html_parts(store: FormulaStore, entries: Iterable[Entry], *, pictures: bool) -> Iterator[str]:
    """The parts of the file; everything that comes from a document is escaped, and no script can run.

    Pages are rendered in a page process, as every foreign file.
    """
    from docproc.picture_process import Pictures

    with ExitStack() as stack:
        draw = stack.enter_context(Pictures()).draw if pictures else None
        yield from _parts(store, entries, draw)


def _parts(store: FormulaStore, entries: Iterable[Entry], draw: Callable[..., bytes] | None) -> Iterator[str]:
    yield _HEAD
    for (title, document), pages in groupby(entries, key=lambda e: (e.title, e.document)):
        yield f"<h1>{escape(title or document)}</h1>\n<p><small>{escape(document)}</small></p>\n"
        for page, group in groupby(pages, key=lambda e: e.page):
            on_page = list(group)
            yield f"<h2>Page {page}</h2>\n"
            if draw is not None:
                yield _picture(store, draw, document, page, on_page)
            for entry in on_page:
                yield _article(entry)
    yield "</body>\n</html>\n"


def _article(entry: Entry) -> str:
    number = f" ({escape(entry.equation_number)})" if entry.equation_number else ""
    mathml = entry.mathml or f"<code>{escape(entry.latex)}</code>"
    spoken = speak(entry.latex)
    if spoken:
        mathml = f'<div role="math" aria-label="{escape(spoken)}">{mathml}</div>'
    problems = f" · {escape('; '.join(entry.problems))}" if entry.problems else ""
    return (
        f'<article id="f{entry.id}"><p>{escape(entry.text_before)}</p>\n{mathml}\n<p>{escape(entry.text_after)}</p>\n'
        f"<p><small>{entry.id}{number} · {escape(entry.status)} · {entry.confidence:.2f}{problems}<br>"
        f"<code>{escape(entry.latex)}</code></small></p></article>\n"
    )


def _picture(
    store: FormulaStore, draw: Callable[..., bytes], document: str, page: int, entries: list[Entry]
) -> str:
    """The page with a link on each formula; nothing if the document has gone."""
    sql = "SELECT width_pt, height_pt FROM pages WHERE document_id = ? AND number = ?"
    with explained(store.path):
        width, height = store.connection.execute(sql, (entries[0].document_id, page)).fetchone()
    if not width or not Path(document).is_file():
        return ""
    try:
        png = draw(document, None, page)
    except InputError:
        return ""
    links = []
    for entry in entries:
        x0, y0, x1, y1 = entry.box
        place = f"left:{100 * x0 / width:.2f}%;top:{100 * y0 / height:.2f}%;"
        extent = f"width:{100 * (x1 - x0) / width:.2f}%;height:{100 * (y1 - y0) / height:.2f}%"
        links.append(f'<a href="#f{entry.id}" style="{place}{extent}" aria-label="formula {entry.id}"></a>')
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="page {page}" src="data:image/png;base64,{data}">{"".join(links)}</figure>\n'
