"""A document as Markdown that reads like the book."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docproc.listings import Listing, left_edges
from docproc.markdown_links import FormulaLinks
from docproc.markdown_text import code_block, escape_start, escape_text, formula_markdown
from docproc.placing import with_drawn
from docproc.prose_text import join_line_end
from docproc.prose_words import words_of
from docproc.records import MARK_CLOSE, MARK_OPEN, Block, BlockKind, FormulaKind, Status, StoredFormula, StoredPage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MARK = re.compile(f"{MARK_OPEN}(\\d+){MARK_CLOSE}")
_LABEL = re.compile(r"^(\d{1,9}[.)])\s+")
_CAPTION = re.compile(r"^(\S+\s*[A-Z]?\.?\d[\w.–-]*?[:.]?)(?=\s|$)")
_ENDED = re.compile(r"[.!?:;…]['\"”’)\]]*[⁰¹²³⁴⁵⁶⁷⁸⁹]*$")


@dataclass(frozen=True, slots=True)
class MarkdownOptions:
    """How formulas are set off; what stands before and after the ellipsis encloses them."""

    inline_delimiters: str = "$…$"
    display_delimiters: str = "$$…$$"


def render_markdown(pages: Iterable[StoredPage], formulas: Iterable[StoredFormula], options: MarkdownOptions) -> str:
    """Write a document as Markdown.

    Every formula is written once: in its place, or at the end of its page if no block holds it. A paragraph that runs
    over the end of a page is put together, with the anchor of the new page inside.

    Args:
        pages: By number.
        formulas: Of all pages.
        options: For the delimiters.

    Returns:
        The text, ending in a newline; empty without pages.
    """
    pages, formulas = list(pages), list(formulas)
    by_page: dict[int, dict[int, StoredFormula]] = {}
    for stored in formulas:
        by_page.setdefault(stored.page_number, {})[stored.formula.position] = stored
    pages = [with_drawn(page, by_page.get(page.number, {}).values()) for page in pages]
    links = FormulaLinks(pages, formulas)
    known_words = words_of(line for page in pages for block in page.blocks for line in block.text.split("\n"))
    lefts = left_edges(pages)
    writer = _Writer()
    for page in pages:
        left = lefts[page.number % 2]
        _PageRenderer(page, by_page.get(page.number, {}), options, known_words, links, left).write(writer)
    return writer.text()


class _Writer:
    """Gathers blocks; knows which paragraph or listing may go on with the next page."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.open_part: int | None = None
        """Index of a paragraph whose sentence has not ended."""
        self.open_listing: int | None = None
        """Index of a listing that ends a page."""
        self.listing: Listing | None = None
        self.was_item = False

    def add(self, text: str, is_item: bool = False) -> int:
        """Append a block; items of a list stand without a blank line between them."""
        if self.parts:
            self.parts.append("\n" if is_item and self.was_item else "\n\n")
        self.parts.append(text)
        self.was_item = is_item
        return len(self.parts) - 1

    def text(self) -> str:
        return "".join(self.parts) + "\n" if self.parts else ""


