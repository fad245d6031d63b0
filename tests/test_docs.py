"""The documentation says what the code does."""

import re
import sqlite3
from pathlib import Path

from docproc.cli import cli
from docproc.errors import ExitCode
from docproc.records import Status
from docs.make_commands import PAGE, commands_page
from tests.conftest import SAMPLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_exit_code_table_is_the_enum() -> None:
    rows = re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(map(int, ExitCode))


def test_every_status_is_explained() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) >= {status.value for status in Status}


def test_the_first_screen_is_what_the_commands_print(digitized: Path) -> None:
    shown = re.search(r"\$ sed -n (\d+),(\d+)p docproc-out/calculus-notes\.md\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    lines = (digitized / "calculus-notes.md").read_text(encoding="utf-8").splitlines(keepends=True)
    assert "".join(lines[int(shown[1]) - 1 : int(shown[2])]) == shown[3]
    count = re.search(r"1 document, 2 pages, (\d+) formulas", README)
    with sqlite3.connect(digitized / "docproc.db") as connection:
        assert connection.execute("SELECT count(*) FROM formulas").fetchone() == (int(count[1]),)  # type: ignore[index]


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in cli.commands if f"`docproc {name}" not in README] == []


def test_the_page_of_commands_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == commands_page(), "run `make docs`"


def test_the_table_of_samples_is_the_folder() -> None:
    listed = set(re.findall(r"^\| `([^`]+)`", (SAMPLES / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    documents = {path.name for path in SAMPLES.iterdir() if path.suffix in (".pdf", ".png", ".jpg")}
    assert listed == documents | {"formulas/*.png"}
    assert all((SAMPLES / name).with_suffix(".truth.jsonl").is_file() for name in documents)


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_module_is_longer_than_400_lines() -> None:
    modules = [p for folder in ("docproc", "finetune", "benchmarks") for p in (ROOT / folder).rglob("*.py")]
    assert {str(p): n for p in modules if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400} == {}
