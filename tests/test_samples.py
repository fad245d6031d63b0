"""The sample documents: complete, small, and true to their sources."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image, ImageOps

SAMPLES = Path(__file__).parents[1] / "samples"
DOCUMENTS = (
    "calculus-notes.pdf",
    "physics-two-columns.pdf",
    "calculus-scan.pdf",
    "physics-photo.jpg",
    "handwritten.png",
)


def truth_of(document: str) -> list[dict]:
    path = SAMPLES / f"{document.rsplit('.', 1)[0]}.truth.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def pictures_of(document: str) -> tuple[list[np.ndarray], float]:
    """Grey pictures of all pages and their pixels a unit of the truth's boxes."""
    if not document.endswith(".pdf"):
        with Image.open(SAMPLES / document) as picture:
            return [np.asarray(ImageOps.exif_transpose(picture).convert("L"))], 1.0
    with pymupdf.open(SAMPLES / document) as pdf:
        pixmaps = [page.get_pixmap(dpi=144, colorspace=pymupdf.csGRAY) for page in pdf]
    return [np.frombuffer(p.samples, np.uint8).reshape(p.height, p.width) for p in pixmaps], 2.0


@pytest.mark.parametrize("document", DOCUMENTS)
def test_sizes(document):
    assert (SAMPLES / document).stat().st_size <= 300_000


def test_formula_folder_is_small_and_complete():
    folder = SAMPLES / "formulas"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 400_000
    labels = [json.loads(line) for line in (folder / "labels.jsonl").read_text("utf-8").splitlines()]
    assert sorted(label["image"] for label in labels) == sorted(path.name for path in folder.glob("*.png"))
    assert len(labels) == 40
    for label in labels:
        with Image.open(folder / label["image"]) as picture:
            assert min(picture.size) >= 8
            pixels = np.asarray(picture.convert("L"))
        assert pixels.min() < np.median(pixels) - 60, label  # there is ink


def test_table_of_the_readme_is_the_folder():
    table = set(re.findall(r"^\| `([^`]+)` \|", (SAMPLES / "README.md").read_text("utf-8"), re.MULTILINE))
    assert table == {*DOCUMENTS, "formulas/*.png"}
    documents = {path.name for path in SAMPLES.iterdir() if path.suffix in (".pdf", ".png", ".jpg")}
    assert documents == set(DOCUMENTS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_truth_boxes_end_at_the_ink(document):
    pictures, zoom = pictures_of(document)
    rows = truth_of(document)
    assert {row["page"] for row in rows} == set(range(1, len(pictures) + 1))
    for row in rows:
        picture = pictures[row["page"] - 1]
        x0, y0, x1, y1 = (edge * zoom for edge in row["box"])
        assert 0 <= x0 < x1 <= picture.shape[1] and 0 <= y0 < y1 <= picture.shape[0]
        inside = picture[max(0, round(y0) - 1) : round(y1) + 1, max(0, round(x0) - 1) : round(x1) + 1]
        # Dark against the paper around: photos and scans have paper of many shades.
        around = picture[max(0, int(y0) - 30) : int(y1) + 30, max(0, int(x0) - 30) : int(x1) + 30]
        dark = inside < float(np.percentile(around, 85)) - 25
        reach = 3 if document.endswith(".pdf") else 5
        assert dark[:reach].any() and dark[-reach:].any(), row
        assert dark[:, :reach].any() and dark[:, -reach:].any(), row


def test_notes_show_what_the_readme_says():
    rows = truth_of("calculus-notes.pdf")
    assert {row["kind"] for row in rows} == {"inline", "display"}
    assert "1.2, 1.3" in {row["equation_number"] for row in rows}
    with pymupdf.open(SAMPLES / "calculus-notes.pdf") as pdf:
        text = "".join(page.get_text() for page in pdf)
    assert "$5" in text and "def midpoint" in text


def test_scan_has_no_text_layer():
    with pymupdf.open(SAMPLES / "calculus-scan.pdf") as pdf:
        assert all(not page.get_text().strip() and page.get_images() for page in pdf)


def test_photo_must_be_turned_to_view_it():
    with Image.open(SAMPLES / "physics-photo.jpg") as photo:
        assert photo.getexif()[0x0112] == 6
        assert photo.width > photo.height  # as stored
        upright = ImageOps.exif_transpose(photo)
        assert upright.width < upright.height


def test_broken_inline_formulas_name_the_fragment_before():
    rows = truth_of("physics-two-columns.pdf")
    later = [row for row in rows if "continues" in row]
    assert later
    for row in later:
        first = rows[row["continues"]]
        assert first["latex"] == row["latex"] and first["box"][1] < row["box"][1]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="the samples are typeset with pdflatex (TeX Live)")
def test_typesetting_again_gives_the_same_truth(tmp_path, monkeypatch):
    from samples import make

    shutil.copy(SAMPLES / "calculus-notes.tex", tmp_path)
    monkeypatch.setattr(make, "FOLDER", tmp_path)
    make.typeset("calculus-notes")
    again = (tmp_path / "calculus-notes.truth.jsonl").read_text("utf-8").splitlines()
    for line, row in zip(again, truth_of("calculus-notes.pdf"), strict=True):
        new = json.loads(line)
        assert np.allclose(new.pop("box"), row.pop("box"), atol=0.3)  # fonts differ by a hair between TeX versions
        assert new == row
