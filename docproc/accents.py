"""Accents that are glyphs of their own, and the letters that they stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.page_marks import SPACING_ACCENTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docproc.page_marks import Mark

# An accent's ink ends this near to its letter's (em); its middle may lie this far beside the letter (points).
_REACH_EM = 0.35
_SIDE_PT = 1.5
ROW_ACCENTS = SPACING_ACCENTS | frozenset("\u0302\u0303\u0304\u0307\u0308\u030c\u20d7")
"""They hang above the letter of a row, off its baseline."""


def letter_below(accent: Mark, marks: Iterable[Mark]) -> Mark | None:
    """The mark that an accent stands on: right below its ink, across its middle; the nearest if there are several."""
    center = (accent.ink.x0 + accent.ink.x1) / 2
    reach = _REACH_EM * accent.size
    best, best_gap = None, reach
    for mark in marks:
        if not mark.x0 - _SIDE_PT < center < mark.x1 + _SIDE_PT or mark.text in ROW_ACCENTS:
            continue
        gap = mark.ink.y0 - accent.ink.y1
        if -reach < gap < best_gap and mark.ink.y1 > accent.ink.y1:
            best, best_gap = mark, abs(gap)
    return best
