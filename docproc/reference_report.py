"""What is wrong with a document's equation numbers: doubled, missing, misplaced ones, references to nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.database import explained
from docproc.number_sequence import find_breaks
from docproc.references import split_numbers

if TYPE_CHECKING:
    from docproc.store import FormulaStore


def numbered_twice(store: FormulaStore, document_id: int) -> list[tuple[str, int]]:
    """Equation numbers that several formulas of a document have, with how many."""
    counts: dict[str, int] = {}
    for _, number in _numbers(store, document_id):
        counts[number] = counts.get(number, 0) + 1
    return [(number, count) for number, count in counts.items() if count > 1]


def numbers_out_of_sequence(store: FormulaStore, document_id: int) -> list[tuple[int, str]]:
    """Page and words of each place where equation numbers do not follow one another: hints, nothing is changed."""
    with explained(store.path):
        rows = store.connection.execute("SELECT number FROM pages WHERE document_id = ?", (document_id,)).fetchall()
    return find_breaks(_numbers(store, document_id), {int(number) for (number,) in rows})


def unresolved_references(store: FormulaStore, document_id: int) -> list[tuple[int, str]]:
    """Page and label of references to numbers that no formula has."""
    sql = (
        "SELECT p.number, r.label FROM formula_references r JOIN pages p ON p.id = r.page_id "
        "WHERE p.document_id = ? AND r.formula_id IS NULL ORDER BY p.number, r.place"
    )
    with explained(store.path):
        return [(int(number), str(label)) for number, label in store.connection.execute(sql, (document_id,))]


def _numbers(store: FormulaStore, document_id: int) -> list[tuple[int, str]]:
    """Page and number of each numbered formula in reading order; a display of several lines may have several."""
    sql = (
        "SELECT page_number, equation_number FROM formulas WHERE document_id = ? AND equation_number IS NOT NULL "
        "AND status != 'rejected' ORDER BY page_number, position"
    )
    with explained(store.path):
        rows = store.connection.execute(sql, (document_id,)).fetchall()
    return [(int(page), number) for page, text in rows for number in split_numbers(text)]
