"""Limits of big operators go to the row of the operator; small print does not."""

import pytest

from docproc.font_statistics import FontRole
from docproc.limits import attach_limits
from docproc.page_marks import Kind, Mark
from docproc.page_rows import Row
from docproc.records import Box, Glyph


def row_of(text: str, x: float, y: float, size: float, *, is_big: bool = False) -> Row:
    row = Row(y, size, 1)
    for index, char in enumerate(text):
        if char == " ":
            x += 0.3 * size
            continue
        width = 0.5 * size
        box = Box(x, y - 12, x + width, y + 4) if is_big and char == "∑" else Box(x, y - 0.65 * size, x + width, y)
        mark = Mark(index, Glyph(char, box, (x, y), size, "CMR10"), FontRole.MATH, has_space_before=False)
        mark.kind = Kind.MATH
        row.marks.append(mark)
        x += width
    row.sort()
    return row


def test_limits_above_and_below_a_sum_join_its_row() -> None:
    rows = [row_of("n", 100.8, 86, 7), row_of("∑ x", 100, 100, 10, is_big=True), row_of("k=1", 97, 111, 7)]
    attach_limits(rows)
    assert ["".join(mark.text for mark in row.marks) for row in rows] == ["∑xnk=1"]


def test_what_stands_below_lim_joins_its_row() -> None:
    rows = [row_of("y= lim f", 80, 100, 10), row_of("n→∞", 94, 107, 7)]
    attach_limits(rows)
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("text", "x", "y", "size"),
    [("a footnote", 60, 112, 8), ("k=1", 160, 111, 7), ("k=1", 97, 125, 7), ("xyz", 97, 111, 10)],
    ids=["words beside", "beside the sum", "too far below", "of full size"],
)
def test_other_rows_stay(text: str, x: float, y: float, size: float) -> None:
    rows = [row_of("∑ x", 100, 100, 10, is_big=True), row_of(text, x, y, size)]
    attach_limits(rows)
    assert len(rows) == 2


def test_limits_of_a_limit_go_to_the_outermost_row() -> None:
    rows = [row_of("∑ x", 100, 100, 10, is_big=True), row_of("∑", 101, 110, 7), row_of("j", 101.5, 116, 5)]
    attach_limits(rows)
    assert len(rows) == 1
    assert len(rows[0].marks) == 4


def test_limits_beside_an_integral_join_its_row() -> None:
    rows = [row_of("b", 106, 90, 7), row_of("∑ fx", 100, 100, 10, is_big=True)]
    rows[1].marks[0].y0, rows[1].marks[0].y1 = 86, 108
    attach_limits(rows)
    assert len(rows) == 1
