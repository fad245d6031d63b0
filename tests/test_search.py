"""Searching by words, by LaTeX in any spelling, and by both."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from docproc.errors import InputError, UsageError
from docproc.records import Block, BlockKind, Box, Formula, FormulaKind, FoundPage, PageKind, Status
from docproc.search import Hit, search
from docproc.store import FormulaStore
from docproc.structural_search import similar_formulas

FORMULAS = [
    # id = place in the list, from 1
    (r"E=mc^{2}", "the rest energy is", "as Einstein found", Status.OK),
    (r"\int_{0}^{\infty}e^{-x^{2}}\,dx=\frac{\sqrt{\pi}}{2}", "The Gauß integral", "is half a root", Status.VERIFIED),
    (r"x_{i}", "the element", "of the vector", Status.OK),
    (r"y=\frac{1}{2}x_{i}+1", "a line with offset", "", Status.OK),
    (r"\frac{1}{2}", "one", "", Status.SUSPECT),
    (r"\Gamma(z)", "the gamma function", "", Status.OK),
    (r"\gamma", "Euler's constant", "", Status.OK),
    (r"a^{2}+b^{2}=c^{2}\,.", "by Pythagoras", "in a right triangle", Status.OK),
    (r"c^{2}=a^{2}+b^{2}+1", "not quite", "", Status.OK),
    (r"q", "rejected thing", "", Status.REJECTED),
    (r"\begin{aligned}x&=1\\y&=2\end{aligned}", "a system of equations", "", Status.OK),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FormulaStore:
    store = FormulaStore.open(tmp_path_factory.mktemp("search") / "d.db")
    for name, title in (("a.pdf", "Notes on Physics"), ("b.pdf", "Notes on Geometry")):
        state = store.begin_document(name, f"sha-{name}", "application/pdf", 1, title, "o")
        formulas = [
            Formula(
                kind=FormulaKind.DISPLAY if "=" in latex else FormulaKind.INLINE,
                position=i,
                box=Box(10.0, 20.0 * i, 30.0, 20.0 * i + 10),
                latex=latex,
                latex_raw=latex,
                status=status,
                confidence=0.9,
                stop_reason="end",
                model="built-in",
                image_sha256="",
                text_before=before,
                text_after=after,
                equation_number="3.2" if i == 2 else None,
            )
            for i, (latex, before, after, status) in enumerate(FORMULAS[: 1 if name == "b.pdf" else None], 1)
        ]
        page = FoundPage(name, 7, 595, 842, 0, PageKind.SCAN, (), (Block(BlockKind.PARAGRAPH, "text"),))
        store.write_page(state.id, page, formulas)
    return store


def ids(hits: list[Hit]) -> list[int]:
    return [hit.formula_id for hit in hits]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        (r"\frac12", 5),
        (r"\frac{1}{2}", 5),
        (r"\frac 1 2", 5),
        ("x_i", 3),
        ("x_{i}", 3),
        ("$x_i$", 3),
        (r"\int_0^\infty e^{-x^2}\,\mathrm{d}x", 2),
        (r"\int_0^\infty e^{-x^2} dx", 2),
        (r"e^{-x^2}", 2),
        ("Gauß integral", 2),
        ("gauss integral", 2),
        ("a^2+b^2=c^2", 8),
        ("Pythagoras a^2", 8),
        ("right triangle", 8),
        (r"\Gamma", 6),
        (r"\gamma", 7),
        ("system of equations", 11),
        ("integral", 2),
        ("physics energy", 1),
        (r"\begin{aligned} x", 11),
    ],
)
def test_the_wanted_formula_comes_first(store: FormulaStore, query: str, first: int) -> None:
    assert ids(search(store, query))[:1] == [first]


def test_exact_comes_before_sub_expression_before_words(store: FormulaStore) -> None:
    hits = search(store, r"\frac12 offset")
    assert [(hit.formula_id, hit.match) for hit in hits[:2]] == [(4, "sub-expression"), (5, "formula")]
    hits = search(store, r"\frac12")
    assert [(hit.formula_id, hit.match) for hit in hits[:2]] == [(5, "formula"), (4, "sub-expression")]
    assert search(store, "a^2+b^2=c^2")[0].match == "formula", "the full stop is the sentence's"
    hits = search(store, "a^2+b^2")
    assert set(ids(hits)[:2]) == {8, 9}
    assert {hit.match for hit in hits[:2]} == {"sub-expression"}


@pytest.mark.parametrize(
    ("query", "first", "match"),
    [
        (r"\int_?a^?b ?f \, dx", 2, "sub-expression"),
        (r"\int_0^\infty ?f dx = ?", 2, "formula"),
        (r"?a^2+?b^2=?c^2", 8, "formula"),
        (r"?a^2 + ?a^2", 8, "structure"),
        ("x^2+y^2=z^2", 8, "renamed"),
        ("x^2+y^2", 8, "renamed"),
        (r"\int_0^\infty e^{-t^2} dt", 2, "renamed"),
        (r"\int_0^\infty e^{-x^3}\,dx=\frac{\sqrt{\pi}}{2}", 2, "structure"),
        ("$v=?f$", 1, "renamed"),
        (r"\frac{1}{?n} x_j", 4, "renamed"),
    ],
)
def test_structural_search(store: FormulaStore, query: str, first: int, match: str) -> None:
    hits = [hit for hit in search(store, query) if hit.match not in ("tokens", "words", "partial")]
    assert [(hit.formula_id, hit.match) for hit in hits[:1]] == [(first, match)]


def test_what_is_whole_and_least_changed_comes_first(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        latex = ["p^2+q^2+1", "u^2+v^2", "a^2+v^2", r"\sqrt{a^2+b^2}", "a^2+b^2", "a^2-b^2"]
        found = [
            Formula(FormulaKind.INLINE, i, Box(0, 20 * i, 9, 20 * i + 9), t, t, Status.OK, 0.9, "end", "m", "s")
            for i, t in enumerate(latex, 1)
        ]
        state = store.begin_document("a.pdf", "sha", "application/pdf", 1, "T", "o")
        store.write_page(state.id, FoundPage("a.pdf", 1, 9, 999, 0, PageKind.SCAN, (), ()), found)
        hits = search(store, "a^2+b^2")
        assert [(hit.formula_id, hit.match) for hit in hits] == [
            (5, "formula"),
            (4, "sub-expression"),
            (3, "renamed"),
            (2, "renamed"),
            (1, "renamed"),
            (6, "structure"),
        ]


def test_similar_formulas(store: FormulaStore) -> None:
    assert similar_formulas(store.connection, 8, "a^2+b^2=c^2", 3)[0] == 9
    assert similar_formulas(store.connection, 1, "E=mc^{2}", 3)[0] == 12
    assert similar_formulas(store.connection, 10, "q", 3) == [], "a letter is like any other"
    assert similar_formulas(store.connection, 10, r"\frac{", 3) == []


def test_a_hit_says_where_it_is(store: FormulaStore) -> None:
    hit = search(store, "Gauß", limit=1)[0]
    assert (hit.document, hit.title, hit.page_number, hit.position) == ("a.pdf", "Notes on Physics", 7, 2)
    assert hit.box == Box(10.0, 40.0, 30.0, 50.0)
    assert (hit.equation_number, hit.status, hit.confidence, hit.kind) == ("3.2", "verified", 0.9, "display")
    assert hit.snippet.startswith("The Gauß integral $")
    assert hit.snippet.endswith("$ is half a root")


def test_filters_and_limit(store: FormulaStore) -> None:
    assert ids(search(store, "energy")) == [1, 12]
    assert ids(search(store, "energy", document="b.pdf")) == [12]
    assert ids(search(store, "energy", limit=1)) == [1]
    assert search(store, "energy", kind="inline") == []
    assert ids(search(store, "one", status="suspect")) == [5]
    assert search(store, "rejected thing") == []
    assert ids(search(store, "rejected thing", status="any")) == [10]
    assert ids(search(store, "energy", pages="1-6,8-")) == []
    assert ids(search(store, "energy", pages="7")) == [1, 12]
    assert ids(search(store, "energy", pages="-9", reviewed=False)) == [1, 12]
    assert search(store, "energy", reviewed=True) == []
    assert search(store, "energy", min_confidence=0.95) == search(store, "energy", max_confidence=0.85) == []
    assert ids(search(store, "?a=?b", document="b.pdf")) == [12]
    assert ids(search(store, "energy $?e=?m ?c^2$"))[:2] == [1, 12]
    with pytest.raises(UsageError, match="pages"):
        search(store, "energy", pages="x")


def test_a_correction_is_found_at_once(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "d.db") as store:
        state = store.begin_document("a.pdf", "sha", "application/pdf", 1, "T", "o")
        wrong = Formula(FormulaKind.INLINE, 1, Box(0, 0, 9, 9), "l", "l", Status.SUSPECT, 0.4, "end", "m", "s")
        store.write_page(state.id, FoundPage("a.pdf", 1, 9, 9, 0, PageKind.SCAN, (), ()), [wrong])
        assert ids(search(store, "$l$")) == [1]
        store.review_formula(1, "correct", "ada", r"\ell + 1")
        assert [(h.latex, h.match) for h in search(store, r"\ell+1")] == [(r"\ell + 1", "formula")]
        assert search(store, "$l$") == []


def test_by_path_and_without_a_database(store: FormulaStore, tmp_path: Path) -> None:
    assert ids(search(store.path, "energy")) == [1, 12]
    with pytest.raises(InputError, match="docproc run"):
        search(tmp_path / "none.db", "energy")


latex_like = st.lists(
    st.sampled_from(
        [
            "\\",
            "{",
            "}",
            "^",
            "_",
            "&",
            r"\frac",
            r"\left(",
            "x",
            "1",
            r"\begin{aligned}",
            r"\text{",
            "$",
            r"\(",
            "%",
            '"',
            "AND",
        ]
    )
).map("".join)


@settings(max_examples=200, deadline=None)
@given(st.text() | latex_like)
@example('"')
@example('NEAR("a" b) AND * : ^ - ( tokens:x')
@example("\ud800\x00")
@example("'; DROP TABLE formulas; --")
@example("\\")
@example("x" * 5000)
@example(r"\frac{" * 500)
def test_no_text_is_an_error(store: FormulaStore, query: str) -> None:
    search(store, query, limit=3)
