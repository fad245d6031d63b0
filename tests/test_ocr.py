import socket
from dataclasses import replace

import pytest

from docproc.cleanup import prepare_scan
from docproc.ocr import OcrWord, read_words
from docproc.ocr_blocks import blocks_from_words, is_doubtful, without_paragraphs
from docproc.records import MARK_CLOSE, MARK_OPEN, BlockKind, Box, FormulaKind, Region
from tests.scan_pages import MORE, PROSE, as_page, degrade, draw_page


@pytest.fixture(scope="module")
def words() -> list[OcrWord]:
    def refuse(*_: object) -> None:
        raise AssertionError("the OCR tried to reach the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        return read_words(prepare_scan(as_page(degrade(draw_page()[0])))[0])


def test_prose_of_a_scan_is_read_without_network(words: list[OcrWord]) -> None:
    text = " ".join(word.text for word in words)
    for line in PROSE + MORE:
        assert line in text


def test_boxes_are_points_and_lines_are_numbered(words: list[OcrWord]) -> None:
    first = [word for word in words if word.line == words[0].line]
    assert " ".join(word.text for word in first) == PROSE[0]
    assert first[0].box.x0 == pytest.approx(60, abs=4)
    assert first[0].box.center[1] == pytest.approx(57, abs=4)
    assert all(0 <= word.confidence <= 1 for word in words)


def test_formulas_take_their_place_in_the_sentence(words: list[OcrWord]) -> None:
    _, display, inline = draw_page()
    regions = [Region(FormulaKind.INLINE, inline), Region(FormulaKind.DISPLAY, display, equation_number="3.2")]
    blocks = blocks_from_words(words, regions)
    texts = [block.text for block in blocks]
    assert f"Its speed is {MARK_OPEN}1{MARK_CLOSE} at all times in this case:" in texts[0]
    assert [block.kind for block in blocks].count(BlockKind.FORMULA) == 1
    assert f"{MARK_OPEN}2{MARK_CLOSE}" in texts
    assert not any("3.2" in text for text in texts)  # the number is the region's
    assert "leave the place of their meeting unchanged" in texts[-1]


def lines(*rows: str, x: float = 50.0, gap: float = 14.0, size: float = 10.0) -> list[OcrWord]:
    made = []
    for number, row in enumerate(rows):
        left = x
        for text in row.split():
            width = 5.0 * len(text)
            top = 50 + gap * number
            made.append(OcrWord(text, Box(left, top, left + width, top + size), 0.99, number))
            left += width + 3
    return made


def test_broken_words_are_made_whole_and_prices_stay_text() -> None:
    blocks = blocks_from_words(lines("the long wave of the equa-", "tion costs $3 or $4 a piece"), [])
    assert [block.text for block in blocks] == ["the long wave of the equation costs $3 or $4 a piece"]


def test_larger_lines_are_headings() -> None:
    title = [OcrWord("Waves", Box(50, 10, 120, 26), 0.9, 99)]
    blocks = blocks_from_words(title + lines("one line of text here", "and another line of it"), [])
    assert [(block.kind, block.level) for block in blocks] == [(BlockKind.HEADING, 1), (BlockKind.PARAGRAPH, 0)]


def moved(words: list[OcrWord], dy: float, number: int) -> list[OcrWord]:
    return [
        OcrWord(w.text, Box(w.box.x0, w.box.y0 + dy, w.box.x1, w.box.y1 + dy), w.confidence, w.line + number)
        for w in words
    ]


def test_headings_lists_captions_and_page_numbers_of_print() -> None:
    prose = lines("the long wave goes on and on over all of the page, they say,", "and more of it is there:", gap=13)
    page = [
        *lines("2.1 A sum that everybody meets"),
        *moved(prose, 22, 10),
        *moved(lines("2. the chain rule, which holds for all of them that are", x=60), 57, 20),
        *moved(lines("well behaved;", x=72), 70, 21),
        *moved(lines("3. its own"), 83, 22),
        *moved(prose, 110, 30),
        *moved(lines("Table 1: Some sums; a constant is left out."), 145, 40),
        *moved(lines("7", x=200), 200, 50),
    ]
    blocks = blocks_from_words(page, [])
    assert [(block.kind.value, block.level) for block in blocks] == [
        ("heading", 2), ("paragraph", 0), ("list-item", 0), ("list-item", 0), ("paragraph", 0), ("caption", 0),
    ]  # fmt: skip
    assert blocks[2].text == "2. the chain rule, which holds for all of them that are well behaved;"


def test_a_line_that_goes_on_is_no_item_and_a_sentence_no_heading() -> None:
    blocks = blocks_from_words(
        lines("as was shown in Section", "3 Waves of the sea are tall, as in the book of", "A. Smith"), []
    )
    assert [block.kind for block in blocks] == [BlockKind.PARAGRAPH]


def test_a_listing_keeps_its_lines_and_indentation() -> None:
    listing = lines("def midpoint(f, a, b):", gap=12)
    listing += moved(lines("h = (b - a) / n", x=70), 12, 1) + moved(lines("return h * f(a)", x=70), 24, 2)
    (block,) = blocks_from_words(listing, [])
    assert block.kind is BlockKind.CODE
    assert block.text == "def midpoint(f, a, b):\n    h = (b - a) / n\n    return h * f(a)"


def test_a_display_that_holds_a_paragraph_is_none() -> None:
    prose = lines(
        "the dark edge around this photo looks like some large formula", "which holds every word that stands here"
    )
    display = Region(FormulaKind.DISPLAY, Box(40, 300, 200, 330))
    inline = Region(FormulaKind.INLINE, Box(40, 340, 60, 350), continues=2)
    edge = Region(FormulaKind.DISPLAY, Box(0, 0, 400, 90))
    cases = Region(FormulaKind.DISPLAY, Box(40, 400, 200, 430))
    few = moved(lines("0 otherwise, if x is rational and small"), 355, 9)
    assert without_paragraphs([edge, display, display, inline, cases], prose + few) == [
        display, display, replace(inline, continues=1), cases,
    ]  # fmt: skip


def test_single_lines_far_apart_are_paragraphs() -> None:
    page = [*lines("Homework 3: integrals"), *moved(lines("We integrate by parts:"), 22, 5)]
    assert len(blocks_from_words(page, [])) == 2


def test_guessed_words_make_no_headings() -> None:
    guessed = [OcrWord("Qopt", Box(50, 10, 120, 26), 0.7, 99), *lines("ml tae 1inc", "of tcxt")]
    guessed = [OcrWord(word.text, word.box, 0.7, word.line) for word in guessed]
    assert is_doubtful(guessed)
    assert not is_doubtful([])
    assert {block.kind for block in blocks_from_words(guessed, [])} == {BlockKind.PARAGRAPH}


def test_a_gap_begins_a_paragraph() -> None:
    below = [
        OcrWord(word.text, Box(word.box.x0, word.box.y0 + 60, word.box.x1, word.box.y1 + 60), 0.9, word.line + 50)
        for word in lines("Second paragraph stands lower")
    ]
    assert len(blocks_from_words(lines("one line of text here", "and another line of it") + below, [])) == 2


def test_columns_are_read_one_after_the_other() -> None:
    left = lines(*[f"left line number {word} of text" for word in "abcdefgh"])
    right = [
        OcrWord(word.text.replace("left", "right"), Box(word.box.x0 + 200, word.box.y0, word.box.x1 + 200, word.box.y1),
                0.9, word.line + 50)
        for word in left
    ]  # fmt: skip
    text = " ".join(block.text for block in blocks_from_words(left + right, []))
    assert text.index("left line number h") < text.index("right line number a")


def test_punctuation_after_a_formula_is_kept() -> None:
    made = lines("we set x, and go on")
    x = made[2].box
    region = Region(FormulaKind.INLINE, Box(x.x0, x.y0, x.x0 + 5, x.y1))
    assert blocks_from_words(made, [region])[0].text == f"we set {MARK_OPEN}1{MARK_CLOSE}, and go on"


def test_nothing_gives_nothing() -> None:
    assert blocks_from_words([], []) == []
    region = Region(FormulaKind.DISPLAY, Box(0, 0, 10, 10))
    assert [block.text for block in blocks_from_words([], [region])] == [f"{MARK_OPEN}1{MARK_CLOSE}"]
