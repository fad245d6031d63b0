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
# Shares of ink boxes: a row that lies inside a display is of it, displays that overlap are one.
_INSIDE, _SMALL_INSIDE = 0.7, 0.4
_OVERLAP = 0.15
_STRANGER_GAP_EM = 0.8
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
            is_at_margin = is_apart and tail[-1].x1 > layout.right - 2 * row.size
            if is_at_margin or _is_outside(tail, row):
                return marks[:-count], match[1]
            break
    for count in range(2, min(12, len(marks)) + 1):
        head = marks[:count]
        if head[-1].text in ")]":
            match = _EQUATION_NUMBER.match(_joined(head))
            is_apart = count < len(marks) and marks[count].gap_before > 1.2 * row.size
            is_at_margin = is_apart and head[0].x0 < layout.left + 2 * row.size
            if match is not None and count < len(marks) and (is_at_margin or _is_outside(head, row)):
                return marks[count:], match[1]
            break
    return marks, None


def _is_outside(marks: Sequence[Mark], row: Row) -> bool:
    return all(id(mark) in row.outside for mark in marks)


def _joined(marks: Sequence[Mark]) -> str:
    return "".join(mark.text for mark in marks)


def gather_displays(rows: Sequence[Row], layout: ColumnLayout, size: float) -> list[Display]:
    """Join neighboring display rows where `joins_above` says so, and take in the rows inside their boxes.

    Returns:
        Displays from top to bottom, with equation numbers and end-of-proof signs split off.
    """
    _mark_cases(rows)
    groups: list[list[Row]] = []
    is_next = False  # nothing but equation numbers lies between the last display row and this row
    for row in rows:
        if row.is_display:
            if groups and _goes_on(row, groups[-1], layout, size, is_next):
                groups[-1].append(row)
            else:
                groups.append([row])
            is_next = True
        else:
            is_next = is_next and _is_lone_number(row, layout)
    groups = _merge_overlapping([group for group in groups if any(_proves_math(row) for row in group)])
    taken = {id(row) for group in groups for row in group}
    boxes = [Box.around(row.box for row in group) for group in groups]
    for row in rows:
        if id(row) in taken or _is_lone_number(row, layout):
            continue
        own = row.box
        is_small = row.size < 0.88 * size and _proves_math(row) and row.word_count() == 0
        for group, box in zip(groups, boxes, strict=True):
            near = box.padded(0.1 * size) if is_small else box
            if (own & near).area > (_SMALL_INSIDE if is_small else _INSIDE) * own.area:
                row.is_display = True
                group.append(row)
                break
    displays = [_make_display(sorted(group, key=lambda row: row.y), layout) for group in groups]
    _adopt_numbers(displays, rows, layout)
    return [display for display in displays if display.marks]


def _mark_cases(rows: Sequence[Row]) -> None:
    """Make all rows beside a tall brace displays if one of them is: cases hold words, and one may look like prose."""
    for row in rows:
        braces = [mark for mark in row.marks if mark.text == "{" and mark.is_big]
        if not braces or row.is_table or (row.text_share() > 0.5 and not row.is_display):
            continue
        top, bottom = min(mark.y0 for mark in braces), max(mark.y1 for mark in braces)
        beside = [other for other in rows if top < other.y - 0.2 * other.size and other.y < bottom + 0.3 * other.size]
        if len(beside) > 1 and any(other.is_display for other in beside) and max(len(o.marks) for o in beside) < 80:
            first = min((row, *beside), key=lambda other: other.y)
            for other in (row, *beside):
                other.is_display = True
                other.joins_above = other.joins_above or other is not first


def _goes_on(row: Row, group: Sequence[Row], layout: ColumnLayout, size: float, is_next: bool) -> bool:
    r"""Whether a display row is of the display above.

    Rows of an alignment stand 3 pt (`\\jot`) further apart than lines of prose; between displays the paper is at least
    10 pt more. What lies between these is for the tagger to say.
    """
    ink_gap = min(_ink_gap(row, above) for above in group[-4:])
    step = row.y - max(above.y for above in group)
    if ink_gap < 0.8 * size or step < layout.leading + 0.65 * size:
        return True
    return is_next and row.joins_above and ink_gap < 3 * size


def _proves_math(row: Row) -> bool:
    """Whether anything in the row is of mathematics for sure: tall brackets around digits too."""
    return any(mark.kind is Kind.MATH or (mark.is_math and mark.is_big) for mark in row.marks)


def _merge_overlapping(groups: Sequence[list[Row]]) -> list[list[Row]]:
    """Join groups of rows whose inks overlap: limits, tall brackets, numerators that became rows of their own."""
    merged: list[list[Row]] = []
    boxes: list[Box] = []
    for group in groups:
        box, rows = Box.around(row.box for row in group), group
        while boxes and (boxes[-1] & box).area > _OVERLAP * min(boxes[-1].area, box.area):
            box, rows = box | boxes.pop(), merged.pop() + rows
        boxes.append(box)
        merged.append(rows)
    return merged


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
        marks.extend(_without_strangers(body, row))
        if number is not None:
            numbers.append(number)
    return Display(list(rows), marks, ", ".join(numbers) or None)


def _without_strangers(marks: list[Mark], row: Row) -> list[Mark]:
    """Leave out what stands apart at the ends and is of no display: notes in the margin, labels of lists."""
    places = [i for i, mark in enumerate(marks) if id(mark) not in row.outside]
    if not places or len(places) == len(marks):
        return marks
    first, last = places[0], places[-1]
    if marks[first].gap_before < _STRANGER_GAP_EM * row.size:
        first = 0
    if last + 1 < len(marks) and marks[last + 1].gap_before < _STRANGER_GAP_EM * row.size:
        last = len(marks) - 1
    return marks[first : last + 1]


def line_boxes(display: Display) -> list[Box]:
    """One box for each line of a display: rows whose inks overlap are one line (fractions, limits, matrices)."""
    kept = set(map(id, display.marks))
    boxes: list[Box] = []
    for row in sorted(display.rows, key=lambda r: r.y):
        inks = [mark.ink for mark in row.marks if id(mark) in kept]
        if not inks:
            continue
        box = Box.around(inks)
        while boxes and min(boxes[-1].y1, box.y1) - max(boxes[-1].y0, box.y0) > 0.1 * min(boxes[-1].height, box.height):
            box = box | boxes.pop()
        boxes.append(box)
    return boxes
