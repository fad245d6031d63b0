"""What is usual on a page: the size and leading of its text, its headings, signs that lines begin with."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docproc.prose_lines import Line
    from docproc.records import Box

# What a line begins with says what it is.
CAPTION = re.compile(
    r"^(Figures?|Fig\.|Tables?|Tab\.|Algorithm|Listing|Scheme|Plate|Abbildung|Abb\.|Tabelle|Figura|Tabla|Tableau)"
    r"\s*[A-Z]?\.?\d+([.–-]\d+)*[a-z]?\s*([:.|—–]|$)",
    re.IGNORECASE,
)
BULLET = re.compile(r"^[•◦∙▪■□►▸‣◆◇●○⁃∗*·–—-](?=\s|$|[\ue000])\s*")
LABEL = re.compile(r"^(\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]|\[\d{1,3}\])(?=\s)")
"""What an item of a numbered list begins with."""
NUMBERED_HEADING = re.compile(r"^(?:(?:Chapter|Part|Kapitel|Teil|Appendix)\s+)?([A-Z]|\d+)((?:\.\d+)*)\.?\s", re.I)
NOTE = re.compile(r"^(?:[⁰¹²³⁴⁵⁶⁷⁸⁹]+|[ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐ]|[∗*†‡§¶]|\d{1,2}(?=\s?[A-Z“]))\s?")
"""What a footnote begins with."""
_MIN_CONTENTS = 4
"""Entries that make a table of contents."""


@dataclass(frozen=True, slots=True)
class PageStyle:
    """What is usual on a page."""

    size: float
    """Of body text, in points."""
    leading: float
    """Distance of baselines of body text."""
    notes_top: float
    """Height of the rule above the footnotes; below the page if there is none."""
    bottom: float
    """Height of the page."""
    is_first: bool
    """Whether the page is the document's first, where its title stands."""
    outline: Mapping[str, int]
    """Level of each heading of this page in the document's outline, by `heading_key`."""


def measure_style(
    lines: Sequence[Line],
    around: Counter[float],
    rules: Sequence[Box],
    height_pt: float,
    is_first: bool,
    outline: Mapping[str, int],
) -> PageStyle:
    """Find the size and the leading of the page's body text.

    Args:
        lines: Sorted from top to bottom.
        around: Letters of prose by font size on the pages before and after: a title page has no body text of its own.
        rules: Drawn straight lines of the page.
        height_pt: Height of the page.
        is_first: See `PageStyle`.
        outline: See `PageStyle`.
    """
    sizes = Counter(around)
    for line in lines:
        if not line.display and not line.is_code:
            sizes[round(line.size, 1)] += 2 * len(line.text)  # its own text counts for more
    size = sizes.most_common(1)[0][0] if sizes else 10.0
    gaps: Counter[float] = Counter()
    for above, below in pairwise(lines):
        gap = below.y - above.y
        if above.column == below.column and abs(below.size - size) < 0.5 and size < gap < 2 * size:
            gaps[round(gap * 2) / 2] += 1
    # The smallest distance that is frequent: on a page of short list items the gaps between them outnumber it.
    frequent = [gap for gap, count in gaps.items() if count >= 0.3 * max(gaps.values())]
    leading = min(frequent, default=1.25 * size)
    return PageStyle(size, leading, _notes_top(lines, rules, size, height_pt), height_pt, is_first, outline)


def _notes_top(lines: Sequence[Line], rules: Sequence[Box], size: float, height_pt: float) -> float:
    """Height of a short rule at the left edge of a column below which all text is small."""
    for rule in sorted(rules, key=lambda r: r.y0):
        below = [line for line in lines if line.y > rule.y0 and line.x0 < rule.x1 + 20 * size]
        starts = any(abs(line.x0 - rule.x0) < 2 * size for line in below)
        if rule.y0 > 0.4 * height_pt and 30 < rule.width < 200 and starts and all(x.size < 0.93 * size for x in below):
            return rule.y0
    return height_pt


def heading_key(text: str) -> str:
    """A heading's letters and digits alone: outlines and pages space and number them differently."""
    return "".join(c for c in text.casefold() if c.isalnum())


def mark_contents(lines: Sequence[Line]) -> None:
    """Mark the entries of a table of contents: most lines of the page end in a number, and the numbers never fall."""
    entries = [line for line in lines if len(line.words) > 1 and line.words[-1].text.isdecimal() and not line.display]
    numbers = [int(line.words[-1].text) for line in entries]
    entries = [line for line, number in zip(entries, numbers, strict=True) if number <= numbers[-1]]
    numbers = [number for number in numbers if number <= numbers[-1]]
    rising = sum(a <= b for a, b in pairwise(numbers))
    if len(entries) >= _MIN_CONTENTS and rising >= 0.9 * (len(entries) - 1) and 2 * len(entries) > len(lines):
        for line in entries:
            line.is_contents = True
