"""Read the built-in model's weights: int8 with a scale for each output channel, in safetensors files.

Format: a tensor `NAME` of two or more dimensions is stored as `NAME` (int8) and `NAME.scale` (float32, one for each
entry of the first dimension); tensors of one dimension are stored as they are (float32). `checksums.json` holds the
CRC-32 of every file. No pickle anywhere.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from docproc.errors import DependencyError

if TYPE_CHECKING:
    from torch import Tensor

SCALE = ".scale"
CHECKSUMS = "checksums.json"


def load_built_in_weights(folder: Path) -> dict[str, Tensor]:
    """Read and dequantize the weights of `folder`.

    Args:
        folder: Holds checksums.json and the files named in it.

    Returns:
        Name to tensor, float32, as `load_state_dict(..., strict=False)` takes them (`lm_head.weight` is tied, absent).

    Raises:
        DependencyError: A file is missing or damaged, or a scale does not fit its tensor; says which.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        checksums: dict[str, int] = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(f"{CHECKSUMS} cannot be read") from error
    stored: dict[str, Tensor] = {}
    for name, checksum in sorted(checksums.items()):
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise _damaged(f"{name} cannot be read") from error
        if zlib.crc32(data) != checksum:
            raise _damaged(f"the checksum of {name} is wrong")
        try:
            stored |= load(data)
        except SafetensorError as error:
            raise _damaged(f"{name} is no safetensors file") from error
    weights = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        if scale is None:
            weights[name] = tensor.float()
        elif scale.shape != tensor.shape[:1]:
            raise _damaged(f"the scale of {name} has shape {tuple(scale.shape)}")
        else:
            weights[name] = tensor.float() * scale.view(-1, *[1] * (tensor.ndim - 1))
    return weights


def _damaged(reason: str) -> DependencyError:
    return DependencyError(f"The built-in model is damaged: {reason}. Install docproc again.")
