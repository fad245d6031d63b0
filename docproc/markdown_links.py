"""Links in Markdown: where the prose says `by (3.2)`, the number leads to its formula."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docproc.markdown_text import escape_text
from docproc.records import CODE_CLOSE, CODE_OPEN, MARK_CLOSE, MARK_OPEN, BlockKind, Status
from docproc.references import choose_owner, find_references, split_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docproc.records import StoredFormula, StoredPage

_MARK = re.compile(f"{MARK_OPEN}\\d+{MARK_CLOSE}")
_CODE = re.compile(f"{CODE_OPEN}[^{CODE_CLOSE}]*{CODE_CLOSE}")
_NO_ID = re.compile(r"[^\w.-]")


class FormulaLinks:
    """The numbered formulas of a document, and which of them its prose refers to."""

    def __init__(self, pages: Iterable[StoredPage], formulas: Iterable[StoredFormula]) -> None:
        self._owners: dict[str, list[tuple[int, int]]] = {}
        names: dict[tuple[str, int], str] = {}
        for stored in sorted(formulas, key=lambda stored: (stored.page_number, stored.formula.position)):
            if stored.formula.status is Status.REJECTED:
                continue
            for number in split_numbers(stored.formula.equation_number or ""):
                owners = self._owners.setdefault(number, [])
                owners.append((stored.page_number, stored.id))
                again = f"-{len(owners)}" if len(owners) > 1 else ""
                names[number, stored.id] = f"eq-{_NO_ID.sub('', number)}{again}"
        self._names = names
        self._anchors: dict[int, list[str]] = {}
        """Names of the formulas that are referred to."""
        if not self._owners:
            return
        for page in pages:
            for block in page.blocks:
                if block.kind is not BlockKind.CODE:
                    for part in _MARK.split(block.text):
                        for _, _, label in self._references(part):
                            self._note(label, page.number)

    def anchors(self, stored: StoredFormula) -> str:
        """What stands before a formula so that links find it; empty if nothing leads there."""
        return "".join(f'<a id="{name}"></a>' for name in self._anchors.get(stored.id, ()))

    def text(self, text: str, page_number: int) -> str:
        """Plain text as Markdown, with its references linked."""
        written: list[str] = []
        done = 0
        for start, end, label in self._references(text):
            owner = choose_owner(self._owners.get(label, ()), page_number)
            if owner is not None:
                link = f"[{escape_text(text[start:end])}](#{self._names[label, owner]})"
                written += [escape_text(text[done:start]), link]
                done = end
        return "".join(written) + escape_text(text[done:])

    def _references(self, text: str) -> list[tuple[int, int, str]]:
        """Start, end and label of the references in a piece of prose; code has none, and a dollar is a price."""
        if not self._owners or not any(character.isdigit() for character in text):
            return []
        prose = _CODE.sub(lambda match: " " * len(match[0]), text).replace("$", " ")
        found = find_references(prose, self._owners)
        return [(one.place, one.place + len(one.label), one.label) for one in found]

    def _note(self, label: str, page_number: int) -> None:
        owner = choose_owner(self._owners.get(label, ()), page_number)
        if owner is not None:
            names = self._anchors.setdefault(owner, [])
            name = self._names[label, owner]
            if name not in names:
                names.append(name)
