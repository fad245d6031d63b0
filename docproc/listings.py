"""Listings that a page's end has parted: put together with their indentation."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from docproc.records import BlockKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.records import Block, StoredPage


class Listing:
    """A listing, and where it stands on its page."""

    def __init__(self, block: Block, left: float) -> None:
        """Take the listing of a block.

        Args:
            block: A listing.
            left: Left edge of the text of its page.
        """
        self.text = block.text
        longest = max((len(row.rstrip()) for row in block.text.split("\n")), default=0)
        self.width = block.box.width / longest if block.box is not None and longest else 0.0
        """Of a character, in points; 0 if unknown."""
        self.inset = 0.0 if block.box is None else block.box.x0 - left

    def joined(self, following: Listing) -> Listing:
        """This listing and the one that goes on with it on the next page, in place of this one."""
        width = self.width or following.width
        step = round((following.inset - self.inset) / width) if width else 0
        self.text = f"{_indented(self.text, -step)}\n{_indented(following.text, step)}"
        self.inset = min(self.inset, following.inset)
        return self


def _indented(text: str, columns: int) -> str:
    return "\n".join(" " * columns + row if row else row for row in text.split("\n"))


def left_edges(pages: Sequence[StoredPage]) -> dict[int, float]:
    """Usual left edge of the text of even (0) and odd (1) pages: the margins of a book's pages mirror each other."""
    edges: dict[int, list[float]] = {0: [], 1: []}
    for page in pages:
        lefts = [block.box.x0 for block in page.blocks if block.box is not None and block.kind is BlockKind.PARAGRAPH]
        if lefts:
            edges[page.number % 2].append(min(lefts))
    return {parity: statistics.median(found) if found else 0.0 for parity, found in edges.items()}
