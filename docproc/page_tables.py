"""Find tables by their rules, so that cells are not taken for displayed formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.page_marks import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.page_rows import Row
    from docproc.records import Box

# Rules of one table end at the same places; partial rules (\cmidrule) lie inside.
_SAME_END_PT = 1.6
_MIN_TABLE_PT = 30.0
# A gap between cells, in em of the row.
_CELL_GAP_EM = 1.1


def mark_tables(rows: Sequence[Row], rules: Sequence[Box]) -> None:
    """Set `is_table` of the rows that stand between the rules of a table.

    Args:
        rows: Of one column, from top to bottom, sorted within.
        rules: Drawn lines of the page.
    """
    for x0, x1, top, bottom, n_rules in _rule_groups(rules):
        inside = [row for row in rows if top < row.y < bottom + 0.2 * row.size and row.x0 > x0 - 3 and row.x1 < x1 + 3]
        if not inside:
            continue
        with_gaps = sum(any(m.gap_before > _CELL_GAP_EM * row.size for m in row.marks) for row in inside)
        prose = sum(row.word_count() >= 7 and row.text_share() > 0.7 for row in inside)
        if (n_rules >= 3 or with_gaps >= 0.4 * len(inside)) and prose <= 0.4 * len(inside) and with_gaps:
            for row in inside:
                row.is_table = True


def _rule_groups(rules: Sequence[Box]) -> list[tuple[float, float, float, float, int]]:
    """Ends, top and bottom of stacks of equal horizontal rules, with their number."""
    flat = sorted((rule for rule in rules if rule.width > _MIN_TABLE_PT and rule.height < 3), key=lambda rule: rule.y0)
    groups: list[list[Box]] = []
    for rule in _joined(flat):
        for group in groups:
            first = group[0]
            if abs(first.x0 - rule.x0) < _SAME_END_PT and abs(first.x1 - rule.x1) < _SAME_END_PT:
                group.append(rule)
                break
        else:
            groups.append([rule])
    return [(group[0].x0, group[0].x1, group[0].y0, group[-1].y1, len(group)) for group in groups if len(group) >= 2]


def _joined(flat: Sequence[Box]) -> list[Box]:
    """Rules drawn cell by cell, joined to whole lines."""
    lines: list[Box] = []
    for rule in sorted(flat, key=lambda r: (round(r.y0), r.x0)):
        if lines and abs(lines[-1].y0 - rule.y0) < 0.6 and rule.x0 - lines[-1].x1 < 1.0:
            lines[-1] = lines[-1] | rule
        else:
            lines.append(rule)
    return sorted(lines, key=lambda rule: rule.y0)


def is_listing(row: Row) -> bool:
    """Whether most of a row is code, and it is no row of a table, where formulas may stand beside the code."""
    return not row.is_table and sum(mark.kind is Kind.CODE for mark in row.marks) > 0.5 * len(row.marks)
