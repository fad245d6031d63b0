"""Pictures of formulas from the samples, for tests of the recognizer."""

import json

import numpy as np
from PIL import Image

from tests.conftest import SAMPLES


def formula_pictures(count: int = 12) -> list[np.ndarray]:
    """Grey uint8 crops, printed formulas of very different lengths."""
    folder = SAMPLES / "formulas"
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: (len(row["latex"]), row["image"]))
    chosen = rows[:: max(1, len(rows) // count)][:count]
    return [np.asarray(Image.open(folder / row["image"]).convert("L")) for row in chosen]
