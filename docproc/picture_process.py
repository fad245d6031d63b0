"""Pictures of pages and formulas on demand; documents are opened in a process of their own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docproc.errors import InputError
from docproc.page_pictures import PictureTask, RegionTask, draw_picture
from docproc.records import Box
from docproc.workers import Lost, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from docproc.records import FormulaKind, FoundPage

_KEPT = 24
"""Pictures kept in memory, some 200 kB each."""
_TIMEOUT_SECONDS, _MEMORY_BYTES = 60.0, 6 * 2**30


class Pictures:
    """Renders on demand; use it in a `with` statement."""

    def __init__(self) -> None:
        self._pool = WorkerPool(draw_picture, 1, timeout_seconds=_TIMEOUT_SECONDS, memory_bytes=_MEMORY_BYTES)
        self._kept: OrderedDict[PictureTask, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> Pictures:
        self._pool.__enter__()
        # The process takes seconds to start; better now than when somebody waits for the first page.
        self._pool.submit(PictureTask(Path(), 1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, trace)

    def draw(self, document: str, sha256: str | None, page: int, box: Box | None = None) -> bytes:
        """A page, or a part of it, as PNG; `sha256` says which file is meant, None whichever is there.

        Raises:
            InputError: The document is not at its path any more, is another one now, or cannot be rendered.
        """
        path = Path(document)
        if not path.is_file():
            raise InputError(f"{document} is not there any more: its page cannot be shown.")
        task = PictureTask(path, page, box, sha256)
        with self._lock:
            kept = self._kept.get(task)
            if kept is not None:
                self._kept.move_to_end(task)
                return kept
        picture = bytes(self._ask(task))
        with self._lock:
            self._kept[task] = picture
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return picture

    def cut(self, document: str, sha256: str, page: int, regions: Sequence[tuple[FormulaKind, Box]]) -> FoundPage:
        """A page with some regions and what the recognizer should see of them.

        Raises:
            InputError: As `draw`, or a box is too small.
        """
        found: FoundPage = self._ask(RegionTask(Path(document), page, tuple(regions), sha256))
        return found

    def _ask(self, task: PictureTask | RegionTask) -> Any:
        result = self._pool.submit(task).result()
        if isinstance(result, Lost):
            raise InputError(f"Page {task.number} of {task.path} cannot be shown: {result.reason}.")
        if isinstance(result, InputError):
            raise result
        return result
