"""Batches seen again while the loader makes the next one, each time with other noise.

Typesetting and drawing take more time than a step of training: without this the GPU waits for two thirds of a run.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterator

import torch

from finetune.pretrain.batches import Batch
from finetune.pretrain.vocabulary import EOS, FIRST_WORD

_WAITING = 4
# Ink of a picture seen again is at most so much paler, and half of the pictures get noise of up to so many grey levels.
_PALER, _NOISE = 0.25, 8.0


class Replay:
    """An iterator of batches that hands out earlier ones, freshened, where the loader has none ready."""

    def __init__(
        self,
        batches: Iterator[Batch],
        to_device: Callable[[Batch], Batch],
        *,
        most: int,
        again: int,
        words: int,
        noise: float,
        least: int = 200,
    ) -> None:
        """Start reading ahead in a thread.

        Args:
            batches: The loader's, without end.
            to_device: Moves one to where it is kept, its types unchanged.
            most: Batches kept; the oldest goes first. One takes about 7 MB of the device's memory.
            again: How often one is seen again at most.
            words: Size of the vocabulary in use.
            noise: Mean share of label tokens shown to the decoder that are replaced by random ones.
            least: Nothing is seen again before so many are kept.
        """
        self._source, self._to_device = batches, to_device
        self._most, self._again, self._least = most, again, least
        self._words, self._noise = words, noise
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(_WAITING)
        self._kept: list[tuple[Batch, int]] = []
        self._oldest = 0
        self._rng = random.Random(1)
        self.fresh = self.seen_again = 0
        threading.Thread(target=self._read, daemon=True).start()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """A new batch where one is ready, else an earlier one; waits while too few are kept.

        Raises:
            Exception: What the loader raised.
        """
        may_repeat = self._again > 0 and len(self._kept) >= self._least
        try:
            batch = self._ready.get(block=not may_repeat)
        except queue.Empty:
            earlier = self._draw()
            if earlier is not None:
                self.seen_again += 1
                return freshen(earlier, self._words, self._noise)
            batch = self._ready.get()
        if isinstance(batch, BaseException):
            raise batch
        self.fresh += 1
        batch = self._to_device(batch)
        self._keep(batch)
        return batch

    @property
    def again_share(self) -> float:
        """Share of the batches handed out that had been seen before, 0-1."""
        return self.seen_again / max(1, self.fresh + self.seen_again)

    def _read(self) -> None:
        try:
            for batch in self._source:
                self._ready.put(batch)
            self._ready.put(StopIteration())
        except BaseException as error:
            self._ready.put(error)

    def _keep(self, batch: Batch) -> None:
        if not self._again:
            return
        if len(self._kept) < self._most:
            self._kept.append((batch, 0))
        else:
            self._kept[self._oldest] = batch, 0
            self._oldest = (self._oldest + 1) % self._most

    def _draw(self) -> Batch | None:
        """One of those seen least often of a few drawn; None where all of them were seen often enough."""
        place = min(self._rng.choices(range(len(self._kept)), k=8), key=lambda i: self._kept[i][1])
        batch, times = self._kept[place]
        if times >= self._again:
            return None
        self._kept[place] = batch, times + 1
        return batch


def freshen(batch: Batch, words: int, noise: float) -> Batch:
    """The same pictures and labels as another scan of them: other contrast, noise, and wrong tokens for the decoder.

    Args:
        batch: See `pack`.
        words: Size of the vocabulary in use.
        noise: Mean share of label tokens shown to the decoder that are replaced by random ones.

    Returns:
        A batch that shares all but `ink` and `ids` with the given one.
    """
    ink, device = batch["ink"], batch["ink"].device
    picture = torch.bucketize(torch.arange(len(ink), device=device), batch["vision_starts"][1:].long(), right=True)
    count = len(batch["vision_starts"])
    gain = 1 - _PALER * torch.rand(count, device=device)
    level = (_NOISE * torch.rand(count, device=device)) * (torch.rand(count, device=device) < 0.5)
    other = ink.float() * gain[picture, None] + torch.randn(ink.shape, device=device) * level[picture, None]
    at, want = batch["at"].long(), batch["want"]
    text = torch.bucketize(at, batch["text_starts"][1:].long(), right=True)
    share = 2 * noise * torch.rand(len(batch["text_starts"]), device=device)
    is_wrong = torch.rand(len(at), device=device) < share[text]
    shown = torch.where(is_wrong, torch.randint(FIRST_WORD, words, at.shape, device=device).to(want.dtype), want)
    is_label = (want != -100) & (want != EOS)
    ids = batch["ids"].clone()
    ids[at[is_label] + 1] = shown[is_label].to(ids.dtype)
    return batch | {"ink": other.round().clamp(0, 255).to(torch.uint8), "ids": ids}
