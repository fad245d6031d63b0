"""LaTeX straight from glyphs: right or not at all."""

from dataclasses import replace

import pytest

from docproc.encodings import glyph_meaning
from docproc.font_statistics import FontRole
from docproc.formula_ends import has_strangers, holds_prose, is_in_brackets, is_whole
from docproc.glyph_latex import describe_glyphs, write_latex
from docproc.glyph_names import unicode_of_name
from docproc.page_marks import Kind, Mark
from docproc.page_rows import Row
from docproc.records import Box, Glyph


def marks(*parts: tuple[str, str, float]) -> list[Mark]:
    """Marks from (characters, font, shift up in em); shifted ones are set at 7 pt; blanks are 0.28 em, ~ 1/6 em.

    A superscript right after a subscript stands above it.
    """
    made: list[Mark] = []
    x = start = 10.0
    last_shift = 0.0
    for text, font, shift in parts:
        size = 7.0 if shift else 10.0
        x = start if shift * last_shift < 0 else x
        start, last_shift = x, shift
        for char in text:
            if char in " ~":
                x += 2.8 if char == " " else 1.67
                continue
            y = 100 - 10 * shift
            top = 0.69 if char in "ϕφhdlb()" else 0.45
            glyph = Glyph(char, Box(x, y - top * size, x + 0.5 * size, y), (x, y), size, font)
            mark = Mark(len(made), glyph, FontRole.MATH, has_space_before=False)
            mark.kind = Kind.MATH
            mark.gap_before = 0.0 if not made else mark.x0 - made[-1].x1
            made.append(mark)
            x += 0.5 * size
    return made


@pytest.mark.parametrize(
    ("parts", "latex"),
    [
        ([("x", "CMMI10", 0)], "x"),
        ([("x", "CMMI10", 0), ("i", "CMMI7", -0.15)], "x_{i}"),
        ([("x", "CMMI10", 0), ("i", "CMMI7", -0.15), ("2", "CMR7", 0.4)], "x_{i}^{2}"),
        ([("a", "CMMI10", 0), (" ≤ ", "CMSY10", 0), ("b", "CMMI10", 0)], r"a\leq b"),
        ([("α", "CMMI10", 0), (" ∈ ", "CMSY10", 0), ("R", "MSBM10", 0)], r"\alpha\in\mathbb{R}"),
        ([("sin", "CMR10", 0), ("x", "CMMI10", 0)], r"\sin x"),
        ([("rank", "CMR10", 0), ("A", "CMMI10", 0)], r"\mathrm{rank}A"),
        ([("L", "CMSY10", 0), ("(", "CMR10", 0), ("V", "CMMI10", 0), (")", "CMR10", 0)], r"\mathcal{L}(V)"),
        ([("f", "CMMI10", 0), ("′′", "CMSY7", 0.4)], r"f^{\prime\prime}"),
        ([("ϕ", "CMMI10", 0)], r"\phi"),
        ([("g", "EUFM10", 0)], r"\mathfrak{g}"),
        ([("p", "txmia", 0)], r"\mathfrak{p}"),
        ([("lim~sup", "CMR10", 0), ("x", "CMMI10", 0)], r"\limsup x"),
        ([("M", "CMMI10", 0), (" |", "CMSY10", 0), ("=", "CMR10", 0), (" p", "CMMI10", 0)], r"M\models p"),
        ([("|", "CMSY10", 0), (" =", "CMR10", 0), (" p", "CMMI10", 0)], "|=p"),
        ([("Z", "HFBRBS10", 0)], r"\mathbb{Z}"),
        ([("v", "CMBX10", 0), (" + ", "CMR10", 0), ("x", "CMMI10", 0)], r"\mathbf{v}+x"),
        ([("𝑥", "STIXTwoMath-Regular", 0), ("𝐑", "STIXTwoMath-Regular", 0)], r"x\mathbf{R}"),
    ],
)
def test_simple_formulas(parts: list[tuple[str, str, float]], latex: str) -> None:
    assert write_latex(marks(*parts), 100.0, 10.0, []) == latex


@pytest.mark.parametrize(
    "parts",
    [
        [("∑", "CMEX10", 0)],
        [("\ufffd", "CMSY10", 0)],
        [("x", "CMMI10", 0), ("ˆ", "CMR10", 0)],
        [("x", "F34", 0)],
        [("x", "Symbol", 0)],
        [("d", "CMR10", 0)],
        [("x", "CMMI10", 0), (" " * 4 + "y", "CMMI10", 0)],
        [("2", "CMR7", 0.4)],
        [("v", "CMMI10", 0), ("i", "CMMI7", 0.4), ("", "CMMI10", 0), ("j", "CMMI7", -0.15)],
    ],
    ids=[
        "big operator",
        "unknown glyph",
        "accent",
        "type 3",
        "symbol font",
        "lone upright letter",
        "wide gap",
        "no base",
        "one index behind the other",
    ],
)
def test_doubt_gives_nothing(parts: list[tuple[str, str, float]]) -> None:
    assert write_latex(marks(*parts), 100.0, 10.0, []) is None


