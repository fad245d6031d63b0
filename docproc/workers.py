"""Processes that do one task at a time and may die: a broken file takes its worker with it, never the run.

A worker reads foreign files, so it is confined first (sandbox.py).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from docproc.heap import hold_freed_memory, return_freed_memory
from docproc.sandbox import confine, limit_processor_time, limit_resources

# How often the dispatcher looks at deadlines.
_TICK_SECONDS = 0.5
# A worker that has done as many makes room for a fresh one, should a library gather memory over foreign files. Starting
# one costs 1.5 s of processor time.
_TASKS_A_WORKER = 300
# So does one that still holds as much when its task is done: a hostile page can leave memory in small pieces that are
# never given back. Between two pages a process holds some 150 MiB, with the OCR 340, after A4 at 450 dpi too.
_KEPT_BYTES = 1 << 30
REAPING_SECONDS = 20.0
"""How long to wait for the exit code of a process that closed its pipe: freeing its memory takes a while on a busy
machine, and the code tells a kill from a crash."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A task without a result: its worker died, ran out of time or memory, or raised."""

    reason: str


@dataclass(slots=True)
class Budget:
    """Time that some tasks together may take in their workers."""

    left_seconds: float
    spent_reason: str
    """Why a task is lost when nothing is left."""

    @classmethod
    def of_document(cls, seconds: float) -> Budget:
        """For the opening of a document and all its pages."""
        return cls(seconds, f"its document took longer than {seconds:.0f} s (--document-timeout gives it more)")


@dataclass(slots=True)
class _Task:
    future: Future[Any]
    task: Any
    budget: Budget | None
    is_repeated: bool = False


@dataclass(slots=True)
class _Worker:
    process: Any
    connection: Connection
    job: _Task | None = None
    begun: float = 0.0
    deadline: float = 0.0
    late_reason: str = ""
    done: int = 0
    """Tasks so far."""


