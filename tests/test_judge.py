import xml.etree.ElementTree as ET
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.latex.accent_places import has_accents_in_place
from docproc.latex.check import check
from docproc.latex.evidence import Agreement, compare_with_glyphs
from docproc.latex.hints import find_hints, is_complete
from docproc.latex.judge import judge
from docproc.latex.rules import count_rules
from docproc.latex.symbols import visible_symbols
from docproc.records import Status


@pytest.mark.parametrize("latex", [
    r"\frac{a}{b}", r"\begin{aligned}a&=b\\c&=d\end{aligned}", r"\ce{H2O + CO2 -> H2CO3}", r"\mbox{for }x\tag{3.2}",
    r"\begin{multlined}a\\b\end{multlined}", r"\begin{bsmallmatrix}1&0\\0&1\end{bsmallmatrix}", r"\text{a < b \& c}",
    r"\begin{array}{@{}l|r@{}}a&b\\\hline c&d\end{array}", r"\iiiint f", r"\sideset{_a}{^b}\prod x"])
def test_valid_latex_has_well_formed_mathml(latex):
    checked = check(latex)
    assert checked.is_valid, checked.problems
    root = ET.fromstring(checked.mathml)
    assert root.tag.endswith("math")
    assert "application/x-tex" not in checked.mathml


def test_mathml_carries_its_source_and_its_kind():
    assert 'alttext="a&lt;b"' in check("a<b").mathml
    assert 'display="block"' in check("a", is_display=True).mathml
    assert 'display="block"' not in check("a", is_display=False).mathml


@pytest.mark.parametrize(("latex", "words"), [
    (r"\frac{a", "opening brace without a closing one at character 6"), ("x}", "closing brace"),
    (r"\foo x", r"unknown command \foo at character 1"), ("a & b", "& outside an environment at character 3"),
    ("x^2^3", "two superscripts"), (r"\left( x", r"\left without its \right"), (r"x \right)", r"\right without \left"),
    (r"\begin{matrix}a", "not closed"), (r"\begin{matrix}a\end{array}", "closed by"), ("x_", "_ lacks its script"),
    (r"\begin{foo}x\end{foo}", "unknown environment foo"), ("", "no formula"), ("\ud800", "half a character")])
def test_problems_are_named_in_words(latex, words):
    checked = check(latex)
    assert not checked.is_valid
    assert words in checked.problems[0]
    assert "\n" not in checked.problems[0]


def test_hostile_input_is_answered_at_once():
    check("x")
    for latex in ("{" * 1_000_000, "\\frac" * 200_000, "x^" * 5000, r"\begin{matrix}" * 600, r"\def\a{\a\a}\a",
                  "a" * 50_000, r"\sqrt{" * 45 + "x" + "}" * 45, "\x00" * 500, "\\" * 9_999):
        start = perf_counter()
        check(latex)
        assert perf_counter() - start < 1.0  # 0.1 s on a quiet machine


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_judged(text):
    verdict = judge(text, "end", 0.9, ("x",))
    if verdict.mathml:
        ET.fromstring(verdict.mathml)


def test_symbols_in_reading_order():
    assert visible_symbols(r"\sum_{i=1}^n \mathbf{x}_i \le \sin\alpha") == (
        r"\sum", "i", "=", "1", "n", "x", "i", r"\leq", "s", "i", "n", r"\alpha")
    assert visible_symbols(r"a\ne b,\dots") == ("a", r"\not", "=", "b", ",", ".", ".", ".")
    assert visible_symbols("{") == ()


@pytest.mark.parametrize(("latex", "glyphs", "agreement"), [
    (r"x_{1}+\beta", ("x", "1", "+", r"\beta"), Agreement.FULL),
    (r"\frac{a}{b}", ("a", "b"), Agreement.FULL),
    (r"x_{1}+\nu", ("x", "1", "+", "v"), Agreement.NONE),
    ("x+y", ("y", "+", "x"), Agreement.NONE),
    (r"\mathbf{x}", (r"\mathbf{x}",), Agreement.FULL),
    ("x", (r"\mathbf{x}",), Agreement.NONE),
    (r"x\neq y", ("x", r"\neq", "y"), Agreement.FULL),
    (r"x\neq y", ("x", r"\not", "=", "y"), Agreement.FULL),
    ("x+y", ("x", "?", "y"), Agreement.PARTIAL),
    ("x", (), Agreement.UNKNOWN),
    (r"\ce{H2O}", ("H", "2", "O"), Agreement.UNKNOWN),
    (r"a\varphi", ("a", r"\phi"), Agreement.PARTIAL)])
