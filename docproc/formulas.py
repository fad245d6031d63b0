"""From regions to checked formulas: equal crops are read once, every reading is judged by its evidence.

What must be read is asked for and not read here: `ask_for_formulas` is a generator that yields crops and is sent their
readings. The pipeline lets one window be read while another is judged; `read_formulas` does one after the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docproc.fragments import settle_fragments
from docproc.latex.judge import Verdict, judge
from docproc.recognition import Reading, Recognizer, Unread, recognize_all
from docproc.records import Failure, Formula, FormulaKind, FoundPage, Recognition, Region, Status
from docproc.second_reading import ask_for_doubtful

if TYPE_CHECKING:
    import numpy as np

    from docproc.store import FormulaStore

TEXT_LAYER = "text-layer"
"""Model name of formulas that the PDF's own glyphs spell out."""

Rows = list[tuple[list[Formula], list[Failure]]]
"""For each page its formulas by position, and a failure for each that could not be read."""
Asking = Generator[Sequence["np.ndarray"], Sequence[Reading], Rows]
"""Yields crops, wants their readings, ends with the formulas."""


@dataclass(slots=True)
class PageCrops:
    """The crops of some pages, equal ones once."""

    pages: Sequence[FoundPage]
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    """By their hash."""
    owners: dict[str, Region] = field(default_factory=dict)
    """The first region of each crop."""
    keys: dict[tuple[int, int], str] = field(default_factory=dict)
    """By page and region, both counted from 0."""

    def __post_init__(self) -> None:
        """Gather them."""
        for page_index, page in enumerate(self.pages):
            for region_index, region in enumerate(page.regions):
                if region.crop is not None:
                    key = self.keys[page_index, region_index] = crop_sha256(region.crop)
                    self.pictures.setdefault(key, region.crop)
                    self.owners.setdefault(key, region)


def read_formulas(
    pages: Sequence[FoundPage],
    places: Sequence[tuple[int, int]],
    recognizer: Recognizer,
    batch_size: int,
    store: FormulaStore,
    *,
    keeps_confident: bool = False,
) -> Rows:
    """Read and judge the formulas of some pages together; see `ask_for_formulas`.

    Args:
        pages: With their regions and crops.
        places: Document id and page number of each page.
        recognizer: Reads what neither the glyphs nor an earlier page tell.
        batch_size: Crops a batch at most.
        store: Knows crops that were read before.
        keeps_confident: Keep what other models have read with confidence, and what people have looked at.
    """
    asking = ask_for_formulas(PageCrops(pages), places, recognizer.name, store, keeps_confident=keeps_confident)
    asked = next(asking)
    while True:
        try:
            asked = asking.send(recognize_all(recognizer, asked, batch_size))
        except StopIteration as done:
            rows: Rows = done.value
            return rows


