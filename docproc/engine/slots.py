"""The rows that are being written: their keys and values in memory of fixed size, and one step for all of them.

On CUDA the step is recorded once for each shape and then replayed: the host would need longer to ask for its hundreds
of kernels than the device to run them.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from docproc.engine.network import TextDecoder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Rows of a recorded step: all of them, or a quarter, or a quarter of that ...: each shape is recorded by itself.
GRAPH_ROWS_STEP, GRAPH_ROWS_AT_LEAST = 4, 8


class Slots:
    """Rows side by side; the live ones are the first."""

    def __init__(self, decoder: TextDecoder, memory: Tensor, count: int, capacity: int, look_every: int) -> None:
        """Divide memory into rows.

        Args:
            decoder: The network.
            memory: What `cache_memory` returned, for at least `count * capacity` tokens; several `Slots` may share it,
                of which one is used at a time.
            count: Rows.
            capacity: Tokens a row, prompt included.
            look_every: Steps between two looks at what was written.
        """
        import torch

        self.decoder, self.count, self.capacity, self.look_every = decoder, count, capacity, look_every
        device = decoder.device
        shape = (len(decoder.layers), 2, count, decoder.key_heads, capacity, decoder.head)
        self.cache = memory[: torch.Size(shape).numel()].view(shape)
        self.angles = decoder.angles(torch.arange(capacity, device=device).expand(3, -1))
        self.token, self.place, self.position = (torch.zeros(count, dtype=torch.long, device=device) for _ in range(3))
        self.numbers, self.columns = torch.arange(count, device=device), torch.arange(capacity, device=device)
        self.written = torch.zeros(look_every, 2, count, device=device)
        self.turn = torch.zeros(1, dtype=torch.long, device=device)
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}

    def start(self, first: int, token: Tensor, place: Tensor, position: Tensor) -> None:
        """Set the state of rows whose prompt is in the cache.

        Args:
            first: Number of the first of them.
            token: The first token of each.
            place: Where in the cache it will stand.
            position: Its rotary position.
        """
        rows = slice(first, first + len(token))
        self.token[rows], self.place[rows], self.position[rows] = token, place, position

    def take_over(self, other: Slots, live: int, length: int) -> None:
        """Copy the first `live` rows, of at most `length` tokens, of other slots, which may share the memory."""
        self.cache[:, :, :live, :, :length] = other.cache[:, :, :live, :, :length].clone()
        self.start(0, other.token[:live], other.place[:live], other.position[:live])

    def move(self, sources: list[int], targets: list[int], length: int) -> None:
        """Copy rows over others; only the first `length` tokens hold anything."""
        import torch

        source, target = torch.tensor([sources, targets], device=self.decoder.device)
        self.cache[:, :, target, :, :length] = self.cache[:, :, source, :, :length]
        for state in (self.token, self.place, self.position):
            state[target] = state[source]

    def step(self, live: int, length: int) -> None:
        """Write one token more in each of the first `live` rows.

        Args:
            live: Rows.
            length: Upper bound of the tokens of these rows, the one included that is read now.
        """
        if not self.cache.is_cuda or not self.decoder.is_recordable:
            self._step(live, min(length, self.capacity))
            return
        rows = self.count
        while (fewer := -(-rows // GRAPH_ROWS_STEP)) >= max(live, GRAPH_ROWS_AT_LEAST):
            rows = fewer
        shape = (rows, min(self.capacity, rounded(length)))
        if shape not in self._graphs:
            self._graphs[shape] = self._record(*shape)
        self._graphs[shape].replay()

    def look(self, live: int) -> tuple[list[list[int]], list[list[float]]]:
        """What the last `look_every` steps wrote: tokens and log-probabilities of each of the first `live` rows."""
        tokens, log_probabilities = self.written[:, :, :live].cpu().permute(1, 2, 0)
        return tokens.long().tolist(), log_probabilities.tolist()

    def _record(self, live: int, length: int) -> torch.cuda.CUDAGraph:
        """Record a step. Its trials leave nothing behind: they write where the step itself will write."""
        import torch

        state = (self.token, self.place, self.position, self.turn, self.written)
        before = [tensor.clone() for tensor in state]
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(live, length)
            for tensor, old in zip(state, before, strict=True):
                tensor.copy_(old)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        pool = next(iter(self._graphs.values())).pool() if self._graphs else None
        with torch.cuda.graph(graph, pool=pool):
            self._step(live, length)
        return graph

    def _step(self, live: int, length: int) -> None:
        import torch
        import torch.nn.functional as F  # noqa: N812
        from torch.nn.attention import SDPBackend, sdpa_kernel

        decoder, rows = self.decoder, self.numbers[:live]
        token, place, position = self.token[:live], self.place[:live], self.position[:live]
        mask = torch.zeros(live, 1, 1, length, dtype=decoder.dtype, device=decoder.device)
        mask.masked_fill_((self.columns[:length] > place[:, None])[:, None, None], float("-inf"))

        kernels = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]  # cuDNN's would be planned anew for each shape

        def attention(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            keys, values = self.cache[layer, 0], self.cache[layer, 1]
            keys[rows, :, place], values[rows, :, place] = k, v
            # The heads that share a key head are its queries: every key is read once.
            grouped = q.view(live, decoder.key_heads, -1, decoder.head)
            shown = keys[:live, :, :length], values[:live, :, :length]
            with sdpa_kernel(kernels) if self.cache.is_cuda else nullcontext():
                return F.scaled_dot_product_attention(grouped, *shown, attn_mask=mask).flatten(1, 2)

        best, log_probability = decoder.choose(decoder.forward(decoder.embed(token), self.angles[position], attention))
        self.written[:, :, :live].index_copy_(0, self.turn, torch.stack([best.float(), log_probability])[None])
        self.turn.add_(1).remainder_(self.look_every)
        token.copy_(best)
        for counter in (place, position):  # rows that have ended run on until the next look
            counter.add_(1).clamp_(max=self.capacity - 1)


def rounded(tokens: int) -> int:
    """Next size of which there are few: 48, or 1 or 1.5 times a power of two."""
    power = 1 << max(6, (tokens - 1).bit_length())
    return power * 3 // 4 if tokens <= power * 3 // 4 else power


def cache_memory(decoder: TextDecoder, tokens: int) -> Tensor:
    """Zeroed memory for the keys and values of so many tokens; on a CPU it costs nothing until it is used."""
    import numpy as np
    import torch

    count = tokens * len(decoder.layers) * 2 * decoder.key_heads * decoder.head
    if decoder.device.type == "cpu":
        return torch.from_numpy(np.zeros(count * decoder.dtype.itemsize, np.uint8)).view(decoder.dtype)
    return torch.zeros(count, dtype=decoder.dtype, device=decoder.device)
