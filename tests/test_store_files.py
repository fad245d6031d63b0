"""What can be wrong with the file of a database."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from docproc.errors import InputError, OutputError
from docproc.store import FormulaStore
from tests.store_data import begin, write_book


def expect_one_line(path: Path, words: str, read_only: bool = False, error: type[Exception] = OutputError) -> None:
    before = path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else None
    with pytest.raises(error, match=words) as caught:
        FormulaStore.open(path, read_only=read_only, busy_seconds=0.1)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    if before is not None:
        assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    path.write_text("my thesis " * 1000)
    expect_one_line(path, "is not a database")
    expect_one_line(path, "is not a database", read_only=True)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, secret TEXT)")
    connection.commit()
    connection.close()
    expect_one_line(path, "another program")
    expect_one_line(path, "another program", read_only=True)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    FormulaStore.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    expect_one_line(path, "newer docproc")
    expect_one_line(path, "newer docproc", read_only=True)


def test_a_locked_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    with FormulaStore.open(path, busy_seconds=0.1) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutputError, match="locked by another process"):
            begin(store)
        other.execute("ROLLBACK")
        begin(store)
        other.close()


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    write_book(path)
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):  # every page but the first, which holds the schema
        data[start : start + 2000] = b"\x55" * min(2000, len(data) - start)
    path.write_bytes(data)
    with pytest.raises(OutputError, match="is corrupted"), FormulaStore.open(path) as store:
        begin(store, name="one.pdf")
    path.write_bytes(data[:5000])
    with pytest.raises(OutputError, match="is corrupted"), FormulaStore.open(path) as store:
        store.document_pages(1)


def test_folders_missing_files_and_places_that_cannot_be_written(tmp_path: Path) -> None:
    expect_one_line(tmp_path, "is a folder")
    expect_one_line(tmp_path / "none.db", "docproc run", read_only=True, error=InputError)
    (tmp_path / "file").write_text("")
    expect_one_line(tmp_path / "file" / "d.db", "cannot be opened")
    assert FormulaStore.open(tmp_path / "new" / "folder" / "d.db").summary().documents == {}


@contextmanager
def ordinary_user(folder: Path) -> Iterator[None]:
    """Root may write anywhere, so that permissions show nothing: be user 65534 for a while."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_read_only_places() -> None:
    folder = Path(tempfile.mkdtemp())
    write_book(folder / "d.db")
    (folder / "d.db").chmod(0o444)
    try:
        with ordinary_user(folder):
            expect_one_line(folder / "d.db", "cannot be written")
            folder.chmod(0o555)
            expect_one_line(folder / "d.db", "cannot be written")
            expect_one_line(folder / "new.db", "cannot be opened")
            with FormulaStore.open(folder / "d.db", read_only=True) as store:
                assert store.summary().pages == {"done": 60}
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
