"""Rows of a page: marks gathered by baseline within each column."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from typing import TYPE_CHECKING

from docproc.accents import ROW_ACCENTS, letter_below
from docproc.fractions import AXIS_EM
from docproc.limits import attach_limits
from docproc.page_marks import FUNCTION_NAMES, Kind, Mark
from docproc.records import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docproc.accents import ROW_ACCENTS, letter_below
from docproc.fractions import Stack

# A gap this wide between words of a row may be a gutter between columns (columnsep is 10 pt in the standard classes).
_GUTTER_PT = 7.0
_MIN_GUTTER_ROWS = 8
_MIN_GUTTER_STARTS = 5
_MAX_CROSSING = 0.12
# Of the rows that end at, start at or cross a gutter, at most this share may cross it (headings, wide tables).
_MAX_CROSSING_HERE = 0.4

# The axis of a fraction in a script is this near to the axis of its row, and its left end this near to a mark: other
# parts of the script may stand between (em).
_SCRIPT_AXIS_EM, _SCRIPT_REACH_EM = 0.75, 1.6
# Marks stand on one baseline if these differ by less, in em of the bigger font.
_SAME_LINE_EM = 0.16


class Row:
    """Marks that share a baseline, with what was attached to them (scripts, limits, big operators)."""

    __slots__ = ("column", "is_display", "is_table", "joins_above", "marks", "outside", "size", "stacks", "y")

    def __init__(self, y: float, size: float, column: int) -> None:
        self.y, self.size, self.column = y, size, column
        self.marks: list[Mark] = []
        self.stacks: list[Sequence[Mark]] = []  # fractions and arrays: each is of one formula or of none
        self.is_display = False
        self.joins_above = False  # a display row that goes on the display of the row above
        self.outside: frozenset[int] = frozenset()  # ids of marks that the tagger puts outside any display
        self.is_table = False

    @property
    def box(self) -> Box:
        """Ink of the row."""
        return Box.around(mark.box for mark in self.marks)

    @property
    def x0(self) -> float:
        """Left end of the ink."""
        return min(mark.x0 for mark in self.marks)

    @property
    def x1(self) -> float:
        """Right end of the ink."""
        return max(mark.x1 for mark in self.marks)

    def sort(self) -> None:
        """Order the marks from left to right and note the gap before each."""
        self.marks.sort(key=lambda mark: (round(mark.x0, 1), mark.index))
        end = None
        for mark in self.marks:
            mark.gap_before = 0.0 if end is None else mark.x0 - end
            end = mark.x1 if end is None else max(end, mark.x1)

    def word_count(self) -> int:
        """Number of prose words of two letters or more."""
        return len({mark.word_index for mark in self.marks if len(mark.word) > 1 and mark.kind is Kind.WORD})

    def text_share(self) -> float:
        """Share of the inked width that is prose or code, 0-1."""
        prose = sum(m.x1 - m.x0 for m in self.marks if m.kind in (Kind.WORD, Kind.CODE, Kind.PUNCTUATION, Kind.NOTE))
        total = sum(m.x1 - m.x0 for m in self.marks if not m.is_script)
        return prose / total if total > 0 else 1.0


def find_gutters(marks: Sequence[Mark], width_pt: float) -> list[float]:
    """Find the left edge of each column but the first; empty on a page of one column."""
    segments = _segments(marks)
    if len(segments) < 2 * _MIN_GUTTER_ROWS:
        return []
    starts: Counter[int] = Counter(round(x0) for x0, _ in segments)
    gutters: list[float] = []
    candidates = sorted(start for start, _ in starts.most_common(16) if 0.2 * width_pt < start < 0.8 * width_pt)
    for start in candidates:
        if any(abs(start - gutter) < 60 for gutter in gutters):
            continue
        edge = start - 2
        n_exact = sum(1 for x0, _ in segments if abs(x0 - start) <= 2)
        n_right = sum(1 for x0, _ in segments if -2 <= x0 - start <= 0.08 * width_pt)
        n_left = sum(
            1 for x0, x1 in segments if x1 <= edge and x1 > edge - 0.25 * width_pt and x1 - x0 > 0.1 * width_pt
        )
        n_crossing = sum(1 for x0, x1 in segments if x0 < edge - 3 and x1 > edge + 3)
        n_ends = sum(1 for _, x1 in segments if edge - 30 < x1 <= edge)
        if (
            n_right >= _MIN_GUTTER_ROWS
            and n_left >= _MIN_GUTTER_ROWS
            and n_ends >= (_MIN_GUTTER_ROWS if n_crossing else _MIN_GUTTER_STARTS)
            and n_exact >= _MIN_GUTTER_STARTS
            and n_crossing <= _MAX_CROSSING * len(segments)
            and n_crossing <= _MAX_CROSSING_HERE * (n_crossing + min(n_ends, n_right))
        ):
            gutters.append(edge)
    return sorted(gutters)


def _segments(marks: Sequence[Mark]) -> list[tuple[float, float]]:
    """Horizontal extents of pieces of prose rows, parted by wide gaps."""
    lines: dict[int, list[Mark]] = {}
    for mark in marks:
        if mark.kind in (Kind.WORD, Kind.CODE, Kind.PUNCTUATION, Kind.DIGIT) or mark.is_math:
            lines.setdefault(round(mark.y / 2), []).append(mark)
    segments: list[tuple[float, float]] = []
    for line in lines.values():
        if sum(mark.kind is Kind.WORD for mark in line) < 4:
            continue
        line.sort(key=lambda mark: mark.x0)
        x0, x1 = line[0].x0, line[0].x1
        for mark in line[1:]:
            if mark.x0 - x1 > _GUTTER_PT:
                segments.append((x0, x1))
                x0, x1 = mark.x0, mark.x1
            else:
                x1 = max(x1, mark.x1)
        segments.append((x0, x1))
    return segments


def assign_columns(marks: Sequence[Mark], gutters: Sequence[float]) -> dict[int, list[Mark]]:
    """Part the marks by column: 0 for rows that cross a gutter, 1 and up for the columns."""
    if not gutters:
        return {1: list(marks)}
    columns: dict[int, list[Mark]] = {}
    lines: dict[int, list[Mark]] = {}
    for mark in marks:
        lines.setdefault(round(mark.y / 2), []).append(mark)
    crossing: list[Box] = []
    for line in sorted(lines.values(), key=lambda line: -max(mark.size for mark in line)):
        line.sort(key=lambda mark: mark.x0)
        segment: list[Mark] = []
        end = 0.0
        parts: list[Mark | None] = [*line, None]
        for following in parts:
            if following is None or (segment and following.x0 - end > _GUTTER_PT):
                column = _column_of(segment, gutters)
                box = Box.around(part.box for part in segment)
                if column == 0:
                    crossing.append(box.padded(0.3 * segment[0].size))
                elif any(other.holds(box.center) for other in crossing):
                    column = 0  # a script of a line that crosses the gutter
                columns.setdefault(column, []).extend(segment)
                segment = []
            if following is not None:
                end = max(end, following.x1) if segment else following.x1
                segment.append(following)
    return columns


def _column_of(segment: Sequence[Mark], gutters: Sequence[float]) -> int:
    x0, x1 = segment[0].x0, max(mark.x1 for mark in segment)
    for edge in gutters:
        if x0 < edge - 3 and x1 > edge + 3 and any(mark.x0 < edge < mark.x1 + 6 for mark in segment):
            return 0
    center = (x0 + x1) / 2
    return 1 + sum(center > edge for edge in gutters)


def build_rows(marks: Sequence[Mark], column: int, body_size: float, stacks: Sequence[Stack] = ()) -> list[Row]:
    """Gather the marks of one column into rows, top to bottom.

    Rows stand on baselines of prose words first, then of other full-size marks; scripts, limits and glyphs of extension
    fonts are attached to the row that they touch.
    """
    stacked = {id(mark) for stack in stacks for mark in stack.marks}
    marks = [mark for mark in marks if id(mark) not in stacked]
    index = _RowIndex()
    words = [m for m in marks if _is_of_word(m)]
    _cluster(words, index, column)
    main_rows = list(index.rows)
    rest = [m for m in marks if not _is_of_word(m)]
    loose: list[Mark] = []
    full: list[Mark] = []
    for mark in rest:
        row = index.at(mark)
        if row is not None and not mark.is_big:
            row.marks.append(mark)
        elif not mark.is_big and mark.size >= 0.8 * body_size and mark.text not in ROW_ACCENTS:
            full.append(mark)
        else:
            loose.append(mark)
    _cluster(full, index, column)
    rows = index.rows
    # Rows that are really scripts or parts of a fraction in a line of prose.
    for row in [r for r in rows if r not in main_rows]:
        host = _host(row, main_rows)
        if host is not None:
            host.marks.extend(row.marks)
            host.stacks.extend(row.stacks)
            rows.remove(row)
    for row in [r for r in main_rows if r.size < 0.85 * body_size]:
        host = _host(row, [r for r in rows if r is not row and r.size > 1.15 * row.size])
        if host is not None:
            host.marks.extend(row.marks)
            host.stacks.extend(row.stacks)
            rows.remove(row)
    for stack in stacks:
        _attach_stack(stack, rows, column)
    anchors = [(row, row.x0, row.x1) for row in rows]
    left: list[Mark] = []
    for mark in loose:
        if mark.text in ROW_ACCENTS and (owner := _row_of_accent(mark, rows)) is not None:
            owner.marks.append(mark)
            continue
        best, best_distance = None, 1e9
        center = (mark.y0 + mark.y1) / 2
        for row, x0, x1 in anchors:
            if mark.x0 > x1 + 1.5 * row.size or mark.x1 < x0 - 1.5 * row.size:
                continue
            middle = row.y - 0.25 * row.size
            distance = abs(center - middle)
            if mark.is_big and mark.y0 <= middle <= mark.y1:
                distance *= 0.5
            if distance < best_distance and distance < max(0.95 * row.size, 0.75 * (mark.y1 - mark.y0)):
                best, best_distance = row, distance
        if best is None:
            left.append(mark)
        else:
            best.marks.append(mark)
    _cluster_loose(left, rows, column)
    for row in rows:
        row.sort()
    attach_limits(rows)
    for row in rows:
        row.sort()
        _mark_scripts(row)
    rows.sort(key=lambda row: row.y)
    return rows


def _row_of_accent(accent: Mark, rows: Iterable[Row]) -> Row | None:
    near = [row for row in rows if -0.3 * row.size < row.y - accent.ink.y1 < 1.6 * row.size]
    letter = letter_below(accent, (mark for row in near for mark in row.marks))
    return next((row for row in near if any(mark is letter for mark in row.marks)), None)


def _is_of_word(mark: Mark) -> bool:
    return mark.kind in (Kind.WORD, Kind.CODE) and not mark.is_big and mark.text not in ROW_ACCENTS


class _RowIndex:
    """Rows by baseline, to find the one that a mark stands on."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._by_y: list[tuple[float, int]] = []  # baseline, place in `rows`; sorted
        self._max_size = 0.0

    def add(self, row: Row) -> None:
        insort(self._by_y, (row.y, len(self.rows)))
        self.rows.append(row)
        self._max_size = max(self._max_size, row.size)

    def at(self, mark: Mark) -> Row | None:
        """The row whose baseline is nearest, within a sixth of the bigger size; the earlier one if two are as near."""
        reach = _SAME_LINE_EM * max(self._max_size, mark.size)
        best, best_key = None, (1e9, 0)
        for y, place in self._by_y[bisect_left(self._by_y, (mark.y - reach, -1)) :]:
            if y > mark.y + reach:
                break
            row = self.rows[place]
            distance = abs(y - mark.y)
            if distance < _SAME_LINE_EM * max(row.size, mark.size) and (distance, place) < best_key:
                best, best_key = row, (distance, place)
        return best


