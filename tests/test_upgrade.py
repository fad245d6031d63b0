"""Databases of earlier versions open, are brought up to date whole or not at all, and keep what they hold.

`databases/schema-N.db.gz` is a page of the samples read by the docproc of that schema, with a correction and a failure.
"""

import gzip
import json
import sqlite3
from pathlib import Path

import pytest

from docproc import migrations
from docproc.errors import OutputError
from docproc.migrations import SCHEMA_VERSION
from docproc.store import FormulaStore
from tests.conftest import SAMPLES, Docproc

DATABASES = Path(__file__).parent / "databases"
VERSIONS = sorted(int(path.name.removeprefix("schema-").removesuffix(".db.gz")) for path in DATABASES.glob("*.gz"))
KEPT = ("documents", "pages", "formulas", "reviews", "failures", "crops")


def unpacked(version: int, folder: Path) -> Path:
    path = folder / "docproc.db"
    path.write_bytes(gzip.decompress((DATABASES / f"schema-{version}.db.gz").read_bytes()))
    return path


def rows_of(path: Path) -> dict[str, list[dict[str, object]]]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    rows = {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1")] for table in KEPT}
    connection.close()
    return rows


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(version)


def test_there_is_one_of_every_schema() -> None:
    assert list(range(1, SCHEMA_VERSION + 1)) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_database_keeps_its_rows_and_can_be_searched(version: int, docproc: Docproc, tmp_path: Path) -> None:
    path = unpacked(version, tmp_path)
    before = rows_of(path)
    assert version_of(path) == version
    with FormulaStore.open(path, read_only=True) as store:  # search opens it so; it is upgraded all the same
        assert store.summary().reviewed == 1
        assert len(store.failures()) == 1
    assert version_of(path) == SCHEMA_VERSION
    after = rows_of(path)
    for table in KEPT:
        assert [row | new for row, new in zip(before[table], after[table], strict=True)] == after[table]
        assert all(
            new[name] == value
            for row, new in zip(before[table], after[table], strict=True)
            for name, value in row.items()
        )
    first, *_ = json.loads(docproc("search", "E = m c^2", "-d", path, "--json").stdout)
    assert (first["latex"], first["match"]) == ("E = m c^2", "formula"), "the new indexes know the correction"


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_an_upgrade_that_fails_changes_nothing(version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = unpacked(version, tmp_path)
    before = path.read_bytes()
    last = next(name for name in vars(migrations) if name.startswith(f"m{SCHEMA_VERSION:03}_"))
    step = getattr(migrations, last)

    def breaks(db: object) -> None:
        step(db)
        raise sqlite3.OperationalError("disk I/O error")

    breaks.__name__ = last
    monkeypatch.setattr(migrations, last, breaks)
    with pytest.raises((OutputError, sqlite3.OperationalError)):
        FormulaStore.open(path)
    assert version_of(path) == version
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    assert rows_of(path)
    assert len(path.read_bytes()) == len(before)
    monkeypatch.undo()
    FormulaStore.open(path).close()
    assert version_of(path) == SCHEMA_VERSION


def test_a_run_goes_on_in_a_database_of_the_first_schema(docproc: Docproc, tmp_path: Path) -> None:
    path = unpacked(1, tmp_path)
    corrected = rows_of(path)["reviews"][0]["formula_id"]
    result = docproc("run", SAMPLES / "calculus-notes.pdf", "--pages", "1", "-o", tmp_path)
    assert result.returncode == 0, result.stderr
    rows = {row["id"]: row for row in rows_of(path)["formulas"]}
    assert rows[corrected]["corrected_latex"] == "E = m c^2"
    assert "E = m c^2" in (tmp_path / "calculus-notes.md").read_text()
