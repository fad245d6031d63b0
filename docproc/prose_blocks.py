"""What a group of lines is to a reader: heading, paragraph, list item, code, caption, footnote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docproc.prose_groups import is_italic_heading
from docproc.prose_page import BULLET, CAPTION, LABEL, NOTE, NUMBERED_HEADING, heading_key
from docproc.prose_text import code_text, flowing_text
from docproc.records import BOLD_CLOSE, BOLD_OPEN, Block, BlockKind, Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.prose_lines import Line
    from docproc.prose_page import PageStyle

_LEADERS = re.compile(r"(?:(?:\s?[.·…]){3,}|(?<![,;])\s)\s*((?:pp?\.\s)?\d+|[ivxlc]+)$")
_MAX_LEVEL = 3
_ITALIC_LEVEL = 5
_MIN_PLAIN_RATIO = 1.25
"""Size of an unnumbered heading that is not bold, in units of the text's."""
_SENTENCE_END = re.compile(r"[.!?…;,]['\"”’)]?$")
_NO_BOLD = str.maketrans("", "", BOLD_OPEN + BOLD_CLOSE)


def classify(group: Sequence[Line], style: PageStyle, left: float, known_words: frozenset[str]) -> Block:
    """Make a block of its lines.

    Args:
        group: Lines of one block.
        style: Of the page.
        left: Left edge of the column.
        known_words: Of the document, in lower case, compounds with their hyphen.
    """
    box = Box.around(line.box for line in group)
    first = group[0]
    if first.display:
        return Block(BlockKind.FORMULA, " ".join((first.text, *first.labels)), box=box)
    if first.is_code:
        return Block(BlockKind.CODE, code_text(group, style.leading), box=box)
    text = flowing_text(group, known_words)
    plain = text.translate(_NO_BOLD)
    if group[-1].is_contents:
        text = plain
        level = min(_MAX_LEVEL, max(0, round((first.x0 - left) / (1.5 * style.size))))
        return Block(BlockKind.LIST_ITEM, _LEADERS.sub(r" … \1", text), level, box)
    if level := _heading_level(group, plain, style, left):
        return Block(BlockKind.HEADING, plain, level, box)
    if CAPTION.match(plain):
        return Block(BlockKind.CAPTION, plain, box=box)
    if _is_footnote(group, plain, style):
        return Block(BlockKind.FOOTNOTE, NOTE.sub(lambda match: match[0].strip() + " ", text), box=box)
    level = min(_MAX_LEVEL, max(0, round((first.x0 - left) / (2 * style.size)) - 1))
    if match := BULLET.match(text):
        return Block(BlockKind.LIST_ITEM, text[match.end() :], level, box)
    if LABEL.match(plain) and _is_list_item(group, left, style):
        return Block(BlockKind.LIST_ITEM, text, level, box)
    return Block(BlockKind.PARAGRAPH, text, box=box)


def _heading_level(group: Sequence[Line], text: str, style: PageStyle, left: float) -> int:
    """Level of a heading from 1, or 0 for another block."""
    keys = (heading_key(text), heading_key(NUMBERED_HEADING.sub("", text)))  # outlines may leave the number out
    level = next((style.outline[key] for key in keys if key and key in style.outline), None)
    if level is not None and len(group) <= 3:
        return level
    if is_italic_heading(group, style) and group[0].x0 < left + style.size:
        return _ITALIC_LEVEL
    ratio = max(line.size for line in group) / style.size
    is_bold = all(line.is_bold for line in group)
    if len(group) > 3 or len(text) > 160 or not any(c.isalpha() for c in text) or CAPTION.match(text):
        return 0
    if ratio < 1.12 and (not is_bold or _SENTENCE_END.search(text) or len(group) > 2 or ratio < 0.93):
        return 0
    if ratio < 1.12 and LABEL.match(text) and not NUMBERED_HEADING.match(text):
        return 0
    match = NUMBERED_HEADING.match(text)
    if match and (match[1].isdigit() or match[2]):
        return 1 + match[2].count(".")
    if not is_bold and ratio < _MIN_PLAIN_RATIO:
        return 0  # authors below a title
    return 1 if ratio > 1.65 or (style.is_first and ratio > 1.3) else 2 if ratio > 1.3 else 3 if ratio > 1.12 else 4


def _is_footnote(group: Sequence[Line], text: str, style: PageStyle) -> bool:
    is_small = all(line.size < 0.93 * style.size for line in group)
    is_below = group[0].y > style.notes_top
    return is_small and (is_below or (group[0].y > 0.5 * style.bottom and bool(NOTE.match(text))))


def _is_list_item(group: Sequence[Line], left: float, style: PageStyle) -> bool:
    """Whether the label hangs before the text, or the whole item is set in from the edge."""
    first = group[0]
    if len(group) > 1 and min(line.x0 for line in group[1:]) > first.x0 + 0.5 * style.size:
        return True
    return first.x0 > left + 0.5 * style.size
