"""Reading with two models: an adapter's for crops that look like what it was trained on, the untuned for the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from docproc.checkpoints import model_name
from docproc.engine.rows import PASSED_OVER
from docproc.gate import Gate, load_gate
from docproc.options import ALL
from docproc.qwen2_vl import Qwen2VLRecognizer

if TYPE_CHECKING:
    import numpy as np

    from docproc.options import RunOptions
    from docproc.records import Recognition


class GatedRecognizer:
    """Reads crops, each with one of two models."""

    def __init__(self, name: str, untuned: Qwen2VLRecognizer, tuned: Qwen2VLRecognizer, gate: Gate) -> None:
        """Load nothing yet.

        Args:
            name: Names the readings in the database.
            untuned: Reads what is not alike.
            tuned: Reads what is alike.
            gate: Tells which is which.
        """
        self.name = name
        self._untuned, self._tuned, self._gate = untuned, tuned, gate

    def batch_size(self, asked: str = "auto") -> int:
        """Crops at once: the number asked for, or what fits the device; loads both models."""
        return min(self._untuned.batch_size(asked), self._tuned.batch_size(asked))

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition]]:
        """Read crops; see `Qwen2VLRecognizer.read`."""
        alike = []
        for index, reading in self._untuned.read(crops, batch_size, self._gate):
            if reading.stop_reason == PASSED_OVER:
                alike.append(index)
            else:
                yield index, reading
        alike.sort()  # by size, as they came
        if alike:
            for place, reading in self._tuned.read([crops[i] for i in alike], batch_size):
                yield alike[place], reading


def gate_for(options: RunOptions) -> Gate | None:
    """The gate that a run asks for; None where one model reads everything.

    Raises:
        DependencyError: It is damaged, or belongs to another model.
    """
    if options.adapter is None or options.adapter_for == ALL:
        return None
    return load_gate(options.adapter, model_name(options.model))


def local_recognizer(options: RunOptions) -> Qwen2VLRecognizer | GatedRecognizer:
    """What reads in one process.

    Raises:
        DependencyError: The model or adapter folder is not there, or the adapter's gate cannot be used.
    """
    tuned = Qwen2VLRecognizer.from_options(options)
    gate = gate_for(options)
    if gate is None:
        return tuned
    return GatedRecognizer(tuned.name, Qwen2VLRecognizer.from_options(replace(options, adapter=None)), tuned, gate)
