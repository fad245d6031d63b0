"""What is wrong with a document's equation numbers: several formulas with one, and references that lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.database import explained
from docproc.references import split_numbers

if TYPE_CHECKING:
    from docproc.store import FormulaStore


def numbered_twice(store: FormulaStore, document_id: int) -> list[tuple[str, int]]:
    """Equation numbers that several formulas of a document have, with how many."""
    counts: dict[str, int] = {}
    sql = (
        "SELECT equation_number FROM formulas WHERE document_id = ? AND equation_number IS NOT NULL "
        "AND status != 'rejected' ORDER BY page_number, position"
    )
    with explained(store.path):
        for (text,) in store.connection.execute(sql, (document_id,)):
            for number in split_numbers(text):
                counts[number] = counts.get(number, 0) + 1
    return [(number, count) for number, count in counts.items() if count > 1]


def unresolved_references(store: FormulaStore, document_id: int) -> list[tuple[int, str]]:
    """Page and label of references to numbers that no formula has."""
    sql = (
        "SELECT p.number, r.label FROM formula_references r JOIN pages p ON p.id = r.page_id "
        "WHERE p.document_id = ? AND r.formula_id IS NULL ORDER BY p.number, r.place"
    )
    with explained(store.path):
        return [(int(number), str(label)) for number, label in store.connection.execute(sql, (document_id,))]
