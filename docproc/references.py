"""Where the prose refers to a numbered formula: `by (3.2)`, `Eq. 14`, `Gleichung (5)`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

_LABEL = r"[A-Z]?\.?\d+(?:[.–-]\d+)*[a-z]?['′]?"
_NAMED = re.compile(
    rf"\b(?:Eqs?|Eqns?|Equations?|Formulae?|Formulas?|Gl|Gln|Gleichung(?:en)?|Formel|[ÉE]quations?)\b\.?\s*~?\(?({_LABEL})\b",
    re.IGNORECASE,
)
_BRACKETED = re.compile(rf"\(({_LABEL})\)")
_FORMULA = re.compile(r"\$[^$\n]*\$")  # within a paragraph, as a price may stand before it


@dataclass(frozen=True, slots=True)
class Reference:
    """A mention of a formula."""

    place: int
    """Index of the label in the page's text."""
    label: str
    """As printed, without brackets."""


def find_references(text: str, numbers: Collection[str]) -> list[Reference]:
    """Find the mentions of formulas on a page.

    A number in brackets alone may be a year or the item of a list: it is a reference only if a formula has it. Behind
    a word such as *equation* it is one in any case, be there such a formula or not.

    Args:
        text: Of the page, formulas as `$…$`.
        numbers: Of all formulas of the document.

    Returns:
        In the order of the text, each place once.
    """
    prose = _FORMULA.sub(lambda match: " " * len(match[0]), text)  # f(3) is no reference
    found = {match.start(1): match[1] for match in _NAMED.finditer(prose)}
    found |= {match.start(1): match[1] for match in _BRACKETED.finditer(prose) if match[1] in numbers}
    return [Reference(place, label) for place, label in sorted(found.items())]


def split_numbers(equation_number: str) -> list[str]:
    """The numbers of a display of several lines: `1, 2, 3`."""
    return [part for part in re.split(r"[,;\s]+", equation_number) if part]


def choose_owner(candidates: Sequence[tuple[int, int]], page_number: int) -> int | None:
    """Which of several formulas with one number is meant on a page: the last one up to it, else the first after it.

    Args:
        candidates: Page and id of each, in the order of the document; numbers may begin again in each chapter.
        page_number: Of the page that refers to it.
    """
    before = [formula_id for number, formula_id in candidates if number <= page_number]
    after = [formula_id for number, formula_id in candidates if number > page_number]
    return before[-1] if before else after[0] if after else None


def link_references(connection: sqlite3.Connection, document_id: int, page_id: int | None = None) -> None:
    """Write `formula_references` of a document, or of one page whose text has changed, anew.

    Where several formulas have the number, as with numbers that begin again in each chapter, the last one up to the
    page is meant, else the first one after it.

    Args:
        connection: Inside a transaction.
        document_id: Of the document.
        page_id: Only this page.
    """
    owners: dict[str, list[tuple[int, int]]] = {}
    rows = connection.execute(
        "SELECT equation_number, page_number, id FROM formulas WHERE document_id = ? AND equation_number IS NOT NULL "
        "AND status != 'rejected' ORDER BY page_number, position",
        (document_id,),
    )
    for equation_number, page_number, formula_id in rows:
        for number in split_numbers(equation_number):
            owners.setdefault(number, []).append((page_number, formula_id))
    condition, value = ("document_id = ?", document_id) if page_id is None else ("id = ?", page_id)
    pages = connection.execute(f"SELECT id, number, text FROM pages WHERE {condition} ORDER BY number", (value,))
    for page, page_number, text in pages.fetchall():
        connection.execute("DELETE FROM formula_references WHERE page_id = ?", (page,))
        for reference in find_references(text or "", owners):
            formula = choose_owner(owners.get(reference.label, ()), page_number)
            connection.execute(
                "INSERT INTO formula_references (page_id, place, label, formula_id) VALUES (?, ?, ?, ?)",
                (page, reference.place, reference.label, formula),
            )
