"""Reads any number of pictures: rows that end make room for those that wait.

Greedy, the tokens of `model.generate(do_sample=False)` (proven by tests/test_engine.py), with what generate throws
away: the log-probability of each token and the reason why a row ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from docproc.engine.attention import Sequences, attend
from docproc.engine.layout import Batch, Layout, Picture
from docproc.engine.network import TextDecoder, VisionTower
from docproc.engine.rows import PASSED_OVER, Decoded, Row
from docproc.engine.slots import Slots, cache_memory, rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from docproc.engine.linear import Kind
    from docproc.gate import Gate

# Waiting pictures come in when this share of the rows is free: seeing them together is cheaper.
FREE_SHARE = 0.25
# Steps between two looks at what was written: a look stops a GPU's queue, on the CPU it is free.
LOOK_EVERY_CPU, LOOK_EVERY_GPU = 1, 8
# Patches that are seen at once, for each row: on a CPU 32 rows x 32 patches fit its caches (docs/engine.md).
PATCHES_A_ROW_CPU, PATCHES_A_ROW_GPU = 32, 64


class Reader:
    """A Qwen2-VL that is ready to read."""

    def __init__(
        self, model: Any, layout: Layout, end_ids: Sequence[int], kind: Kind | None = None, look_every: int = 0
    ) -> None:
        """Take the weights of a model.

        Args:
            model: A `Qwen2VLForConditionalGeneration` in eval mode on its device.
            layout: Of its pictures and its prompt.
            end_ids: Tokens that end a row.
            kind: What plain linear layers become, see `joined`.
            look_every: Steps between two looks at what was written; 0 leaves it to the device.
        """
        import torch

        self.layout, self.end_ids = layout, frozenset(end_ids)
        self.vision, self.decoder = VisionTower(model, layout, kind), TextDecoder(model, kind)
        self._is_gpu = self.decoder.device.type == "cuda"
        self._look_every = look_every or (LOOK_EVERY_GPU if self._is_gpu else LOOK_EVERY_CPU)
        self._patches_a_row = PATCHES_A_ROW_GPU if self._is_gpu else PATCHES_A_ROW_CPU
        self._memory: Tensor | None = None
        self._slots: dict[tuple[int, int], Slots] = {}
        if self._is_gpu:
            torch.cuda.empty_cache()  # of the weights that were joined

    @property
    def token_bytes(self) -> int:
        """Memory that one token takes in the cache."""
        decoder = self.decoder
        return int(len(decoder.layers) * 2 * decoder.key_heads * decoder.head * decoder.dtype.itemsize)

    @property
    def cache_bytes(self) -> int:
        """Memory that the cache takes now."""
        return 0 if self._memory is None else self._memory.nbytes

    def forget(self) -> None:
        """Give the cache back."""
        self._memory, self._slots = None, {}

    def sibling(self) -> Reader:
        """Another reader with the same weights and a cache of its own: both may read at once."""
        other = copy(self)
        other.forget()
        return other

    def read(
        self,
        pictures: Sequence[Picture],
        limits: Sequence[int],
        rows: int,
        cache_tokens: int,
        gate: Gate | None = None,
    ) -> Iterator[tuple[int, Decoded]]:
        """Read pictures, in their order as far as room allows.

        Args:
            pictures: From `layout.picture`, best sorted by size: rows of similar length waste nothing.
            limits: Most new tokens of each.
            rows: Most rows that are written at once.
            cache_tokens: Most tokens that the cache holds; one row of any length is always allowed.
            gate: Pictures that are alike, as it finds, are passed over.

        Yields:
            The number of a picture and its result, as it ends.
        """
        waiting, live = deque(range(len(pictures))), _Live()
        while waiting or live.rows:
            self._admit(waiting, live, pictures, limits, rows, cache_tokens, gate)
            while live.passed:
                yield live.passed.pop(), Decoded([], 0.0, PASSED_OVER)
            for row in self._advance(live, (pictures[i] for i in waiting)) if live.rows else ():
                yield row.index, row.decoded()

    def look(self, pictures: Sequence[Picture], rows: int, blocks: int) -> NDArray[np.float32]:
        """How pictures look; see `VisionTower.look`.

        Args:
            pictures: From `layout.picture`, best sorted by size.
            rows: As many patches are seen at once as for so many rows that are read.
            blocks: Of the vision tower.

        Returns:
            Shape (pictures, 2 * the tower's width).
        """
        import torch

        found: list[NDArray[np.float32]] = []
        waiting = deque(pictures)
        with torch.inference_mode():
            while waiting:
                group, patches = [waiting.popleft()], 0
                while waiting and (patches := patches + group[-1].patch_count) < rows * self._patches_a_row:
                    group.append(waiting.popleft())
                batch = self.layout.batch(group)
                found.append(self.vision.look(blocks, *self._patches(batch)).cpu().numpy())
        return np.concatenate(found)

    def _admit(
        self,
        waiting: deque[int],
        live: _Live,
        pictures: Sequence[Picture],
        limits: Sequence[int],
        rows: int,
        cache_tokens: int,
        gate: Gate | None,
    ) -> None:
        """Let pictures in while there is room for the first that waits."""
        import torch

        while waiting:
            needed = [self._tokens(pictures[waiting[0]], limits[waiting[0]]), *(row.needed for row in live.rows)]
            capacity = rounded(max(*needed, cache_tokens // rows))
            count = max(1, min(rows, cache_tokens // capacity))
            free = count - len(live.rows)
            if free <= 0 or (live.rows and free < count * FREE_SHARE):
                return
            group: list[int] = []
            patches = 0
            while waiting and len(group) < free:
                chosen = waiting[0]
                patches += pictures[chosen].patch_count
                if group and patches > rows * self._patches_a_row:
                    break
                if self._tokens(pictures[chosen], limits[chosen]) > capacity:
                    break
                group.append(waiting.popleft())
            with torch.inference_mode():
                self._make_room(live, count, capacity, max(cache_tokens, capacity))
                self._start(live, group, [pictures[i] for i in group], [limits[i] for i in group], gate)

    def _tokens(self, picture: Picture, limit: int) -> int:
        """Room that a picture needs: rows that have ended run on until the next look."""
        return int(self.layout.prompt_tokens + picture.cells + limit + self._look_every)

    def _make_room(self, live: _Live, count: int, capacity: int, cache_tokens: int) -> None:
        """Divide the cache into so many rows of such a length, live rows included."""
        key = (count, capacity)
        if live.slots is not None and self._slots.get(key) is live.slots:
            return
        if self._memory is None or self._memory.nbytes < cache_tokens * self.token_bytes:
            self.forget()  # live rows keep their old memory until they are taken over
            self._memory = cache_memory(self.decoder, cache_tokens)
        if key not in self._slots:
            self._slots[key] = Slots(self.decoder, self._memory, count, capacity, self._look_every)
        if live.slots is not None and live.rows:
            self._slots[key].take_over(live.slots, len(live.rows), max(row.length for row in live.rows))
        live.slots = self._slots[key]

    def _start(
        self, live: _Live, group: list[int], pictures: list[Picture], limits: list[int], gate: Gate | None
    ) -> None:
        """See pictures, read their prompts into the cache, and choose the first token of each."""
        import torch

        decoder, slots, first = self.decoder, live.slots, len(live.rows)
        assert slots is not None
        batch = self.layout.batch(pictures)
        visual, passed = self.vision(*self._patches(batch), gate)
        if any(passed):
            live.passed += [index for index, is_out in zip(group, passed, strict=True) if is_out]
            if all(passed):
                return
            stays = [place for place, is_out in enumerate(passed) if not is_out]
            group, limits = [group[i] for i in stays], [limits[i] for i in stays]
            pictures = [pictures[i] for i in stays]
            batch = self.layout.batch(pictures)
        x = decoder.embed(self._put(batch.ids)).index_copy(0, self._put(batch.places), visual.to(decoder.dtype))
        counts = np.array(batch.token_counts)
        ends = counts.cumsum()
        row = self._put(first + np.repeat(np.arange(len(counts)), counts))
        column = self._put(np.arange(ends[-1]) - np.repeat(ends - counts, counts))
        texts = Sequences.of(batch.token_counts, decoder.device)

        def attention(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            slots.cache[layer, 0][row, :, column] = k
            slots.cache[layer, 1][row, :, column] = v
            return attend(q, k, v, texts, causal=True)

        hidden = decoder.forward(x, decoder.angles(self._put(batch.positions)), attention, self._put(ends - 1))
        token, log_probability = decoder.choose(hidden)
        slots.start(first, token, self._put(counts), self._put(np.array(batch.next_positions)))
        started = [
            Row(index, limit, length, self._tokens(picture, limit))
            for index, limit, length, picture in zip(group, limits, batch.token_counts, pictures, strict=True)
        ]
        live.rows += started
        live.unseen.append((started, torch.stack([token.float(), log_probability])))

    def _advance(self, live: _Live, upcoming: Iterator[Picture]) -> list[Row]:
        """Write some tokens in every row; return the rows that have ended, which leave."""
        import torch

        slots = live.slots
        assert slots is not None
        with torch.inference_mode():
            for _ in range(self._look_every):
                for row in live.rows:
                    row.length += 1
                slots.step(len(live.rows), max(row.length for row in live.rows))
            if self._is_gpu:  # the device is busy meanwhile
                for picture in islice(upcoming, len(live.rows)):
                    picture.cut()
            for started, chosen in live.unseen:
                for row, token, score in zip(started, *chosen.tolist(), strict=True):
                    row.take([int(token)], [score], self.end_ids)
            live.unseen.clear()
            for row, tokens, scores in zip(live.rows, *slots.look(len(live.rows)), strict=True):
                row.take(tokens, scores, self.end_ids)
            return live.release()

    def _patches(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Sequences]:
        """What the vision tower is given."""
        patches, rows, columns = (self._put(x) for x in (batch.patches, batch.patch_rows, batch.patch_columns))
        return patches, rows, columns, Sequences.of(batch.patch_counts, self.decoder.device)

    def _put(self, array: NDArray[Any]) -> Tensor:
        import torch

        return torch.from_numpy(array).to(self.decoder.device)


class _Live:
    """The rows that are being written, in the order of the slots, and what is not yet known of them."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.passed: list[int] = []
        """Pictures that were left to another model, until that is said."""
        self.slots: Slots | None = None
        self.unseen: list[tuple[list[Row], Tensor]] = []

    def release(self) -> list[Row]:
        """Take out the rows that have ended; the last ones move to their places."""
        ended = [row for row in self.rows if row.stop_reason]
        if not ended or self.slots is None:
            return ended
        count = len(self.rows) - len(ended)
        holes = [i for i, row in enumerate(self.rows[:count]) if row.stop_reason]
        movers = [i for i, row in enumerate(self.rows) if i >= count and not row.stop_reason]
        if movers:
            self.slots.move(movers, holes, max(self.rows[i].length for i in movers))
        for hole, mover in zip(holes, movers, strict=True):
            self.rows[hole] = self.rows[mover]
        del self.rows[count:]
        return ended