def _cluster(marks: Iterable[Mark], rows: _RowIndex, column: int) -> None:
    for mark in sorted(marks, key=lambda m: (-m.size, m.y)):
        row = rows.at(mark)
        if row is None:
            row = Row(mark.y, mark.size, column)
            rows.add(row)
        row.marks.append(mark)


def _host(row: Row, others: Sequence[Row]) -> Row | None:
    """The line of prose that a row of marks belongs to as a script or fraction part, if any."""
    box = row.box
    best, best_overlap = None, 0.22
    for other in others:
        top, bottom = other.y - 0.8 * other.size, other.y + 0.3 * other.size
        if box.y1 < top or box.y0 > bottom:
            continue
        if not any(m.x1 > box.x0 - other.size and m.x0 < box.x1 + other.size for m in other.marks):
            continue
        overlap = (min(box.y1, bottom) - max(box.y0, top)) / max(box.height, 1.0)
        # Parts of a fraction do not run over words.
        if (
            any(m.x1 > box.x0 + 1 and m.x0 < box.x1 - 1 and m.kind is Kind.WORD for m in other.marks)
            and row.size > 0.9 * other.size
        ):
            continue
        if overlap > best_overlap:
            best, best_overlap = other, overlap
    return best


def _attach_stack(stack: Stack, rows: list[Row], column: int) -> None:
    """Give a fraction or array to the row whose axis it stands on; make a row if there is none."""
    best, best_distance = None, 0.3
    for row in rows:
        distance = abs(row.y - AXIS_EM * row.size - stack.axis_y) / row.size
        is_beside = row.x0 - 2.5 * row.size < stack.x1 and stack.x0 < row.x1 + 2.5 * row.size
        if is_beside and distance < best_distance:
            best, best_distance = row, distance
    if best is None:
        best = _row_of_script(stack, rows)
    if best is None:
        best = Row(stack.axis_y + AXIS_EM * stack.size, stack.size, column)
        rows.append(best)
    best.marks.extend(stack.marks)
    best.stacks.append(stack.marks)


