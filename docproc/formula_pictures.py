"""Pictures that show one formula each, opened in a page process like every foreign file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from docproc.documents import open_document, path_text
from docproc.errors import InputError
from docproc.options import RunOptions
from docproc.workers import Lost, WorkerPool

if TYPE_CHECKING:
    import numpy as np


def formula_pictures(paths: Iterable[Path]) -> Iterator[np.ndarray | InputError]:
    """Open pictures, and make each what the recognizer takes.

    Args:
        paths: PNG, JPEG, TIFF, WebP, BMP, or PDF, of which the first page counts.

    Yields:
        For each path a grey uint8 picture of shape (height, width), 0 = ink; or why there is none.
    """
    options = RunOptions()
    with WorkerPool(
        _picture, 1, timeout_seconds=options.page_timeout, memory_bytes=options.page_memory_bytes
    ) as pool:
        for path, future in [(path, pool.submit(path)) for path in paths]:
            result = future.result()
            if isinstance(result, Lost):
                result = InputError(f"{path_text(path)} could not be read: {result.reason}.")
            yield result


def _picture(path: Path) -> np.ndarray | InputError:
    """Worker: one picture."""
    from docproc.crops import fit_picture
    from docproc.pages import render_page

    try:
        with open_document(path) as document:
            return fit_picture(render_page(document, 1).image)
    except InputError as error:
        return error
