"""LaTeX straight from glyphs: right or not at all."""

import pytest

from docproc.encodings import glyph_meaning
from docproc.font_statistics import FontRole
from docproc.glyph_latex import describe_glyphs, is_whole, write_latex
from docproc.glyph_names import unicode_of_name
from docproc.page_marks import Kind, Mark
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


@pytest.mark.parametrize("char", ["x", "α", "≤", "𝔄", "ℝ", "あ", "\ufffd", "", "ab"])
def test_any_character_has_a_meaning_or_a_question_mark(char: str) -> None:
    symbol, style = glyph_meaning(char, "CMMI10", is_italic=True, is_bold=False)
    assert symbol and (style == "" or style.startswith(("\\", "?")))


@pytest.mark.parametrize(
    ("before", "formula", "whole"),
    [("of ", "B", True), ("sup ", "B", False), ("", "x=∫", False), ("", "x∶", False), ("", "x=y", True)],
)
def test_a_formula_without_its_operator_or_operand_is_not_whole(before: str, formula: str, whole: bool) -> None:
    """`B` of `sup B`, `∫` without its integrand: what is cut like that must never count as verified."""
    line = marks((before + formula, "CMMI10", 0))
    piece = line[-len(formula) :]
    for mark in line[: -len(formula)]:
        mark.kind, mark.word = Kind.WORD, before.strip()
    assert is_whole(line, piece, None) is whole
