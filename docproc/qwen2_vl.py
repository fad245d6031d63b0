"""Qwen2-VL checkpoints: the built-in model, a folder, or a hub name, all through the same code."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docproc.decode import greedy
from docproc.errors import DependencyError
from docproc.prompt import conversation
from docproc.recognition import OutOfMemoryError, max_new_tokens
from docproc.records import Recognition

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

BUILT_IN = "built-in"
BUILT_IN_FOLDER = Path(__file__).parent / "model"
# Token by which the built-in model says that the picture holds no formula.
NOT_A_FORMULA = "[NOT]"
# Wider pictures than this are refused by Qwen2-VL's processor (aspect ratio 200).
MAX_ASPECT = 150
# Crops a batch: measured in benchmarks/recognition.py; a GPU's memory decides there.
CPU_BATCH, GPU_BATCH_AT_MOST, GPU_BYTES_A_CELL = 32, 512, 3_000_000


@dataclass(slots=True)
class LoadedModel:
    """A model ready to read."""

    model: Any
    """`Qwen2VLForConditionalGeneration` in eval mode on its device."""
    processor: Any
    """`Qwen2VLProcessor` without its video part, which needs torchvision."""
    name: str


def resolve_device(device: str) -> str:
    """Turn `auto` into `cuda` where there is one, else `cpu`.

    Raises:
        DependencyError: The device that was asked for is not there.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise DependencyError(
            "--device cuda: this PyTorch sees no CUDA device. Use --device cpu, or install a CUDA build."
        )
    return device


def load_model_and_processor(
    model: str, device: str = "auto", *, adapter: Path | None = None, load_in_4bit: bool = False, dtype: Any = None
) -> LoadedModel:
    """Load a checkpoint.

    Args:
        model: `built-in`, a folder, or a hub name.
        device: `auto`, `cpu`, `cuda` or `cuda:1`.
        adapter: Folder of a LoRA adapter that is put on the model.
        load_in_4bit: Weights in nf4 through bitsandbytes; CUDA only.
        dtype: torch dtype; None for bfloat16 on CUDA and float32 on the CPU.

    Returns:
        The model in eval mode, with its processor.

    Raises:
        DependencyError: Checkpoint, adapter, package or device is missing or cannot be used; says which.
    """
    import torch
    from transformers import Qwen2VLForConditionalGeneration

    where = resolve_device(device)
    _quieten()
    if (
        model == BUILT_IN and not (BUILT_IN_FOLDER / "config.json").is_file()
    ):  # until the first training round has landed
        model = str(BUILT_IN_FOLDER.parent / "model-dev")
    dtype = dtype or (torch.bfloat16 if where.startswith("cuda") else torch.float32)
    name = model
    if model == BUILT_IN:
        loaded, source = _load_built_in(dtype), str(BUILT_IN_FOLDER)
        name = f"{BUILT_IN}-{loaded.config.to_dict().get('docproc_release', '0')}"
    else:
        source = model
        # A path that is meant as one must not be taken for a hub name (and ask the network).
        if not Path(model).is_dir() and (model.count("/") != 1 or model.startswith((".", "/", "~"))):
            raise DependencyError(
                f"--model {model}: no such folder. Give a folder with a Qwen2-VL checkpoint, or a hub name like "
                "Qwen/Qwen2-VL-2B-Instruct."
            )
        options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
        if load_in_4bit:
            options.update(quantization_config=_four_bits(where), device_map=where)
        try:
            loaded = Qwen2VLForConditionalGeneration.from_pretrained(model, **options)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise DependencyError(
                f"--model {model}: {_first_line(error)}. Give a folder with config.json, tokenizer and "
                "safetensors weights of a Qwen2-VL; a hub name needs the network or a filled cache."
            ) from error
        name = Path(model).name if Path(model).is_dir() else model
    processor = load_processor(source)
    if adapter is not None:
        loaded = _with_adapter(loaded, adapter, merge=not load_in_4bit)
        name += f"+{adapter.name}"
    if not load_in_4bit:
        loaded = loaded.to(where)
    return LoadedModel(loaded.eval(), processor, name)


