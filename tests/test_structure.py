"""Trees, paths and patterns: what structural search stands on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docproc.latex.paths import paths
from docproc.latex.pattern import Match, find_pattern
from docproc.latex.structure import Row, count_leaves, pattern_structure, shape_key, strip_end, structure
from docproc.latex.tree import LatexError
from docproc.records import Box, Formula, FormulaKind, FoundPage, PageKind, Status
from docproc.store import FormulaStore
from tests.conftest import SAMPLES

LATEX = [
    json.loads(line)["latex"]
    for path in [SAMPLES / "formulas" / "labels.jsonl", *sorted(SAMPLES.glob("*.truth.jsonl"))]
    for line in path.read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize(
    ("latex", "row"),
    [
        (r"\frac{a}{x_i^2}", [[r"\frac", ["a"], [["^", [["_", ["x"], ["i"]]], ["2"]]]]]),
        ("12.5x", ["12.5", "x"]),
        ("10^5", [["^", ["10"], ["5"]]]),
        ("(a+b)^2", [["^", [["()", ["a", "+", "b"]]], ["2"]]]),
        (r"\left(\frac12\right)", [["()", [[r"\frac", ["1"], ["2"]]]]]),
        ("[0,1)", [["[)", ["0", ",", "1"]]]),
        (r"\mathbf{uv}", ["bf:u", "bf:v"]),
        (r"\sin x", ["op:sin", "x"]),
        (r"\begin{aligned}a&=b\\&=c\end{aligned}", [["aligned", ["a", "=", "b"], ["=", "c"]]]),
        (r"\int_?a^?b ?", [["^", [["_", [r"\int"], ["?aZ"]]], ["?bZ"]], "?Qx"]),
    ],
)
def test_structures(latex: str, row: Row) -> None:
    assert pattern_structure(latex) == row


def test_the_end_of_a_sentence_is_no_part_of_the_formula() -> None:
    assert [strip_end(t) for t in ("x.", r"x\ .", "x ,;", r"\left\{x\right.", r"x\,", "x")] == [
        "x",
        "x",
        "x",
        r"\left\{x\right.",
        r"x\,",
        "x",
    ]


def test_what_a_part_has_the_whole_has_and_the_part_is_found() -> None:
    parts = 0
    for latex in LATEX:
        row = structure(latex)
        named, renamed = paths(row)
        for part in inner_rows(row):
            own_named, own_renamed = paths(part)
            assert own_named <= named, latex
            assert own_renamed <= renamed, latex
            assert find_pattern(part, row, renaming=False) is not None, latex
            parts += 1
    assert parts > 300


def test_a_renaming_keeps_shape_and_renamed_paths() -> None:
    one, other = structure(r"\sum_{i=1}^n \alpha_i x^i"), structure(r"\sum_{k=1}^m \beta_k y^k")
    assert shape_key(one) == shape_key(other)
    assert paths(one)[1] == paths(other)[1]
    assert shape_key(one) != shape_key(structure(r"\sum_{i=1}^n \alpha_i x^n"))
    assert shape_key(structure(r"\mathbf{x}")) != shape_key(structure("x"))
    assert paths(structure("b+a"))[0] - paths(structure("a+b"))[0] == {"b>+", "+>a"}, "order shows in neighbors alone"


@pytest.mark.parametrize(
    ("pattern", "latex", "renaming", "match"),
    [
        (r"\int_?a^?b ?f \, dx", r"A=\int_0^1 x^2+1\,dx", False, Match(False, 0)),
        (r"\int_?a^?a ?f \, dx", r"A=\int_0^1 x^2+1\,dx", False, None),
        (r"\int_?a^?a ?f \, dx", r"\int_{c+1}^{c+1} x^2\,dx", False, Match(True, 0)),
        (r"\frac{?x}{?x+1}", r"\frac{a^2}{a^2+1}", False, Match(True, 0)),
        (r"\frac{?x}{?x+1}", r"\frac{a^2}{a+1}", False, None),
        ("?a+?b", "x=y", False, None),
        ("? = ?", "a+b=c", False, Match(True, 0)),
        ("?a ?a", "x+y x+y", False, Match(True, 0)),
        ("a^2+b^2=c^2", "x^2+y^2=r^2", True, Match(True, 3)),
        ("a^2+b^2=c^2", "x^2+y^2=x^2", True, None),
        ("a^2+b^2=c^2", "x^2+y^2=r^2", False, None),
        ("a^2+b^2", r"\sqrt{x^2+b^2}", True, Match(False, 1)),
        (r"\mathbf{a}", "a", True, None),
        ("x_i", "x_i^2", False, Match(False, 0)),
        ("x+1", "(x+1)^2", False, Match(False, 0)),
        (r"\sin x", r"\cos x", True, None),
        ("2x", "3x", True, None),
    ],
)
def test_patterns(pattern: str, latex: str, renaming: bool, match: Match | None) -> None:
    assert find_pattern(pattern_structure(pattern), structure(latex), renaming=renaming) == match


def test_many_wildcards_end_soon() -> None:
    pattern = pattern_structure("".join(f"?{c}+" for c in "abcdefgh") + r"\Gamma^2")
    assert find_pattern(pattern, structure("+".join("xyzuvw" * 10)), renaming=True) is None


@given(st.text(alphabet=r"ab1+=^_{}()?\, ", max_size=30))
def test_any_query_parses_or_is_refused(text: str) -> None:
    try:
        row = pattern_structure(text)
    except LatexError:
        return
    paths(row)
    assert count_leaves(row) >= 0
    if row:
        assert "?" in text or find_pattern(row, row, renaming=True) == Match(True, 0)


def index_rows(connection: sqlite3.Connection) -> tuple[list[object], list[object]]:
    """What the structural index holds: trees, and formulas of each path."""
    trees = connection.execute("SELECT * FROM formula_trees ORDER BY 1").fetchall()
    connection.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.path_terms USING fts5vocab(main, formula_paths, 'row')")
    return trees, connection.execute("SELECT term, doc FROM temp.path_terms ORDER BY 1").fetchall()


def write(store: FormulaStore, latex: list[str]) -> None:
    found = [
        Formula(FormulaKind.INLINE, i, Box(0, 20 * i, 9, 20 * i + 9), t, t, Status.OK, 0.9, "end", "m", "s")
        for i, t in enumerate(latex, 1)
    ]
    state = store.begin_document("a.pdf", "sha", "application/pdf", 1, "T", "o")
    store.write_page(state.id, FoundPage("a.pdf", 1, 9, 999, 0, PageKind.SCAN, (), ()), found)


def test_the_index_keeps_in_step_and_can_be_made_anew(tmp_path: Path) -> None:
    with FormulaStore.open(tmp_path / "one.db") as store, FormulaStore.open(tmp_path / "other.db") as other:
        write(store, ["a+b", r"\frac{1}{x}", r"\frac{", "y^2"])
        write(store, ["a+b", r"\sqrt{x}", r"\frac{1}{2}"])
        store.review_formula(1, "correct", "ada", "p+q")
        write(other, ["p+q", r"\sqrt{x}", r"\frac{1}{2}"])
        kept = index_rows(store.connection)
        assert kept == index_rows(other.connection)
        assert store.reindex() == 3
        assert index_rows(store.connection) == kept


def test_a_database_of_the_first_schema_gets_its_index(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with FormulaStore.open(path) as store:
        write(store, ["a+b", r"\frac{"])
        kept = index_rows(store.connection)
        store.connection.execute("DROP TABLE formula_paths")
        store.connection.execute("DROP TABLE formula_trees")
        store.connection.execute("DELETE FROM _sqlite_migrations WHERE name != 'm001_initial'")
        store.connection.execute("PRAGMA user_version = 1")
    with FormulaStore.open(path) as store:
        assert index_rows(store.connection) == kept


def inner_rows(row: Row) -> Iterator[Row]:
    for node in row:
        if isinstance(node, list):
            for part in node[1:]:
                if part:
                    yield part
                    yield from inner_rows(part)
