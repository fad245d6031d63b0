"""Muon for the hidden matrices, AdamW for the rest; one learning-rate schedule timed by seconds.

Muon needs about a third of AdamW's samples until the model begins to look at the picture (design note, probe table).
Source: Keller Jordan, https://kellerjordan.github.io/posts/muon/ (the five Newton-Schulz coefficients are from there).
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn


class Muon:
    """Orthogonalized momentum, all matrices of one shape in one batched product."""

    def __init__(self, parameters: dict[str, nn.Parameter], momentum: float = 0.95) -> None:
        self.momentum = momentum
        self.groups: dict[tuple[int, int], list[tuple[nn.Parameter, int]]] = defaultdict(list)
        for name, p in parameters.items():
            parts = 3 if name.endswith("attn.qkv.weight") else 1  # queries, keys and values are three matrices
            self.groups[(p.shape[0] // parts, p.shape[1])].append((p, parts))
        self.buffers = {
            shape: torch.zeros(sum(n for _, n in group), *shape, device=group[0][0].device)
            for shape, group in self.groups.items()
        }

    @torch.no_grad()
    def step(self, rate: float, decay: float) -> None:
        """One update."""
        for shape, group in self.groups.items():
            grads = torch.cat([_grad(p).view(n, *shape) for p, n in group])
            buffer = self.buffers[shape].lerp_(grads, 1 - self.momentum)
            update = _orthogonal(grads.lerp_(buffer, self.momentum)) * max(1.0, shape[0] / shape[1]) ** 0.5
            parameters: list[Tensor] = [p for p, _ in group]
            pieces = update.split([n for _, n in group])
            torch._foreach_mul_(parameters, 1 - rate * decay)
            torch._foreach_add_(
                parameters, [u.reshape(p.shape) for u, p in zip(pieces, parameters, strict=True)], alpha=-rate
            )


def _grad(p: nn.Parameter) -> Tensor:
    return p.grad if p.grad is not None else torch.zeros_like(p)


def _orthogonal(g: Tensor) -> Tensor:
    """Nearest (semi-)orthogonal matrices, roughly; g: (matrices, rows, columns)."""
    x = g.bfloat16() if g.is_cuda else g.clone()
    wide = x.shape[1] > x.shape[2]
    if wide:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT if x.shape[1] <= x.shape[2] else x.mT @ x
        b = -4.775 * a + 2.0315 * a @ a
        x = 3.4445 * x + (b @ x if x.shape[1] <= x.shape[2] else x @ b)
    nearest: Tensor = x.mT if wide else x
    return nearest.float()


class Optimizer:
    """Both optimizers behind one `step(progress)`."""

    def __init__(
        self, model: Any, extra: nn.Module, muon_rate: float, adam_rate: float, decay: float, warm_up: int, flat: float
    ) -> None:
        self.muon_rate, self.adam_rate, self.decay, self.warm_up, self.flat = muon_rate, adam_rate, decay, warm_up, flat
        named = dict(model.named_parameters())
        hidden = {
            n: p
            for n, p in named.items()
            if p.ndim == 2 and not any(x in n for x in ("embed_tokens", "patch_embed", "lm_head"))
        }
        rest = [p for n, p in named.items() if n not in hidden] + list(extra.parameters())
        self.muon = Muon(hidden)
        groups = [
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        ]
        cuda = rest[0].is_cuda
        self.adam = torch.optim.AdamW(groups, lr=adam_rate, betas=(0.9, 0.98), fused=cuda)
        self.all = [*hidden.values(), *rest]
        self.steps = 0

    def factor(self, progress: float) -> float:
        """Share of the peak rate: warm-up by steps, flat, then a cosine down to zero."""
        warm = min(1.0, (self.steps + 1) / self.warm_up)
        if progress <= self.flat:
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - self.flat) / (1 - self.flat))))

    def step(self, progress: float) -> Tensor:
        """Clip, update both, clear the gradients; returns the gradient norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.all, 1.0)
        factor = self.factor(progress)
        for group in self.adam.param_groups:
            group["lr"] = self.adam_rate * factor
        self.adam.step()
        self.muon.step(self.muon_rate * factor, self.decay)
        for p in self.all:
            p.grad = None
        self.steps += 1
        return norm
