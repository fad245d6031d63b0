"""Processes that do one task at a time and may die: a broken file takes its worker with it, never the run."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import resource
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

# How often the dispatcher looks at deadlines.
_TICK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Lost:
    """A task without a result: its worker died, ran out of time or memory, or raised."""

    reason: str


@dataclass(slots=True)
class _Worker:
    process: Any
    connection: Connection
    future: Future[Any] | None = None
    deadline: float = 0.0


class WorkerPool:
    """Runs `function(task)` in worker processes.

    A worker that dies or exceeds the time limit costs its own task only and is replaced. Use it in a `with` statement;
    leaving it ends the workers at once.
    """

    def __init__(
        self, function: Callable[[Any], Any], count: int, *, timeout_seconds: float, memory_bytes: int
    ) -> None:
        """Start no process yet; the first tasks do.

        Args:
            function: A module-level function (it is sent to fresh processes).
            count: Number of processes.
            timeout_seconds: Most time a task may take.
            memory_bytes: Address space of a worker; more raises MemoryError in it.
        """
        self._function, self._count = function, count
        self._timeout_seconds, self._memory_bytes = timeout_seconds, memory_bytes
        self._context = multiprocessing.get_context("spawn")
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Any]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._dispatcher = threading.Thread(target=self._dispatch, daemon=True)
        self._wake, self._woken = self._context.Pipe()

    def __enter__(self) -> WorkerPool:
        self._dispatcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._wake.send(None)
        self._dispatcher.join()

    def submit(self, task: Any) -> Future[Any]:
        """Hand in a task; the future's result is the function's, or `Lost`. Tasks are begun in their order."""
        future: Future[Any] = Future()
        self._tasks.put((future, task))
        self._wake.send(None)
        return future

    def _dispatch(self) -> None:
        workers: list[_Worker] = []
        try:
            while not self._stop.is_set():
                while not self._tasks.empty() and (idle := self._idle(workers)) is not None:
                    self._hand_out(idle, *self._tasks.get())
                self._collect(workers)
        finally:
            for worker in workers:
                self._end(worker)

    def _idle(self, workers: list[_Worker]) -> _Worker | None:
        for worker in workers:
            if worker.future is None:
                return worker
        if len(workers) == self._count:
            return None
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._function, self._memory_bytes), daemon=True)
        process.start()
        theirs.close()
        workers.append(_Worker(process, ours))
        return workers[-1]

    def _hand_out(self, worker: _Worker, future: Future[Any], task: Any) -> None:
        worker.future, worker.deadline = future, time.monotonic() + self._timeout_seconds
        with contextlib.suppress(OSError):  # it died while idle: _collect sees that
            worker.connection.send(task)

    def _collect(self, workers: list[_Worker]) -> None:
        busy = {worker.connection: worker for worker in workers if worker.future is not None}
        ready = set(wait([self._woken, *busy], timeout=_TICK_SECONDS))
        if self._woken in ready:
            self._woken.recv()
        for connection, worker in busy.items():
            future = worker.future
            if future is None:
                continue
            if connection in ready:
                try:
                    result = connection.recv()
                    worker.future = None
                    future.set_result(result)
                    continue
                except (EOFError, OSError):
                    worker.process.join(1)
                    reason = _death(worker.process.exitcode)
            elif time.monotonic() > worker.deadline:
                reason = f"it took longer than {self._timeout_seconds:.0f} s (--page-timeout gives it more)"
            else:
                continue
            self._end(worker)
            workers.remove(worker)
            future.set_result(Lost(reason))

    @staticmethod
    def _end(worker: _Worker) -> None:
        worker.connection.close()
        worker.process.kill()
        worker.process.join()


def worker_count(asked: int) -> int:
    """Page processes: as many as asked for; for 0 one a core, less one for the recognizer."""
    return asked or max(1, (os.cpu_count() or 1) - 1)


def _serve(connection: Connection, function: Callable[[Any], Any], memory_bytes: int) -> None:
    """Main of a worker: one task, one result, until the parent goes away."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hard))
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            result = function(task)
        except MemoryError:
            result = Lost(f"it needs more than the {memory_bytes / 2**30:.1f} GiB a page may take")
        except Exception as error:  # a page that fails is a value
            result = Lost(f"{type(error).__name__}: {str(error).strip() or 'no reason given'}".splitlines()[0])
        try:
            connection.send(result)
        except OSError:
            return


def _end_with_parent() -> None:
    """End this process in the middle of its task if its parent is killed: nobody waits for the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _death(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"its worker was ended by signal {signal.Signals(-exit_code).name}"
    return f"its worker ended with code {exit_code}"
