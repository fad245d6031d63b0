"""Formulas with all that a reader outside wants to know of them: what is exported, shown and reviewed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docproc.database import explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docproc.filters import FormulaFilter
    from docproc.store import FormulaStore

_COLUMNS = (
    "SELECT f.id, d.id, d.path, d.title, f.page_number, f.position, f.kind, f.x0, f.y0, f.x1, f.y1, f.equation_number, "
    "coalesce(f.corrected_latex, f.latex), f.latex_raw, f.corrected_latex IS NOT NULL, f.mathml, f.status, "
    "f.confidence, f.problems, f.model, f.image_sha256, f.reviewed_at, f.reviewer, f.text_before, f.text_after "
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A formula in its document."""

    id: int
    document_id: int
    document: str
    """Path, as it was last given to a run."""
    title: str
    page: int
    position: int
    kind: str
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in points from the top left of the page."""
    equation_number: str | None
    latex: str
    """The reviewer's LaTeX where there is one."""
    latex_raw: str
    is_corrected: bool
    stored_mathml: str
    """Of the LaTeX as read."""
    status: str
    confidence: float
    problems: tuple[str, ...]
    model: str
    image_sha256: str
    reviewed_at: str | None
    reviewer: str | None
    text_before: str
    text_after: str

    @property
    def mathml(self) -> str:
        """MathML of `latex`; empty if that is no valid LaTeX."""
        if not self.is_corrected:
            return self.stored_mathml
        from docproc.latex.check import check

        return check(self.latex, is_display=self.kind == "display").mathml

    def row(self) -> dict[str, Any]:
        """For printing as JSON or CSV."""
        return {
            "id": self.id,
            "document": self.document,
            "title": self.title,
            "page": self.page,
            "position": self.position,
            "kind": self.kind,
            "box": [round(value, 1) for value in self.box],
            "equation_number": self.equation_number,
            "latex": self.latex,
            "latex_raw": self.latex_raw,
            "mathml": self.mathml,
            "text_before": self.text_before,
            "text_after": self.text_after,
            "status": self.status,
            "confidence": self.confidence,
            "problems": list(self.problems),
            "model": self.model,
            "reviewed_at": self.reviewed_at,
            "reviewer": self.reviewer,
        }


def read_entries(
    store: FormulaStore, chosen: FormulaFilter, *, limit: int = -1, offset: int = 0, least_confident_first: bool = False
) -> Iterator[Entry]:
    """Formulas that pass a filter, by document, page and position; one at a time, so that a library fits.

    Raises:
        UsageError: The filter's page ranges cannot be understood.
    """
    where, values = chosen.where()
    order = "f.confidence, f.id" if least_confident_first else "d.id, f.page_number, f.position"
    sql = (
        f"{_COLUMNS} FROM formulas f JOIN documents d ON d.id = f.document_id WHERE {where} ORDER BY {order} "
        "LIMIT ? OFFSET ?"
    )
    with explained(store.path):
        for row in store.connection.execute(sql, (*values, limit, offset)):
            yield _entry(row)


def entries_by_id(store: FormulaStore, formula_ids: Iterable[int]) -> list[Entry]:
    """Formulas in the order of the ids; an id that there is not is left out."""
    sql = (
        f"{_COLUMNS} FROM json_each(?) c CROSS JOIN formulas f ON f.id = c.value "
        "CROSS JOIN documents d ON d.id = f.document_id ORDER BY c.key"
    )
    with explained(store.path):
        return [_entry(row) for row in store.connection.execute(sql, (json.dumps(list(formula_ids)),))]


def _entry(row: tuple[Any, ...]) -> Entry:
    (identity, document_id, path, title, page, position, kind, x0, y0, x1, y1, *rest) = row
    (number, latex, raw, is_corrected, mathml, status, confidence, problems, model, sha256, at, who, *text) = rest
    return Entry(
        id=identity,
        document_id=document_id,
        document=path,
        title=title or "",
        page=page,
        position=position,
        kind=kind,
        box=(x0, y0, x1, y1),
        equation_number=number,
        latex=latex,
        latex_raw=raw or "",
        is_corrected=bool(is_corrected),
        stored_mathml=mathml or "",
        status=status,
        confidence=confidence if confidence is not None else 0.0,
        problems=tuple(json.loads(problems or "[]")),
        model=model or "",
        image_sha256=sha256 or "",
        reviewed_at=at,
        reviewer=who,
        text_before=text[0] or "",
        text_after=text[1] or "",
    )
