"""Reading crops with a Qwen2-VL, whatever checkpoint it is."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from docproc.checkpoints import LoadedModel, is_built_in, load_model_and_processor, model_name
from docproc.confidence import uncalibrated
from docproc.recognition import OutOfMemoryError, max_new_tokens
from docproc.records import Recognition

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from docproc.engine.lanes import Lanes
    from docproc.engine.linear import Kind
    from docproc.engine.reader import Reader
    from docproc.engine.rows import Decoded
    from docproc.gate import Gate
    from docproc.options import RunOptions

# Token by which the built-in model says that the picture holds no formula.
NOT_A_FORMULA = "[NOT]"
# Crops at once: on a CPU measured in benchmarks/engine.py; a GPU's memory decides there.
CPU_BATCH, CPU_ROWS_A_LANE, GPU_BATCH_AT_MOST = 32, 16, 512
# Room in the cache for each crop (a typical one needs 100 tokens, but may run away), and its share of free memory.
CACHE_TOKENS_A_CROP, CACHE_SHARE = 512, 0.4


class Qwen2VLRecognizer:
    """Reads crops with one model, which is loaded when the first crop comes: a finished run never waits for it."""

    def __init__(self, name: str, load: Callable[[], LoadedModel], *, is_shared: bool = True) -> None:
        """Remember how to load.

        Args:
            name: Names the readings in the database.
            load: Called once.
            is_shared: Others use the model too (it is in training): its weights stay as they are.
        """
        self.name = name
        self._load, self._is_shared = load, is_shared

    @classmethod
    def from_options(cls, options: RunOptions) -> Qwen2VLRecognizer:
        """Prepare the model that a run asks for.

        Raises:
            DependencyError: The model or adapter folder is not there.
        """

        def load() -> LoadedModel:
            return load_model_and_processor(
                options.model, options.device, adapter=options.adapter, load_in_4bit=options.load_in_4bit
            )

        return cls(model_name(options.model, options.adapter, options.adapter_for), load, is_shared=False)

    @cached_property
    def _reader(self) -> Reader:
        from docproc.engine.layout import Layout
        from docproc.engine.reader import Reader

        loaded = self._load()
        model, self._tokenizer, self._calibration = loaded.model, loaded.processor.tokenizer, loaded.calibration
        ends = getattr(model.generation_config, "eos_token_id", None)
        ends = [*(ends if isinstance(ends, list) else [ends]), self._tokenizer.eos_token_id]
        kind = None if self._is_shared else kind_for(model)
        return Reader(model, Layout.of(loaded.processor, model.config), [e for e in ends if e is not None], kind)

    @cached_property
    def _lanes(self) -> Lanes:
        from docproc.engine.lanes import Lanes

        return Lanes(self._reader)

    @cached_property
    def _not_a_formula(self) -> int | None:
        found: int | None = self._tokenizer.get_vocab().get(NOT_A_FORMULA)
        return found

    def batch_size(self, asked: str = "auto") -> int:
        """Crops at once: the number asked for, or what fits the device."""
        if asked != "auto":
            return int(asked)
        device = self._reader.decoder.device
        if device.type != "cuda":
            return max(CPU_BATCH, CPU_ROWS_A_LANE * len(self._lanes.readers))
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device) + self._reader.cache_bytes
        crops = int(CACHE_SHARE * free / (CACHE_TOKENS_A_CROP * self._reader.token_bytes))
        return max(1, min(GPU_BATCH_AT_MOST, crops))

    def read(
        self, crops: Sequence[np.ndarray], batch_size: int, gate: Gate | None = None
    ) -> Iterator[tuple[int, Recognition]]:
        """Read crops; see `Recognizer.read`.

        Args:
            crops: Grey uint8 pictures of shape (height, width), 0 = ink; best sorted by size.
            batch_size: Crops at once.
            gate: Crops that are alike, as it finds, are not read; their stop reason is `PASSED_OVER`.
        """
        reader = self._reader
        pictures = [reader.layout.picture(crop) for crop in crops]
        limits = [max_new_tokens(crop) for crop in crops]
        with self._telling_of_memory():
            for index, row in self._lanes.read(pictures, limits, batch_size, batch_size * CACHE_TOKENS_A_CROP, gate):
                text = self._tokenizer.decode(row.tokens, skip_special_tokens=True).strip()
                refused = row.tokens[:1] == [self._not_a_formula]
                reason = "not-a-formula" if refused else row.stop_reason
                yield index, Recognition(text, self._confidence(row), reason)
            if reader.decoder.device.type == "cpu":
                # Wherever a long row once stood memory stays taken: 150 MiB at rest, and more with every longer row.
                self._lanes.forget()

    def look(self, crops: Sequence[np.ndarray], batch_size: int, blocks: int) -> NDArray[np.float32]:
        """How crops look to the model; see `VisionTower.look`.

        Args:
            crops: As for `read`.
            batch_size: As for `read`.
            blocks: Of the vision tower.

        Returns:
            Shape (crops, 2 * the tower's width).

        Raises:
            OutOfMemoryError: They do not fit into memory.
        """
        reader = self._reader
        with self._telling_of_memory():
            return reader.look([reader.layout.picture(crop) for crop in crops], batch_size, blocks)

    @contextmanager
    def _telling_of_memory(self) -> Iterator[None]:
        """Turn the ways in which PyTorch says that memory has run out into one."""
        import torch

        try:
            yield
        except (torch.OutOfMemoryError, MemoryError) as error:
            self._free_memory()
            raise OutOfMemoryError from error
        except RuntimeError as error:
            # PyTorch's CPU allocator has no exception class of its own.
            if "alloc" not in str(error) and "out of memory" not in str(error):
                raise
            self._free_memory()
            raise OutOfMemoryError from error

    def _confidence(self, row: Decoded) -> float:
        if self._calibration is None:
            return uncalibrated(row.mean_log_probability)
        return self._calibration.confidence(row.mean_log_probability, len(row.tokens) + (row.stop_reason == "end"))

    def _free_memory(self) -> None:
        import gc

        import torch

        self._lanes.forget()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def kind_for(model: Any) -> Kind:
    """What a model's linear layers become: whole numbers for the built-in model on a PC's processor.

    Its weights are stored as such; docs/engine.md has the measurements. Other checkpoints are not rounded, since nobody
    has measured them, nor are other processors' models: PyTorch has fast whole-number products for x86 only.
    """
    from docproc.engine.linear import FloatLinear, Int8Linear

    is_pc = platform.machine() in ("x86_64", "AMD64")
    return Int8Linear if is_built_in(model) and model.device.type == "cpu" and is_pc else FloatLinear
