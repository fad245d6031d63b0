"""The formula database: contract, resume, replacing, reviews, and what can be wrong with the file."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.errors import OutputError
from docproc.records import (
    Block,
    BlockKind,
    Box,
    Failure,
    Formula,
    FormulaKind,
    FoundPage,
    PageKind,
    Status,
)
from docproc.store import FormulaStore
from tests.store_data import CONTRACT, begin, count_pages, make_formula, make_page, rows_of, write_book


def test_names_of_the_contract_are_there(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        for table, names in CONTRACT.items():
            columns = {row[1] for row in store.connection.execute(f"PRAGMA table_info({table})")}
            assert set(names.split()) <= columns, table
        state = begin(store)
        store.write_page(state.id, *make_page(1))
        found = store.connection.execute("SELECT rowid FROM formulas_fts WHERE formulas_fts MATCH 'energy'").fetchall()
        assert found == [(1,), (2,)]


def test_kill_and_resume_gives_the_rows_of_an_undisturbed_run(tmp_path: Path) -> None:
    write_book(tmp_path / "whole.db")
    killed = tmp_path / "killed.db"
    context = multiprocessing.get_context("spawn")
    for wanted in (3, 9, 30):  # pages on disk when the kill comes
        process = context.Process(target=write_book, args=(killed, 0.01))
        process.start()
        while process.is_alive() and count_pages(killed) < wanted:
            time.sleep(0.005)
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    interrupted = rows_of(killed)
    write_book(killed)
    assert rows_of(killed) == rows_of(tmp_path / "whole.db")
    assert 0 < len(interrupted["pages"]) < 60, "the kills came too early or too late to show anything"


def test_resume_skips_finished_pages_and_retries_failed_ones(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = begin(store)
        for number in (1, 3):
            store.write_page(state.id, *make_page(number))
        store.fail_page(state.id, 2, Failure("recognize", "book.pdf", "out of memory", 2))
        store.finish_document(state.id, "partial")
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = begin(store)
        assert state.finished_pages == {1, 3}
        assert not state.is_finished
        assert [f.reason for f in store.failures()] == ["out of memory"]
        for number in (2, 4):
            store.write_page(state.id, *make_page(number))
        store.finish_document(state.id, "finished")
        assert begin(store).is_finished
        assert store.failures() == []
        assert store.summary().pages == {"done": 4}
        assert store.summary().formulas == {"ok": 8}


def test_a_page_with_a_formula_that_was_not_read_is_tried_again(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "docproc.db") as store:
        state = begin(store, pages=2)
        page, found = make_page(1)
        store.write_page(state.id, page, found, [Failure("recognize", "book.pdf", "out of memory", 1, 2)])
        store.write_page(state.id, *make_page(2))
        assert begin(store, pages=2).finished_pages == {2}
        ids = [formula.id for formula in store.document_formulas(state.id)]
        store.write_page(state.id, page, found)
        assert begin(store, pages=2).finished_pages == {1, 2}
        assert [formula.id for formula in store.document_formulas(state.id)] == ids
        assert store.failures() == []


def test_a_clock_that_is_set_back_hides_no_review(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FormulaStore.open(tmp_path / "docproc.db") as store:
        state = begin(store, pages=1)
        store.write_page(state.id, *make_page(1))
        store.finish_document(state.id, "finished")
        monkeypatch.setattr("docproc.reviewing.now", lambda: "2001-01-01T00:00:00+00:00")
        store.review_formula(1, "correct", "Emmy", "y")
        assert store.has_new_reviews(state.id), "made after the end, whatever the clock says"
        monkeypatch.setattr("docproc.store._now", lambda: "1999-01-01T00:00:00+00:00")
        store.finish_document(state.id, "finished")
        (row,) = store._rows("SELECT finished_at FROM documents")
        assert row["finished_at"] >= store.reviews(1)[0]["at"]


def test_writing_a_page_twice_doubles_nothing(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = begin(store)
        failure = Failure("find", "book.pdf", "odd", 1, 2)
        store.write_page(state.id, *make_page(1), [failure])
        store.write_page(state.id, *make_page(2))
        before = rows_of(tmp_path / "d.db")
        store.write_page(state.id, *make_page(1), [failure])
        assert rows_of(tmp_path / "d.db") == before


def test_a_crash_inside_a_page_leaves_nothing_of_it(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = begin(store)
        store.write_page(state.id, *make_page(1))
        before = rows_of(tmp_path / "d.db")
        page, found = make_page(2)
        with pytest.raises(KeyError):  # a parent that does not exist
            store.write_page(state.id, page, [found[0], replace(found[1], parent_position=9)])
        assert rows_of(tmp_path / "d.db") == before
        store.write_page(state.id, page, found)


def test_changed_options_do_a_document_anew_page_by_page(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = begin(store)
        for number in (1, 2):
            store.write_page(state.id, *make_page(number))
        store.finish_document(state.id, "finished")
        ids = [f.id for f in store.document_formulas(state.id)]
        again = begin(store, "options-2")
        assert again.id == state.id
        assert again.finished_pages == frozenset()
        assert begin(store, "options-1", pages=2).is_finished, "nothing is given up before the first new page"
        begin(store, "options-2")
        page, found = make_page(1, formulas=1)
        store.write_page(state.id, page, [replace(found[0], latex="y")])
        assert [(p.number, p.status) for p in store.document_pages(state.id)] == [(1, "done"), (2, "stale")]
        assert begin(store, "options-2").finished_pages == {1}
        stored = store.document_formulas(state.id)
        assert [f.id for f in stored] == [ids[0], ids[2], ids[3]], "the same place keeps its id"
        assert stored[0].formula.latex == "y"


def test_reviewed_formulas_outlive_a_new_run(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = begin(store)
        page, found = make_page(1, formulas=3)
        store.write_page(state.id, page, found)
        store.review_formula(1, "correct", "ada", r"\frac{a}{b}")
        store.review_formula(3, "reject", "ada")
        assert r"$\frac{a}{b}$" in store.connection.execute("SELECT text FROM pages").fetchone()[0]
        begin(store, "options-2")
        moved = replace(found[0], latex="z", box=Box(51.0, 100.5, 90.0, 112.0))
        store.write_page(state.id, page, [moved, replace(found[1], latex="w")])
        first, second, third = store.document_formulas(state.id)
        assert (first.id, first.formula.latex, first.best_latex) == (1, "z", r"\frac{a}{b}")
        assert first.formula.status is Status.VERIFIED
        assert (second.id, second.best_latex, second.reviewer) == (2, "w", None)
        assert (third.id, third.formula.position, third.formula.status) == (3, 3, Status.REJECTED)
        tokens = store.connection.execute("SELECT tokens FROM formulas_fts WHERE rowid = 1").fetchone()[0]
        assert "c_frac" in tokens
        assert store.connection.execute("SELECT count(*) FROM reviews").fetchone() == (2,)
        with pytest.raises(ValueError, match="no formula 99"):
            store.review_formula(99, "accept", "ada")


def test_equal_crops_are_known_across_documents(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = begin(store)
        found = [make_formula(1, "a"), make_formula(2, "b", top=300, stop_reason="repetition")]
        store.write_page(state.id, make_page(1)[0], found)
        other = begin(store, name="other.pdf")
        store.write_page(other.id, make_page(1)[0], [make_formula(1, "a")])
        known = store.known_recognitions([f"sha-{c}" for c in "abc"] + [f"sha-{i}" for i in range(2000)], "built-in")
        assert {sha: (name, r.latex, r.stop_reason) for sha, (name, r) in known.items()} == {
            "sha-a": ("built-in", "a", "end"),
            "sha-b": ("built-in", "b", "repetition"),
        }
        assert store.known_recognitions(["sha-a"], "other model") == {}


def test_what_another_model_was_sure_of_or_a_person_saw_is_known_if_asked_for(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = begin(store)
        found = [make_formula(n, c, confidence=confidence) for n, (c, confidence) in enumerate(
            [("a", 0.95), ("b", 0.5), ("c", 0.4)], 1)]  # fmt: skip
        store.write_page(state.id, make_page(1)[0], found)
        store.review_formula(store.document_formulas(state.id)[2].id, "correct", "Ann", "c^{2}")
        place = [(state.id, 1)]
        known = store.known_recognitions(["sha-a", "sha-b", "sha-c"], "tuned", place, confident_of_others=True)
        assert {sha: (name, r.latex) for sha, (name, r) in known.items()} == {
            "sha-a": ("built-in", "a"), "sha-c": ("built-in", "c"),
        }  # fmt: skip
        assert store.known_recognitions(["sha-a"], "built-in", place, confident_of_others=True) == {}


def test_names_that_are_not_unicode_are_stored(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.pdf")
    with FormulaStore.open(tmp_path / "d.db") as store:
        store.record_failure(Failure("open", name, "is empty"))
        state = store.begin_document(name, "sha", "application/pdf", 1, "\ud800", "o")
        page = FoundPage(name, 1, 9, 9, 0, PageKind.SCAN, (), (Block(BlockKind.PARAGRAPH, "\udcff"),))
        store.write_page(state.id, page, [make_formula(1, "\ud800", text_before="\udcff")])
        assert store.failures() == []
        assert store.connection.execute("SELECT path FROM documents").fetchone() == ("caf\\udce9.pdf",)


def test_failures_of_files_that_never_opened(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        store.record_failure(Failure("open", "bad.pdf", "is empty"))
        store.record_failure(Failure("open", "bad.pdf", "is still empty"))
        assert [(f.document, f.reason) for f in store.failures()] == [("bad.pdf", "is still empty")]
        begin(store, name="bad.pdf")
        assert store.failures() == []


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
boxes = st.builds(Box, *[st.floats(0, 2000, allow_nan=False)] * 4)
formulas = st.lists(
    st.builds(
        Formula,
        kind=st.sampled_from(FormulaKind),
        position=st.just(0),
        box=boxes,
        latex=texts,
        latex_raw=texts,
        status=st.sampled_from(Status),
        confidence=st.floats(0, 1),
        stop_reason=st.sampled_from(["end", "length"]),
        model=texts,
        image_sha256=texts,
        problems=st.lists(texts, max_size=3).map(tuple),
        repairs=st.lists(st.fixed_dictionaries({"before": texts, "after": texts}), max_size=2).map(tuple),
        mathml=texts,
        equation_number=st.none() | texts,
        lines=st.lists(boxes, max_size=2).map(tuple),
        text_before=texts,
        text_after=texts,
    ),
    max_size=4,
).map(lambda found: [replace(f, position=i, parent_position=i - 1 or None) for i, f in enumerate(found, 1)])
blocks = st.lists(
    st.builds(Block, st.sampled_from(BlockKind), texts, st.integers(0, 6), st.none() | boxes), max_size=4
).map(tuple)


@settings(max_examples=40, deadline=None)
@given(formulas, blocks)
def test_what_is_stored_is_what_is_loaded(found: list[Formula], page_blocks: tuple[Block, ...]) -> None:
    store = _shared_store()
    state = begin(store)
    store.connection.execute("DELETE FROM formulas")
    page = FoundPage("book.pdf", 1, 100.0, 200.0, 90, PageKind.SCAN, (), page_blocks, "odd")
    store.write_page(state.id, page, found)
    assert [f.formula for f in store.document_formulas(state.id)] == found
    (stored,) = store.document_pages(state.id)
    assert (stored.blocks, stored.kind, stored.problem) == (page_blocks, PageKind.SCAN, "odd")


_STORES: list[FormulaStore] = []


def _shared_store() -> FormulaStore:
    if not _STORES:
        _STORES.append(FormulaStore.open(Path(tempfile.mkdtemp()) / "d.db"))
    return _STORES[0]


# --- what can be wrong with the file ---------------------------------------------------------------------------------


def test_reading_beside_a_run_and_after_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    with FormulaStore.open(path) as store:
        state = begin(store)
        with FormulaStore.open(path, read_only=True) as reader:
            store.write_page(state.id, *make_page(1))
            assert len(reader.document_formulas(state.id)) == 2
            with pytest.raises(OutputError, match="cannot be written"):
                begin(reader, name="other.pdf")
    shutil.copy(path, tmp_path / "copy.db")
    with FormulaStore.open(tmp_path / "copy.db", read_only=True) as copy:
        assert len(copy.document_formulas(1)) == 2


def test_the_document_names_every_column(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "database.md").read_text()
    with FormulaStore.open(tmp_path / "d.db") as store:
        for table in [*CONTRACT, "crops"]:
            line = next(line for line in text.splitlines() if line.startswith(f"| `{table}` |"))
            columns = [row[1] for row in store.connection.execute(f"PRAGMA table_info({table})")]
            assert [name for name in columns if f"`{name}`" not in line] == [], table
