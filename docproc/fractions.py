"""Find built-up parts of formulas before rows are built: fractions over a bar, arrays between tall brackets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docproc.page_marks import Kind, Mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docproc.records import Box

# TeX draws the bar as wide as the wider of both parts and centers the other.
_WIDTH_SLACK_PT = 2.6
_CENTER_SLACK_PT = 2.0
# Height of the bar above the baseline, in em (axis height: 0.25 in Computer Modern, 0.23-0.28 elsewhere).
AXIS_EM = 0.25
# Marks are looked up by baseline in steps of this.
_LINE_PT = 4.0


@dataclass(slots=True)
class Stack:
    """Marks that stand over each other around an axis."""

    marks: list[Mark]
    axis_y: float
    x0: float
    x1: float
    size: float


def find_stacks(marks: Sequence[Mark], rules: Sequence[Box]) -> list[Stack]:
    """Find fractions and arrays; each mark is in at most one stack, the outermost."""
    stacks = _fractions(marks, rules)
    stacks += _arrays(marks)
    return _outermost(stacks)


def _fractions(marks: Sequence[Mark], rules: Sequence[Box]) -> list[Stack]:
    bars = [rule for rule in rules if rule.width > 2.0 and rule.height < 1.6 and rule.width > 1.5 * rule.height]
    bars = [bar for bar in bars if not _is_table_rule(bar, bars)]
    if not bars:
        return []
    ordered = sorted(marks, key=lambda mark: mark.x0 + mark.x1)
    centers = [mark.x0 + mark.x1 for mark in ordered]
    lines: dict[int, list[Mark]] = {}
    for mark in ordered:
        lines.setdefault(int(mark.y // _LINE_PT), []).append(mark)
    found: list[Stack] = []
    for bar in sorted(bars, key=lambda bar: bar.width):
        among = ordered[bisect_left(centers, 2 * bar.x0 - 2) : bisect_right(centers, 2 * bar.x1 + 2)]
        near = [mark for mark in among if abs((mark.y0 + mark.y1) / 2 - bar.y0) < 5 * mark.size]
        y = (bar.y0 + bar.y1) / 2
        above = _part(near, y, found, is_above=True)
        below = _part(near, y, found, is_above=False)
        if not above or not below or not _is_centered(bar, above, below):
            continue
        if (_fits(bar, above) or _fits(bar, below)) and _is_alone(lines, above) and _is_alone(lines, below):
            members = above + below
            found.append(Stack(members, y, bar.x0, bar.x1, max(mark.size for mark in members)))
    return found


def _is_table_rule(bar: Box, bars: Sequence[Box]) -> bool:
    """Whether another wide rule has the same ends further up or down the page."""
    if bar.width < 60:
        return False
    return any(
        abs(other.x0 - bar.x0) < 0.8 and abs(other.x1 - bar.x1) < 0.8 and abs(other.y0 - bar.y0) > 8 for other in bars
    )


def _part(near: Sequence[Mark], y: float, inner: Sequence[Stack], *, is_above: bool) -> list[Mark]:
    """The marks of the numerator or denominator: those on the baseline nearest to the bar, and their scripts."""
    side = [mark for mark in near if (mark.y1 <= y + 1.0 if is_above else mark.y0 >= y - 1.0)]
    nested = [s for s in inner if (s.axis_y < y) == is_above and any(mark in side for mark in s.marks)]
    taken = {id(mark) for stack in nested for mark in stack.marks}
    part: list[Mark] = []
    for stack in nested:
        edge = max(m.y1 for m in stack.marks) if is_above else min(m.y0 for m in stack.marks)
        if abs(edge - y) < 0.9 * stack.size:
            part.extend(stack.marks)
    bases = [stack.axis_y + AXIS_EM * stack.size for stack in nested if any(mark in part for mark in stack.marks)]
    side = [mark for mark in side if id(mark) not in taken]
    close = [mark for mark in side if (y - mark.y1 if is_above else mark.y0 - y) < 0.62 * mark.size]
    if close and not bases:
        biggest = max(mark.size for mark in close)
        full = [mark for mark in close if mark.size > 0.9 * biggest and not mark.is_big]
        if full:
            bases = [max(m.y for m in full) if is_above else min(m.y for m in full)]
    for mark in side:
        is_tall_near = mark.is_big and (y - mark.y1 if is_above else mark.y0 - y) < 0.62 * mark.size
        if is_tall_near or any(abs(mark.y - base) < 0.56 * max(mark.size, 1.35 * mark.size) for base in bases):
            part.append(mark)
    return part


def _fits(bar: Box, part: Sequence[Mark]) -> bool:
    width = max(mark.x1 for mark in part) - min(mark.x0 for mark in part)
    return abs(width - bar.width) < _WIDTH_SLACK_PT + 0.04 * bar.width


def _is_alone(lines: Mapping[int, Sequence[Mark]], part: Sequence[Mark]) -> bool:
    """Whether no line of prose goes on beside a part: TeX keeps 1.2 pt of paper at each end of the bar.

    Args:
        lines: All marks by baseline, in steps of `_LINE_PT`.
        part: The numerator or denominator.
    """
    members = set(map(id, part))
    x0, x1 = min(mark.x0 for mark in part), max(mark.x1 for mark in part)
    main = max(part, key=lambda mark: mark.size)
    words = {mark.word_index for mark in part if len(mark.word) > 3}
    if len(words) > 5:
        return False
    reach = 0.1 * main.size
    return not any(
        id(mark) not in members
        and abs(mark.y - main.y) < reach
        and (-0.5 < x0 - mark.x1 < 2.0 or -0.5 < mark.x0 - x1 < 2.0)
        for line in range(int((main.y - reach) // _LINE_PT), int((main.y + reach) // _LINE_PT) + 1)
        for mark in lines.get(line, ())
    )


def _is_centered(bar: Box, above: Sequence[Mark], below: Sequence[Mark]) -> bool:
    middle = (bar.x0 + bar.x1) / 2
    for part in (above, below):
        center = (max(mark.x1 for mark in part) + min(mark.x0 for mark in part)) / 2
        if abs(center - middle) > _CENTER_SLACK_PT + 0.03 * bar.width:
            return False
    return True


def _arrays(marks: Sequence[Mark]) -> list[Stack]:
    """Rows between a tall opening and the next tall closing bracket of the same height."""
    tall = [mark for mark in marks if mark.is_big and mark.text in "([{|)]}‖⟨⟩⌊⌋⌈⌉"]
    columns = _bracket_columns(tall)
    found: list[Stack] = []
    for i, (text, x0, _, top, bottom, parts) in enumerate(columns):
        if text not in "([{|‖⟨⌊⌈" or bottom - top < 1.9 * parts[0].size:
            continue
        for other_text, _, other_x1, other_top, other_bottom, _ in columns[i + 1 :]:
            if abs(other_top - top) > 2 or abs(other_bottom - bottom) > 2:
                continue
            if other_text in ")]}|‖⟩⌋⌉":
                inside = [
                    mark
                    for mark in marks
                    if x0 <= mark.x0 and mark.x1 <= other_x1 + 0.5
                    and mark.y1 > top - 1 and mark.y0 < bottom + 1
                    and top - 2 <= (mark.y0 + mark.y1) / 2 <= bottom + 2
                ]  # fmt: skip
                if sum(len(mark.word) > 2 and mark.kind is Kind.WORD for mark in inside) < 0.5 * len(inside):
                    found.append(Stack(inside, (top + bottom) / 2, x0, other_x1, parts[0].size))
                break
    return found


def _bracket_columns(tall: Sequence[Mark]) -> list[tuple[str, float, float, float, float, list[Mark]]]:
    """Join the pieces of extensible brackets that stand over each other; from left to right."""
    columns: list[tuple[str, float, float, float, float, list[Mark]]] = []
    for mark in sorted(tall, key=lambda m: (round(m.x0), m.y0)):
        for i, (text, x0, x1, top, bottom, parts) in enumerate(columns):
            if abs(mark.x0 - x0) < 1.5 and mark.y0 < bottom + 1.5 and mark.y1 > top - 1.5:
                columns[i] = (text, x0, max(x1, mark.x1), min(top, mark.y0), max(bottom, mark.y1), [*parts, mark])
                break
        else:
            columns.append((mark.text, mark.x0, mark.x1, mark.y0, mark.y1, [mark]))
    return sorted(columns, key=lambda column: column[1])


def _outermost(stacks: Sequence[Stack]) -> list[Stack]:
    """Merge stacks that share marks into the widest."""
    kept: list[Stack] = []
    taken: set[int] = set()
    for stack in sorted(stacks, key=lambda s: (-(len(s.marks)), s.x0)):
        if any(id(mark) in taken for mark in stack.marks):
            continue
        taken.update(map(id, stack.marks))
        for mark in stack.marks:
            if mark.kind is not Kind.PLAIN:
                mark.kind = Kind.MATH
        kept.append(stack)
    return kept
