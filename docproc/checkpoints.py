"""Loading Qwen2-VL checkpoints: the built-in model, a folder, or a hub name, all to the same thing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docproc.confidence import Calibration, load_calibration
from docproc.errors import DependencyError
from docproc.gate import GATE
from docproc.options import ALIKE, ALL

BUILT_IN = "built-in"
BUILT_IN_FOLDER = Path(__file__).parent / "model"


# Of each file of weights: its header and the first tensors.
_FINGERPRINT_BYTES = 1 << 22
# Entry of config.json that the built-in model and its descendants carry.
RELEASE = "docproc_release"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to read."""

    model: Any
    """`Qwen2VLForConditionalGeneration` in eval mode on its device."""
    processor: Any
    """`Qwen2VLProcessor` without its video part, which needs torchvision."""
    calibration: Calibration | None = None
    """How sure its readings are; None if nobody has measured it for this checkpoint."""


def model_name(model: str, adapter: Path | None = None, adapter_for: str = ALIKE) -> str:
    """Name that readings carry in the database: what they depend on, known without loading anything.

    Args:
        model: `built-in`, a folder, or a hub name.
        adapter: Folder that `docproc finetune` wrote.
        adapter_for: Which crops it reads, where it has a gate.

    Raises:
        DependencyError: The folder of the model or the adapter is not there.
    """
    gate = adapter / GATE if adapter is not None and adapter_for != ALL else None
    model, adapter = _unfolded(model, adapter)
    if model == BUILT_IN:
        release = json.loads((BUILT_IN_FOLDER / "config.json").read_text(encoding="utf-8")).get(RELEASE, "0")
        name = f"{BUILT_IN}-{release}"
    elif Path(model).is_dir():
        name = f"{Path(model).resolve().name}-{_fingerprint(Path(model))}"
    elif model.count("/") == 1 and not model.startswith((".", "/", "~")):
        name = model
    else:
        raise DependencyError(
            f"--model {model}: no such folder. Give a folder with a Qwen2-VL checkpoint, or a hub name like "
            "Qwen/Qwen2-VL-2B-Instruct."
        )
    if adapter is not None:
        weights = adapter / "adapter_model.safetensors"
        if not weights.is_file():
            raise DependencyError(
                f"--adapter {adapter}: no adapter_model.safetensors there. Give a folder that docproc finetune wrote."
            )
        name += f"+{adapter.resolve().name}-{_fingerprint(adapter)}"
    if gate is not None and gate.is_file():
        name += f"+gate-{hashlib.sha256(gate.read_bytes()).hexdigest()[:8]}"
    return name


def resolve_device(device: str) -> str:
    """Turn `auto` into `cuda` where there is one, else `cpu`.

    Raises:
        DependencyError: The device that was asked for is not there.
    """
    import torch

    if "," in device:
        raise DependencyError(f"--device {device}: only `docproc run` takes several devices. Give one.")
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
    dtype = dtype or (torch.bfloat16 if where.startswith("cuda") else torch.float32)
    model_name(model, adapter)  # a path that is meant as one must not be taken for a hub name
    model, adapter = _unfolded(model, adapter)
    source = str(BUILT_IN_FOLDER) if model == BUILT_IN else model
    if model == BUILT_IN:
        loaded = _load_built_in(dtype)
    else:
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
    processor = load_processor(source)
    if adapter is not None:
        loaded = _with_adapter(loaded, adapter, merge=not load_in_4bit)
    if not load_in_4bit:
        loaded = loaded.to(where)
    calibration = load_calibration(Path(source)) if adapter is None else None
    return LoadedModel(loaded.eval(), processor, calibration)


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
        template = json.loads(file.read_text(encoding="utf-8"))["chat_template"]
    if template is None:
        raise DependencyError(
            f"--model {source} has no chat template (chat_template.jinja). Copy it from the base model's folder."
        )
    return ImageTextProcessor(image_processor, tokenizer, chat_template=template)


def _fingerprint(folder: Path) -> str:
    """8 digits that change with the weights: over name, size and beginning of each file, whatever the folder's name."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as opened:
            digest.update(f"{file.name} {file.stat().st_size} ".encode() + opened.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()[:8]


def is_built_in(model: Any) -> bool:
    """Whether a model is the built-in one, or one that was tuned from it."""
    return hasattr(model.config, RELEASE)


def _unfolded(model: str, adapter: Path | None) -> tuple[str, Path | None]:
    """`--adapter` also takes the folder of a full training, which is a checkpoint of its own."""
    is_checkpoint = adapter is not None and (adapter / "config.json").is_file()
    if adapter is None or not is_checkpoint or (adapter / "adapter_config.json").is_file():
        return model, adapter
    return str(adapter), None


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

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,  # 0.4 bits a weight less: 0.3 GB of a 7B model
    )


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


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
