"""Opening the SQLite file, one transaction at a time, and saying in one line what is wrong with it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from docproc.errors import InputError, OutputError
from docproc.migrations import APPLICATION_ID, SCHEMA_VERSION, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_SECONDS = 10.0
"""How long a write waits for another process; a page's transaction takes milliseconds."""
CHECKED_BYTES = 256 * 2**20
"""Largest database that a run looks through before it writes: a second on a disk; `docproc info` looks through all."""
_SQLITE_HEADER = b"SQLite format 3\x00"


def open_database(path: Path, read_only: bool = False, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open a docproc database, creating it or bringing its schema up to date unless `read_only`.

    The write-ahead log with a sync at every commit (`synchronous = FULL`) is chosen: a committed page survives SIGKILL
    and power loss, and `docproc search` reads while `docproc run` writes. Where the file system cannot do that (no
    shared memory, as on some network shares) SQLite stays with its rollback journal, which is as safe and only keeps
    readers waiting.

    Returns:
        A connection in autocommit mode; `transaction` brackets what belongs together.

    Raises:
        InputError: `read_only` and there is no such file.
        OutputError: It cannot be written, is locked, is no database, is corrupted, belongs to another program, or was
            written by a newer docproc. The file is left as it was.
    """
    _check_file(path, read_only)
    with explained(path):
        connection = _connect(path, read_only, busy_seconds)
        try:
            version = _schema_version(connection, path)
            if version < SCHEMA_VERSION and read_only:
                connection.close()
                open_database(path, busy_seconds=busy_seconds).close()  # brings the schema up to date
                return open_database(path, read_only=True, busy_seconds=busy_seconds)
            if not read_only:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                if version < SCHEMA_VERSION:
                    migrate(connection)
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All statements of the block take effect, or none.

    Raises:
        OutputError: The database cannot be written (locked, disk full, read-only, corrupted).
    """
    with explained(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def check_whole(connection: sqlite3.Connection, path: Path, most_bytes: int | None = CHECKED_BYTES) -> None:
    """Look through the whole file, so that damage is found before anything is added to it.

    Args:
        connection: To the database.
        path: Of it.
        most_bytes: Larger files are passed over; None looks through any.

    Raises:
        OutputError: The database is corrupted. The file is left as it was.
    """
    if most_bytes is not None and path.stat().st_size > most_bytes:
        return
    with explained(path):
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise OutputError(_MESSAGES[sqlite3.SQLITE_CORRUPT].format(path=path))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file into one line that says what to do; errors in our SQL pass through."""
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # the primary code of an extended one
        message = _MESSAGES.get(code)
        if message is None:
            raise
        raise OutputError(message.format(path=path, folder=path.parent)) from error


_MESSAGES = {
    sqlite3.SQLITE_PERM: "{path} cannot be opened. Check its permissions, or give another place with -o.",
    sqlite3.SQLITE_BUSY: "{path} is locked by another process. Wait until it has finished, then run this again.",
    sqlite3.SQLITE_LOCKED: "{path} is locked by another process. Wait until it has finished, then run this again.",
    sqlite3.SQLITE_READONLY: "{path} cannot be written. Check its permissions, or give another place with -o.",
    sqlite3.SQLITE_IOERR: "{path} cannot be read or written: the disk reports an error. Check {folder}.",
    sqlite3.SQLITE_CORRUPT: "{path} is corrupted. Move it away and run again, or save what is readable: "
    "sqlite3 {path} .recover",
    sqlite3.SQLITE_FULL: "{path} cannot grow: the disk is full. Make room in {folder}, then run again to continue.",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened. Check the permissions of {folder}, or give another place "
    "with -o.",
    sqlite3.SQLITE_NOTADB: "{path} is not a database. Move it away, or give another place with -o.",
}


def _check_file(path: Path, read_only: bool) -> None:
    """Refuse what SQLite would overwrite or report badly."""
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder, not a database. Name the database in it, e.g. {path}/docproc.db.")
        if read_only and not path.exists():
            raise InputError(f"There is no database at {path}. Make one with docproc run, or name it with --db.")
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > 0:
            with path.open("rb") as file:
                if file.read(len(_SQLITE_HEADER)) != _SQLITE_HEADER:
                    raise OutputError(_MESSAGES[sqlite3.SQLITE_NOTADB].format(path=path))
            if not read_only and not os.access(path, os.W_OK):
                raise OutputError(_MESSAGES[sqlite3.SQLITE_READONLY].format(path=path))
    except OSError as error:
        raise OutputError(f"{path} cannot be opened: {error.strerror}. Give another place with -o.") from error


def _connect(path: Path, read_only: bool, busy_seconds: float) -> sqlite3.Connection:
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(
        f"{uri}?mode={'ro' if read_only else 'rwc'}", uri=True, timeout=busy_seconds, isolation_level=None
    )
    if read_only:
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            # A write-ahead log wants a helper file beside the database; on a read-only medium nobody writes anyway.
            if os.access(path.parent, os.W_OK) or error.sqlite_errorcode & 0xFF not in (
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY,
            ):
                connection.close()
                raise
            connection.close()
            connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return connection


def _schema_version(connection: sqlite3.Connection, path: Path) -> int:
    """Number of applied migrations; 0 for a new, empty file.

    Raises:
        OutputError: The database belongs to another program or to a newer docproc.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise OutputError(f"{path} is a database of another program. Give another place with -o or --db.")
    if version > SCHEMA_VERSION:
        raise OutputError(
            f"{path} was written by a newer docproc (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Upgrade: pip install --upgrade docproc"
        )
    return int(version) if tables else 0
