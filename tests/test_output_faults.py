"""What can be wrong with the place that results go to: full, damaged, locked, newer, or in use by another run."""

import hashlib
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.run_state import differences, is_sound
from docproc.output_lock import only_run
from tests.conftest import SAMPLES, Docproc, docproc_command

SAMPLE = SAMPLES / "calculus-notes.pdf"
# A new file system of 400 KiB takes the empty database but not the sample's pages; then there is room.
FULL_DISK = """
set -e
mount -t tmpfs -o size=400k tmpfs "$1"
out=$1; kept=$2; shift 2
code=0; "$@" -o "$out" || code=$?
echo "first $code" >&2
mount -o remount,size=64m "$out"
code=0; "$@" -o "$out" || code=$?
echo "second $code" >&2
cp "$out"/docproc.db "$out"/*.md "$kept"
"""


def may_mount() -> list[str] | None:
    """The command that gives a mount namespace of one's own, as root or by a user namespace."""
    for command in (["unshare", "-m"], ["unshare", "-Urm"]):
        probe = "mount -t tmpfs -o size=64k tmpfs /mnt"
        try:
            if subprocess.run([*command, "sh", "-c", probe], check=False, capture_output=True).returncode == 0:
                return command
        except OSError:
            return None
    return None


def copy_of(digitized: Path, folder: Path) -> Path:
    folder.mkdir()
    with sqlite3.connect(digitized / "docproc.db") as source, sqlite3.connect(folder / "docproc.db") as target:
        source.backup(target)
    source.close()
    target.close()
    return folder / "docproc.db"


def test_a_full_disk_ends_the_run_and_loses_nothing(digitized: Path, tmp_path: Path) -> None:
    namespace = may_mount()
    if namespace is None:
        pytest.skip("no right to mount a small file system here")
    for name in ("disk", "kept"):
        (tmp_path / name).mkdir()
    command = [*namespace, "sh", "-c", FULL_DISK, "sh", tmp_path / "disk", tmp_path / "kept"]
    result = subprocess.run(
        [*map(str, command), *docproc_command("run", SAMPLE)], check=False, capture_output=True, text=True, timeout=300
    )
    first, _, second = result.stderr.partition("first 5\n")
    assert [line for line in first.splitlines() if line.startswith("Error: ")] == first.splitlines(), result.stderr
    assert "the disk is full. Make room in" in first
    assert second.endswith("second 0\n"), result.stderr
    assert differences(digitized, tmp_path / "kept") == []


@pytest.mark.slow
def test_a_file_that_may_not_grow_ends_the_run(docproc: Docproc, tmp_path: Path) -> None:
    command = docproc_command("run", SAMPLE, "-o", tmp_path / "out")
    result = subprocess.run(
        ["sh", "-c", 'ulimit -f 500; exec "$@"', "sh", *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 5, result.stderr
    (line,) = result.stderr.splitlines()
    assert "docproc.db cannot be read or written: the disk reports an error" in line
    assert is_sound(tmp_path / "out" / "docproc.db")


@pytest.mark.parametrize("what", ["damaged", "newer"])
def test_a_database_that_cannot_be_used_is_named_and_left_alone(
    what: str, digitized: Path, docproc: Docproc, tmp_path: Path
) -> None:
    database = copy_of(digitized, tmp_path / "out")
    if what == "damaged":
        data = bytearray(database.read_bytes())
        for start in range(20 * 4096, len(data) - 4096, 7 * 4096):
            data[start : start + 512] = b"\xa5" * 512
        database.write_bytes(data)
    else:
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    before = hashlib.sha256(database.read_bytes()).hexdigest()
    result = docproc("run", SAMPLE, SAMPLES / "handwritten.png", "-o", tmp_path / "out")
    assert result.returncode == 5, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {database} ")
    assert ("is corrupted. Move it away" if what == "damaged" else "newer docproc (schema 99") in line
    assert hashlib.sha256(database.read_bytes()).hexdigest() == before
    assert line.removeprefix("Error: ") in docproc("info", "-d", database).stdout


@pytest.mark.slow
def test_a_database_that_another_program_holds_says_so(digitized: Path, docproc: Docproc, tmp_path: Path) -> None:
    database = copy_of(digitized, tmp_path / "out")
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    result = docproc("run", SAMPLES / "handwritten.png", "-o", tmp_path / "out")
    holder.execute("ROLLBACK")
    holder.close()
    assert result.returncode == 5, result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"Error: {database} is locked by another process. Wait")
    assert is_sound(database)


def test_a_run_waits_for_another_in_the_same_folder(tmp_path: Path) -> None:
    said = (tmp_path / "said").open("w+")
    command = docproc_command("run", SAMPLES / "handwritten.png", "--no-ocr", "-o", tmp_path)
    with only_run(tmp_path, print):
        run = subprocess.Popen(command, stderr=said, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (tmp_path / "said").stat().st_size and time.monotonic() < deadline:
            time.sleep(0.05)
        assert run.poll() is None
        assert not (tmp_path / "docproc.db").exists()
    assert run.wait(120) == 0
    assert (
        (tmp_path / "said").read_text().startswith(f"Another run of docproc writes to {tmp_path}. Waiting for its end")
    )
    said.close()


@pytest.mark.slow
def test_a_second_run_waits_for_the_first(docproc: Docproc, tmp_path: Path) -> None:
    first = subprocess.Popen(docproc_command("run", SAMPLE, "-o", tmp_path), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "docproc.db").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    second = docproc("run", SAMPLE, SAMPLES / "handwritten.png", "--no-ocr", "-o", tmp_path)
    assert first.poll() == 0, "the second run ends after the first"
    assert second.returncode == 0, second.stderr
    assert second.stderr.startswith(f"Another run of docproc writes to {tmp_path}. Waiting for its end")
    with sqlite3.connect(tmp_path / "docproc.db") as connection:
        rows = connection.execute("SELECT status, count(*) FROM pages GROUP BY status").fetchall()
    connection.close()
    assert rows == [("done", 3)]


def test_a_page_that_needs_too_much_memory_fails_alone(docproc: Docproc, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (12_000, 12_000)).save(tmp_path / "in" / "greedy.png", compress_level=1)
    shutil.copy(SAMPLES / "handwritten.png", tmp_path / "in")
    limits = ("--page-memory", 2, "--no-ocr")
    result = docproc("run", tmp_path / "in", "-o", tmp_path / "out", *limits)
    assert result.returncode == 6, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert "greedy.png could not be read: it needs more than the 2.0 GiB a page may take" in line
    assert (tmp_path / "out" / "handwritten.md").is_file()
