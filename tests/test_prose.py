"""Prose of born-digital pages: blocks, order, and formulas in their place."""

from __future__ import annotations

from pathlib import Path

import pymupdf

from docproc.finding import DocumentFacts, DocumentTask, PageTask, work
from docproc.options import FindOptions
from docproc.records import (
    MARK_CLOSE,
    Block,
    BlockKind,
    Box,
    FormulaKind,
    FoundPage,
    Region,
)
from docproc.text_layer import read_text_layer
from tests.prose_pages import Draw, blocks_of, body, box_of, kinds, make_pdf, mark, write


def test_headings_paragraphs_and_code() -> None:
    def draw(page: pymupdf.Page) -> None:
        write(page, 50, 80, "2 The long road", 16, "tibo")
        write(page, 50, 110, "2.1 A first step", 12, "tibo")
        y = body(page, 50, 130, 3)
        write(page, 65, y, "A second paragraph begins with an indent and goes on for quite")
        y = write(page, 50, y + 12, "a while, costs $5 and names a_b here.")
        for i, line in enumerate(["for i in range(3):", "    if i_2 < 4:  # $x$", "        print(i)", "", "done()"]):
            write(page, 50, y + 20 + 11 * i, line, 9, "cour")
        y = body(page, 50, y + 95, 2, start=7)

    first, *blocks = blocks_of(make_pdf(draw))
    assert (first.kind, first.level, first.text) == (BlockKind.HEADING, 1, "2 The long road")
    assert kinds(blocks) == ["heading", "paragraph", "paragraph", "code", "paragraph"]
    assert (blocks[0].level, blocks[0].text) == (2, "2.1 A first step")
    assert blocks[1].text.startswith("The quick brown fox jumps over the lazy dog while seven clever wizards")
    assert blocks[2].text == (
        "A second paragraph begins with an indent and goes on for quite a while, costs $5 and names a_b here."
    )
    assert blocks[3].text == "for i in range(3):\n    if i_2 < 4:  # $x$\n        print(i)\n\ndone()"


def test_a_short_line_in_italics_is_a_heading_but_on_the_title_page() -> None:
    def draw(page: pymupdf.Page) -> None:
        y = body(page, 50, 80, 3)
        y = write(page, 50, y + 8, "Sensitivity analysis", 10, "tiit")
        y = body(page, 50, y + 14, 3)
        write(page, 50, y + 8, "All that is said here is a long theorem in italics and it ends", 10, "tiit")
        write(page, 50, y + 20, "on the next line of it.", 10, "tiit")

    document = make_pdf(draw, draw)
    blocks = blocks_of(document, 2)
    assert kinds(blocks) == ["paragraph", "heading", "paragraph", "paragraph"]
    assert (blocks[1].level, blocks[1].text) == (5, "Sensitivity analysis")
    assert "heading" not in kinds(blocks_of(document, 1)), "there, authors and places are in italics"


def test_formulas_stand_in_their_place() -> None:
    def draw(page: pymupdf.Page) -> None:
        y = body(page, 50, 80, 2)
        y = write(page, 50, y, "where x+y is small, and f(z)-fold copies of w.")
        write(page, 150, y + 30, "a + b = c")
        write(page, 330, y + 30, "(3.2)")
        write(page, 50, y + 60, "q holds by (3.2) for all of them, as was to be shown before the")
        body(page, 50, y + 72, 2)

    document = make_pdf(draw)
    inline = [Region(FormulaKind.INLINE, box_of(document, text)) for text in ("x+y", "f(z)")]
    w = box_of(document, "of w")
    inline.append(Region(FormulaKind.INLINE, Box(w.x1 - 7, w.y0, w.x1 + 0.5, w.y1)))
    display = Region(FormulaKind.DISPLAY, box_of(document, "a + b = c"), equation_number="3.2")
    sentence = box_of(document, "q holds")
    last = Region(FormulaKind.INLINE, Box(sentence.x0, sentence.y0, sentence.x0 + 5, sentence.y1))
    blocks = blocks_of(document, regions=[*inline, display, last])
    assert kinds(blocks) == ["paragraph", "formula", "paragraph"]
    assert blocks[0].text.endswith(f"where {mark(1)} is small, and {mark(2)}-fold copies of {mark(3)}.")
    assert blocks[1].text == mark(4), "the number is stored with the formula, not repeated"
    assert blocks[2].text.startswith(f"{mark(5)} holds by (3.2) for all")


