"""What one person writes: words and formulas as strokes on a baseline, all with the same pen and letters."""

from __future__ import annotations

import math
import random
import string
from dataclasses import dataclass, field, replace

import numpy as np

from docproc.latex.canonical import recognition_target
from finetune.pretrain.ink import Ink, Stroke
from finetune.pretrain.page_formulas import FormulaPool, is_undecidable, split_rows
from finetune.pretrain.pen_fonts import Hand
from finetune.pretrain.symbol_library import Library
from finetune.pretrain.vocabulary import split_target
from finetune.pretrain.writer import Writer

# Heights in x-heights of symbols that stand on the baseline, to find the x-height of a written expression.
_LOW, _HIGH = frozenset("acemnorsuvwxz"), frozenset("ABCDEFGHKLMNPRSTUVXY0123456789bdhkl")
_LOW_HEIGHT, _HIGH_HEIGHT = 1.05, 1.7
# Formulas in a sentence and on a line of their own: the longest, in symbols written or tokens composed.
_MOST_INLINE, _MOST_LINE = 14, 45
# Real expressions among the formulas; the others are composed of single symbols.
_REAL = 0.4


@dataclass(frozen=True, slots=True)
class Piece:
    """Something written, in x-heights; origin at the left end of its baseline, y downwards."""

    kind: str
    """`word`, `formula` or `number` (of an equation)."""
    latex: str
    strokes: list[Stroke] = field(repr=False)
    width: float
    up: float
    down: float

    @property
    def is_undecidable(self) -> bool:
        """Whether nobody could tell from the ink that it is a formula."""
        return is_undecidable(self.latex)


