"""A file that changes while it is read: no page of another content is ever stored under the name of the first."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from docproc.errors import ExitCode, InputError
from docproc.file_stamp import FileStamp, check_unchanged
from docproc.finding import DocumentFacts, DocumentTask, PageTask, work
from docproc.options import FindOptions, RunOptions
from docproc.pipeline import run
from docproc.records import Failure, FoundPage, Recognition
from tests.bad.raw_pdf import kids, one_page, pdf, stream

PAGES = 160


def book(word: str) -> bytes:
    """Pages of one line each that holds no formula."""
    numbers = range(6, 6 + PAGES)
    pages = dict.fromkeys(numbers, b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>")
    tree = b"<< /Type /Pages /Kids %s /Count %d /MediaBox [0 0 300 200] /Resources << /Font << /F1 5 0 R >> >> >>"
    line = b"BT /F1 14 Tf 40 150 Td (A line of %s text) Tj ET" % word.encode()
    return pdf(one_page() | {2: tree % (kids(numbers), PAGES), 4: stream(line)} | pages)


class NothingToRead:
    """For pages without formulas."""

    name = "none"

    def batch_size(self, asked: str = "auto") -> int:
        return 1

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition]]:
        assert not crops
        return iter(())


class AfterTheFirst:
    """Does something to the file as soon as the first page is stored."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act, self.lines, self.is_done = act, [], False

    def add_pages(self, count: int) -> None:
        pass

    def page_done(self, formulas: int) -> None:
        if not self.is_done:
            self.is_done = True
            self.act()

    def say(self, message: str) -> None:
        self.lines.append(message)


def overwrite(path: Path) -> None:
    path.write_bytes(book("other"))


def swap_link(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(book("other"))
    path.unlink()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("change", [overwrite, swap_link])
def test_pages_of_another_content_are_not_stored(change: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    (tmp_path / "target").write_bytes(book("first"))
    path.symlink_to("target")
    watch = AfterTheFirst(lambda: change(path))
    options = RunOptions(output=tmp_path / "out", find=FindOptions(ocr=False), workers=1)
    summary = run([path], options, NothingToRead(), watch)
    assert summary.exit_code is ExitCode.PARTIAL
    with sqlite3.connect(tmp_path / "out" / "docproc.db") as connection:
        rows = connection.execute("SELECT status, text FROM pages ORDER BY number").fetchall()
    done = [text for status, text in rows if status == "done"]
    assert len(rows) == PAGES
    assert 1 <= len(done) < PAGES
    assert {text.strip() for text in done} == {"A line of first text"}
    (line,) = watch.lines
    assert line == (
        f"Error: {path} was changed while it was read; pages of it were left out. Run it again when it is whole."
    )
    again = run([path], options, NothingToRead(), AfterTheFirst(lambda: None))
    assert (again.exit_code, again.pages) == (ExitCode.OK, PAGES)


def tasks_of(path: Path) -> PageTask:
    facts = work(DocumentTask(path, None, FindOptions(ocr=False)))
    assert isinstance(facts, DocumentFacts)
    return PageTask(path, 1, facts.statistics, FindOptions(ocr=False), facts.stamp, facts.sha256)


def test_a_file_that_is_taken_away_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(book("first"))
    task = tasks_of(path)
    path.unlink()
    failure = work(task)
    assert isinstance(failure, Failure)
    assert "was taken away while it was read" in failure.reason
    os.mkfifo(path)  # reading it would wait for ever
    failure = work(task)
    assert isinstance(failure, Failure)
    assert "was taken away" in failure.reason


def test_the_content_decides_where_only_the_stamp_is_another(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(book("first"))
    task = tasks_of(path)
    os.utime(path, (1, 1))
    assert isinstance(work(task), FoundPage), "touched"
    path.unlink()
    path.write_bytes(book("first"))
    assert isinstance(work(task), FoundPage), "written anew, with the same bytes"
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    stamp = path.stat()
    path.write_bytes(bytes(data))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert isinstance(work(task), Failure), "of the same size, almost of the same time"


def test_stamps_without_a_known_one_are_settled_by_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    from docproc.documents import file_sha256

    check_unchanged(path, None, file_sha256(path))
    with pytest.raises(InputError, match="was changed"):
        check_unchanged(path, None, "0" * 64)
    assert FileStamp.of(tmp_path) is None
    assert FileStamp.of(tmp_path / "missing") is None
