"""Labelled data of every form are checked before anything is trained on them."""

import base64
import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from docproc.errors import InputError
from docproc.evaluation import Pair
from docproc.prompt import conversation
from docproc.records import Box, Formula, FormulaKind, FoundPage, PageKind, Region, Status
from docproc.store import FormulaStore
from finetune.dataset import check_data, load_checked, load_picture
from finetune.evaluate import Scores, score_pairs
from finetune.labels import LabelError, Labels, strip_delimiters
from finetune.readers import Row, read_reviewed, read_rows
from tests.finetuning.setting import AnyLabel, picture, png, write_folder
from tests.tiny_qwen2_vl import tokenizer_folder

pytest.importorskip("trl", reason="docproc[finetune] is not installed")


def write_csv(folder: Path) -> Path:
    write_folder(folder)
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    (folder / "labels.jsonl").unlink()
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file_name", "text", "document"))
        writer.writerows((r["image"], r["latex"], r["document"]) for r in rows)
    return folder


def write_conversations(folder: Path) -> Path:
    write_folder(folder)
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    with (folder / "labels.jsonl").open("w") as file:
        for r in rows:
            uri = "data:image/png;base64," + base64.b64encode((folder / r["image"]).read_bytes()).decode()
            question = [{"type": "text", "text": "LaTeX, please"}, {"type": "image", "image": uri}]
            messages = [
                {"role": "user", "content": question},
                {"role": "assistant", "content": [{"type": "text", "text": r["latex"]}]},
            ]
            file.write(json.dumps({"messages": messages, "document": r["document"]}) + "\n")
    return folder