def test_glyphs_speak(latex, glyphs, agreement):
    assert compare_with_glyphs(latex, glyphs).agreement is agreement


def test_a_difference_is_told_in_words():
    evidence = compare_with_glyphs(r"x+\nu", ("x", "+", "v"))
    assert "v is on the page but not in the LaTeX" in evidence.differences
    assert r"\nu is in the LaTeX but not on the page" in evidence.differences


@pytest.mark.parametrize(("latex", "hint"), [
    (r"f((x)+(y)", "brackets"), ("a+b=", "nothing stands after"), ("a==b", "two relations"),
    (r"\begin{pmatrix}1&2\\3&4&5\end{pmatrix}", "rows of a matrix"), ("x" + r"\alpha y" * 9, "repeats")])
def test_hints(latex, hint):
    assert any(hint in found for found in find_hints(latex))


@pytest.mark.parametrize("latex", [
    r"[0,1)\cup(2,3]", "x=y", r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", "= 5", "111111111"])
def test_no_hint_for_sound_formulas(latex):
    assert find_hints(latex) == ()


@pytest.mark.parametrize(("raw", "stop", "confidence", "glyphs", "status"), [
    ("x^2", "end", 0.99, ("x", "2"), Status.VERIFIED), ("x^2", "end", 0.7, ("x", "2"), Status.OK),
    ("x^2", "end", 0.99, (), Status.OK), ("x^2", "end", 0.99, ("y", "2"), Status.SUSPECT),
    ("x^2", "end", 0.2, (), Status.SUSPECT), ("x^", "end", 0.99, (), Status.INVALID),
    ("", "end", 0.99, (), Status.FAILED), ("x" * 50, "length", 0.9, (), Status.FAILED),
    ("x", "repetition", 0.9, (), Status.FAILED), ("", "not-a-formula", 0.9, (), Status.REJECTED)])
def test_status(raw, stop, confidence, glyphs, status):
    boxes = ((0, 4, 5, 8.3, 10), (5.7, 0, 9, 4.5, 7)) if len(glyphs) == 2 else ()
    verdict = judge(raw, stop, confidence, glyphs, boxes)
    assert verdict.status is status
    assert bool(verdict.problems) == (status not in (Status.VERIFIED, Status.OK))


@pytest.mark.parametrize(("raw", "glyph", "rules", "status"), [
    (r"\mathcal{F}", r"\mathcal{F}", 0, Status.VERIFIED), (r"\mathcal{F}", r"\mathscr{F}", 0, Status.OK),
    (r"\mathcal{F}", "F", 0, Status.OK), (r"\mathrm{T}", r"\mathsf{T}", 0, Status.OK),
    (r"\mathsf{T}", r"\mathsf{T}", 0, Status.VERIFIED), ("T", r"\mathrm{T}", 0, Status.OK),
    (r"\mathrm{T}", r"\mathrm{T}", 0, Status.VERIFIED), (r"\bm{\tau}", r"\tau", 0, Status.OK),
    ("E", "E", 0, Status.VERIFIED), ("E", "E", 1, Status.OK),
    (r"\underline{E}", "E", 1, Status.VERIFIED), (r"\underline{E}", "E", 0, Status.OK)])
def test_alphabets_and_rules_must_be_those_of_the_page(raw, glyph, rules, status):
    assert judge(raw, "end", 0.99, (glyph,), ((0, 0, 5, 7, 10),), rule_count=rules).status is status


@pytest.mark.parametrize(("latex", "is_all"), [
    ("f(2)", True), ("x=a(1.2)", True), ("x=(y)(1.2)", False), (r"\begin{aligned}(0.7)a&=b\end{aligned}", False),
    (r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", True), (r"\begin{pmatrix}a^{2}&0\\0&1\end{pmatrix}", False),
    ("(1)x", False), ("(1+x)", True), ("a=", False), ("(a", False)])
def test_what_may_lack_something_or_hold_its_number_is_not_complete(latex, is_all):
    assert is_complete(latex) is is_all


@pytest.mark.parametrize(("latex", "count"), [
    (r"\frac{a}{\sqrt[3]{b}}", 2), (r"\overline{x}+\bar x", 1), (r"{a\over b}", 1), (r"\overset{a}{b}\xi", 0),
    (r"\boxed{x}", None), (r"\overbrace{x}", None), (r"\begin{array}{c}\hline a\end{array}", None), ("{", None)])
def test_rules_are_counted(latex, count):
    assert count_rules(latex) == count


LINE = tuple((6.0 * i, 0.0, 6.0 * i + 5, 7.0, 10.0) for i in range(8))


@pytest.mark.parametrize(("raw", "glyphs", "words"), [
    (r"\hat{x}", ("x", r"\tilde"), r"\tilde is on the page"),
    (r"p(1)", ("p", "(", r"\mathother{1}", ")"), "another font"),
    ("V", (r"\mathscript{V}",), "V is script on the page"),
    (r"\begin{matrix}x&=&4\end{matrix}", ("x", "=", "4"), "one row")])
def test_what_the_page_contradicts_is_suspect(raw, glyphs, words):
    verdict = judge(raw, "end", 0.99, glyphs, LINE[:len(glyphs)])
    assert verdict.status is Status.SUSPECT
    assert words in "; ".join(verdict.problems)


@pytest.mark.parametrize(("raw", "glyphs"), [
    (r"\|x\|", (r"\Vert",) * 4 + ("x",)), (r"\begin{cases}a\\b\end{cases}", (r"\{",) * 3 + ("a", "b")),
    (r"\bar{x}+y", (r"\bar", "x", "+", "y")), (r"\bar{x}+y", ("x", r"\bar", "+", "y")),
    (r"\mathcal{V}", (r"\mathscript{V}",)), (r"p(\mathsf{1})", ("p", "(", r"\mathother{1}", ")"))])
def test_pieces_of_brackets_and_the_order_of_accents_contradict_nothing(raw, glyphs):
    assert compare_with_glyphs(raw, glyphs).agreement is not Agreement.NONE


def test_the_edge_of_a_cell_is_no_overline():
    """A line of the table above the cell was read as part of the formula."""
    verdict = judge(r"\overline{a\geq b}", "end", 0.99, ("a", r"\geq", "b"), LINE[:3], rule_count=0)
    assert (verdict.latex, verdict.status) == (r"a\geq b", Status.OK)
    assert verdict.repairs[0]["rule"] == "removed a line that the page does not draw"
    either = judge(r"\overline{a}+\overline{b}", "end", 0.99, ("a", "+", "b"), LINE[:3], rule_count=1)
    assert either.status is Status.SUSPECT
    assert judge(r"\overline{a}", "end", 0.99, ("a",), LINE[:1], rule_count=1).status is Status.VERIFIED
    assert judge(r"\overline{a}", "end", 0.99, rule_count=0).status is Status.OK  # no glyphs: a scan


def test_what_glyphs_do_not_prove_takes_more_confidence():
    assert judge("ab", "end", 0.6, ("a", "b"), LINE[:2]).status is Status.OK
    assert judge(r"a\mathcal{B}", "end", 0.6, ("a", "?"), LINE[:2]).status is Status.SUSPECT
    assert judge("ab", "end", 0.6).status is Status.OK


X, INDEX = (10.0, 3.0, 15.0, 8.0, 10.0), (15.5, 6.0, 18.5, 11.0, 7.0)


@pytest.mark.parametrize(("raw", "accent", "glyphs", "boxes", "is_proved"), [
    (r"\hat{x}", (11.0, 0.0, 14.0, 2.0, 10.0), (r"\hat", "x"), (X,), True),
    (r"\widehat{x}", (11.0, 0.0, 14.0, 2.0, 10.0), (r"\hat", "x"), (X,), False),
    (r"\hat{x}", (9.5, 0.0, 15.5, 2.0, 10.0), (r"\hat", "x"), (X,), False),
    (r"\widehat{x}", (9.5, 0.0, 15.5, 2.0, 10.0), (r"\hat", "x"), (X,), True),
    (r"\vec{r}_{2}", (11.0, 0.0, 14.5, 2.0, 10.0), (r"\vec", "r", "2"), (X, INDEX), True),
    (r"\vec{r}_{2}", (13.0, 0.0, 16.5, 2.0, 10.0), (r"\vec", "r", "2"), (X, INDEX), False),
    (r"\vec{r_{2}}", (13.0, 0.0, 16.5, 2.0, 10.0), (r"\vec", "r", "2"), (X, INDEX), False)])
def test_accents_must_stand_where_and_be_as_wide_as_the_latex_says(raw, accent, glyphs, boxes, is_proved):
    assert has_accents_in_place(raw, glyphs, (accent, *boxes)) is is_proved


def test_an_accent_that_is_not_on_the_page_is_not_proved():
    assert not has_accents_in_place(r"\hat{x}", ("x",), (X,))
    assert has_accents_in_place("x", ("x",), (X,))
