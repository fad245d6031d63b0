"""Whatever comes, an answer in time (benchmarks/latex_fuzz.py runs longer)."""

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.latex_fuzz import FUNCTIONS, GIANTS
from docproc.latex.check import check
from docproc.latex.judge import judge

# What takes quadratic time needs minutes for a giant. The 0.1 s that are promised are measured by the benchmark alone.
HANGS_AFTER_SECONDS = 5


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_no_giant_makes_a_function_hang(function):
    check("x")  # loads KaTeX
    for text in GIANTS:
        begun = thread_time()
        function(text)
        assert thread_time() - begun < HANGS_AFTER_SECONDS, text[:40]


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes(data):
    for text in (data.decode("latin-1"), data.decode("utf-8", "surrogateescape")):
        for function in FUNCTIONS:
            function(text)
        judge(text, "end", 0.9, ("x",), ((0, 0, 1, 1, 10),))


@given(st.text(st.characters(), max_size=100))
@settings(max_examples=100, deadline=None)
def test_any_unicode(text):
    for function in FUNCTIONS:
        function(text)
