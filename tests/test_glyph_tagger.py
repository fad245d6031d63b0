"""The tagger computes in NumPy what was trained in PyTorch."""

from pathlib import Path

import numpy as np
import pytest

from docproc import glyph_tagger
from docproc.glyph_features import N_MARK_FEATURES, ColumnFeatures
from docproc.row_features import N_ROW_FEATURES
from finetune.pretrain.train_glyph_tagger import Example, train, write_weights


def make_example(seed: int) -> Example:
    """A mark is inline by its feature 3, a row a display by its feature 5; a display joins the display above."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, 12)
    marks = rng.normal(size=(lengths.sum(), N_MARK_FEATURES)).astype(np.float32)
    rows = rng.normal(size=(12, N_ROW_FEATURES)).astype(np.float32)
    display = (rows[:, 5] > 0).astype(np.float32)
    joins = np.concatenate([[0], display[1:] * display[:-1]]).astype(np.float32)
    inline = (marks[:, 3] > 0).astype(np.float32)
    in_display = np.repeat(display, lengths)
    labels = np.stack([inline, inline, in_display], axis=1)
    features = ColumnFeatures(marks, rows, lengths)
    row_labels = np.stack([display, joins], axis=1)
    return Example(features, labels, np.ones_like(labels), row_labels, np.ones_like(row_labels))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    path = tmp_path_factory.mktemp("tagger") / "weights.npz"
    write_weights(path, train([make_example(seed) for seed in range(90)], 12, 1))
    return read(path)


def read(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file) as stored:
        return glyph_tagger.prepare_weights({name: stored[name] for name in stored.files})


def test_what_was_learned_is_found_again(trained: dict[str, np.ndarray]) -> None:
    hits = []
    for seed in range(10):
        example = make_example(seed)
        tags = glyph_tagger.tag_marks(example.features, trained)
        hits.append(((tags.inline > 0.5) == example.labels[:, 0]).mean())
        hits.append(((tags.display > 0.5) == example.row_labels[:, 0]).mean())
        hits.append(((tags.in_display > 0.5) == example.labels[:, 2]).mean())
    assert np.mean(hits) > 0.95, "convolutions, pooling or names differ between training and use"


def test_columns_of_a_batch_do_not_see_each_other(trained: dict[str, np.ndarray]) -> None:
    one, two = make_example(1), make_example(2)
    alone = glyph_tagger.tag_marks(one.features, trained)
    again = glyph_tagger.tag_marks(one.features, trained)
    other = glyph_tagger.tag_marks(two.features, trained)
    assert np.array_equal(alone.inline, again.inline)
    assert len(other.inline) == two.features.lengths.sum()
    assert len(other.display) == len(two.features.lengths)


def test_the_shipped_weights_fit_the_features() -> None:
    tags = glyph_tagger.tag_marks(make_example(3).features, glyph_tagger.load_tagger())
    for values in (tags.inline, tags.starts, tags.in_display, tags.display, tags.joins):
        assert np.isfinite(values).all()
        assert ((values >= 0) & (values <= 1)).all()
