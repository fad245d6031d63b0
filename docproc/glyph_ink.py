"""True ink of glyphs from the outlines of their fonts: MuPDF's text boxes are as wide as the advance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import pymupdf

Ink = tuple[float, float, float, float]
Place = tuple[int, int]
"""Origin of a glyph in tenths of a point."""

COMBINING = frozenset("\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u030a\u030c\u20d6\u20d7")
_ACCENT_REACH_EM = 1.5
# Of outlines and of text boxes the ink must be as high (em), or they are not of the same glyph.
_SAME_HEIGHT_EM = 0.06
# Outlines wider or higher than this (em) are broken fonts.
_MAX_EM = 6.0
# Fonts of a few documents stay open; bigger ones (Chinese, say) hold no mathematics worth the memory.
_MAX_OPEN_FONTS, _MAX_FONT_BYTES = 96, 1_000_000


class _OpenFont:
    """An embedded font and the boxes of its glyphs, in em, as far as they were asked for."""

    def __init__(self, buffer: bytes) -> None:
        mupdf = pymupdf.mupdf
        data = mupdf.fz_new_buffer_from_copied_data(buffer)
        self._font = mupdf.fz_new_font_from_buffer("", data, 0, 1)
        self._boxes: dict[int, Ink | None] = {}

    def box(self, gid: int) -> Ink | None:
        if gid not in self._boxes:
            self._boxes[gid] = self._measure(gid)
        return self._boxes[gid]

    def _measure(self, gid: int) -> Ink | None:
        mupdf = pymupdf.mupdf
        rect = mupdf.fz_bound_glyph(self._font, gid, mupdf.FzMatrix())
        box = (float(rect.x0), float(rect.y0), float(rect.x1), float(rect.y1))
        is_sound = box[0] < box[2] and box[1] < box[3] and max(map(abs, box)) < _MAX_EM
        return box if is_sound else None


class Accent(NamedTuple):
    """A combining accent as it is drawn."""

    text: str
    ink: Ink
    origin: tuple[float, float]
    size: float
    font: str
    """Without the prefix of a subset."""


@dataclass(frozen=True, slots=True)
class PageInk:
    """Ink of the glyphs of one page whose fonts are embedded, in points."""

    boxes: Mapping[Place, Sequence[Ink]]
    """By origin; several where fonts share a name (subsets for sizes): the one as high as the glyph is right."""
    accents: Sequence[Accent]
    """Combining accents: MuPDF's text says where the letter before them ends, not where they are."""

    def lost_accents(self, read: Iterable[tuple[str, Ink]]) -> Iterator[Accent]:
        """Accents that MuPDF's text leaves out: those with no letter before them in their line.

        Args:
            read: Text and ink of the combining accents that the text has.
        """
        drawn = {(accent.text, _place(accent.origin)): accent for accent in reversed(self.accents)}
        missing = Counter(text for text, _ in drawn)
        taken = set()
        for text, ink in read:
            missing[text] -= 1
            taken.add(ink)
        for (text, place), accent in drawn.items():
            if missing[text] > 0 and not taken.intersection(self.boxes[place]):
                missing[text] -= 1
                yield accent

    def of_glyph(self, text: str, origin: tuple[float, float], box: Ink, size: float) -> Ink | None:
        """Ink of a glyph.

        Args:
            text: Its character.
            origin: As MuPDF's text tells it.
            box: The same; as high as the ink.
            size: Of the font.
        """
        if text in COMBINING:
            reach = _ACCENT_REACH_EM * size
            near = [(_distance(origin, accent.ink), accent.ink) for accent in self.accents if accent.text == text]
            return min((pair for pair in near if pair[0] < reach), default=(0.0, None))[1]
        candidates = self.boxes.get(_place(origin), ())
        if box[0] >= box[2]:  # an accent or a slash without advance: nothing to compare with
            return candidates[0] if candidates else None
        slack = _SAME_HEIGHT_EM * size
        return next((ink for ink in candidates if abs(ink[1] - box[1]) + abs(ink[3] - box[3]) < slack), None)


def _distance(origin: tuple[float, float], ink: Ink) -> float:
    return abs((ink[0] + ink[2]) / 2 - origin[0]) + abs(ink[3] - origin[1]) / 4


def _place(origin: tuple[float, float]) -> Place:
    return round(origin[0] * 10), round(origin[1] * 10)


def measure_ink(page: pymupdf.Page) -> PageInk | None:
    """Measure the ink of the page's horizontal glyphs; None on turned pages."""
    if page.rotation:
        return None
    by_name = _fonts_of(page)
    boxes: dict[Place, list[Ink]] = {}
    accents: list[Accent] = []
    for span in page.get_texttrace():
        name, size = span["font"].split("+", 1)[-1], span["size"]
        fonts = by_name.get(name)
        if fonts is None:  # MuPDF cuts long names
            fonts = next((f for known, f in by_name.items() if known.startswith(name)), [])
        if span["dir"][0] < 0.98 or not fonts:
            continue
        for code, gid, (x, y), _ in span["chars"]:
            for font in fonts:
                box = font.box(gid)
                if box is None:
                    continue
                ink = (x + box[0] * size, y - box[3] * size, x + box[2] * size, y - box[1] * size)
                boxes.setdefault(_place((x, y)), []).append(ink)
                if code > 0 and chr(code) in COMBINING:
                    accents.append(Accent(chr(code), ink, (x, y), size, name))
    return PageInk(boxes, accents)


def _fonts_of(page: pymupdf.Page) -> dict[str, list[_OpenFont]]:
    """The page's embedded fonts by name."""
    found: dict[str, list[_OpenFont]] = {}
    for xref, _, _, base_font, *_ in page.get_fonts(full=True):
        buffer = page.parent.extract_font(xref)[3]
        font = _open(buffer) if buffer and len(buffer) < _MAX_FONT_BYTES else None
        if font is not None:
            found.setdefault(base_font.split("+", 1)[-1], []).append(font)
    return found


@lru_cache(maxsize=_MAX_OPEN_FONTS)
def _open(buffer: bytes) -> _OpenFont | None:
    try:
        return _OpenFont(buffer)
    except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
        return None  # a broken font: its glyphs keep their boxes
