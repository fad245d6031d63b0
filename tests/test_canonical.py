import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.latex.canonical import canonical, match_key, recognition_target
from docproc.latex.check import check
from docproc.latex.exact import respell
from docproc.latex.looks import fold
from docproc.latex.tokens import tokenize
from docproc.latex.tree import LatexError, parse

TOKENS = r"""\frac \sqrt [ ] { } ^ _ ' & \\ \left( \right) \begin{matrix} \end{matrix} \begin{aligned} \end{aligned} x y
\alpha \sum \int \rm \bf \over \text{a\ b} \mathrm \operatorname * \bigl( \bigr) \dots , + = \quad \, \not \mathbf 1 2
\hat \limits \substack \ce{H2O} \Delta \bm | . \cdot ( ) \displaystyle \overset \mathop"""
PIECES = st.lists(st.sampled_from(TOKENS.split()), max_size=30)


@pytest.mark.parametrize(("source", "tokens", "starts"), [
    (" a \\alpha\tb", ["a", r"\alpha", "b"], [1, 3, 10]), ("a% x }\n %\n b\\%", ["a", "b", r"\%"], [0, 11, 12]),
    ("a\\ b\\\nc\\\\ d\\", ["a", "\\ ", "b", "\\ ", "c", r"\\", "d", "\\"], [0, 1, 3, 4, 6, 7, 10, 11]),
    ("x\\begin {a b}\\end\t{ a}", ["x", r"\begin{ab}", r"\end{a}"], [0, 1, 13]), ("", [], []), (" \n", [], [])])
def test_tokens_and_where_they_begin(source, tokens, starts):
    assert tokenize(source) == (tokens, starts)


@given(st.text("ab\\ \n{}%[]é\u2003", max_size=30))
def test_every_token_begins_where_it_is_said_to(text):
    tokens, starts = tokenize(text)
    assert [text[start] for start in starts] == [token[0] for token in tokens]


@given(PIECES)
def test_trees_are_not_changed_by_those_who_read_them(pieces):
    try:
        tree, same = parse(" ".join(pieces)), parse(" ".join(pieces))
    except LatexError:
        return
    respell(tree.items)
    fold(tree.items)
    assert tree == same


def test_other_names_of_the_marks_of_scripts_are_known_everywhere():
    assert match_key(r"x\sp{2}\sb\mu") == match_key(r"x^2_\mu")
    assert "<msubsup>" in check(r"x\sp{2}\sb\mu").mathml
    assert check(r"x\sp2\sp3").problems == ("two superscripts on one base at character 6",)


@pytest.mark.parametrize(("source", "expected"), [
    (r"x^2_1", "x_{1}^{2}"), (r"x\sp{\frac12}\sb\mu", r"x_{\mu}^{\frac{1}{2}}"), (r"f'\sp2", r"f^{\prime2}"),
    (r"\text{a\sp b}\spadesuit", r"\text{a\sp b}\spadesuit"),
    ("f''", r"f^{\prime\prime}"), (r"a\le b", r"a\leq b"), (r"{a \over b}", r"\frac{a}{b}"),
    (r"n \choose k", r"\binom{n}{k}"), (r"{\rm d}x", r"\mathrm{d}x"), (r"x \to \infty", r"x\rightarrow\infty"),
    (r"\lbrace x \rbrace", r"\{x\}"), (r"a,\dots,b", r"a,\ldots,b"), (r"a+\dots+b", r"a+\cdots+b"),
    (r"\begin{align*}a&=b\end{align*}", r"\begin{aligned}a&=b\end{aligned}"), (r"\text{if  x }y", r"\text{if x }y"),
    (r"\dfrac12", r"\dfrac{1}{2}"), (r"a\colon b:c", r"a\colon b:c"), (r"\left( x\,\right)", r"\left(x\,\right)"),
    (r"\begin{matrix}a\\ *b\\*c\\ [2pt]\end{matrix}", r"\begin{matrix}a\\\relax *b\\*c\\\relax[2pt]\end{matrix}"),
    (r"\begin{array}{c}a\\ [2pt]b\end{array}", r"\begin{array}{c}a\\[2pt]b\end{array}"),
    (r"\substack{a\\ *b}", r"\substack{a\\\relax *b}"), (r"\substack{a\\*b}", r"\substack{a\\b}"),
    (r"\substack{a\\*[2pt] b\\ [2pt]}", r"\substack{a\\[2pt]b\\\relax[2pt]}"),
    (r"x {=} y", "x{=}y"), (r"a\dotsum b", r"a\dotsum b"), (r"\int_0^1", r"\int_{0}^{1}"), (r"\not= 0", r"\neq0"),
    (r"\overbracket[0.6pt][-1pt]{({p})}", r"\overbracket[0.6pt][-1pt]{(p)}"), (r"{\mathbf \mathrm V}x", "Vx"),
    (r"\mathrm\mathbf\mathsf V", r"\mathsf{V}"), (r"\mathbf{\mathrm V}", r"\mathbf{\mathrm{V}}")])
def test_canonical_form(source, expected):
    assert canonical(source) == expected


