"""From the tagger's probabilities to formulas: what belongs together, and what to the sentence."""

import numpy as np
import pytest

from docproc.display_formulas import ColumnLayout
from docproc.font_statistics import FontRole
from docproc.glyph_tagger import Tags
from docproc.page_columns import Column
from docproc.page_marks import Kind, Mark
from docproc.page_rows import Row
from docproc.records import Box, Glyph
from docproc.tagged_formulas import apply_tags

LAYOUT = ColumnLayout(72.0, 523.0, (72.0,), 12.0)


def row_of(text: str, tagged: str, first_kind: Kind | None = None) -> tuple[Row, list[float]]:
    """A line and the tagger's probabilities: `tagged` has + under characters that it takes for mathematics.

    A blank in `text` is a word space (0.3 em); all else stands close.
    """
    row, x, inline = Row(100.0, 10.0, 1), 200.0, []
    for index, char in enumerate(text):
        if char == " ":
            x += 3.0
            continue
        glyph = Glyph(char, Box(x, 93.5, x + 5, 100), (x, 100.0), 10.0, "CMMI10")
        mark = Mark(index, glyph, FontRole.MATH, has_space_before=text[index - 1] == " ")
        mark.kind = Kind.MATH if tagged[index] == "+" else Kind.WORD
        row.marks.append(mark)
        inline.append(float(tagged[index] == "+"))
        x += 5.0
    if first_kind is not None:
        row.marks[0].kind = first_kind
    for word in text.split():  # letters that stand together are a word
        at = text.index(word)
        for mark in row.marks:
            if at <= mark.index < at + len(word) and mark.kind is Kind.WORD:
                mark.word = word
    row.sort()
    return row, inline


def found_in(*lines: tuple[Row, list[float]]) -> list[list[str]]:
    """The formulas of each line of a column."""
    rows = [row for row, _ in lines]
    column = Column(1, rows, LAYOUT, [[] for _ in rows], 10.0, [])
    marks = np.array([share for _, inline in lines for share in inline])
    zeros, none = np.zeros(len(marks)), np.zeros(len(rows))
    apply_tags(column, Tags(marks, zeros, zeros, none, none))
    return [["".join(mark.text for mark in piece) for piece in pieces] for pieces in column.pieces]


def found(text: str, tagged: str, first_kind: Kind | None = None) -> list[str]:
    """The formulas of a line."""
    return found_in(row_of(text, tagged, first_kind))[0]


@pytest.mark.parametrize(
    ("text", "tagged", "formulas"),
    [
        ("all h: k=2 so", "    ++ +++   ", ["h", "k=2"]),
        ("all f : A=B so", "    + + +++   ", ["f:A=B"]),
        ("to {a, b} so", "   ++  ++   ", ["{a,b}"]),
        ("to {a is b} so", "   ++    ++   ", ["{aisb}"]),
        ("to (a is b) so", "   ++    ++   ", ["a", "b"]),
        ("to (a,b) so", "    +++    ", ["(a,b)"]),
        ("to n/a so", "   +      ", []),
        ("to u: so", "   ++   ", ["u"]),
        ("to inv_gam so", "      +      ", []),
        ("of A (B is c) so", "   + ++         ", ["A", "B"]),
        ("of A (so) on", "   + +      ", ["A"]),
        ("of A(B is c) so", "   +++         ", ["A(B"]),
        ("of A (B", "   + ++", ["A(B"]),
        ("of A (B) so", "   + +++   ", ["A(B)"]),
    ],
)
def test_pieces(text: str, tagged: str, formulas: list[str]) -> None:
    assert found(text, tagged) == formulas


def test_the_bullet_of_an_item_is_left_out() -> None:
    assert found("• x=0 or", "+ +++   ", Kind.NOTE) == ["x=0"]


def test_a_bracket_at_the_start_of_a_line_closes_what_the_line_before_has_opened() -> None:
    closing = row_of("f(x)) so", "+++++   ")
    assert found_in(row_of("let A=(", "    +++"), closing)[1] == ["f(x))"]
    assert found_in(row_of("let (so A=", "        ++"), closing)[1] == ["f(x)"]
    assert found_in(row_of("let (so", "       "), closing)[1] == ["f(x)"]
