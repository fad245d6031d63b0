"""Batches: the tokens and pictures of recognition, the loss on the answers alone."""

from pathlib import Path

import numpy as np
import pytest

from docproc.checkpoints import load_model_and_processor
from docproc.prompt import PROMPT, conversation
from finetune.augment import augmented
from finetune.collator import IGNORED, AnswerCollator, split_batch
from finetune.dataset import check_data
from finetune.options import FinetuneOptions
from finetune.readers import Row, read_rows
from tests.finetuning.setting import AnyLabel, picture, png

pytest.importorskip("trl", reason="docproc[finetune] is not installed")


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


def test_augmentation_keeps_the_ink_and_is_repeatable() -> None:
    results = [augmented(picture(8), np.random.default_rng((1, step))) for step in (0, 0, 1)]
    assert (results[0] == results[1]).all()
    assert results[0].shape != results[2].shape or (results[0] != results[2]).any()
    for result in results:
        assert result.dtype == np.uint8
        assert result.min() < 140
        assert np.median(result) > 180