@pytest.mark.parametrize(("one", "other"), [
    (r"\left(x\right)", "(x)"), (r"\bigl(x\bigr)", "(x)"), (r"\mathrm{rank}A", r"\operatorname{rank} A"),
    (r"\text{max}", r"\max"), (r"a\,b\;c", "abc"), (r"\colon", ":"), (r"a\mid b", "a|b"), (r"\dfrac ab", r"\tfrac ab"),
    (r"\boldsymbol{x}", r"\bm x"), (r"x^{}", "x"), (r"\implies", r"\Longrightarrow"),
    (r"\begin{pmatrix}a\\b\end{pmatrix}", r"\left(\begin{array}{c}a\\b\end{array}\right)"),
    (r"\Bigl(\frac ab\Bigr)", r"\left(\frac{a}{b}\right)"), (r"\mathrm{d}\mathrm{x}", r"\mathrm{dx}"),
    (r"\left\{\begin{array}{ll}a&b\\c&d\end{array}\right.", r"\begin{cases}a&b\\c&d\end{cases}"),
    (r"\underset{x}{\operatorname{argmax}}", r"\operatorname*{argmax}_x"), (r"\text{for all}", r"\mathrm{for\ all}"),
    (r"\text{kJ/mol}", r"\mathrm{kJ}/\mathrm{mol}"), (r"\text{max. gain}", r"\max.\text{gain}"), ("||x||", r"\|x\|"),
    (r"\substack{a\\[2pt]b}", r"\substack{a\\b}"), (r"\substack{a\\{*}b}", r"\substack{a\\ *b}")])
def test_same_look_same_key(one, other):
    assert match_key(one) == match_key(other)


@pytest.mark.parametrize(("one", "other"), [
    (r"\text{non-zero}", r"\text{non}-\text{zero}"), (r"\left|\|x\right|", r"\|\left|x\right|"),
    (r"\substack{a\\*b}", r"\substack{a\\ *b}"),
    (r"(\frac ab)", r"\left(\frac ab\right)"), (r"\mathbf{x}", r"\bm{x}"), (r"\epsilon", r"\varepsilon"),
    (r"\text{for all}", r"\text{forall}"), (r"x_1^2", r"x^2_{12}"), (r"\bar{x}", r"\hat{x}"), ("x", r"\mathrm{x}"),
    (r"\ldots", r"\cdots"), (r"\begin{array}{l}a\\bc\end{array}", r"\begin{array}{r}a\\bc\end{array}"),
    (r"\text{a-b}", r"\mathrm{a-b}"), (r"\phi", r"\varphi"), (r"\mathcal{A}", r"\mathscr{A}"), (r"a^{bc}", "a^bc")])
def test_other_look_other_key(one, other):
    assert match_key(one) != match_key(other)


@pytest.mark.parametrize(("source", "expected"), [
    (r"\left( x^2 \right)", "(x^{2})"), (r"\operatorname{rank} A_{\text{max}}", r"\operatorname{rank}A_{\max}"),
    (r"x_{\mbox{eff}}", r"x_{\mathrm{eff}}"), (r"a\;\;\;\;b", r"a\quad b"), (r"x\text{ if and only if }y",
     r"x\text{if~and~only~if}y"), (r"\int f\,\mathrm{d}x\tag{3.2}", r"\int f\mathrm{d}x"), (r"\private x", None),
    (r"\ifnum1=1 x\fi", None), ("x^", None), ("-", None), (r"\mathbf{\Delta k}", r"\mathbf{\Delta k}"),
    (r"\begin{aligned}a&=b\\\left[c\right]&=d\end{aligned}", r"\begin{aligned}a&=b\\{}[c]&=d\end{aligned}")])
def test_recognition_target(source, expected):
    assert recognition_target(source) == expected


@given(PIECES)
@settings(max_examples=400, deadline=None)
def test_forms_are_settled(pieces):
    latex = " ".join(pieces)
    once = canonical(latex)
    assert canonical(once) == once
    target = recognition_target(latex)
    if target is not None:
        parse(target)
        assert match_key(target) == match_key(latex)
        assert recognition_target(target) == target


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_has_an_answer(text):
    canonical(text), match_key(text), recognition_target(text)


def test_hostile_input_is_refused_in_words():
    for text in ("{" * 10_000, "x^" * 10_000, r"\frac" * 4_000, r"\left(" * 3_000, "{" * 1_000_000):
        canonical(text), match_key(text)
        with pytest.raises(LatexError) as error:
            parse(text)
        assert "character" in str(error.value)


@pytest.mark.parametrize(
    ("chemistry", "mathematics"),
    [
        ("H2O", r"\mathrm{H}_2\mathrm{O}"),
        ("SO4^2-", r"\mathrm{SO}_4^{2-}"),
        ("H^{+}", r"\mathrm{H}^+"),
        ("^{227}_{90}Th+", r"{}^{227}_{90}\mathrm{Th}^+"),
        ("2 H2 + O2 -> 2H2O", r"2\mathrm{H}_2+\mathrm{O}_2\longrightarrow2\mathrm{H}_2\mathrm{O}"),
        ("A <=>[k] B", r"\mathrm{A}\xrightleftharpoons{\mathrm{k}}\mathrm{B}"),
        ("1/2O2 (g)", r"\frac12\mathrm{O}_2(\mathrm{g})"),
        (r"$\Delta G$ + A", r"\Delta G+\mathrm{A}"),
    ],
)
def test_chemistry_has_the_look_of_the_mathematics_that_it_prints(chemistry, mathematics):
    assert match_key(rf"\ce{{{chemistry}}}") == match_key(mathematics)
    assert recognition_target(rf"\ce{{{chemistry}}}") == recognition_target(mathematics)
    assert canonical(rf"\ce{{{chemistry}}}") == rf"\ce{{{chemistry}}}"


def test_chemistry_without_a_name_in_plain_latex_stays_as_it_is():
    assert recognition_target(r"\ce{ A <=>> B }") == r"\ce{A <=>> B}"
    assert match_key(r"\ce{A\bond{~}B}") == r"\ce{A\bond{~}B}"
    assert match_key(r"\ce{" + "A" * 600 + "}").startswith(r"\ce{")
