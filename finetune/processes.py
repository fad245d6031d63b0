"""Several processes of one run, one a GPU, as torchrun starts them; with one process all of this does nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def process_count() -> int:
    """How many processes share the run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process writes files and speaks to the user."""
    return int(os.environ.get("RANK", "0")) == 0


def device_of_process(device: str) -> str:
    """The GPU of this process, where there are several."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" and process_count() > 1 else device


def start_processes(device: str) -> None:
    """Connect the processes."""
    if process_count() > 1:
        from accelerate import PartialState

        PartialState(cpu=not device.startswith("cuda"))


@contextmanager
def first_then_others() -> Iterator[None]:
    """Let the first process through the block before the others."""
    if process_count() == 1:
        yield
        return
    from accelerate import PartialState

    with PartialState().main_process_first():
        yield


def share(items: list[T]) -> list[T]:
    """The part of the items that this process works on."""
    return items[int(os.environ.get("RANK", "0")) :: process_count()]


def gather(items: list[T]) -> list[T]:
    """What all processes have, in all of them."""
    if process_count() == 1:
        return items
    import torch.distributed as distributed

    parts: list[list[T]] = [[] for _ in range(process_count())]
    distributed.all_gather_object(parts, items)
    return [item for part in parts for item in part]


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process: they must stop at the same step."""
    return flag if process_count() == 1 else any(gather([flag]))
