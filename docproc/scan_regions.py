"""Find the formulas of a scanned page or picture: with a network for print or one for handwriting, or without."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docproc.scan_classical import find_classically
from docproc.scan_detector import detect_formulas, has_detector
from docproc.scan_groups import group_formulas
from docproc.scan_handwriting import is_handwritten, read_written_ink
from docproc.scan_ink import read_ink
from docproc.scan_written import group_written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.ocr import OcrWord
    from docproc.options import RegionOptions
    from docproc.records import Page, Region


def find_in_image(
    page: Page,
    options: RegionOptions,
    words: Sequence[OcrWord] | None = None,
    *,
    classical: bool = False,
    by_hand: bool | None = None,
) -> list[Region]:
    """Find the display and inline formulas of a scan or picture.

    Args:
        page: Clean (see cleanup.py): upright, straight, ink dark on white.
        options: Lengths in points.
        words: What the OCR read on this page, boxes in points, or None. The network needs them only for the text of
            equation numbers; without the network they say what is prose.
        classical: Do without the networks, for comparison.
        by_hand: Whether the page is handwritten; None looks at it.

    Returns:
        Regions in reading order; boxes in points that hug the ink, equation numbers outside.
    """
    ink = read_ink(page.image)
    if len(ink.boxes) < 2:
        return []
    if by_hand is None:
        by_hand = is_handwritten(page.image, ink)
    written = read_written_ink(page.image, ink) if by_hand else None
    if classical or not has_detector(by_hand=by_hand):
        regions = find_classically(ink, page, words, by_hand=by_hand)
        em_pt = None if written is None else written.em * 72 / page.dpi
        return [replace(region, written_em_pt=em_pt) for region in regions]
    if written is not None:
        return group_written(written, detect_formulas(page.image, written.x_height, by_hand=True), page, words)
    return group_formulas(ink, detect_formulas(page.image, ink.x_height), page, words)
