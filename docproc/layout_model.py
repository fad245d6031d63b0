"""PyMuPDF's layout model, asked only where simple rules are in doubt: it costs half a second a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.records import Box

if TYPE_CHECKING:
    import pymupdf


def model_boxes(page: pymupdf.Page, kind: str) -> list[Box]:
    """Where the model sees a `table` or a `picture`; none on turned pages, whose frame it does not share."""
    if page.rotation:
        return []
    found = getattr(page, "layout_information", None)
    if not found:
        import pymupdf.layout  # noqa: F401  registers itself; loads its models with the first page

        page.get_layout()
        found = page.layout_information or ()
    return [Box(*map(float, entry[:4])).padded(2.0) for entry in found if entry[4] == kind]
