"""`docproc finetune` on a tiny Qwen2-VL with random weights: real training, a few steps."""

import base64
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from docproc.checkpoints import load_model_and_processor
from docproc.errors import DependencyError, InputError, OutputError, UsageError
from docproc.evaluation import Pair
from docproc.prompt import PROMPT, conversation
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.records import Box, Formula, FormulaKind, FoundPage, PageKind, Region, Status
from docproc.store import FormulaStore
from finetune.blend import Blend, choose_share
from finetune.collator import IGNORED, AnswerCollator, augmented, split_batch, without_idle_logits
from finetune.dataset import check_data, load_checked, load_picture
from finetune.evaluate import Scores, score_pairs
from finetune.labels import LabelError, Labels, strip_delimiters
from finetune.options import PRESETS, FinetuneOptions, options_from_json, options_to_json, resolve_recipe
from finetune.readers import Row, read_reviewed, read_rows
from finetune.result import find_license
from finetune.train import rehearsed_part, run, scored_part
from finetune.trainer import EmbeddingOnHost, has_tied_embeddings, keep_activations
from tests.tiny_qwen2_vl import tokenizer_folder, write_tiny_qwen2_vl

# For processes of their own, which do not see pytest's path.
PATHS = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "OMP_NUM_THREADS": "1"}

pytest.importorskip("trl", reason="docproc[finetune] is not installed")


