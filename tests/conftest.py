"""Shared by all tests: the samples, and `docproc` run as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent.parent / "samples"
Docproc = Callable[..., subprocess.CompletedProcess[str]]


def docproc_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "docproc", *map(str, arguments)]


@pytest.fixture(scope="session")
def docproc() -> Docproc:
    """Runs the command line in a process of its own, with the network refused to transformers."""

    def run(*arguments: object, timeout: float = 300, **extra: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
        return subprocess.run(
            docproc_command(*arguments),
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            **extra,
        )

    return run


@pytest.fixture(scope="session")
def digitized(tmp_path_factory: pytest.TempPathFactory, docproc: Docproc) -> Path:
    """Output folder of a run over the born-digital sample; read only."""
    output = tmp_path_factory.mktemp("digitized")
    result = docproc("run", SAMPLES / "calculus-notes.pdf", "-o", output)
    assert result.returncode == 0, result.stderr
    return output
