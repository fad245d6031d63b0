"""Formulas, or whole documents with their prose, for Word: formulas are editable, not pictures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from itertools import groupby
from typing import IO, TYPE_CHECKING

from docproc.docx_parts import DOCUMENT_TAIL, document_head, static_parts
from docproc.latex.check import check
from docproc.omml import omml_of
from docproc.placing import with_drawn
from docproc.prose_text import join_line_end
from docproc.prose_words import words_of
from docproc.records import (
    BOLD_CLOSE,
    BOLD_OPEN,
    CODE_CLOSE,
    CODE_OPEN,
    MARK_CLOSE,
    MARK_OPEN,
    Block,
    BlockKind,
    FormulaKind,
    Status,
)
from docproc.xml_text import xml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from docproc.entries import Entry
    from docproc.records import StoredFormula
    from docproc.store import FormulaStore

_PIECE = re.compile(f"{MARK_OPEN}(\\d+){MARK_CLOSE}|([{CODE_OPEN}{CODE_CLOSE}{BOLD_OPEN}{BOLD_CLOSE}])")
_ENDED = re.compile(r"[.!?:;…]['\"”’)\]]*$")
_LABEL = re.compile(r"^(\d{1,9}[.)])\s+")


def write_docx(store: FormulaStore, entries: Iterable[Entry], file: IO[bytes], *, whole_documents: bool) -> None:
    """Write a .docx file.

    Args:
        store: Where the entries are from.
        entries: By document, page and position; any order for a search.
        file: Takes the ZIP.
        whole_documents: The entries are whole documents: their prose is written too.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in static_parts().items():
            archive.writestr(name, text)
        with archive.open("word/document.xml", "w") as document:
            document.write(document_head().encode())
            parts = _documents(store, entries) if whole_documents else _formulas(entries)
            for part in parts:
                document.write(part.encode("utf-8", "replace"))
            document.write(DOCUMENT_TAIL.encode())


def _formulas(entries: Iterable[Entry]) -> Iterator[str]:
    for (title, document, page), group in groupby(entries, key=lambda e: (e.title, e.document, e.page)):
        yield _paragraph(_run(f"{title or document}, page {page}"), "Heading2")
        for entry in group:
            if entry.text_before:
                yield _paragraph(_run(entry.text_before))
            yield _display(_math(entry.latex, entry.mathml, entry.status), entry.equation_number)
            if entry.text_after:
                yield _paragraph(_run(entry.text_after))


def _documents(store: FormulaStore, entries: Iterable[Entry]) -> Iterator[str]:
    for number, (document_id, group) in enumerate(groupby(entries, key=lambda entry: entry.document_id)):
        first = next(iter(group))
        if number:
            yield '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
        yield _paragraph(_run(first.title or first.document), "Title")
        yield from _document(store, document_id)


def _document(store: FormulaStore, document_id: int) -> Iterator[str]:
    """The blocks of all pages; a paragraph that runs over the end of a page is one paragraph."""
    by_page: dict[int, dict[int, StoredFormula]] = {}
    for stored in store.document_formulas(document_id):
        by_page.setdefault(stored.page_number, {})[stored.formula.position] = stored
    pages = [with_drawn(p, by_page.get(p.number, {}).values()) for p in store.document_pages(document_id)]
    known_words = words_of(line for page in pages for block in page.blocks for line in block.text.split("\n"))
    waiting: tuple[str, Block, Mapping[int, StoredFormula]] | None = None
    for page in pages:
        formulas = by_page.get(page.number, {})
        if page.status == "failed":
            yield _paragraph(_run(f"[page {page.number} could not be read: {page.problem or 'unknown reason'}]"))
        blocks = list(page.blocks)
        seen = {int(m[1]) for block in blocks for m in _PIECE.finditer(block.text) if m[1]}
        left = [p for p in sorted(set(formulas) - seen) if formulas[p].formula.status is not Status.REJECTED]
        blocks += [Block(BlockKind.FORMULA, f"{MARK_OPEN}{position}{MARK_CLOSE}") for position in left]
        for block in blocks:
            if waiting is not None:
                before, old, old_formulas = waiting
                waiting = None
                if block.kind is BlockKind.PARAGRAPH and (block.text[:1].islower() or block.text[:1] == MARK_OPEN):
                    text = join_line_end(_flat(before), _flat(block.text), known_words)
                    kept = len(text) - len(_flat(block.text))
                    # Marks count by page: what stands before the page's end is written with its own formulas.
                    lead = _inline(text[:kept], old_formulas)
                    yield _paragraph(lead + _inline(text[kept:], formulas))
                    continue
                yield _block(replace(old, text=before), old_formulas)
            is_last = block is blocks[-1]
            if is_last and block.kind is BlockKind.PARAGRAPH and not _ENDED.search(block.text):
                waiting = (block.text, block, formulas)
            else:
                yield _block(block, formulas)
    if waiting is not None:
        yield _block(waiting[1], waiting[2])


