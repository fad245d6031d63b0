"""The same stages on a Ray cluster: page and model processes are actors there, the one writer stays here.

Windows, batches and rows are those of a run without Ray. Each actor holds the very process that a local run has,
confined and timed in the same way; an actor or a node that dies is replaced by Ray and its task is repeated.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from docproc.errors import DependencyError
from docproc.reader_group import Place, ReaderGroup, make_recognizer
from docproc.recognition import Unread, recognize_all
from docproc.recognizer_process import RecognizerProcess
from docproc.workers import Budget, Lost, WorkerPool

if TYPE_CHECKING:
    import numpy as np

    from docproc.options import RunOptions
    from docproc.records import Recognition

# Of the cores of a cluster without GPUs, one in so many reads: a page takes twice as long to be found as its crops to
# be read (docs/scaling.md).
CORES_A_READER = 3
# How often Ray repeats a task whose actor died; a restarted actor is unlimited, since nodes come and go.
REPEATS = 3


def connect(address: str) -> Any:
    """Join a cluster, or start one on this machine for `local`; returns the module `ray`.

    Raises:
        DependencyError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
    except ImportError as error:
        raise DependencyError("--ray needs Ray on every node. Install docproc[ray].") from error
    if not ray.is_initialized():
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
        if address == "local":
            options["include_dashboard"] = False
        try:
            ray.init(address=address, **options)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise DependencyError(
                f"--ray {address}: {reason} Give `local`, `auto` on a node of a running cluster, or host:port."
            ) from error
    return ray


class RayPool:
    """`WorkerPool` on a cluster: runs `function(task)` in confined processes, one in each actor."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        options: RunOptions,
        observe: Callable[[float, int, Any], None] | None = None,
    ) -> None:
        """Start the actors.

        Args:
            function: Module-level function.
            options: Of the run; `workers` is the number of actors, 0 takes all cores but those that read.
            observe: As `WorkerPool`'s.
        """
        assert options.ray is not None
        ray = self._ray = connect(options.ray)
        count = options.workers or max(1, int(ray.cluster_resources().get("CPU", 1)) - _reader_count(ray))
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=REPEATS)(PageActor)
        self._actors = [
            actor.remote(function, options.page_timeout, options.page_memory_bytes) for _ in range(count)
        ]
        self._observe = observe
        self._idle: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(count):
            self._idle.put(number)
        self._threads = ThreadPoolExecutor(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for actor in self._actors:
            self._ray.kill(actor)

    def submit(self, task: Any, budget: Budget | None = None) -> Future[Any]:
        """Hand in a task; the future's result is the function's, or `Lost`."""
        return self._threads.submit(self._run, task, budget)

    def _run(self, task: Any, budget: Budget | None) -> Any:
        if budget is not None and budget.left_seconds <= 0:
            return Lost(budget.spent_reason)
        number, begun = self._idle.get(), time.monotonic()
        try:
            return self._ray.get(self._actors[number].work.remote(task))
        except self._ray.exceptions.RayError as error:
            return Lost(f"its Ray actor failed: {str(error).strip().splitlines()[0]}")
        finally:
            self._idle.put(number)
            if budget is not None:
                budget.left_seconds -= time.monotonic() - begun
            if self._observe is not None:
                self._observe(begun, number + 1, task)


class PageActor:
    """On a node: one confined page process, as in a local run."""

    def __init__(self, function: Callable[[Any], Any], timeout_seconds: float, memory_bytes: int) -> None:
        self._pool = WorkerPool(function, 1, timeout_seconds=timeout_seconds, memory_bytes=memory_bytes)
        self._pool.__enter__()

    def work(self, task: Any) -> Any:
        """Do one task."""
        return self._pool.submit(task).result()


class ReaderActor:
    """On a node: one process that reads, as in a local run."""

    def __init__(self, name: str, place: Place) -> None:
        self._process = RecognizerProcess(name, make_recognizer, place, place.options.batch_timeout)

    def batch_size(self, asked: str) -> int:
        """See `RunRecognizer.batch_size`."""
        return self._process.batch_size(asked)

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> list[Recognition | Unread]:
        """Read crops, whatever happens to the process."""
        return recognize_all(self._process, crops, batch_size)


class RayReader:
    """A `ReaderActor`, seen from here."""

    def __init__(self, ray: Any, name: str, place: Place, resources: dict[str, int]) -> None:
        self.name, self._ray = name, ray
        actor = ray.remote(max_restarts=-1, max_task_retries=REPEATS, **resources)(ReaderActor)
        self._actor = actor.remote(name, place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.kill(self._actor)

    def batch_size(self, asked: str = "auto") -> int:
        """Crops at once; loads the model.

        Raises:
            DependencyError: The model cannot be loaded there.
        """
        try:
            size: int = self._ray.get(self._actor.batch_size.remote(asked))
        except self._ray.exceptions.RayTaskError as error:
            raise DependencyError(str(error.cause)) from error
        except self._ray.exceptions.RayError as error:
            raise DependencyError(f"--ray: the model's actor failed: {str(error).strip().splitlines()[0]}") from error
        return size

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition | Unread]]:
        """Read crops; see `Recognizer.read`."""
        try:
            yield from enumerate(self._ray.get(self._actor.read.remote(list(crops), batch_size)))
        except self._ray.exceptions.RayError as error:
            reason = f"the model's actor failed: {str(error).strip().splitlines()[0]}"
            yield from ((index, Unread(reason)) for index in range(len(crops)))


def ray_readers(name: str, options: RunOptions) -> ReaderGroup:
    """Readers all over the cluster: one for each GPU, or for some cores where there is none."""
    assert options.ray is not None
    ray = connect(options.ray)
    has_gpus = bool(ray.cluster_resources().get("GPU", 0))
    resources = {"num_cpus": 1, "num_gpus": 1} if has_gpus else {"num_cpus": 1}
    device = "cuda" if has_gpus else "cpu"
    place = Place(replace(options, device=device), 0 if has_gpus else 1)
    return ReaderGroup(name, [RayReader(ray, name, place, resources) for _ in range(_reader_count(ray))])


def _reader_count(ray: Any) -> int:
    resources = ray.cluster_resources()
    return int(resources.get("GPU", 0)) or max(1, int(resources.get("CPU", 1)) // CORES_A_READER)
