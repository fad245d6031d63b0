"""Markdown that reads like the book."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docproc.latex.katex_engine import ask_katex
from docproc.markdown import MarkdownOptions, render_markdown
from docproc.markdown_text import code_block, code_span, escape_start, escape_text, split_delimiters
from docproc.records import (
    BOLD_CLOSE,
    BOLD_OPEN,
    CODE_CLOSE,
    CODE_OPEN,
    MARK_CLOSE,
    MARK_OPEN,
    Block,
    BlockKind,
    Box,
    Formula,
    FormulaKind,
    PageKind,
    Status,
    StoredFormula,
    StoredPage,
)

PARAGRAPH = BlockKind.PARAGRAPH


def mark(position: int) -> str:
    return f"{MARK_OPEN}{position}{MARK_CLOSE}"


def page(*blocks: Block, number: int = 12, status: str = "done", problem: str | None = None) -> StoredPage:
    return StoredPage(number, number, PageKind.BORN_DIGITAL, blocks, status, problem)


def formula(position: int, latex: str, page_number: int = 12, corrected: str | None = None, **changes: object):
    record = Formula(
        FormulaKind.INLINE, position, Box(0, 0, 72, 36), latex, latex, Status.OK, 0.9, "end", "built-in", ""
    )
    return StoredFormula(
        100 + position, 1, page_number, replace(record, **changes), corrected_latex=corrected  # type: ignore[arg-type]
    )  # fmt: skip


def render(*blocks: Block, formulas: tuple[StoredFormula, ...] = (), options: MarkdownOptions | None = None) -> str:
    text = render_markdown([page(*blocks)], formulas, options or MarkdownOptions())
    anchor = '<a id="page-12"></a>\n\n'
    assert text.startswith(anchor)
    return text.removeprefix(anchor).rstrip("\n")


def paragraph(text: str, *formulas: StoredFormula, **options: str) -> str:
    return render(Block(PARAGRAPH, text), formulas=formulas, options=MarkdownOptions(**options))


DISPLAY = {"kind": FormulaKind.DISPLAY}


def test_a_sentence_with_formulas() -> None:
    assert paragraph(f"Let {mark(1)} be {mark(2)}.", formula(1, "x"), formula(2, r"\frac{1}{2}")) == (
        r"Let $x$ be $\frac{1}{2}$."
    )


def test_a_formula_parted_by_a_line_end_is_put_together() -> None:
    parts = (formula(1, "n="), formula(2, r"1,\ldots", parent_position=1), formula(3, ",N", parent_position=2))
    assert paragraph(f"{mark(1)} {mark(2)} {mark(3)}, and", *parts) == r"$n= 1,\ldots ,N$, and"
    doubtful = formula(2, "1", parent_position=1, status=Status.SUSPECT)
    assert paragraph(f"{mark(1)} {mark(2)}", parts[0], doubtful).startswith("$n=$ $1$<!--")
    assert paragraph(f"{mark(1)} {mark(2)}", parts[0], formula(2, "1")) == "$n=$ $1$"


def test_delimiters_can_be_set() -> None:
    options = {"inline_delimiters": r"\(…\)", "display_delimiters": r"\[...\]"}
    assert paragraph(f"Let {mark(1)}", formula(1, "x"), **options) == r"Let \(x\)"
    shown = render(
        Block(BlockKind.FORMULA, mark(1)), formulas=(formula(1, "x", **DISPLAY),), options=MarkdownOptions(**options)
    )
    assert shown == "\\[\nx\n\\]"
    assert split_delimiters("$…$") == ("$", "$")
    for wrong in ("$", "…", "", "$…"):
        with pytest.raises(ValueError, match="ellipsis"):
            split_delimiters(wrong)


@pytest.mark.parametrize(
    ("number", "labels", "tag"),
    [("3.2", "", "3.2"), ("3.2", " 3.3 3.4", "3.2, 3.3, 3.4"), ("A_1%", "", r"A\_1\%"), ("2'", "", "2'")],
)
def test_display_formulas_carry_their_numbers(number: str, labels: str, tag: str) -> None:
    shown = render(
        Block(BlockKind.FORMULA, mark(1) + labels), formulas=(formula(1, "a=b", equation_number=number, **DISPLAY),)
    )
    assert shown == f"$$\na=b \\tag{{{tag}}}\n$$"


@pytest.mark.parametrize(
    ("latex", "number", "shown"),
    [
        (
            r"\begin{aligned}a&=b,&x\in A\\{}[c]&=\begin{matrix}1\\2\end{matrix}\end{aligned}",
            "1, 2a",
            r"\begin{align}a&=b,&x\in A \tag{1}\\{}[c]&=\begin{matrix}1\\2\end{matrix} \tag{2a}\end{align}",
        ),
        (
            r"\begin{aligned}a&=b\\&=c\\d&=\left(\begin{matrix}1\\2\end{matrix}\right)\end{aligned}",
            "7, 8",
            r"\begin{align}a&=b\\&=c \tag{7}\\d&=\left(\begin{matrix}1\\2\end{matrix}\right) \tag{8}\end{align}",
        ),
        (r"\begin{gathered}a\\b\end{gathered}", "1, 2", r"\begin{gather}a \tag{1}\\b \tag{2}\end{gather}"),
        (r"\begin{aligned}a&=b\\&=c\end{aligned}", "7, 8, 9", r"\begin{aligned}a&=b\\&=c\end{aligned} \tag{7, 8, 9}"),
        (r"\begin{aligned}a&=b\\&=c\end{aligned}", "7", r"\begin{aligned}a&=b\\&=c\end{aligned} \tag{7}"),
        (r"a\\b", "1, 2", r"a\\b \tag{1, 2}"),
        (r"\begin{aligned}a}\\b{\end{aligned}", "1, 2", r"\begin{aligned}a}\\b{\end{aligned} \tag{1, 2}"),
    ],
)
def test_each_line_of_a_display_has_its_number(latex: str, number: str, shown: str) -> None:
    stored = formula(1, latex, equation_number=number, **DISPLAY)
    text = render(Block(BlockKind.FORMULA, mark(1)), formulas=(stored,))
    assert text == f"$$\n{shown}\n$$"
    if "a}" not in latex:
        assert ask_katex(shown).reason == ""


def test_a_display_without_number_and_one_with_its_own_tag() -> None:
    block = Block(BlockKind.FORMULA, mark(1))
    assert render(block, formulas=(formula(1, "a\n\n%note\nb", **DISPLAY),)) == "$$\na b\n$$"
    own = formula(1, r"a\tag{7}", equation_number="7", **DISPLAY)
    assert render(block, formulas=(own,)) == "$$\na\\tag{7}\n$$"


def test_prices_and_special_characters_are_text() -> None:
    assert paragraph("It costs $5 or $6, a_b*c [x] <b> `q` ~ \\ 50% #1 a|b") == (
        r"It costs \$5 or \$6, a\_b\*c \[x\] \<b\> \`q\` \~ \\ 50% #1 a\|b"
    )
    assert paragraph("AT&T &amp; &#42;") == r"AT&T \&amp; \&#42;"


@pytest.mark.parametrize(
    ("line", "escaped"),
    [
        ("# no heading", r"\# no heading"),
        ("1. no list", r"1\. no list"),
        ("12) no list", r"12\) no list"),
        ("- no list", r"\- no list"),
        ("+ no list", r"\+ no list"),
        ("--- no rule", r"\--- no rule"),
        ("=== no heading", r"\=== no heading"),
        ("1.5 m", "1.5 m"),
        ("-5 degrees", "-5 degrees"),
        ("#1 is", "#1 is"),
    ],
)
def test_a_paragraph_stays_a_paragraph(line: str, escaped: str) -> None:
    assert escape_start(line) == escaped


def test_nothing_inside_formulas_or_code_is_escaped() -> None:
    latex = r"x_{i}^*\ [a]\_<b>"
    assert paragraph(mark(1), formula(1, latex)) == f"${latex}$"
    code = "if a_b < c[0] * 2:\n    print('$5')\n"
    assert render(Block(BlockKind.CODE, code)) == f"```\n{code}\n```"
    assert paragraph(f"the function {CODE_OPEN}normal_lpdf(y | mu){CODE_CLOSE} is") == (
        "the function `normal_lpdf(y | mu)` is"
    )
    assert paragraph(f"{BOLD_OPEN}Hint.{BOLD_CLOSE} Use a_b.") == r"**Hint.** Use a\_b."


def test_code_with_backticks() -> None:
    assert code_span("a`b") == "``a`b``"
    assert code_span("`") == "`` ` ``"
    assert code_block("```\nx\n```") == "````\n```\nx\n```\n````"


def test_a_dollar_inside_a_formula_does_not_end_it() -> None:
    assert paragraph(mark(1), formula(1, r"\text{if $x$ costs \$5}")) == r"$\text{if \(x\) costs \$5}$"


def test_tables_hold_formulas() -> None:
    shown = render(
        Block(BlockKind.TABLE, f"name\tvalue\na|b\t{mark(1)}\nnorm\t{mark(2)}\nfew"),
        formulas=(formula(1, "|x|"), formula(2, r"\|x\|+\begin{array}{c|c}a&b\end{array}", **DISPLAY)),
    )
    assert shown.split("\n") == [
        "| name | value |",
        "| --- | --- |",
        r"| a\|b | $\vert x\vert$ |",
        r"| norm | $\Vert x\Vert +\begin{array}{c\|c}a&b\end{array}$ |",
        "| few |  |",
    ]


def test_failed_formulas_stay_visible() -> None:
    failed = formula(1, "", status=Status.FAILED)
    assert paragraph(f"so {mark(1)} holds", failed) == (
        "so **[formula not read: page 12, 2.5×1.3 cm, docproc show 101]** holds"
    )
    picture = StoredPage(1, 12, PageKind.IMAGE, (Block(PARAGRAPH, mark(1)),), "done", None)
    assert "72×36 pixels" in render_markdown([picture], [failed], MarkdownOptions())


def test_doubtful_and_invalid_formulas_say_so() -> None:
    suspect = formula(1, "x", status=Status.SUSPECT, problems=("a sign --> may be -- missing",))
    shown = paragraph(mark(1), suspect)
    assert shown.startswith("$x$<!-- docproc 101: suspect: a sign")
    assert shown.count("-->") == 1
    assert "--" not in shown.removeprefix("$x$<!--").removesuffix("-->")
    invalid = formula(1, r"\frac{a", status=Status.INVALID)
    assert paragraph(mark(1), invalid) == r"`\frac{a`<!-- docproc 101: invalid -->"
    block = Block(BlockKind.FORMULA, mark(1))
    assert render(block, formulas=(replace_kind(invalid),)).startswith("```latex\n\\frac{a\n```\n<!--")
    rejected = formula(1, "l", status=Status.REJECTED)
    assert paragraph(f"a {mark(1)} b", rejected) == "a <!-- docproc 101: rejected --> b"


def replace_kind(stored: StoredFormula) -> StoredFormula:
    return replace(stored, formula=replace(stored.formula, kind=FormulaKind.DISPLAY))


def test_a_correction_wins() -> None:
    assert paragraph(mark(1), formula(1, "l", corrected=r"\ell", status=Status.INVALID)) == r"$\ell$"


def test_headings_lists_captions_footnotes_figures() -> None:
    blocks = [
        Block(BlockKind.HEADING, "1 Basics", 2),
        Block(BlockKind.LIST_ITEM, "first", 0),
        Block(BlockKind.LIST_ITEM, "inner", 1),
        Block(BlockKind.LIST_ITEM, "10. tenth", 0),
        Block(BlockKind.LIST_ITEM, "(a) below it", 1),
        Block(BlockKind.FIGURE, ""),
        Block(BlockKind.FIGURE, mark(2)),
        Block(BlockKind.CAPTION, f"Figure 3.2: The curve {mark(1)}"),
        Block(BlockKind.FOOTNOTE, "¹See *there*"),
    ]
    assert render(*blocks, formulas=(formula(1, "y"), formula(2, "x=0"))).split("\n") == [
        "## 1 Basics",
        "",
        "- first",
        "  - inner",
        "10. tenth",
        "    - (a) below it",
        "",
        "*[figure]*",
        "",
        "*[figure]* $x=0$",
        "",
        "**Figure 3.2:** The curve $y$",
        "",
        r"> ¹See \*there\*",
    ]


def test_a_sentence_goes_on_over_the_page() -> None:
    pages = [
        page(Block(PARAGRAPH, "This is inter-"), Block(BlockKind.FOOTNOTE, "¹Note"), number=1),
        page(Block(PARAGRAPH, "rupted, and"), number=2),
        page(Block(PARAGRAPH, f"{mark(1)} is here."), Block(PARAGRAPH, "Next."), number=3),
        page(Block(PARAGRAPH, "new start"), number=4),
    ]
    text = render_markdown(pages, [formula(1, "x", page_number=3)], MarkdownOptions())
    assert text == (
        '<a id="page-1"></a>\n\n'
        'This is inter<a id="page-2"></a>rupted, and <a id="page-3"></a>$x$ is here.\n\n'
        "> ¹Note\n\nNext.\n\n"
        '<a id="page-4"></a>\n\nnew start\n'
    )


def test_a_listing_goes_on_over_the_page_with_its_indentation() -> None:
    def code(text: str, x0: float) -> Block:
        return Block(BlockKind.CODE, text, box=Box(x0, 0, x0 + 6 * max(map(len, text.split("\n"))), 9))

    def prose(text: str, x0: float) -> Block:
        return Block(PARAGRAPH, text, box=Box(x0, 0, x0 + 300, 9))

    note = Block(BlockKind.FOOTNOTE, "¹Note")
    pages = [
        page(prose("Here:", 100), code("def f(x):\n    if x:", 106), note, number=1),
        page(code("return 1\n\n    # all", 150 + 6 + 6 * 8), number=2),  # the margins of the pages mirror each other
        page(code("f(2)", 106), prose("Done.", 100), number=3),
        page(prose("So:", 150), code("new()", 156), number=4),
        page(prose("End.", 100), number=5),
    ]
    assert render_markdown(pages, [], MarkdownOptions()) == (
        '<a id="page-1"></a>\n\nHere:\n\n<a id="page-2"></a>\n\n<a id="page-3"></a>\n\n'
        "```\ndef f(x):\n    if x:\n        return 1\n\n            # all\nf(2)\n```\n\n> ¹Note\n\nDone.\n\n"
        '<a id="page-4"></a>\n\nSo:\n\n```\nnew()\n```\n\n<a id="page-5"></a>\n\nEnd.\n'
    )


def test_no_formula_is_lost_and_failed_pages_are_named() -> None:
    pages = [page(Block(PARAGRAPH, "text."), number=1), page(number=2, status="failed", problem="out of memory")]
    options = MarkdownOptions()
    text = render_markdown(pages, [formula(1, "x", page_number=1, **DISPLAY)], options)
    assert "text.\n\n$$\nx\n$$" in text
    assert "**[page 2 could not be read: out of memory]**" in text
    doubtful = render_markdown([page(Block(PARAGRAPH, "tekst"), number=3, problem="it is handwritten")], [], options)
    assert doubtful == '<a id="page-3"></a>\n\n*[page 3: it is handwritten]*\n\ntekst\n'
    assert render_markdown([], [], MarkdownOptions()) == ""


@given(st.lists(st.tuples(st.sampled_from(BlockKind), st.text(max_size=40)), max_size=5))
def test_any_text_can_be_rendered(blocks: list[tuple[BlockKind, str]]) -> None:
    text = render_markdown([page(*(Block(kind, text) for kind, text in blocks))], [], MarkdownOptions())
    assert text.startswith('<a id="page-12"></a>')


@given(st.text())
def test_escaped_text_holds_all_characters(text: str) -> None:
    plain = "".join(c for c in text if not "\ue000" <= c <= "\ue005")
    unescaped = ""
    escaped = iter(escape_text(plain))
    for c in escaped:
        unescaped += next(escaped) if c == "\\" else c
    assert unescaped == plain


def test_references_lead_to_their_formulas() -> None:
    shown = Block(BlockKind.FORMULA, mark(1))
    prose = Block(PARAGRAPH, f"By (3.2) and Eq. 3.2, {mark(2)} of (1999) is {CODE_OPEN}f(3.2){CODE_CLOSE}; not (9.9).")
    numbered = formula(1, "a", kind=FormulaKind.DISPLAY, equation_number="3.2")
    text = render(shown, prose, formulas=(numbered, formula(2, "f(3.2)")))
    assert text == (
        '<a id="eq-3.2"></a>\n\n$$\na \\tag{3.2}\n$$\n\n'
        "By ([3.2](#eq-3.2)) and Eq. [3.2](#eq-3.2), $f(3.2)$ of (1999) is `f(3.2)`; not (9.9)."
    )
    assert "<a id" not in render(shown, formulas=(numbered,)), "nothing leads to it"


def test_a_number_that_begins_again_leads_to_the_nearest_one_before() -> None:
    first = formula(1, "a", 1, kind=FormulaKind.DISPLAY, equation_number="1")
    second = formula(2, "b", 3, kind=FormulaKind.DISPLAY, equation_number="1")
    pages = [
        page(Block(BlockKind.FORMULA, mark(1)), Block(PARAGRAPH, "See (1)."), number=1),
        page(Block(PARAGRAPH, "Still (1)."), number=2),
        page(Block(BlockKind.FORMULA, mark(2)), Block(PARAGRAPH, "Now (1)."), number=3),
    ]
    text = render_markdown(pages, [second, first], MarkdownOptions())
    assert "See ([1](#eq-1))." in text
    assert "Still ([1](#eq-1))." in text
    assert "Now ([1](#eq-1-2))." in text
    assert text.index('<a id="eq-1"></a>') < text.index('<a id="eq-1-2"></a>')


def test_drawn_formulas_stand_where_they_belong() -> None:
    top, middle, low = Box(10, 10, 90, 20), Box(10, 30, 90, 40), Box(10, 50, 90, 60)
    blocks = (Block(PARAGRAPH, f"Let {mark(1)} {mark(2)} be.", box=top), Block(PARAGRAPH, "So it is.", box=low))
    gone = {"status": Status.REJECTED}
    parts = (formula(1, "a", box=Box(20, 10, 30, 20), **gone), formula(2, "b", box=Box(32, 10, 40, 20), **gone))
    merged = formula(3, "ab", box=Box(20, 10, 40, 20))
    assert render(*blocks, formulas=(*parts, merged)) == "Let $ab$ be.\n\nSo it is."
    halves = (formula(4, "c", box=Box(20, 10, 25, 20)), formula(5, "d", box=Box(25, 10, 30, 20)))
    text = render(*blocks, formulas=(parts[0], formula(2, "b", box=parts[1].formula.box), *halves))
    assert text == "Let $c$ $d$ $b$ be.\n\nSo it is."
    missed = formula(3, "m", box=middle, **DISPLAY)
    text = render(*blocks, formulas=(formula(1, "a"), formula(2, "b"), missed))
    assert text == "Let $a$ $b$ be.\n\n$$\nm\n$$\n\nSo it is."
