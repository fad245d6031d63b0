"""Words, code and signs in the lines of a text layer."""

from __future__ import annotations

import pymupdf
import pytest

from docproc.prose_lines import merge_pieces, read_lines
from docproc.prose_text import join_line_end
from docproc.prose_words import words_of
from docproc.records import (
    BOLD_CLOSE,
    BOLD_OPEN,
    CODE_CLOSE,
    CODE_OPEN,
    MARK_CLOSE,
    MARK_OPEN,
    BlockKind,
    Box,
    Glyph,
)
from tests.prose_pages import LOREM, blocks_of, body, kinds, make_pdf, write


def test_code_and_bold_words_in_a_sentence() -> None:
    def draw(page: pymupdf.Page) -> None:
        body(page, 50, 80, 3)
        write(page, 50, 140, "Hint.", 10, "tibo")
        write(page, 77, 140, "The function")
        write(page, 133, 140, "log_sum", 9.5, "cour")
        write(page, 173.2, 140, ", as it is called, is described elsewhere.")
        body(page, 50, 152, 2)

    text = blocks_of(make_pdf(draw))[1].text
    assert text.startswith(
        f"{BOLD_OPEN}Hint.{BOLD_CLOSE} The function {CODE_OPEN}log_sum{CODE_CLOSE}, as it is called, is"
    )


@pytest.mark.parametrize(
    ("text", "part", "joined"),
    [
        ("recom-", "mend it", "recommend it"),
        ("so-", "lutions", "solutions"),
        ("high-", "dimensional", "high-dimensional"),
        ("well-", "behaved", "well-behaved"),
        ("Navier-", "Stokes", "Navier-Stokes"),
        ("zero-", "inflated", "zero-inflated"),
        ("pages 3-", "4", "pages 3- 4"),
        ("a 3-", "dimensional space", "a 3-dimensional space"),
        ("x-", "axis", "x-axis"),
        ("special problem-", "or solution-dependent", "special problem- or solution-dependent"),
        ("an equally-", "sized part", "an equally-sized part"),
        ("the sub-", "set", "the subset"),
        ("Mira-", "bilis", "Mirabilis"),
        ("time -", "the end", "time - the end"),
        ("soft\u00ad", "ware", "software"),
        ("https://doi.org/10.1145/79", "505.79507.", "https://doi.org/10.1145/79505.79507."),
        ("https://doi.org/10.1145", "and more", "https://doi.org/10.1145 and more"),
        ("end.", "Next", "end. Next"),
    ],
)
def test_words_parted_at_a_line_end(text: str, part: str, joined: str) -> None:
    known = frozenset({"zero-inflated", "equally", "sized", "sub", "set", "subset"})
    assert join_line_end(text, part, known) == joined


def test_whole_words_of_a_document() -> None:
    words = words_of(["An equally sized sub-", "", "set of high-level words, recom-", "mended by ", "all"])
    assert words == {"an", "equally", "sized", "of", "high-level", "words", "by", "all"}


def test_bold_words_and_code_are_whole_after_a_line_end() -> None:
    def draw(page: pymupdf.Page) -> None:
        write(page, 50, 60, "2.4 An exact solution of the discrete equa-", 13, "tibo")
        write(page, 75, 76, "tions", 13, "tibo")
        write(page, 50, 110, "Some sized words equally near to those that are read")
        write(page, 50, 122, "here to say that all words here stand in the file wave_")
        write(page, 50, 134, "and so on, which would be all of it in equally-")
        write(page, 50, 146, "sized parts that come from")
        write(page, 175, 146, "wave1D_n0_ghost.", 9.5, "cour")
        write(page, 50, 158, "py", 9.5, "cour")
        write(page, 70, 158, "and are known to be of use in all of the words.")

    heading, paragraph = blocks_of(make_pdf(draw))
    assert (heading.kind, heading.text) == (BlockKind.HEADING, "2.4 An exact solution of the discrete equations")
    assert "in equally-sized parts" in paragraph.text
    assert f"{CODE_OPEN}wave1D_n0_ghost.py{CODE_CLOSE} and" in paragraph.text


