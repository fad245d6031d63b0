"""Which drawings and pictures of a page are figures, and which only frame or shade its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.prose_lines import Line
    from docproc.records import Box, TextLayer

_MIN_SIDE_PT = 20.0
_MAX_TEXT_SHARE = 0.35
"""A drawing whose height is filled by more prose or code than this is a frame or a shaded listing."""
_MIN_WORDS = 4
"""Words of a line of prose; labels of a figure have fewer."""


def find_figures(layer: TextLayer, lines: Sequence[Line], size: float) -> list[Box]:
    """Boxes of the figures; what is written inside them is their labels, not prose.

    Args:
        layer: Of the page.
        lines: All its lines.
        size: Of body text, in points.
    """
    found: list[Box] = []
    for box in sorted(layer.figures, key=lambda b: -b.area):
        if min(box.width, box.height) < _MIN_SIDE_PT or any(f.holds(box.center) for f in found):
            continue
        prose = [
            line
            for line in lines
            if box.holds(line.box.center) and (line.is_code or line.display or _is_prose(line, size))
        ]
        if sum(1.25 * line.size for line in prose) <= _MAX_TEXT_SHARE * box.height:
            found.append(box)
    return found


def _is_prose(line: Line, size: float) -> bool:
    words = sum(len(word.text) > 1 for word in line.words)
    return words >= _MIN_WORDS and line.size > 0.85 * size
