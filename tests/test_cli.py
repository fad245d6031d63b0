import json
import subprocess
import sys
from pathlib import Path

import pytest

from docproc.cli import cli
from docproc.options import FindOptions, RunOptions
from tests.conftest import SAMPLES, Docproc

COMMANDS = sorted(cli.commands)


def test_help_needs_no_heavy_import() -> None:
    heavy = {"torch", "transformers", "pymupdf", "cv2", "numpy", "onnxruntime", "sqlite_utils", "quickjs"}
    code = f"import sys, docproc.cli; print(sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def test_handing_out_tasks_needs_no_heavy_import() -> None:
    """A finished document is skipped in under a second: neither PyMuPDF nor the model is looked at."""
    heavy = {"torch", "transformers", "pymupdf", "PIL", "onnxruntime", "quickjs"}
    code = f"import sys, docproc.pipeline, docproc.qwen2_vl; print(sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_an_example(command: str, docproc: Docproc) -> None:
    result = docproc(command, "--help")
    assert result.returncode == 0
    example = result.stdout.split("Example:")[1]
    assert f"docproc {command}" in example


def test_every_option_of_run_is_a_field_of_its_options() -> None:
    from dataclasses import fields

    names = {parameter.name for parameter in cli.commands["run"].params} - {"paths", "dry_run", "as_json"}
    known = {f.name for f in fields(RunOptions)} | {f.name for f in fields(FindOptions)}
    assert names == known - {"find", "regions", "prose"}


def test_filters_are_the_fields_of_the_filter() -> None:
    from dataclasses import fields

    from docproc.filters import FormulaFilter

    names = {parameter.name for parameter in cli.commands["search"].params}
    assert {field.name for field in fields(FormulaFilter)} <= names


def test_a_dry_run_prints_one_line_a_region_and_leaves_nothing(docproc: Docproc, tmp_path: Path) -> None:
    sample = SAMPLES / "calculus-notes.pdf"
    result = docproc("run", sample, "--dry-run", "--json", "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["kind"] for row in rows} == {"display", "inline"}
    assert {row["file"] for row in rows} == {str(sample)}
    assert {row["page"] for row in rows} >= {1, 2}
    assert any(row["equation_number"] for row in rows)
    for row in rows:
        x0, y0, x1, y1 = row["box"]
        assert 0 <= x0 < x1 <= 700
        assert 0 <= y0 < y1 <= 900
    assert not (tmp_path / "out").exists()


def test_a_dry_run_draws_the_boxes(docproc: Docproc, tmp_path: Path) -> None:
    result = docproc("run", SAMPLES / "calculus-notes.pdf", "--pages", "1", "--dry-run", "-o", tmp_path)
    assert result.returncode == 0, result.stderr
    import cv2

    picture = cv2.imread(str(tmp_path / "dry-run" / "calculus-notes-0001.png"))
    blue, _, red = (int(channel.sum()) for channel in cv2.split(255 - picture))
    assert blue != red, "boxes are drawn in color"
    assert "calculus-notes-0001.png" in (tmp_path / "dry-run" / "index.html").read_text()
    assert not (tmp_path / "docproc.db").exists()


def test_search_finds_a_formula_of_the_page(docproc: Docproc, digitized: Path) -> None:
    database = digitized / "docproc.db"
    rows = json.loads(docproc("search", r"\int", "-d", database, "--json").stdout)
    assert rows
    assert all(r"\int" in row["latex"] for row in rows[:1])
    assert {"document", "page", "box", "latex", "snippet"} <= set(rows[0])
    lines = docproc("search", r"\int", "-d", database, "--nl", "-n", "1").stdout.splitlines()
    assert json.loads(lines[0]) == rows[0]
    assert docproc("search", r"\int", "-d", database, "--csv").stdout.splitlines()[0].startswith("id,")
    assert docproc("search", "-d", database, "--", "-zzzz{").stdout == "nothing found\n"


def test_search_by_a_picture_and_reindex(docproc: Docproc, digitized: Path, tmp_path: Path) -> None:
    database = tmp_path / "docproc.db"
    database.write_bytes((digitized / "docproc.db").read_bytes())
    latex = "f^{\\prime}(x)"
    before = docproc("search", latex, "-d", database, "--json").stdout
    result = docproc("reindex", "-d", database)
    assert result.returncode == 0
    assert "formulas indexed" in result.stderr
    assert docproc("search", latex, "-d", database, "--json").stdout == before
    result = docproc("search", "--image", SAMPLES / "formulas" / "01.png", "-d", database, "--json")
    assert result.returncode == 0, result.stderr
    assert "read as n" in result.stderr
    assert all("n" in row["latex"] for row in json.loads(result.stdout)[:3])


def test_search_without_a_database_says_what_to_do(docproc: Docproc, tmp_path: Path) -> None:
    result = docproc("search", "x", "-d", tmp_path / "no.db")
    assert result.returncode == 5
    assert "docproc run" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_info_names_versions_model_and_database(docproc: Docproc, digitized: Path) -> None:
    facts = json.loads(docproc("info", "-d", digitized / "docproc.db", "--json").stdout)
    assert {"docproc", "python", "torch", "device", "model", "model sources", "database"} <= set(facts)
    assert any("non-commercial" in line for line in facts["model sources"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "x.pdf", "--batch-size", "0"),
        ("run", "x.pdf", "--inline-delimiters", "$"),
        ("run", "x.pdf", "--json"),
        ("run", "x.pdf", "--pages", "4-x"),
        ("search", "x", "--json", "--csv"),
        ("search",),
        ("search", "x", "--pages", "4-x"),
        ("nonsense",),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], docproc: Docproc, digitized: Path) -> None:
    extra = ("-d", digitized / "docproc.db") if arguments[0] == "search" else ()
    result = docproc(*arguments, *extra)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_a_missing_model_folder_is_one_line_and_exit_code_4(docproc: Docproc, tmp_path: Path) -> None:
    result = docproc("run", SAMPLES / "calculus-notes.pdf", "--model", tmp_path / "nowhere", "-o", tmp_path / "out")
    assert result.returncode == 4
    assert "no such folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1
