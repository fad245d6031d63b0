import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from docproc.distances import align, bleu, calibration_error, edit_distance, errors_in_lowest, normalized_distance
from docproc.error_report import error_report_html
from docproc.errors import InputError
from docproc.evaluation import Pair, read_labels, score
from docproc.latex.semantics import compare_meaning
from docproc.render_match import has_tex, match_renders, render_latex


def slow_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(row[-1] + 1, last[j] + 1, last[j - 1] + (x != y)))
    return row[-1]


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
@settings(deadline=None)
def test_distance_is_levenshtein(a, b):
    assert edit_distance(a, b) == slow_distance(a, b) == len(align(a, b))
    assert 0 <= normalized_distance(a, b) <= 1


def test_bleu():
    assert bleu([list("abcde")], [list("abcde")]) == pytest.approx(1)
    assert bleu([list("abcde")], [list("vwxyz")]) == 0
    assert bleu([list("abcdef")], [list("abcd")]) == pytest.approx(np.exp(-0.5))
    assert bleu([["a"]], [["a"]]) == pytest.approx(1)


def test_calibration():
    assert calibration_error([0.95] * 20, [True] * 19 + [False]) == pytest.approx(0)
    assert calibration_error([0.95] * 20, [False] * 20) == pytest.approx(0.95)
    assert errors_in_lowest([0.1] + [0.9] * 9, [False] + [True] * 9) == 1
    assert errors_in_lowest([0.9] * 10, [True] * 10) is None


@pytest.fixture
def data(tmp_path):
    Image.fromarray(np.full((8, 20), 255, np.uint8)).save(tmp_path / "a.png")
    rows = [json.dumps({"image": "a.png", "latex": "x^2", "kind": "inline", "source": "book"}), "not json", "[]",
            json.dumps({"image": "gone.png", "latex": "y"}), json.dumps({"image": "a.png"}), ""]
    (tmp_path / "labels.jsonl").write_text("\n".join(rows), "utf-8")
    return tmp_path


def test_labels_are_read_and_bad_rows_reported(data):
    said = []
    rows = read_labels(data, said.append)
    assert [(row.name, row.latex, row.kind, row.source) for row in rows] == [("a.png", "x^2", "inline", "book")]
    assert [line.partition("labels.jsonl:")[2] for line in said] == [
        "2: not JSON", "3: not a JSON object", "4: no picture gone.png", '5: "latex" is missing or empty']
    assert read_labels(data / "labels.jsonl", said.append) == rows


def test_labels_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_labels(tmp_path, print)
    (tmp_path / "labels.jsonl").write_text("{}")
    with pytest.raises(InputError, match="no usable label"):
        read_labels(tmp_path, lambda _: None)


def test_scores():
    pairs = [
        Pair("x^2", "x^{2}", 0.9, "inline", "a"),
        Pair(r"\left(x\right)", "(x)", 0.9, "inline", "a"),
        Pair(r"\frac{a}{b}", r"\frac{a}{c}", 0.4, "display", "b"),
        Pair("a+b", "a+", 0.3, "inline", "b"),
    ]
    scores = score(pairs)
    assert json.loads(json.dumps(scores)) == scores
    assert scores["n"] == 4
    assert scores["exact"] == scores["exprate"] == 0.5
    assert scores["exact_canonical"] == 0.25
    assert scores["at_most_1_error"] == 1
    assert scores["by_kind"]["inline"] == scores["by_kind"]["inline"] | {"n": 3, "exact": 0.6667}
    assert scores["by_source"]["b"]["exact"] == 0
    assert {"truth": "b", "read": "c", "count": 1} in scores["confusions"]
    assert scores["errors_in_lowest_10_percent"] == 0.5
    assert scores["failure_patterns"]["one token"] == 2
    assert score([]) == {"n": 0}


def test_validity_and_runaway_are_counted():
    scores = score([Pair("x", "{x", 0.5), Pair("y", "y" * 40, 0.5, stop_reason="length"), Pair("z", "", 0.1)])
    assert scores["valid"] == pytest.approx(1 / 3, abs=1e-3)
    assert scores["failure_patterns"]["ran on or repeated itself"] == 1
    assert scores["failure_patterns"]["nothing read"] == 1


@pytest.mark.parametrize(("one", "other", "answer"), [
    ("a+b", "b+a", "equal"), (r"\frac{a}{2}", r"\frac12 a", "equal"), ("x=y", "y=x", "equal"),
    (r"(a+b)^2", "a^2+2ab+b^2", "equal"), (r"\sin x\cos x", r"\cos x\sin x", "equal"), ("a+b", "a-b", "different"),
    (r"\sqrt{x}", "x^{1/2}", "equal"), ("x_1", "x_2", "different"), ("f(x)", "xf", "unknown"),
    (r"\int x", r"\int y", "unknown"), ("{", "}", "unknown"), ("2^{10}", "1024", "equal"), ("a=b", "a=c", "unknown"),
    ("9^{9^{9^9}}", "1", "unknown")])
def test_meaning(one, other, answer):
    assert compare_meaning(one, other) == answer


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_compared(one, other):
    compare_meaning(one, other)
    score([Pair(one, other, 0.5)])


def test_report_escapes_and_shows_the_worst_first(data):
    pairs = [Pair("a+b+c+d", "a+b+c+e", 0.9, name="mild"), Pair("x", "<script>alert(1)</script>", 0.9, name="<b>bad"),
             Pair("y", "y", 0.9, name="right"), Pair("z", "w", 0.2, image=data / "a.png", name="pictured")]
    page = error_report_html(pairs, score(pairs))
    assert "<script>" not in page and "<b>bad" not in page
    assert page.index("&lt;b&gt;bad") < page.index("mild")
    assert "data:image/png;base64," in page
    assert "right ·" not in page
    assert "4 formulas, 3 of them read wrong" in page


@pytest.mark.skipif(not has_tex(), reason="pdflatex is not installed")
def test_renders():
    pairs = [(r"\frac{a}{b}", r"\frac{a}{b}"), (r"\left(x\right)", "(x)"), ("a_n", "a_a"), ("x", "{"), ("}", "x"),
             (r"\mathrm{d}x\,y", r"\mathrm{d}xy"), ("x", r"\input{/etc/hostname}"), (r"\undefinedfoo", "x")]
    match = match_renders(pairs)
    assert match.is_equal == (True, True, False, None, None, True, None, None)
    assert (match.truth_failures, match.read_failures) == (2, 2)
    assert match.to_json()["match"] == pytest.approx(3 / 6)


@pytest.mark.skipif(not has_tex(), reason="pdflatex is not installed")
def test_a_formula_that_stops_tex_costs_only_itself():
    formulas = ["x", r"\loop\iftrue\repeat", r"\begin{array}{c}" + r"\undefinedone" * 120 + r"\end{array}", "y"]
    assert set(render_latex(formulas)) == {"x", "y"}


@pytest.mark.skipif(not has_tex(), reason="pdflatex is not installed")
def test_a_formula_that_leaves_a_group_open_spoils_no_other():
    assert set(render_latex([r"\hat\mathbf x", "y", r"\hat\mathbf z", "z"])) == {"y", "z"}
