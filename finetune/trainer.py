"""TRL's SFTTrainer with three things added: micro-batches that shrink, scores by recognition, and a calm Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docproc.errors import DependencyError
from finetune.collator import IGNORED, split_batch
from finetune.evaluate import Scores
from finetune.processes import any_process

if TYPE_CHECKING:
    import torch

    from finetune.anchor import Anchor

logger = logging.getLogger(__name__)

# Bytes of activations at once, beyond which layers work theirs out again, which takes a third of their time: what 8 GB
# leave beside a 7B model in nf4 with the gradients and averages of its adapter.
KEPT_BYTES = 2.05e9
# Bytes a token (or a picture's patch), a layer and a unit of width, and bytes a token where all is worked out again:
# peaks of a 7B model at 2 x 40 and 2 x 512 picture tokens (benchmarks/finetune_large.py).
TEXT_BYTES, VISION_BYTES, LEAST_BYTES_A_TOKEN = 48.5, 64.5, 1.05e6
_LAYERS: weakref.WeakKeyDictionary[Any, tuple[Any, list[tuple[bool, Any]]]] = weakref.WeakKeyDictionary()
COMPLETE = "complete"  # file in a checkpoint whose writing was not cut short


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; PyTorch's CPU allocator has no exception class of its own."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate" in text)


def make_trainer_class(
    score: Callable[[], Scores],
    report: Callable[[str], None],
    micro_batch_size: int,
    *,
    is_adapter: bool,
    switches_checkpointing: bool = True,
    anchor: Anchor | None = None,
) -> type[Any]:
    """Build the trainer's class; trl is imported only now.

    Args:
        score: Scores the model as it is now on the held-out part.
        report: Takes a line for the user.
        micro_batch_size: Formulas at once on a device, to begin with.
        is_adapter: Whether the checkpoints hold an adapter, else all weights.
        switches_checkpointing: Whether layers go without gradient checkpointing where memory allows (not so with
            unsloth, which has its own ways).
        anchor: What holds the model to what it was, on rehearsed formulas.
    """
    from transformers import Trainer
    from trl import SFTTrainer

    begun = time.monotonic()

    class FormulaTrainer(SFTTrainer):  # type: ignore[misc]
        """One batch is one optimizer step; it is worked off in micro-batches."""

        rows_at_once = micro_batch_size

        def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
            """Work off one batch; where memory runs out, forget the step's gradients and do it in smaller pieces."""
            if not model.training:
                model.train()
            inputs = self._prepare_inputs(inputs)
            while True:
                try:
                    return self._accumulate(model, inputs, num_items_in_batch)
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    reason = str(error)
                model.zero_grad(set_to_none=True)
                _free_memory()
                if self.rows_at_once == 1:
                    raise DependencyError(
                        "One formula alone does not fit into memory for training. Lower --max-picture-tokens, use "
                        f"--load-in-4bit or --gradient-checkpointing, or a smaller --model. ({reason.splitlines()[0]})"
                    )
                self.rows_at_once = min(self.rows_at_once, len(inputs["input_ids"])) // 2 or 1
                report(f"out of memory: going on with {self.rows_at_once} formulas at once (the result is the same)")

        def _accumulate(self, model: Any, inputs: dict[str, Any], num_items: Any) -> torch.Tensor:
            import torch

            if num_items is None:
                num_items = (inputs["labels"][:, 1:] != IGNORED).sum()
            pieces = split_batch(inputs, self.rows_at_once)
            total = torch.zeros((), device=inputs["input_ids"].device)
            for i, piece in enumerate(pieces):
                is_rehearsed = "is_rehearsed" in piece and bool(piece.pop("is_rehearsed").all())
                if switches_checkpointing and self.args.gradient_checkpointing:
                    keep_activations(model, piece["input_ids"].numel(), len(piece["pixel_values"]))
                given = {**piece, "use_cache": False}
                is_last = i == len(pieces) - 1
                # Gradients of several devices are averaged once a step, so ranks may differ in their pieces.
                with contextlib.nullcontext() if is_last else self.accelerator.no_sync(model):
                    # Trainer's loss, not SFTTrainer's: that one also computes the entropy of all 152 k logits.
                    loss, found = Trainer.compute_loss(
                        self, model, given, return_outputs=True, num_items_in_batch=num_items
                    )
                    if anchor is not None and is_rehearsed:
                        with self.accelerator.autocast():
                            plain = self.accelerator.unwrap_model(model)
                            loss = loss + anchor.distance(plain, given, found.logits, num_items)
                    self.accelerator.backward(loss)
                total += loss.detach()
            return total

        def _send_telemetry(self) -> None:
            """TRL would tell its makers which trainer runs; docproc works offline and tells nobody."""

        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            """Score by recognition; what early stopping and the best checkpoint go by."""
            self.model.eval()
            scores = score()
            metrics = {
                "eval_exact_match": scores.exact_match,
                "eval_character_edit_distance": scores.character_edit_distance,
                "eval_selection": scores.selection,
            }
            self.log(metrics)
            report(f"step {self.state.global_step}/{self.state.max_steps}: {scores}")
            self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            if is_adapter:
                super()._load_from_checkpoint(resume_from_checkpoint, model)
            else:
                self._load_all_weights(resume_from_checkpoint)

        def _load_best_model(self) -> None:
            if is_adapter:
                super()._load_best_model()
            else:
                self._load_all_weights(self.state.best_model_checkpoint)

        def _load_all_weights(self, folder: str) -> None:
            # A saved Qwen2-VL has other parameter names than the one in memory; transformers 5.17's trainer loads by
            # name, not strictly, and so would load nothing without a word.
            saved = type(self.model).from_pretrained(folder, dtype=self.model.dtype)
            self.model.load_state_dict(saved.state_dict())

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            """Note memory and time beside everything that is logged, for the curves."""
            more = {"memory_gib": peak_memory_gib(self.args.device.type), "elapsed_seconds": time.monotonic() - begun}
            super().log({**logs, **more}, start_time)

    return FormulaTrainer


