"""Hands to write prose with: fonts that look handwritten, thinned to the strokes of a pen.

    python -m finetune.pretrain.pen_fonts --fonts A.ttf B.otf --out hands.json

A page's words and formulas must come from one pen with one kind of letter, or a network learns to tell fonts from ink
instead of prose from mathematics. So letters of fonts become strokes, as ink is: the middle lines of their pictures.
"""

from __future__ import annotations

import argparse
import json
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from finetune.pretrain.ink import Stroke

if TYPE_CHECKING:
    import pymupdf

_LETTERS = string.ascii_letters + string.digits + ".,;:!?()[]+-=/<>|'"
# Height of an x in pixels where letters are thinned, and the longest branch of a middle line that is taken for a burr.
_X_HEIGHT, _BURR = 48, 5
# A b is higher than an x by so much, or small letters are capitals, which formulas would show under wrong labels.
_ASCENDER = 1.25
# Fonts by part of their file name; all others are trained on. No figure is reported on fonts seen while learning.
_DEV, _TEST = ("kalam", "delius"), ("shadows", "zeyada")
_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


@dataclass(frozen=True, slots=True)
class Hand:
    """Letters of one font."""

    name: str
    letters: dict[str, list[Stroke]] = field(repr=False)
    """Strokes in x-heights, origin at the left end of the baseline, y downwards."""
    advances: dict[str, float] = field(repr=False)


def split_of(name: str) -> str:
    """`train`, `dev` or `test`: fonts that look alike have the same."""
    lowered = name.lower()
    return "dev" if any(part in lowered for part in _DEV) else "test" if any(p in lowered for p in _TEST) else "train"


def read_hand(path: Path) -> Hand:
    """Thin the letters of a font.

    Args:
        path: TrueType, OpenType or Type 1 font.

    Raises:
        RuntimeError: MuPDF cannot read it.
        ValueError: It has no x or b, or its small letters are capitals.
    """
    import pymupdf

    font = pymupdf.Font(fontfile=str(path))
    if not (font.has_glyph(ord("x")) and font.has_glyph(ord("b"))):
        raise ValueError(f"{path} has no x or no b")
    size = 72.0
    height = {letter: 2 * size - int(_draw(font, letter, size).any(axis=1).argmax()) for letter in "xb"}
    if height["b"] < _ASCENDER * height["x"]:
        raise ValueError(f"{path}: its small letters are capitals")
    size *= _X_HEIGHT / height["x"]
    drawn: dict[str, list[Stroke]] = {}
    advances = {}
    for letter in _LETTERS:
        strokes = trace(thin(_draw(font, letter, size))) if font.has_glyph(ord(letter)) else []
        if strokes:
            drawn[letter] = [s - np.array([1.5 * size, 2 * size], np.float32) for s in strokes]
            advances[letter] = font.text_length(letter, fontsize=size)
    unit = max(1.0, -float(np.concatenate(drawn["x"])[:, 1].min()))
    return Hand(
        path.stem,
        {letter: [s / unit for s in strokes] for letter, strokes in drawn.items()},
        {letter: advance / unit for letter, advance in advances.items()},
    )


def _draw(font: pymupdf.Font, letter: str, size: float) -> npt.NDArray[np.bool_]:
    """Where a letter's ink is: square, four font sizes wide and high, its origin at 1.5 and 2 of them."""
    import pymupdf

    with pymupdf.open() as document:
        page = document.new_page(width=4 * size, height=4 * size)
        writer = pymupdf.TextWriter(page.rect)
        writer.append((1.5 * size, 2 * size), letter, font=font, fontsize=size)
        writer.write_text(page)
        pixels = page.get_pixmap(colorspace=pymupdf.csGRAY)
    return np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.width) < 128


def thin(is_ink: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Middle lines, one pixel wide (T. Y. Zhang and C. Y. Suen, CACM 27 (1984) 236-239)."""
    image = np.pad(is_ink, 1)
    while True:
        before = image.sum()
        for first in (True, False):
            ring = np.stack([np.roll(image, (-dy, -dx), (0, 1)) for dy, dx in _AROUND])
            count = ring.sum(axis=0)
            turns = (~ring & np.roll(ring, -1, axis=0)).sum(axis=0)
            north, east, south, west = ring[0], ring[2], ring[4], ring[6]
            if first:
                free = ~(north & east & south) & ~(east & south & west)
            else:
                free = ~(north & east & west) & ~(north & south & west)
            image = image & ~((count >= 2) & (count <= 6) & (turns == 1) & free)
        if image.sum() == before:
            return image[1:-1, 1:-1]


def trace(lines: npt.NDArray[np.bool_]) -> list[Stroke]:
    """Follow lines one pixel wide from end to end, going straight on where they cross; short burrs are left out."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(lines), strict=True)}

    def neighbors(pixel: tuple[int, int]) -> list[tuple[int, int]]:
        return [(pixel[0] + dy, pixel[1] + dx) for dy, dx in _AROUND if (pixel[0] + dy, pixel[1] + dx) in left]

    strokes: list[Stroke] = []
    pieces = 0
    while left:
        ends = [pixel for pixel in left if len(neighbors(pixel)) <= 1]
        # The topmost end first, as one writes; a ring has none.
        here = min(ends or left)
        path = [here]
        left.discard(here)
        while ways := neighbors(here):
            back = path[max(0, len(path) - 6)]
            heading = np.array(here, float) - back
            here = max(ways, key=lambda way: float(np.dot(np.array(way, float) - path[-1], heading)))
            path.append(here)
            left.discard(here)
        pieces += 1
        if len(path) > _BURR or pieces == 1 or not strokes:
            points = np.array([*path[:: max(1, min(3, len(path) // 3))], path[-1]], np.float32)[:, ::-1]
            strokes.append(np.ascontiguousarray(points))
    return strokes


def save_hands(hands: Sequence[Hand], path: Path) -> None:
    """Write hands, points rounded to hundredths."""
    rows = [
        {
            "name": hand.name,
            "letters": {letter: [np.round(s, 2).tolist() for s in strokes] for letter, strokes in hand.letters.items()},
            "advances": {letter: round(advance, 2) for letter, advance in hand.advances.items()},
        }
        for hand in hands
    ]
    path.write_text(json.dumps(rows, separators=(",", ":")), encoding="utf-8")


def load_hands(path: Path, split: str) -> list[Hand]:
    """Read the hands of a split from what `save_hands` wrote; none where the file is absent."""
    if not path.exists():
        return []
    return [
        Hand(
            row["name"],
            {letter: [np.array(s, np.float32) for s in strokes] for letter, strokes in row["letters"].items()},
            row["advances"],
        )
        for row in json.loads(path.read_text(encoding="utf-8"))
        if split_of(row["name"]) == split
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    hands = []
    for path in options.fonts:
        try:
            hand = read_hand(path)
        except (RuntimeError, ValueError) as error:
            print(f"left out: {error}")
            continue
        hands.append(hand)
        print(f"{hand.name}: {len(hand.letters)} letters, {split_of(hand.name)}")
    save_hands(hands, options.out)


if __name__ == "__main__":
    main()
