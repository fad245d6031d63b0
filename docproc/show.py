"""`docproc show`: one formula with its picture, where it is referred to, and similar ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docproc.database import explained
from docproc.entries import Entry, entries_by_id
from docproc.errors import InputError, OutputError
from docproc.latex.speech import speak
from docproc.records import Box
from docproc.structural_search import similar_formulas

if TYPE_CHECKING:
    from docproc.store import FormulaStore

_SIMILAR = 5


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in the prose that refers to a formula."""

    page: int
    label: str
    sentence: str
    """The words around it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to say of a formula."""

    entry: Entry
    picture: Path | None
    """PNG file beside the database; None if nothing is left to make it from."""
    mentions: tuple[Mention, ...]
    reviews: tuple[dict[str, Any], ...]
    similar: tuple[Entry, ...]

    def row(self) -> dict[str, Any]:
        """For printing as JSON."""
        return {
            **self.entry.row(),
            "spoken": speak(self.entry.latex),
            "picture": None if self.picture is None else str(self.picture),
            "references": [
                {"page": m.page, "label": m.label, "sentence": m.sentence} for m in self.mentions
            ],
            "reviews": list(self.reviews),
            "similar": [{"id": e.id, "document": e.document, "page": e.page, "latex": e.latex} for e in self.similar],
        }


def show_formula(store: FormulaStore, formula_id: int) -> Shown:
    """Gather what there is to say of a formula; its picture is written to `crops/` beside the database.

    Raises:
        InputError: There is no such formula.
        OutputError: The picture cannot be written.
    """
    entries = entries_by_id(store, [formula_id])
    if not entries:
        raise InputError(f"{store.path} has no formula {formula_id}. docproc search prints the ids.")
    (entry,) = entries
    with explained(store.path):
        similar = similar_formulas(store.connection, formula_id, entry.latex, _SIMILAR)
        reviews = store.reviews(formula_id)
    picture = None
    png = formula_picture(store, entry)
    if png is not None:
        picture = store.path.parent / "crops" / f"formula-{formula_id}.png"
        try:
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(png)
        except OSError as error:
            raise OutputError(f"{picture} cannot be written: {error.strerror}.") from error
    return Shown(
        entry=entry,
        picture=picture,
        mentions=tuple(mentions_of(store, formula_id)),
        reviews=tuple(reviews),
        similar=tuple(entries_by_id(store, similar)),
    )


def formula_picture(store: FormulaStore, entry: Entry) -> bytes | None:
    """The crop as PNG: as it was read, else cut out of the document anew; None if that is no longer there."""
    from docproc.picture_process import Pictures

    stored = store.crop_png(entry.image_sha256)
    if stored is not None:
        return stored
    if not Path(entry.document).is_file():
        return None  # before a process is started for it
    try:
        with Pictures() as pictures:
            return pictures.draw(entry.document, None, entry.page, Box(*entry.box))
    except InputError:
        return None


def mentions_of(store: FormulaStore, formula_id: int) -> list[Mention]:
    """Where the prose refers to a formula, by page and place."""
    with explained(store.path):
        rows = store.connection.execute(
            "SELECT p.number, r.label, r.place, p.text FROM formula_references r JOIN pages p ON p.id = r.page_id "
            "WHERE r.formula_id = ? ORDER BY p.number, r.place",
            (formula_id,),
        ).fetchall()
    return [Mention(page, label, _around(text or "", place, len(label))) for page, label, place, text in rows]


def _around(text: str, place: int, length: int, reach: int = 50) -> str:
    start, end = max(0, place - reach), place + length + reach
    words = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{words}{'…' if end < len(text) else ''}"