def test_code_that_ends_a_sentence_is_of_it_and_a_listing_is_not() -> None:
    def draw(page: pymupdf.Page) -> None:
        y = body(page, 50, 80, 3, chars=66)
        write(page, 50, y, "As she had no time left, she wrote all she knew into the file")
        write(page, 50, y + 12, "wave1D_u0_sv_damping_and_more_of_it.", 9, "cour")
        write(page, 50, y + 40, "Then she wrote")
        write(page, 50, y + 56, "short = 1", 9, "cour")
        body(page, 50, y + 80, 3, chars=66)

    blocks = blocks_of(make_pdf(draw))
    assert kinds(blocks) == ["paragraph", "paragraph", "code", "paragraph"]
    assert blocks[0].text.endswith(f"into the file {CODE_OPEN}wave1D_u0_sv_damping_and_more_of_it.{CODE_CLOSE}")


def test_a_reference_that_begins_a_line_is_no_list() -> None:
    def draw(page: pymupdf.Page) -> None:
        y = body(page, 50, 80, 3)
        write(page, 65, y, "The special case of it has earned a place here, for then the side")
        y = write(page, 50, y + 12, "(90) is of use. Two more are left:")
        y = write(page, 60, y + 18, "(a) the first one is here as it was before")
        write(page, 60, y + 12, "(b) the second one")

    blocks = blocks_of(make_pdf(draw))
    assert kinds(blocks) == ["paragraph", "paragraph", "list-item", "list-item"]
    assert "for then the side (90) is of use." in blocks[1].text


def test_spaces_that_stand_before_signs_and_inside_narrow_lines() -> None:
    def draw(page: pymupdf.Page) -> None:
        y = body(page, 50, 80, 2)
        write(page, 50, y, "Without the")
        x = write_code(page, 103, y, ".remove()")
        write(page, x, y, ", as Section ?? says, nothing is done for the")
        write(page, 50, y + 12, "whole word")
        write(page, 50 + pymupdf.get_text_length("whole word", "tiro", 10), y + 8, "a", 7)
        write(page, 110, y + 12, "and all that.")

    text = blocks_of(make_pdf(draw))[0].text
    assert f"Without the {CODE_OPEN}.remove(){CODE_CLOSE}, as Section ?? says" in text
    assert "whole wordᵃ and all that." in text


def write_code(page: pymupdf.Page, x: float, y: float, text: str) -> float:
    """Returns where it ends."""
    write(page, x, y, text, 9.5, "cour")
    return x + pymupdf.get_text_length(text, "cour", 9.5)


def test_letters_that_stand_apart_are_two_words() -> None:
    glyphs = []
    x = 50.0
    for text in [*"round-o", "\ufb00", *"errors"]:
        x += 3.3 if glyphs and glyphs[-1].text == "\ufb00" else 0.1
        glyphs.append(Glyph(text, Box(x, 74, x + 5, 80), (x, 80.0), 10, "LMRoman10-Regular"))
        x += 5
    (line,) = merge_pieces(read_lines(glyphs, []))
    assert line.text == "round-off errors"


def test_page_numbers_of_a_list_are_no_column() -> None:
    def draw(page: pymupdf.Page) -> None:
        write(page, 50, 70, "List of exercises", 14, "tibo")
        for i in range(20):
            write(page, 50, 100 + 14 * i, f"Exercise {i + 1} {' '.join(LOREM.split()[i : i + 4 + i % 3])}")
            write(page, 310, 100 + 14 * i, f"p. {3 * i + 2}")

    blocks = blocks_of(make_pdf(draw))
    assert kinds(blocks) == ["heading"] + ["list-item"] * 20
    assert blocks[1].text == "Exercise 1 The quick brown fox … p. 2"


def test_ligatures_and_private_characters() -> None:
    glyphs = [
        Glyph(text, Box(50 + 6 * i, 74, 55 + 6 * i, 80), (50 + 6 * i, 80.0), 10, "Times")
        for i, text in enumerate([*"the", " ", "\ufb01", *"rst of", MARK_OPEN, "1", MARK_CLOSE])
    ]
    (line,) = merge_pieces(read_lines(glyphs, []))
    assert line.text == "the first of\ufffd1\ufffd"


def test_an_empty_page_has_no_blocks() -> None:
    assert blocks_of(make_pdf(lambda page: None)) == []
