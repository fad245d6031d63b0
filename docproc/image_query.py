"""A picture of one formula as LaTeX: the query of `docproc search --image`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docproc.errors import InputError
from docproc.formula_pictures import formula_pictures
from docproc.latex.judge import judge
from docproc.options import RunOptions
from docproc.qwen2_vl import Qwen2VLRecognizer
from docproc.recognition import Unread, recognize_all
from docproc.records import Status

if TYPE_CHECKING:
    from pathlib import Path

    from docproc.recognition import Recognizer


def read_formula_picture(path: Path, recognizer: Recognizer | None = None) -> str:
    """Read a picture that shows one formula.

    Args:
        path: PNG, JPEG, TIFF, WebP, BMP, or a PDF of one page.
        recognizer: Reads; the built-in model without it.

    Returns:
        Canonical LaTeX.

    Raises:
        InputError: The picture cannot be opened, or no formula can be read in it.
    """
    (picture,) = formula_pictures([path])
    if isinstance(picture, InputError):
        raise picture
    (reading,) = recognize_all(recognizer or Qwen2VLRecognizer.from_options(RunOptions()), [picture], 1)
    if isinstance(reading, Unread):
        raise InputError(f"{path} cannot be read: {reading.reason}.")
    verdict = judge(reading.latex, reading.stop_reason, reading.confidence, (), is_display=True)
    if verdict.status in (Status.FAILED, Status.REJECTED) or not verdict.latex:
        raise InputError(f"No formula can be read in {path}. Cut the picture close around one formula.")
    return verdict.latex
