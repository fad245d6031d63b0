"""Tables of a born-digital page: where they are and what stands in their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.layout_model import model_boxes
from docproc.prose_lines import Line, Word, join_words, split_cells
from docproc.records import Block, BlockKind, Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pymupdf

    from docproc.records import TextLayer

_MIN_RULE_PT = 60.0
_SAME_EDGE_PT = 4.0
_MIN_ALIGNED = 3
"""Lines in succession with cells below each other that look like a table without rules."""
_CELL_GAP_EM = 0.9
"""Gaps between words of justified text stay below this."""


def find_tables(
    page: pymupdf.Page, layer: TextLayer, lines: Sequence[Line], size: float
) -> tuple[list[Block], list[Line]]:
    """Take the tables out of a page.

    Three rules of equal width with cells between them are a table beyond doubt. Where only the arrangement of the words
    looks like one, PyMuPDF's layout model decides; it costs half a second, and most pages have no such place.

    Args:
        page: For the layout model.
        layer: For the rules.
        lines: Sorted from top to bottom.
        size: Of body text, in points.

    Returns:
        Table blocks (cells parted by tabs, rows by newlines) and the lines that are left.
    """
    boxes = _ruled_boxes(layer, lines)
    doubtful = [box for box in _aligned_boxes(lines) if not any(b.holds(box.center) for b in boxes)]
    if doubtful:
        seen = model_boxes(page, "table")
        boxes += [box for box in seen if any(box.iou(d) > 0.3 or box.holds(d.center) for d in doubtful)]
    blocks: list[Block] = []
    rest = list(lines)
    for box in boxes:
        inside = [line for line in rest if box.holds(line.box.center)]
        rows = _table_rows(inside)
        if len(rows) >= 2 and len(rows[0]) >= 2:
            text = "\n".join("\t".join(row) for row in rows)
            blocks.append(Block(BlockKind.TABLE, text, box=Box.around(line.box for line in inside)))
            taken = {id(line) for line in inside}
            rest = [line for line in rest if id(line) not in taken]
    return blocks, rest


def _ruled_boxes(layer: TextLayer, lines: Sequence[Line]) -> list[Box]:
    """Stacks of at least three wide rules of equal extent, or two rules around lines that all have cells."""
    stacks: list[list[Box]] = []
    for rule in sorted(layer.rules, key=lambda r: r.y0):
        if rule.width < _MIN_RULE_PT or rule.height > 3:
            continue
        for stack in stacks:
            if abs(stack[0].x0 - rule.x0) < _SAME_EDGE_PT and abs(stack[0].x1 - rule.x1) < _SAME_EDGE_PT:
                stack.append(rule)
                break
        else:
            stacks.append([rule])
    boxes: list[Box] = []
    for stack in stacks:
        box = Box.around(stack).padded(2.0)
        inside = [line for line in lines if box.holds(line.box.center)]
        with_cells = sum(len(split_cells(line, _CELL_GAP_EM)) > 1 for line in inside)
        share = with_cells / max(1, len(inside))
        if len(inside) >= 2 and ((len(stack) >= 3 and share >= 0.5) or (len(stack) == 2 and share > 0.75)):
            boxes.append(box)
    return boxes


def _aligned_boxes(lines: Sequence[Line]) -> list[Box]:
    """Runs of lines that have a second cell at the same place."""
    boxes: list[Box] = []
    run: list[Line] = []
    places: set[int] = set()
    for line in [*lines, None]:
        may_be = line is not None and not (line.is_code or line.display or line.is_contents)
        cells = split_cells(line, 1.5) if line is not None and may_be else []
        now = {round(cell[0].x0 / 6) for cell in cells[1:]}
        near = {p + d for p in now for d in (-1, 0, 1)}
        if run and not (places & near):
            if len(run) >= _MIN_ALIGNED:
                boxes.append(Box.around(other.box for other in run))
            run, places = [], set()
        if now and line is not None:
            run.append(line)
            places = places & near or now
    return boxes


def _table_rows(lines: Sequence[Line]) -> list[list[str]]:
    """Texts of the cells, each row with as many as there are columns."""
    rows = [split_cells(line, _CELL_GAP_EM) for line in _whole_rows(lines)]
    most = max((len(row) for row in rows), default=0)
    columns: list[tuple[float, float]] = []
    for row in rows:
        if len(row) >= 0.6 * most:  # a heading across columns says nothing of where they are
            columns += [(cell[0].x0, max(w.x1 for w in cell)) for cell in row]
    columns = _joined(columns)
    if len(columns) < 2:
        return []
    table: list[list[str]] = []
    for row in rows:
        texts = [""] * len(columns)
        for cell in row:
            index = _column_of(cell, columns)
            texts[index] = f"{texts[index]} {join_words(cell)}".strip()
        if table and not texts[0] and table[-1][0] and sum(map(bool, texts)) < len(texts) - 1:
            # A line without a first cell goes on with the cells above it.
            table[-1] = [f"{above} {text}".strip() for above, text in zip(table[-1], texts, strict=True)]
        else:
            table.append(texts)
    return table


def _whole_rows(lines: Sequence[Line]) -> list[Line]:
    """Lines of one height as one: a table's columns may have been taken for columns of the page."""
    rows: list[Line] = []
    for line in sorted(lines, key=lambda p: p.y):
        if rows and abs(rows[-1].y - line.y) < 0.25 * line.size:
            words = sorted([*rows[-1].words, *line.words], key=lambda w: w.x0)
            rows[-1] = Line(words, rows[-1].y, rows[-1].size)
        else:
            rows.append(Line(line.words, line.y, line.size))
    return rows


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for x0, x1 in sorted(spans):
        if joined and x0 < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], x1))
        else:
            joined.append((x0, x1))
    return joined


def _column_of(cell: Sequence[Word], columns: Sequence[tuple[float, float]]) -> int:
    x0, x1 = cell[0].x0, max(w.x1 for w in cell)
    overlaps = [min(x1, right) - max(x0, left) for left, right in columns]
    return overlaps.index(max(overlaps))
