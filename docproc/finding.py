"""What a page process does: open a document, and turn one of its pages into formulas and prose.

Everything that parses a file somebody else made runs here, in a process of its own. What is heavy is imported by the
first task, so that the process that only hands out tasks does without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from docproc.context import with_context
from docproc.documents import Document, forget_fonts, open_document, parse_page_ranges
from docproc.errors import InputError, UsageError
from docproc.file_stamp import FileStamp, check_unchanged
from docproc.records import Block, Failure, FoundPage, Page, Region

if TYPE_CHECKING:
    from docproc.font_statistics import FontStatistics
    from docproc.options import FindOptions


@dataclass(frozen=True, slots=True)
class DocumentTask:
    """Look at a file."""

    path: Path
    pages: str | None
    options: FindOptions
    is_cautious: bool = False
    """Leave out what looks into its pages: a first look did not end well."""


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """What the run needs to know of a document before its pages."""

    path: Path
    name: str
    sha256: str
    media_type: str
    page_count: int
    title: str
    damage: str | None
    numbers: tuple[int, ...]
    """Pages that were asked for, from 1."""
    statistics: FontStatistics | None
    """Evidence from the whole document which fonts are mathematics; None for pictures."""
    stamp: FileStamp | None = None
    """Of the file whose hash was taken."""


@dataclass(frozen=True, slots=True)
class PageTask:
    """Find the formulas of one page."""

    path: Path
    number: int
    statistics: FontStatistics | None
    options: FindOptions
    stamp: FileStamp | None = None
    sha256: str | None = None
    """Of the file that the run looked at: a page of another one fails. None takes any."""


# The document that this process read last stays open: its pages come one after the other.
_open: dict[tuple[Path, str | None, FileStamp | None], Document] = {}


def work(task: DocumentTask | PageTask) -> DocumentFacts | FoundPage | Failure:
    """Do one task; a file or page that cannot be read is a `Failure`."""
    if isinstance(task, DocumentTask):
        try:
            return look_at(task)
        except (InputError, UsageError) as error:
            return Failure("open", str(task.path), str(error))
    try:
        return _find_unchanged(task)
    except InputError as error:
        return Failure("render", str(task.path), str(error), task.number)


def _find_unchanged(task: PageTask) -> FoundPage:
    """Find a page of the file that the run looked at, before and after."""

    def check() -> None:
        if task.sha256 is not None:
            check_unchanged(task.path, task.stamp, task.sha256)

    check()
    try:
        document = open_kept(task.path, task.options.password)
        found = find_page(document, task.number, task.statistics, task.options)
    except Exception:
        check()  # what is broken may be so for being written just now
        raise
    check()
    return found


def look_at(task: DocumentTask) -> DocumentFacts:
    """Open a document and gather what all its pages need.

    Raises:
        InputError: It cannot be opened, or is written meanwhile.
        UsageError: Its page ranges cannot be understood.
    """
    stamp = FileStamp.of(task.path)
    document = open_kept(task.path, task.options.password)
    numbers = (
        parse_page_ranges(task.pages, document.page_count) if task.pages else list(range(1, document.page_count + 1))
    )
    statistics = None
    if document.pdf is not None and task.options.text_layer:
        from docproc.font_statistics import gather_font_statistics

        seen = range(1, 1 if task.is_cautious else document.page_count + 1)
        statistics = gather_font_statistics(document.pdf, seen)
    sha256 = document.sha256
    check_unchanged(task.path, stamp, sha256)
    return DocumentFacts(
        path=task.path,
        name=document.name,
        sha256=sha256,
        media_type=document.media_type,
        page_count=document.page_count,
        title=document.title,
        damage=document.damage,
        numbers=tuple(numbers),
        statistics=statistics,
        stamp=stamp,
    )


def find_page(document: Document, number: int, statistics: FontStatistics | None, options: FindOptions) -> FoundPage:
    """Find the formulas of one page and read its prose.

    Raises:
        InputError: The page cannot be rendered.
    """
    from docproc.crops import cut_crops
    from docproc.pages import render_page
    from docproc.regions import find_formula_regions

    page = render_page(document, number, use_text_layer=options.text_layer)
    if page.text_layer is not None:
        regions = find_formula_regions(page, statistics, options.regions)
        regions = cut_crops(page, regions, options.regions)
        blocks = _born_digital_prose(document, page, regions) if options.prose else []
        return found_page(page, regions, blocks)
    return _scanned_page(page, options)


def _born_digital_prose(document: Document, page: Page, regions: list[Region]) -> list[Block]:
    from docproc.prose import read_blocks

    assert page.text_layer is not None
    return read_blocks(document.pdf[page.number - 1], page.text_layer, regions)


def _scanned_page(page: Page, options: FindOptions) -> FoundPage:
    from docproc.cleanup import prepare_scan
    from docproc.crops import cut_crops
    from docproc.ocr import read_words
    from docproc.ocr_blocks import blocks_from_words, is_doubtful, without_paragraphs
    from docproc.scan_regions import find_in_image

    clean, transform = prepare_scan(page)
    problem, words = None, None
    if options.ocr:
        try:
            words = read_words(clean)
        except ImportError:
            problem = "its prose was not read: rapidocr or onnxruntime is not installed"
    if words and is_doubtful(words):
        problem = "its prose could hardly be read: it is handwritten, or the scan is poor"
    regions = without_paragraphs(find_in_image(clean, options.regions, words), words or [])
    regions = cut_crops(clean, regions, options.regions)
    blocks = blocks_from_words(words or [], regions) if options.prose else []
    blocks = [replace(block, box=block.box and transform.to_original(block.box)) for block in blocks]
    regions = [transform.region_to_original(region) for region in regions]
    return found_page(page, regions, blocks, problem)


def found_page(page: Page, regions: list[Region], blocks: list[Block], problem: str | None = None) -> FoundPage:
    """What was found on a page, without its picture and glyphs."""
    return FoundPage(
        document=page.document,
        number=page.number,
        width_pt=page.width_pt,
        height_pt=page.height_pt,
        rotation=page.rotation,
        kind=page.kind,
        regions=tuple(with_context(regions, blocks)),
        blocks=tuple(blocks),
        problem=page.damage or problem,
        damage=page.damage,
    )


def open_kept(path: Path, password: str | None) -> Document:
    """Open a document, or take the one that this process has open if its file is still the same."""
    key = (path, password, FileStamp.of(path))
    if key not in _open:
        for document in _open.values():
            document.close()
        _open.clear()
        forget_fonts()
        _open[key] = open_document(path, password)
    return _open[key]
