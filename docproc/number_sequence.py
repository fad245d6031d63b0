"""Whether the equation numbers of a document follow one another: hints at what was missed or misread."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

# `3`, `2.14`, `A.3`, `IV-2`, `4b`; labels of other forms (`∗`, `3′`) have no place in a sequence.
_NUMBER = re.compile(r"((?:[A-Za-z0-9]+[.\-–])*)(\d{1,4})([a-z]?)$")


class _Number(NamedTuple):
    prefix: str
    place: int
    letter: str
    page: int
    label: str


def find_breaks(numbers: Sequence[tuple[int, str]], pages: Collection[int]) -> list[tuple[int, str]]:
    """Find equation numbers that are missing between others, and such that stand where they do not belong.

    A number that does not fit, between two that would fit without it, is named itself. Numbers may begin again at 1,
    and with every chapter or section. Repeated numbers are no break: they are reported as such.

    Args:
        numbers: Page and label of each numbered formula, in reading order.
        pages: Page numbers that have been read: over pages that were not, nothing can be said.

    Returns:
        Page and words of each break.
    """
    known = [number for number in (_parse(page, label) for page, label in numbers) if number is not None]
    read, found = set(pages), list[tuple[int, str]]()
    last: _Number | None = None
    for index, number in enumerate(known):
        after = known[index + 1] if index + 1 < len(known) else None
        if last is None or (number.prefix, number.place) == (last.prefix, last.place) or _follows(last, number):
            last = number
            continue
        if not set(range(last.page, number.page + 1)) <= read:
            last = number
            continue
        step = after.place - last.place if after is not None and after.prefix == last.prefix else 0
        if after is not None and step in (1, 2):
            found.append((number.page, f"({number.label}) stands between ({last.label}) and ({after.label})"))
            last = number._replace(prefix=last.prefix, place=after.place - 1, letter="")
            continue
        if number.prefix != last.prefix or number.place > last.place:
            found.append((number.page, _missing(last, number)))
        else:
            found.append((number.page, f"({number.label}) stands behind ({last.label})"))
        last = number
    return found


def _parse(page: int, label: str) -> _Number | None:
    match = _NUMBER.match(label)
    return _Number(match[1], int(match[2]), match[3], page, label) if match else None


def _follows(last: _Number, number: _Number) -> bool:
    is_first_letter = number.letter in ("", "a") or last.letter == ""
    if number.place == 1 and is_first_letter:
        return True
    return number.prefix == last.prefix and number.place == last.place + 1 and is_first_letter


def _missing(last: _Number, number: _Number) -> str:
    first = last.place + 1 if number.prefix == last.prefix else 1
    end = number.place - 1
    if first > end:
        return f"({number.label}) stands behind ({last.label})"
    names = f"number ({number.prefix}{first})"
    if first < end:
        names = f"numbers ({number.prefix}{first}) to ({number.prefix}{end})"
    return f"no formula has the {names}, between ({last.label}) and ({number.label})"
