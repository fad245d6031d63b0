"""The built-in renderer, and whether glyphs stand where it says."""

from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.latex.judge import judge
from docproc.latex.layout import lay_out
from docproc.latex.places import compare_places
from docproc.records import Status

# Computer Modern at 10 pt, as pdflatex sets it: x, superscript 2.
POWER = ("x", "2"), ((0.3, 5.7, 5.4, 10.1, 10), (5.9, 1.7, 9.6, 6.2, 7))
# a over b in a display, then the same two glyphs exchanged.
FRACTION = ("a", "b"), ((0.6, -11.3, 5.4, -6.8, 10), (0.8, 0.0, 4.5, 6.9, 10))
# f'(x), then f with the prime as a subscript.
PRIME_NAMES = ("f", r"\prime", "(", "x", ")")
PRIME = PRIME_NAMES, ((149.2, 127.7, 154.2, 136.8, 10), (155.0, 127.3, 156.7, 130.9, 7),
                      (158.4, 127.3, 160.8, 137.2, 10), (161.6, 130.4, 166.6, 134.9, 10),
                      (167.6, 127.3, 169.9, 137.2, 10))
LOW_PRIME = PRIME_NAMES, ((149.2, 139.7, 154.2, 148.8, 10), (153.9, 144.3, 155.7, 147.9, 7),
                          (157.4, 139.2, 159.7, 149.2, 10), (160.5, 142.3, 165.5, 146.8, 10),
                          (166.5, 139.2, 168.8, 149.2, 10))


def boxes(latex, **options):
    return {box.text: box for box in lay_out(latex, **options) if box.text}


def test_scripts_fractions_and_rows_stand_where_tex_puts_them():
    found = boxes("x^{2}_{i}")
    assert found["2"].y1 < found["x"].y0 + 0.2 < found["x"].y1 < found["i"].y1
    assert (found["x"].em, found["2"].em) == (1.0, 0.7)
    found = boxes(r"\frac{a}{b}c")
    assert found["a"].y1 < found["c"].y0 < found["c"].y1 < found["b"].y0 + 0.1
    assert found["c"].x0 > found["b"].x1
    found = boxes(r"\begin{aligned}a&=b\\c&=d\end{aligned}")
    assert found["a"].y1 < found["c"].y0
    assert found["b"].x0 == pytest.approx(found["d"].x0)


def test_limits_follow_the_style():
    assert boxes(r"\sum_{i}", is_display=True)["i"].y0 > boxes(r"\sum_{i}", is_display=True)["∑"].y1
    assert boxes(r"\sum_{i}", is_display=False)["i"].x0 > boxes(r"\sum_{i}", is_display=False)["∑"].x1 - 0.01


def test_rules_reach_over_what_they_part():
    rules = [box for box in lay_out(r"\frac{a+b+c}{d}") if not box.text]
    letters = boxes(r"\frac{a+b+c}{d}")
    assert any(rule.x0 <= letters["a"].x0 and rule.x1 >= letters["c"].x1 for rule in rules)


