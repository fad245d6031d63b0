"""Give the limits above and below big operators to the row of the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.page_marks import Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.page_rows import Row

_BIG = frozenset("∑∏∐∫∬∭∮⋃⋂⋀⋁⨁⨂⨀⨄⨆⏟⏞")
# Names that take what stands below them as their limit.
_NAMES = ("lim", "max", "min", "sup", "inf", "Pr", "det", "gcd", "minimize", "maximize", "minimise", "maximise")
# Limits are set at 0.7 of the size; small text has rows of its own.
_LIMIT_SIZE = 0.86
# TeX keeps 0.11-0.2 em between operator and limit, plus what the limit lacks in height (em of the operator's row).
_MAX_GAP_EM = 0.62
# Of the width of a row of limits, this share must belong to operators.
_MIN_SHARE = 0.6


def attach_limits(rows: list[Row]) -> None:
    """Move rows of limits into the rows of their operators; `rows` is changed and loses them.

    Args:
        rows: Of one column, each sorted from left to right; neither footnotes nor small print are touched, since no
            operator stands right above or below their marks.
    """
    hosts = [(row, operators) for row in rows if (operators := _operators(row))]
    if not hosts:
        return
    moved: dict[int, Row] = {}
    for row in list(rows):
        best, best_share = None, _MIN_SHARE
        segments = _segments(row)
        width = sum(segment[-1].x1 - segment[0].x0 for segment in segments) or 1.0
        for host, operators in hosts:
            if host is row or row.size > _LIMIT_SIZE * host.size or abs(row.y - host.y) > 3.5 * host.size:
                continue
            fitting = [s for s in segments if any(_is_limit(s, operator, host.size) for operator in operators)]
            share = sum(segment[-1].x1 - segment[0].x0 for segment in fitting) / width
            if share >= best_share:
                best, best_share = host, share
        while best is not None and id(best) in moved:
            best = moved[id(best)]
        if best is not None and best is not row:
            best.marks.extend(row.marks)
            best.stacks.extend(row.stacks)
            moved[id(row)] = best
            rows.remove(row)


def _operators(row: Row) -> list[tuple[float, float, float, float]]:
    """Boxes of the row's big operators and of names such as lim."""
    boxes = [
        (mark.x0, mark.y0, mark.x1, mark.y1)
        for mark in row.marks
        if mark.text in _BIG and (mark.is_big or mark.size > 0.9 * row.size)
    ]
    name: list[Mark] = []
    for mark in [*row.marks, None]:
        is_letter = mark is not None and mark.is_letter and mark.size > 0.9 * row.size
        if mark is not None and is_letter and (not name or mark.gap_before < 0.2 * row.size):
            name.append(mark)
            continue
        if name and "".join(m.text for m in name[-8:]).endswith(_NAMES):
            boxes.append((name[0].x0, min(m.y0 for m in name), name[-1].x1, max(m.y1 for m in name)))
        name = [mark] if mark is not None and is_letter else []
    return boxes


def _segments(row: Row) -> list[list[Mark]]:
    segments: list[list[Mark]] = []
    for mark in row.marks:
        if segments and mark.gap_before < 0.6 * row.size:
            segments[-1].append(mark)
        else:
            segments.append([mark])
    return segments


def _is_limit(segment: Sequence[Mark], operator: tuple[float, float, float, float], size: float) -> bool:
    """Whether a run of small marks stands centered right above or below an operator, or at its upper or lower end."""
    x0, y0, x1, y1 = operator
    left, right = segment[0].x0, max(mark.x1 for mark in segment)
    center = (left + right) / 2
    middle = (min(mark.y0 for mark in segment) + max(mark.y1 for mark in segment)) / 2
    is_tall = y1 - y0 > 1.6 * size
    if is_tall and -0.4 * size < left - x1 < 0.6 * size and y0 - 0.4 * size < middle < y1 + 0.4 * size:
        return True
    if abs(center - (x0 + x1) / 2) > 0.5 * size + 0.15 * (x1 - x0):
        return False
    top, bottom = min(mark.y0 for mark in segment), max(mark.y1 for mark in segment)
    gap = top - y1 if (top + bottom) / 2 > (y0 + y1) / 2 else y0 - bottom
    return -0.3 * size < gap < _MAX_GAP_EM * size
