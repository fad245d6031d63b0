"""Which parts of a query are LaTeX and which are words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docproc.query import parse_query


@pytest.mark.parametrize(
    ("text", "formulas", "words"),
    [
        ("energy E = mc^2", ["E = mc^2"], ["energy"]),
        (r"the integral \int_0^1 x dx", [r"\int_0^1 x dx"], ["the", "integral"]),
        ("ideal gas pV = nRT law", ["pV = nRT"], ["ideal", "gas", "law"]),
        (r"\text{if x is big} then", [r"\text{if x is big}"], ["then"]),
        ("∫ f dμ", ["∫ f dμ"], []),
        ("normal_lpdf", [], ["normal", "lpdf"]),
        ("a function f(x) = 2", ["f(x) = 2"], ["a", "function"]),
        ("and/or", [], ["and", "or"]),
        ("chapter 5", [], ["chapter", "5"]),
        ("$x$ is prime", ["x"], ["is", "prime"]),
        (r"\(a\) or \[b\]", ["a", "b"], ["or"]),
        ("sin^2 x + cos^2 x = 1", [r"\sin^2 x + \cos^2 x = 1"], []),
        ("a/b", ["a/b"], ["a", "b"]),
        ("Schrödinger Straße", [], ["schrodinger", "strasse"]),
        (r"\int_?a^?b ?f \, dx", [r"\int_?a^?b ?f \, dx"], []),
        ("what is energy ?", [], ["what", "is", "energy"]),
        ("why?", [], ["why"]),
        ("f(?x)", ["f(?x)"], []),
        ("C++ is fun", ["C++"], ["is", "fun"]),
        ("", [], []),
    ],
)
def test_formulas_and_words(text: str, formulas: list[str], words: list[str]) -> None:
    query = parse_query(text)
    assert (list(query.formulas), list(query.words)) == (formulas, words)


@given(st.text())
def test_any_text_is_a_query(text: str) -> None:
    query = parse_query(text)
    assert all(word.isalnum() for word in query.words)
