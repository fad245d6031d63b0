"""The recognizer in a process of its own: a model that crashes, hangs or is killed costs a batch, never the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Self

from docproc.errors import DependencyError, DocprocError
from docproc.heap import hold_freed_memory, return_freed_memory
from docproc.recognition import BatchLostError, OutOfMemoryError
from docproc.workers import REAPING_SECONDS, death_of, end_with_parent, name_process

if TYPE_CHECKING:
    import numpy as np

    from docproc.recognition import RunRecognizer
    from docproc.records import Recognition

# What the libraries of PyTorch look up when they are loaded.
_BEFORE_PYTORCH = {
    # Page processes share the cores, and threads of OpenMP spin while they wait for each other: beside other work
    # reading took five times as long and more.
    "OMP_WAIT_POLICY": "PASSIVE",
    # oneDNN keeps a kernel for each shape, up to 1,024, and a batch of pictures has shapes of its own. Those of a
    # step, which come again and again, are less than these.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32",
}


class RecognizerProcess:
    """Reads crops in another process, as `Qwen2VLRecognizer` does in this one; use it in a `with` statement."""

    def __init__(
        self, name: str, make: Callable[[Any], RunRecognizer], options: Any, silence_seconds: float
    ) -> None:
        """Start nothing yet: the first question does.

        Args:
            name: Names the readings in the database.
            make: Module-level function that makes the recognizer there.
            options: Its argument.
            silence_seconds: The longest time between two readings; a process that takes longer is ended.
        """
        self.name = name
        self._make, self._options, self._silence_seconds = make, options, silence_seconds
        self._process: Any = None
        self._connection: Connection | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process; a thread that waits for its answer gets a `BatchLostError` and starts no other."""
        self._is_over = True
        self._end()

    def batch_size(self, asked: str = "auto") -> int:
        """Crops at once: the number asked for, or what fits the device; loads the model.

        Raises:
            DependencyError: The model cannot be loaded, or its process ends while it is loaded.
        """
        for is_last in (False, True):
            try:
                self._ask("batch_size", asked)
                size: int = self._answer(None)
                return size
            except _EndedError as error:
                if is_last or not error.was_killed:
                    raise DependencyError(
                        f"The model could not be loaded: {error}. Look at the memory that is free; a smaller --model "
                        "or --load-in-4bit may fit."
                    ) from error
        raise AssertionError

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition]]:
        """Read crops; see `Recognizer.read`. If the process is killed from outside, all is read once more.

        Raises:
            OutOfMemoryError: As `Recognizer.read`.
            BatchLostError: The process ended, was silent for too long, or raised.
        """
        yielded: set[int] = set()
        for is_last in (False, True):
            try:
                self.batch_size("1")  # loads the model again where its process has ended; that takes its time
                self._ask("read", list(crops), batch_size)
                # The same crops give the same batches, so that a repeated reading is the same to the last digit.
                while (answer := self._answer(self._silence_seconds)) is not None:
                    if answer[0] not in yielded:
                        yielded.add(answer[0])
                        yield answer
                return
            except _EndedError as error:
                if is_last or not error.was_killed or self._is_over:
                    raise BatchLostError(str(error)) from error

    def _ask(self, *question: Any) -> None:
        if self._is_over:
            raise _EndedError("nothing is read any more")
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            arguments = (theirs, self._make, self._options)
            self._process = context.Process(target=_serve, args=arguments, daemon=True)
            self._process.start()
            theirs.close()
        connection = self._connection
        if connection is None:
            raise self._ended()
        try:
            connection.send(question)
        except OSError as error:
            raise self._ended() from error

    def _answer(self, timeout_seconds: float | None) -> Any:
        connection = self._connection
        if connection is None:
            raise self._ended()
        try:
            if not connection.poll(timeout_seconds):
                self._end()
                raise _EndedError(
                    f"the model read nothing for {timeout_seconds:.0f} s (--batch-timeout gives it more)"
                )
            kind, value = connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if kind == "memory":
            raise OutOfMemoryError
        if kind == "error":
            raise value
        if kind == "broken":
            raise BatchLostError(value)
        return value

    def _ended(self) -> _EndedError:
        process = self._process
        if process is None:  # ended by `__exit__` in another thread
            return _EndedError("nothing is read any more")
        process.join(REAPING_SECONDS)
        code = process.exitcode
        self._end()
        reason = death_of(code).replace("its worker", "the model's process")
        return _EndedError(reason, was_killed=code == -signal.SIGKILL)

    def _end(self) -> None:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if process is not None:
            assert connection is not None
            connection.close()
            process.kill()
            process.join()


class _EndedError(Exception):
    """The process is gone."""

    def __init__(self, reason: str, *, was_killed: bool = False) -> None:
        super().__init__(reason)
        self.was_killed = was_killed


def _serve(connection: Connection, make: Callable[[Any], RunRecognizer], options: Any) -> None:
    """Main of the process: answer questions until the parent goes away."""
    name_process("docproc-read")
    for variable, value in _BEFORE_PYTORCH.items():
        os.environ.setdefault(variable, value)
    hold_freed_memory()
    threading.Thread(target=end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    recognizer = make(options)
    while True:
        try:
            what, *arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            if what == "batch_size":
                connection.send(("size", recognizer.batch_size(*arguments)))
            else:
                for reading in recognizer.read(*arguments):
                    connection.send(("reading", reading))
                arguments.clear()  # the crops
                return_freed_memory()
                connection.send(("end", None))
        except OutOfMemoryError:
            connection.send(("memory", None))
        except DocprocError as error:
            connection.send(("error", error))
        except OSError:
            return  # the parent is gone
        except Exception as error:  # a model that fails costs a batch
            reason = f"{type(error).__name__}: {str(error).strip() or 'no reason given'}".splitlines()[0]
            connection.send(("broken", f"the model failed with {reason}"))
