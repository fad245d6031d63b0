"""Mentions of numbered formulas in the prose."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docproc.records import (
    MARK_CLOSE,
    MARK_OPEN,
    Block,
    BlockKind,
    Box,
    Formula,
    FormulaKind,
    FoundPage,
    PageKind,
    Status,
)
from docproc.references import find_references, split_numbers
from docproc.store import FormulaStore


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("by (3.2) and (3.3), but not (7)", ["3.2", "3.3"]),
        ("Eq. (14), Eqs. 15 and equation (A.1)", ["14", "15", "A.1"]),
        ("nach Gleichung (5) und Gl. 6a", ["5", "6a"]),
        ("in (2012) and on 3.2 pages of section 3.3", []),
        ("$f(3.2)$ is not (3.2)", ["3.2"]),
        ("equations of motion", []),
    ],
)
def test_mentions(text: str, labels: list[str]) -> None:
    found = find_references(text, {"3.2", "3.3"})
    assert [reference.label for reference in found] == labels
    assert all(text[r.place :].startswith(r.label) for r in found)


@given(st.text(), st.sets(st.text(max_size=4), max_size=3))
def test_no_text_is_an_error(text: str, numbers: set[str]) -> None:
    find_references(text, numbers)
    split_numbers(text)


def test_references_are_linked_when_the_document_is_finished(tmp_path: Path) -> None:
    def page(number: int, text: str, equation_number: str) -> tuple[FoundPage, list[Formula]]:
        blocks = (Block(BlockKind.FORMULA, f"{MARK_OPEN}1{MARK_CLOSE}"), Block(BlockKind.PARAGRAPH, text))
        formula = Formula(
            FormulaKind.DISPLAY, 1, Box(0, 0, 9, 9), "a", "a", Status.OK, 0.9, "end", "m", "s",
            equation_number=equation_number,
        )  # fmt: skip
        return FoundPage("a.pdf", number, 100, 100, 0, PageKind.SCAN, (), blocks), [formula]

    def links() -> list[tuple[int, str, int | None]]:
        rows = store.connection.execute("SELECT page_id, label, formula_id, place FROM formula_references ORDER BY id")
        pages = dict(store.connection.execute("SELECT id, text FROM pages").fetchall())
        found = rows.fetchall()
        assert all(pages[page_id][place:].startswith(label) for page_id, label, _, place in found)
        return [row[:3] for row in found]

    with FormulaStore.open(tmp_path / "d.db") as store:
        state = store.begin_document("a.pdf", "sha", "application/pdf", 3, "T", "o")
        store.write_page(state.id, *page(1, "see (2) and (5)", "1"))
        store.write_page(state.id, *page(2, "by (1), and equation (9)", "2, 3"))
        store.write_page(state.id, *page(3, "now (1) is this one, and (3) the old one", "1"))
        assert links() == []
        store.finish_document(state.id, "finished")
        expected = [(1, "2", 2), (2, "1", 1), (2, "9", None), (3, "1", 3), (3, "3", 2)]
        assert links() == expected
        store.review_formula(2, "correct", "ada", r"\frac{a}{b}")
        assert sorted(links(), key=str) == sorted(expected, key=str)
        store.finish_document(state.id, "finished")
        assert links() == expected


def test_numbers_that_do_not_fit_are_reported(tmp_path: Path) -> None:
    from dataclasses import replace

    from docproc.records import Block, BlockKind, Box, Formula, FormulaKind, FoundPage, PageKind, Status
    from docproc.reports import failure_rows

    one = Formula(FormulaKind.DISPLAY, 1, Box(0, 0, 9, 9), "a", "a", Status.OK, 0.9, "end", "m", "s")
    one = replace(one, equation_number="1, 2")
    other = replace(one, position=2, box=Box(0, 20, 9, 29), equation_number="2")
    last = replace(one, position=3, box=Box(0, 40, 9, 49), equation_number="4")
    text = Block(BlockKind.PARAGRAPH, "By (1), (2) and equation (7).")
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = store.begin_document("a.pdf", "sha", "application/pdf", 1, "T", "o")
        store.write_page(state.id, FoundPage("a.pdf", 1, 9, 99, 0, PageKind.SCAN, (), (text,)), [one, other, last])
        store.finish_document(state.id, "finished")
        rows = [(row["what"], row["page"], row["reason"]) for row in failure_rows(store)]
        assert rows == [
            ("equation number", None, "2 formulas have the number (2)"),
            ("equation number", 1, "no formula has the number (3), between (2) and (4)"),
            ("equation number", 1, "no formula has the number (7)"),
        ]
        store.review_formula(2, "reject", "ada")
        gap = "no formula has the number (3), between (2) and (4)"
        assert [row["reason"] for row in failure_rows(store)] == [gap, "no formula has the number (7)"]
