"""Running heads, running feet and page numbers: lines that come again at the same height of neighboring pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pymupdf

    from docproc.prose_lines import Line

_NEIGHBORS = (-2, -1, 1, 2)
_MARGIN_SHARE = 0.16
"""Share of the page's height, at its top and bottom, where running heads stand."""
_SAME_HEIGHT_PT = 3.0
_NUMBER = re.compile(r"^\W*([0-9]+|[ivxlc]+)\W*(?=\s|$)|(?<=\s)\W*([0-9]+|[ivxlc]+)\W*$", re.IGNORECASE)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_DIGITS = re.compile(r"\d+")

_CACHED_PAGES = 16


def drop_running_lines(page: pymupdf.Page, lines: Sequence[Line], height_pt: float) -> list[Line]:
    """Leave out running heads and page numbers.

    A line near the top or bottom edge is one if a page up to two before or after has a line at the same height that
    reads the same, digits aside, or whose page number differs by as much as the pages do. A number alone below
    everything else is a page number too.
    """
    margin = _MARGIN_SHARE * height_pt
    candidates = [line for line in lines if line.y < margin or line.y > height_pt - margin]
    if not candidates or page.rotation:
        return _without_lone_number(list(lines), height_pt)
    document, index = page.parent, page.number
    running: set[int] = set()
    for step in _NEIGHBORS:
        other = index + step
        if not 0 <= other < len(document):
            continue
        for y, text in _margin_lines(document, other, margin):
            for line in candidates:
                if abs(line.y - y) < _SAME_HEIGHT_PT and _is_same(line.text, text, step):
                    running.add(id(line))
    # Whatever stands above a running head, or beside it, is of the margin too.
    tops = [line.y for line in candidates if id(line) in running and line.y < margin]
    bottoms = [line.y for line in candidates if id(line) in running and line.y >= margin]
    top, bottom = max(tops, default=-1.0) + _SAME_HEIGHT_PT, min(bottoms, default=1e9) - _SAME_HEIGHT_PT
    return _without_lone_number([line for line in lines if top < line.y < bottom], height_pt)


def _margin_lines(document: pymupdf.Document, index: int, margin: float) -> list[tuple[float, str]]:
    """Baseline (about) and text of the lines in the margins of a page."""
    # Kept with the document: a page's neighbors are asked for again with the next page.
    cache: dict[int, list[tuple[float, str]]] | None = getattr(document, "docproc_margins", None)
    if cache is None:
        cache = document.docproc_margins = {}
    if index not in cache:
        if len(cache) >= _CACHED_PAGES:
            del cache[next(iter(cache))]
        page = document[index]
        height = page.rect.height
        found: list[tuple[float, str]] = []
        for block in page.get_text("dict", flags=0)["blocks"]:
            for line in block.get("lines", ()):
                y = line["spans"][0]["origin"][1]
                if y < margin or y > height - margin:
                    text = "".join(span["text"] for span in line["spans"])
                    for i, (other_y, other) in enumerate(found):
                        if abs(other_y - y) < _SAME_HEIGHT_PT:
                            found[i] = (other_y, f"{other} {text}")
                            break
                    else:
                        found.append((y, text))
        cache[index] = found
    return cache[index]


def _is_same(text: str, other: str, step: int) -> bool:
    ours, theirs = _page_number(text), _page_number(other)
    if ours is not None and theirs is not None and theirs - ours == step:
        return True
    plain, other_plain = (" ".join(_DIGITS.sub("", t).split()) for t in (text, other))
    return plain == other_plain and len(plain) > 2


def _page_number(text: str) -> int | None:
    """The number at one end of the line, also in small Roman figures."""
    for match in _NUMBER.finditer(" ".join(text.split())):
        figures = (match[1] or match[2]).lower()
        if figures.isdigit():
            return int(figures)
        values = [_ROMAN[c] for c in figures]
        return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))
    return None


def _without_lone_number(lines: list[Line], height_pt: float) -> list[Line]:
    """Leave out a number that stands alone at the foot of the page."""
    if not lines:
        return lines
    last = max(lines, key=lambda line: line.y)
    above = max((line.y for line in lines if line is not last), default=0.0)
    is_number = bool(re.fullmatch(r"[-–—\s]*(\d{1,4}|[ivxl]+)[-–—\s]*", last.text))
    if is_number and last.y > 0.8 * height_pt and last.y - above > 1.6 * last.size:
        return [line for line in lines if line is not last]
    return lines
