"""Showing and exporting formulas, corrections included."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from docproc.records import Block, BlockKind, Box, Formula, FormulaKind, FoundPage, PageKind, Status
from docproc.store import FormulaStore
from tests.conftest import Docproc

HOSTILE = '<script>alert("x")</script>'
CORRECTION = r"\frac{f(x+h)-f(x)}{h}+\alpha_{77}"


@pytest.fixture(scope="module")
def reviewed(digitized: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the digitized sample with one formula corrected, one accepted and one rejected."""
    folder = tmp_path_factory.mktemp("reviewed")
    database = folder / "docproc.db"
    database.write_bytes((digitized / "docproc.db").read_bytes())
    with FormulaStore.open(database) as store:
        read_by_model = "SELECT id FROM formulas WHERE image_sha256 != '' AND kind = 'display' ORDER BY id LIMIT 3"
        ids = [row[0] for row in store.connection.execute(read_by_model)]
        store.review_formula(ids[0], "correct", "ada", CORRECTION)
        store.review_formula(ids[1], "accept", "ada")
        store.review_formula(ids[2], "reject", "ada")
    return database


def test_show_tells_all_of_a_formula(docproc: Docproc, reviewed: Path) -> None:
    with FormulaStore.open(reviewed) as store:
        (numbered,) = store.connection.execute("SELECT id FROM formulas WHERE equation_number = '2.2'").fetchone()
        block = Block(BlockKind.PARAGRAPH, "As we saw in equation (2.2), and never in (9.9), series converge.")
        store.write_page(1, FoundPage("x", 3, 595, 842, 0, PageKind.BORN_DIGITAL, (), (block,)), [])
        store.finish_document(1, "finished")
    result = docproc("show", numbered, "-d", reviewed, "--json")
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert Path(shown["picture"]).read_bytes().startswith(b"\x89PNG")
    assert ET.fromstring(shown["mathml"]).tag.endswith("math")
    assert [(m["page"], m["label"]) for m in shown["references"]] == [(3, "2.2")]
    assert "equation (2.2), and" in shown["references"][0]["sentence"]
    assert len(shown["similar"]) <= 5
    assert numbered not in [other["id"] for other in shown["similar"]]
    words = docproc("show", numbered, "-d", reviewed).stdout
    assert shown["latex"] in words
    assert "mentioned: page 3" in words


