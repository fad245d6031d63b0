"""The text of lines that belong together: a paragraph without its line ends, a listing with its columns."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from docproc.prose_lines import join_styles, join_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.prose_lines import Line

# fmt: off
_COMPOUND_BEGINS = frozenset((
    "ill", "well", "self", "half", "non", "one", "two", "three", "four", "five", "first", "second", "third",
))
_COMPOUND_ENDS = frozenset((
    "dimensional", "order", "valued", "level", "term", "called", "known", "defined", "behaved", "posed", "conditioned",
    "dependent", "based", "type", "hand", "sided", "free", "like", "zero", "negative", "scale", "specific",
))
# fmt: on
"""Parts of compounds whose hyphen stays at a line end: no word is parted by syllables before or after them."""
_BROKEN_ADDRESS = re.compile(r"https?://\S*[\w/.=_-]$")
_ADDRESS_PART = re.compile(r"(?=\S*[\d/_=])[\w/.=&?%#-]+")
_HYPHENS = ("-", "\u00ad", "‐")


def flowing_text(group: Sequence[Line], known_words: frozenset[str]) -> str:
    """The lines as one text; words parted at line ends are whole again."""
    text = ""
    for line in group:
        part = join_words(line.words)
        text = part if not text else join_line_end(text, part, known_words)
    return join_styles(text.replace("\u00ad", ""))


def join_line_end(text: str, part: str, known_words: frozenset[str] = frozenset()) -> str:
    """Put two lines together: a hyphen that only parts a word vanishes, that of a compound stays."""
    if _BROKEN_ADDRESS.search(text) and _ADDRESS_PART.match(part):
        return text + part
    if not text.endswith(_HYPHENS) or not part[:1].isalpha() or len(text) < 2 or not text[-2].isalpha():
        return f"{text} {part}"
    begin, end = re.split(r"[\s(]", text)[-1], re.match(r"[\w-]*", part)
    assert end is not None
    if (
        part[0].isupper()
        or begin[:-1].casefold() in _COMPOUND_BEGINS
        or end[0] in _COMPOUND_ENDS
        or f"{begin[:-1]}-{end[0]}".casefold() in known_words
    ):
        return text + part
    return text[:-1] + part


def code_text(group: Sequence[Line], leading: float) -> str:
    """The listing with its indentation and blank lines, from the places of its characters."""
    widths = sorted((w.x1 - w.x0) / len(w.text) for line in group for w in line.words if len(w.text) > 3)
    width = widths[len(widths) // 2] if widths else 0.6 * group[0].size
    left = min(line.x0 for line in group)
    steps = sorted(b.y - a.y for a, b in pairwise(group))
    step = steps[len(steps) // 4] if steps else leading
    rows: list[str] = []
    last: Line | None = None
    for line in group:
        if last is not None:
            rows += [""] * (max(1, round((line.y - last.y) / step)) - 1)
        row = ""
        for word in line.words:
            column = round((word.x0 - left) / width)
            row += " " * max(column - len(row), 1 if row and word.has_space_before else 0) + word.text
        rows.append(row)
        last = line
    return "\n".join(rows)
