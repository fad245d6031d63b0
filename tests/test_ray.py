"""A run on Ray stores what a local run stores, whoever dies on the way."""

import importlib.util
import os
import signal
import sqlite3
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from docproc.errors import DependencyError
from docproc.options import RunOptions
from docproc.reader_group import recognizer_for
from tests.conftest import SAMPLES, Docproc, docproc_command

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="ray is not installed: pip install docproc[ray]")
COLUMNS = (
    "page_number, position, kind, x0, y0, x1, y1, equation_number, latex, latex_raw, mathml, confidence, stop_reason, "
    "status, problems, repairs, model, image_sha256"
)


def rows(output: Path) -> list[tuple]:
    with sqlite3.connect(output / "docproc.db") as connection:
        return connection.execute(f"SELECT document_id, {COLUMNS} FROM formulas ORDER BY 1, 2, 3").fetchall()


def processes_of(mark: str, name: str) -> list[int]:
    """Ray's processes of one run, which carries a mark in its environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if name in (folder / "cmdline").read_text() and mark in (folder / "environ").read_text():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


@pytest.fixture(scope="module")
def documents() -> list[Path]:
    return sorted(SAMPLES.glob("*.pdf"))[:2]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, docproc: Docproc, documents: list[Path]) -> list[tuple]:
    output = tmp_path_factory.mktemp("local")
    assert docproc("run", *documents, "-o", output).returncode == 0
    return rows(output)


@needs_ray
@pytest.mark.slow
def test_rows_are_those_of_a_local_run(tmp_path: Path, docproc: Docproc, documents: list[Path], local) -> None:
    done = docproc("run", *documents, "-o", tmp_path, "--ray", "local")
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path) == local


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("victim", ["PageActor", "ReaderActor"])
def test_a_killed_worker_costs_nothing(tmp_path: Path, documents: list[Path], local, victim: str) -> None:
    mark = f"DOCPROC_TEST_MARK={uuid.uuid4()}"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2", **dict([mark.split("=")])}
    command = docproc_command("run", *documents, "-o", tmp_path, "--ray", "local")
    with subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE) as run:
        # Ray names a worker after what it does: it is at work now.
        while run.poll() is None and not (found := processes_of(mark, f"ray::{victim}.")):
            time.sleep(0.05)
        assert run.poll() is None, run.stderr.read()
        os.kill(found[0], signal.SIGKILL)
        _, errors = run.communicate(timeout=300)
    assert run.returncode == 0, errors
    assert found[0] not in processes_of(mark, "ray::")
    assert rows(tmp_path) == local


@pytest.mark.skipif(HAS_RAY, reason="ray is installed")
def test_without_ray_the_message_says_what_to_install() -> None:
    with pytest.raises(DependencyError, match=r"docproc\[ray\]"):
        recognizer_for(RunOptions(ray="local"))
