"""Running heads, running feet and page numbers: lines that come again at the same height of neighboring pages."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docproc.font_statistics import role_by_name
from docproc.records import MARK_CLOSE, MARK_OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pymupdf

    from docproc.prose_lines import Line

_NEIGHBORS = (-2, -1, 1, 2)
_MARGIN_SHARE = 0.16
"""Share of the page's height, at its top and bottom, where running heads stand."""
_SAME_HEIGHT_PT = 3.0
_NUMBER = re.compile(
    r"^\W*([0-9]+|[ivxlc]+)\W*(?=\s|$)|(?<=\s)\W*([ivxlc]+)\W*$|(?<![\d.,])([0-9]+)\W*$", re.IGNORECASE
)
_MARK = re.compile(f"{MARK_OPEN}\\d+{MARK_CLOSE}")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}

_CACHED_PAGES = 16


@dataclass(slots=True)
class _Neighbor:
    lines: list[tuple[float, str]]
    """Baseline and text of the lines in the margins."""
    sizes: Counter[float]
    """Letters of prose by font size, in points."""

    def add(self, y: float, text: str) -> None:
        for i, (other_y, other) in enumerate(self.lines):
            if abs(other_y - y) < _SAME_HEIGHT_PT:
                self.lines[i] = (other_y, f"{other} {text}")
                return
        self.lines.append((y, text))


def sizes_around(page: pymupdf.Page) -> Counter[float]:
    """Letters of prose by font size on the neighboring pages."""
    sizes: Counter[float] = Counter()
    for _, neighbor in _neighbors(page):
        sizes += neighbor.sizes
    return sizes


def _neighbors(page: pymupdf.Page) -> Iterator[tuple[int, _Neighbor]]:
    for step in _NEIGHBORS:
        if 0 <= page.number + step < len(page.parent):
            yield step, _read_neighbor(page.parent, page.number + step)


def drop_running_lines(page: pymupdf.Page, lines: Sequence[Line], height_pt: float) -> list[Line]:
    """Leave out running heads and page numbers.

    A line near the top or bottom edge is one if a page up to two before or after has a line at the same height that
    reads the same, or if the numbers at its end count the pages. A number alone below
    everything else is a page number too.
    """
    margin = _MARGIN_SHARE * height_pt
    candidates = [line for line in lines if line.y < margin or line.y > height_pt - margin]
    if not candidates or page.rotation:
        return _without_lone_number(list(lines), height_pt)
    neighbors = list(_neighbors(page))
    counted: Counter[int] = Counter()
    running: set[int] = set()
    for step, neighbor in neighbors:
        for y, text in neighbor.lines:
            for line in candidates:
                if abs(line.y - y) < _SAME_HEIGHT_PT:
                    if _is_same(line.text, text):
                        running.add(id(line))
                    elif _counts_pages(line.text, text, step):
                        counted[id(line)] += 1
    # Two pages bear out a page number: one could be the number of an exercise.
    running |= {key for key, count in counted.items() if count >= (2 if len(neighbors) > 2 else 1)}
    # Whatever stands above a running head, or beside it, is of the margin too.
    tops = [line.y for line in candidates if id(line) in running and line.y < margin]
    bottoms = [line.y for line in candidates if id(line) in running and line.y >= margin]
    top, bottom = max(tops, default=-1.0) + _SAME_HEIGHT_PT, min(bottoms, default=1e9) - _SAME_HEIGHT_PT
    return _without_lone_number([line for line in lines if top < line.y < bottom], height_pt)


def _read_neighbor(document: pymupdf.Document, index: int) -> _Neighbor:
    # Kept with the document: a page's neighbors are asked for again with the next page.
    cache: dict[int, _Neighbor] | None = getattr(document, "docproc_neighbors", None)
    if cache is None:
        cache = document.docproc_neighbors = {}
    if index not in cache:
        if len(cache) >= _CACHED_PAGES:
            del cache[next(iter(cache))]
        page = document[index]
        height = page.rect.height
        neighbor = cache[index] = _Neighbor([], Counter())
        for block in page.get_text("dict", flags=0)["blocks"]:
            for line in block.get("lines", ()):
                for span in line["spans"]:
                    if role_by_name(span["font"]) is None:
                        neighbor.sizes[round(span["size"], 1)] += len(span["text"])
                y = line["spans"][0]["origin"][1]
                if not _MARGIN_SHARE * height <= y <= (1 - _MARGIN_SHARE) * height:
                    neighbor.add(y, "".join(span["text"] for span in line["spans"]))
    return cache[index]


def _is_same(text: str, other: str) -> bool:
    return " ".join(text.split()) == " ".join(other.split()) and sum(c.isalpha() for c in text) > 2


def _counts_pages(text: str, other: str, step: int) -> bool:
    """Whether the numbers at the ends of the lines differ as the pages do."""
    ours, theirs = _page_number(text), _page_number(other)
    return ours is not None and theirs is not None and theirs - ours == step


def _page_number(text: str) -> int | None:
    """The number at one end of the line, also in small Roman figures."""
    for match in _NUMBER.finditer(" ".join(_MARK.sub("x", text).split())):
        figures = (match[1] or match[2] or match[3]).lower()
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
