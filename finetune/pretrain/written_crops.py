"""Formulas cut out of handwritten pages, as the product cuts them: neighbors at the edges, its scale, its margins.

A page is one person's, with one pen, on one paper (written_pages.py). For training a page stays flat and each of its
formulas is cut several times, with boxes as a finder leaves them; the spoiling of scans follows crop by crop
(degrade.py). Held-out crops come from scanned pages that the product's own clean-up has straightened.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from docproc.cleanup import prepare_scan
from docproc.crops import cut_crops
from docproc.options import RegionOptions
from docproc.records import Box, FormulaKind, Page, PageKind, Region
from docproc.scan_handwriting import read_written_ink
from docproc.scan_ink import X_HEIGHT_EM
from finetune.pretrain.detector_pages import moved_box
from finetune.pretrain.grammar import Grammar
from finetune.pretrain.page_formulas import SourceFormula
from finetune.pretrain.page_scans import ScannedPage
from finetune.pretrain.written_pages import InkStock, write_page, write_sheet

# The product knows the size of a page's writing within a fifth or so: spread of the logarithm. Some crops come at any
# size, since others cut pictures too: this share, with letters so many times as large as the product's.
_SIZE_SPREAD, _ANY_SIZE_SHARE, _ANY_SIZE = 0.14, 0.3, (0.6, 1.9)
# A box's edges lie so far from the ink (in em): mostly near, sometimes with a piece of the neighbor's.
_NEAR_EM, _WIDE_EM, _WIDE_SHARE = 0.05, 0.45, 0.25
_MARGINS_EM = (0.05, 0.3)
# Grey levels between the paper and the faintest stroke.
_LEAST_CONTRAST = 45
# Formulas that a page draws from: sorting all of them for each page would take longer than writing it.
# As many again have a structure that most short formulas lack, and some are random.
_POOL = 2_000
_STRUCTURE = re.compile(
    r"\\(?:frac|sum|prod|int|iint|oint|lim|sqrt|begin|vec|hat|bar|tilde|dot|mathbb|mathcal|partial|nabla|left|binom)\b"
)
# So many formulas get an accent or another alphabet for one of their letters: as notes do, and short ones seldom.
_DECORATED = 0.25
_LONE = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])|\\(?:alpha|beta|gamma|theta|mu|phi|psi|omega)\b")
_ACCENTS = ("vec", "vec", "vec", "hat", "bar", "tilde", "dot", "ddot", "overline")
_NO_MATHEMATICS = re.compile(r"\\(?:text|math|operatorname|begin|end|mbox|left|right|ce)")
_RANDOM, _RANDOM_SIZES = 600, (2, 3, 3, 4, 5, 6, 8)
_PAGES_A_POOL = 30
# Longest LaTeX; what is longer seldom fits a line.
_LONGEST_LATEX, _STRUCTURED = 200, 120


@dataclass(frozen=True, slots=True)
class WrittenCrop:
    """One formula of a page."""

    grey: npt.NDArray[np.uint8] = field(repr=False)
    """255 = paper."""
    latex: str
    kind: str
    """`display` or `inline`."""


class PageCutter:
    """Writes pages without end and cuts their formulas out, for training."""

    def __init__(self, stock: InkStock, rng: random.Random) -> None:
        """Choose the source of pages.

        Args:
            stock: What pages are made of; of its formulas the short ones are written.
            rng: Source of chance.
        """
        self._all = [f for f in stock.formulas if len(f.latex) <= _LONGEST_LATEX]
        self._structured = [f for f in self._all if len(f.latex) <= _STRUCTURED and _STRUCTURE.search(f.latex)]
        self.stock = replace(stock, is_varied=True)
        """Its formulas change every few pages."""
        self._rng, self._pages = rng, 0
        self._grammar = Grammar(rng)

    def crops(self, views: int = 2) -> Iterator[WrittenCrop]:
        """Write one page and cut each of its formulas `views` times."""
        r = self._rng
        if self._pages % _PAGES_A_POOL == 0:
            self.stock = replace(self.stock, formulas=self._draw_pool())
        self._pages += 1
        sheet = write_sheet(self.stock, r.getrandbits(40))
        page, em_pt = _page(sheet), sheet.x_height / X_HEIGHT_EM * 72 / sheet.dpi
        for region in sheet.regions:
            if region.is_ignored:
                continue
            for _ in range(views):
                box = _as_found(region.box, em_pt, r) & Box(0, 0, page.width_pt, page.height_pt)
                margin = r.uniform(*_MARGINS_EM) * em_pt
                grey = _cut(page, box, em_pt / _draw_size(r), margin)
                if grey is not None and _has_all_strokes(grey, box.padded(margin), region.ink):
                    yield WrittenCrop(grey, region.latex, region.kind)

    def _draw_pool(self) -> list[SourceFormula]:
        """Formulas of a few pages: some as the corpus has them, some with structure, some random ones."""
        r = self._rng
        chosen = r.sample(self._all, min(_POOL, len(self._all)))
        chosen += r.sample(self._structured, min(_POOL, len(self._structured)))
        kinds = [(self._grammar.formula(r.choice(_RANDOM_SIZES)), r.random() < 0.6) for _ in range(_RANDOM)]
        chosen = [replace(f, latex=_decorated(f.latex, r)) if r.random() < _DECORATED else f for f in chosen]
        return chosen + page_formulas(kinds)


def held_out_crops(stock: InkStock, seeds: Sequence[int], most_a_page: int = 12) -> Iterator[WrittenCrop]:
    """Write pages, scan them, clean them as the product does, and cut out what is true there.

    Args:
        stock: Of writers and formulas not trained on.
        seeds: A page each.
        most_a_page: Formulas of one page, so that no writer fills the set.
    """
    for seed in seeds:
        scan = write_page(stock, seed)
        clean, transform = prepare_scan(_page(scan))
        forward = cv2.invertAffineTransform(np.array(transform.matrix))
        em_pt = read_written_ink(clean.image).em * 72 / clean.dpi
        regions = [region for region in scan.regions if not region.is_ignored]
        random.Random(seed).shuffle(regions)
        for region in regions[:most_a_page]:
            box = Box.around(moved_box(part, forward, transform.bend) for part in region.ink)
            grey = _cut(clean, box, em_pt, RegionOptions().margin_pt)
            if grey is not None:
                yield WrittenCrop(grey, region.latex, region.kind)


def page_formulas(formulas: Sequence[tuple[str, bool]]) -> list[SourceFormula]:
    """Formulas (LaTeX, whether displayed) as pages take them."""
    return [SourceFormula(latex, "display" if display else "inline", "") for latex, display in formulas]


def _page(sheet: ScannedPage) -> Page:
    height, width = sheet.image.shape
    size = width * 72 / sheet.dpi, height * 72 / sheet.dpi
    return Page("page", 1, *size, rotation=0, kind=PageKind.SCAN, dpi=sheet.dpi, image=sheet.image)


def _cut(page: Page, box: Box, em_pt: float, margin_pt: float) -> npt.NDArray[np.uint8] | None:
    """Cut as the product does; None where the box lies off the page."""
    if min(box.width, box.height) < 1:
        return None
    (cut,) = cut_crops(
        page, [Region(FormulaKind.DISPLAY, box, written_em_pt=em_pt)], RegionOptions(margin_pt=margin_pt)
    )
    return cut.crop


def _has_all_strokes(grey: npt.NDArray[np.uint8], around: Box, strokes: Sequence[Box]) -> bool:
    """Whether ink is left of each stroke: the product paints away what is joined to a neighbor's ink, own letters too.

    Args:
        grey: What was cut.
        around: What it shows of the page, in points.
        strokes: Of the formula, in points.
    """
    height, width = grey.shape
    x, y = width / around.width, height / around.height
    paper = float(np.percentile(grey, 90))
    for stroke in strokes:
        left, top = max(0, int((stroke.x0 - around.x0) * x) - 1), max(0, int((stroke.y0 - around.y0) * y) - 1)
        part = grey[top : int((stroke.y1 - around.y0) * y) + 2, left : int((stroke.x1 - around.x0) * x) + 2]
        if part.size and part.min() > paper - _LEAST_CONTRAST:
            return False
    return True


def _as_found(box: Box, em: float, rng: random.Random) -> Box:
    """The box as a finder may give it; now and then one side reaches into the neighbor's ink."""
    left, top, right, bottom = (rng.gauss(0, _NEAR_EM) * em for _ in range(4))
    if rng.random() < _WIDE_SHARE:
        reach = rng.uniform(0, _WIDE_EM) * em
        side = rng.randrange(4)
        left, top, right, bottom = (value + reach * (n == side) for n, value in enumerate((left, top, right, bottom)))
    return Box(box.x0 - left, box.y0 - top, box.x1 + right, box.y1 + bottom)


def _decorated(latex: str, rng: random.Random) -> str:
    """The formula with an accent over one of its letters, wherever this occurs, or with a double-struck capital."""
    letters = sorted({match.group() for match in _LONE.finditer(latex)})
    if not letters or _NO_MATHEMATICS.search(latex):
        return latex
    letter = rng.choice(letters)
    command = "mathbb" if letter.isupper() and rng.random() < 0.5 else rng.choice(_ACCENTS)

    def decorate(match: re.Match[str]) -> str:
        return rf"\{command}{{{letter}}}" if match.group() == letter else match.group()

    return _LONE.sub(decorate, latex)


def _draw_size(rng: random.Random) -> float:
    """Size of the letters in units of the product's."""
    if rng.random() < _ANY_SIZE_SHARE:
        low, high = _ANY_SIZE
        return float(low * (high / low) ** rng.random())
    return math.exp(rng.gauss(0, _SIZE_SPREAD))
