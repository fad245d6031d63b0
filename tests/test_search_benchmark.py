"""The queries of the search benchmark are what they say, and their right answers are found in a small database."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.search import Judge, build, find_docproc, read_formulas, score
from benchmarks.search_queries import change_symbol, cut_part, make_queries, numbered, put_wildcard, rename, respell
from docproc.fulltext import search_key
from docproc.latex.tokens import split_latex
from docproc.store import FormulaStore

TOKENS = split_latex(r"\sum_{i=1}^{n}x_{i}^{2}\leq\frac{1}{2}\left(a+b_{k}\right)=\operatorname{rank}A")


def test_queries_are_what_they_say() -> None:
    source = "".join(TOKENS)
    for seed in range(20):
        rng = random.Random(seed)
        respelled = respell(TOKENS, rng)
        assert respelled is not None
        assert respelled.replace(" ", "") != source
        assert search_key(respelled) == search_key(source)
        renamed = rename(TOKENS, rng)
        assert renamed is not None
        assert search_key(renamed) != search_key(source)
        assert numbered(split_latex(renamed)) == numbered(TOKENS)
        assert r"\operatorname{rank}" in renamed, "names are no variables"
        part = cut_part(TOKENS, rng)
        assert part is not None
        assert part.replace(" ", "") in source
        off = change_symbol(TOKENS, rng)
        assert off is not None
        assert sum(a != b for a, b in zip(split_latex(off), TOKENS, strict=True)) == 1
        assert "?q" in (put_wildcard(TOKENS, rng) or "")


def test_the_benchmark_finds_the_answers_in_a_small_database(tmp_path: Path) -> None:
    latex = read_formulas((), 300, 1)
    build(tmp_path / "d.db", latex, 1)
    keys = [search_key(text) for text in latex]
    judge = Judge(keys, [split_latex(key) for key in keys])
    queries = make_queries(latex, 8, 1)
    with FormulaStore.open(tmp_path / "d.db") as store:
        for kind, least in (("re-spelled", 1.0), ("renamed", 0.95), ("sub-expression", 0.9), ("one symbol off", 0.85)):
            own = [query for query in queries if query.kind == kind]
            assert all(query.source + 1 in judge.answers(query) for query in own)
            assert score(store, own, find_docproc, judge)["recall@10"] >= least, kind


@pytest.mark.parametrize("kind", ["re-spelled", "renamed", "sub-expression", "one symbol off", "wildcard"])
def test_queries_are_seeded(kind: str) -> None:
    latex = read_formulas((), 300, 1)
    one = [query.text for query in make_queries(latex, 3, 5) if query.kind == kind]
    assert one == [query.text for query in make_queries(latex, 3, 5) if query.kind == kind]
    assert len(one) == 3