def test_numbers_of_further_lines_are_kept_with_the_display() -> None:
    def draw(page: pymupdf.Page) -> None:
        y = body(page, 50, 80, 3)
        for i in range(2):
            write(page, 150, y + 20 + 15 * i, "a + b = c")
            write(page, 330, y + 20 + 15 * i, f"({i + 7})")

    document = make_pdf(draw)
    glyphs = [g for g in read_text_layer(document[0]).glyphs if 140 < g.box.x0 < 300 and g.box.y0 > 115]
    box = Box.around(g.box for g in glyphs)
    blocks = blocks_of(document, regions=[Region(FormulaKind.DISPLAY, box, equation_number="7")])
    assert (blocks[-1].kind, blocks[-1].text) == (BlockKind.FORMULA, f"{mark(1)} 8")


def test_every_formula_is_in_one_block() -> None:
    def draw(page: pymupdf.Page) -> None:
        body(page, 50, 80, 20)

    document = make_pdf(draw)
    boxes = [Box(40 + 37 * i, 70 + 23 * i, 75 + 37 * i, 82 + 23 * i) for i in range(9)]
    regions = [Region(FormulaKind.INLINE, box) for box in [*boxes, Box(300, 500, 320, 510)]]
    text = "".join(block.text for block in blocks_of(document, regions=regions))
    assert sorted(text.count(mark(i)) for i in range(1, 11)) == [1] * 10


def test_running_heads_and_page_numbers_are_left_out() -> None:
    def draw(number: int) -> Draw:
        def on(page: pymupdf.Page) -> None:
            write(page, 50 if number % 2 else 250, 40, f"{number}   On the Road" if number % 2 else f"Maps   {number}")
            write(page, 50, 80, f"Chapter text number {number} is here and it has several words in it.")
            body(page, 50, 92, 30, start=number)
            write(page, 195, 520, f"{number}" if number != 4 else "iv")

        return on

    document = make_pdf(*(draw(n) for n in range(1, 6)))
    for number in range(1, 6):
        text = "\n".join(block.text for block in blocks_of(document, number))
        assert text.startswith(f"Chapter text number {number}")
        assert "On the Road" not in text
        assert not text.endswith((str(number), "iv"))
    alone = make_pdf(draw(7))
    assert not blocks_of(alone)[-1].text.endswith("7"), "a number at the foot of a single page"


def test_two_columns_are_read_one_after_the_other() -> None:
    def draw(page: pymupdf.Page) -> None:
        write(page, 60, 60, "A title over both of the columns of this page", 14, "tibo")
        for x, name in ((40, "left"), (210, "right")):
            write(page, x, 90, f"{name} one starts a column")
            y = body(page, x, 102, 10, chars=34)
            write(page, x, y + 12, f"{name} two starts a column")
            body(page, x, y + 24, 10, chars=34)

    texts = [block.text for block in blocks_of(make_pdf(draw))]
    assert [" ".join(text.split()[:2]) for text in texts] == [
        "A title",
        "left one",
        "left two",
        "right one",
        "right two",
    ]


def test_lists_captions_and_footnotes() -> None:
    def draw(page: pymupdf.Page) -> None:
        y = body(page, 50, 80, 3)
        sentence = "this sentence has a footnote mark"
        write(page, 50, y, sentence)
        write(page, 50 + pymupdf.get_text_length(sentence, "tiro", 10), y - 4, "1", 6.5)
        y += 20
        for label, text in (("1.", "one thing that is long enough"), ("2.", "another thing")):
            write(page, 60, y, label)
            write(page, 76, y, text)
            write(page, 76, y + 12, "with a second line")
            y += 30
        for text in ("a bullet", "a second bullet"):
            write(page, 60, y, "\u2022")
            write(page, 72, y, text)
            y += 16
        page.draw_line((100, y + 10), (300, y + 80))
        page.draw_bezier((100, y + 10), (150, y + 80), (200, y), (300, y + 60))
        write(page, 120, y + 100, "Figure 3.2: A curve and a line.", 10)
        body(page, 50, y + 124, 3)
        page.draw_line((50, 490), (150, 490))
        page.insert_text((50, 498), "1", fontsize=5.5, fontname="tiro")
        write(page, 54, 502, "A note at the foot of the page, in small print, on", 8)
        write(page, 50, 511, "two lines.", 8)

    blocks = blocks_of(make_pdf(draw))
    assert [b.text for b in blocks if b.kind is BlockKind.LIST_ITEM] == [
        "1. one thing that is long enough with a second line",
        "2. another thing with a second line",
        "a bullet",
        "a second bullet",
    ]
    assert [b.text for b in blocks if b.kind is BlockKind.CAPTION] == ["Figure 3.2: A curve and a line."]
    assert [b.text for b in blocks if b.kind is BlockKind.FOOTNOTE] == [
        "¹ A note at the foot of the page, in small print, on two lines."
    ]
    order = kinds(blocks)
    assert order.index("figure") + 1 == order.index("caption")
    assert order[-1] == "footnote"
    assert any("footnote mark¹" in b.text for b in blocks)


