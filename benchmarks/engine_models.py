"""Random weights of the large configurations, and what a device can do at best."""

from __future__ import annotations

import time
from typing import Any

from docproc.engine.layout import Layout

PROMPT_TOKENS, VISUAL_TOKENS = 64, 40
_IMAGE, _VIDEO, _START, _END = 151655, 151656, 151652, 151653

# Of Qwen/Qwen2-VL-2B-Instruct and -7B-Instruct: hidden size, of the MLP, layers, heads, key heads, tied embeddings.
_SIZES = {
    "2b": (1536, 8960, 28, 12, 2, True),
    "7b": (3584, 18944, 28, 28, 4, False),
    "tiny": (512, 512, 2, 4, 2, True),  # to try a benchmark out without a GPU
}


def random_model(size: str, device: str, four_bits: bool) -> Any:
    """A `Qwen2VLForConditionalGeneration` with random weights in bfloat16, made on the device, optionally in nf4."""
    import torch
    from transformers import GenerationConfig, Qwen2VLConfig, Qwen2VLForConditionalGeneration

    width, hidden, layers, heads, key_heads, is_tied = _SIZES[size]
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": 152064 if size == "7b" else 151936,
            "hidden_size": width,
            "intermediate_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": key_heads,
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": is_tied,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        vision_config={
            "depth": 32 if size != "tiny" else 2,
            "embed_dim": 1280,
            "hidden_size": width,
            "num_heads": 16,
            "patch_size": 14,
        },
        image_token_id=_IMAGE,
        video_token_id=_VIDEO,
        vision_start_token_id=_START,
        vision_end_token_id=_END,
        tie_word_embeddings=is_tied,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen2VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    model.generation_config = GenerationConfig(eos_token_id=None, pad_token_id=0)
    if four_bits:
        _to_four_bits(model)
    return model.eval().to(device)


def _to_four_bits(model: Any) -> None:
    """Replace the linear layers by nf4 ones, as `--load-in-4bit` does on loading."""
    import bitsandbytes
    import torch

    for name, module in list(model.named_modules()):
        for child_name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear and f"{name}.{child_name}" != ".lm_head":
                with torch.device("meta"):
                    small = bitsandbytes.nn.Linear4bit(
                        child.in_features,
                        child.out_features,
                        bias=child.bias is not None,
                        compute_dtype=torch.bfloat16,
                        quant_type="nf4",
                    )
                small.weight = bitsandbytes.nn.Params4bit(child.weight.data, requires_grad=False, quant_type="nf4")
                small.bias = child.bias
                setattr(module, child_name, small.to(child.weight.device))


def random_layout(size: str) -> Layout:
    """The layout of these configurations, with a prompt of 64 tokens for a picture of 40 cells."""
    around = PROMPT_TOKENS - VISUAL_TOKENS
    before = (*range(1000, 1000 + around // 2), _START)
    after = (_END, *range(2000, 2000 + around - len(before) - 1))
    assert size in _SIZES
    return Layout(14, 2, 56 * 56, 28 * 28 * 1280, (0.0,) * 3, (1.0,) * 3, 3, _IMAGE, before, after)


def device_limits(device: str) -> dict[str, float]:
    """Bytes/s and operations/s that the device reaches on the simplest work there is: a copy and a product."""
    import torch

    large = device.startswith("cuda")
    data = torch.empty(2**31 if large else 2**27, dtype=torch.uint8, device=device)
    a = torch.randn(*[8192 if large else 1024] * 2, dtype=torch.bfloat16, device=device)
    found = {}
    for name, work, amount in (("bytes", data.clone, 2 * data.nbytes), ("operations", lambda: a @ a, 2 * len(a) ** 3)):
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            work()
            if large:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - begun)
        found[name] = amount / min(times)
    return found


def bounds(model: Any, rows: int, formulas_s: float, new_tokens: int, limits: dict[str, float]) -> dict[str, float]:
    """Shares of the device's limits: what must be computed and what the decoder must read, over the time that it took.

    Args:
        model: Its parameters are counted.
        rows: Formulas at once: each step reads the decoder's weights once for all of them, and their cache.
        formulas_s: Measured.
        new_tokens: Written for each formula.
        limits: From `device_limits`.
    """
    body, visual = model.model.language_model, model.model.visual
    layers, eyes, head = (_products(part) for part in (body.layers, visual.blocks, model.lm_head))
    patches = VISUAL_TOKENS * visual.spatial_merge_size**2
    operations = 2 * (layers * (PROMPT_TOKENS + new_tokens) + head * new_tokens + eyes * patches)
    text = model.config.get_text_config()
    cached = 4 * text.num_hidden_layers * text.num_key_value_heads * text.hidden_size // text.num_attention_heads
    weight_bytes = sum(p.nbytes for part in (body.layers, model.lm_head) for p in part.parameters())
    step = weight_bytes + rows * (PROMPT_TOKENS + new_tokens / 2) * cached
    read = (new_tokens * step + weight_bytes) / rows
    return {
        "arithmetic_share": operations * formulas_s / limits["operations"],
        "memory_share": read * formulas_s / limits["bytes"],
        "tflop_a_formula": operations / 1e12,
        "limit_tflops": limits["operations"] / 1e12,
        "limit_gb_s": limits["bytes"] / 1e9,
    }


def _products(part: Any) -> int:
    """Multiplications of a token in the linear layers of a part, whatever form their weights have."""
    return sum(m.in_features * m.out_features for m in part.modules() if hasattr(m, "in_features"))