@pytest.mark.parametrize("command", ["show", "export"])
def test_pages_are_rendered_in_a_process_of_their_own(command: str, reviewed: Path, tmp_path: Path) -> None:
    database = tmp_path / "docproc.db"
    database.write_bytes(reviewed.read_bytes())
    with FormulaStore.open(database) as store:
        store.connection.execute("DELETE FROM crops")  # the picture is cut out of the document anew
        (first,) = store.connection.execute("SELECT min(id) FROM formulas").fetchone()
        store.connection.commit()
    asked = ["show", str(first), "--json"] if command == "show" else ["export", "--format", "html"]
    code = (
        "from docproc.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    assert not end.code\nfrom docproc import finding\nassert not finding._open, 'opened in this process'\n"
    )
    script = tmp_path / "command.py"
    script.write_text(f"if __name__ == '__main__':\n{textwrap.indent(code, '    ')}", encoding="ascii")
    run = [sys.executable, str(script), *asked, "-d", str(database)]
    result = subprocess.run(run, check=False, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    pictures = json.loads(result.stdout)["picture"] if command == "show" else "<img " in result.stdout
    assert pictures


def test_show_of_what_is_not_there(docproc: Docproc, reviewed: Path) -> None:
    result = docproc("show", 99999, "-d", reviewed)
    assert result.returncode == 3
    assert "no formula 99999" in result.stderr


def test_json_lines_and_csv_hold_text_page_box_and_corrections(docproc: Docproc, reviewed: Path) -> None:
    rows = [json.loads(line) for line in docproc("export", "--format", "jsonl", "-d", reviewed).stdout.splitlines()]
    assert len(rows) > 60
    assert [(r["page"], r["position"]) for r in rows] == sorted((r["page"], r["position"]) for r in rows)
    assert all(r["status"] != "rejected" for r in rows)
    assert any(r["text_before"] and r["text_after"] for r in rows)
    (corrected,) = [r for r in rows if r["latex"] == CORRECTION]
    assert "77" in corrected["mathml"]
    assert corrected["latex_raw"] != CORRECTION
    assert (corrected["status"], corrected["reviewer"]) == ("verified", "ada")
    table = list(csv.DictReader(io.StringIO(docproc("export", "--format", "csv", "-d", reviewed).stdout)))
    assert [row["latex"] for row in table] == [row["latex"] for row in rows]
    only = docproc("export", "--format", "jsonl", "-d", reviewed, "--status", "rejected").stdout.splitlines()
    assert len(only) == 1
    found = docproc("export", r"\alpha_{77}", "--format", "jsonl", "-d", reviewed, "-n", "1").stdout
    assert json.loads(found)["latex"] == CORRECTION


def test_markdown_of_documents_and_of_a_search(docproc: Docproc, digitized: Path, reviewed: Path) -> None:
    whole = docproc("export", "--format", "md", "-d", reviewed).stdout
    before = (digitized / "calculus-notes.md").read_text(encoding="utf-8")
    assert CORRECTION in whole
    assert whole.splitlines()[:9] == before.splitlines()[:9]
    found = docproc("export", CORRECTION, "--format", "md", "-d", reviewed, "-n", "1").stdout
    assert f"$$\n{CORRECTION}\n$$" in found
    assert found.startswith("## calculus notes, page")


def test_html_is_one_file_with_mathml_and_pages(docproc: Docproc, reviewed: Path, tmp_path: Path) -> None:
    page = tmp_path / "all.html"
    assert docproc("export", "--format", "html", "-d", reviewed, "-o", page).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<img ") == 2
    assert text.count("<math ") > 60
    assert "http://" not in text.replace("http://www.w3.org/1998/Math/MathML", "")
    assert "<img" not in docproc("export", "--format", "html", "-d", reviewed, "--no-pictures").stdout


def test_latex_compiles(docproc: Docproc, reviewed: Path, tmp_path: Path) -> None:
    docproc("export", "--format", "tex", "-d", reviewed, "-o", tmp_path / "all.tex")
    assert CORRECTION in (tmp_path / "all.tex").read_text()
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    result = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stdout.decode(errors="replace")[-2000:]


def test_training_pairs_are_what_finetune_takes(docproc: Docproc, reviewed: Path, tmp_path: Path) -> None:
    from docproc.evaluation import read_labels
    from finetune.readers import read_rows

    result = docproc("export", "--format", "training", "-d", reviewed, "-o", tmp_path / "pairs")
    assert result.returncode == 0, result.stderr
    assert "2 pairs, 0 formulas" in result.stderr
    rows = list(read_rows(tmp_path / "pairs"))
    assert [row.problem for row in rows] == [None, None]
    labels = read_labels(tmp_path / "pairs", print)
    assert CORRECTION in [label.latex for label in labels]
    assert docproc("export", "--format", "training", "-d", reviewed).returncode == 2


def test_formulas_of_the_text_layer_have_training_pairs_too(
    docproc: Docproc, reviewed: Path, tmp_path: Path
) -> None:
    from finetune.dataset import load_picture
    from finetune.readers import read_reviewed

    database = tmp_path / "docproc.db"
    database.write_bytes(reviewed.read_bytes())
    with FormulaStore.open(database) as store:
        of = "SELECT id FROM formulas WHERE model = 'text-layer' AND latex LIKE '%\\_%' ORDER BY id LIMIT 3"
        ids = [row[0] for row in store.connection.execute(of)]
        for formula_id in ids:
            assert store.crop_png("") is None
            store.review_formula(formula_id, "accept", "ada")
    result = docproc("export", "--format", "training", "-d", database, "-o", tmp_path / "pairs")
    assert "5 pairs, 0 formulas" in result.stderr, result.stderr
    rows = list(read_reviewed(database))
    assert [row.problem for row in rows] == [None] * 5
    for formula_id in ids:
        picture = load_picture(tmp_path / "pairs" / "images" / f"{formula_id}.png")
        assert picture.min() < 100 < 200 < picture.max(), "ink on paper"
        assert 16 <= picture.shape[0] < 100
    with FormulaStore.open(database) as store:  # the document has gone: no pair, and that is said
        store.connection.execute("UPDATE documents SET path = '/gone.pdf'")
    result = docproc("export", "--format", "training", "-d", database, "-o", tmp_path / "fewer")
    assert "2 pairs, 3 formulas" in result.stderr, result.stderr
    assert [row.problem is None for row in read_reviewed(database)].count(True) == 2


def test_what_a_hostile_document_says_is_only_text(docproc: Docproc, tmp_path: Path) -> None:
    database = tmp_path / "d.db"
    with FormulaStore.open(database) as store:
        hostile = Formula(
            kind=FormulaKind.DISPLAY,
            position=1,
            box=Box(0, 0, 9, 9),
            latex=rf"\text{{{HOSTILE}}}\write18{{rm}}",
            latex_raw=HOSTILE,
            status=Status.INVALID,
            confidence=0.5,
            stop_reason="end",
            model="m",
            image_sha256="",
            problems=(HOSTILE,),
            equation_number=HOSTILE,
            text_before=HOSTILE,
            text_after="# no heading",
        )
        state = store.begin_document(f"{HOSTILE}.pdf", "sha", "application/pdf", 1, f"{HOSTILE} \\input{{x}}", "o")
        block = Block(BlockKind.PARAGRAPH, HOSTILE)
        store.write_page(state.id, FoundPage("x", 1, 9, 9, 0, PageKind.SCAN, (), (block,)), [hostile])

    seen: set[str] = set()

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.add(tag)
            assert not [name for name, _ in attrs if name.startswith("on")]

    Tags().feed(docproc("export", "--format", "html", "-d", database).stdout)
    assert "script" not in seen
    assert "article" in seen
    tex = docproc("export", "--format", "tex", "-d", database).stdout
    assert r"\write18" not in tex
    assert r"\input" not in tex
    for arguments in (("x", "--status", "invalid"), ()):
        text = docproc("export", *arguments, "--format", "md", "-d", database).stdout
        assert "script" in text
        assert "<script>" not in re.sub(r"(?s)```.*?```", "", text).replace(r"\<", "")
