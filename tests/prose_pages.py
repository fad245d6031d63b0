"""Pages of prose for the tests of reading text."""

from __future__ import annotations

from collections.abc import Callable

import pymupdf

from docproc.prose import read_blocks
from docproc.records import (
    MARK_CLOSE,
    MARK_OPEN,
    Block,
    Box,
    Region,
)
from docproc.text_layer import read_text_layer

LOREM = (
    "The quick brown fox jumps over the lazy dog while seven clever wizards vex jolly quacks near the harbor, and "
    "nobody in the whole town could say for certain which of these events had been the first to happen that day. "
)
Draw = Callable[[pymupdf.Page], None]


def make_pdf(*draws: Draw, width: float = 400, height: float = 560) -> pymupdf.Document:
    document = pymupdf.open()
    for draw in draws:
        draw(document.new_page(width=width, height=height))
    return pymupdf.open("pdf", document.tobytes())


def write(page: pymupdf.Page, x: float, y: float, text: str, size: float = 10, font: str = "tiro") -> float:
    page.insert_text((x, y), text, fontsize=size, fontname=font)
    return y


def body(
    page: pymupdf.Page, x: float, y: float, lines: int, chars: int = 60, size: float = 10, start: int = 0
) -> float:
    """Lines of prose; returns the baseline after the last."""
    words = (40 * LOREM.split())[start:]
    for _ in range(lines):
        line = ""
        while len(line) + len(words[0]) < chars:
            line += words.pop(0) + " "
        write(page, x, y, line.strip(), size)
        y += 1.2 * size
    return y


def blocks_of(document: pymupdf.Document, number: int = 1, regions: list[Region] | None = None) -> list[Block]:
    page = document[number - 1]
    return read_blocks(page, read_text_layer(page), regions or [])


def kinds(blocks: list[Block]) -> list[str]:
    return [block.kind.value for block in blocks]


def box_of(document: pymupdf.Document, text: str, number: int = 1) -> Box:
    """Ink of some glyphs, as the finder gives it."""
    glyphs = read_text_layer(document[number - 1]).glyphs
    joined = "".join(glyph.text for glyph in glyphs)
    start = joined.index(text)
    found = [glyph for glyph in glyphs[start : start + len(text)] if not glyph.text.isspace()]
    return Box.around(glyph.box for glyph in found)


def mark(position: int) -> str:
    return f"{MARK_OPEN}{position}{MARK_CLOSE}"
