"""How many formulas there are of each document, kind, status and confidence: what a person narrows down by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docproc.database import explained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docproc.entries import Entry
    from docproc.filters import FormulaFilter
    from docproc.store import FormulaStore

BANDS = (0.5, 0.8, 0.95, 1.0)
"""Upper ends of the bands of confidence; a formula belongs to the first that it does not exceed."""
_MOST_DOCUMENTS = 20


@dataclass(frozen=True, slots=True)
class Facet:
    """One value of one field."""

    value: str
    """As the filter of the same name takes it; the upper end of a band of confidence."""
    count: int


def count_facets(store: FormulaStore, chosen: FormulaFilter) -> dict[str, list[Facet]]:
    """Count the formulas that pass a filter, in one pass over them.

    Returns:
        `document` (the most frequent ones), `kind`, `status`, `max_confidence` and `reviewed`.

    Raises:
        UsageError: The filter's page ranges cannot be understood.
    """
    where, values = chosen.where()
    band = " ".join(f"WHEN f.confidence <= {end} THEN {end}" for end in BANDS[:-1])
    sql = (
        f"SELECT d.path, f.kind, f.status, CASE {band} ELSE {BANDS[-1]} END, f.reviewed_at IS NOT NULL, count(*) "
        f"FROM formulas f JOIN documents d ON d.id = f.document_id WHERE {where} GROUP BY 1, 2, 3, 4, 5"
    )
    with explained(store.path):
        rows = store.connection.execute(sql, values).fetchall()
    return _facets((*row[:4], bool(row[4]), row[5]) for row in rows)


def facets_of(entries: Iterable[Entry]) -> dict[str, list[Facet]]:
    """Count formulas that were found."""
    return _facets(
        (
            entry.document,
            entry.kind,
            entry.status,
            next((end for end in BANDS if entry.confidence <= end), BANDS[-1]),
            entry.reviewed_at is not None,
            1,
        )
        for entry in entries
    )


def _facets(rows: Iterable[tuple[str, str, str, float, bool, int]]) -> dict[str, list[Facet]]:
    documents: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    bands: Counter[float] = Counter()
    reviewed: Counter[str] = Counter()
    for document, kind, status, end, is_reviewed, count in rows:
        documents[document] += count
        kinds[kind] += count
        statuses[status] += count
        bands[end] += count
        reviewed["yes" if is_reviewed else "no"] += count
    return {
        "document": [Facet(*pair) for pair in documents.most_common(_MOST_DOCUMENTS)],
        "kind": [Facet(*pair) for pair in kinds.most_common()],
        "status": [Facet(*pair) for pair in statuses.most_common()],
        "max_confidence": [Facet(f"{end:g}", bands[end]) for end in BANDS if bands[end]],
        "reviewed": [Facet(*pair) for pair in reviewed.most_common()],
    }
