"""See where on a page formulas are, with a small convolutional network of our own that OpenCV runs.

The network reads the whole page at a scale at which its body text always has the same size, so that scans of any
resolution and photos of unknown distance look alike to it. It answers with maps; scan_groups.py makes regions of them.
How it was made: finetune/pretrain/train_scan_detector.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from docproc.errors import DependencyError

# Height of an x at the working scale, in pixels: A4 with 10 pt text is then about 930 x 1310 pixels.
WORKING_X_HEIGHT = 7.0
# The same by hand: lines of a tight calculation stay apart, and a page is smaller all the same.
_WRITTEN_X_HEIGHT = 9.0
# The maps have one cell for so many working pixels each way.
CELL_PIXELS = 2
# The network halves its input five times.
_MULTIPLE = 32
# Pages that would be larger than this at the working scale are seen smaller, so that memory and time stay bounded.
_MOST_PIXELS = 4_000_000
# Cells along the side of the square that one position of the network's last layer speaks for.
_CELLS_A_POSITION = 2

CLASSES = ("background", "inline", "display", "number")
"""Classes of a cell; `number` is the number of an equation."""
CHANNELS = len(CLASSES) + 1
"""Of the network for each cell: a logit for each class, and one for the core of a formula, which is its box without the
outermost cells: cores of neighbors never touch."""
_MODELS = Path(__file__).parent / "model"


@dataclass(frozen=True, slots=True)
class FormulaMaps:
    """What the network says of every cell of a page."""

    inline: np.ndarray
    """Probability 0-1 that a cell lies in an inline formula; float32 of shape (rows, columns), like the other maps."""
    display: np.ndarray
    number: np.ndarray
    core: np.ndarray
    cells_a_pixel: float
    """Scale from pixels of the page to cells."""


def has_detector(*, by_hand: bool = False) -> bool:
    """Whether the network for print, or for handwriting, came with this installation."""
    return _model(by_hand).exists()


def detect_formulas(image: np.ndarray, x_height: float, *, by_hand: bool = False) -> FormulaMaps:
    """Run the network on a page.

    Args:
        image: Clean page (see cleanup.py): grey uint8 of shape (height, width), ink dark on white.
        x_height: Of the body text, in pixels.
        by_hand: The page is handwritten: take the network for that.

    Returns:
        The maps.

    Raises:
        DependencyError: The network's file is missing or damaged.
    """
    small, scale = to_working_scale(image, x_height, by_hand=by_hand)
    height, width = small.shape
    padded = np.full((-(-height // _MULTIPLE) * _MULTIPLE, -(-width // _MULTIPLE) * _MULTIPLE), 255, np.uint8)
    padded[:height, :width] = small
    network = _network(_model(by_hand))
    network.setInput(to_network_input(padded)[None, None])
    cells = to_cells(network.forward()[0])
    rows, columns = -(-height // CELL_PIXELS), -(-width // CELL_PIXELS)
    cells = cells[:, :rows, :columns]
    shares = np.exp(cells[:-1] - cells[:-1].max(axis=0))
    shares /= shares.sum(axis=0)
    core = 1.0 / (1.0 + np.exp(-cells[-1]))
    return FormulaMaps(shares[1], shares[2], shares[3], core, scale / CELL_PIXELS)


def to_working_scale(image: np.ndarray, x_height: float, *, by_hand: bool = False) -> tuple[np.ndarray, float]:
    """The page as the network wants to see it, and the factor from its pixels to those of the result."""
    height, width = image.shape
    scale = (_WRITTEN_X_HEIGHT if by_hand else WORKING_X_HEIGHT) / max(2.0, x_height)
    scale = min(scale, (_MOST_PIXELS / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(small), scale


def to_network_input(image: np.ndarray) -> np.ndarray:
    """Ink as float32 0-1, paper 0."""
    return np.asarray((255.0 - image.astype(np.float32)) / 255.0)


def to_cells(answer: np.ndarray) -> np.ndarray:
    """Logits of every cell, shape (CHANNELS, 2 h, 2 w), from the network's answer of shape (CHANNELS * 4, h, w)."""
    n = _CELLS_A_POSITION
    _, height, width = answer.shape
    parted = answer.reshape(CHANNELS, n, n, height, width).transpose(0, 3, 1, 4, 2)
    return np.ascontiguousarray(parted).reshape(CHANNELS, height * n, width * n)


def _model(by_hand: bool) -> Path:
    return _MODELS / ("written_detector.onnx" if by_hand else "scan_detector.onnx")


@cache
def _network(path: Path) -> cv2.dnn.Net:
    # The classic engine is a quarter faster on this network than the new one of OpenCV 5, which is the default there.
    try:
        return cv2.dnn.readNetFromONNX(str(path), cv2.dnn.ENGINE_CLASSIC)
    except cv2.error as error:
        raise DependencyError(f"{path} is missing or damaged: install docproc anew") from error
