"""The schema of the database, as numbered steps that are recorded in the database as they are applied.

The names of tables and columns are a promise: tests and tools outside the project rely on them (docs/database.md).
A new step is added at the end, with `SCHEMA_VERSION` counted up; an applied step is never edited.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = int.from_bytes(b"docp", "big")
"""Marks a SQLite file as ours (bytes 68–71 of its header), so that no foreign database is ever written to."""
SCHEMA_VERSION = 2
"""Number of steps below; stored as `PRAGMA user_version`."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to `SCHEMA_VERSION`; all steps in one transaction, or none.

    Args:
        connection: In autocommit mode (`isolation_level=None`), without an open transaction.
    """
    from sqlite_utils import Database, Migrations  # 0.4 s to import: needed only when a step is due

    steps = Migrations("docproc")
    for step in (m001_initial, m002_structures):
        steps(name=step.__name__)(step)
    connection.execute("BEGIN IMMEDIATE")  # before looking, so that two runs that start together do not both create
    try:
        steps.apply(Database(connection, execute_plugins=False))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def m001_initial(db: Database) -> None:
    """Documents, their pages, formulas and failures; reviews, references and the full-text index."""
    document = ("document_id", "documents", "id")
    page = ("page_id", "pages", "id")
    db.table("documents").create(
        {
            "id": int,
            "path": str,
            "sha256": str,
            "media_type": str,
            "page_count": int,
            "title": str,
            "status": str,
            "options_hash": str,
            "started_at": str,
            "finished_at": str,
        },
        pk="id",
        not_null={"path", "sha256", "status"},
    )
    db.table("documents").create_index(["sha256"], unique=True)
    db.table("pages").create(
        {
            "id": int,
            "document_id": int,
            "number": int,
            "width_pt": float,
            "height_pt": float,
            "rotation": int,
            "kind": str,
            "text": str,
            "status": str,
            "problem": str,
            "blocks": str,
        },
        pk="id",
        not_null={"document_id", "number", "status"},
        foreign_keys=[document],
    )
    db.table("pages").create_index(["document_id", "number"], unique=True)
    db.table("formulas").create(
        {
            "id": int,
            "document_id": int,
            "page_id": int,
            "page_number": int,
            "position": int,
            "kind": str,
            "x0": float,
            "y0": float,
            "x1": float,
            "y1": float,
            "equation_number": str,
            "latex": str,
            "latex_raw": str,
            "mathml": str,
            "confidence": float,
            "stop_reason": str,
            "status": str,
            "problems": str,
            "repairs": str,
            "parent_id": int,
            "lines": str,
            "model": str,
            "image_sha256": str,
            "corrected_latex": str,
            "reviewed_at": str,
            "reviewer": str,
            "text_before": str,
            "text_after": str,
            "match_key": str,
        },
        pk="id",
        not_null={"document_id", "page_id", "page_number", "position", "kind", "latex", "status"},
        foreign_keys=[document, page, ("parent_id", "formulas", "id")],
    )
    db.table("formulas").create_index(["page_id", "position"], unique=True)
    db.table("formulas").create_index(["document_id", "page_number"])
    db.table("formulas").create_index(["image_sha256", "model"])
    db.table("formulas").create_index(["match_key"])
    db.table("formulas").create_index(["parent_id"])
    db.table("reviews").create(
        {"id": int, "formula_id": int, "at": str, "who": str, "action": str, "before": str, "after": str},
        pk="id",
        not_null={"formula_id", "at", "action"},
        foreign_keys=[("formula_id", "formulas", "id")],
    )
    db.table("reviews").create_index(["formula_id"])
    db.table("formula_references").create(
        {"id": int, "page_id": int, "place": int, "label": str, "formula_id": int},
        pk="id",
        not_null={"page_id", "place", "label"},
        foreign_keys=[page, ("formula_id", "formulas", "id")],
    )
    db.table("formula_references").create_index(["page_id"])
    db.table("formula_references").create_index(["formula_id"])
    db.table("failures").create(
        {"id": int, "document_id": int, "path": str, "page_number": int, "position": int, "stage": str, "reason": str},
        pk="id",
        not_null={"path", "stage", "reason"},
        foreign_keys=[document],
    )
    db.table("failures").create_index(["document_id", "page_number"])
    db.table("crops").create({"image_sha256": str, "png": bytes}, pk="image_sha256", not_null={"png"})
    # Rows are kept in step by the store, not by triggers: their words are computed (docproc/fulltext.py).
    db.execute(
        "CREATE VIRTUAL TABLE formulas_fts USING fts5("
        "tokens, words, title, tokenize = \"unicode61 remove_diacritics 2 tokenchars '_'\")"
    )


def m002_structures(db: Database) -> None:
    """The index for structural search, filled from the formulas that are there."""
    from docproc.structure_index import create_structure_tables, put_structure

    create_structure_tables(db.conn)
    rows = db.execute("SELECT id, coalesce(corrected_latex, latex) FROM formulas ORDER BY id").fetchall()
    for formula_id, latex in rows:
        put_structure(db.conn, formula_id, latex)