def load_processor(source: str) -> Any:
    """Build the processor of a checkpoint from its image processor, tokenizer and chat template; no torchvision.

    Raises:
        DependencyError: One of them is missing.
    """
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil, Qwen2VLProcessor
    from transformers.processing_utils import ProcessorMixin

    class ImageTextProcessor(Qwen2VLProcessor):  # type: ignore[misc]
        """`Qwen2VLProcessor` without videos."""

        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

        def __init__(
            self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
        ):
            self.image_token, self.video_token = (
                next((t for t in names if t in tokenizer.get_vocab()), names[0])
                for names in (("<|image_pad|>", "[IMG]"), ("<|video_pad|>", "[VID]"))
            )
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        tokenizer.padding_side = "left"
        image_processor = Qwen2VLImageProcessorPil.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        raise DependencyError(
            f"--model {source}: {_first_line(error)}. The folder needs tokenizer.json, tokenizer_config.json "
            "and preprocessor_config.json."
        ) from error
    template = tokenizer.chat_template
    if template is None and (file := Path(source) / "chat_template.json").is_file():
        import json

        template = json.loads(file.read_text(encoding="utf-8"))["chat_template"]
    if template is None:
        raise DependencyError(
            f"--model {source} has no chat template (chat_template.jinja). Copy it from the base model's folder."
        )
    return ImageTextProcessor(image_processor, tokenizer, chat_template=template)


class Qwen2VLRecognizer:
    """Reads crops with one loaded model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.name = loaded.name
        self._model, self._processor = loaded.model, loaded.processor
        tokenizer = loaded.processor.tokenizer
        self._not_a_formula = tokenizer.get_vocab().get(NOT_A_FORMULA)
        ends = getattr(loaded.model.generation_config, "eos_token_id", None)
        ends = ends if isinstance(ends, list) else [ends]
        self._end_ids = sorted({e for e in [*ends, tokenizer.eos_token_id] if e is not None})
        self._text = loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
        vision = loaded.model.config.vision_config
        self._multiple = vision.patch_size * vision.spatial_merge_size

    def batch_size(self, asked: str = "auto") -> int:
        """Crops a batch: the number asked for, or what fits the device."""
        if asked != "auto":
            return int(asked)
        device = self._model.device
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

        pictures = [Image.fromarray(pad_to_multiple(crop, self._multiple)).convert("RGB") for crop in crops]
        inputs = self._processor(text=[self._text] * len(pictures), images=pictures, return_tensors="pt", padding=True)
        tensors = {key: value.to(self._model.device) for key, value in inputs.items() if hasattr(value, "to")}
        try:
            decoded = greedy(self._model, tensors, [max_new_tokens(crop) for crop in crops], self._end_ids)
        except (torch.OutOfMemoryError, MemoryError) as error:
            _free_memory()
            raise OutOfMemoryError from error
        except RuntimeError as error:
            # PyTorch's CPU allocator has no exception class of its own.
            if "alloc" not in str(error) and "out of memory" not in str(error):
                raise
            _free_memory()
            raise OutOfMemoryError from error
        texts = self._processor.batch_decode([d.tokens for d in decoded], skip_special_tokens=True)
        results = []
        for text, row in zip(texts, decoded, strict=True):
            refused = self._not_a_formula is not None and row.tokens[:1] == [self._not_a_formula]
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


def _load_built_in(dtype: Any) -> Any:
    from transformers import AutoConfig, GenerationConfig, Qwen2VLForConditionalGeneration

    from docproc.model.load import load_built_in_weights

    config = AutoConfig.from_pretrained(BUILT_IN_FOLDER)
    model = Qwen2VLForConditionalGeneration._from_config(config, dtype=dtype)
    missing, unexpected = model.load_state_dict(load_built_in_weights(BUILT_IN_FOLDER), strict=False)
    if unexpected or [name for name in missing if name != "lm_head.weight"]:
        raise DependencyError(
            "The built-in model is damaged: its weights do not fit its config. Install docproc again."
        )
    model.tie_weights()
    model.generation_config = GenerationConfig.from_pretrained(BUILT_IN_FOLDER)
    return model


def _four_bits(device: str) -> Any:
    import importlib.util

    if not device.startswith("cuda") or importlib.util.find_spec("bitsandbytes") is None:
        raise DependencyError(
            "--load-in-4bit needs a CUDA device and bitsandbytes. Install docproc[gpu], or leave it out."
        )
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def _with_adapter(model: Any, adapter: Path, *, merge: bool) -> Any:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise DependencyError("--adapter needs the package peft. Install docproc[finetune].") from error
    try:
        adapted = PeftModel.from_pretrained(model, str(adapter))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DependencyError(
            f"--adapter {adapter}: {_first_line(error)}. Give a folder that docproc finetune wrote for this model."
        ) from error
    return adapted.merge_and_unload() if merge else adapted.base_model.model


def _quieten() -> None:
    """Keep transformers' own progress bars and notes off the terminal; errors still come as exceptions."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__


def limit_threads(count: int | None = None) -> Callable[[], None]:
    """Give PyTorch `count` threads (all cores by default); returns a function that restores the old number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or os.cpu_count() or 1)
    return lambda: torch.set_num_threads(before)
