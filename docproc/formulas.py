"""From regions to checked formulas: equal crops are read once, every reading is judged by its evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from docproc.fragments import settle_fragments
from docproc.latex.judge import Verdict, judge
from docproc.recognition import Recognizer, Unread, recognize_all
from docproc.records import Failure, Formula, FormulaKind, FoundPage, Recognition, Region, Status
from docproc.second_reading import read_doubtful_again

if TYPE_CHECKING:
    import numpy as np

    from docproc.store import FormulaStore

TEXT_LAYER = "text-layer"
"""Model name of formulas that the PDF's own glyphs spell out."""


def read_formulas(
    pages: Sequence[FoundPage],
    places: Sequence[tuple[int, int]],
    recognizer: Recognizer,
    batch_size: int,
    store: FormulaStore,
    *,
    keeps_confident: bool = False,
) -> list[tuple[list[Formula], list[Failure]]]:
    """Read and judge the formulas of some pages together.

    Args:
        pages: With their regions and crops.
        places: Document id and page number of each page: what the database holds of these pages is not used as
            known, so that a resumed run reads the same batches as an undisturbed one.
        recognizer: Reads what neither the glyphs nor an earlier page tell.
        batch_size: Crops a batch at most.
        store: Knows crops that were read before.
        keeps_confident: Keep what other models have read with confidence, and what people have looked at.

    Returns:
        For each page its formulas by position, and a failure for each that could not be read.
    """
    crops: dict[str, np.ndarray] = {}
    owners: dict[str, Region] = {}
    keys: dict[tuple[int, int], str] = {}
    for page_index, page in enumerate(pages):
        for region_index, region in enumerate(page.regions):
            if region.crop is not None:
                key = keys[page_index, region_index] = crop_sha256(region.crop)
                crops.setdefault(key, region.crop)
                owners.setdefault(key, region)
    known = store.known_recognitions(
        list(crops), recognizer.name, excluding=places, confident_of_others=keeps_confident
    )
    models = {key: model for key, (model, _) in known.items()}
    readings: dict[str, Recognition | Unread] = {key: reading for key, (_, reading) in known.items()}
    unknown = [key for key in crops if key not in readings]
    read = recognize_all(recognizer, [crops[key] for key in unknown], batch_size)
    verdicts: dict[tuple[str, Recognition], Verdict] = {}  # of the owners: judging takes as long as finding a page

    def judge_of_owner(key: str, reading: Recognition) -> Verdict:
        verdicts[key, reading] = verdict = _judge(owners[key], reading)
        return verdict

    first_readings = dict(zip(unknown, read, strict=True))
    readings |= read_doubtful_again(recognizer, crops, first_readings, judge_of_owner, batch_size)
    results = []
    for page_index, page in enumerate(pages):
        formulas, failures = [], []
        for region_index, region in enumerate(page.regions):
            position = region_index + 1
            if region.glyph_latex is not None:
                reading, model, key = Recognition(region.glyph_latex, 1.0, "end"), TEXT_LAYER, ""
            else:
                key = keys[page_index, region_index]
                one = readings[key]
                model = models.get(key, recognizer.name)
                if isinstance(one, Unread):
                    failures.append(Failure("recognize", page.document, one.reason, page.number, position))
                    reading = Recognition("", 0.0, "unread")
                else:
                    reading = one
            verdict = verdicts.get((key, reading)) if owners.get(key) is region else None
            formulas.append(formula_of(region, position, reading, model, key, verdict))
        results.append((settle_fragments(formulas), failures))
    return results


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
