"""`docproc export`: formulas as Markdown, JSON Lines, CSV, HTML, LaTeX, for Word, or pairs to train on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from docproc.errors import OutputError
from docproc.export_html import html_parts
from docproc.latex.check import check
from docproc.markdown import MarkdownOptions, render_markdown
from docproc.markdown_text import escape_start, escape_text
from docproc.training_pictures import with_pictures

if TYPE_CHECKING:
    from docproc.entries import Entry
    from docproc.store import FormulaStore

FORMATS = ("md", "jsonl", "csv", "html", "tex", "docx", "training")
_TEX_HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{amsmath,amssymb,mathtools,bm,mathrsfs}
\usepackage[version=4]{mhchem}
\begin{document}
"""
_TEX_SPECIAL = {c: f"\\{c}" for c in "#$%&_{}"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
_HAS_OWN_DISPLAY = (r"\begin{align", r"\begin{gather", r"\begin{multline", r"\begin{equation", r"\begin{flalign")


def export_text(
    store: FormulaStore, entries: Iterable[Entry], form: str, *, whole_documents: bool, pictures: bool
) -> Iterator[str]:
    """The parts of an exported file, one after the other.

    Args:
        store: Where the entries are from.
        entries: By document, page and position; any order for a search.
        form: One of `FORMATS`, but not `docx` or `training`.
        whole_documents: The entries are whole documents: Markdown then holds their prose too.
        pictures: Put pictures of the pages into HTML, where the document is still at its path.
    """
    if form == "md" and whole_documents:
        return _documents(store, entries)
    if form == "html":
        return html_parts(store, entries, pictures=pictures)
    return {"md": _markdown, "jsonl": _json_lines, "csv": _csv, "tex": _tex}[form](entries)


def export_training(store: FormulaStore, entries: Iterable[Entry], folder: Path) -> tuple[int, int]:
    """Write pictures and labels.jsonl as `docproc finetune --data` and `docproc evaluate` take them.

    A formula that was read from a text layer is cut out of its document, if that is still where it was.

    Returns:
        How many pairs were written, and how many formulas had no picture or no valid LaTeX.

    Raises:
        OutputError: The folder cannot be written.
    """
    written = left_out = 0
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        with (folder / "labels.jsonl").open("w", encoding="utf-8") as labels:
            for entry, png, _ in with_pictures(store, entries):
                if png is None or not check(entry.latex).is_valid:
                    left_out += 1
                    continue
                name = f"images/{entry.id}.png"
                (folder / name).write_bytes(png)
                pair = {"image": name, "latex": entry.latex, "kind": entry.kind, "source": entry.document}
                labels.write(json.dumps(pair, ensure_ascii=False) + "\n")
                written += 1
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}. Give another place with -o.") from error
    return written, left_out


def _documents(store: FormulaStore, entries: Iterable[Entry]) -> Iterator[str]:
    for document_id, _ in groupby(entries, key=lambda entry: entry.document_id):
        yield render_markdown(
            store.document_pages(document_id), store.document_formulas(document_id), MarkdownOptions()
        )


def _markdown(entries: Iterable[Entry]) -> Iterator[str]:
    for (title, document, page), group in groupby(entries, key=lambda e: (e.title, e.document, e.page)):
        yield f"## {escape_text(title or document)}, page {page}\n\n"
        for entry in group:
            latex = " ".join(entry.latex.split())
            number = f" ({escape_text(entry.equation_number)})" if entry.equation_number else ""
            before, after = (escape_start(escape_text(text)) for text in (entry.text_before, entry.text_after))
            fence = "`" * 3
            body = f"$$\n{latex}\n$$" if check(latex).is_valid else f"{fence}latex\n{latex}\n{fence}"
            parts = (f"**{entry.id}**{number} {entry.status}", before, body, after)
            yield "".join(f"{part}\n\n" for part in parts if part)


def _json_lines(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps(entry.row(), ensure_ascii=False) + "\n"


def _csv(entries: Iterable[Entry]) -> Iterator[str]:
    buffer = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for entry in entries:
        row = entry.row()
        row |= {"box": json.dumps(row["box"]), "problems": "; ".join(entry.problems)}
        if writer is None:
            writer = csv.DictWriter(buffer, list(row))
            writer.writeheader()
        writer.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _tex(entries: Iterable[Entry]) -> Iterator[str]:
    yield _TEX_HEAD
    for (title, document, page), group in groupby(entries, key=lambda e: (e.title, e.document, e.page)):
        yield f"\n\\section*{{{_tex_text(title or document)}, page {page}}}\n"
        for entry in group:
            yield f"% docproc {entry.id}: {entry.status}, confidence {entry.confidence:.2f}\n"
            yield _tex_formula(entry)
    yield "\n\\end{document}\n"


def _tex_formula(entry: Entry) -> str:
    latex = " ".join(entry.latex.split())
    if not check(latex).is_valid or "%" in latex.replace(r"\%", ""):
        return f"\\noindent\\texttt{{{_tex_text(latex)}}}\n\n"
    if latex.startswith(_HAS_OWN_DISPLAY):
        return f"{latex}\n"
    number = f"\\tag{{{_tex_text(entry.equation_number)}}}" if entry.equation_number and r"\tag" not in latex else ""
    return f"\\begin{{equation*}}\n{latex}{number}\n\\end{{equation*}}\n"


def _tex_text(text: str) -> str:
    return "".join(_TEX_SPECIAL.get(c, c) for c in " ".join(text.split()))
