"""What is wrong with a page that could be rendered nonetheless: said, so that nothing is lost in silence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pymupdf

if TYPE_CHECKING:
    from docproc.records import TextLayer

# What MuPDF 1.28 notes when a picture of the page could be decoded in part or not at all.
_LOST_PICTURE = re.compile(
    r"padding truncated image|premature end of file in jpeg|Failed to decode|unknown filter name|"
    r"Ignoring error during interpretation|invalid code in [12]d faxd|(?:jpeg|png|jbig2dec|zlib|library) error[^\n]*"
)
# A page with as many letters that all stand sideways or upside down is not just a figure with a label.
_MANY_LETTERS = 40


def forget_warnings() -> None:
    """Forget what MuPDF noted so far."""
    pymupdf.TOOLS.reset_mupdf_warnings()


def is_lost(page: Any) -> bool:
    """Whether the document names this page but does not hold it: MuPDF shows an empty sheet in its place."""
    document = page.parent
    return all(document.xref_get_key(page.xref, key)[0] == "null" for key in ("Type", "Contents"))


def lost_picture() -> str | None:
    """What MuPDF noted since `forget_warnings` of pictures that it could not decode in full."""
    match = _LOST_PICTURE.search(pymupdf.TOOLS.mupdf_warnings())
    return f"a picture on it is damaged ({match[0].strip()}); what could be decoded was read" if match else None


def sideways_text(page: Any, text_layer: TextLayer) -> str | None:
    """Whether all text of the page stands sideways or upside down as displayed, so that none of it was read."""
    if text_layer.glyphs or len("".join(page.get_text().split())) < _MANY_LETTERS:
        return None
    return "its text does not stand upright and was not read; turn the page, or try --no-text-layer"
