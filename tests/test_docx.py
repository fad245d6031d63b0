"""Formulas for Word: every one is there, editable, and the file is well-formed whatever a document holds."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docproc.entries import read_entries
from docproc.export_docx import write_docx
from docproc.filters import FormulaFilter
from docproc.latex.check import check
from docproc.omml import omml_of
from docproc.store import FormulaStore
from docproc.xml_text import xml_text
from tests.conftest import Docproc
from tests.test_export import HOSTILE

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
SPACES = f'xmlns:m="{M[1:-1]}" xmlns:w="{W[1:-1]}"'


def omml(latex: str) -> str:
    """Of a formula, with the properties of its runs left out."""
    root = ET.fromstring(f"<r {SPACES}>{omml_of(check(latex).mathml)}</r>")

    def short(element: ET.Element) -> str:
        name = element.tag.rpartition("}")[2]
        if name in ("rPr", "ctrlPr"):
            return ""
        if name == "t":
            return element.text or ""
        values = [value for key, value in element.attrib.items() if key.endswith("}val")]
        inside = "".join(map(short, element))
        if name == "r":
            return inside
        return f"{name}={values[0]}" if values else f"{name}({inside})"

    return short(root[0])


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\frac{a}{b}", "oMath(f(num(a)den(b)))"),
        (r"x_i^2", "oMath(sSubSup(e(x)sub(i)sup(2)))"),
        (r"\sqrt[3]{x}", "oMath(rad(deg(3)e(x)))"),
        (r"\sqrt{x}", "oMath(rad(radPr(degHide=1)deg()e(x)))"),
        (
            r"\sum_{k=1}^n a_k=b",
            "oMath(nary(naryPr(chr=∑limLoc=undOvr)sub(k=1)sup(n)e(sSub(e(a)sub(k))))=b)",
        ),
        (r"\int f", "oMath(nary(naryPr(chr=∫limLoc=subSupsubHide=1supHide=1)sub()sup()e(f)))"),
        (r"(a+b)^2", "oMath(sSup(e(d(dPr(begChr=(endChr=))e(a+b)))sup(2)))"),
        (r"[0,1)", "oMath(d(dPr(begChr=[endChr=))e(0,1)))"),
        (r"f(x", "oMath(f(x)"),
        (r"\lim_{n\to\infty}x", "oMath(func(fName(limLow(e(lim)lim(n→∞)))e(x)))"),
        (r"\sin(x)y", "oMath(func(fName(sin)e(d(dPr(begChr=(endChr=))e(x))))y)"),
        (r"\hat{x}", "oMath(acc(accPr(chr=\u0302)e(x)))"),
        (r"\overline{x}", "oMath(bar(barPr(pos=top)e(x)))"),
        (r"\binom{n}{k}", "oMath(d(dPr(begChr=(endChr=))e(f(fPr(type=noBar)num(n)den(k)))))"),
        (r"\begin{aligned}a&=b\\c&=d\end{aligned}", "oMath(eqArr(e(a&=b)e(c&=d)))"),
    ],
)
def test_each_construction_is_words_own(latex: str, expected: str) -> None:
    assert omml(latex) == expected


def test_letters_keep_their_alphabets() -> None:
    text = omml_of(check(r"\mathbb{R}\mathbf{v}\mathrm{d}").mathml)
    assert '<m:scr m:val="double-struck"/>' in text
    assert '<m:sty m:val="b"/>' in text
    assert '<m:sty m:val="p"/>' in text


def test_a_document_is_whole_and_every_formula_can_be_edited(
    docproc: Docproc, digitized: Path, tmp_path: Path
) -> None:
    file = tmp_path / "notes.docx"
    result = docproc("export", "--format", "docx", "-d", digitized / "docproc.db", "-o", file)
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        parts = {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}
    types = {part.get("PartName") for part in parts["[Content_Types].xml"]}
    assert {f"/{name}" for name in parts if name.startswith("word/") and not name.endswith(".rels")} <= types
    body = parts["word/document.xml"]
    with FormulaStore.open(digitized / "docproc.db") as store:
        live = "SELECT count(*) FROM formulas WHERE status NOT IN ('rejected', 'failed') AND mathml != ''"
        (count,) = store.connection.execute(live).fetchone()
    assert len(list(body.iter(f"{M}oMath"))) == count
    text = "".join(element.text or "" for element in body.iter(f"{W}t"))
    assert "The geometric series converges for" in text
    assert "(2.2)" in text
    headings = [style.get(f"{W}val") for style in body.iter(f"{W}pStyle")]
    assert {"Title", "Heading1", "Heading2", "Code", "Caption"} <= set(headings)
    assert list(body.iter(f"{W}tbl"))
    found = docproc("export", "geometric series", "--format", "docx", "-d", digitized / "docproc.db", "-o", file)
    assert found.returncode == 0
    with zipfile.ZipFile(file) as archive:
        assert "page 2" in archive.read("word/document.xml").decode()
    assert docproc("export", "--format", "docx", "-d", digitized / "docproc.db").returncode == 2


def test_what_a_hostile_document_says_is_only_text(tmp_path: Path) -> None:
    from docproc.records import Block, BlockKind, Box, Formula, FormulaKind, FoundPage, PageKind, Status

    with FormulaStore.open(tmp_path / "d.db") as store:
        hostile = Formula(
            FormulaKind.DISPLAY, 1, Box(0, 0, 9, 9), HOSTILE + "\x00]]>", HOSTILE, Status.INVALID, 0.5, "end", "m", "",
            equation_number=HOSTILE, mathml="<not well-formed",
        )  # fmt: skip
        state = store.begin_document(f"{HOSTILE}.pdf", "sha", "application/pdf", 1, HOSTILE, "o")
        blocks = tuple(Block(kind, f"{HOSTILE}\x01\ud800") for kind in BlockKind)
        store.write_page(state.id, FoundPage("x", 1, 9, 9, 0, PageKind.SCAN, (), blocks), [hostile])
        for whole in (True, False):
            buffer = io.BytesIO()
            write_docx(store, read_entries(store, FormulaFilter()), buffer, whole_documents=whole)
            with zipfile.ZipFile(buffer) as archive:
                body = ET.fromstring(archive.read("word/document.xml"))
            assert {element.tag[: len(W)] for element in body.iter()} <= {W, M}
            assert HOSTILE in "".join(body.itertext())


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_written(text: str) -> None:
    root = ET.fromstring(f'<a b="{xml_text(text)}">{xml_text(text)}</a>')
    assert root is not None
