import numpy as np
import pytest

from docproc.checkpoints import LoadedModel, load_model_and_processor
from docproc.decode import LONGEST_PERIOD, greedy, repeats
from docproc.prompt import conversation
from docproc.qwen2_vl import pad_to_multiple
from tests.pictures import formula_pictures


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model_and_processor("built-in", "cpu")


def inputs_for(loaded: LoadedModel, crops: list[np.ndarray]) -> dict:
    from PIL import Image

    text = loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
    pictures = [Image.fromarray(pad_to_multiple(crop, 16)).convert("RGB") for crop in crops]
    return dict(loaded.processor(text=[text] * len(crops), images=pictures, return_tensors="pt", padding=True))


def test_tokens_are_those_of_generate(loaded: LoadedModel) -> None:
    crops = formula_pictures()
    inputs = inputs_for(loaded, crops)
    limit = 60
    reference = loaded.model.generate(**inputs, max_new_tokens=limit, do_sample=False)
    end = loaded.processor.tokenizer.eos_token_id
    ours = greedy(loaded.model, inputs, [limit] * len(crops), [end])
    for row, decoded in zip(reference[:, inputs["input_ids"].shape[1] :].tolist(), ours, strict=True):
        expected = row[: row.index(end)] if end in row else row[:limit]
        assert decoded.tokens == expected
    assert {decoded.stop_reason for decoded in ours} == {"end"}
    assert len({len(decoded.tokens) for decoded in ours}) > 3, "rows must end at different steps to test their leaving"


def test_each_row_keeps_its_own_limit(loaded: LoadedModel) -> None:
    crops = formula_pictures()[:4]
    decoded = greedy(loaded.model, inputs_for(loaded, crops), [1, 60, 2, 60], [loaded.processor.tokenizer.eos_token_id])
    assert [len(decoded[0].tokens), len(decoded[2].tokens)] == [1, 2]
    assert [decoded[0].stop_reason, decoded[2].stop_reason] == ["length", "length"]
    assert decoded[1].stop_reason == decoded[3].stop_reason == "end"


def test_log_probabilities_are_those_of_the_model(loaded: LoadedModel) -> None:
    import torch

    crops = formula_pictures()[:1]
    inputs = inputs_for(loaded, crops)
    end = loaded.processor.tokenizer.eos_token_id
    (decoded,) = greedy(loaded.model, inputs, [60], [end])
    tokens = torch.tensor([[*decoded.tokens, end]])
    ids = torch.cat([inputs["input_ids"], tokens], dim=1)
    with torch.inference_mode():
        logits = loaded.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(tokens)], dim=1),
            pixel_values=inputs["pixel_values"],
            image_grid_thw=inputs["image_grid_thw"],
        ).logits[0, -tokens.shape[1] - 1 : -1]
    expected = logits.log_softmax(-1).gather(-1, tokens.T).mean().item()
    assert decoded.mean_log_probability == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (list(range(200)), False),
        ([5] * 63, False),
        ([5] * 64, True),
        ([9, 9, 1] + [4, 5, 6] * 22, True),
        (list(range(LONGEST_PERIOD)) * 6, True),
        (list(range(LONGEST_PERIOD)) * 5, False),
        ([1, 2] * 40 + [3], False),
    ],
)
def test_repetition_is_a_long_tail_of_one_piece(tokens: list[int], expected: bool) -> None:
    assert repeats(tokens) is expected
