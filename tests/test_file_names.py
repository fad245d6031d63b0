"""Names of Markdown files: any name of a document, and never two documents in one file."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from docproc.documents import path_text
from docproc.file_names import StemIndex, markdown_stem
from tests.bad.files import TEXT
from tests.bad.raw_pdf import one_page, pdf
from tests.conftest import Docproc


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        (b"a/b.pdf", "b"),
        (b"new\nline.pdf", "new_nline"),
        (b"latin-\xe9.pdf", "latin-_xe9"),
        (b"back\\slash.pdf", "back_slash"),
        ("é".encode() * 120 + b".pdf", "é" * 100),
        (b"n" * 251 + b".pdf", "n" * 200),
        (b".pdf", ".pdf"),
    ],
)
def test_the_stem_of_any_name(name: bytes, stem: str) -> None:
    assert markdown_stem(path_text(Path(os.fsdecode(name)))) == stem


def test_the_later_document_of_a_stem_knows_it() -> None:
    index = StemIndex()
    for number, name in enumerate(["a/Book.pdf", "b/book.png", "c/other.pdf"], start=1):
        index.put(number, name)
    assert [index.is_taken(number) for number in (1, 2, 3)] == [False, True, False]
    index.put(1, "a/other.pdf")
    assert [index.is_taken(number) for number in (1, 2, 3)] == [False, False, True]


def test_names_of_255_bytes_and_odd_bytes_share_no_file_and_copies_are_one(docproc: Docproc, tmp_path: Path) -> None:
    names = [b"n" * 251 + b".pdf", b"n" * 250 + b"m.pdf", b"n" * 255, b"a\xe8.pdf", b"b/a\xe8.pdf", "é".encode() * 127]
    box = tmp_path / "box"
    (box / "b").mkdir(parents=True)
    for number, name in enumerate([*names, b"one.pdf"]):
        content = pdf(one_page(TEXT.replace(b"plain", b"number %d" % number)))
        Path(os.fsdecode(os.fsencode(box) + b"/" + name)).write_bytes(content)
    shutil.copy(box / "one.pdf", box / "two.pdf")
    os.link(box / "one.pdf", box / "four.pdf")
    (box / "three.pdf").symlink_to("one.pdf")
    result = docproc("run", box / "one.pdf", box / "one.pdf", box, "-o", tmp_path / "out", "--no-ocr")
    assert result.returncode == 0, result.stderr
    assert "Error" not in result.stderr
    texts = sorted(path.read_text() for path in (tmp_path / "out").glob("*.md"))
    assert len(texts) == len(names) + 1
    assert [f"A line of number {number} text" in text for number, text in enumerate(texts)] == [True] * len(texts)
    with sqlite3.connect(tmp_path / "out" / "docproc.db") as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("documents", "pages")]
    assert counts == [len(texts)] * 2