def write_parquet(folder: Path) -> Path:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet  # noqa: F401

    folder.mkdir(parents=True)
    images = [{"bytes": png(n), "path": f"{n}.png"} for n in range(16)]
    columns = {
        "image": images,
        "formula": [f"x_{{{n}}}" for n in range(16)],
        "document": [f"book {n % 4}" for n in range(16)],
    }
    arrow.parquet.write_table(arrow.table(columns), folder / "train-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("write", [write_folder, write_csv, write_conversations, write_parquet])
def test_every_form_of_data_gives_the_same_examples(write, tmp_path: Path) -> None:
    plain = check_data(
        read_rows(write_folder(tmp_path / "a")), (), (), AnyLabel(), tmp_path / "b", held_out_share=0.25, seed=1
    )
    data = check_data(read_rows(write(tmp_path / "c")), (), (), AnyLabel(), tmp_path / "d", held_out_share=0.25, seed=1)
    assert data.sha256 == plain.sha256
    assert len(data.train) == 12
    assert len(data.held_out) == 4
    assert data.left_out == ()
    assert data.train[0].messages == tuple(conversation(data.train[0].latex))


def test_bad_rows_are_left_out_with_their_reason(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_bytes(b"this is no picture")
    (folder / "cut.png").write_bytes(png(3)[:60])
    (folder / "blank.png").write_bytes(cv2.imencode(".png", np.full((20, 20), 255, np.uint8))[1].tobytes())
    bad = [
        ({"image": "gone.png", "latex": "x"}, "its picture does not exist"),
        ({"image": "empty.png", "latex": "x"}, "its picture is empty (0 bytes)"),
        ({"image": "text.png", "latex": "x"}, "its picture cannot be opened"),
        ({"image": "cut.png", "latex": "x"}, "its picture is broken"),
        ({"image": "blank.png", "latex": "x"}, "its picture is blank"),
        ({"image": "5.png", "latex": "x_{5}"}, "a duplicate"),
        ({"image": "6.png", "latex": "y"}, "a duplicate with another answer"),
        ({"image": "7.png"}, "no LaTeX (none of latex, formula, text, label, latex_formula)"),
        ({"latex": "x"}, "no picture (none of image, images, file_name, path, image_path, picture)"),
        ({"image": "https://example.org/a.png", "latex": "x"}, "a picture on the network"),
    ]
    with (folder / "labels.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row, _ in bad)
        file.write("{broken\n[1]\n")
    data = check_data(read_rows(folder), (), (), AnyLabel(), tmp_path / "out", held_out_share=0.25, seed=0)
    assert len(data.train) + len(data.held_out) == 16
    assert [row.reason.split(";")[0] for row in data.left_out] == [
        *(reason for _, reason in bad), "not valid JSON", "not an object with names"
    ]  # fmt: skip
    assert data.left_out[0].origin == "labels.jsonl line 17"
    rows = list(csv.reader((tmp_path / "out" / "left-out.csv").open()))
    assert rows[1] == ["labels.jsonl line 17", "its picture does not exist"]
    assert load_checked(tmp_path / "out").sha256 == data.sha256


def test_documents_are_never_on_both_sides_and_the_seed_decides(tmp_path: Path) -> None:
    rows = list(read_rows(write_folder(tmp_path / "data", range(40))))

    def split(seed: int) -> tuple[set[str], set[str]]:
        data = check_data(rows, (), (), AnyLabel(), tmp_path / "out", held_out_share=0.25, seed=seed)
        return {e.document for e in data.train}, {e.document for e in data.held_out}

    sides = [split(seed) for seed in (0, 0, 1, 2, 3)]
    assert all(not (train & held_out) for train, held_out in sides)
    assert sides[0] == sides[1]
    assert len({frozenset(held_out) for _, held_out in sides}) > 1


def test_a_held_out_picture_is_not_trained_on(tmp_path: Path) -> None:
    rows = list(read_rows(write_folder(tmp_path / "data")))
    held_out = list(read_rows(write_folder(tmp_path / "held", range(14, 18))))
    data = check_data(rows, held_out, (), AnyLabel(), tmp_path / "out", held_out_share=0.25, seed=0)
    assert (len(data.train), len(data.held_out)) == (14, 4)
    assert data.reasons() == {"its picture is in the held-out part": 2}


def test_nothing_to_train_on_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 × its picture does not exist"):
        check_data(
            [Row("row 1", tuple(conversation("x")), (tmp_path / "gone.png",))],
            (), (), AnyLabel(), tmp_path / "out", held_out_share=0.2, seed=0,
        )  # fmt: skip
    with pytest.raises(InputError, match="holds no labelled data"):
        list(read_rows(tmp_path))
    with pytest.raises(InputError, match="does not exist"):
        list(read_rows(tmp_path / "gone"))


def test_pictures_of_any_mode_come_as_grey_ink_on_paper(tmp_path: Path) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    transparent = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    transparent.paste((0, 0, 0, 255), (10, 5, 20, 15))
    transparent.save(buffer, "PNG")
    row = Row("row", tuple(conversation("x")), (buffer.getvalue(),))
    data = check_data([row], (), (), AnyLabel(), tmp_path, held_out_share=0, seed=0)
    grey = load_picture(data.train[0].pictures[0])
    assert grey.shape == (20, 40)
    assert grey[0, 0] == 255
    assert grey[10, 15] == 0


def test_reviewed_formulas_are_read_from_a_database(tmp_path: Path) -> None:
    regions = tuple(Region(FormulaKind.INLINE, Box(0, 30 * n, 56, 30 * n + 28), crop=picture(n)) for n in range(4))
    formulas = [
        Formula(FormulaKind.INLINE, n + 1, r.box, f"x_{n}", f"x_{n}", Status.OK, 0.9, "end", "built-in-0", f"hash{n}")
        for n, r in enumerate(regions)
    ]
    with FormulaStore.open(tmp_path / "docproc.db") as store:
        document = store.begin_document("thesis.pdf", "ab" * 32, "application/pdf", 1, "Thesis", "options").id
        page = FoundPage("thesis.pdf", 1, 595, 842, 0, PageKind.SCAN, regions, ())
        store.write_page(document, page, formulas)
        ids = [stored.id for stored in store.document_formulas(document)]
        store.review_formula(ids[0], "correct", "Ann", "y^{2}")
        store.review_formula(ids[1], "accept", "Ann")
        store.review_formula(ids[2], "reject", "Ann")
    data = check_data(
        read_reviewed(tmp_path / "docproc.db"), (), (), AnyLabel(), tmp_path / "out", held_out_share=0, seed=0
    )
    assert [e.latex for e in data.train] == ["y^{2}", "x_1"]
    assert (load_picture(data.train[0].pictures[0]) == picture(0)).all()
    assert data.train[0].document == "thesis.pdf"
    with pytest.raises(InputError, match="no such database"):
        list(read_reviewed(tmp_path / "gone.db"))


def test_labels_are_parsed_and_spelled_for_the_model() -> None:
    from transformers import AutoTokenizer

    labels = Labels(AutoTokenizer.from_pretrained(tokenizer_folder()))
    assert labels.prepare(r"$$ \frac ab $$") == r"\frac{a}{b}"
    with pytest.raises(LabelError, match="is not valid"):
        labels.prepare(r"\frac{a")
    with pytest.raises(LabelError, match=r"unknown command .nosuchcommand"):
        labels.prepare(r"\nosuchcommand x")
    with pytest.raises(LabelError, match="empty"):
        labels.prepare("$ $")
    with pytest.raises(LabelError, match="over 512 tokens"):
        labels.prepare("+".join(r"\alpha_{1}" for _ in range(300)))
    assert strip_delimiters(r"\begin{equation*} x \end{equation*}") == "x"
    assert strip_delimiters(r"\(x\)") == "x"


def test_scores_take_spellings_that_look_alike_as_equal() -> None:
    scores = score_pairs([Pair(r"\frac{a}{b}", r"\frac ab"), Pair("x^2", "x^{2}"), Pair("x", "y")])
    assert scores.exact_match == pytest.approx(2 / 3)
    assert Scores(10, 0.5, 0.1).selection > Scores(10, 0.5, 0.2).selection > Scores(10, 0.4, 0.0).selection
