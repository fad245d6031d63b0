"""The wheel alone runs the main job and finetune, without the repository around it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SAMPLES

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the installed wheel and nothing else of this project."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if name.startswith(("docproc/", "finetune/")) or "/" not in name:
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(wheel, check=True, capture_output=True)
    (file,) = folder.glob("docproc-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(file)], check=True)
    return folder / "site"


def docproc_of(site: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys, docproc, docproc.cli\n"
        f"assert docproc.__file__.startswith({str(site)!r}), docproc.__file__\n"
        "docproc.cli.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-P", "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=500
    )


def test_the_main_job_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    result = docproc_of(installed, tmp_path, "run", SAMPLES / "calculus-notes.pdf", "--pages", "2")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "docproc-out" / "calculus-notes.md").is_file()


def test_finetune_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    lines = (SAMPLES / "formulas" / "labels.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines[:12]]
    for row in rows:
        row["image"] = str(SAMPLES / "formulas" / row["image"])
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("--data", tmp_path / "labels.jsonl", "--steps", 1, "--batch-size", 4, "--device", "cpu", "-o", "tuned")
    result = docproc_of(installed, tmp_path, "finetune", *arguments)
    assert result.returncode == 0, result.stderr
    assert "after 1 steps" in result.stderr
    assert (tmp_path / "tuned" / "finetune.json").is_file()


def test_the_wheel_holds_what_the_review_serves(installed: Path) -> None:
    for folder, pattern in (("review/static", "*"), ("review/templates", "*.html"), ("latex/katex", "*")):
        names = {path.name for path in (ROOT / "docproc" / folder).glob(pattern) if path.is_file()}
        assert {path.name for path in (installed / "docproc" / folder).glob(pattern) if path.is_file()} == names
    assert len(list((installed / "docproc" / "latex" / "katex" / "fonts").glob("*.woff2"))) == 20