def test_a_rule_is_a_doubt() -> None:
    assert write_latex(marks(("x", "CMMI10", 0)), 100.0, 10.0, [Box(9, 92, 16, 92.4)]) is None


def test_glyphs_are_described_even_where_latex_is_not_written() -> None:
    assert describe_glyphs(marks(("∑", "CMEX10", 0), ("x", "CMBX10", 0), ("\ufffd", "CMSY10", 0))) == (
        r"\sum", r"\mathbf{x}", "?",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("parenleftbigg", "("), ("bracerightBigg", "}"), ("summationdisplay", "∑"), ("integraltext", "∫"),
        ("uni2A7D", "⩽"), ("radicalbig", "√"), ("vextendsingle", "|"), ("no-such-name", ""),
    ],
)  # fmt: skip
def test_names_of_unencoded_glyphs(name: str, character: str) -> None:
    assert unicode_of_name(name) == character


@pytest.mark.parametrize(("char", "font", "symbol"), [
    ("ℎ", "NewTXMI", "h"), ("𝓁", "STIXTwoMath", r"\ell"), ("\u0304", "STIXTwoMath", r"\bar"),
    ("ˆ", "CMR10", r"\hat"), ("x", "AntykwaTorunska-Italic", r"\mathrm{x}"), ("ε", "AntykwaTorunska-Italic", "?"),
    ("𝒞", "STIXTwoMath", r"\mathscript{C}"), ("⊳", "txsyc", "?"), ("X", "Kp--M-Regular", r"\mathother{X}"),
    ("L", "MLMMathSymbols10-Regular", r"\mathcal{L}")])  # fmt: skip
def test_glyphs_that_held_up_verification(char: str, font: str, symbol: str) -> None:
    """All from pages where an unknown or misnamed glyph kept formulas from being verified, or spoke for a wrong one."""
    assert describe_glyphs(marks((char, font, 0))) == (symbol,)


def test_a_digit_of_a_font_without_a_name_among_named_ones_is_of_another_alphabet() -> None:
    r"""`p(\textsf{1})`: the sans-serif digit comes from a Type 3 font."""
    assert describe_glyphs(marks(("p", "CMMI10", 0), ("1", "F77", 0))) == ("p", r"\mathother{1}")
    assert describe_glyphs(marks(("1", "F77", 0))) == ("?",)


def test_italics_of_the_text_beside_those_of_mathematics_are_named() -> None:
    r"""`M_{\mathit{sing}}`: its letters come from the text's italic."""
    made = marks(("𝑀", "cochMI", 0), ("si", "Cochineal-Italic", -0.2))
    for mark in made:
        mark.glyph = replace(mark.glyph, is_italic=True)
    assert describe_glyphs(made) == ("M", r"\mathit{s}", r"\mathit{i}")
    assert write_latex(made, 100.0, 10.0, []) is None


@pytest.mark.parametrize("char", ["x", "α", "≤", "𝔄", "ℝ", "あ", "\ufffd", "", "ab"])
def test_any_character_has_a_meaning_or_a_question_mark(char: str) -> None:
    symbol, style = glyph_meaning(char, "CMMI10", is_italic=True, is_bold=False)
    assert symbol and (style == "" or style.startswith(("\\", "?")))


def line_with(before: str, formula: str, after: str = "") -> tuple[Row, list[Mark]]:
    """A line of prose with a formula, and the formula's marks."""
    made = marks((before, "CMR10", 0), (formula, "CMMI10", 0), (after, "CMR10", 0))
    row = Row(100.0, 10.0, 0)
    row.marks = made
    first = len(before.replace(" ", "").replace("~", ""))
    piece = made[first : first + len(formula)]
    for words, part in ((before, made[:first]), (after, made[first + len(formula) :])):
        for mark in part:
            mark.kind, mark.word = Kind.WORD, words.strip(" ~")
    return row, piece


