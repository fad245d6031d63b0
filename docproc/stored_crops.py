"""The pictures of formulas in the database, one row for equal pixels: for review, and for training on corrections."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from docproc.confidence import LOW_CONFIDENCE
from docproc.records import Recognition

if TYPE_CHECKING:
    import sqlite3

    from docproc.records import Formula, Region

_PARAMETERS = 500
"""Values in one `IN (…)`; SQLite's own limit is 999 in old builds."""


def put_crops(connection: sqlite3.Connection, regions: Sequence[Region], formulas: Sequence[Formula]) -> None:
    """Store what the recognizer saw, as PNG; a picture that is there already is kept.

    Args:
        connection: Inside the page's transaction.
        regions: Of the page; those without a crop were read from glyphs and have no picture.
        formulas: With the hash of their crop; the region of a formula is found by its position.
    """
    for formula in formulas:
        crop = regions[formula.position - 1].crop if formula.position <= len(regions) else None
        if crop is not None and formula.image_sha256:
            row = (formula.image_sha256, cv2.imencode(".png", crop)[1].tobytes())
            connection.execute("INSERT OR IGNORE INTO crops (image_sha256, png) VALUES (?, ?)", row)


def read_crop(connection: sqlite3.Connection, image_sha256: str) -> np.ndarray | None:
    """The picture as grey uint8 of shape (height, width), or None if there is none."""
    row = connection.execute("SELECT png FROM crops WHERE image_sha256 = ?", (image_sha256,)).fetchone()
    if row is None:
        return None
    return cv2.imdecode(np.frombuffer(row[0], np.uint8), cv2.IMREAD_GRAYSCALE)


def known_recognitions(
    connection: sqlite3.Connection,
    image_sha256s: Collection[str],
    model: str,
    excluding: Collection[tuple[int, int]],
    confident_of_others: bool,
) -> dict[str, tuple[str, Recognition]]:
    """What has been read before in crops of the same pixels, and by which model; see `FormulaStore`."""
    known: dict[str, tuple[str, Recognition]] = {}
    wanted, excluded = sorted(set(image_sha256s)), set(excluding)
    # Above 1 is nothing.
    least = LOW_CONFIDENCE if confident_of_others else 2.0
    for start in range(0, len(wanted), _PARAMETERS):
        part = wanted[start : start + _PARAMETERS]
        rows = connection.execute(
            "SELECT image_sha256, model, latex_raw, confidence, stop_reason, document_id, page_number FROM formulas "
            "WHERE (model = ? OR confidence >= ? OR (? AND reviewed_at IS NOT NULL)) AND stop_reason != 'unread' "
            f"AND image_sha256 IN ({','.join('?' * len(part))}) ORDER BY id",
            (model, least, confident_of_others, *part),
        )
        for sha256, name, raw, confidence, stop_reason, *place in rows:
            if name != model or tuple(place) not in excluded:
                known.setdefault(sha256, (name, Recognition(raw, confidence, stop_reason)))
    return known
