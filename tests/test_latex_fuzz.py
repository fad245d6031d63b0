"""Whatever comes, an answer in time (benchmarks/latex_fuzz.py runs longer)."""

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.latex_fuzz import FUNCTIONS, GIANTS, LIMIT_SECONDS
from docproc.latex.check import check
from docproc.latex.judge import judge

# Of what a quiet machine needs; tests share theirs.
SLACK = 3


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_giants_are_answered_in_time(function):
    check("x")  # loads KaTeX
    for text in GIANTS:
        begun = thread_time()
        function(text)
        assert thread_time() - begun < SLACK * LIMIT_SECONDS, text[:40]


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
