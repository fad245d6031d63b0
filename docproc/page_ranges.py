"""Page selections such as `1-4,7,10-`."""

from __future__ import annotations

import re

from docproc.errors import UsageError

_PART = re.compile(r"\s*(\d{0,9})\s*(-?)\s*(\d{0,9})\s*", re.ASCII)


def split_page_ranges(text: str) -> list[tuple[int, int | None]]:
    """First and last page of each part, from 1; the last is None where the range has no end.

    Raises:
        UsageError: The text is no selection.
    """
    ranges: list[tuple[int, int | None]] = []
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if not match or not (match[1] or match[3]) or (match[3] and not match[2]):
            raise UsageError(f"--pages {text!r}: {part.strip()!r} is no page or range. Write it like 1-4,7,10-.")
        first = int(match[1] or 1)
        last = int(match[3]) if match[3] else (None if match[2] else first)
        if first < 1 or (match[3] and last is not None and last < 1):
            raise UsageError(f"--pages {text!r}: pages count from 1.")
        if last is not None and last < first:
            raise UsageError(f"--pages {text!r}: {part.strip()!r} ends before it begins. Write {last}-{first}.")
        ranges.append((first, last))
    return ranges