def _row_of_script(stack: Stack, rows: Sequence[Row]) -> Row | None:
    """The row in which a small fraction is a script or a part of one: right behind a mark, off the axis."""
    best, best_distance = None, _SCRIPT_AXIS_EM
    for row in rows:
        distance = abs(row.y - AXIS_EM * row.size - stack.axis_y) / row.size
        if stack.size > 0.85 * row.size or distance >= best_distance:
            continue
        reach = _SCRIPT_REACH_EM * row.size
        if any(-0.2 * row.size < stack.x0 - mark.x1 < reach for mark in row.marks if mark.size > stack.size):
            best, best_distance = row, distance
    return best


def _cluster_loose(marks: Sequence[Mark], rows: list[Row], column: int) -> None:
    """Rows for what stands alone: limits of displayed operators, tall brackets."""
    new: list[Row] = []
    for mark in sorted(marks, key=lambda m: m.y0):
        center = (mark.y0 + mark.y1) / 2
        for row in new:
            if abs(row.y - center) < 0.3 * mark.size:
                row.marks.append(mark)
                break
        else:
            row = Row(center, mark.size, column)
            row.marks.append(mark)
            new.append(row)
    rows.extend(new)


def _mark_scripts(row: Row) -> None:
    """Tell scripts of formulas from footnote marks, left to right."""
    base: Mark | None = None
    for mark in row.marks:
        is_small = mark.size < 0.88 * row.size
        shift = row.y - mark.y
        mark.is_script = is_small and (abs(shift) > 0.08 * row.size)
        if not mark.is_script:
            base = mark
            continue
        if base is None:
            if mark.kind in (Kind.DIGIT, Kind.WORD, Kind.SIGN, Kind.PUNCTUATION) or mark.text in "∗†‡§*":
                mark.kind = Kind.NOTE
        elif base.is_math or (base.kind is Kind.CLOSING and mark.kind is not Kind.WORD):
            if mark.kind in (Kind.WORD, Kind.DIGIT, Kind.SIGN, Kind.PUNCTUATION, Kind.OPENING, Kind.CLOSING):
                mark.kind = Kind.MATH
        elif base.kind is Kind.DIGIT and shift > 0 and mark.kind in (Kind.DIGIT, Kind.MATH, Kind.PLAIN):
            mark.kind = Kind.MATH
        elif base.kind is Kind.WORD and base.word in FUNCTION_NAMES and mark.text not in "∗†‡§¶*.,;:":
            for other in row.marks:
                if other.word_index == base.word_index:
                    other.kind = Kind.MATH
            mark.kind = Kind.MATH
        elif base.kind in (Kind.WORD, Kind.PUNCTUATION, Kind.CODE, Kind.NOTE):
            if base.kind is Kind.WORD and len(base.word) == 1 and _is_variable(base, mark):
                base.kind = mark.kind = Kind.MATH
            elif mark.kind in (Kind.DIGIT, Kind.PLAIN, Kind.WORD, Kind.PUNCTUATION, Kind.SIGN) or mark.text in "∗†‡§¶*":
                mark.kind = Kind.NOTE


def _is_variable(base: Mark, script: Mark) -> bool:
    """Whether a single letter of a text font with a script is a variable, not a word with a footnote mark."""
    if script.x0 - base.x1 > 0.15 * base.size or script.text in "∗†‡§¶*.,;:":
        return False
    return base.glyph.is_italic or script.kind is Kind.MATH or base.text not in "aAI"
