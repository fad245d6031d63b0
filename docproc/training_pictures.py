"""The picture of every formula for training: as the recognizer saw it, or cut out of its document as it would see it.

Formulas that a PDF's own glyphs spell out were never read from pixels, so that the database holds no picture of them.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING

import cv2

from docproc.database import explained
from docproc.errors import InputError
from docproc.picture_process import Pictures
from docproc.records import Box, FormulaKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docproc.entries import Entry
    from docproc.store import FormulaStore


def with_pictures(store: FormulaStore, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | None, str]]:
    """Give each formula its picture.

    Args:
        store: Where the entries are from.
        entries: A page is rendered once if its formulas follow each other.

    Yields:
        The formula, its picture as PNG or None, and why there is none.
    """
    with ExitStack() as stack:
        process: Pictures | None = None
        for _, group in groupby(entries, key=lambda entry: (entry.document_id, entry.page)):
            on_page = list(group)
            stored = {entry.id: store.crop_png(entry.image_sha256) for entry in on_page}
            missing = [entry for entry in on_page if stored[entry.id] is None]
            if missing and process is None:
                process = stack.enter_context(Pictures())
            cut, reason = _cut(store, process, missing) if missing and process else ({}, "")
            for entry in on_page:
                png = stored[entry.id] or cut.get(entry.id)
                yield entry, png, "" if png else reason


def _cut(store: FormulaStore, process: Pictures, entries: list[Entry]) -> tuple[dict[int, bytes], str]:
    """Pictures by the id of their formula, of one page; and why there are none."""
    with explained(store.path):
        sql = "SELECT sha256 FROM documents WHERE id = ?"
        (sha256,) = store.connection.execute(sql, (entries[0].document_id,)).fetchone()
    regions = [(FormulaKind(entry.kind), Box(*entry.box)) for entry in entries]
    try:
        found = process.cut(entries[0].document, sha256, entries[0].page, regions)
    except InputError as error:
        return {}, str(error)
    crops = {entry.id: region.crop for entry, region in zip(entries, found.regions, strict=True)}
    return {i: cv2.imencode(".png", crop)[1].tobytes() for i, crop in crops.items() if crop is not None}, ""
