"""A database over a sample, and the web application on it without a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.review_data import make_database

if TYPE_CHECKING:
    from starlette.testclient import TestClient


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    path = tmp_path_factory.mktemp("made") / "docproc.db"
    return path, make_database(path)


@pytest.fixture
def database(made: tuple[Path, int], tmp_path: Path) -> Path:
    return Path(shutil.copy(made[0], tmp_path / "docproc.db"))


@pytest.fixture
def client(database: Path) -> Iterator[TestClient]:
    from starlette.testclient import TestClient

    from docproc.review.app import create_app
    from docproc.review.security import Guard

    with TestClient(create_app(database, "ada", Guard("127.0.0.1")), base_url="http://127.0.0.1:8017") as client:
        yield client
