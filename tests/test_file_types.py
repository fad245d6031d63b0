"""What docproc does not read is named, in one line, with the next step."""

import io
import zipfile
from pathlib import Path

import pytest

from docproc.file_types import sniff
from docproc.finding import DocumentTask, work
from docproc.options import FindOptions
from docproc.records import Failure


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else f"<{name}/>")
    return out.getvalue()


CALLS_HOME = '<image href="http://127.0.0.1:9/a.png"/><script>fetch("http://127.0.0.1:9")</script>'
OTHERS = {
    "a.svg": (f'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">{CALLS_HOME}</svg>'.encode(), "an SVG"),
    "a.html": (b"\xef\xbb\xbf<!DOCTYPE HTML><html><body>" + CALLS_HOME.encode(), "a web page"),
    "b.htm": (b"<!-- saved -->\n<html><body>x</body></html>", "a web page"),
    "a.epub": (zipped("mimetype", "META-INF/container.xml"), "an EPUB book"),
    "book": (zipped("mimetype", "META-INF/container.xml"), "an EPUB book"),
    "a.docx": (zipped("[Content_Types].xml", "word/document.xml"), "a Word document"),
    "a.xps": (zipped("FixedDocumentSequence.fdseq"), "an XPS document"),
    "a.pdf": (zipped("word/document.xml"), "a ZIP or Office file"),
    "a.gif": (b"GIF89a" + bytes(20), "a GIF picture"),
    "a.heic": (b"\0\0\0\x18ftypheic" + bytes(20), "a HEIC or AVIF picture"),
    "a.djvu": (b"AT&TFORM" + bytes(20), "a DjVu document"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    "a.doc": (b"\xd0\xcf\x11\xe0" + bytes(40), "an old Office file"),
    "a.rtf": (rb"{\rtf1 x}", "a Rich Text document"),
    "a.ps": (b"%!PS-Adobe-3.0\n", "PostScript"),
    "a.txt": (b"x < y and y > 1\n", "plain text"),
    "a.xml": (b'<?xml version="1.0"?><note>x</note>', "plain text"),
    "a.bin": (bytes(100), "of an unknown type"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_types_are_named(name: str, tmp_path: Path) -> None:
    data, said = OTHERS[name]
    (tmp_path / name).write_bytes(data)
    failure = work(DocumentTask(tmp_path / name, None, FindOptions(ocr=False)))
    assert isinstance(failure, Failure)
    assert f"{name} is {said}" in failure.reason
    assert failure.reason.endswith("convert it to PDF first.")
    assert "\n" not in failure.reason


def test_a_web_page_that_says_it_is_a_pdf_is_no_pdf(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"<!-- %PDF-1.7 --><html><body><p>x = 1</p>" + CALLS_HOME.encode())
    failure = work(DocumentTask(tmp_path / "a.pdf", None, FindOptions(ocr=False)))
    assert isinstance(failure, Failure)
    assert "truncated" in failure.reason


def test_any_first_bytes_have_a_name() -> None:
    assert sniff(b"") is None
    assert sniff(b"junk before %PDF-1.4") == "application/pdf"
