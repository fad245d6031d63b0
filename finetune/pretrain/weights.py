"""Weights on disk while training: half precision, in safetensors files small enough to travel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

MOST_BYTES = 15_000_000


def save_weights(model: Any, folder: Path) -> None:
    """Write the model's weights (float16) as part0.safetensors, part1.safetensors...; each appears whole or not."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, p in model.named_parameters():
        tensor = p.detach().to("cpu", torch.float16).contiguous()
        count = tensor.numel() * 2
        if size + count > MOST_BYTES and parts[-1]:
            parts.append({})
            size = 0
        parts[-1][name] = tensor
        size += count
    for i, part in enumerate(parts):
        temporary = folder / f"part{i}.tmp"
        save_file(part, temporary)
        temporary.replace(folder / f"part{i}.safetensors")


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Read them back as float32."""
    from safetensors.torch import load_file

    weights: dict[str, Tensor] = {}
    for file in sorted(folder.glob("part*.safetensors")):
        weights |= {name: tensor.float() for name, tensor in load_file(file).items()}
    return weights