class Scribe:
    """One person with one pen."""

    def __init__(
        self,
        inks: list[Ink],
        library: Library,
        hands: list[Hand],
        pool: FormulaPool,
        rng: random.Random,
        *,
        is_varied: bool = False,
    ):
        """Choose a hand: the letters of a font, or single letters of the collections.

        Args:
            inks: Expressions of the split.
            library: Their symbols.
            hands: Fonts of the split; may be empty.
            pool: Formulas to compose.
            rng: Source of chance.
            is_varied: Some people write far apart.
        """
        self._inks, self._pool, self._rng = inks, pool, rng
        self._short = [ink for ink in inks if len(ink.symbols) <= _MOST_INLINE]
        self._writer = Writer(library, rng)
        if is_varied:
            self._writer.apart = rng.choice((0.0, 0.0, 0.8, 1.6))
            self._writer.gap *= rng.choice((1.0, 1.0, 1.6))
            self._writer.has_half_heads = rng.random() < 0.4
        self._hand = rng.choice(hands) if hands and rng.random() < 0.65 else None
        # Words and formulas share their letters on most pages, so that letters do not tell them apart.
        if self._hand is not None and rng.random() < 0.7:
            self._writer.borrow(self._hand)
        self._real = rng.choice((0.0, _REAL, _REAL, 0.8))
        self._joins = rng.choice((0.0, 0.0, 0.5, 0.9))
        self._gap = rng.uniform(0.1, 0.35)
        self._unrest = rng.uniform(0.0, 0.1)
        stretch, slant = math.exp(rng.gauss(0, 0.1)), rng.gauss(0, 0.12)
        self._shape = np.array([[stretch, -slant * stretch], [0, 1]], np.float32)

    def word(self, text: str) -> Piece | None:
        """Write a word; None where a letter of it is unknown to this hand."""
        r, x = self._rng, 0.0
        strokes: list[Stroke] = []
        for letter in text:
            written = self._letter(letter)
            if written is None:
                return None
            placed, advance = written
            size = 1 + r.gauss(0, 0.5 * self._unrest)
            here = [s * size + np.array([x, r.gauss(0, self._unrest)], np.float32) for s in placed]
            if strokes and r.random() < self._joins and self._hand is None and letter in string.ascii_lowercase:
                strokes.append(_join(strokes[-1][-1], here[0][0]))
            strokes += here
            x += advance * size
        return self._piece("word", text, strokes) if strokes else None

    def inline(self) -> Piece | None:
        """Write a formula that stands in a sentence."""
        if self._short and self._rng.random() < 0.35 * self._real:
            piece = self._copy(self._rng.choice(self._short))
        else:
            piece = self._compose(self._pool.inline(), _MOST_INLINE)
        return piece if piece is not None and piece.up + piece.down < 5 else None

    def lines(self) -> list[Piece]:
        """Write one line of mathematics, or the lines of a calculation; empty where that failed."""
        if self._inks and self._rng.random() < self._real:
            piece = self._copy(self._rng.choice(self._inks))
            return [piece] if piece is not None else []
        latex = self._pool.display()
        rows = split_rows(latex)
        texts = [" ".join(filter(None, row)) for row in rows[1]] if rows else [latex]
        return [piece for text in texts if (piece := self._compose(text, _MOST_LINE)) is not None]

    def sign(self, latex: str) -> Piece | None:
        """Write one sign, as the first one of a line of a calculation."""
        strokes = self._writer.write([latex])
        return self._piece("formula", latex, strokes) if strokes else None

    def number(self, text: str) -> Piece | None:
        """Write the number of an equation, `(3)`."""
        piece = self.word(text)
        return replace(piece, kind="number") if piece is not None else None

    def _letter(self, letter: str) -> tuple[list[Stroke], float] | None:
        if self._hand is not None and letter in self._hand.letters:
            return self._hand.letters[letter], self._hand.advances[letter]
        strokes = self._writer.write([letter])
        if strokes is None:
            return None
        left, right = _span(strokes, 0)
        gap = self._gap * self._rng.uniform(0.7, 1.4)
        return [s - np.array([left, 0], np.float32) for s in strokes], right - left + gap

    def _compose(self, latex: str, most: int) -> Piece | None:
        target = recognition_target(latex)
        tokens = split_target(target) if target else []
        if not tokens or len(tokens) > most:
            return None
        strokes = self._writer.write(tokens)
        return self._piece("formula", latex, strokes) if strokes else None

    def _copy(self, ink: Ink) -> Piece | None:
        strokes = in_x_heights(ink)
        return self._piece("formula", ink.latex, strokes) if strokes else None

    def _piece(self, kind: str, latex: str, strokes: list[Stroke]) -> Piece:
        shaped = [s @ self._shape.T for s in strokes]
        left, right = _span(shaped, 0)
        top, bottom = _span(shaped, 1)
        return Piece(kind, latex, [s - np.array([left, 0], np.float32) for s in shaped], right - left, -top, bottom)


def in_x_heights(ink: Ink) -> list[Stroke] | None:
    """Strokes of an expression that somebody wrote, in x-heights, on its baseline; None where its size is unknown."""
    sizes, feet = [], []
    for label, parts in ink.symbols:
        strokes = [ink.strokes[i] for i in parts if i < len(ink.strokes) and len(ink.strokes[i])]
        expected = _LOW_HEIGHT if label in _LOW else _HIGH_HEIGHT if label in _HIGH else None
        if expected and strokes:
            top, bottom = _span(strokes, 1)
            sizes.append((bottom - top) / expected)
            feet.append(bottom)
    if not sizes:
        return None
    # Scripts are small: the body of the formula is in the upper half.
    unit = float(np.percentile(sizes, 65))
    body = [foot for foot, size in zip(feet, sizes, strict=True) if size > 0.75 * unit]
    if unit <= 0 or not body:
        return None
    points = [s for s in ink.strokes if len(s)]
    origin = np.array([_span(points, 0)[0], float(np.median(body))], np.float32)
    return [(s - origin) / unit for s in points]


def _span(strokes: list[Stroke], axis: int) -> tuple[float, float]:
    values = np.concatenate(strokes)[:, axis]
    return float(values.min()), float(values.max())


def _join(start: np.ndarray, end: np.ndarray) -> Stroke:
    """A shallow curve from the end of one letter to the beginning of the next."""
    middle = (start + end) / 2 + np.array([0, 0.15], np.float32)
    t = np.linspace(0, 1, 6, dtype=np.float32)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end, np.float32)
