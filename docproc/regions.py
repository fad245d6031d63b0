"""Find the formulas of one page, whatever it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.born_digital import find_in_text_layer
from docproc.records import PageKind

if TYPE_CHECKING:
    from docproc.font_statistics import FontStatistics
    from docproc.options import RegionOptions
    from docproc.records import Page, Region


def find_formula_regions(page: Page, statistics: FontStatistics | None, options: RegionOptions) -> list[Region]:
    """Find the display and inline formulas of one page.

    Args:
        page: Grey image and, if the page is born-digital, its text layer.
        statistics: Use of the fonts in the whole document (`gather_font_statistics`); None = from this page alone.
        options: Lengths in points.

    Returns:
        Regions in reading order, without crops; boxes in points. Empty if there is none.
    """
    if page.kind is PageKind.BORN_DIGITAL and page.text_layer is not None:
        return find_in_text_layer(page.text_layer, page.width_pt, page.height_pt, statistics, options)
    from docproc.scan_regions import find_in_image  # brings the detector; born-digital pages never need it

    return find_in_image(page, options)
