"""What docproc promises when things go wrong: a truthful report, nothing lost, nothing doubled."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pymupdf
import pytest

from benchmarks.soak import run_soak
from tests.conftest import SAMPLES, Docproc, docproc_command

SAMPLE = SAMPLES / "calculus-notes.pdf"


def rows_of(database: Path) -> dict[str, list[tuple]]:
    """Everything that is stored, but for the times."""
    connection = sqlite3.connect(database)
    tables = {}
    for table in ("documents", "pages", "formulas", "failures", "formula_references", "crops", "formulas_fts"):
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        kept = [name for name in names if name not in ("started_at", "finished_at")]
        tables[table] = connection.execute(f"SELECT {', '.join(kept)} FROM {table} ORDER BY rowid").fetchall()
    connection.close()
    return tables


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of several windows: the sample's pages again and again."""
    path = tmp_path_factory.mktemp("book") / "book.pdf"
    with pymupdf.open(SAMPLE) as sample, pymupdf.open() as book:
        for _ in range(12):
            book.insert_pdf(sample)
        book.save(path)
    return path


@pytest.fixture(scope="module")
def undisturbed(book: Path, docproc: Docproc, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    result = docproc("run", book, "-o", output)
    assert result.returncode == 0, result.stderr
    return output


def test_ten_kills_and_the_same_rows(tmp_path: Path) -> None:
    soak = run_soak(kills=10, seed=3, pages=12, folder=tmp_path)
    assert soak.wrong == []
    assert sum(soak.kills.values()) >= 10
    assert len(soak.kills) >= 3, "page process, recognizer, parent, all, in a transaction, in the Markdown"


def done(database: Path) -> int:
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM pages WHERE status = 'done'").fetchone()[0]
    except sqlite3.Error:
        return 0


def test_a_finished_document_is_not_read_again(book: Path, undisturbed: Path, docproc: Docproc) -> None:
    before = rows_of(undisturbed / "docproc.db")
    result = docproc("run", book, "-o", undisturbed)
    assert result.returncode == 0
    assert "1 document done before" in result.stderr
    assert "0 pages" in result.stderr
    assert rows_of(undisturbed / "docproc.db") == before


def test_a_finished_document_is_told_by_its_content(
    book: Path, undisturbed: Path, docproc: Docproc, tmp_path: Path
) -> None:
    shutil.copytree(undisturbed, tmp_path / "out")
    shutil.copy(book, tmp_path / "renamed.pdf")
    result = docproc("run", tmp_path / "renamed.pdf", "-o", tmp_path / "out", "--device", "no-such-device")
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert "1 document done before" in result.stderr
    (document,) = rows_of(tmp_path / "out" / "docproc.db")["documents"]
    assert str(tmp_path / "renamed.pdf") in document, "the newest path is kept"


def test_a_damaged_document_is_told_again(docproc: Docproc, tmp_path: Path) -> None:
    with pymupdf.open(SAMPLE) as sample:
        whole = sample.tobytes(garbage=0)
    (tmp_path / "cut.pdf").write_bytes(whole[: whole.rindex(b"startxref")])
    for _ in range(2):
        result = docproc("run", tmp_path / "cut.pdf", "-o", tmp_path / "out", "--pages", "1")
        assert result.returncode == 6, result.stderr
        assert "is damaged" in result.stderr
        listed = json.loads(docproc("failures", "--json", "-d", tmp_path / "out" / "docproc.db").stdout)
        assert ["is damaged" in row["reason"] for row in listed if row["what"] == "open failed"] == [True]


def bad_files(folder: Path) -> dict[str, str]:
    """Makes one bad file of each kind; maps its name to what must stand in its line."""
    (folder / "empty.pdf").touch()
    (folder / "text.pdf").write_text("This is no PDF at all.\n" * 20)
    (folder / "truncated.pdf").write_bytes(SAMPLE.read_bytes()[:3000])
    with pymupdf.open(SAMPLE) as sample:
        sample.save(folder / "locked.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="secret", owner_pw="owner")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((SAMPLES / "handwritten.png").read_bytes()[:9000])
    (folder / "link.pdf").symlink_to("link.pdf")
    os.mkfifo(folder / "pipe.pdf")
    return {
        "empty.pdf": "empty",
        "text.pdf": "plain text",
        "truncated.pdf": "",
        "locked.pdf": "--password",
        "empty.png": "empty",
        "cut.png": "broken picture",
        "link.pdf": "symbolic links",
        "pipe.pdf": "no regular file",
    }


def test_bad_files_get_one_line_each_and_the_good_ones_are_done(docproc: Docproc, tmp_path: Path) -> None:
    folder = tmp_path / "box"
    folder.mkdir()
    bad = bad_files(folder)
    shutil.copy(SAMPLE, folder / "good.pdf")
    result = docproc("run", folder, tmp_path / "missing.pdf", "-o", tmp_path / "out", "--pages", "1")
    assert result.returncode == 6
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    for name, words in [*bad.items(), ("missing.pdf", "")]:
        (line,) = [line for line in errors if name in line]
        assert words in line
        assert line.endswith((".", "pdf"))
    assert len(errors) == len(bad) + 1
    assert "Traceback" not in result.stderr
    assert (tmp_path / "out" / "good.md").is_file()
    assert done(tmp_path / "out" / "docproc.db") == 1
    listed = docproc("failures", "-d", tmp_path / "out" / "docproc.db")
    for name in bad:
        assert name in listed.stdout


UNREADABLE_PDFS = ["empty.pdf", "text.pdf", "locked.pdf", "missing.pdf", "link.pdf", "pipe.pdf", "folder.pdf"]


@pytest.mark.parametrize("name", [*UNREADABLE_PDFS, "empty.png", "cut.png"])
def test_nothing_readable_is_exit_code_3(name: str, docproc: Docproc, tmp_path: Path) -> None:
    bad_files(tmp_path)
    (tmp_path / "folder.pdf").mkdir()
    result = docproc("run", tmp_path / name, "-o", tmp_path / "out")
    assert result.returncode == 3
    assert [name in line for line in result.stderr.splitlines() if line.startswith("Error: ")] == [True]


def test_the_password_opens_an_encrypted_document(docproc: Docproc, tmp_path: Path) -> None:
    bad_files(tmp_path)
    result = docproc("run", tmp_path / "locked.pdf", "--password", "secret", "--pages", "1", "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "secret" not in (tmp_path / "out" / "docproc.db").read_bytes().decode("latin-1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_unreadable_file_and_unwritable_output(docproc: Docproc, tmp_path: Path) -> None:
    file = tmp_path / "closed.pdf"
    shutil.copy(SAMPLE, file)
    file.chmod(0)
    assert docproc("run", file, "-o", tmp_path / "out").returncode == 3
    (tmp_path / "ro").mkdir(mode=0o500)
    result = docproc("run", SAMPLE, "-o", tmp_path / "ro" / "out")
    assert result.returncode == 5
    assert len(result.stderr.splitlines()) == 1


def test_an_output_that_is_a_file_is_exit_code_5(docproc: Docproc, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    result = docproc("run", SAMPLE, "-o", tmp_path / "out")
    assert result.returncode == 5
    assert (tmp_path / "out").read_text() == "mine"


def test_ctrl_c_keeps_what_is_done(book: Path, docproc: Docproc, tmp_path: Path) -> None:
    # A job in the background ignores Ctrl-C, and its children would too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    run = subprocess.Popen(docproc_command("run", book, "-o", tmp_path), stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and run.poll() is None and done(tmp_path / "docproc.db") < 1:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "goes on from there" in errors
    assert "Traceback" not in errors
    assert done(tmp_path / "docproc.db") >= 1
