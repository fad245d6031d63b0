"""Where formulas that a person drew, merged or split stand in the prose: their blocks have no mark for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docproc.records import MARK_CLOSE, MARK_OPEN, Block, BlockKind, Box, FormulaKind, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docproc.records import StoredFormula, StoredPage

INSIDE = 0.8
"""Share of its area by which a formula lies inside another one that stands for it."""
_MARK = re.compile(f"{MARK_OPEN}(\\d+){MARK_CLOSE}")
_SLACK_PT = 2.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A formula of the page, as far as its place goes."""

    position: int
    box: Box
    kind: FormulaKind
    is_rejected: bool


def share_inside(box: Box, other: Box) -> float:
    """Share of the area of `box` that lies inside `other`, 0–1."""
    return (box & other).area / box.area if box.area else 0.0


def with_drawn(page: StoredPage, formulas: Iterable[StoredFormula]) -> StoredPage:
    """The page with marks for all of its formulas, as far as `place_drawn` can tell their place."""
    placed = [
        Placed(one.position, one.box, one.kind, one.status is Status.REJECTED)
        for one in (stored.formula for stored in formulas)
    ]
    return replace(page, blocks=tuple(place_drawn(page.blocks, placed)))


def place_drawn(blocks: Iterable[Block], formulas: Sequence[Placed]) -> list[Block]:
    """Put marks into the blocks for formulas that have none, from where they stand on the page.

    A formula takes the place of the rejected ones that lie inside it (it was drawn around them, or merged out of
    them); the parts of a rejected one take its place; any other one stands behind the block above it. This goes by
    boxes alone, so that it also holds when a document has been read anew.

    Args:
        blocks: Of a page, in reading order.
        formulas: All formulas of the page.

    Returns:
        The blocks in reading order. Formulas on a page without boxes of blocks stay unmarked: they end the page.
    """
    blocks = list(blocks)
    marked = {int(match[1]) for block in blocks for match in _MARK.finditer(block.text)}
    gone = [one for one in formulas if one.is_rejected and one.position in marked]
    new = [one for one in formulas if not one.is_rejected and one.position not in marked]
    if not new:
        return blocks
    stands_for: dict[int, list[int]] = {}
    missed: list[Placed] = []
    for one in sorted(new, key=lambda one: one.position):
        inside = [other for other in gone if share_inside(other.box, one.box) > INSIDE]
        around = [other for other in gone if share_inside(one.box, other.box) > INSIDE]
        if inside:
            first = min(inside, key=lambda other: other.position)
            for other in inside:
                stands_for.setdefault(other.position, [])
            stands_for[first.position].append(one.position)
        elif around:
            stands_for.setdefault(around[0].position, []).append(one.position)
        else:
            missed.append(one)

    def written(match: re.Match[str]) -> str:
        others = stands_for.get(int(match[1]))
        return match[0] if others is None else " ".join(map(_mark, others))

    blocks = [replace(block, text=_MARK.sub(written, block.text)) for block in blocks]
    blocks = [block for block in blocks if block.text.strip() or block.kind is not BlockKind.FORMULA]
    for one in sorted(missed, key=lambda one: one.box.y0):
        above = _block_above(blocks, one.box)
        if above is not None:
            blocks.insert(above + 1, Block(BlockKind.FORMULA, _mark(one.position), box=one.box))
    return blocks


def _block_above(blocks: Sequence[Block], box: Box) -> int | None:
    """Index of the lowest block that begins above the box in its column; -1 above all, None if no block has a box."""
    places = [(i, block.box) for i, block in enumerate(blocks) if block.box is not None]
    if not places:
        return None
    above = [
        (other.y0, i)
        for i, other in places
        if other.y0 <= box.y0 + _SLACK_PT and min(other.x1, box.x1) > max(other.x0, box.x0)
    ]
    return max(above)[1] if above else -1


def _mark(position: int) -> str:
    return f"{MARK_OPEN}{position}{MARK_CLOSE}"
