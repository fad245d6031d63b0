"""A stock for handwritten pages out of the strokes of samples/: no corpus is needed."""

import numpy as np

from benchmarks.regions import OWN_FORMULAS
from finetune.pretrain.ink import Ink
from finetune.pretrain.page_formulas import load_formulas
from finetune.pretrain.pen_fonts import Hand
from finetune.pretrain.symbol_library import Library
from finetune.pretrain.written_pages import InkStock
from samples.strokes import SIGNS

HEIGHT = 5.0
"""Of a small letter of samples/strokes.py."""


def strokes_of(sign: str) -> list[np.ndarray]:
    """Strokes of a sign, y downwards."""
    drawn = [[tuple(map(float, point.split(","))) for point in stroke.split()] for stroke in SIGNS[sign].split("|")]
    return [np.array(stroke, np.float32) * np.array([1, -1], np.float32) for stroke in drawn]


def make_stock() -> InkStock:
    """One writer, one font, the formulas of the samples."""
    drawn = {sign: [strokes_of(sign)] for sign in SIGNS}
    ink = Ink("a+b", [strokes_of("a")[0]], [("a", [0])], "collection/somebody")
    letters = {sign: [s / HEIGHT for s in strokes_of(sign)] for sign in SIGNS if len(sign) == 1}
    hand = Hand("drawn", letters, dict.fromkeys(letters, 1.3))
    return InkStock([ink], [hand], load_formulas([OWN_FORMULAS], "dev"), Library([ink], drawn), "train")
