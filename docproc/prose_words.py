"""The words of a document: they tell whether a hyphen at a line end belongs to the word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pymupdf

_WORD = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_HYPHEN_END = re.compile(r"[-‐\u00ad]\s*$")
_MAX_PAGES = 1000
"""Evenly spread over a longer document; 517 pages take 0.4 s."""


def document_words(page: pymupdf.Page) -> frozenset[str]:
    """Words of the document that a page is of, in lower case, compounds with their hyphen; read once and then kept."""
    document = page.parent
    words: frozenset[str] | None = getattr(document, "docproc_words", None)
    if words is None:
        step = -(-len(document) // _MAX_PAGES)
        texts = (document[index].get_text("text", flags=0) for index in range(0, len(document), step))
        words = document.docproc_words = words_of(line for text in texts for line in text.split("\n"))
    return words


def words_of(lines: Iterable[str]) -> frozenset[str]:
    """Whole words of some lines: the pieces of a word that is parted at a line end are none."""
    words: set[str] = set()
    is_parted = False
    for line in lines:
        found = [word.casefold() for word in _WORD.findall(line)]
        if not found:
            continue
        ends_parted = bool(_HYPHEN_END.search(line))
        words.update(found[is_parted : len(found) - ends_parted])
        is_parted = ends_parted
    return frozenset(words)
