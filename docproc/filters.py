"""Which formulas are meant: the filters that searching, exporting and reviewing share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docproc.page_ranges import split_page_ranges

_LAST_PAGE = 2**62
"""Of a range without an end."""


@dataclass(frozen=True, slots=True)
class FormulaFilter:
    """Conditions that must all hold; None asks for nothing."""

    document: str | None = None
    """Text in the path or title of the document."""
    pages: str | None = None
    """Page ranges, such as `1-4,7,10-`."""
    kind: str | None = None
    """`display` or `inline`."""
    status: str | None = None
    """One status; None leaves out `rejected` and `failed`, and `any` leaves out none."""
    min_confidence: float | None = None
    max_confidence: float | None = None
    reviewed: bool | None = None
    """Whether a person has looked at it."""

    def where(self) -> tuple[str, tuple[Any, ...]]:
        """SQL over `formulas f` and `documents d`, and its values.

        Raises:
            UsageError: The page ranges cannot be understood.
        """
        conditions: list[str] = ["1"]
        values: list[Any] = []
        if self.status is None:
            conditions.append("f.status NOT IN ('rejected', 'failed')")
        elif self.status != "any":
            conditions.append("f.status = ?")
            values.append(self.status)
        if self.kind is not None:
            conditions.append("f.kind = ?")
            values.append(self.kind)
        if self.document is not None:
            conditions.append("(instr(d.path, ?) OR instr(d.title, ?))")
            values += [self.document, self.document]
        if self.pages:
            ranges = [(first, _LAST_PAGE if last is None else last) for first, last in split_page_ranges(self.pages)]
            conditions.append(f"({' OR '.join('f.page_number BETWEEN ? AND ?' for _ in ranges)})")
            values += [number for pair in ranges for number in pair]
        if self.min_confidence is not None:
            conditions.append("f.confidence >= ?")
            values.append(self.min_confidence)
        if self.max_confidence is not None:
            conditions.append("f.confidence <= ?")
            values.append(self.max_confidence)
        if self.reviewed is not None:
            conditions.append(f"f.reviewed_at IS {'NOT ' if self.reviewed else ''}NULL")
        return " AND ".join(conditions), tuple(values)
