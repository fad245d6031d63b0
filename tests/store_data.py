"""Rows to store, and what a run writes, for the tests of the database."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

from docproc.records import (
    MARK_CLOSE,
    MARK_OPEN,
    Block,
    BlockKind,
    Box,
    Formula,
    FormulaKind,
    FoundPage,
    PageKind,
    Status,
)
from docproc.store import FormulaStore

CONTRACT = {
    "documents": "id path sha256 media_type page_count title status options_hash started_at finished_at",
    "pages": "id document_id number width_pt height_pt rotation kind text status problem",
    "formulas": "id document_id page_id page_number position kind x0 y0 x1 y1 equation_number latex latex_raw mathml "
    "confidence stop_reason status problems repairs parent_id lines model image_sha256 corrected_latex reviewed_at "
    "reviewer",
    "reviews": "formula_id at who action before after",
    "formula_references": "page_id place label formula_id",
    "failures": "document_id page_number position stage reason",
}
TIMES = {"started_at", "finished_at", "reviewed_at", "at"}


def make_formula(position: int, latex: str = "x", top: float = 100.0, **changes: object) -> Formula:
    formula = Formula(
        kind=FormulaKind.INLINE,
        position=position,
        box=Box(50.0, top, 90.0, top + 12.0),
        latex=latex,
        latex_raw=latex,
        status=Status.OK,
        confidence=0.9,
        stop_reason="end",
        model="built-in",
        image_sha256=f"sha-{latex}",
        text_before="energy of",
        text_after="is conserved",
    )
    return replace(formula, **changes)  # type: ignore[arg-type]


def make_page(number: int, formulas: int = 2, document: str = "book.pdf") -> tuple[FoundPage, list[Formula]]:
    found = [make_formula(i, f"x_{{{number}}}^{i}", top=100.0 * i) for i in range(1, formulas + 1)]
    text = " ".join(f"see {MARK_OPEN}{f.position}{MARK_CLOSE}" for f in found)
    blocks = (Block(BlockKind.HEADING, f"Page {number}", 1), Block(BlockKind.PARAGRAPH, text, 0, Box(1, 2, 3, 4)))
    return FoundPage(document, number, 595.0, 842.0, 0, PageKind.BORN_DIGITAL, (), blocks), found


def begin(store: FormulaStore, options: str = "options-1", pages: int = 4, name: str = "book.pdf"):
    return store.begin_document(name, f"sha-of-{name}", "application/pdf", pages, "A Book", options)


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, times left out."""
    connection = sqlite3.connect(path)
    result = {}
    for table in [*CONTRACT, "formulas_fts"]:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] not in TIMES]
        key = "rowid" if table == "formulas_fts" else "id"
        result[table] = connection.execute(f"SELECT {key}, {', '.join(names)} FROM {table} ORDER BY 1").fetchall()
    connection.close()
    return result


def write_book(path: Path, pause: float = 0.0) -> None:
    with FormulaStore.open(path) as store:
        for name in ("one.pdf", "two.pdf"):
            state = begin(store, pages=30, name=name)
            if state.is_finished:
                continue
            for number in range(1, 31):
                if number not in state.finished_pages:
                    page, found = make_page(number, formulas=number % 4, document=name)
                    store.write_page(state.id, page, found)
                    time.sleep(pause)
            store.finish_document(state.id, "finished")


def count_pages(path: Path) -> int:
    """Committed pages of a database that another process is writing; 0 while there are none to be read."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(connection):
            return int(connection.execute("SELECT count(*) FROM pages").fetchone()[0])
    except sqlite3.Error:
        return 0
