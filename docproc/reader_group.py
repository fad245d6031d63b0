"""What reads for a run: one process, or several that share the crops, one for each device that `--device` names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from docproc.checkpoints import BUILT_IN, model_name
from docproc.endpoint import EndpointRecognizer
from docproc.errors import DependencyError
from docproc.gated_reader import gate_for, local_recognizer
from docproc.recognition import Unread, recognize_all
from docproc.recognizer_process import RecognizerProcess

if TYPE_CHECKING:
    import numpy as np

    from docproc.options import RunOptions
    from docproc.ray_workers import RayReader
    from docproc.recognition import RunRecognizer
    from docproc.records import Recognition

# Fewer crops than these are not worth another process: it loads the model first, 4 s.
CROPS_A_PROCESS = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process reads."""

    options: RunOptions
    """Its `device` is a single one."""
    threads: int
    """Of PyTorch on the CPU; 0 leaves them alone."""


class ReaderGroup:
    """Reads crops in several processes at once; use it in a `with` statement."""

    def __init__(self, name: str, processes: Sequence[RecognizerProcess | RayReader]) -> None:
        """Start nothing yet: the first question starts the first process, many crops the others.

        Args:
            name: Names the readings in the database.
            processes: All with the same model.
        """
        self.name, self._processes = name, list(processes)
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        for process in self._processes:
            self._ending.enter_context(process)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def batch_size(self, asked: str = "auto") -> int:
        """Crops at once in each process: the number asked for, or what fits the first device; loads its model."""
        return self._processes[0].batch_size(asked)

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition | Unread]]:
        """Read crops; see `Recognizer.read`. Memory that runs out and processes that die are dealt with here.

        The crops are dealt like cards: sorted by size, every process gets as much work, and the same crops are always
        read together, so that a repeated run gives the same digits.
        """
        count = max(1, min(len(self._processes), len(crops) // CROPS_A_PROCESS))
        with ThreadPoolExecutor(count) as threads:
            parts = {
                threads.submit(recognize_all, process, crops[first::count], batch_size): first
                for first, process in enumerate(self._processes[:count])
            }
            for done in as_completed(parts):
                yield from zip(range(parts[done], len(crops), count), done.result(), strict=True)


def recognizer_for(options: RunOptions) -> RecognizerProcess | ReaderGroup | EndpointRecognizer:
    """Prepare what a run asks for; nothing is started or loaded yet.

    Raises:
        DependencyError: The model or adapter folder is not there, the adapter's gate cannot be used, `--device` names
            nothing, no server answers at `--endpoint`, or no cluster at `--ray`.
    """
    if options.endpoint is not None:
        model = None if options.model == BUILT_IN else options.model
        return EndpointRecognizer(options.endpoint, model, options.endpoint_key, options.batch_timeout)
    name = model_name(options.model, options.adapter, options.adapter_for)
    gate_for(options)  # what is wrong with it is said before anything is started
    if options.ray is not None:
        from docproc.ray_workers import ray_readers

        return ray_readers(name, options)
    places = _places(options)
    processes = [RecognizerProcess(name, make_recognizer, place, options.batch_timeout) for place in places]
    return processes[0] if len(processes) == 1 else ReaderGroup(name, processes)


def _places(options: RunOptions) -> list[Place]:
    devices = [device.strip() for device in options.device.split(",")]
    if not all(devices):
        raise DependencyError(f"--device {options.device}: give a device, or several such as cuda:0,cuda:1.")
    if len(devices) == 1:
        return [Place(options, 0)]
    threads = max(1, (os.cpu_count() or 1) // len(devices))
    return [Place(replace(options, device=device), threads) for device in devices]


def make_recognizer(place: Place) -> RunRecognizer:
    """Make the recognizer of one place, in its process."""
    import torch

    if place.threads:
        torch.set_num_threads(place.threads)
    return local_recognizer(place.options)
