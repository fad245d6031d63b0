"""Find the formulas of a born-digital page from its glyphs, without a picture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from docproc.display_formulas import Display, gather_displays, line_boxes
from docproc.font_statistics import FontStatistics, count_fonts
from docproc.formula_ends import goes_on, has_strangers, holds_prose, is_in_brackets, is_whole
from docproc.glyph_latex import describe_glyphs, write_latex
from docproc.glyph_tagger import load_tagger, tag_marks
from docproc.page_columns import Column, take_apart
from docproc.page_marks import Mark
from docproc.page_rows import Row
from docproc.page_tables import is_listing
from docproc.records import Box, FormulaKind, Region, TextLayer
from docproc.tagged_formulas import apply_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.options import RegionOptions

_CONTEXT_LENGTH = 120
# Limits and labels stand this near to their formula, in em of their own size.
# An underline stands this far below letters that hang down, an overline above tall ones.
_RULE_REACH_EM = 0.4
_FRAGMENT_GAP_EM = 0.5
# What stands this near to the edge of a page goes on behind it, as likely as not.
_EDGE_PT = 3.0
# Of a column: what begins its first line, or that below the running head, may go on from the page before.
_HEAD_ROWS = 2


def find_in_text_layer(
    layer: TextLayer, width_pt: float, height_pt: float, statistics: FontStatistics | None, options: RegionOptions,
) -> list[Region]:  # fmt: skip
    """Find the display and inline formulas of one page.

    Args:
        layer: Glyphs, rules and figures in points of the page as displayed.
        width_pt: Width of the page.
        height_pt: Height of the page.
        statistics: Use of the fonts in the whole document; None = work it out from this page alone.
        options: Lengths in points.

    Returns:
        Regions in reading order, without crops; boxes in points. Empty if there is none.
    """
    del options
    if statistics is None:
        statistics = count_fonts([layer.glyphs])
    columns = take_apart(layer, width_pt, statistics)
    found: list[tuple[Row, Region]] = []
    links: dict[int, Region] = {}
    for column in columns:
        apply_tags(column, tag_marks(column.features(statistics), load_tagger()))
        found.extend(_find_in_column(column, layer, statistics.body_font, links))
    crossing = sorted(row.y for column in columns if column.number == 0 for row in column.rows)

    def order(row: Row, x0: float) -> tuple[int, int, float, float]:
        section = sum(y < row.y for y in crossing) * 2 + (row.column == 0)
        return (section if len(columns) > 1 else 0, row.column, row.y, x0)

    found.sort(key=lambda item: order(item[0], item[1].box.x0))
    places = {id(region): place for place, (_, region) in enumerate(found)}
    found = [
        (row, replace(region, continues=places[id(links[id(region)])], is_whole=False))  # a part proves no formula
        if id(region) in links
        else (row, region)
        for row, region in found
    ]
    inner = Box(0.0, 0.0, width_pt, height_pt).padded(-_EDGE_PT)
    found = [(row, region if inner | region.box == inner else replace(region, is_whole=False)) for row, region in found]
    rows = sorted((row for column in columns for row in column.rows), key=lambda row: order(row, row.x0))
    return _with_context(found, rows)


def _find_in_column(
    column: Column, layer: TextLayer, body_font: str, links: dict[int, Region]
) -> list[tuple[Row, Region]]:
    """Regions of one column with their rows; `links` notes (by id) which region goes on from which."""
    rows, size = column.rows, column.body_size
    displays = gather_displays(rows, column.layout, size)
    found = [(display.rows[0], _display_region(display, rows, layer.rules, size)) for display in displays]
    shown = [region.box for _, region in found]
    hosts = _host_fragments(rows, column.pieces)
    before_line: Mark | None = None
    broken: Region | None = None  # the last formula of the line above, if it must go on
    for position, (row, pieces) in enumerate(zip(rows, column.pieces, strict=True)):
        if row.is_display or is_listing(row):
            before_line = broken = None
            continue
        last_region: Region | None = None
        for piece in pieces:
            box = Box.around(mark.ink for mark in piece)
            if any((box & other).area > 0.5 * box.area for other in shown) or id(piece[0]) in hosts.guests:
                continue
            if not row.is_table:
                box = _with_rules(box, layer.rules, row.size)
            inside = [rule for rule in layer.rules if _touches(rule, box) and not (row.is_table and rule.width > 40)]
            guests = hosts.fragments.get(id(piece[0]), [])
            has_sure_ends = is_whole(row, piece, before_line, box)
            is_sure = has_sure_ends and not guests and not has_strangers(rows, piece, box)
            latex = write_latex(piece, row.y, row.size, inside, body_font) if is_sure else None
            symbols, inks = describe_glyphs([*piece, *guests]), _ink_boxes([*piece, *guests])
            box = Box.around([box, *(mark.ink for mark in guests)])
            is_continued = position < _HEAD_ROWS and piece[0] is row.marks[0]
            is_alone = has_sure_ends and not (is_continued or is_in_brackets(row, piece) or holds_prose(piece))
            is_alone = is_alone and (is_sure or not has_strangers(rows, [*piece, *guests], box))
            region = Region(
                FormulaKind.INLINE, box, glyph_latex=latex, glyph_symbols=symbols, glyph_boxes=inks, is_whole=is_alone,
                rule_count=_count_rules(layer.rules, box, row.size),
            )  # fmt: skip
            if broken is not None and piece[0] is row.marks[0]:
                links[id(region)] = broken
            found.append((row, region))
            last_region = region if piece[-1] is row.marks[-1] and goes_on(piece) else None
        before_line = row.marks[-1]
        broken = last_region
    return found


@dataclass(slots=True)
class _Hosts:
    """Pieces of formulas on rows of their own that belong to a formula of the row above or below."""

    fragments: dict[int, list[Mark]] = field(default_factory=dict)
    """Their marks, by the id of the first mark of the formula that takes them in."""
    guests: set[int] = field(default_factory=set)
    """Ids of their first marks."""


def _host_fragments(rows: Sequence[Row], pieces: Sequence[Sequence[list[Mark]]]) -> _Hosts:
    """Find the formulas that limits, under-arrows and labels on rows of their own belong to."""
    hosts = _Hosts()
    boxes = [[Box.around(mark.box for mark in piece) for piece in of_row] for of_row in pieces]
    for position, row in enumerate(rows):
        if row.is_display or not pieces[position] or row.word_count() > 1:
            continue
        for piece, box in zip(pieces[position], boxes[position], strict=True):
            best, best_gap = None, _FRAGMENT_GAP_EM * row.size
            for other in (position - 1, position + 1):
                if not 0 <= other < len(rows) or rows[other].is_display or rows[other].is_table != row.is_table:
                    continue
                for host, host_box in zip(pieces[other], boxes[other], strict=True):
                    shared = min(box.x1, host_box.x1) - max(box.x0, host_box.x0)
                    gap = max(box.y0 - host_box.y1, host_box.y0 - box.y1)
                    is_smaller = box.width < host_box.width and piece[0].size < 0.9 * host[0].size
                    is_arrow = all(mark.text in "→←↔−-" for mark in piece) and box.width < 1.5 * host_box.width
                    is_over = shared > 0.6 * box.width and (is_smaller or is_arrow)
                    is_behind = is_smaller and -0.1 * row.size < -shared < 0.3 * row.size and gap < 0
                    if (is_over or is_behind) and gap < best_gap and id(host[0]) not in hosts.guests:
                        best, best_gap = host, gap
            if best is not None:
                hosts.fragments.setdefault(id(best[0]), []).extend(piece)
                hosts.guests.add(id(piece[0]))
    return hosts


def _display_region(display: Display, rows: Sequence[Row], rules: Sequence[Box], size: float) -> Region:
    box = _with_rules(Box.around(mark.ink for mark in display.marks), rules, size)
    lines = line_boxes(display)
    return Region(
        FormulaKind.DISPLAY,
        box,
        glyph_symbols=describe_glyphs(display.marks),
        glyph_boxes=_ink_boxes(display.marks),
        is_whole=not has_strangers(rows, display.marks, box),
        rule_count=_count_rules(rules, box, size),
        lines=tuple(lines) if len(lines) > 1 else (), equation_number=display.number,
    )  # fmt: skip


def _ink_boxes(marks: Sequence[Mark]) -> tuple[tuple[float, float, float, float, float], ...]:
    return tuple((mark.ink.x0, mark.ink.y0, mark.ink.x1, mark.ink.y1, mark.size) for mark in marks)


def _touches(rule: Box, box: Box) -> bool:
    """Whether a rule crosses a box or lies right above it, as an overline does."""
    return rule.x0 < box.x1 and rule.x1 > box.x0 and rule.y0 < box.y1 + 1.5 and rule.y1 > box.y0 - 3


def _count_rules(rules: Sequence[Box], box: Box, size: float) -> int:
    """Horizontal rules that a formula draws or that were lost beside it."""
    near = Box(box.x0 - 0.1 * size, box.y0 - _RULE_REACH_EM * size, box.x1 + 0.1 * size, box.y1 + _RULE_REACH_EM * size)
    return sum(
        rule.width > rule.height and min(rule.x1, near.x1) - max(rule.x0, near.x0) > 0.5 * rule.width
        and near.y0 < (rule.y0 + rule.y1) / 2 < near.y1
        for rule in rules
    )  # fmt: skip


def _with_rules(box: Box, rules: Sequence[Box], size: float) -> Box:
    """Grow a box over the fraction bars, radicals and overlines that touch it."""
    near = Box(box.x0 - 0.15 * size, box.y0 - 0.3 * size, box.x1 + 0.15 * size, box.y1 + 0.15 * size)
    grown = box
    for rule in rules:
        is_flat = rule.width >= rule.height
        if rule.x0 < near.x0 or rule.x1 > near.x1 or rule.y0 < near.y0 or rule.y1 > near.y1:
            continue
        if is_flat and rule.width > 1.0:
            grown = grown | rule
    return grown


def _with_context(found: Sequence[tuple[Row, Region]], rows: Sequence[Row]) -> list[Region]:
    """Fill in the prose before and after each region."""
    text = ""
    starts: dict[int, list[tuple[float, int]]] = {}
    for row in rows:
        places = starts.setdefault(id(row), [])
        for mark in row.marks:
            if mark.gap_before > 0.18 * row.size and not text.endswith(" "):
                text += " "
            places.append((mark.x0, len(text)))
            text += mark.text
        text += " "
    regions: list[Region] = []
    for row, region in found:
        places = starts[id(row)]
        begin = next((at for x, at in places if x >= region.box.x0 - 0.5), places[0][1])
        end = next((at for x, at in places if x >= region.box.x1 - 0.5), places[-1][1] + 1)
        regions.append(
            replace(
                region,
                text_before=text[max(0, begin - _CONTEXT_LENGTH) : begin].strip(),
                text_after=text[end : end + _CONTEXT_LENGTH].strip(),
            )
        )
    return regions
