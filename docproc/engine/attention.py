"""Attention over sequences laid end to end, and the rotary positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from docproc.engine.linear import Int8Linear

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from docproc.engine.linear import Linear


@dataclass(frozen=True, slots=True)
class Sequences:
    """Where each of many sequences, laid end to end, begins."""

    starts: Tensor
    """Shape (sequences + 1,), int32, on the device: first token of each, then the end of the last."""
    longest: int
    runs: tuple[tuple[int, int, int], ...]
    """(first token, sequences, length) of neighbors of equal length, which attend as one rectangle."""

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> Sequences:
        """Describe sequences of these lengths."""
        import torch

        runs, start = [], 0
        for length, group in groupby(lengths):
            count = sum(1 for _ in group)
            runs.append((start, count, length))
            start += count * length
        starts = torch.zeros(len(lengths) + 1, dtype=torch.int32)
        starts[1:] = torch.tensor(lengths, dtype=torch.int32).cumsum(0)
        return cls(starts.to(device, non_blocking=True), max(lengths), tuple(runs))


def attend(q: Tensor, k: Tensor, v: Tensor, sequences: Sequences, *, causal: bool) -> Tensor:
    """Attention inside each sequence.

    Args:
        q: Queries, shape (tokens, heads, head width).
        k: Keys, shape (tokens, key heads, head width); a key head serves heads / key heads neighboring heads.
        v: Values, same shape.
        sequences: Where each begins.
        causal: Each token sees only itself and those before it.

    Returns:
        Shape (tokens, heads, head width).
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    if k.shape[1] != q.shape[1]:
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
    if q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):
        return _attend_varlen(q, k, v, sequences, causal=causal)
    out = torch.empty_like(q)
    for start, count, length in sequences.runs:
        part = slice(start, start + count * length)
        x, y, z = (t[part].view(count, length, *t.shape[1:]).transpose(1, 2) for t in (q, k, v))
        seen = F.scaled_dot_product_attention(x, y, z, is_causal=causal)
        out[part] = seen.transpose(1, 2).flatten(0, 1)
    return out


def _attend_varlen(q: Tensor, k: Tensor, v: Tensor, sequences: Sequences, *, causal: bool) -> Tensor:
    """PyTorch's kernel for sequences of different lengths."""
    import inspect

    from torch.nn.attention.varlen import varlen_attn

    options: dict[str, Any] = {}
    if causal:  # PyTorch 2.11 renamed the option
        renamed = "window_size" in inspect.signature(varlen_attn).parameters
        options = {"window_size": (-1, 0)} if renamed else {"is_causal": True}
    starts, longest = sequences.starts, sequences.longest
    result: Any = varlen_attn(
        q.contiguous(), k.contiguous(), v.contiguous(), starts, starts, longest, longest, **options
    )
    return result  # type: ignore[no-any-return]


def rotate(x: Tensor, angles: Tensor, *, is_paired: bool = False) -> Tensor:
    """Rotary position embedding.

    Args:
        x: Shape (tokens, heads, head width); features j and j + half belong together.
        angles: What `turns` returned.
        is_paired: The features that belong together stand side by side already (`paired`); `x` itself is turned.

    Returns:
        The same shape and type; after a turn by complex numbers each pair stands side by side, which queries and keys
        must both do.
    """
    import torch

    if is_paired:
        pairs = torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs.mul_(angles[:, None])).flatten(-2)
    if not angles.is_complex():
        half = x.shape[-1] // 2
        cosine, sine = angles[:, :1], angles[:, 1:, :half]
        result = x * cosine
        result[..., :half].addcmul_(x[..., half:], sine, value=-1)
        result[..., half:].addcmul_(x[..., :half], sine)
        return result
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.complex(first, second) * angles[:, None]
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


def paired(qkv: Linear, heads: int, head: int) -> tuple[Linear, bool]:
    """Let a layer write the features side by side that rotary positions turn together: `rotate` need not copy them.

    Args:
        qkv: Writes queries, keys and values, side by side.
        heads: Of queries and keys together.
        head: Width of one.

    Returns:
        The layer, and whether it does so: one in whole numbers can, others share their weights with the model.
    """
    import torch

    if not isinstance(qkv, Int8Linear):
        return qkv, False
    turned = torch.arange(heads * head).view(heads, 2, head // 2).transpose(1, 2).flatten()
    rest = torch.arange(heads * head, len(qkv.scale))
    return qkv.reordered(torch.cat([turned, rest])), True


def frequencies(theta: float, count: int, device: torch.device) -> Tensor:
    """Angle of each feature pair for one step of position: theta ** -(j / count), float32."""
    import torch

    return (1.0 / theta ** (torch.arange(count, dtype=torch.float32) / count)).to(device)


def turns(angles: Tensor) -> Tensor:
    """Complex numbers of length 1 at the given angles (tokens, half the head width)."""
    import torch

    return torch.polar(torch.ones_like(angles), angles)


def rounded_turns(angles: Tensor, dtype: torch.dtype) -> Tensor:
    """Cosines and sines, shape (tokens, 2, head width), rounded as transformers does: for text in 16 bits on CUDA.

    A third of the memory traffic of complex numbers in 32 bits.
    """
    import torch

    both = torch.stack([angles.cos(), angles.sin()], 1)
    return torch.cat([both, both], -1).to(dtype)