def picture(number: int) -> np.ndarray:
    """A crop with ink that differs from number to number."""
    crop = np.full((28, 56), 250, np.uint8)
    cv2.putText(crop, f"x{number}", (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0)
    return crop


def png(number: int) -> bytes:
    return cv2.imencode(".png", picture(number))[1].tobytes()


def write_folder(folder: Path, numbers: range = range(16)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.jsonl").open("w") as file:
        for n in numbers:
            (folder / f"{n}.png").write_bytes(png(n))
            file.write(json.dumps({"image": f"{n}.png", "latex": f"x_{{{n}}}", "document": f"book {n % 4}"}) + "\n")
    return folder


class AnyLabel:
    """Takes every answer as it is: for tests that are not about LaTeX."""

    def prepare(self, text: str) -> str:
        return text


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_qwen2_vl(tmp_path_factory.mktemp("model") / "tiny", width=64, is_vocabulary_small=True)


@pytest.fixture(scope="module")
def options(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneOptions:
    """Four steps of four formulas."""
    return FinetuneOptions(
        data=(write_folder(tmp_path_factory.mktemp("data")),),
        held_out=write_folder(tmp_path_factory.mktemp("held"), range(20, 22)),
        model=str(tiny),
        device="cpu",
        preset="cpu",
        method="lora",
        rank=4,
        steps=4,
        batch_size=4,
        micro_batch_size=4,
        eval_steps=2,
        patience=0,
        learning_rate=1e-2,
    )


@pytest.fixture(scope="module")
def finished(options: FinetuneOptions, tmp_path_factory: pytest.TempPathFactory) -> FinetuneOptions:
    """A LoRA run that ended."""
    options = replace(options, output=tmp_path_factory.mktemp("out") / "lora", merge=True)
    result = run(options)
    assert result.steps == 4
    assert not result.is_interrupted
    return options


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.torch import load_file

    return {name: tensor.float().numpy() for name, tensor in load_file(next(folder.glob("*.safetensors"))).items()}


def losses(folder: Path) -> list[float]:
    """Loss of each step."""
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [entry["loss"] for entry in history if "loss" in entry]


def first_logits(model: str, adapter: Path | None = None) -> np.ndarray:
    """What a model thinks of the first token of three formulas, shape (3, vocabulary)."""
    import torch
    from PIL import Image

    loaded = load_model_and_processor(model, "cpu", adapter=adapter)
    text = loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
    pictures = [Image.fromarray(picture(n)).convert("RGB") for n in (1, 2, 30)]
    inputs = loaded.processor(text=[text] * 3, images=pictures, return_tensors="pt", padding=True)
    with torch.inference_mode():
        return loaded.model(**inputs).logits[:, -1].numpy()


def read(model: str, adapter: Path | None = None) -> list[str]:
    """What a model reads in three crops."""
    loaded = load_model_and_processor(model, "cpu", adapter=adapter)
    readings = dict(Qwen2VLRecognizer("test", lambda: loaded).read([picture(n) for n in (1, 2, 30)], 2))
    return [readings[i].latex for i in range(3)]


# --- data ----------------------------------------------------------------------------------------------------------


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


# --- labels --------------------------------------------------------------------------------------------------------


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


# --- batches -------------------------------------------------------------------------------------------------------


def collate(tiny: Path, messages: list[dict], pictures: int, tmp_path: Path):
    loaded = load_model_and_processor(str(tiny), "cpu")
    row = Row("row", tuple(messages), tuple(png(n) for n in range(pictures)))
    data = check_data([row], (), (), AnyLabel(), tmp_path / "data", held_out_share=0, seed=0)
    return loaded, data.train[0], AnswerCollator(loaded.processor, 28, max_picture_tokens=64)(data.train)


def test_the_loss_is_on_the_answer_only_and_the_prompt_is_that_of_recognition(tiny: Path, tmp_path: Path) -> None:
    from PIL import Image

    loaded, _, batch = collate(tiny, conversation(r"\frac{a}{b}"), 1, tmp_path)
    tokenizer = loaded.processor.tokenizer
    answer = batch["labels"][0][batch["labels"][0] != IGNORED]
    assert tokenizer.decode(answer) == "\\frac{a}{b}<|im_end|>\n"
    prompt = loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
    assert PROMPT in prompt
    asked = loaded.processor(text=[prompt], images=[Image.fromarray(picture(0)).convert("RGB")], return_tensors="pt")
    count = asked["input_ids"].shape[1]
    assert batch["input_ids"][0, :count].tolist() == asked["input_ids"][0].tolist()
    assert (batch["labels"][0, :count] == IGNORED).all()
    assert (batch["pixel_values"] == asked["pixel_values"]).all()
    assert batch["mm_token_type_ids"][0, :count].tolist() == asked["mm_token_type_ids"][0].tolist()


def test_conversations_of_many_turns_train_on_all_answers_and_nothing_else(tiny: Path, tmp_path: Path) -> None:
    show = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "First?"}]}
    again = {"role": "user", "content": [{"type": "text", "text": "And this?"}, {"type": "image"}]}
    answers = [{"role": "assistant", "content": [{"type": "text", "text": t}]} for t in ("a+b", "c-d")]
    loaded, example, batch = collate(tiny, [show, answers[0], again, answers[1]], 2, tmp_path)
    labels = batch["labels"][0]
    assert loaded.processor.tokenizer.decode(labels[labels != IGNORED]) == "a+b<|im_end|>\nc-d<|im_end|>\n"
    assert len(batch["image_grid_thw"]) == 2
    assert not example.is_scored


def test_micro_batches_add_up_to_the_whole_batch(options: FinetuneOptions, tmp_path: Path) -> None:
    rows = read_rows(options.data[0])
    loaded = load_model_and_processor(options.model, "cpu")
    data = check_data(rows, (), (), AnyLabel(), tmp_path, held_out_share=0, seed=0)
    batch = AnswerCollator(loaded.processor, 28, max_picture_tokens=64)(data.train[:5])
    count = (batch["labels"][:, 1:] != IGNORED).sum()

    def loss_and_gradient(rows_at_once: int) -> tuple[float, np.ndarray]:
        loaded.model.zero_grad()
        pieces = [loaded.model(**p, num_items_in_batch=count).loss for p in split_batch(batch, rows_at_once)]
        sum(pieces).backward()
        return sum(p.item() for p in pieces), loaded.model.model.visual.patch_embed.proj.weight.grad.numpy().copy()

    loss, gradient = loss_and_gradient(5)
    for rows_at_once in (2, 1):
        other_loss, other_gradient = loss_and_gradient(rows_at_once)
        assert other_loss == pytest.approx(loss, rel=1e-5)
        assert np.abs(gradient - other_gradient).max() < 1e-4 * np.abs(gradient).max()


