"""Nothing let out: a run needs no network, and does not even try to reach one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from docproc.sandbox import isolation
from tests.conftest import SAMPLES

# Whoever goes for the network is ended by SIGSYS, and so are all processes that it starts.
WITHOUT_NETWORK = (
    "import sys\n"
    "from docproc.sandbox import forbid_network\n"
    "assert forbid_network()\n"
    "from docproc.cli import main\n"
    "main()\n"
)
needs_seccomp = pytest.mark.skipif("seccomp is not" in isolation(), reason="no seccomp on this system")


def without_network(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    # CI machines set CI, which by itself keeps onnxruntime from calling home.
    hidden = ("CI", "GITHUB_ACTIONS", "HF_HUB_OFFLINE", "ORT_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)


@needs_seccomp
@pytest.mark.parametrize(
    "attempt",
    ["socket.socket()", "socket.getaddrinfo('example.org', 80)", "socket.socket(socket.AF_INET6).connect(('::1', 9))"],
)
def test_the_guard_ends_who_tries(attempt: str) -> None:
    code = WITHOUT_NETWORK.replace("from docproc.cli import main\nmain()", f"import socket\n{attempt}")
    assert without_network(code).returncode == -signal.SIGSYS


@needs_seccomp
def test_a_run_never_tries_to_reach_the_network(tmp_path: Path) -> None:
    result = without_network(WITHOUT_NETWORK, "run", SAMPLES / "handwritten.png", "-o", tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "handwritten.md").is_file()
    assert "SIGSYS" not in result.stderr
    found = without_network(WITHOUT_NETWORK, "search", "--json", "x", "-d", tmp_path / "docproc.db")
    assert found.returncode == 0, found.stderr
