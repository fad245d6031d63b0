"""What the search page and the JSON interface find: a query, filters, or both; with counts to narrow down by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from docproc.entries import Entry, entries_by_id, read_entries
from docproc.errors import UsageError
from docproc.facets import Facet, count_facets, facets_of
from docproc.filters import FormulaFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docproc.store import FormulaStore

MOST_FOUND = 200
"""Answers of a query that are counted and paged through; the best come first."""
STATUSES = ("verified", "ok", "suspect", "invalid", "failed", "rejected", "any")
FIELDS = ("q", "document", "pages", "kind", "status", "min_confidence", "max_confidence", "reviewed")
_LARGEST = 1_000
_ANSWERS = {"": None, "any": None, "yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    given: dict[str, str]
    """The fields as they came, by name."""
    chosen: FormulaFilter
    limit: int
    offset: int

    def address(self, path: str, **changes: object) -> str:
        """The request's address with some of its fields changed; None takes one out."""
        fields: dict[str, object] = {name: value for name, value in self.given.items() if value}
        fields |= changes
        return f"{path}?{urlencode({name: value for name, value in fields.items() if value not in (None, '')})}"


@dataclass(frozen=True, slots=True)
class Found:
    """The answers of one page."""

    entries: list[Entry] = field(default_factory=list)
    matches: dict[int, str] = field(default_factory=dict)
    """Why a formula answers a query, by its id."""
    total: int = 0
    facets: dict[str, list[Facet]] = field(default_factory=dict)


def asked(parameters: Mapping[str, str], usual_limit: int) -> Asked:
    """Understand a request's fields.

    Raises:
        UsageError: One of them is no value of its kind.
    """
    given = {name: parameters.get(name, "").strip() for name in FIELDS}
    conditions: dict[str, Any] = {name: given[name] or None for name in ("document", "pages", "kind", "status")}
    if conditions["kind"] not in (None, "display", "inline"):
        raise UsageError(f"kind is display or inline, not {given['kind']!r}")
    if conditions["status"] not in (None, *STATUSES):
        raise UsageError(f"status is one of {', '.join(STATUSES)}, not {given['status']!r}")
    if given["reviewed"] not in _ANSWERS:
        raise UsageError(f"reviewed is yes or no, not {given['reviewed']!r}")
    conditions["reviewed"] = _ANSWERS[given["reviewed"]]
    for name in ("min_confidence", "max_confidence"):
        try:
            conditions[name] = float(given[name]) if given[name] else None
        except ValueError as error:
            raise UsageError(f"{name} is a number, not {given[name]!r}") from error
    chosen = FormulaFilter(**conditions)
    chosen.where()
    limit = min(_count(parameters, "limit", usual_limit), _LARGEST)
    return Asked(given, chosen, limit, _count(parameters, "offset", 0))


def find(store: FormulaStore, question: Asked) -> Found:
    """Look it up: the best answers of a query, or all formulas that pass the filters, by document and page."""
    query = question.given["q"]
    if query:
        from dataclasses import asdict

        from docproc.search import search

        hits = search(store, query, MOST_FOUND, **asdict(question.chosen))
        entries = entries_by_id(store, [hit.formula_id for hit in hits])
        part = entries[question.offset : question.offset + question.limit]
        return Found(part, {hit.formula_id: hit.match for hit in hits}, len(entries), facets_of(entries))
    facets = count_facets(store, question.chosen)
    part = list(read_entries(store, question.chosen, limit=question.limit, offset=question.offset))
    return Found(part, {}, sum(facet.count for facet in facets["kind"]), facets)


def _count(parameters: Mapping[str, str], name: str, usual: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"{name} is a number from 0, not {text!r}")
    return int(text)
