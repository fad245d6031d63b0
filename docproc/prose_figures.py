"""Which drawings and pictures of a page are figures, and which only frame or shade its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.layout_model import model_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pymupdf

    from docproc.prose_lines import Line
    from docproc.records import Box, TextLayer

_MIN_SIDE_PT = 20.0
_MAX_TEXT_SHARE = 0.35
"""A drawing whose height is filled by more prose or code than this is a frame or a shaded listing."""
_MAX_LABEL_WORDS = 5
_MIN_WORDS = 4
"""Words of a line of prose; labels of a figure have fewer."""


def find_figures(page: pymupdf.Page, layer: TextLayer, lines: Sequence[Line], size: float) -> list[Box]:
    """Boxes of the figures; what is written inside them is their labels, not prose.

    Labels of axes stand outside the drawing: where short lines are close to one, PyMuPDF's layout model says how far
    the figure goes.

    Args:
        page: For the layout model.
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
    found = _joined(found)
    if any(_is_label(line, figure, size) for figure in found for line in lines):
        for picture in model_boxes(page, "picture"):
            found = [f | picture if (f & picture).area > 0.5 * min(f.area, picture.area) else f for f in found]
    return _joined(found)


def _joined(boxes: list[Box]) -> list[Box]:
    """Boxes that overlap by most of the smaller one are parts of one figure."""
    joined: list[Box] = []
    for box in boxes:
        parts = [other for other in joined if (other & box).area > 0.5 * min(other.area, box.area)]
        joined = [other for other in joined if other not in parts]
        for part in parts:
            box = box | part
        joined.append(box)
    return joined


def _is_label(line: Line, figure: Box, size: float) -> bool:
    """Whether a line may be a label beside the figure."""
    is_short = len(line.words) <= _MAX_LABEL_WORDS and not line.is_code and not line.display
    return is_short and figure.padded(2 * size).holds(line.box.center) and not figure.holds(line.box.center)


def _is_prose(line: Line, size: float) -> bool:
    words = sum(len(word.text) > 1 for word in line.words)
    return words >= _MIN_WORDS and line.size > 0.85 * size
