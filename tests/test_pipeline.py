"""The main job on real documents, with the real model; a second checkpoint goes through the same code."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Docproc
from tests.tiny_qwen2_vl import write_tiny_qwen2_vl


def rows(output: Path, sql: str) -> list[tuple]:
    connection = sqlite3.connect(output / "docproc.db")
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


def test_formulas_of_the_born_digital_sample_are_right(digitized: Path) -> None:
    from docproc.latex.canonical import match_key

    truth = [json.loads(line) for line in (SAMPLES / "calculus-notes.truth.jsonl").read_text().splitlines()]
    read = rows(digitized, "SELECT page_number, x0, y0, x1, y1, latex FROM formulas")
    right = 0
    for row in truth:
        x, y = (row["box"][0] + row["box"][2]) / 2, (row["box"][1] + row["box"][3]) / 2
        at = [r for r in read if r[0] == row["page"] and r[1] <= x <= r[3] and r[2] <= y <= r[4]]
        right += any(match_key(r[5]).rstrip(".,;") == match_key(row["latex"]).rstrip(".,;") for r in at)
    assert right >= 0.8 * len(truth)


def test_the_database_keeps_its_contract(digitized: Path) -> None:
    (document,) = rows(digitized, "SELECT path, media_type, page_count, status FROM documents")
    assert document == (str(SAMPLES / "calculus-notes.pdf"), "application/pdf", 2, "finished")
    assert rows(digitized, "SELECT number, kind, status FROM pages ORDER BY number") == [
        (1, "born-digital", "done"),
        (2, "born-digital", "done"),
    ]
    numbers = {n for (n,) in rows(digitized, "SELECT equation_number FROM formulas") if n}
    assert {"1.1", "2.1"} <= numbers
    statuses = dict(rows(digitized, "SELECT status, count(*) FROM formulas GROUP BY status"))
    assert statuses["verified"] >= 3, "displays that the model read and the glyphs confirm"
    assert statuses["ok"] + statuses["verified"] > 0.8 * sum(statuses.values())
    proven = rows(digitized, "SELECT DISTINCT model FROM formulas WHERE status = 'verified'")
    assert "text-layer" not in {model for (model,) in proven}, "glyphs do not testify for themselves"
    mathml = rows(digitized, "SELECT mathml FROM formulas WHERE status IN ('ok', 'verified')")
    assert all(m.startswith("<math") for (m,) in mathml)


def test_the_markdown_reads_like_the_page(digitized: Path) -> None:
    text = (digitized / "calculus-notes.md").read_text(encoding="utf-8")
    assert '<a id="page-2"></a>' in text
    assert "# " in text
    assert r"\tag{1.1}" in text
    assert "whenever $0<|x-a|<\\delta$" in text
    assert "\\$5" in text or "&#36;" in text, "a price is not mathematics"
    assert "```" in text


def test_a_scan_a_photo_and_a_folder_of_pictures(docproc: Docproc, tmp_path: Path) -> None:
    result = docproc("run", SAMPLES / "handwritten.png", SAMPLES / "physics-photo.jpg", "-o", tmp_path, "--no-ocr")
    assert result.returncode == 0, result.stderr
    kinds = dict(rows(tmp_path, "SELECT d.path, p.kind FROM pages p JOIN documents d ON d.id = p.document_id"))
    assert set(kinds.values()) == {"image"}
    found = rows(tmp_path, "SELECT document_id, count(*) FROM formulas GROUP BY document_id")
    assert len(found) == 2
    assert (tmp_path / "handwritten.md").is_file()


def test_the_prose_of_a_photo_reads_in_order_and_can_be_searched(docproc: Docproc, tmp_path: Path) -> None:
    result = docproc("run", SAMPLES / "physics-photo.jpg", "-o", tmp_path)
    assert result.returncode in (0, 6), result.stderr
    text = (tmp_path / "physics-photo.md").read_text(encoding="utf-8")
    title, second = "# A pendulum, a string and a field", "Taking the curl once more"
    places = [text.index(words) for words in (title, "# 1 The pendulum", "# 3 The field", second, "needs four times")]
    assert places == sorted(places), "the columns one after the other, nothing lost to the dark edge of the photo"
    found = json.loads(docproc("search", "tension", "-d", tmp_path / "docproc.db", "--json").stdout)
    assert any("stretched string of tension" in row["snippet"] for row in found)


def test_documents_of_the_same_name_do_not_overwrite_each_other(docproc: Docproc, tmp_path: Path) -> None:
    import pymupdf

    for name, page in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        with pymupdf.open(SAMPLES / "calculus-notes.pdf") as notes, pymupdf.open() as part:
            part.insert_pdf(notes, from_page=page, to_page=page)
            part.save(tmp_path / name / "notes.pdf")
    result = docproc("run", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    names = sorted(Path(line).name for line in result.stdout.splitlines())
    assert len(names) == 2
    assert "notes.md" in names
    assert all((tmp_path / "out" / name).is_file() for name in names)


def test_equal_crops_are_read_once(digitized: Path) -> None:
    crops = rows(
        digitized, "SELECT image_sha256, count(DISTINCT latex_raw) FROM formulas WHERE image_sha256 != '' GROUP BY 1"
    )
    assert all(count == 1 for _, count in crops)
    stored = {sha for (sha,) in rows(digitized, "SELECT image_sha256 FROM crops")}
    assert stored == {sha for sha, _ in crops}


def test_delimiters_can_be_set(docproc: Docproc, tmp_path: Path) -> None:
    options = ("--inline-delimiters", "\\(...\\)", "--display-delimiters", "\\[…\\]", "--pages", "1")
    result = docproc("run", SAMPLES / "calculus-notes.pdf", "-o", tmp_path, *options)
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "calculus-notes.md").read_text(encoding="utf-8")
    assert "\\(" in text
    assert "\\[" in text


# 1536 is the real width: 400 M parameters, 0.8 GB on the disk, minutes.
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("width", [64, pytest.param(1536, marks=pytest.mark.slow)])
def test_a_folder_with_the_2b_configuration_goes_through_the_same_code(
    width: int, docproc: Docproc, tmp_path: Path
) -> None:
    folder = write_tiny_qwen2_vl(tmp_path / "qwen2-vl-tiny", width=width)
    text = json.loads((folder / "config.json").read_text())["text_config"]
    assert (text["hidden_size"], text["num_hidden_layers"], text["vocab_size"]) == (width, 2, 151936)
    command = ("run", SAMPLES / "calculus-notes.pdf", "--pages", "1", "--model", folder, "-o", tmp_path / "out")
    result = docproc(*command, timeout=3000)
    assert result.returncode in (0, 6), result.stderr
    models = {model for (model,) in rows(tmp_path / "out", "SELECT DISTINCT model FROM formulas")}
    assert any(model.startswith("qwen2-vl-tiny-") for model in models)
    read = "FROM formulas WHERE model != 'text-layer'"
    statuses = dict(rows(tmp_path / "out", f"SELECT status, count(*) {read} GROUP BY 1"))
    assert "verified" not in statuses, "random weights prove nothing"
    for confidence, reason, sha256 in rows(tmp_path / "out", f"SELECT confidence, stop_reason, image_sha256 {read}"):
        assert reason in {"end", "length", "repetition"}
        assert 0 <= confidence < 1
        assert len(sha256) == 64
    again = docproc(*command, timeout=1800)
    assert "1 document done before" in again.stderr
