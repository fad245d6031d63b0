"""Reading crops with a Qwen2-VL, whatever checkpoint it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from docproc.checkpoints import LoadedModel, is_built_in, load_model_and_processor, model_name
from docproc.decode import greedy
from docproc.prompt import conversation
from docproc.recognition import OutOfMemoryError, max_new_tokens
from docproc.records import Recognition

if TYPE_CHECKING:
    from collections.abc import Callable

    from docproc.options import RunOptions

# Token by which the built-in model says that the picture holds no formula.
NOT_A_FORMULA = "[NOT]"
# Wider pictures than this are refused by Qwen2-VL's processor (aspect ratio 200).
MAX_ASPECT = 150
# Crops a batch: measured in benchmarks/recognition.py; a GPU's memory decides there.
CPU_BATCH, GPU_BATCH_AT_MOST, GPU_BYTES_A_CELL = 32, 512, 3_000_000


class Qwen2VLRecognizer:
    """Reads crops with one model, which is loaded when the first crop comes: a finished run never waits for it."""

    def __init__(self, name: str, load: Callable[[], LoadedModel]) -> None:
        """Remember how to load.

        Args:
            name: Names the readings in the database.
            load: Called once.
        """
        self.name = name
        self._load = load

    @classmethod
    def from_options(cls, options: RunOptions) -> Qwen2VLRecognizer:
        """Prepare the model that a run asks for.

        Raises:
            DependencyError: The model or adapter folder is not there.
        """
        name = model_name(options.model, options.adapter)

        def load() -> LoadedModel:
            loaded = load_model_and_processor(
                options.model, options.device, adapter=options.adapter, load_in_4bit=options.load_in_4bit
            )
            if is_built_in(loaded.model) and loaded.model.device.type == "cpu":
                quantize_for_cpu(loaded.model)
            return loaded

        return cls(name, load)

    @cached_property
    def _loaded(self) -> LoadedModel:
        return self._load()

    @cached_property
    def _text(self) -> str:
        text = self._loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
        return str(text)

    @cached_property
    def _end_ids(self) -> list[int]:
        ends = getattr(self._loaded.model.generation_config, "eos_token_id", None)
        ends = ends if isinstance(ends, list) else [ends]
        return sorted({e for e in [*ends, self._loaded.processor.tokenizer.eos_token_id] if e is not None})

    def batch_size(self, asked: str = "auto") -> int:
        """Crops a batch: the number asked for, or what fits the device."""
        if asked != "auto":
            return int(asked)
        device = self._loaded.model.device
        if device.type != "cuda":
            return CPU_BATCH
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        # A typical crop has 60 cells; the budget leaves half of the memory for activations.
        return max(1, min(GPU_BATCH_AT_MOST, int(free / 2 / (60 * GPU_BYTES_A_CELL))))

    def recognize(self, crops: Sequence[np.ndarray]) -> list[Recognition]:
        """Read one batch.

        Args:
            crops: Grey uint8 pictures of shape (height, width), 0 = ink.

        Returns:
            One result a crop, in their order.

        Raises:
            OutOfMemoryError: The batch does not fit into memory.
        """
        import torch
        from PIL import Image

        model, processor = self._loaded.model, self._loaded.processor
        vision = model.config.vision_config
        multiple = vision.patch_size * vision.spatial_merge_size
        pictures = [Image.fromarray(pad_to_multiple(crop, multiple)).convert("RGB") for crop in crops]
        inputs = processor(text=[self._text] * len(pictures), images=pictures, return_tensors="pt", padding=True)
        tensors = {key: value.to(model.device) for key, value in inputs.items() if hasattr(value, "to")}
        try:
            decoded = greedy(model, tensors, [max_new_tokens(crop) for crop in crops], self._end_ids)
        except (torch.OutOfMemoryError, MemoryError) as error:
            _free_memory()
            raise OutOfMemoryError from error
        except RuntimeError as error:
            # PyTorch's CPU allocator has no exception class of its own.
            if "alloc" not in str(error) and "out of memory" not in str(error):
                raise
            _free_memory()
            raise OutOfMemoryError from error
        texts = processor.batch_decode([d.tokens for d in decoded], skip_special_tokens=True)
        not_a_formula = processor.tokenizer.get_vocab().get(NOT_A_FORMULA)
        results = []
        for text, row in zip(texts, decoded, strict=True):
            refused = row.tokens[:1] == [not_a_formula]
            reason = "not-a-formula" if refused else row.stop_reason
            results.append(Recognition(text.strip(), math.exp(row.mean_log_probability), reason))
        return results


def pad_to_multiple(crop: np.ndarray, multiple: int) -> np.ndarray:
    """Pad with paper to whole cells, so that the image processor does not resize, and to an aspect it accepts."""
    height, width = crop.shape
    target_height = max(math.ceil(height / multiple), math.ceil(width / multiple / MAX_ASPECT)) * multiple
    target_width = max(math.ceil(width / multiple), math.ceil(height / multiple / MAX_ASPECT)) * multiple
    top, left = (target_height - height) // 2, (target_width - width) // 2
    padded = np.full((target_height, target_width), 255, np.uint8)
    padded[top : top + height, left : left + width] = crop
    return padded


def quantize_for_cpu(model: Any) -> None:
    """Turn the linear layers into int8 ones with float inputs, in place: twice as fast, the same LaTeX.

    Weights are rounded per output channel, as they are stored; inputs per batch. Measured in benchmarks/recognition.py
    (speed) and docs/training.md (accuracy); other checkpoints are left alone, since nobody has measured them.
    """
    import warnings

    import torch
    from torch.ao import quantization

    quantize: Any = quantization.quantize_dynamic  # untyped
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # announces torchao, which needs a compiler on the user's machine
        quantize(model.model, {torch.nn.Linear: quantization.per_channel_dynamic_qconfig}, inplace=True)


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