def test_spoiled_tokens_are_those_of_answers_and_the_labels_stay_right(tiny: Path, tmp_path: Path) -> None:
    loaded, example, clean = collate(tiny, conversation("a+b-c+d-e+f-g+h"), 1, tmp_path)
    collators = [AnswerCollator(loaded.processor, 28, max_picture_tokens=64, token_noise=0.5, seed=1) for _ in range(2)]
    spoiled, again = (collator([example]) for collator in collators)
    assert (spoiled["labels"] == clean["labels"]).all()
    changed = spoiled["input_ids"] != clean["input_ids"]
    assert 3 <= changed.sum() <= 12
    assert (clean["labels"][changed] != IGNORED).all()
    assert (spoiled["input_ids"] == again["input_ids"]).all()


def test_rehearsed_formulas_differ_from_step_to_step_and_scored_ones_are_not_among_them(
    tiny: Path, tmp_path: Path
) -> None:
    loaded = load_model_and_processor(str(tiny), "cpu")
    rows = read_rows(write_folder(tmp_path / "data", range(12)))
    keep = read_rows(write_folder(tmp_path / "keep", range(20, 40)))
    data = check_data(rows, (), keep, AnyLabel(), tmp_path / "out", held_out_share=0, seed=0)
    scored, rehearsed = scored_part(data.keep), rehearsed_part(data.keep)
    assert (len(scored), len(rehearsed)) == (5, 15)
    assert not {e.latex for e in scored} & {e.latex for e in rehearsed}
    collator = AnswerCollator(loaded.processor, 28, max_picture_tokens=64, rehearsed=rehearsed)
    lines = [tuple(collator([None])["input_ids"][0].tolist()) for _ in range(20)]
    assert 5 < len(set(lines)) <= 15
    again = AnswerCollator(loaded.processor, 28, max_picture_tokens=64, rehearsed=rehearsed)
    again.batches_made = 7
    assert tuple(again([None])["input_ids"][0].tolist()) == lines[7]


def test_augmentation_keeps_the_ink_and_is_repeatable() -> None:
    results = [augmented(picture(8), np.random.default_rng((1, step))) for step in (0, 0, 1)]
    assert (results[0] == results[1]).all()
    assert results[0].shape != results[2].shape or (results[0] != results[2]).any()
    for result in results:
        assert result.dtype == np.uint8
        assert result.min() < 140
        assert np.median(result) > 180


def test_a_blend_takes_as_much_of_the_new_as_keeps_the_old() -> None:
    import torch

    model = torch.nn.Linear(2, 2, bias=False)
    before = model.weight.detach().clone()
    blend = Blend(model)
    with torch.no_grad():
        model.weight += 1
    lines: list[str] = []
    # Of what was known, a tenth is lost with all that was learned.
    def kept() -> float:
        return 0.9 - 0.1 * float((model.weight - before).detach().mean())

    share = choose_share(blend, kept, 0.9, 0.06, lines.append)
    assert share == 0.55
    assert torch.allclose(model.weight, before + 0.55)
    assert len(lines) == 4


# --- training ------------------------------------------------------------------------------------------------------


def test_lora_changes_the_adapter_and_leaves_a_folder_that_can_be_used(finished: FinetuneOptions, tiny: Path) -> None:
    folder = finished.output
    adapter = weights(folder)
    towers = {name.split(".layers")[0].split(".blocks")[0].rpartition(".")[2] for name in adapter if "lora_B" in name}
    assert towers >= {"visual", "language_model"}
    assert sum(float(np.abs(w).max()) > 0 for name, w in adapter.items() if "lora_B" in name) > 20
    record = json.loads((folder / "finetune.json").read_text())
    assert record["steps"] == 4
    assert record["data"] | {"sha256": None} == {
        "sha256": None, "train": 16, "held_out": 2, "keep": 0, "left_out": {}, "is_split_by_document": True,
    }  # fmt: skip
    assert set(record["scores"]) == {"before", "before_details", "after", "after_details"}
    assert record["scores"]["after"]["exact_match"] == record["scores"]["after_details"]["exact"]
    assert record["versions"]["trl"]
    assert record["base_model_license"].startswith("not stated")
    assert (folder / "curves.png").stat().st_size > 5_000
    assert "exact match before" in (folder / "report.md").read_text()
    assert not (folder / "checkpoints").exists()