@given(st.text(r"\{}^_&$()[]xy12=+ fracsqtleftright", max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_laid_out_or_not(text):
    for box in lay_out(text):
        assert box.x1 >= box.x0 - 1e-9
        assert box.y1 >= box.y0 - 1e-9


def test_hostile_input_takes_no_time():
    lay_out("x")
    begun = perf_counter()
    for latex in ("{" * 100_000, r"\sqrt{" * 2000 + "}" * 2000, "x" * 3000, r"\def\a{\a\a}\a"):
        lay_out(latex)
    assert perf_counter() - begun < 4.0


@pytest.mark.parametrize(("latex", "page", "words"), [
    ("x^{2}", POWER, ""), ("x_{2}", POWER, "2 at 80% of the width stands higher"),
    ("x2", POWER, "2 at 80% of the width is smaller"),
    (r"f^{\prime}(x)", PRIME, ""), (r"f_{\prime}(x)", PRIME, r"\prime at 32% of the width stands higher"),
    (r"f_{\prime}(x)", LOW_PRIME, ""),
    (r"\frac{a}{b}", FRACTION, ""), (r"\frac{b}{a}", FRACTION, "stands"), ("ab", FRACTION, "stands")])
def test_a_glyph_in_another_place_is_told(latex, page, words):
    placing = compare_places(latex, *page, is_display=True)
    assert placing.is_known
    assert bool(placing.differences) == bool(words)
    assert words in "; ".join(placing.differences)


def test_too_few_known_glyphs_tell_nothing():
    assert not compare_places(r"\boxtimes x", ("?", "x"), POWER[1], is_display=True).is_known
    assert not compare_places("{", *POWER, is_display=True).is_known


def test_only_places_make_a_reading_verified():
    assert judge("x^{2}", "end", 0.99, *POWER).status is Status.VERIFIED
    assert judge("f'(x)", "end", 0.99, *PRIME).status is Status.VERIFIED
    assert judge(r"f_\prime(x)", "end", 0.99, *PRIME).status is Status.SUSPECT
    assert judge("x_{2}", "end", 0.99, *POWER).status is Status.SUSPECT
    assert judge("x^{2}", "end", 0.99, POWER[0]).status is Status.OK


def test_brackets_must_be_as_tall_as_in_the_layout():
    # (x+1) at 10 pt; then with brackets as \bigg sets them.
    letters = (4.2, 5.7, 9.3, 10.1, 10), (11.5, 3.5, 18.2, 10.8, 10), (20.5, 3.5, 24.0, 10.0, 10)
    flat = (0.8, 2.5, 3.3, 12.5, 10), *letters, (25.0, 2.5, 27.5, 12.5, 10)
    tall = (0.8, -5.0, 3.3, 19.0, 10), *letters, (25.0, -5.0, 27.5, 19.0, 10)
    glyphs = ("(", "x", "+", "1", ")")
    assert judge("(x+1)", "end", 0.99, glyphs, flat).status is Status.VERIFIED
    assert judge("(x+1)", "end", 0.99, glyphs, tall).status is Status.OK


# `E=\tfrac{1}{2}m` of a display of two narrow columns, 10 pt; then with numerator and denominator exchanged.
SMALL = ("E", "=", "1", "2", "m"), (
    (108.8, 340.0, 114.4, 346.6, 10), (117.9, 342.8, 124.7, 345.2, 10), (129.2, 337.7, 131.4, 342.7, 7.4),
    (128.8, 345.0, 132.0, 350.0, 7.4), (133.6, 342.2, 140.5, 346.7, 10),
)  # fmt: skip


def test_a_small_fraction_in_a_display_is_no_difference():
    symbols, rects = SMALL
    assert compare_places(r"E=\frac{1}{2}m", symbols, rects, is_display=True).differences == ()
    assert compare_places(r"E=\frac{2}{1}m", symbols, rects, is_display=True).differences


def test_scripts_of_one_formula_are_of_one_size():
    r"""`x_{a}y_{_b}`, read without the second `_`: all stands where it should, but b is smaller than a."""
    glyphs = ("x", "a", "y", "b")
    letters = (0.3, 5.7, 5.4, 10.1, 10), (5.9, 8.5, 9.4, 11.6, 7), (10.3, 5.7, 15.2, 12.0, 10)
    for size, status in ((7.0, Status.VERIFIED), (6.0, Status.OK)):
        small = (15.4, 11.6 - 0.69 * size, 15.4 + 0.4 * size, 11.6, size)
        assert judge("x_{a}y_{b}", "end", 0.99, glyphs, (*letters, small)).status is status


def page_of(latex):
    """Names and boxes of glyphs as if a page had been set like this, 10 pt."""
    found = [box for box in lay_out(latex, is_display=True) if box.text]
    names = {"∑": r"\sum"}
    rects = tuple((10 * b.x0, 10 * b.y0, 10 * b.x1, 10 * b.y1, 10 * b.em) for b in found)
    return tuple(names.get(b.text, b.text) for b in found), rects


@pytest.mark.parametrize(
    ("set_as", "read_as"),
    [
        (r"a&=&b_{i}\\[2em]c&=&d\\[0.2em]e&=&f", r"a&=&b_{i}\\c&=&d\\e&=&f"),
        (r"a&=&\displaystyle\sum_{n=1}^{N}x_{n}\\b&=&c", r"a&=&\sum_{n=1}^{N}x_{n}\\b&=&c"),
        (r"a&=&\dfrac{1}{M}\displaystyle\sum_{n=1}^{N}x_{n}\\b&=&c", r"a&=&\frac{1}{M}\sum_{n=1}^{N}x_{n}\\b&=&c"),
        (r"a&=&\frac{\displaystyle\sum_{j=1}^{J}a_{j}}{b}", r"a&=&\frac{\sum_{j=1}^{J}a_{j}}{b}"),
    ],
)
def test_rows_and_operators_may_be_set_as_their_author_likes(set_as, read_as):
    array = r"\begin{array}{rcl}%s\end{array}"
    placing = compare_places(array % read_as, *page_of(array % set_as), is_display=True)
    assert placing.is_known
    assert placing.differences == ()


@pytest.mark.parametrize(
    "wrong",
    [
        r"b^{i}\\c&=d_{k}\\x&=\frac{y}{z}",
        r"b_{i}\\c&=d^{k}\\x&=\frac{y}{z}",
        r"b_{i}\\c&=d_{k}\\x&=\frac{z}{y}",
    ],
)
def test_a_script_that_is_turned_shows_in_any_row(wrong):
    aligned = r"\begin{aligned}a&=%s\end{aligned}"
    page = page_of(aligned % r"b_{i}\\[1em]c&=d_{k}\\[1em]x&=\frac{y}{z}")
    assert compare_places(aligned % wrong, *page, is_display=True).differences
