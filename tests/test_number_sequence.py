"""Equation numbers that do not follow one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docproc.number_sequence import find_breaks


def words(labels: str, pages: range = range(1, 9)) -> list[str]:
    """Breaks in `page:label …`; a label alone stands on page 1."""
    numbers = [(int(page or 1), label) for page, _, label in (text.rpartition(":") for text in labels.split())]
    return [said for _, said in find_breaks(numbers, pages)]


@pytest.mark.parametrize(
    "labels",
    ["1 2 3", "1.1 1.2 2.1 2.2 4.1", "1 2a 2b 3", "1 2 1 2 3", "A.1 A.2 B.1", "3 4 5",
     "1 * 2 3′ 3", "1 2 2 3", "4 4a 4b"],
)
def test_what_follows_is_no_break(labels: str) -> None:
    assert words(labels) == []


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("1 2 4 5", "no formula has the number (3), between (2) and (4)"),
        ("2.3 2.7", "no formula has the numbers (2.4) to (2.6), between (2.3) and (2.7)"),
        ("2.3 3.2", "no formula has the number (3.1), between (2.3) and (3.2)"),
        ("1 2 8 4 5", "(8) stands between (2) and (4)"),
        ("1 2 17 3 4", "(17) stands between (2) and (3)"),
        ("5 6 4 9", "(4) stands behind (6)"),
    ],
)
def test_what_does_not_follow_is_told(labels: str, expected: str) -> None:
    assert words(labels)[0] == expected


def test_a_number_out_of_place_is_told_once() -> None:
    assert len(words("1 2 8 4 5 6")) == 1


def test_pages_that_were_not_read_hold_what_is_missing() -> None:
    assert words("1:3 5:9", range(1, 9)) and not words("1:3 5:9", range(1, 4))


@given(st.lists(st.tuples(st.integers(1, 5), st.text(max_size=5))))
def test_no_label_is_an_error(numbers: list[tuple[int, str]]) -> None:
    find_breaks(numbers, range(1, 6))
