"""Batches that training sees again while the loader makes new ones."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from finetune.pretrain.batches import Batch, Budget, Sample, pack
from finetune.pretrain.replay import Replay, freshen
from finetune.pretrain.vocabulary import EOS, FIRST_WORD

torch = pytest.importorskip("torch")
SMALL = Budget(cells=64, labels=96, samples=8, sample_cells=20, sample_labels=20, glyphs=64)
WORDS = 700


def make_batch(seed: int, noise: float = 0.0) -> Batch:
    rng = np.random.default_rng(seed)
    samples = [
        Sample(rng.integers(0, 255, (16 * h, 16 * w), np.uint8), rng.integers(FIRST_WORD, WORDS, n).tolist())
        for h, w, n in ((1, 3, 4), (2, 5, 9), (4, 4, 12))
    ]
    return pack(samples, SMALL, noise, rng, WORDS)


class Loader:
    """Gives the first `ready` batches at once and all others when it is told to."""

    def __init__(self, ready: int, total: int) -> None:
        self.ready, self.total, self.may_go_on = ready, total, threading.Event()

    def __iter__(self) -> Iterator[Batch]:
        for seed in range(self.total):
            if seed == self.ready:
                assert self.may_go_on.wait(30)
            yield make_batch(seed)


def replay_of(loader: Loader, again: int, most: int = 10) -> Replay:
    return Replay(iter(loader), lambda b: b, most=most, again=again, words=WORDS, noise=0.1, least=2)


def test_a_batch_seen_again_has_the_same_labels_other_pixels_and_other_noise():
    torch.manual_seed(0)
    noisy, plain = make_batch(1, noise=0.5), make_batch(1)
    quiet, other = freshen(noisy, WORDS, 0.0), freshen(plain, WORDS, 0.5)
    assert torch.equal(quiet["ids"], plain["ids"])
    changed = other["ids"] != plain["ids"]
    assert changed.any()
    assert (other["ids"][changed] >= FIRST_WORD).all()
    assert (plain["ids"][changed] != EOS).all()
    for name in set(plain) - {"ink", "ids"}:
        assert other[name] is plain[name]
    before, after = plain["ink"].float(), other["ink"].float()
    assert other["ink"].dtype == torch.uint8
    assert not torch.equal(before, after)
    for start, end in plain["vision_starts"].unfold(0, 2, 1)[:3].tolist():
        shares = after[start:end].sum() / before[start:end].sum()
        assert 0.7 < shares < 1.05
        assert np.corrcoef(before[start:end].ravel(), after[start:end].ravel())[0, 1] > 0.95


def test_earlier_batches_come_while_the_loader_is_busy():
    replay = replay_of(Loader(ready=2, total=4), again=2)
    wants = [next(replay)["want"] for _ in range(2)]
    seen = [next(replay)["want"] for _ in range(2)]
    assert (replay.fresh, replay.seen_again) == (2, 2)
    assert all(any(torch.equal(w, want) for want in wants) for w in seen)


def test_new_batches_all_come_and_earlier_ones_only_so_often():
    loader = Loader(ready=2, total=6)
    replay = replay_of(loader, again=1)
    found = [next(replay)["want"] for _ in range(3)]
    loader.may_go_on.set()
    found += [batch["want"] for batch in replay]
    assert replay.fresh == 6
    assert 1 <= replay.seen_again <= 6
    for seed in range(6):
        assert 1 <= sum(torch.equal(w, make_batch(seed)["want"]) for w in found) <= 2


def test_without_replay_every_batch_comes_once_and_the_end_is_the_loaders():
    loader = Loader(ready=4, total=4)
    replay = replay_of(loader, again=0)
    found = [batch["want"] for batch in replay]
    assert len(found) == 4
    assert all(torch.equal(w, make_batch(seed)["want"]) for seed, w in enumerate(found))
    assert replay.seen_again == 0


def test_the_oldest_batch_makes_room():
    loader = Loader(ready=2, total=6)
    replay = replay_of(loader, again=1, most=2)
    loader.may_go_on.set()
    for _ in replay:
        pass
    kept = sorted(float(batch["want"].sum()) for batch, _ in replay._kept)
    assert kept == sorted(float(make_batch(seed)["want"].sum()) for seed in (4, 5))


def test_what_breaks_the_loader_ends_the_training():
    def broken() -> Iterator[Batch]:
        yield make_batch(0)
        raise RuntimeError("a worker died")

    replay = Replay(broken(), lambda b: b, most=4, again=0, words=WORDS, noise=0.1)
    next(replay)
    with pytest.raises(RuntimeError, match="a worker died"):
        next(replay)
