"""What trains: unsloth on CUDA where it is installed, PEFT everywhere else; the same adapter comes out of both."""

from __future__ import annotations

import copy
import importlib.util
import os
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from docproc.checkpoints import (
    BUILT_IN,
    LoadedModel,
    is_built_in,
    load_model_and_processor,
    load_processor,
    resolve_device,
)
from docproc.errors import DependencyError, UsageError
from finetune.lean_adapters import use_lean_adapters
from finetune.options import FinetuneOptions, Recipe
from finetune.processes import device_of_process

# Memory (GiB) from which a preset is chosen: a card sold as 8 GB shows a little less.
_PRESET_FROM_GIB = ((15.0, "16gb"), (11.0, "12gb"), (0.0, "8gb"))


@dataclass(slots=True)
class Trainee:
    """A model set up for training."""

    model: Any
    """What the trainer gets: a PeftModel for LoRA, else the Qwen2-VL itself."""
    loaded: LoadedModel
    """The same weights for recognition, so that a score in between sees what was learned."""
    backend: str
    device: str


def as_in_use(trainee: Trainee) -> LoadedModel:
    """The weights as they are now, for recognition.

    Of the built-in model on a CPU it is a copy with the adapter worked in, which is read in 8 bits as `docproc run`
    reads it: 0.11 instead of 0.23 CPU seconds a formula. Of any other model it is the one in training.
    """
    loaded = trainee.loaded
    if not is_built_in(loaded.model) or loaded.model.device.type != "cpu":
        return loaded
    model = copy.deepcopy(trainee.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    return replace(loaded, model=model.requires_grad_(False).eval())


def choose_preset(options: FinetuneOptions, device: str) -> str:
    """The preset that was asked for, or the one for the model and the device's memory."""
    if options.preset != "auto":
        return options.preset
    if options.model == BUILT_IN or not device.startswith("cuda"):
        return "cpu"
    import torch

    gib = torch.cuda.get_device_properties(torch.device(device)).total_memory / 2**30
    return next(preset for least, preset in _PRESET_FROM_GIB if gib >= least)


def choose_backend(options: FinetuneOptions, recipe: Recipe, device: str) -> str:
    """`unsloth` where it can be used and is there, else `trl`.

    Raises:
        DependencyError: unsloth was asked for and is not installed, or there is no CUDA device.
        UsageError: unsloth was asked for something it does not do here, or the backend is unknown.
    """
    is_there = importlib.util.find_spec("unsloth") is not None
    suits = device.startswith("cuda") and recipe.method == "lora" and options.model != BUILT_IN
    if options.backend == "auto":
        return "unsloth" if is_there and suits else "trl"
    if options.backend == "unsloth":
        if not device.startswith("cuda"):
            raise DependencyError("--backend unsloth needs a CUDA device; unsloth trains no vision models on the CPU.")
        if not is_there:
            raise DependencyError(
                "--backend unsloth: unsloth is not installed. Install docproc[gpu], or use --backend trl."
            )
        if not suits:
            raise UsageError("--backend unsloth is for LoRA on a checkpoint folder or hub model; use --backend trl.")
    elif options.backend != "trl":
        raise UsageError(f"--backend {options.backend}: give auto, unsloth or trl.")
    return options.backend


def require_packages(recipe: Recipe) -> None:
    """Say at once which package is missing, before data are read and models loaded.

    Raises:
        DependencyError: A package of the extra `finetune` is missing, or trl is the release that cannot train.
    """
    names = ["trl", "datasets", "accelerate", "matplotlib", *(["peft"] if recipe.method == "lora" else [])]
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise DependencyError(f"docproc finetune needs {', '.join(missing)}. Install docproc[finetune].")
    from importlib.metadata import version

    if version("trl") == "1.15.0":
        raise DependencyError(
            "trl 1.15.0 cannot train without a GPU (its loss needs Triton). Install trl 1.14.2 or 1.16."
        )


def load_trainee(options: FinetuneOptions, recipe: Recipe, backend: str) -> Trainee:
    """Load the model and make those of its parameters trainable that the options name.

    Raises:
        DependencyError: Model, package or device is missing; says which.
    """
    import torch

    device = device_of_process(resolve_device(options.device))
    if recipe.load_in_4bit:
        # Pictures differ in size from step to step: without this, PyTorch holds up to a fifth more than it uses.
        os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    torch.manual_seed(options.seed)
    if backend == "unsloth":
        return _load_with_unsloth(options, recipe, device)
    # Full training keeps its weights in 32 bits: steps of 1e-5 of a weight would be lost in bfloat16.
    dtype = torch.float32 if recipe.method == "full" else None
    loaded = load_model_and_processor(options.model, device, load_in_4bit=recipe.load_in_4bit, dtype=dtype)
    if recipe.method == "full":
        for name, parameter in loaded.model.named_parameters():
            parameter.requires_grad_(_is_trained(name, options))
        return Trainee(loaded.model, loaded, backend, device)
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=lora_targets(options),
        base_model_name_or_path=options.model,
    )
    model = get_peft_model(loaded.model, config)
    model.peft_config["default"].base_model_name_or_path = options.model
    # No token is added; PEFT would ask the hub for the built-in model to find that out.
    model.save_pretrained = partial(model.save_pretrained, save_embedding_layers=False)
    use_lean_adapters(model)
    return Trainee(model, loaded, backend, device)


