"""The engine writes what `generate()` writes, whatever stands beside a crop."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from docproc.checkpoints import LoadedModel, load_model_and_processor
from docproc.engine.layout import Layout, pad_to_multiple
from docproc.engine.linear import FloatLinear, Int8Linear
from docproc.engine.reader import Reader
from docproc.engine.rows import LONGEST_PERIOD, Decoded, Row, repeats
from docproc.prompt import conversation
from docproc.recognition import cells
from tests.pictures import formula_pictures
from tests.tiny_qwen2_vl import write_tiny_qwen2_vl

LIMIT = 60


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model_and_processor("built-in", "cpu")


@pytest.fixture(scope="module")
def many() -> list[np.ndarray]:
    """Hundreds of different crops: the formulas of the tests, shifted and cut, so that some end in the middle."""
    pictures, random = formula_pictures(), np.random.default_rng(0)
    crops = []
    for number in range(300):
        crop = pictures[number % len(pictures)]
        width = int(random.integers(max(8, crop.shape[1] // 3), crop.shape[1] + 1))
        left = int(random.integers(0, crop.shape[1] - width + 1))
        crops.append(np.ascontiguousarray(crop[:, left : left + width]))
    return sorted(crops, key=cells)


def reader_for(loaded: LoadedModel, kind=None) -> Reader:
    ends = [loaded.processor.tokenizer.eos_token_id]
    return Reader(loaded.model, Layout.of(loaded.processor, loaded.model.config), ends, kind)


def read(reader: Reader, crops: list[np.ndarray], rows: int = 32, limit: int = LIMIT) -> list[Decoded]:
    pictures = [reader.layout.picture(crop) for crop in crops]
    found = dict(reader.read(pictures, [limit] * len(crops), rows, rows * 128))
    return [found[i] for i in range(len(crops))]


def inputs_for(loaded: LoadedModel, crops: list[np.ndarray]) -> dict:
    from PIL import Image

    vision = loaded.model.config.vision_config
    text = loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
    multiple = vision.patch_size * vision.spatial_merge_size
    pictures = [Image.fromarray(pad_to_multiple(crop, multiple)).convert("RGB") for crop in crops]
    inputs = loaded.processor(text=[text] * len(crops), images=pictures, return_tensors="pt", padding=True)
    return dict(inputs.to(loaded.model.device))


def generated(loaded: LoadedModel, crops: list[np.ndarray], limit: int = LIMIT, batch: int = 50) -> Iterator[list[int]]:
    end = loaded.processor.tokenizer.eos_token_id
    for start in range(0, len(crops), batch):
        inputs = inputs_for(loaded, crops[start : start + batch])
        written = loaded.model.generate(**inputs, max_new_tokens=limit, do_sample=False)
        for row in written[:, inputs["input_ids"].shape[1] :].tolist():
            yield row[: row.index(end)] if end in row else row[:limit]


def test_tokens_are_those_of_generate(loaded: LoadedModel, many: list[np.ndarray]) -> None:
    ours = read(reader_for(loaded), many)
    for decoded, expected in zip(ours, generated(loaded, many), strict=True):
        assert decoded.tokens == expected
    assert len({len(decoded.tokens) for decoded in ours}) > 10, "rows must end at different steps to test their leaving"
    assert sum(len(decoded.tokens) == LIMIT for decoded in ours) < len(ours) // 4


def test_whole_numbers_change_next_to_nothing(loaded: LoadedModel, many: list[np.ndarray]) -> None:
    ours, exact = read(reader_for(loaded, Int8Linear), many), read(reader_for(loaded), many)
    assert np.mean([a.tokens == b.tokens for a, b in zip(ours, exact, strict=True)]) >= 0.9
    whole = [(a, b) for a, b in zip(ours, exact, strict=True) if b.mean_log_probability > -0.1]
    assert len(whole) > 50
    assert np.mean([a.tokens == b.tokens for a, b in whole]) >= 0.98, "what the model is sure of stays"


@pytest.mark.parametrize(("kind", "tolerance", "sure"), [(None, 2e-4, -np.inf), (Int8Linear, 2e-2, -0.05)])
def test_a_reading_does_not_depend_on_its_neighbors(
    loaded: LoadedModel, many: list[np.ndarray], kind: type | None, tolerance: float, sure: float
) -> None:
    """In whole numbers, sums of another order round another way: two signs that are as likely may change places."""
    some = many[::6]
    together, alone = read(reader_for(loaded, kind), some, 32), read(reader_for(loaded, kind), some, 3)
    for a, b in zip(together, alone, strict=True):
        assert a.tokens == b.tokens or b.mean_log_probability < sure
        assert a.mean_log_probability == pytest.approx(b.mean_log_probability, abs=tolerance)
    assert np.mean([a.tokens == b.tokens for a, b in zip(together, alone, strict=True)]) >= 0.95


def test_another_checkpoint_with_grouped_heads_and_a_long_prompt(tmp_path: Path) -> None:
    import torch

    folder = write_tiny_qwen2_vl(tmp_path / "tiny", width=64, is_vocabulary_small=True)
    tiny = load_model_and_processor(str(folder), "cpu", dtype=torch.float32)
    crops = sorted(formula_pictures()[:6], key=cells)
    expected = list(generated(tiny, crops, 40))
    for kind in (None, FloatLinear):  # the second takes the weights over
        ours = read(reader_for(tiny, kind), crops, 4, 40)
        assert [d.tokens for d in ours] == expected
    assert list(generated(tiny, crops, 40)) == expected, "the model still works on the joined weights"


def test_long_rows_get_room_and_keep_what_they_wrote(loaded: LoadedModel, many: list[np.ndarray]) -> None:
    reader = reader_for(loaded)
    chosen = [many[0], many[100], many[200], many[-1]]
    pictures = [reader.layout.picture(crop) for crop in chosen]
    small = dict(reader.read(pictures, [LIMIT, LIMIT, 400, 500], 4, 4 * 64))
    roomy = dict(reader_for(loaded).read(pictures, [LIMIT, LIMIT, 400, 500], 4, 4 * 1024))
    assert [small[i].tokens for i in range(4)] == [roomy[i].tokens for i in range(4)]


def test_each_row_keeps_its_own_limit(loaded: LoadedModel) -> None:
    reader = reader_for(loaded)
    pictures = [reader.layout.picture(crop) for crop in formula_pictures()[:4]]
    decoded = dict(reader.read(pictures, [1, LIMIT, 2, LIMIT], 4, 512))
    assert [len(decoded[0].tokens), len(decoded[2].tokens)] == [1, 2]
    assert [decoded[0].stop_reason, decoded[2].stop_reason] == ["length", "length"]
    assert decoded[1].stop_reason == decoded[3].stop_reason == "end"


def test_log_probabilities_are_those_of_the_model(loaded: LoadedModel) -> None:
    import torch

    crops = formula_pictures()[:1]
    inputs = inputs_for(loaded, crops)
    (decoded,) = read(reader_for(loaded), crops)
    tokens = torch.tensor([[*decoded.tokens, loaded.processor.tokenizer.eos_token_id]])
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


@pytest.mark.parametrize("rows", [8, 32])
@pytest.mark.gpu
def test_a_gpu_writes_the_tokens_of_generate(many: list[np.ndarray], rows: int) -> None:
    import torch

    exact = load_model_and_processor("built-in", "cuda", dtype=torch.float32)
    ours = read(reader_for(exact), many, rows)
    assert [decoded.tokens for decoded in ours] == list(generated(exact, many))
    half = load_model_and_processor("built-in", "cuda")
    expected = list(generated(half, many))
    same = [a.tokens == b for a, b in zip(read(reader_for(half, FloatLinear), many, rows), expected, strict=True)]
    assert np.mean(same) >= 0.9, "bfloat16 rounds differently in other kernels; on whole formulas nearly never"


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


@pytest.mark.parametrize("tokens", [[3, 4, 2, 9, 9, 9], [3] * 200, list(range(3, 200))])
def test_a_row_ends_at_the_same_token_however_often_one_looks(tokens: list[int]) -> None:
    rows = []
    for look in (1, 3, 8):
        row = Row(0, 100, 10, 200)
        for start in range(0, len(tokens), look):
            part = tokens[start : start + look]
            row.take(part, [-0.5] * len(part), frozenset({2}))
        rows.append(row.decoded())
    assert rows[0] == rows[1] == rows[2]
    assert rows[0].stop_reason != "length" or len(rows[0].tokens) == 100
