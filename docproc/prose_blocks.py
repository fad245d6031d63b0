"""Lines of a column become blocks: headings, paragraphs, list items, code, captions, footnotes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from docproc.prose_lines import Line, join_styles, join_words
from docproc.records import BOLD_CLOSE, BOLD_OPEN, Block, BlockKind, Box

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Lengths in em of the page's body text, gaps in units of the usual distance of baselines.
_PARAGRAPH_GAP = 1.28
_TITLE_GAP = 1.45
_CODE_GAP = 3.2
"""Blank lines inside a listing are kept up to this; a wider gap parts two listings."""
_INDENT = 0.7
_CAPTION = re.compile(
    r"^(Figures?|Fig\.|Tables?|Tab\.|Algorithm|Listing|Scheme|Plate|Abbildung|Abb\.|Tabelle|Figura|Tabla|Tableau)"
    r"\s*[A-Z]?\.?\d+([.–-]\d+)*[a-z]?\s*([:.|—–]|$)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^[•◦∙▪■□►▸‣◆◇●○⁃∗*·–—-](?=\s|$|[\ue000])\s*")
_LABEL = re.compile(r"^(\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]|\[\d{1,3}\])(?=\s)")
_NUMBERED_HEADING = re.compile(r"^(?:(?:Chapter|Part|Kapitel|Teil|Appendix)\s+)?([A-Z]|\d+)((?:\.\d+)*)\.?\s", re.I)
_LEADERS = re.compile(r"(?:(?:\s?[.·…]){3,}|(?<![,;])\s)\s*(\d+|[ivxlc]+)$")
_CENTERED_PT = 4.0
_MAX_LEVEL = 3
_MIN_CONTENTS = 4
_MIN_RAGGED = 14
_NOTE = re.compile(r"^(?:[⁰¹²³⁴⁵⁶⁷⁸⁹]+|[∗*†‡§¶]|\d{1,2}(?=\s?[A-Z“]))\s?")
_SENTENCE_END = re.compile(r"[.!?…;,]['\"”’)]?$")
_COMPOUND_BEGINS = frozenset(
    (
        *(
            "ill",
            "well",
            "self",
            "half",
            "one",
            "two",
            "three",
            "four",
            "five",
            "first",
            "second",
            "third",
            "high",
            "low",
        ),
        *(
            "left",
            "right",
            "long",
            "short",
            "real",
            "full",
            "cross",
            "so",
            "non",
            "ex",
            "all",
            "single",
            "multi",
            "log",
        ),
    )
)
"""First parts of compounds whose hyphen stays at a line end."""
_NO_BOLD = str.maketrans("", "", BOLD_OPEN + BOLD_CLOSE)
_BROKEN_ADDRESS = re.compile(r"https?://\S*[\w/.=_-]$")
_ADDRESS_PART = re.compile(r"(?=\S*[\d/_=])[\w/.=&?%#-]+")
_HYPHENS = ("-", "\u00ad", "‐")


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
    outline: Mapping[str, int]
    """Level of each heading of this page in the document's outline, by `heading_key`."""