def has_fast_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; a step of the built-in model then takes 0.6 of the time.

    Source: 0.31 instead of 0.51 CPU seconds a formula on an AVX-512 CPU; emulated bfloat16 is slower than float32.
    """
    import torch

    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check() for check in checks if check is not None)


def lora_targets(options: FinetuneOptions) -> str:
    """Regular expression over the names of the linear layers that get an adapter."""
    parts = []
    attention, mlp = options.attention_modules, options.mlp_modules
    if options.language_layers:
        parts += [r"language_model\.layers\.\d+\.self_attn\.[qkvo]_proj"] if attention else []
        parts += [r"language_model\.layers\.\d+\.mlp\.(?:gate|up|down)_proj"] if mlp else []
    if options.vision_layers:
        parts += [r"visual\.blocks\.\d+\.attn\.(?:qkv|proj)"] if attention else []
        parts += [r"visual\.blocks\.\d+\.mlp\.fc[12]", r"visual\.merger\.mlp\.[02]"] if mlp else []
    return rf".*(?:{'|'.join(parts)})"


def _is_trained(name: str, options: FinetuneOptions) -> bool:
    """Whether full training changes the parameter; what is neither attention nor MLP goes with its tower."""
    if not (options.vision_layers if ".visual." in name else options.language_layers):
        return False
    if "attn" in name:
        return options.attention_modules
    return options.mlp_modules if ".mlp." in name else True


def _load_with_unsloth(options: FinetuneOptions, recipe: Recipe, device: str) -> Trainee:
    from unsloth import FastVisionModel

    model, _ = FastVisionModel.from_pretrained(
        options.model,
        load_in_4bit=recipe.load_in_4bit,
        use_gradient_checkpointing="unsloth" if recipe.gradient_checkpointing else False,
        random_state=options.seed,
    )
    model = FastVisionModel.get_peft_model(
        model,
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0,
        bias="none",
        finetune_vision_layers=options.vision_layers,
        finetune_language_layers=options.language_layers,
        finetune_attention_modules=options.attention_modules,
        finetune_mlp_modules=options.mlp_modules,
        random_state=options.seed,
    )
    # Pictures go through docproc's own processor and collator: unsloth's shrinks wide ones to 512 pixels.
    loaded = LoadedModel(model.base_model.model, load_processor(options.model))
    return Trainee(model, loaded, "unsloth", device)