def _block(block: Block, formulas: Mapping[int, StoredFormula]) -> str:
    match block.kind:
        case BlockKind.HEADING:
            return _paragraph(_inline(block.text, formulas), f"Heading{min(max(block.level, 1), 6)}")
        case BlockKind.LIST_ITEM:
            label = _LABEL.match(block.text)
            text = block.text[label.end() if label else 0 :]
            indent = f'<w:ind w:left="{360 * (block.level + 1)}" w:hanging="360"/>'
            return _paragraph(
                _run(label[1] if label else "•") + "<w:r><w:tab/></w:r>" + _inline(text, formulas), properties=indent
            )
        case BlockKind.CODE:
            return _paragraph(_lines(block.text), "Code")
        case BlockKind.TABLE:
            return _table(block.text, formulas)
        case BlockKind.CAPTION:
            return _paragraph(_inline(block.text, formulas), "Caption")
        case BlockKind.FOOTNOTE:
            return _paragraph(_inline(block.text, formulas), "Footnote")
        case BlockKind.FIGURE:
            return _paragraph(_run("[figure] ") + _inline(block.text, formulas), "Caption")
        case BlockKind.FORMULA:
            return "".join(_displays(block.text, formulas))
        case BlockKind.PARAGRAPH:
            return _paragraph(_inline(block.text, formulas))


def _displays(text: str, formulas: Mapping[int, StoredFormula]) -> Iterator[str]:
    parts = re.split(f"{MARK_OPEN}(\\d+){MARK_CLOSE}", text)
    if parts[0].strip():
        yield _paragraph(_run(parts[0].strip()))
    for position, labels in zip(parts[1::2], parts[2::2], strict=True):
        stored = formulas.get(int(position))
        if stored is not None and stored.formula.status is not Status.REJECTED:
            numbers = [n for n in (stored.formula.equation_number, *labels.split()) if n]
            yield _display(_stored_math(stored), ", ".join(numbers))


def _display(math: str, number: str | None) -> str:
    """A formula on a line of its own; with a number it stands in the middle of a table without lines."""
    body = f"<m:oMathPara>{math}</m:oMathPara>" if math.startswith("<m:") else math
    if not number:
        return f"<w:p>{body}</w:p>"
    cells = ((500, "<w:p/>"), (7500, f"<w:p>{body}</w:p>"), (1360, _paragraph(_run(f"({number})"), "Number")))
    row = "".join(f'<w:tc><w:tcPr><w:tcW w:w="{w}" w:type="dxa"/><w:vAlign w:val="center"/></w:tcPr>{c}</w:tc>'
                  for w, c in cells)  # fmt: skip
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width, _ in cells)
    return (
        f'<w:tbl><w:tblPr><w:tblW w:w="9360" w:type="dxa"/><w:tblLayout w:type="fixed"/></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid><w:tr>{row}</w:tr></w:tbl>"
    )


def _stored_math(stored: StoredFormula) -> str:
    is_display = stored.formula.kind is FormulaKind.DISPLAY
    known = stored.formula.mathml if stored.corrected_latex is None else ""
    mathml = known or check(stored.best_latex, is_display=is_display).mathml
    return _math(stored.best_latex, mathml, stored.formula.status)


def _math(latex: str, mathml: str, status: str) -> str:
    """The formula; what is no valid LaTeX stays visible as such."""
    try:
        return omml_of(mathml) if mathml and status != Status.FAILED else _run(latex or "[formula not read]", code=True)
    except ET.ParseError:
        return _run(latex, code=True)


def _inline(text: str, formulas: Mapping[int, StoredFormula]) -> str:
    """Text with its formulas, bold words and code."""
    parts: list[str] = []
    bold = code = False
    last = 0
    text = _flat(text)
    for match in _PIECE.finditer(text):
        parts.append(_run(text[last : match.start()], bold=bold, code=code))
        last = match.end()
        if match[1]:
            stored = formulas.get(int(match[1]))
            if stored is not None and stored.formula.status is not Status.REJECTED:
                parts.append(_stored_math(stored))
        else:
            bold = match[2] == BOLD_OPEN or (bold and match[2] != BOLD_CLOSE)
            code = match[2] == CODE_OPEN or (code and match[2] != CODE_CLOSE)
    parts.append(_run(text[last:], bold=bold, code=code))
    return "".join(parts)


def _table(text: str, formulas: Mapping[int, StoredFormula]) -> str:
    rows = [row.split("\t") for row in text.split("\n")]
    width = max(map(len, rows))
    cells = [
        "".join(
            f"<w:tc><w:tcPr/>{_paragraph(_inline(cell, formulas))}</w:tc>"
            for cell in row + [""] * (width - len(row))
        )
        for row in rows
    ]
    grid = '<w:gridCol w:w="1500"/>' * width
    body = "".join(f"<w:tr>{row}</w:tr>" for row in cells)
    return f'<w:tbl><w:tblPr><w:tblStyle w:val="TableGrid"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{body}</w:tbl><w:p/>'


def _paragraph(content: str, style: str = "", properties: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    inside = f"<w:pPr>{named}{properties}</w:pPr>" if named or properties else ""
    return f"<w:p>{inside}{content}</w:p>"


def _run(text: str, *, bold: bool = False, code: bool = False) -> str:
    if not text:
        return ""
    marks = ('<w:rFonts w:ascii="Courier New" w:hAnsi="Courier New"/>' if code else "") + ("<w:b/>" if bold else "")
    properties = f"<w:rPr>{marks}</w:rPr>" if marks else ""
    return f'<w:r>{properties}<w:t xml:space="preserve">{xml_text(text)}</w:t></w:r>'


def _lines(text: str) -> str:
    return "<w:r><w:br/></w:r>".join(_run(line) for line in text.split("\n"))


def _flat(text: str) -> str:
    return " ".join(text.split())