def peak_memory_gib(device_type: str) -> float:
    """Most memory used so far: PyTorch's peak on a GPU, the process's peak otherwise."""
    import torch

    if device_type == "cuda":
        return float(torch.cuda.max_memory_allocated()) / 2**30
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def make_callbacks(stop: StopRequest) -> list[Any]:
    """Callbacks: stop where asked and save first; mark a checkpoint when all its files are written."""
    from transformers import TrainerCallback

    class StopWhenAsked(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            stop.is_asked = any_process(stop.is_asked)
            if stop.is_asked:
                control.should_save = control.should_training_stop = True

    class MarkComplete(TrainerCallback):  # type: ignore[misc]
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()

    return [StopWhenAsked(), MarkComplete()]


class EmbeddingOnHost:
    """Keeps the table of a large model's token embeddings in the computer's memory while it trains by LoRA.

    It is only looked up, 1.1 GB of a 7B model; the rows of a batch are copied to the GPU as they are needed.
    """

    def __init__(self, model: Any) -> None:
        """Remember the model; nothing is moved yet."""
        self._table = model.get_input_embeddings()
        self._device = self._table.weight.device
        self._hooks: list[Any] = []

    def move_out(self) -> None:
        """To the computer's memory."""
        if not self._hooks:
            self._table.to("cpu")
            self._hooks = [
                self._table.register_forward_pre_hook(lambda table, given: (_to_host(table, given[0]), *given[1:])),
                self._table.register_forward_hook(lambda _, __, found: found.to(self._device)),
            ]
            _free_memory()

    @contextlib.contextmanager
    def back(self) -> Iterator[None]:
        """On its device as long as the block runs: recognition reads the table itself."""
        was_out = bool(self._hooks)
        self.come_back()
        try:
            yield
        finally:
            if was_out:
                self.move_out()

    def come_back(self) -> None:
        """To the device it came from."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._table.to(self._device)


def _to_host(table: Any, ids: torch.Tensor) -> torch.Tensor:
    """The ids where the table is to be, which whoever moves a whole model to its device has moved as well."""
    if table.weight.device.type != "cpu":
        table.to("cpu")
        _free_memory()
    return ids.cpu()


def has_tied_embeddings(model: Any) -> bool:
    """Whether the table is also what the logits are computed with, as in the 2B model: it is needed on the GPU then."""
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight


def keep_activations(model: Any, tokens: int, patches: int) -> None:
    """Let as many layers as memory allows go without gradient checkpointing in the next forward pass.

    Args:
        model: Gradient checkpointing is set up in it; switching costs next to nothing.
        tokens: Of all rows at once, pictures' tokens included.
        patches: Of all pictures at once.
    """
    config, layers = _layers_of(model)
    costs = {
        False: TEXT_BYTES * config.text_config.hidden_size * tokens,
        True: VISION_BYTES * config.vision_config.embed_dim * patches,
    }
    left = KEPT_BYTES - LEAST_BYTES_A_TOKEN * tokens
    for is_vision, layer in sorted(layers, key=lambda entry: costs[entry[0]]):
        left -= costs[is_vision]
        layer.gradient_checkpointing = left < 0


def _layers_of(model: Any) -> tuple[Any, list[tuple[bool, Any]]]:
    """The configuration, and each layer with whether it belongs to the vision tower; found once a model."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    if model not in _LAYERS:  # thousands of modules, of a 7B model with its adapter
        config = next(m.config for m in model.modules() if hasattr(getattr(m, "config", None), "vision_config"))
        named = [(n, m) for n, m in model.named_modules() if isinstance(m, GradientCheckpointingLayer)]
        _LAYERS[model] = config, [(".visual." in n, m) for n, m in named]
    return _LAYERS[model]


class StopRequest:
    """Whether the user asked to stop."""

    def __init__(self) -> None:
        self.is_asked = False

    @contextlib.contextmanager
    def on_signals(self, report: Callable[[str], None]) -> Iterator[None]:
        """Take the first Ctrl-C or SIGTERM as a wish to stop after this step; the second one ends at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
        before: dict[int, Any] = {number: signal.getsignal(number) for number in signals}

        def ask(number: int, _: Any) -> None:
            self.is_asked = True
            signal.signal(number, before[number])
            report("stopping after this step and saving; once more to stop at once")

        for number in signals:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number in signals:
                signal.signal(number, before[number])


def newest_checkpoint(folder: Path) -> Path | None:
    """The latest checkpoint that was written to its end."""
    found = [p.parent for p in folder.glob(f"checkpoint-*/{COMPLETE}")]
    return max(found, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
