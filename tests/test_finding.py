"""What a page process keeps from one document to the next."""

import re
import zlib
from pathlib import Path

import numpy as np
import pymupdf

from docproc.finding import DocumentTask, PageTask, work
from docproc.options import FindOptions
from docproc.records import FoundPage
from tests.bad.raw_pdf import one_page, pdf, picture_page

OPTIONS = FindOptions(ocr=False)


def store_bytes() -> int:
    """What MuPDF's store holds; it keeps decoded pictures beyond the closing of their documents."""
    buffer = pymupdf.mupdf.fz_new_buffer(10_000)
    output = pymupdf.mupdf.FzOutput(buffer)
    pymupdf.mupdf.fz_debug_store(output)
    output.fz_close_output()
    (size,) = re.findall(r"actual size=(\d+)", buffer.fz_buffer_extract().decode(errors="replace"))
    return int(size)


def test_pictures_of_a_document_that_is_closed_are_let_go(tmp_path: Path) -> None:
    paper = np.full((1200, 900), 255, np.uint8)
    grey = b"/BitsPerComponent 8 /ColorSpace /DeviceGray /Filter /FlateDecode"
    for number in range(3):
        paper[100 : 120 + number, 100:800] = 0
        (tmp_path / f"{number}.pdf").write_bytes(picture_page(zlib.compress(paper.tobytes()), 900, 1200, grey))
        assert isinstance(work(PageTask(tmp_path / f"{number}.pdf", 1, None, OPTIONS)), FoundPage)
        assert paper.size / 2 < store_bytes() < 1.5 * paper.size, "that of the document which is open, and no other"
    (tmp_path / "last.pdf").write_bytes(pdf(one_page()))
    work(DocumentTask(tmp_path / "last.pdf", None, OPTIONS))
    assert store_bytes() < 50_000