def test_merged_checkpoint_reads_what_the_adapter_reads(finished: FinetuneOptions) -> None:
    base, adapted = first_logits(finished.model), first_logits(finished.model, finished.output)
    merged = first_logits(str(finished.output / "merged"))
    effect = np.abs(adapted - base).max()
    # The merged weights are stored in the 16 bits of the base model.
    assert np.abs(merged - adapted).max() < 0.05 * effect
    assert read(str(finished.output / "merged")) == read(finished.model, finished.output)


def test_a_finished_folder_is_not_overwritten(finished: FinetuneOptions) -> None:
    with pytest.raises(OutputError, match="holds a run already"):
        run(finished)
    with pytest.raises(UsageError, match="is finished"):
        run(replace(finished, resume=True))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_interrupted_and_resumed_ends_like_an_undisturbed_run(
    method: str, options: FinetuneOptions, finished: FinetuneOptions, tmp_path: Path
) -> None:
    undisturbed = finished
    if method == "full":
        undisturbed = replace(options, method="full", output=tmp_path / "whole")
        run(undisturbed)
    cut = replace(options, method=method, output=tmp_path / "cut")

    def interrupt_at_step_2(line: str) -> None:
        if line.startswith("step 2/"):
            os.kill(os.getpid(), signal.SIGINT)

    result = run(cut, interrupt_at_step_2)
    assert result.is_interrupted
    assert 2 <= result.steps < 4
    result = run(FinetuneOptions(output=cut.output, device="cpu", resume=True))
    assert (result.steps, result.is_interrupted) == (4, False)
    expected, found = weights(undisturbed.output), weights(cut.output)
    assert expected.keys() == found.keys()
    assert all(np.allclose(expected[name], found[name], atol=1e-6) for name in expected)
    records = [json.loads((o.output / "finetune.json").read_text()) for o in (undisturbed, cut)]
    assert records[0]["scores"] == records[1]["scores"]


def program(options: FinetuneOptions, folder: Path) -> list[str]:
    """Arguments for Python that run finetune in a process of its own."""
    (folder / "options.json").write_text(json.dumps(options_to_json(options)))
    (folder / "program.py").write_text(
        "import json, sys\nfrom pathlib import Path\nfrom finetune.options import options_from_json\n"
        "from finetune.train import run\nrun(options_from_json(json.loads(Path(sys.argv[1]).read_text())))\n"
    )
    return [str(folder / "program.py"), str(folder / "options.json")]


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(options: FinetuneOptions, tmp_path: Path) -> None:
    losses_by_count = {}
    for count in (1, 2):
        folder = tmp_path / str(count)
        folder.mkdir()
        one = replace(options, augment=False, output=folder / "out")
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count), *program(one, folder)]
        subprocess.run(command, check=True, env=PATHS, timeout=300)
        losses_by_count[count] = losses(folder / "out")
    assert losses_by_count[2] == pytest.approx(losses_by_count[1], rel=0.01)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_steps_and_scores(
    options: FinetuneOptions, finished: FinetuneOptions, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, *program(replace(options, output=tmp_path / "cut"), tmp_path)], env=PATHS
    )
    complete = tmp_path / "cut" / "checkpoints" / "checkpoint-2" / "complete"
    deadline = time.monotonic() + 300
    while not complete.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "cut" / "report.md").exists()
    assert run(FinetuneOptions(output=tmp_path / "cut", device="cpu", resume=True)).steps == 4
    records = [json.loads((folder / "finetune.json").read_text()) for folder in (finished.output, tmp_path / "cut")]
    assert records[0]["scores"] == records[1]["scores"]


