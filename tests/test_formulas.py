"""Which crops are read again, and which readings are taken over."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from docproc.formulas import PageCrops, ask_for_formulas, read_formulas
from docproc.records import Box, FormulaKind, FoundPage, PageKind, Recognition, Region
from docproc.store import FormulaStore


class Reader:
    """Reads every crop as the letter it is told, as sure as it is told; notes what it was asked for."""

    def __init__(self, name: str, letter: str, confidence: dict[int, float]) -> None:
        self.name, self.letter, self.confidence = name, letter, confidence
        self.asked: list[int] = []

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition]]:
        for place, crop in enumerate(crops):
            self.asked.append(int(crop[0, 0]))
            yield place, Recognition(self.letter, self.confidence.get(int(crop[0, 0]), 0.99), "end")


def crop(number: int) -> np.ndarray:
    """Its number in every pixel: known again at another size, at which doubtful crops are read once more."""
    return np.full((16, 32), number, np.uint8)


@pytest.mark.parametrize(
    ("keeps_confident", "asked", "letters"), [(True, [2, 3], ["a", "b", "b"]), (False, [1, 2, 3], ["b", "b", "b"])]
)
def test_a_second_model_reads_what_the_first_was_not_sure_of(
    keeps_confident: bool, asked: list[int], letters: list[str], tmp_path: Path
) -> None:
    regions = tuple(Region(FormulaKind.INLINE, Box(0, 20 * n, 32, 20 * n + 16), crop=crop(n)) for n in (1, 2, 3))
    page = FoundPage("a.pdf", 1, 595, 842, 0, PageKind.SCAN, regions, ())
    with FormulaStore.open(tmp_path / "d.db") as store:
        document = store.begin_document("a.pdf", "ab" * 32, "application/pdf", 1, "A", "first").id
        first = Reader("built-in", "a", {2: 0.5, 3: 0.2})
        ((formulas, _),) = read_formulas([page], [(document, 1)], first, 8, store)
        store.write_page(document, page, formulas)
        second = Reader("built-in+ours", "b", {})
        ((formulas, _),) = read_formulas([page], [(document, 1)], second, 8, store, keeps_confident=keeps_confident)
    assert sorted(second.asked) == asked
    assert [f.latex for f in formulas] == letters
    assert [f.model for f in formulas] == [f"built-in{'' if letter == 'a' else '+ours'}" for letter in letters]


def page_of(number: int, *crops_shown: int) -> FoundPage:
    regions = tuple(Region(FormulaKind.INLINE, Box(0, 20 * n, 32, 20 * n + 16), crop=crop(n)) for n in crops_shown)
    return FoundPage("a.pdf", number, 595, 842, 0, PageKind.SCAN, regions, ())


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_crop_underway_for_earlier_pages_is_read_once(is_stored: bool, tmp_path: Path) -> None:
    earlier, later = page_of(1, 1, 2), page_of(2, 2, 3)
    with FormulaStore.open(tmp_path / "d.db") as store:
        document = store.begin_document("a.pdf", "ab" * 32, "application/pdf", 2, "A", "built-in").id
        underway = PageCrops([earlier]).pictures.keys()
        asking = ask_for_formulas(PageCrops([later]), [(document, 2)], "built-in", store, underway=underway)
        assert [int(picture[0, 0]) for picture in next(asking)] == [3]
        if is_stored:
            ((formulas, _),) = read_formulas([earlier], [(document, 1)], Reader("built-in", "a", {}), 8, store)
            store.write_page(document, earlier, formulas)
        late = asking.send([Recognition("b", 0.99, "end")])
        assert [int(picture[0, 0]) for picture in late] == ([] if is_stored else [2])
        with pytest.raises(StopIteration) as done:
            asking.send([Recognition("c", 0.99, "end")] * len(late))
    ((formulas, failures),) = done.value.value
    assert [f.latex for f in formulas] == [("a" if is_stored else "c"), "b"]
    assert not failures
