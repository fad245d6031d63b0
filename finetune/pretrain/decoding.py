"""Greedy reading of many pictures at once with the packed network and a cache of keys and values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from finetune.pretrain.batches import CELL, patch_places, patchify
from finetune.pretrain.network import PackedNetwork, attend, rms_norm, text_angles, text_qkv, text_rest
from finetune.pretrain.vocabulary import BOS, EOS, IMG, VE, VS

EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model wrote for one picture."""

    ids: list[int]
    """Without [EOS]."""
    log_probability: float
    """Sum over tokens, [EOS] included."""
    finished: bool
    """It ended by itself."""


@torch.no_grad()
def read_pictures(
    network: PackedNetwork, inks: list[NDArray[np.uint8]], most_new: int = 300, batch: int = 256
) -> list[Reading]:
    """Read pictures greedily.

    Args:
        network: Not compiled (shapes vary here).
        inks: Pictures in whole cells, 255 = ink.
        most_new: Longest answer in tokens.
        batch: Pictures at once.
    """
    order = sorted(range(len(inks)), key=lambda i: inks[i].size)
    readings: list[Reading | None] = [None] * len(inks)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        for i, reading in zip(chosen, _read_batch(network, [inks[i] for i in chosen], most_new), strict=True):
            readings[i] = reading
    return [r for r in readings if r is not None]


def _read_batch(network: PackedNetwork, inks: list[NDArray[np.uint8]], most_new: int) -> list[Reading]:
    device = network.model.device
    text = network.model.model.language_model
    keys, values, x, lengths, following = _prefill(network, inks, most_new)
    count = len(inks)
    rows = torch.arange(count, device=device)
    done = torch.zeros(count, dtype=torch.bool, device=device)
    total = torch.zeros(count, device=device)
    written = torch.full((count, most_new), EOS, device=device)
    places = torch.arange(keys[0].shape[1], device=device)
    for step in range(most_new):
        logits = network.score(rms_norm(x, text.norm.weight, EPSILON))
        best, token = torch.log_softmax(logits, -1).max(-1)
        token = torch.where(done, EOS, token)
        total += torch.where(done, 0.0, best)
        written[:, step] = token
        done |= token == EOS
        if step % 8 == 7 and bool(done.all()):
            break
        x = F.embedding(token, text.embed_tokens.weight).to(network.dtype)
        cos, sin = text_angles((following + step).expand(3, -1))
        at = lengths + step
        end = int(keys[0].shape[1])
        mask = (places[None, :] <= at[:, None])[:, None, None, :]
        for layer, p in enumerate(network.text_parameters):
            q, k, v = text_qkv(x, cos, sin, p, EPSILON)
            keys[layer][rows, at], values[layer][rows, at] = k, v
            seen = F.scaled_dot_product_attention(
                q[:, :, None],
                keys[layer][:, :end].transpose(1, 2),
                values[layer][:, :end].transpose(1, 2),
                attn_mask=mask,
            )
            x = text_rest(x, seen[:, :, 0], p, EPSILON)
    out = []
    for ids, value, ended in zip(written.tolist(), total.tolist(), done.tolist(), strict=True):
        out.append(Reading(ids[: ids.index(EOS)] if EOS in ids else ids, value, ended))
    return out


def _prefill(
    network: PackedNetwork, inks: list[NDArray[np.uint8]], most_new: int
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor, Tensor]:
    """Run the pictures and [VS] [IMG]... [VE] [BOS] through the network.

    Returns:
        Keys and values of each layer (pictures, places, heads, 64); hidden state at [BOS]; tokens in the cache; the
        position of the next token.
    """
    device = network.model.device
    text = network.model.model.language_model
    shapes = [(i.shape[0] // CELL, i.shape[1] // CELL) for i in inks]
    cells = [h * w for h, w in shapes]
    places = [patch_places(h, w) for h, w in shapes]
    patches = torch.from_numpy(np.concatenate([patchify(i) for i in inks])).to(device)
    rows, columns = (torch.from_numpy(np.concatenate([p[k] for p in places])).to(device) for k in (0, 1))
    starts = _starts([4 * n for n in cells], device)
    visual = network.see(patches, rows, columns, starts, 4 * max(cells))
    lengths = [n + 3 for n in cells]
    ids, positions, visible = [], [], []
    for (h, w), n in zip(shapes, cells, strict=True):
        ids += [VS] + [IMG] * n + [VE, BOS]
        p = np.zeros((3, n + 3), np.int64)
        p[0, 1 : n + 1], p[1, 1 : n + 1], p[2, 1 : n + 1] = (
            1,
            1 + np.repeat(np.arange(h), w),
            1 + np.tile(np.arange(w), h),
        )
        p[:, n + 1 :] = 1 + max(h, w) + np.arange(2)
        positions.append(p)
        visible += [False] + [True] * n + [False, False]
    x = F.embedding(torch.tensor(ids, device=device), text.embed_tokens.weight).to(network.dtype)
    x[torch.tensor(visible, device=device)] = visual.to(network.dtype)
    cos, sin = text_angles(torch.from_numpy(np.concatenate(positions, 1)).to(device))
    text_starts = _starts(lengths, device)
    size = torch.tensor(lengths, device=device)
    row = torch.repeat_interleave(torch.arange(len(inks), device=device), size)
    column = torch.arange(len(ids), device=device) - text_starts[:-1].long()[row]
    keys: list[Tensor] = []
    values: list[Tensor] = []
    for layer in network.text_parameters:
        q, k, v = text_qkv(x, cos, sin, layer, EPSILON)
        x = text_rest(x, attend(q, k, v, text_starts, max(lengths), True), layer, EPSILON)
        for cache, new in ((keys, k), (values, v)):
            room = torch.zeros(len(inks), max(lengths) + most_new, *new.shape[1:], dtype=new.dtype, device=device)
            room[row, column] = new
            cache.append(room)
    following = torch.tensor([3 + max(s) for s in shapes], device=device)
    return keys, values, x[text_starts[1:].long() - 1], size, following


def _starts(lengths: list[int], device: torch.device) -> Tensor:
    return torch.tensor(np.concatenate([[0], np.cumsum(lengths)]), dtype=torch.int32, device=device)
