"""Formulas that a line end has parted: what looks wrong in a piece may be right in the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docproc.latex.hints import find_hints
from docproc.records import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.records import Formula

_READ = (Status.OK, Status.VERIFIED, Status.SUSPECT)


def settle_fragments(formulas: Sequence[Formula]) -> list[Formula]:
    """Clear pieces whose only fault is that the rest stands on another line.

    Args:
        formulas: Of one page, by position.

    Returns:
        The formulas; a piece that was `suspect` for an open bracket or a missing right side alone is `ok` if the
        pieces together have no such fault.
    """
    settled = {formula.position: formula for formula in formulas}
    for chain in _chains(formulas):
        if any(formula.status not in _READ for formula in chain) or find_hints(" ".join(f.latex for f in chain)):
            continue
        for formula in chain:
            if formula.status is Status.SUSPECT and set(formula.problems) <= set(find_hints(formula.latex)):
                settled[formula.position] = replace(formula, status=Status.OK, problems=())
    return [settled[formula.position] for formula in formulas]


def _chains(formulas: Sequence[Formula]) -> list[list[Formula]]:
    """Formulas that go on with each other, two or more."""
    chains: dict[int, list[Formula]] = {}  # by the position of the last piece
    for formula in formulas:
        chain = chains.pop(formula.parent_position, []) if formula.parent_position is not None else []
        chains[formula.position] = [*chain, formula]
    return [chain for chain in chains.values() if len(chain) > 1]
