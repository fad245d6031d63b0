"""The text of lines that belong together: a paragraph without its line ends, a listing with its columns."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from docproc.prose_lines import join_styles, join_words
from docproc.records import BOLD_CLOSE, BOLD_OPEN, CODE_CLOSE, CODE_OPEN

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
_BROKEN_CODE = re.compile(r"\w[-_./]$")
"""Code that TeX breaks after such a sign goes on without a space."""
_HYPHENS = ("-", "\u00ad", "‐")
_SUSPENDED = frozenset(("and", "or", "und", "oder", "et", "ou"))
"""Words after a hyphen that stands for a part to come: `first- and second-order`."""


def flowing_text(group: Sequence[Line], known_words: frozenset[str]) -> str:
    """The lines as one text; words parted at line ends are whole again."""
    text = ""
    for line in group:
        part = join_words(line.words)
        text = part if not text else _join_styled(text, part, known_words)
    return join_styles(text.replace("\u00ad", ""))


def _join_styled(text: str, part: str, known_words: frozenset[str]) -> str:
    """Put two lines together, also where code or bold text runs over their end."""
    ends = text[-1] + part[:1]
    if ends == BOLD_CLOSE + BOLD_OPEN:
        return join_line_end(text[:-1], part[1:], known_words)
    if ends == CODE_CLOSE + CODE_OPEN:
        space = "" if _BROKEN_CODE.search(text[:-1]) and part[1:2].isalnum() else " "
        return text[:-1] + space + part[1:]
    return join_line_end(text, part, known_words)


def join_line_end(text: str, part: str, known_words: frozenset[str] = frozenset()) -> str:
    """Put two lines together: a hyphen that only parts a word vanishes, that of a compound stays.

    Args:
        text: Ends a line.
        part: Begins the next.
        known_words: Of the document, in lower case, compounds with their hyphen.
    """
    if _BROKEN_ADDRESS.search(text) and _ADDRESS_PART.match(part):
        return text + part
    if not text.endswith(_HYPHENS) or not part[:1].isalpha() or text[-2:-1].isspace() or len(text) < 2:
        return f"{text} {part}"
    begin, match = re.split(r"[\s(]", text)[-1][:-1], re.match(r"[\w-]*", part)
    assert match is not None
    end = match[0]
    begin_word, end_word = re.split("[-‐]", begin)[-1].casefold(), re.split("[-‐]", end)[0].casefold()
    if begin_word + end_word in known_words and begin_word.isalpha():
        return text[:-1] + part
    if end in _SUSPENDED:
        return f"{text} {part}"
    is_compound = (
        part[0].isupper()
        or not begin_word[-1:].isalpha()  # a number or a formula
        or len(begin_word) == 1  # no syllable
        or begin.casefold() in _COMPOUND_BEGINS
        or end in _COMPOUND_ENDS
        or f"{begin}-{end}".casefold() in known_words
        or (begin_word in known_words and end_word in known_words)
    )
    return text + part if is_compound else text[:-1] + part


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