def test_full_training_changes_what_it_should_and_nothing_else(
    options: FinetuneOptions, tiny: Path, tmp_path: Path
) -> None:
    run(replace(options, method="full", vision_layers=False, attention_modules=False, steps=2, output=tmp_path / "out"))
    before, after = weights(tiny), weights(tmp_path / "out")
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert any(".mlp." in name for name in changed)
    assert not [name for name in changed if "visual" in name or "self_attn" in name]
    assert np.abs(first_logits(str(tmp_path / "out")) - first_logits(str(tiny))).max() > 1e-3


def test_out_of_memory_shrinks_the_micro_batch_and_changes_nothing(
    options: FinetuneOptions, finished: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel

    forward = Qwen2VLModel.forward

    def tight(self, input_ids=None, **kwargs):
        if self.training and input_ids is not None and len(input_ids) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(Qwen2VLModel, "forward", tight)
    lines: list[str] = []
    run(replace(options, output=tmp_path / "out"), lines.append)
    assert [line.split(" (")[0] for line in lines if "memory" in line] == [
        "out of memory: going on with 2 formulas at once", "out of memory: going on with 1 formulas at once"
    ]  # fmt: skip
    assert json.loads((tmp_path / "out" / "finetune.json").read_text())["micro_batch_size"] == 1
    expected, found = losses(finished.output), losses(tmp_path / "out")
    assert len(found) == 4
    assert found == pytest.approx(expected, rel=0.02)  # bfloat16 rounds otherwise where rows are padded otherwise


def test_the_embeddings_work_from_the_host_and_come_back(options: FinetuneOptions, tmp_path: Path) -> None:
    loaded = load_model_and_processor(options.model, "cpu")
    data = check_data(read_rows(options.data[0]), (), (), AnyLabel(), tmp_path, held_out_share=0, seed=0)
    (piece,) = split_batch(AnswerCollator(loaded.processor, 28, max_picture_tokens=64)(data.train[:3]), 3)
    expected = loaded.model(**piece).loss.item()
    embeddings = EmbeddingOnHost(loaded.model)
    embeddings.move_out()
    assert loaded.model(**piece).loss.item() == expected
    with embeddings.back():
        assert not loaded.model.get_input_embeddings()._forward_hooks
    assert loaded.model.get_input_embeddings()._forward_hooks
    embeddings.come_back()
    assert has_tied_embeddings(loaded.model)  # the 2B configuration: there it must not be moved from a GPU
    assert not loaded.model.get_input_embeddings()._forward_pre_hooks


def test_layers_keep_their_activations_where_memory_allows_and_nothing_changes(
    options: FinetuneOptions, finished: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.modeling_layers import GradientCheckpointingLayer

    counts: list[tuple[int, int, int]] = []

    def note(model, tokens: int, patches: int) -> None:
        keep_activations(model, tokens, patches)
        layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
        counts.append((sum(not m.gradient_checkpointing for m in layers), len(layers), tokens))

    monkeypatch.setattr("finetune.trainer.keep_activations", note)
    width = json.loads((Path(options.model) / "config.json").read_text())["text_config"]["hidden_size"]
    constants = {"TEXT_BYTES": 1 / width, "VISION_BYTES": 0, "LEAST_BYTES_A_TOKEN": 0, "KEPT_BYTES": 600}
    for name, value in constants.items():
        monkeypatch.setattr(f"finetune.trainer.{name}", value)
    run(replace(options, gradient_checkpointing=True, micro_batch_size=3, output=tmp_path / "out"))
    assert any(kept == count for kept, count, _ in counts), counts  # pieces of one row
    assert any(0 < kept < count for kept, count, _ in counts), counts  # pieces of three
    assert losses(tmp_path / "out") == pytest.approx(losses(finished.output), rel=0.02)


@pytest.mark.parametrize(("pictures", "text", "vision"), [(40, 28, 32), (512, 5, 0), (5000, 0, 0)])
def test_activations_of_a_7b_model_stay_within_what_8_gb_leave(pictures: int, text: int, vision: int) -> None:
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    sizes = {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4}
    config = Qwen2VLConfig(text_config=sizes, vision_config={"depth": 32, "embed_dim": 1280, "hidden_size": 3584})
    with torch.device("meta"):
        model = Qwen2VLForConditionalGeneration._from_config(config)
    keep_activations(model, 2 * (pictures + 85), 2 * 4 * pictures)
    for tower, kept in ((model.model.visual.blocks, vision), (model.model.language_model.layers, text)):
        assert sum(not layer.gradient_checkpointing for layer in tower) == kept


def test_logits_left_out_change_neither_loss_nor_gradients(options: FinetuneOptions, tmp_path: Path) -> None:
    import torch

    loaded = load_model_and_processor(options.model, "cpu", dtype=torch.float32)
    data = check_data(read_rows(options.data[0]), (), (), AnyLabel(), tmp_path, held_out_share=0, seed=0)
    (piece,) = split_batch(AnswerCollator(loaded.processor, 28, max_picture_tokens=64)(data.train[:3]), 3)
    head = loaded.model.get_output_embeddings().weight
    found = []
    for given in (piece, without_idle_logits(piece)):
        result = loaded.model(**given)
        loaded.model.zero_grad()
        result.loss.backward()
        found.append((result.loss.item(), head.grad.clone(), result.logits.shape[1]))
    (loss, gradient, length), (less_loss, less_gradient, less_length) = found
    assert less_length < length / 2
    assert less_loss == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(less_gradient, gradient, rtol=1e-3, atol=1e-6)


# --- options -------------------------------------------------------------------------------------------------------


def test_options_survive_json() -> None:
    options = FinetuneOptions(data=(Path("a"), Path("b")), from_db=Path("c.db"), rank=8, learning_rate=1e-4)
    assert options_from_json(json.loads(json.dumps(options_to_json(options)))) == options


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "24gb"}, "--preset 24gb"),
        ({"method": "qlora"}, "--method qlora"),
        ({"method": "full", "load_in_4bit": True}, "4 bits"),
        ({"vision_layers": False, "language_layers": False}, "Nothing is left to train"),
        ({"rank": 0}, "--rank must be above 0"),
        ({"held_out_share": 0.9}, "--held-out-share"),
    ],
)
def test_options_that_cannot_work_are_refused_with_a_reason(change: dict, message: str) -> None:
    options = FinetuneOptions(**change)
    with pytest.raises(UsageError, match=message):
        resolve_recipe(options, options.preset if options.preset != "auto" else "cpu")