class _PageRenderer:
    """Writes the blocks of one page."""

    def __init__(
        self,
        page: StoredPage,
        formulas: dict[int, StoredFormula],
        options: MarkdownOptions,
        known_words: frozenset[str],
        links: FormulaLinks,
        left: float,
    ) -> None:
        self.page, self.formulas, self.options, self.known_words = page, formulas, options, known_words
        self.links, self.left = links, left
        self.list_stack: list[tuple[int, int]] = []
        """Levels of the open list items with the columns at which their texts begin."""

    def write(self, writer: _Writer) -> None:
        page = self.page
        anchor = f'<a id="page-{page.number}"></a>'
        blocks = list(page.blocks)
        if writer.open_part is not None and blocks and _goes_on(blocks[0]):
            start = self._inline(blocks.pop(0).text)
            before = writer.parts[writer.open_part]
            joined = join_line_end(before, start, self.known_words)
            # The hyphen of a parted word is gone; the anchor stands before the word's second half.
            kept = len(joined) - len(start)
            writer.parts[writer.open_part] = joined[:kept] + anchor + joined[kept:]
            if not _ENDED.search(start):
                blocks_are_over = not any(block.kind is not BlockKind.FOOTNOTE for block in blocks)
                writer.open_part = writer.open_part if blocks_are_over else None
            else:
                writer.open_part = None
        elif blocks and self._continues_listing(writer, blocks[0], anchor):
            blocks.pop(0)
        else:
            writer.add(anchor)
            writer.open_part = None
        if any(block.kind is not BlockKind.FOOTNOTE for block in blocks):
            writer.open_listing = None
        if page.status == "failed":
            writer.add(f"**[page {page.number} could not be read: {escape_text(page.problem or 'unknown reason')}]**")
        elif page.problem:
            writer.add(f"*[page {page.number}: {escape_text(page.problem)}]*")
        body = [block for block in blocks if block.kind is not BlockKind.FOOTNOTE]
        for block in blocks:
            text = self._block(block)
            if not text:
                continue
            index = writer.add(text, is_item=block.kind is BlockKind.LIST_ITEM)
            is_last = bool(body) and block is body[-1]
            if is_last and block.kind is BlockKind.PARAGRAPH and not _ENDED.search(block.text):
                writer.open_part = index
            if is_last and block.kind is BlockKind.CODE:
                writer.open_listing, writer.listing = index, Listing(block, self.left)
        seen = {int(m[1]) for block in page.blocks for m in _MARK.finditer(block.text)}
        for position in sorted(set(self.formulas) - seen):
            if self.formulas[position].formula.status is not Status.REJECTED:
                writer.add(self._write(self.formulas[position]))

    def _continues_listing(self, writer: _Writer, block: Block, anchor: str) -> bool:
        """Put a listing together that a page's end has parted; the anchor of the new page stands before it."""
        if writer.open_listing is None or writer.listing is None or block.kind is not BlockKind.CODE:
            return False
        before = writer.parts[writer.open_listing].removesuffix(code_block(writer.listing.text))
        writer.listing = writer.listing.joined(Listing(block, self.left))
        writer.parts[writer.open_listing] = f"{before}{anchor}\n\n{code_block(writer.listing.text)}"
        return True

    def _block(self, block: Block) -> str:
        if block.kind is not BlockKind.LIST_ITEM:
            self.list_stack.clear()
        match block.kind:
            case BlockKind.HEADING:
                return f"{'#' * min(max(block.level, 1), 6)} {self._inline(block.text)}"
            case BlockKind.LIST_ITEM:
                return self._list_item(block)
            case BlockKind.CODE:
                return code_block(block.text)
            case BlockKind.TABLE:
                return self._table(block.text)
            case BlockKind.CAPTION:
                text = self._inline(block.text)
                return _CAPTION.sub(r"**\1**", text)
            case BlockKind.FOOTNOTE:
                return f"> {escape_start(self._inline(block.text))}"
            case BlockKind.FORMULA:
                return self._display(block.text)
            case BlockKind.FIGURE:
                return f"*[figure]* {self._inline(block.text)}".strip()
            case BlockKind.PARAGRAPH:
                return escape_start(self._inline(block.text))

    def _inline(self, text: str, in_table: bool = False) -> str:
        """Text with its formulas in one line."""
        parts = _MARK.split(" ".join(text.split()))
        written = [self.links.text(parts[0], self.page.number)]
        i = 1
        while i < len(parts):
            whole = self.formulas.get(int(parts[i]))
            while (
                whole
                and i + 2 < len(parts)
                and not parts[i + 1].strip()
                and (joined := self._joined(whole, parts[i + 2]))
            ):
                whole = joined
                i += 2
            following = self.links.text(parts[i + 1], self.page.number)
            written += [self._write(whole, in_line=True, in_table=in_table), following]
            i += 2
        return "".join(written)

    def _joined(self, first: StoredFormula, position: str) -> StoredFormula | None:
        """The formula with its fragment on the next line, if neither is in doubt."""
        second = self.formulas.get(int(position))
        if second is None or second.formula.parent_position != first.formula.position:
            return None
        if any(stored.formula.status not in (Status.OK, Status.VERIFIED) for stored in (first, second)):
            return None
        return replace(
            first,
            formula=replace(first.formula, position=second.formula.position),
            corrected_latex=f"{first.best_latex} {second.best_latex}",
        )

    def _write(
        self,
        stored: StoredFormula | None,
        labels: Sequence[str] = (),
        *,
        in_line: bool = False,
        in_table: bool = False,
    ) -> str:
        if stored is None:
            return "**[formula missing]**"
        is_inline = in_line or in_table or stored.formula.kind is FormulaKind.INLINE
        delimiters = self.options.inline_delimiters if is_inline else self.options.display_delimiters
        anchors = self.links.anchors(stored)
        return (f"{anchors}\n\n" if anchors and not is_inline else anchors) + formula_markdown(
            stored,
            delimiters,
            page_kind=self.page.kind,
            labels=list(labels),
            is_display=not is_inline,
            in_table=in_table,
        )

    def _display(self, text: str) -> str:
        """Formulas set off from the text, with the further numbers that stand behind their marks."""
        parts = _MARK.split(text)
        written = [
            self._write(self.formulas.get(int(position)), labels.split())
            for position, labels in zip(parts[1::2], parts[2::2], strict=True)
        ]
        return "\n\n".join([escape_start(escape_text(parts[0].strip())), *written]).strip()

    def _list_item(self, block: Block) -> str:
        while self.list_stack and self.list_stack[-1][0] >= block.level:
            self.list_stack.pop()
        indent = self.list_stack[-1][1] if self.list_stack else 0
        label = _LABEL.match(block.text)
        marker = label[1] if label else "-"
        self.list_stack.append((block.level, indent + len(marker) + 1))
        return f"{' ' * indent}{marker} {escape_start(self._inline(block.text[label.end() if label else 0 :]))}"

    def _table(self, text: str) -> str:
        rows = [[self._inline(cell, in_table=True) for cell in row.split("\t")] for row in text.split("\n")]
        width = max(len(row) for row in rows)
        lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
        lines.insert(1, "|" + " --- |" * width)
        return "\n".join(lines)


def _goes_on(block: Block) -> bool:
    """Whether the block may be the second half of a sentence."""
    return block.kind is BlockKind.PARAGRAPH and (block.text[:1].islower() or block.text[:1] == MARK_OPEN)
