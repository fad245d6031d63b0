"""The words of scans, read by rapidocr (PP-OCR, its weights are in its wheel)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2

from docproc.records import Box

if TYPE_CHECKING:
    from docproc.records import Page

_POINTS_PER_INCH = 72.0
_FIND_LINES_PIXELS = 1280
_LATIN_SIGNS = str.maketrans("一二十（）［］，；：〈〉＝＋｜！？", "−=+()[],;:⟨⟩=+|!?")
CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")


@dataclass(frozen=True, slots=True)
class OcrWord:
    """A word that the OCR read."""

    text: str
    box: Box
    """In points of the page; its sides are estimates, some letters wide of the ink."""
    confidence: float
    """0-1."""
    line: int
    """Words of one line (or of a piece of one, where the gaps are wide) share this number."""


def read_words(page: Page, *, threads: int = 1) -> list[OcrWord]:
    """Read the words of a page.

    Args:
        page: Clean (see cleanup.py).
        threads: Of the OCR's engine; the first call in a process decides.

    Returns:
        Words with boxes in points, line by line; empty if nothing is legible.

    Raises:
        ImportError: rapidocr or onnxruntime is not installed.

    Source: rapidocr 3.10 with PP-OCRv6 small: 3-4 s a page on one core.
    """
    engine = _engine(threads)
    result = engine(cv2.cvtColor(page.image, cv2.COLOR_GRAY2BGR), use_cls=False, return_word_box=True)
    if result is None or result.boxes is None or result.txts is None:
        return []
    zoom = page.dpi / _POINTS_PER_INCH
    texts = [str(text) for text in result.txts]
    is_latin = len(CJK.findall("".join(texts))) < 0.3 * sum(map(len, texts))
    words: list[OcrWord] = []
    for number, (corners, text, score) in enumerate(zip(result.boxes, texts, result.scores, strict=True)):
        pieces = (result.word_results or ())[number] if result.word_results else ()
        found = [(piece[0], float(piece[1]), _box(piece[2])) for piece in pieces if piece[0].strip() and piece[2]]
        found = found or [(text, float(score), _box(corners))]
        if is_latin:
            # The OCR writes signs it knows from Chinese, and takes the line apart into characters where it does.
            found = _regrouped(text, found) if len(found) > 1.5 * len(text.split()) + 2 else found
            found = [(word.translate(_LATIN_SIGNS), confidence, box) for word, confidence, box in found]
        words += [OcrWord(word.strip(), box.scaled(1 / zoom), confidence, number) for word, confidence, box in found]
    return words


def _box(corners: Any) -> Box:
    xs, ys = [float(corner[0]) for corner in corners], [float(corner[1]) for corner in corners]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _regrouped(text: str, pieces: list[tuple[str, float, Box]]) -> list[tuple[str, float, Box]]:
    """Characters put together to the words of the line's text; as they were if the two do not agree."""
    if "".join(piece[0] for piece in pieces).replace(" ", "") != text.replace(" ", ""):
        return pieces
    grouped, start = [], 0
    for word in text.split():
        own, length = [], 0
        while length < len(word) and start < len(pieces):
            own.append(pieces[start])
            length += len(pieces[start][0].replace(" ", ""))
            start += 1
        if own:
            confidence = sum(piece[1] for piece in own) / len(own)
            grouped.append((word, confidence, Box.around(piece[2] for piece in own)))
    return grouped


@functools.cache
def _engine(threads: int) -> Any:
    """The engine of this process; only weights that are in the wheel, so that nothing is fetched."""
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            # Lines are found on a smaller copy: 40 % less time for the page, 1,731 instead of 1,720 characters read.
            "Det.limit_type": "max",
            "Det.limit_side_len": _FIND_LINES_PIXELS,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
