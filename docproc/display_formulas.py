"""Tell rows of displayed formulas from rows of prose, and gather them into displays."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from docproc.page_marks import Kind, Mark
from docproc.records import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.page_rows import Row

_EQUATION_NUMBER = re.compile(r"^[(\[]([A-Za-z]{0,3}\.?\d+([.\-–:]\d+)*[a-z]?[′'*]*|[∗*†⋆]+|[A-Z]{1,3})[)\]]$")
_END_OF_PROOF = frozenset("□■∎◻◼\u25a1\u25a0")


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Where the prose of a column stands."""

    left: float
    right: float
    margins: tuple[float, ...]
    """Left ends at which rows of prose begin, indents and lists included."""
    leading: float


@dataclass(slots=True)
class Display:
    """A displayed formula."""

    rows: list[Row]
    marks: list[Mark]
    number: str | None = None


def measure_column(rows: Sequence[Row], size: float) -> ColumnLayout:
    """Find the margins and the leading of a column from its rows of prose."""
    prose = [row for row in rows if row.word_count() >= 3 and row.text_share() > 0.45]
    if not prose:
        prose = list(rows)
    lefts = Counter(round(row.x0) for row in prose)
    left = min((x for x, n in lefts.items() if n >= max(1, len(prose) // 12)), default=min(row.x0 for row in prose))
    ends = sorted(row.x1 for row in prose)
    right = ends[int(0.9 * (len(ends) - 1))]
    starts_with_word = [row for row in prose if row.marks[0].kind in (Kind.WORD, Kind.NOTE, Kind.CODE, Kind.DIGIT)]
    margins = Counter(round(row.x0) for row in starts_with_word if row.text_share() > 0.6 and row.word_count() >= 4)
    steps = Counter(round(b.y - a.y, 0) for a, b in pairwise(prose) if 0.9 * size < b.y - a.y < 2.2 * size)
    leading = steps.most_common(1)[0][0] if steps else 1.2 * size
    return ColumnLayout(float(left), right, tuple(sorted(margins)), leading)


def mark_displays(rows: Sequence[Row], layout: ColumnLayout, size: float) -> None:
    """Set `is_display` of the rows of one column (sorted from top to bottom)."""
    for position, row in enumerate(rows):
        if row.is_table:
            continue
        previous = rows[position - 1] if position else None
        following = rows[position + 1] if position + 1 < len(rows) else None
        row.is_display = _is_display(row, previous, following, layout, size)
    for _ in range(2):
        for position, row in enumerate(rows):
            if row.is_display or row.is_table:
                continue
            near = [
                other
                for other in rows[max(0, position - 2) : position + 3]
                if other.is_display and _ink_gap(row, other) < 0.75 * size
            ]
            if near and _may_join_display(row, near, layout, size):
                row.is_display = True


def _is_display(row: Row, previous: Row | None, following: Row | None, layout: ColumnLayout, size: float) -> bool:
    marks = row.marks
    n_proofs = sum(mark.kind is Kind.MATH for mark in marks)
    if n_proofs == 0:
        return False
    n_code = sum(mark.kind is Kind.CODE for mark in marks)
    if n_code > 0.4 * len(marks):
        return False
    body, number = split_number(row, layout)
    if not body:
        return False
    x0, x1 = body[0].x0, max(mark.x1 for mark in body)
    prose = sum(m.x1 - m.x0 for m in body if m.kind in (Kind.WORD, Kind.CODE, Kind.NOTE))
    share = prose / max(sum(m.x1 - m.x0 for m in body if not m.is_script), 1.0)
    n_words = row.word_count()
    is_centered = abs((x0 + x1) / 2 - (layout.left + layout.right) / 2) < 4 + 0.02 * (layout.right - layout.left)
    if body[0].kind is Kind.NOTE and body[0].text in "•◦∙▪‣–":
        return False
    if number is not None and share < 0.6 and x0 > layout.left + 3:
        return True
    indent = x0 - layout.left
    at_margin = any(abs(x0 - margin) < 1.6 for margin in (layout.left, *layout.margins)) or indent < 1.6
    if n_words == 0 and share < 0.3:
        if not at_margin and indent > 0.8 * size:
            return len(marks) > 1 or is_centered
        return _stands_apart(row, previous, following, layout, is_centered)
    if share < 0.5 and not at_margin and indent > 0.8 * size:
        return is_centered or (n_words <= 3 and _stands_apart(row, previous, following, layout, is_centered))
    if not is_centered or at_margin or indent < 1.5 * size or x1 > layout.right - 1.5 * size:
        return False
    if share < 0.62:
        return True
    has_relation = any(mark.kind is Kind.MATH and mark.text in "=≤≥<>≈∼→⇒∈≡" for mark in body)
    return (
        share < 0.85
        and has_relation
        and not _is_caption(row)
        and _stands_apart(row, previous, following, layout, False)
    )


def _is_caption(row: Row) -> bool:
    """Whether a row begins as captions and headings do."""
    word = row.marks[0].word
    return row.marks[0].glyph.is_bold or word in (
        "Figure",
        "Table",
        "Fig",
        "Algorithm",
        "Listing",
        "Section",
        "Chapter",
    )


def _stands_apart(
    row: Row, previous: Row | None, following: Row | None, layout: ColumnLayout, is_centered: bool,
) -> bool:  # fmt: skip
    """Whether more paper than between lines of a paragraph stands above and below."""
    above = row.y - previous.y if previous is not None else 1e3
    below = following.y - row.y if following is not None else 1e3
    wide = 1.35 * layout.leading
    if previous is not None and previous.is_display and below > wide:
        return True
    if following is not None and is_centered and above > wide:
        return True
    return above > wide and below > wide


def _may_join_display(row: Row, near: Sequence[Row], layout: ColumnLayout, size: float) -> bool:
    """Whether a row with words is a line of a display (a case, a condition)."""
    if row.x0 < layout.left + 1.5 * size or any(abs(row.x0 - margin) < 1.6 for margin in layout.margins):
        return False
    if sum(mark.kind is Kind.CODE for mark in row.marks) > 0.3 * len(row.marks):
        return False
    has_math = any(mark.is_math for mark in row.marks)
    return row.text_share() < (0.85 if has_math else 0.3) or any(
        mark.is_big and mark.x1 <= row.x0 + size and mark.y0 < row.y < mark.y1 for other in near for mark in other.marks
    )


def _ink_gap(a: Row, b: Row) -> float:
    box, other = a.box, b.box
    return max(box.y0, other.y0) - min(box.y1, other.y1)


def split_number(row: Row, layout: ColumnLayout) -> tuple[list[Mark], str | None]:
    """Split an equation number off a row: at the right or left margin, in brackets, with paper before it."""
    marks = list(row.marks)
    while marks and marks[-1].text in _END_OF_PROOF and marks[-1].x1 > layout.right - 4:
        marks.pop()
    for count in range(2, min(12, len(marks)) + 1):
        tail = marks[-count:]
        if tail[0].text in "([" and (match := _EQUATION_NUMBER.match(_joined(tail))) is not None:
            is_apart = count == len(marks) or tail[0].gap_before > 0.9 * row.size
            if is_apart and tail[-1].x1 > layout.right - 2 * row.size and tail[0].role is not None:
                return marks[:-count], match[1]
            break
    for count in range(2, min(12, len(marks)) + 1):
        head = marks[:count]
        if head[-1].text in ")]":
            match = _EQUATION_NUMBER.match(_joined(head))
            is_at_margin = count < len(marks) and head[0].x0 < layout.left + 2 * row.size
            if match is not None and is_at_margin and marks[count].gap_before > 1.2 * row.size:
                return marks[count:], match[1]
            break
    return marks, None


def _joined(marks: Sequence[Mark]) -> str:
    return "".join(mark.text for mark in marks)


def gather_displays(rows: Sequence[Row], layout: ColumnLayout, size: float) -> list[Display]:
    """Join neighboring display rows; rows of prose between them part displays.

    Returns:
        Displays from top to bottom, with equation numbers and end-of-proof signs split off.
    """
    displays: list[Display] = []
    group: list[Row] = []
    bottom = 0.0
    for row in [*rows, None]:
        if row is not None and row.is_display:
            box = row.box
            if group and box.y0 - bottom > 1.15 * size:
                displays.append(_make_display(group, layout))
                group = []
            bottom = max(bottom, box.y1) if group else box.y1
            group.append(row)
        elif group and row is not None and _stays_inside(row, bottom, layout, size):
            if not _is_lone_number(row, layout):
                row.is_display = True
                bottom = max(bottom, row.box.y1)
                group.append(row)
        elif group:
            displays.append(_make_display(group, layout))
            group = []
    _adopt_numbers(displays, rows, layout)
    return [display for display in displays if any(mark.kind is Kind.MATH for mark in display.marks)]


def _stays_inside(row: Row, bottom: float, layout: ColumnLayout, size: float) -> bool:
    """Whether a row right below a display's row is its number or its dots and numbers, not prose."""
    if row.box.y0 - bottom > 0.75 * size or row.is_table:
        return False
    if _is_lone_number(row, layout):
        return True
    is_wordless = row.word_count() == 0 and not any(mark.kind in (Kind.CODE, Kind.NOTE) for mark in row.marks)
    return is_wordless and row.x0 > layout.left + size


def _is_lone_number(row: Row, layout: ColumnLayout) -> bool:
    if len(row.marks) > 12:
        return False
    body, number = split_number(row, layout)
    return number is not None and not body


def _adopt_numbers(displays: Sequence[Display], rows: Sequence[Row], layout: ColumnLayout) -> None:
    """Give displays the numbers that stand on a line of their own beside them (arrays, tall fractions)."""
    for row in rows:
        if row.is_display or not _is_lone_number(row, layout):
            continue
        _, number = split_number(row, layout)
        for display in displays:
            if display.number is None and min(m.y0 for m in display.marks) < row.y < max(m.y1 for m in display.marks):
                display.number = number


def _make_display(rows: Sequence[Row], layout: ColumnLayout) -> Display:
    marks: list[Mark] = []
    numbers: list[str] = []
    for row in rows:
        body, number = split_number(row, layout)
        marks.extend(body)
        if number is not None:
            numbers.append(number)
    return Display(list(rows), marks, ", ".join(numbers) or None)


def line_boxes(display: Display) -> list[Box]:
    """One box for each line of a display: rows whose inks overlap are one line (fractions, limits, matrices)."""
    kept = set(map(id, display.marks))
    boxes: list[Box] = []
    for row in sorted(display.rows, key=lambda r: r.y):
        inks = [mark.box for mark in row.marks if id(mark) in kept]
        if not inks:
            continue
        box = Box.around(inks)
        while boxes and min(boxes[-1].y1, box.y1) - max(boxes[-1].y0, box.y0) > 0.1 * min(boxes[-1].height, box.height):
            box = box | boxes.pop()
        boxes.append(box)
    return boxes
