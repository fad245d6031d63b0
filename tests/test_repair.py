import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.latex.judge import judge
from docproc.latex.repair import repair
from docproc.records import Status


@pytest.mark.parametrize(("broken", "right"), [
    (r"\[x^{2}\]", "x^{2}"), ("$$x$$", "x"), ("```latex\nx+y\n```", "x+y"), (r"\frac{a}{b", r"\frac{a}{b}"),
    ("x^{2}}+y", "x^{2}+y"), ("a&=b", "a=b"), (r"a&=b\\c&=d", r"\begin{aligned}a&=b\\c&=d\end{aligned}"),
    (r"\left(\frac{a}{b})", r"\left(\frac{a}{b}\right)"), (r"(\frac{a}{b}\right)", r"\left(\frac{a}{b}\right)"),
    (r"\begin{matrix}a&b\\c&d", r"\begin{matrix}a&b\\c&d\end{matrix}"),
    (r"\begin{matrix}a\end{array}", r"\begin{matrix}a\end{matrix}"), ("a+b" + r"\cdot x" * 9, r"a+b\cdot x"),
    ("x^{2}^{2}+y", "x^{2}+y"), (r"\alhpa+\beta", r"\alpha+\beta"), (r"\frac{a}{b}" + "}{b}" * 9, r"\frac{a}{b}"),
    (r"\begin{matrix}a&b\\c&d", r"\begin{matrix}a&b\\c&d\end{matrix}")])
def test_proved_repairs(broken, right):
    repaired = repair(broken)
    assert repaired.latex == right
    assert repaired.steps[0]["before"] == broken
    assert repaired.steps[-1]["after"] == right
    assert all(step["rule"] for step in repaired.steps)


@pytest.mark.parametrize("latex", ["x^{2+y", "x_", r"\frac{a", "x^2", "", "{{{{", "y_{", "}{",
    "x^{2}^{3}", r"A=\begin{matrix}a&b\\c&d=B", r"\qzzx", "$x$ and $y$"])
def test_what_cannot_be_proved_is_left_alone(latex):
    assert repair(latex) == repair(latex).__class__(latex, ())


def test_evidence_decides():
    assert repair("$x$", lambda candidate: "y" in candidate).latex == "x"
    assert not repair("x^{2}}+y", lambda _: False).steps


@given(st.text(r"\{}^_&$()[]xy12=+ ", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_repaired_or_left(text):
    repaired = repair(text)
    assert (repaired.latex == text) or repaired.steps


def test_a_repair_is_told():
    verdict = judge("x^{2}}+y", "end", 0.95)
    assert (verdict.latex, verdict.status) == ("x^{2}+y", Status.SUSPECT)
    assert verdict.problems == ("repaired: opened or dropped a brace",)
    assert verdict.repairs[0]["before"] == "x^{2}}+y"
    assert judge("x^{2}}+y", "end", 0.95, ("x", "2", "+", "y")).status is Status.OK
    for wrapped in (r"\[x\]", r"\(x\)", "$x$", "$$x$$", "```latex\nx\n```"):
        verdict = judge(wrapped, "end", 0.95)
        assert (verdict.latex, verdict.status) == ("x", Status.OK)
        assert verdict.repairs[0]["before"] == wrapped
    assert judge("x^{2}}+y", "end", 0.95, ("z",)).status is Status.INVALID