class WorkerPool:
    """Runs `function(task)` in worker processes.

    A worker that dies or exceeds the time limit costs its own task only and is replaced. A task whose worker was killed
    from outside (SIGKILL: a person, or the kernel short of memory) is tried once more. Use it in a `with` statement;
    leaving it ends the workers at once.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        count: int,
        *,
        timeout_seconds: float,
        memory_bytes: int,
        observe: Callable[[float, int, Any], None] | None = None,
    ) -> None:
        """Start no process yet; the first tasks do.

        Args:
            function: A module-level function (it is sent to fresh processes).
            count: Number of processes.
            timeout_seconds: Most time a task may take.
            memory_bytes: Address space of a worker; more raises MemoryError in it.
            observe: Told, when a task ends, when it was begun (`time.monotonic`), the process and the task.
        """
        self._function, self._count = function, count
        self._timeout_seconds, self._memory_bytes, self._observe = timeout_seconds, memory_bytes, observe
        self._context = multiprocessing.get_context("spawn")
        self._tasks: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self._repeats: list[_Task] = []
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

    def submit(self, task: Any, budget: Budget | None = None) -> Future[Any]:
        """Hand in a task; the future's result is the function's, or `Lost`. Tasks are begun in their order.

        Args:
            task: What the function takes.
            budget: Bounds this task and all others with the same budget together.
        """
        future: Future[Any] = Future()
        self._tasks.put(_Task(future, task, budget))
        self._wake.send(None)
        return future

    def _dispatch(self) -> None:
        workers: list[_Worker] = []
        try:
            while not self._stop.is_set():
                self._hand_out_all(workers)
                self._collect(workers)
        finally:
            for worker in workers:
                self._end(worker)

    def _hand_out_all(self, workers: list[_Worker]) -> None:
        """Give every idle worker a task."""
        while self._repeats or not self._tasks.empty():
            try:
                idle = self._idle(workers)
            except OSError as error:  # the system starts no more processes
                if workers:  # those that there are go on
                    return
                self._next_task().future.set_result(Lost(f"no page process could be started: {error.strerror}"))
                continue
            if idle is None:
                return
            self._hand_out(idle, self._next_task())

    def _next_task(self) -> _Task:
        return self._repeats.pop() if self._repeats else self._tasks.get()

    def _idle(self, workers: list[_Worker]) -> _Worker | None:
        for worker in workers:
            if worker.job is None:
                return worker
        if len(workers) == self._count:
            return None
        ours, theirs = self._context.Pipe()
        arguments = (theirs, self._function, self._memory_bytes, self._timeout_seconds)
        process = self._context.Process(target=_serve, args=arguments, daemon=True)
        try:
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        workers.append(_Worker(process, ours))
        return workers[-1]

    def _hand_out(self, worker: _Worker, job: _Task) -> None:
        seconds = self._timeout_seconds
        worker.late_reason = f"it took longer than {seconds:.0f} s (--page-timeout gives it more)"
        if job.budget is not None and job.budget.left_seconds < seconds:
            seconds, worker.late_reason = job.budget.left_seconds, job.budget.spent_reason
            if seconds <= 0:
                job.future.set_result(Lost(job.budget.spent_reason))
                return
        worker.job, worker.begun = job, time.monotonic()
        worker.deadline = worker.begun + seconds
        with contextlib.suppress(OSError):  # it died while idle: _collect sees that
            worker.connection.send(job.task)

    def _collect(self, workers: list[_Worker]) -> None:
        busy = {worker.connection: (worker, worker.job) for worker in workers if worker.job is not None}
        ready = set(wait([self._woken, *busy], timeout=_TICK_SECONDS))
        if self._woken in ready:
            self._woken.recv()
        for connection, (worker, job) in busy.items():
            was_killed = False
            if connection in ready:
                try:
                    result = connection.recv()
                    worker.done += 1
                    if worker.done == _TASKS_A_WORKER or resident_bytes(worker.process.pid) > _KEPT_BYTES:
                        self._replace(worker, workers)
                except (EOFError, OSError):
                    worker.process.join(REAPING_SECONDS)
                    result = Lost(death_of(worker.process.exitcode))
                    was_killed = worker.process.exitcode == -signal.SIGKILL
                    self._replace(worker, workers)
            elif time.monotonic() > worker.deadline:
                result = Lost(worker.late_reason)
                self._replace(worker, workers)
            else:
                continue
            worker.job = None
            if self._observe is not None:
                self._observe(worker.begun, worker.process.pid, job.task)
            if job.budget is not None:
                job.budget.left_seconds -= time.monotonic() - worker.begun
            if was_killed and not job.is_repeated:
                job.is_repeated = True
                self._repeats.append(job)
            else:
                job.future.set_result(result)

    @classmethod
    def _replace(cls, worker: _Worker, workers: list[_Worker]) -> None:
        cls._end(worker)
        workers.remove(worker)

    @staticmethod
    def _end(worker: _Worker) -> None:
        worker.connection.close()
        worker.process.kill()
        worker.process.join()


def worker_count(asked: int) -> int:
    """Page processes: as many as asked for; for 0 one a core, less one for the recognizer."""
    return asked or max(1, (os.cpu_count() or 1) - 1)


def _serve(connection: Connection, function: Callable[[Any], Any], memory_bytes: int, timeout_seconds: float) -> None:
    """Main of a worker: one task, one result, until the parent goes away."""
    name_process("docproc-page")
    hold_freed_memory()
    threading.Thread(target=end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    limit_resources(memory_bytes)
    confine()
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        limit_processor_time(timeout_seconds * (os.cpu_count() or 1))  # its libraries may use all of them
        try:
            result = function(task)
        except MemoryError:
            result = Lost(f"it needs more than the {memory_bytes / 2**30:.1f} GiB a page may take")
        except Exception as error:  # a page that fails is a value
            result = Lost(f"{type(error).__name__}: {str(error).strip() or 'no reason given'}".splitlines()[0])
        return_freed_memory()  # what is left then is what the parent looks at
        try:
            connection.send(result)
        except OSError:
            return


def end_with_parent() -> None:
    """End this process in the middle of its task if its parent is killed: nobody waits for the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def name_process(name: str) -> None:
    """Show what a process does in `top` and `ps -e`; at most 15 letters."""
    with contextlib.suppress(OSError):  # there is no /proc here
        Path("/proc/self/comm").write_text(name, encoding="ascii")


def resident_bytes(process_id: int | str) -> int:
    """Memory that a process holds, what it shares with others included; 0 where the system does not tell."""
    try:
        pages = Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def death_of(exit_code: int | None) -> str:
    """What to tell of a process that ended."""
    if exit_code is not None and exit_code < 0:
        return f"its worker was ended by signal {signal.Signals(-exit_code).name}"
    return f"its worker ended with code {exit_code}"