def test_what_is_missing_is_said_before_anything_is_loaded(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Nothing to learn from"):
        run(FinetuneOptions(model=str(tiny), device="cpu", output=tmp_path / "out"))
    with pytest.raises(UsageError, match="holds no run"):
        run(FinetuneOptions(output=tmp_path / "out", device="cpu", resume=True))
    with pytest.raises(DependencyError, match="unsloth needs a CUDA device"):
        run(
            FinetuneOptions(data=(tmp_path,), model=str(tiny), device="cpu", backend="unsloth", output=tmp_path / "out")
        )


def test_the_quick_preset_is_the_reference_recipe() -> None:
    quick = PRESETS["quick"]
    assert (quick.rank, quick.alpha, quick.learning_rate, quick.batch_size) == (16, 16, 2e-4, 2)
    assert (quick.warmup_steps, quick.steps, quick.load_in_4bit) == (5, 30, True)


def test_the_licence_of_the_base_model_is_found(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Model\n")
    assert find_license(str(tmp_path)) == "apache-2.0"
    (tmp_path / "README.md").unlink()
    (tmp_path / "LICENSE").write_text("\nTongyi Qianwen LICENSE AGREEMENT\n")
    assert find_license(str(tmp_path)) == "Tongyi Qianwen LICENSE AGREEMENT (see LICENSE of the base model)"
    assert find_license("Qwen/Qwen2-VL-2B-Instruct") == "see the model's page: Qwen/Qwen2-VL-2B-Instruct"