@pytest.mark.parametrize(
    ("before", "formula", "whole"),
    [("of ", "B", True), ("sup ", "B", False), ("", "x=∫", False), ("", "x∶", False), ("", "x=y", True)],
)
def test_a_formula_without_its_operator_or_operand_is_not_whole(before: str, formula: str, whole: bool) -> None:
    """`B` of `sup B`, `∫` without its integrand: what is cut like that must never count as verified."""
    row, piece = line_with(before, formula)
    assert is_whole(row, piece, None, Box.around(mark.ink for mark in piece)) is whole


@pytest.mark.parametrize(("before", "formula", "after", "whole"), [
    ("of ", "x=y", " holds", True), ("for ", "−k", " holds", True), ("x ", "−k", " holds", False),
    ("of ", "p", "! We", False), ("of ", "r", "~cos", False), ("of ", "T", ".", True), ("of ", "7μ", " m", False),
    ("of ", "7μ", " a", True), ("is ", "1+⋯?", " An", False)])  # fmt: skip
def test_what_stands_beside_a_formula_tells_where_it_ends(before: str, formula: str, after: str, whole: bool) -> None:
    """`p!` lost its sign, `r cos z` its factor, `7 µm` its m; a minus behind a word is the formula's own."""
    row, piece = line_with(before, formula, after)
    assert is_whole(row, piece, None, Box.around(mark.ink for mark in piece)) is whole


def test_cells_of_a_table_are_not_one_formula() -> None:
    row, piece = line_with("", "q", "")
    other = marks(("x", "CMMI10", 0))[0]
    other.x0, other.x1 = piece[0].x1 + 30, piece[0].x1 + 35
    row.marks.append(other)
    assert is_whole(row, piece, None, piece[0].ink)
    other.x0, other.x1 = piece[0].x1 + 5, piece[0].x1 + 10
    assert not is_whole(row, piece, None, piece[0].ink)


def test_a_fraction_bar_reaches_the_word_behind_it() -> None:
    r"""`\frac{2.303RT}{F} \text{pH}`: the gap counts from the bar, not from the glyphs over it."""
    row, piece = line_with("of ", "F", " pH")
    box = Box.around(mark.ink for mark in piece)
    assert is_whole(row, piece, None, box)
    assert not is_whole(row, piece, None, Box(box.x0, box.y0, box.x1 + 2.0, box.y1))


def test_brackets_on_both_sides_may_be_the_formula_s_own() -> None:
    assert is_in_brackets(*line_with("of (", "x", ") we"))
    assert not is_in_brackets(*line_with("of (", "x", " we"))


def test_an_accent_over_a_formula_is_a_stranger_and_one_of_the_next_line_is_not() -> None:
    row, piece = line_with("of ", "s", " is")
    box = piece[0].ink
    for y, is_found in ((box.y0 - 2.0, True), (box.y1 + 2.0, False)):
        accent = marks(("\u20d7", "CMMI10", 0))[0]
        ink = Box(box.x0, y - 0.5, box.x1, y + 0.5)
        accent.glyph = replace(accent.glyph, box=ink, ink=ink)
        accent.x0, accent.y0, accent.x1, accent.y1 = ink.x0, ink.y0, ink.x1, ink.y1
        other = Row(y, 10.0, 0)
        other.marks = [accent]
        assert has_strangers([row, other], piece, box) is is_found


@pytest.mark.parametrize(("size", "is_found"), [(7.0, True), (10.0, False)])
def test_a_small_glyph_of_another_row_beside_a_formula_is_its_lost_script(size: float, is_found: bool) -> None:
    """`P` of `P^{(k)}`, whose script was taken for a row of its own; prose that happens to begin there is none."""
    row, piece = line_with("of ", "P", "")
    box = piece[0].ink
    script = marks(("k", "CMMI10", 0))[0]
    script.kind, script.size = Kind.WORD, size
    script.x0, script.x1, script.y0, script.y1 = box.x1 + 0.1, box.x1 + 3, box.y0 - 2, box.y0 + 2
    other = Row(box.y0 + 2, 10.0, 0)
    other.marks = [script]
    assert has_strangers([row, other], piece, box) is is_found


@pytest.mark.parametrize(("text", "is_found"), [
    ("Let −P", True), ("P −abc", False), ("x= odd", True), ("PdV= x", False), ("xy= z", False), ("sin~x= y", False),
    ("P, s=t", True), ("P,~s=t", False), ("(P, s)=t", False), ("P,    n>0", False)])  # fmt: skip
def test_a_word_or_a_comma_of_the_sentence_in_a_formula_is_noticed(text: str, is_found: bool) -> None:
    """Where one italic sets prose and mathematics, `Let -P` and `we take P, s = t` are cut as one formula."""
    assert holds_prose(marks((text, "CMMI10", 0))) is is_found
