"""Write trained weights as the built-in model: int8 with a scale for each output channel, configuration, tokenizer.

python -m finetune.pretrain.quantize WEIGHTS TOKENIZER.json OUT --release 1
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from docproc.model.load import CHECKSUMS, SCALE
from finetune.pretrain.network import IMAGE_STD, Shape, build_network
from finetune.pretrain.vocabulary import BOS, EOS, PAD, save_tokenizer
from finetune.pretrain.weights import load_weights

MOST_BYTES = 15_500_000
_TRIALS = tuple(1 - 0.02 * i for i in range(11))
"""Shares of the largest weight of a channel that are tried as the end of the int8 range."""


def quantize(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Quantize to int8 along the first dimension; of several ranges, a channel takes that with the least squared error.

    Args:
        tensor: Two or more dimensions.

    Returns:
        int8 of the same shape, and a scale for each entry of the first dimension.
    """
    rows = tensor.float().flatten(1)
    largest = rows.abs().amax(1).clamp(min=1e-12)
    best_error = torch.full_like(largest, float("inf"))
    best_scale = largest / 127
    for share in _TRIALS:
        scale = largest * share / 127
        error = ((rows / scale[:, None]).round().clamp(-127, 127) * scale[:, None] - rows).square().sum(1)
        better = error < best_error
        best_error, best_scale = torch.where(better, error, best_error), torch.where(better, scale, best_scale)
    whole = (rows / best_scale[:, None]).round().clamp(-127, 127).to(torch.int8)
    return whole.view(tensor.shape), best_scale


def write_model(weights: dict[str, Tensor], folder: Path) -> int:
    """Write quantized weights into `folder` as files below 16 MB; returns the bytes written."""
    from safetensors.torch import save

    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in sorted(weights.items()):
        entries = {name: tensor.float().contiguous()}
        if tensor.ndim > 1:
            whole, scale = quantize(tensor)
            entries = {name: whole.contiguous(), name + SCALE: scale}
        count = sum(t.numel() * t.element_size() for t in entries.values())
        if size + count > MOST_BYTES and parts[-1]:
            parts.append({})
            size = 0
        parts[-1] |= entries
        size += count
    for old in folder.glob("weights-*.safetensors"):
        old.unlink()
    checksums = {}
    for i, part in enumerate(parts, 1):
        data = save(part)
        name = f"weights-{i}-of-{len(parts)}.safetensors"
        (folder / name).write_bytes(data)
        checksums[name] = zlib.crc32(data)
    (folder / CHECKSUMS).write_text(json.dumps(checksums, indent=1) + "\n", encoding="utf-8")
    return sum((folder / name).stat().st_size for name in checksums)


def write_configuration(model: Any, folder: Path, release: str) -> None:
    """Write config.json, generation_config.json and preprocessor_config.json beside the weights."""
    config = json.loads(model.config.to_json_string(use_diff=True))
    config |= {"architectures": ["Qwen2VLForConditionalGeneration"], "docproc_release": release}
    generation = {
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "do_sample": False,
        "max_new_tokens": 512,
    }
    processor = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [1.0] * 3,
        "image_std": [IMAGE_STD] * 3,
        "image_processor_type": "Qwen2VLImageProcessor",
        "merge_size": 2,
        "patch_size": model.config.vision_config.patch_size,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": 512_000, "shortest_edge": 256},
        "temporal_patch_size": 2,
    }
    files = {"config.json": config, "generation_config.json": generation, "preprocessor_config.json": processor}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_shape(weights: dict[str, Tensor]) -> Shape:
    """Size of the network that these weights belong to, of the default patch and text width."""
    vision = {name.split(".blocks.")[1].split(".")[0] for name in weights if ".blocks." in name}
    text = {name.split(".layers.")[1].split(".")[0] for name in weights if ".layers." in name}
    width = next(t.shape[-1] for name, t in weights.items() if name.endswith("embed_tokens.weight"))
    return Shape(width=width, text_layers=len(text), vision_layers=len(vision))


def main() -> None:
    """Command line."""
    from tokenizers import Tokenizer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--release", default="1")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    weights = load_weights(options.weights)
    print(write_model(weights, options.out), "bytes")
    write_configuration(build_network(tokenizer.get_vocab_size(), read_shape(weights)), options.out, options.release)
    save_tokenizer(tokenizer, options.out)


if __name__ == "__main__":
    main()
