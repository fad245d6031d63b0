"""Which lines of a column belong together."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from docproc.prose_page import BULLET, CAPTION, LABEL, NOTE, NUMBERED_HEADING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.prose_lines import Line
    from docproc.prose_page import PageStyle

# Gaps in units of the usual distance of baselines, lengths in em of body text; set on two born-digital textbooks of
# 645 pages, where these leave 6 paragraphs in pieces.
_PARAGRAPH_GAP = 1.28
"""TeX's smallest common \\parskip, half a line, gives 1.5; tall lines inside a paragraph stay below 1.2."""
_TITLE_GAP = 1.45
_CODE_GAP = 3.2
"""Blank lines inside a listing are kept up to this; a wider gap parts two listings."""
_CODE_LINE_GAP = 1.1
"""Between a paragraph and a listing there is always more room."""
_MAX_ITALIC = 60
"""Characters of a heading in italics."""
_ENDED = re.compile(r"[.:;!?]$")
_INDENT = 0.7
"""TeX's \\parindent is 1 em or more."""
_CENTERED_PT = 4.0
"""Lines whose left and right ends add up to the same are centered."""
_MIN_RAGGED = 14
"""Lines of a column that may be an index."""


def group_lines(lines: Sequence[Line], style: PageStyle) -> list[list[Line]]:
    """Part the lines of one column, sorted from top to bottom, into blocks."""
    groups: list[list[Line]] = []
    edges: Counter[int] = Counter(round(line.x0) for line in lines if not line.display and not line.is_code)
    left = min((x for x, n in edges.items() if n >= 2), default=min(edges, default=0))
    _mark_ragged(lines)
    hanging_left = left if _is_hanging(lines, left, style) else None
    ends = sorted(line.x1 for line in lines if not line.display and not line.is_code)
    right = ends[int(0.8 * len(ends))] if ends else 0.0
    for line in lines:
        if groups and _belongs(groups[-1], line, style, hanging_left, right):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _mark_ragged(lines: Sequence[Line]) -> None:
    """Take each line of an index for itself: most of its lines are short, and many end in a page number."""
    sizes = sorted(line.size for line in lines)
    usual = sizes[len(sizes) // 2] if sizes else 0.0
    prose = [line for line in lines if not line.display and not line.is_code and line.size < 1.12 * usual]
    if len(prose) < _MIN_RAGGED:
        return
    x0, x1 = min(line.x0 for line in prose), max(line.x1 for line in prose)
    numbered = sum(line.words[-1].text[-1].isdigit() for line in prose)
    if numbered > 0.5 * len(prose) and sum(line.x1 < x1 - 0.15 * (x1 - x0) for line in prose) > 0.6 * len(prose):
        for line in prose:
            line.is_contents = True


def _is_hanging(lines: Sequence[Line], left: float, style: PageStyle) -> bool:
    """Whether paragraphs begin at the left edge and go on indented, as in a bibliography."""
    prose = [line for line in lines if not line.display and not line.is_code and abs(line.size - style.size) < 1]
    edges = Counter(round(line.x0) for line in prose if line.x0 > left + 0.5 * style.size)
    outer = sum(line.x0 < left + 2 for line in prose)
    indented = max((n + edges[x + 1] for x, n in edges.items()), default=0)
    # A full line at the edge with another one below it is of a paragraph that does not hang.
    right = max((line.x1 for line in prose), default=0.0) - 2 * style.size
    upright = sum(
        a.x0 < left + 2 > b.x0 and a.x1 > right and b.y - a.y < 1.2 * style.leading for a, b in pairwise(prose)
    )
    return outer >= 3 and indented >= max(4, 0.4 * len(prose)) and upright <= 0.2 * outer


def _belongs(group: Sequence[Line], line: Line, style: PageStyle, hanging_left: float | None, right: float) -> bool:
    """Whether the line goes on with the block.

    Args:
        group: Lines of the block.
        line: The next one.
        style: Of the page.
        hanging_left: Edge at which hanging paragraphs begin, if they hang.
        right: Edge at which full lines end.
    """
    last = group[-1]
    gap = line.y - last.y
    if line.display or last.display:
        return False
    size = max(last.size, line.size)
    if group[0].is_code:
        return line.is_code and gap < _CODE_GAP * style.leading and abs(last.size - line.size) < 0.07 * size
    if line.is_code:
        return _is_code_of_sentence(last, line, style, right)
    usual = style.leading * size / style.size * (_TITLE_GAP if size > 1.12 * style.size else _PARAGRAPH_GAP)
    if gap > usual and not _is_stretched(last, line, gap):
        return False
    if abs(last.size - line.size) > 0.07 * size and not _only_marks(last) and not _only_marks(line):
        return False
    if last.is_contents:
        return False
    text, last_text = line.text, last.text
    if BULLET.match(text) or (CAPTION.match(text) and gap > 1.1 * style.leading):
        return False
    if NOTE.match(text) and line.size < 0.93 * style.size:
        return False
    if line.is_bold != last.is_bold and (last.is_bold and len(group) < 3 and not _runs_to_edge(last, line)):
        return False
    if len(group) == 1 and is_italic_heading(group, style) and not line.is_italic and gap > 1.05 * style.leading:
        return False
    if line.is_bold and not last.is_bold and line.x1 < max(other.x1 for other in group) - 2 * size:
        return False  # a heading in the size of the text
    if LABEL.match(text) and (line.x0 < last.x0 - 2 or LABEL.match(group[0].text)):
        # What looks like a label may be a reference, (90), that the line before had no room for.
        is_reference = last.x1 > right - style.size and not _ENDED.search(last_text)
        return is_reference and not LABEL.match(group[0].text)
    indent = _INDENT * style.size
    if min(line.size, last.size) > 1.12 * style.size or (line.is_bold and last.is_bold and len(group) < 3):
        return not NUMBERED_HEADING.match(text)  # lines of a heading hang behind its number, or are centered
    if abs(line.x0 + line.x1 - last.x0 - last.x1) < _CENTERED_PT and abs(line.x0 - last.x0) > indent:
        return True  # a centered title or caption
    if hanging_left is not None:
        return line.x0 > hanging_left + 0.3 * style.size
    if len(group) == 1:
        return line.x0 < last.x0 + indent or bool(LABEL.match(last_text) or BULLET.match(last_text))
    # An indented line begins a paragraph; so does one that juts out to the left of a list item's text.
    body_left = min(other.x0 for other in group[1:])
    return not (line.x0 > body_left + indent or (line.x0 < body_left - indent and group[0].x0 < body_left - indent))


def is_italic_heading(group: Sequence[Line], style: PageStyle) -> bool:
    """Whether one short italic line stands like a heading; a title page has authors and places in italics."""
    first = group[0]
    text = first.text
    is_title = text[:1].isupper() and len(first.words) > 1 and text[-1].isalpha() and len(text) < _MAX_ITALIC
    return len(group) == 1 and first.is_italic and is_title and not style.is_first and "," not in text


def _is_code_of_sentence(last: Line, line: Line, style: PageStyle, right: float) -> bool:
    """Whether a line of code only is of the sentence above: that line had no room for its first word."""
    room = right - last.x1
    first = line.words[0]
    is_below = line.y - last.y < _CODE_LINE_GAP * style.leading
    return is_below and abs(line.x0 - last.x0) < 2 * style.size and room < first.x1 - first.x0 + 0.2 * style.size


def _is_stretched(last: Line, line: Line, gap: float) -> bool:
    """Whether tall formulas alone push the lines apart."""
    free = line.box.y0 - last.box.y1
    return gap < 2.6 * line.size and free < 0.35 * line.size and any(w.position for w in (*last.words, *line.words))


def _only_marks(line: Line) -> bool:
    return all(w.position for w in line.words)


def _runs_to_edge(last: Line, line: Line) -> bool:
    return last.x1 > line.x1 - 2 * line.size
