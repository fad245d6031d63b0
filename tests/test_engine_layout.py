"""The arrays of the engine are those of transformers' processor and model, for every kind of checkpoint."""

from typing import Any

import numpy as np
import pytest

from docproc.checkpoints import load_model_and_processor
from docproc.engine.layout import MAX_ASPECT, Layout, pad_to_multiple
from tests.test_engine import inputs_for
from tests.tiny_qwen2_vl import write_tiny_qwen2_vl

# Height, width: tiny, inline, a display, long, tall, larger than the built-in model takes.
SIZES = [(5, 3), (16, 16), (20, 90), (64, 300), (17, 2600), (700, 20), (900, 1100)]


@pytest.fixture(scope="module", params=["built-in", "hub"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if request.param == "built-in":
        return load_model_and_processor("built-in", "cpu")
    folder = write_tiny_qwen2_vl(tmp_path_factory.mktemp("tiny"), width=64, is_vocabulary_small=True)
    return load_model_and_processor(str(folder), "cpu")


def crops() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, size, np.uint8) for size in SIZES]


def test_patches_ids_and_positions_are_those_of_the_stock_processor(loaded: Any) -> None:
    model, layout = loaded.model, Layout.of(loaded.processor, loaded.model.config)
    for crop in crops():
        inputs = inputs_for(loaded, [crop])
        batch = layout.batch([layout.picture(crop)])
        grey = batch.patches.astype(np.float32)[:, None, None] / 255
        channels = (grey - np.array(layout.mean)[:, None, None]) / np.array(layout.std)[:, None, None]
        frames = np.broadcast_to(channels, (len(grey), 3, 2, layout.patch**2))
        np.testing.assert_allclose(frames.reshape(len(grey), -1), inputs["pixel_values"].numpy(), atol=2e-5)
        assert batch.ids.tolist() == inputs["input_ids"][0].tolist()
        positions, delta = model.model.get_rope_index(
            inputs["input_ids"], inputs["mm_token_type_ids"], inputs["image_grid_thw"], None, inputs["attention_mask"]
        )
        assert (batch.positions == positions[:, 0].numpy()).all()
        assert batch.next_positions == [int(delta) + len(batch.ids)]
        assert (batch.ids[batch.places] == model.config.image_token_id).all()


def test_pictures_lie_end_to_end(loaded: Any) -> None:
    layout = Layout.of(loaded.processor, loaded.model.config)
    pictures = [layout.picture(crop) for crop in crops()[:4]]
    batch = layout.batch(pictures)
    starts = np.cumsum([0, *batch.patch_counts])
    texts = np.cumsum([0, *batch.token_counts])
    for i, picture in enumerate(pictures):
        alone = layout.batch([picture])
        patches, tokens = slice(starts[i], starts[i + 1]), slice(texts[i], texts[i + 1])
        assert (batch.patches[patches] == alone.patches).all()
        assert (batch.patch_rows[patches] == alone.patch_rows).all()
        assert (batch.patch_columns[patches] == alone.patch_columns).all()
        assert (batch.positions[:, tokens] == alone.positions).all()
    assert len(batch.places) == sum(picture.cells for picture in pictures)


@pytest.mark.parametrize("size", SIZES)
def test_padding_adds_paper_only(size: tuple[int, int]) -> None:
    crop = np.zeros(size, np.uint8)
    padded = pad_to_multiple(crop, 16)
    assert padded.shape[0] % 16 == padded.shape[1] % 16 == 0
    assert max(padded.shape) <= MAX_ASPECT * min(padded.shape)
    assert (padded == 0).sum() == crop.size
