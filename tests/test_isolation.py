"""Nothing let out: a run needs no network, and does not even try to reach one."""

import ast
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from docproc import render_match
from docproc.render_match import has_tex
from docproc.sandbox import isolation
from tests.conftest import SAMPLES, Docproc
from tests.tiny_qwen2_vl import write_tiny_qwen2_vl

ROOT = Path(__file__).parent.parent

# Whoever goes for the network is ended by SIGSYS, and so are all processes that it starts.
WITHOUT_NETWORK = (
    "import sys\n"
    "from docproc.sandbox import forbid_network\n"
    "assert forbid_network()\n"
    "from docproc.cli import main\n"
    "main()\n"
)
PICKLES = {"pickle", "marshal", "shelve"}
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


def test_no_shell_no_evaluation_no_pickle() -> None:
    found = []
    for path in (ROOT / "docproc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                is_shell = any(k.arg == "shell" and getattr(k.value, "value", None) is not False for k in node.keywords)
                if is_shell or name in ("eval", "exec", "compile", "os.system", "os.popen", "torch.load"):
                    found.append(f"{path.name}:{node.lineno}: {name}")
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                found += [
                    f"{path.name}:{node.lineno}: import {name}" for name in names & {"pickle", "marshal", "shelve"}
                ]
    assert found == []


class Trap:
    """What a pickle of somebody else's could do."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


def test_weights_come_from_safetensors_only(docproc: Docproc, tmp_path: Path) -> None:
    folder = write_tiny_qwen2_vl(tmp_path / "model", width=64, is_vocabulary_small=True)
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    for name in ("pytorch_model.bin", "model.bin", "adapter_model.bin"):
        (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    result = docproc("run", SAMPLES / "handwritten.png", "--no-ocr", "--model", folder, "-o", tmp_path / "out")
    assert result.returncode == 4, result.stderr
    assert "safetensors" in result.stderr
    assert not (tmp_path / "sprung").exists()


@pytest.mark.skipif(not has_tex(), reason="no TeX here")
def test_tex_neither_reads_nor_writes_outside_its_folder_nor_runs_programs(tmp_path: Path) -> None:
    (tmp_path / "secret.tex").write_text("secret")
    (tmp_path / "in").mkdir()
    source = (
        f"\\newread\\file \\openin\\file={tmp_path}/secret.tex \\wlog{{read \\ifeof\\file no\\else yes\\fi}}"
        f"\\immediate\\write18{{touch {tmp_path}/ran}}"
        f"\\newwrite\\out \\immediate\\openout\\out={tmp_path}/written.tex \\immediate\\write\\out{{x}}\\end"
    )
    (tmp_path / "in" / "a.tex").write_text(source)
    subprocess.run(
        ["pdftex", "-no-shell-escape", "-interaction=batchmode", "a.tex"],
        cwd=tmp_path / "in",
        env=render_match._tex_environment(),
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert "read no" in (tmp_path / "in" / "a.log").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"secret.tex", "in"}
