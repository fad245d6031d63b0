"""The formula database: what is written to it. One transaction a page, so that a kill loses at most a page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from docproc import redrawing, reviewing
from docproc.database import BUSY_SECONDS, open_database, transaction
from docproc.file_names import StemIndex, markdown_stem
from docproc.formula_rows import insert_row, rebuild_indexes, replace_formulas, storable
from docproc.records import DocumentState, Failure
from docproc.references import link_references
from docproc.rows import blocks_to_json, plain_text
from docproc.store_reading import StoreReader
from docproc.stored_crops import put_crops

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence
    from types import TracebackType

    from docproc.records import Formula, FoundPage, Region


class FormulaStore(StoreReader):
    """A docproc database; docs/database.md describes its tables."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection, path)
        self._restarts: dict[int, str] = {}
        """Documents whose options changed: their new options_hash, until their first page is written."""
        self._stems: StemIndex | None = None
        """Of all documents, as soon as a Markdown is to be named; one run at a time changes their paths."""

    @classmethod
    def open(cls, path: Path | str, read_only: bool = False, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Open or create the database at `path`; raises as `database.open_database` does."""
        return cls(open_database(Path(path), read_only, busy_seconds), Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self.connection.close()

    # --- writing -----------------------------------------------------------------------------------------------------

    def begin_document(
        self, path: str, sha256: str, media_type: str, page_count: int, title: str, options_hash: str
    ) -> DocumentState:
        """Look up a document by its content, or enter it.

        A document that was read with other options is done anew: its rows stay until its first page is written, then
        all its pages count as stale and are replaced one by one.

        Args:
            path: As the user gave it; the newest one is kept.
            sha256: Of the file's bytes, in hex.
            media_type: E.g. `application/pdf`.
            page_count: Of the whole document, whatever pages are asked for.
            title: From the document's metadata, else its file name.
            options_hash: Over those options alone that change results (not `--pages`, `-o`, or the number of workers).
        """
        (path,) = storable([path])
        with transaction(self.connection, self.path):
            self.connection.execute("DELETE FROM failures WHERE document_id IS NULL AND path = ?", (path,))
            row = self.connection.execute(
                "SELECT id, status, options_hash FROM documents WHERE sha256 = ?", (sha256,)
            ).fetchone()
            if row is None:
                document_id = insert_row(
                    self.connection,
                    "documents",
                    path=path,
                    sha256=sha256,
                    media_type=media_type,
                    page_count=page_count,
                    title=title,
                    status="running",
                    options_hash=options_hash,
                    started_at=_now(),
                )
                self._note_stem(document_id, path)
                return DocumentState(document_id, frozenset(), is_finished=False)
            document_id, status, old_hash = row
            self.connection.execute("UPDATE documents SET path = ? WHERE id = ?", (path, document_id))
            self._note_stem(document_id, path)
            if old_hash != options_hash:
                self._restarts[document_id] = options_hash
                return DocumentState(document_id, frozenset(), is_finished=False)
            self._restarts.pop(document_id, None)
            rows = self.connection.execute(
                "SELECT number FROM pages p WHERE document_id = ? AND status = 'done' AND NOT EXISTS (SELECT 1 "
                "FROM failures f WHERE f.document_id = p.document_id AND f.page_number = p.number)",
                (document_id,),
            )
            finished = frozenset(number for (number,) in rows)
            return DocumentState(document_id, finished, status == "finished" and len(finished) >= page_count)

    def has_finished_documents(self) -> bool:
        """Whether any document is done."""
        return bool(self._rows("SELECT 1 FROM documents WHERE status = 'finished' LIMIT 1"))

    def take_up_finished(self, path: str, sha256: str, options_hash: str) -> bool:
        """Note the newest path of a document that is done with these options.

        Returns:
            False if pages are left to do, or if corrections are to be taken into its Markdown.
        """
        rows = self._rows(
            "SELECT media_type, page_count, title FROM documents WHERE sha256 = ? AND options_hash = ? "
            "AND status = 'finished'",
            sha256,
            options_hash,
        )
        if not rows:
            return False
        state = self.begin_document(path, sha256, options_hash=options_hash, **rows[0])
        return state.is_finished and not self.has_new_reviews(state.id)

    def write_page(
        self, document_id: int, page: FoundPage, formulas: Sequence[Formula], failures: Iterable[Failure] = ()
    ) -> None:
        """Store a page with its formulas in one transaction, in place of whatever the page held before.

        A formula found at the place of an earlier one takes over its id and its review. A reviewed formula that is not
        found again is kept, behind the others.

        Args:
            document_id: Of `begin_document`.
            page: Its blocks refer to the formulas by position.
            formulas: Positions from 1, each once.
            failures: Of this page.
        """
        with transaction(self.connection, self.path):
            self._restart_if_due(document_id)
            latex = {formula.position: formula.latex for formula in formulas}
            page_id = self._put_page(
                document_id,
                page.number,
                width_pt=page.width_pt,
                height_pt=page.height_pt,
                rotation=page.rotation,
                kind=page.kind.value,
                text=plain_text(page.blocks, latex),
                status="done",
                problem=page.problem,
                blocks=blocks_to_json(page.blocks),
            )
            replace_formulas(self.connection, document_id, page_id, page.number, formulas)
            put_crops(self.connection, page.regions, formulas)
            self._replace_failures(document_id, page.number, failures)
        self._restarts.pop(document_id, None)

    def fail_page(self, document_id: int, number: int, failure: Failure) -> None:
        """Record that a page could not be done; what an earlier run found on it stays."""
        with transaction(self.connection, self.path):
            self._restart_if_due(document_id)
            self._put_page(document_id, number, status="failed", problem=failure.reason)
            self._replace_failures(document_id, number, [failure])
        self._restarts.pop(document_id, None)

    def finish_document(self, document_id: int, status: str) -> None:
        """Close a document: `finished`, `partial` (something failed) or `failed`; link its references to formulas."""
        with transaction(self.connection, self.path):
            link_references(self.connection, document_id)
            # Not before its last review, even if the clock was set back: see `has_new_reviews`.
            self.connection.execute(
                "UPDATE documents SET status = ?, finished_at = max(?, coalesce((SELECT max(r.at) FROM reviews r "
                "JOIN formulas f ON f.id = r.formula_id WHERE f.document_id = documents.id), '')) WHERE id = ?",
                (status, _now(), document_id),
            )

    def record_failure(self, failure: Failure) -> None:
        """Record a file that could not even be opened; forgotten when the file opens in a later run."""
        with transaction(self.connection, self.path):
            self.connection.execute(
                "DELETE FROM failures WHERE document_id IS NULL AND path = ? AND stage = ?",
                storable([failure.document, failure.stage]),
            )
            self._insert_failure(None, failure)

    def review_formula(
        self, formula_id: int, action: str, who: str, latex: str | None = None, number: str | None = None
    ) -> None:
        """Record a person's verdict; its history is kept in `reviews`.

        Args:
            formula_id: Of `formulas`.
            action: `correct` (with `latex`), `accept`, `reject` (not a formula), or `number` (with `number`).
            who: Name of the reviewer.
            latex: The correction.
            number: The equation number, empty for none; None leaves it as it is.

        Raises:
            ValueError: No such formula or action, or what it needs is missing.
        """
        with transaction(self.connection, self.path):
            reviewing.review(self.connection, formula_id, action, who, latex, number)

    def undo_review(self, formula_id: int, who: str) -> bool:
        """Take back the last step of a review that is not taken back yet; False if there is none.

        Raises:
            ValueError: No such formula.
        """
        with transaction(self.connection, self.path):
            return reviewing.undo(self.connection, formula_id, who)

    def add_drawn(
        self,
        document_id: int,
        page_number: int,
        formulas: Sequence[Formula],
        regions: Sequence[Region],
        who: str,
        action: str = "draw",
        replacing: Collection[int] | None = None,
    ) -> list[int]:
        """Enter formulas that a person drew, merged or split on a page; those that they stand for are rejected.

        Returns:
            Their ids; raises ValueError if there is no such page.
        """
        with transaction(self.connection, self.path):
            row = self.connection.execute(
                "SELECT id FROM pages WHERE document_id = ? AND number = ?", (document_id, page_number)
            ).fetchone()
            if row is None:
                raise ValueError(f"document {document_id} has no page {page_number}")
            return redrawing.add_drawn(self.connection, row[0], formulas, regions, who, action, replacing)

    def reindex(self) -> int:
        """Make the indexes of the search anew; returns the number of formulas."""
        with transaction(self.connection, self.path):
            return rebuild_indexes(self.connection)

    def markdown_name(self, document_id: int) -> str:
        """File name of the document's Markdown: its stem, with 8 digits of its hash where an earlier one has that."""
        if self._stems is None:
            self._stems = StemIndex()
            for row in self._rows("SELECT id, path FROM documents"):
                self._stems.put(row["id"], row["path"])
        (own,) = self._rows("SELECT path, sha256 FROM documents WHERE id = ?", document_id)
        stem = markdown_stem(own["path"])
        return f"{stem}-{own['sha256'][:8]}.md" if self._stems.is_taken(document_id) else f"{stem}.md"

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _note_stem(self, document_id: int, path: str) -> None:
        if self._stems is not None:
            self._stems.put(document_id, path)

    def _restart_if_due(self, document_id: int) -> None:
        """At the first page of a run with other options: all pages of the earlier run count as stale."""
        options_hash = self._restarts.get(document_id)
        if options_hash is not None:
            self.connection.execute("UPDATE pages SET status = 'stale' WHERE document_id = ?", (document_id,))
            self.connection.execute("DELETE FROM failures WHERE document_id = ?", (document_id,))
        self.connection.execute(
            "UPDATE documents SET options_hash = coalesce(?, options_hash), "
            "started_at = iif(status = 'running' AND ? IS NULL, started_at, ?), status = 'running', finished_at = NULL "
            "WHERE id = ?",
            (options_hash, options_hash, _now(), document_id),
        )

    def _put_page(self, document_id: int, number: int, **values: Any) -> int:
        row = self.connection.execute(
            "SELECT id FROM pages WHERE document_id = ? AND number = ?", (document_id, number)
        ).fetchone()
        if row is None:
            return insert_row(self.connection, "pages", document_id=document_id, number=number, **values)
        assignments = ", ".join(f"{name} = ?" for name in values)
        self.connection.execute(f"UPDATE pages SET {assignments} WHERE id = ?", (*storable(values.values()), row[0]))
        return int(row[0])

    def _replace_failures(self, document_id: int, number: int, failures: Iterable[Failure]) -> None:
        self.connection.execute("DELETE FROM failures WHERE document_id = ? AND page_number = ?", (document_id, number))
        for failure in failures:
            self._insert_failure(document_id, failure, number)

    def _insert_failure(self, document_id: int | None, failure: Failure, number: int | None = None) -> None:
        insert_row(
            self.connection,
            "failures",
            document_id=document_id,
            path=failure.document,
            page_number=failure.page_number if number is None else number,
            position=failure.position,
            stage=failure.stage,
            reason=failure.reason,
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
