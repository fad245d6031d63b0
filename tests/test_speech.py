import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.latex.speech import speak

OWN = Path(__file__).parents[1] / "samples" / "formulas" / "formulas.jsonl"


@pytest.mark.parametrize(("latex", "words"), [
    (r"\sum_{i=1}^n x_i^2=\frac{1}{2}", "the sum from i equals 1 to n of x sub i squared equals one half"),
    (r"\lim_{x\to0}f(x)", "the limit as x approaches 0 of f of x"),
    (r"\left|x+1\right|", "the absolute value of x plus 1 end"),
    (r"f'(x)=-3.14", "f prime of x equals negative 3.14"), (r"\binom{n}{k}", "n choose k"),
    (r"\begin{pmatrix}a&b\\c&d\end{pmatrix}", "the 2 by 2 matrix. Row 1: a, b. Row 2: c, d. End matrix."),
    (r"\frac{a+b}{c}", "the fraction with numerator a plus b and denominator c end fraction"),
    (r"\vec{v}\times\mathbf{B}", "vector v times bold cap B"), (r"A^{T}", "cap A transpose"),
    (r"\ce{H2O}", "H sub 2 O"),
    (r"x\in\mathbb{R}", "x is an element of the real numbers"), (r"\sqrt[3]{x}", "the cube root of x"),
    (r"\text{if }x\geq0", "if x is greater than or equal to 0"), ("{", ""),
    ("x" * 5000, "a formula of 5000 characters"),
    (r"\begin{cases}1&x>0\\0\end{cases}", "2 cases. Case 1: 1, x is greater than 0. Case 2: 0.")])
def test_words(latex, words):
    assert speak(latex) == words


def test_every_sample_is_said_in_words():
    for line in OWN.read_text(encoding="utf-8").splitlines():
        latex = json.loads(line)["latex"]
        said = speak(latex)
        assert said, latex
        assert not set("\\{}^_$") & set(said), (latex, said)


@given(st.text(r"\{}^_&$()[]xy12=+ fracsqtleftrightsum|", max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_said_or_not(text):
    assert "\n" not in speak(text)