def measure_style(
    lines: Sequence[Line],
    around: Counter[float],
    rules: Sequence[Box],
    height_pt: float,
    outline: Mapping[str, int],
) -> PageStyle:
    """Find the size and the leading of the page's body text.

    Args:
        lines: Sorted from top to bottom.
        around: Letters of prose by font size on the pages before and after: a title page has no body text of its own.
        rules: Drawn straight lines of the page.
        height_pt: Height of the page.
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
    return PageStyle(size, leading, _notes_top(lines, rules, size, height_pt), height_pt, outline)


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


def group_lines(lines: Sequence[Line], style: PageStyle) -> list[list[Line]]:
    """Part the lines of one column, sorted from top to bottom, into blocks."""
    groups: list[list[Line]] = []
    edges: Counter[int] = Counter(round(line.x0) for line in lines if not line.display and not line.is_code)
    left = min((x for x, n in edges.items() if n >= 2), default=min(edges, default=0))
    _mark_ragged(lines)
    is_hanging = _is_hanging(lines, left, style)
    for line in lines:
        if groups and _belongs(groups[-1], line, style, left if is_hanging else None):
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


def classify(group: Sequence[Line], style: PageStyle, left: float, known_words: frozenset[str]) -> Block:
    """Make a block of its lines.

    Args:
        group: Lines of one block.
        style: Of the page.
        left: Left edge of the column.
        known_words: Words of the page that hold a hyphen, in lower case.
    """
    box = Box.around(line.box for line in group)
    first = group[0]
    if first.display:
        return Block(BlockKind.FORMULA, " ".join((first.text, *first.labels)), box=box)
    if first.is_code:
        return Block(BlockKind.CODE, _code_text(group, style), box=box)
    text = _flowing_text(group, known_words)
    plain = text.translate(_NO_BOLD)
    if group[-1].is_contents:
        text = plain
        level = min(_MAX_LEVEL, max(0, round((first.x0 - left) / (1.5 * style.size))))
        return Block(BlockKind.LIST_ITEM, _LEADERS.sub(r" … \1", text), level, box)
    if level := _heading_level(group, plain, style):
        return Block(BlockKind.HEADING, plain, level, box)
    if _CAPTION.match(plain):
        return Block(BlockKind.CAPTION, plain, box=box)
    if _is_footnote(group, plain, style):
        return Block(BlockKind.FOOTNOTE, _NOTE.sub(lambda match: match[0].strip() + " ", text), box=box)
    level = min(_MAX_LEVEL, max(0, round((first.x0 - left) / (2 * style.size)) - 1))
    if match := _BULLET.match(text):
        return Block(BlockKind.LIST_ITEM, text[match.end() :], level, box)
    if _LABEL.match(plain) and _is_list_item(group, left, style):
        return Block(BlockKind.LIST_ITEM, text, level, box)
    return Block(BlockKind.PARAGRAPH, text, box=box)


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


def _belongs(group: Sequence[Line], line: Line, style: PageStyle, hanging_left: float | None) -> bool:
    """Whether the line goes on with the block; `hanging_left` is the edge at which hanging paragraphs begin."""
    last = group[-1]
    gap = line.y - last.y
    if line.display or last.display or line.is_code != last.is_code:
        return False
    size = max(last.size, line.size)
    if line.is_code:
        return gap < _CODE_GAP * style.leading and abs(last.size - line.size) < 0.07 * size
    usual = style.leading * size / style.size * (_TITLE_GAP if size > 1.12 * style.size else _PARAGRAPH_GAP)
    if gap > usual and not _is_stretched(last, line, gap):
        return False
    if abs(last.size - line.size) > 0.07 * size and not _only_marks(last) and not _only_marks(line):
        return False
    if last.is_contents:
        return False
    text, last_text = line.text, last.text
    if _BULLET.match(text) or (_CAPTION.match(text) and gap > 1.1 * style.leading):
        return False
    if _NOTE.match(text) and line.size < 0.93 * style.size:
        return False
    if line.is_bold != last.is_bold and (last.is_bold and len(group) < 3 and not _runs_to_edge(last, line)):
        return False
    if line.is_bold and not last.is_bold and line.x1 < max(other.x1 for other in group) - 2 * size:
        return False  # a heading in the size of the text
    if _LABEL.match(text) and (line.x0 < last.x0 - 2 or _LABEL.match(group[0].text)):
        return False
    indent = _INDENT * style.size
    if min(line.size, last.size) > 1.12 * style.size or (line.is_bold and last.is_bold and len(group) < 3):
        return not _NUMBERED_HEADING.match(text)  # lines of a heading hang behind its number, or are centered
    if abs(line.x0 + line.x1 - last.x0 - last.x1) < _CENTERED_PT and abs(line.x0 - last.x0) > indent:
        return True  # a centered title or caption
    if hanging_left is not None:
        return line.x0 > hanging_left + 0.3 * style.size
    if len(group) == 1:
        return line.x0 < last.x0 + indent or bool(_LABEL.match(last_text) or _BULLET.match(last_text))
    # An indented line begins a paragraph; so does one that juts out to the left of a list item's text.
    body_left = min(other.x0 for other in group[1:])
    return not (line.x0 > body_left + indent or (line.x0 < body_left - indent and group[0].x0 < body_left - indent))


def _is_stretched(last: Line, line: Line, gap: float) -> bool:
    """Whether tall formulas alone push the lines apart."""
    free = line.box.y0 - last.box.y1
    return gap < 2.6 * line.size and free < 0.35 * line.size and any(w.position for w in (*last.words, *line.words))


def _only_marks(line: Line) -> bool:
    return all(w.position for w in line.words)


def _runs_to_edge(last: Line, line: Line) -> bool:
    return last.x1 > line.x1 - 2 * line.size


def _heading_level(group: Sequence[Line], text: str, style: PageStyle) -> int:
    """Level of a heading from 1, or 0 for another block."""
    keys = (heading_key(text), heading_key(_NUMBERED_HEADING.sub("", text)))  # outlines may leave the number out
    level = next((style.outline[key] for key in keys if key and key in style.outline), None)
    if level is not None and len(group) <= 3:
        return level
    ratio = max(line.size for line in group) / style.size
    is_bold = all(line.is_bold for line in group)
    if len(group) > 3 or len(text) > 160 or not any(c.isalpha() for c in text) or _CAPTION.match(text):
        return 0
    if ratio < 1.12 and (not is_bold or _SENTENCE_END.search(text) or len(group) > 2 or ratio < 0.93):
        return 0
    if ratio < 1.12 and _LABEL.match(text) and not _NUMBERED_HEADING.match(text):
        return 0
    match = _NUMBERED_HEADING.match(text)
    if match and (match[1].isdigit() or match[2]):
        return 1 + match[2].count(".")
    return 1 if ratio > 1.65 else 2 if ratio > 1.3 else 3 if ratio > 1.12 else 4


def _is_footnote(group: Sequence[Line], text: str, style: PageStyle) -> bool:
    is_small = all(line.size < 0.93 * style.size for line in group)
    is_below = group[0].y > style.notes_top
    return is_small and (is_below or (group[0].y > 0.5 * style.bottom and bool(_NOTE.match(text))))


def _is_list_item(group: Sequence[Line], left: float, style: PageStyle) -> bool:
    """Whether the label hangs before the text, or the whole item is set in from the edge."""
    first = group[0]
    if len(group) > 1 and min(line.x0 for line in group[1:]) > first.x0 + 0.5 * style.size:
        return True
    return first.x0 > left + 0.5 * style.size


def _flowing_text(group: Sequence[Line], known_words: frozenset[str]) -> str:
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
        or f"{begin[:-1]}-{end[0]}".casefold() in known_words
    ):
        return text + part
    return text[:-1] + part


def _code_text(group: Sequence[Line], style: PageStyle) -> str:
    """The listing with its indentation and blank lines, from the places of its characters."""
    widths = sorted((w.x1 - w.x0) / len(w.text) for line in group for w in line.words if len(w.text) > 3)
    width = widths[len(widths) // 2] if widths else 0.6 * group[0].size
    left = min(line.x0 for line in group)
    steps = sorted(b.y - a.y for a, b in pairwise(group))
    step = steps[len(steps) // 4] if steps else style.leading
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
