"""The prose of a born-digital page: blocks in reading order, formulas as marks in their place in the sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docproc.prose_blocks import classify
from docproc.prose_figures import find_figures
from docproc.prose_groups import group_lines
from docproc.prose_lines import Line, merge_pieces, read_lines
from docproc.prose_margins import drop_running_lines, sizes_around
from docproc.prose_order import assign_columns, order_blocks
from docproc.prose_page import heading_key, mark_contents, measure_style
from docproc.prose_tables import find_tables
from docproc.prose_words import document_words
from docproc.records import Block, BlockKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pymupdf

    from docproc.records import Region, TextLayer


_EQUATION_NUMBER = re.compile(r"[(\[]?\s*([A-Z]?\.?\d+(?:[.–-]\d+)*[a-z]?['′*]?|[*†∗])\s*[)\]]")


def read_blocks(page: pymupdf.Page, layer: TextLayer, regions: Sequence[Region]) -> list[Block]:
    """Read the prose of one page.

    Running heads and page numbers are left out, words parted at line ends are whole again, listings keep their lines.

    Args:
        page: Of an open PDF; its neighbors and the outline are looked at too.
        layer: Its glyphs, rules and figures.
        regions: Its formulas; glyphs whose center lies in one are replaced by its mark, MARK_OPEN + (index + 1) +
            MARK_CLOSE.

    Returns:
        Blocks in reading order. Every formula is in one block; a display formula is a block of its own.
    """
    width, height = page.rect.width, page.rect.height
    lines = _without_numbers(read_lines(layer.glyphs, regions), regions)
    gutters = assign_columns(lines, width)
    lines = drop_running_lines(page, merge_pieces(lines), height)
    if not lines and not layer.figures:
        return []
    mark_contents(lines)
    style = measure_style(lines, sizes_around(page), layer.rules, height, page.number == 0, _outline(page))
    blocks: list[Block] = []
    figures = find_figures(page, layer, lines, style.size)
    for figure in figures:
        inside = [line for line in lines if figure.holds(line.box.center) and not line.display]
        labels = [word.text for line in inside for word in line.words if word.position]
        blocks.append(Block(BlockKind.FIGURE, " ".join(labels), box=figure))
        lines = [line for line in lines if line not in inside]
    tables, lines = find_tables(page, layer, lines, style.size)
    blocks += tables
    known = document_words(page)
    for column in sorted({line.column for line in lines}):
        part = [line for line in lines if line.column == column]
        left = min((line.x0 for line in part if not line.display), default=0.0)
        blocks += [classify(group, style, left, known) for group in group_lines(part, style)]
    return order_blocks(blocks, gutters)


def _without_numbers(lines: list[Line], regions: Sequence[Region]) -> list[Line]:
    """Take the printed numbers of display formulas out of the prose; a first one is stored with its formula."""
    displays = [(line, regions[line.display - 1]) for line in lines if line.display]
    kept: list[Line] = []
    for line in lines:
        match = None if line.display else _EQUATION_NUMBER.fullmatch(line.text)
        y = line.y - 0.3 * line.size
        near = [(d, region) for d, region in displays if region.box.y0 - 6 < y < region.box.y1 + 6]
        if not near:  # a number that found no room beside its formula stands on the next line, at the right edge
            below = [(d, r) for d, r in displays if 0 < y - r.box.y1 < 1.2 * line.size and line.x0 > r.box.center[0]]
            near = below[:1]
        if match is None or not near:
            kept.append(line)
        elif not any(match[1] in re.split(r"[,;\s]+", region.equation_number or "") for _, region in near):
            near[0][0].labels.append(match[1])
    return kept


def _outline(page: pymupdf.Page) -> Mapping[str, int]:
    """Headings of the page that the document's outline names, with their level."""
    document = page.parent
    outline: dict[int, dict[str, int]] | None = getattr(document, "docproc_outline", None)
    if outline is None:
        outline = {}
        for level, title, number, *_ in document.get_toc():
            outline.setdefault(number - 1, {})[heading_key(title)] = level
        document.docproc_outline = outline  # kept with the document: its pages come one after the other
    return outline.get(page.number, {})