def ask_for_formulas(
    crops: PageCrops,
    places: Sequence[tuple[int, int]],
    model: str,
    store: FormulaStore,
    *,
    keeps_confident: bool = False,
    underway: Collection[str] = (),
) -> Asking:
    """Judge the formulas of some pages; ask for what must be read.

    Args:
        crops: Of the pages, with their regions.
        places: Document id and page number of each page: what the database holds of these pages is not used as
            known, so that a resumed run reads the same batches as an undisturbed one.
        model: Name of what reads.
        store: Knows crops that were read before.
        keeps_confident: Keep what other models have read with confidence, and what people have looked at.
        underway: Hashes of crops that are being read for pages before these: they are in the store when the first
            readings are sent.

    Yields:
        Crops to read, then crops to read once more; either may be none.

    Returns:
        The rows of the pages.
    """

    def known_of(keys: Sequence[str]) -> dict[str, tuple[str, Recognition]]:
        return store.known_recognitions(keys, model, excluding=places, confident_of_others=keeps_confident)

    known = known_of(list(crops.pictures))
    awaited = [key for key in crops.pictures if key not in known and key in underway]
    unknown = [key for key in crops.pictures if key not in known and key not in underway]
    read = yield [crops.pictures[key] for key in unknown]
    first_readings = dict(zip(unknown, read, strict=True))
    if awaited:
        known |= known_of(awaited)
    verdicts: dict[tuple[str, Recognition], Verdict] = {}  # of the owners: judging takes as long as finding a page

    def judge_of_owner(key: str, reading: Recognition) -> Verdict:
        verdicts[key, reading] = verdict = _judge(crops.owners[key], reading)
        return verdict

    # What was awaited and could not be read before is tried here.
    late = [key for key in awaited if key not in known]
    readings: dict[str, Reading] = {key: reading for key, (_, reading) in known.items()}
    unwitnessed = {key for key in first_readings if not crops.owners[key].glyph_symbols}
    readings |= yield from ask_for_doubtful(crops.pictures, first_readings, judge_of_owner, late, unwitnessed)
    models = {key: name for key, (name, _) in known.items()}
    return [
        _rows_of_page(page, index, crops, readings, models, model, verdicts) for index, page in enumerate(crops.pages)
    ]


def _rows_of_page(
    page: FoundPage,
    page_index: int,
    crops: PageCrops,
    readings: dict[str, Reading],
    models: dict[str, str],
    model: str,
    verdicts: dict[tuple[str, Recognition], Verdict],
) -> tuple[list[Formula], list[Failure]]:
    formulas, failures = [], []
    for region_index, region in enumerate(page.regions):
        position = region_index + 1
        if region.glyph_latex is not None:
            reading, name, key = Recognition(region.glyph_latex, 1.0, "end"), TEXT_LAYER, ""
        else:
            key = crops.keys[page_index, region_index]
            one = readings[key]
            name = models.get(key, model)
            if isinstance(one, Unread):
                failures.append(Failure("recognize", page.document, one.reason, page.number, position))
                reading = Recognition("", 0.0, "unread")
            else:
                reading = one
        verdict = verdicts.get((key, reading)) if crops.owners.get(key) is region else None
        formulas.append(formula_of(region, position, reading, name, key, verdict))
    return settle_fragments(formulas), failures


def crop_sha256(crop: np.ndarray) -> str:
    """Hash of a crop's size and pixels, hexadecimal."""
    digest = hashlib.sha256(f"{crop.shape}".encode())
    digest.update(crop.tobytes())
    return digest.hexdigest()


def _judge(region: Region, reading: Recognition) -> Verdict:
    return judge(
        reading.latex,
        reading.stop_reason,
        reading.confidence,
        region.glyph_symbols,
        region.glyph_boxes if region.is_whole else None,
        is_display=region.kind is FormulaKind.DISPLAY,
        rule_count=region.rule_count,
    )


def formula_of(
    region: Region, position: int, reading: Recognition, model: str, image_sha256: str, verdict: Verdict | None = None
) -> Formula:
    """The formula of a region as it is stored; its reading is judged, unless its verdict is known."""
    verdict = verdict or _judge(region, reading)
    # Glyphs that spell a formula out cannot also testify for it: `verified` takes a second witness.
    is_own_witness = model == TEXT_LAYER and verdict.status is Status.VERIFIED
    return Formula(
        kind=region.kind,
        position=position,
        box=region.box,
        latex=verdict.latex,
        latex_raw=reading.latex,
        status=Status.OK if is_own_witness else verdict.status,
        # Rounded, so that a database does not differ by the last bit of a float.
        confidence=round(reading.confidence, 4),
        stop_reason=reading.stop_reason,
        model=model,
        image_sha256=image_sha256,
        problems=verdict.problems,
        repairs=verdict.repairs,
        mathml=verdict.mathml,
        equation_number=region.equation_number,
        lines=region.lines,
        parent_position=None if region.continues is None else region.continues + 1,
        text_before=region.text_before,
        text_after=region.text_after,
    )
