"""The formula database: what is read from it by a run, the review and the exports; search.py has its own SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docproc.database import explained
from docproc.records import Failure, Recognition, Status, Summary
from docproc.rows import stored_formula, stored_page
from docproc.stored_crops import known_recognitions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from pathlib import Path

    from docproc.records import StoredFormula, StoredPage


class StoreReader:
    """Questions to an open database."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    def known_recognitions(
        self,
        image_sha256s: Collection[str],
        model: str,
        excluding: Collection[tuple[int, int]] = (),
        *,
        confident_of_others: bool = False,
    ) -> dict[str, tuple[str, Recognition]]:
        """What has been read before in crops of the same pixels, in any document, with the name of the model.

        Args:
            image_sha256s: Of the crops.
            model: Name of the model.
            excluding: Document id and number of pages whose formulas by `model` do not count as known.
            confident_of_others: Take what other models were sure of, or people have seen, too.
        """
        with explained(self.path):
            return known_recognitions(self.connection, image_sha256s, model, excluding, confident_of_others)

    def document_pages(self, document_id: int) -> list[StoredPage]:
        """The document's pages by number."""
        return [
            stored_page(row)
            for row in self._rows("SELECT * FROM pages WHERE document_id = ? ORDER BY number", document_id)
        ]

    def document_formulas(self, document_id: int) -> list[StoredFormula]:
        """The document's formulas in reading order."""
        rows = self._rows(
            "SELECT f.*, parent.position AS parent_position FROM formulas f LEFT JOIN formulas parent "
            "ON parent.id = f.parent_id WHERE f.document_id = ? ORDER BY f.page_number, f.position",
            document_id,
        )
        return [stored_formula(row) for row in rows]

    def formulas_with_status(self, statuses: Collection[Status]) -> list[StoredFormula]:
        """Formulas of these statuses that nobody has reviewed yet, by document, the least confident first."""
        names = [status.value for status in statuses]
        rows = self._rows(
            "SELECT f.*, parent.position AS parent_position FROM formulas f LEFT JOIN formulas parent "
            "ON parent.id = f.parent_id WHERE f.reviewed_at IS NULL "
            f"AND f.status IN ({','.join('?' * len(names))}) ORDER BY f.document_id, f.confidence, f.id",
            *names,
        )
        return [stored_formula(row) for row in rows]

    def document_paths(self) -> dict[int, str]:
        """Path of every document by its id."""
        return {row["id"]: row["path"] for row in self._rows("SELECT id, path FROM documents ORDER BY id")}

    def has_new_reviews(self, document_id: int) -> bool:
        """Whether people changed formulas of the document since it was finished."""
        rows = self._rows(
            "SELECT 1 FROM reviews r JOIN formulas f ON f.id = r.formula_id JOIN documents d ON d.id = f.document_id "
            "WHERE d.id = ? AND r.at >= d.finished_at LIMIT 1",
            document_id,
        )
        return bool(rows)

    def crop_png(self, image_sha256: str) -> bytes | None:
        """What the recognizer saw, as PNG; None if that picture is not kept."""
        rows = self._rows("SELECT png FROM crops WHERE image_sha256 = ?", image_sha256)
        return bytes(rows[0]["png"]) if rows else None

    def reviews(self, formula_id: int) -> list[dict[str, Any]]:
        """What people did to a formula, the latest first: id, at, who, action, before, after (latex and status)."""
        rows = self._rows(
            "SELECT id, at, who, action, before, after FROM reviews WHERE formula_id = ? ORDER BY id DESC", formula_id
        )
        return [{**row, "before": json.loads(row["before"]), "after": json.loads(row["after"])} for row in rows]

    def failures(self) -> list[Failure]:
        """Everything that failed, by document and page."""
        rows = self._rows(
            "SELECT f.stage, coalesce(d.path, f.path) AS document, f.reason, f.page_number, f.position FROM failures f "
            "LEFT JOIN documents d ON d.id = f.document_id ORDER BY document, f.page_number, f.position, f.id"
        )
        return [Failure(**row) for row in rows]

    def summary(self) -> Summary:
        """Count what the database holds."""
        (one,) = self._rows(
            "SELECT (SELECT count(*) FROM formulas WHERE reviewed_at IS NOT NULL) AS reviewed, "
            "(SELECT count(*) FROM failures) AS failures"
        )
        return Summary(
            documents=self._counts("documents", "status"),
            pages=self._counts("pages", "status"),
            formulas=self._counts("formulas", "status"),
            failures=one["failures"],
            kinds=self._counts("formulas", "kind"),
            models=self._counts("formulas", "model"),
            reviewed=one["reviewed"],
            size_bytes=self.path.stat().st_size,
        )

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with explained(self.path):
            cursor = self.connection.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def _counts(self, table: str, column: str) -> dict[str, int]:
        rows = self._rows(f"SELECT {column} AS name, count(*) AS n FROM {table} GROUP BY {column} ORDER BY {column}")
        return {row["name"]: row["n"] for row in rows}