def test_a_ruled_table_with_a_formula() -> None:
    rows = [("name", "value", "unit"), ("length", "12.5", "m"), ("mass", "x+1", "kg"), ("speed of it", "3", "m/s")]

    def draw(page: pymupdf.Page) -> None:
        y = body(page, 50, 80, 4)
        for rule in (y, y + 14, y + 62):
            page.draw_line((80, rule), (320, rule), width=0.5)
        for i, row in enumerate(rows):
            for x, cell in zip((85, 180, 270), row, strict=True):
                write(page, x, y + 11 + 14.5 * i, cell)
        body(page, 50, y + 90, 4)

    document = make_pdf(draw)
    blocks = blocks_of(document, regions=[Region(FormulaKind.INLINE, box_of(document, "x+1"))])
    assert kinds(blocks) == ["paragraph", "table", "paragraph"]
    assert blocks[1].text == "name\tvalue\tunit\nlength\t12.5\tm\nmass\t" + mark(1) + "\tkg\nspeed of it\t3\tm/s"


def test_a_table_of_contents_keeps_its_entries() -> None:
    def draw(page: pymupdf.Page) -> None:
        write(page, 50, 70, "Contents", 14, "tibo")
        for i, (title, number) in enumerate([("Start", 1), ("The middle of it", 7), ("More", 12), ("The end", 99)]):
            write(page, 50 + 15 * (i % 2), 100 + 14 * i, f"{i + 1} {title} . . . . . . . . {number}")

    blocks = blocks_of(make_pdf(draw))
    assert kinds(blocks) == ["heading"] + ["list-item"] * 4
    assert blocks[2].text == "2 The middle of it … 7"


def sample_blocks(name: str, number: int) -> list[Block]:
    """Blocks of a page of a sample, with the formulas that the finder sees there."""
    path = Path(__file__).parents[1] / "samples" / name
    facts = work(DocumentTask(path, None, FindOptions()))
    assert isinstance(facts, DocumentFacts)
    page = work(PageTask(path, number, facts.statistics, FindOptions()))
    assert isinstance(page, FoundPage)
    return list(page.blocks)


def test_the_sample_with_two_columns_reads_in_order() -> None:
    blocks = sample_blocks("physics-two-columns.pdf", 1)
    headings = [(block.level, block.text) for block in blocks if block.kind is BlockKind.HEADING]
    titles = ["A pendulum, a string and a field", "1 The pendulum", "2 The string", "3 The field", "4 Heat"]
    assert headings == [(1, title) for title in titles]
    text = "\n".join(block.text for block in blocks)
    assert "then the solutions are sums" in text, "parted at the line end as so-lutions"
    assert f"{MARK_CLOSE}, this is" in text, "589 nm: the unit belongs to the formula"
    assert "(about $7 a piece)" in text
    assert kinds(blocks).count("figure") == 1
    assert not any(block.text.strip() == "1" for block in blocks), "the page number"


def test_the_sample_with_a_table_keeps_its_rows_and_code() -> None:
    blocks = sample_blocks("calculus-notes.pdf", 2)
    (table,) = [block for block in blocks if block.kind is BlockKind.TABLE]
    rows = [row.split("\t") for row in table.text.split("\n")]
    assert rows[0] == ["name", "function", "integral"]
    assert [row[0] for row in rows if row[0]] == ["name", "power", "reciprocal", "exponential", "cosine", "bell"]
    (code,) = [block for block in blocks if block.kind is BlockKind.CODE]
    assert code.text.split("\n") == [
        "def midpoint(f, a, b, n=100):",
        "    h = (b - a) / n",
        "    return h * sum(f(a + (i + 0.5) * h) for i in range(n))",
        "",
        "print(midpoint(lambda x: x ** 2, 0, 1))   # about 0.333325",
    ]
