"""Samples, and how they are packed into batches of one fixed shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.pretrain.vocabulary import BOS, EOS, FIRST_WORD, IMG, PAD, VE, VS

PATCH = 8
CELL = 2 * PATCH
"""A visual token is a cell of 16 x 16 pixels, four patches."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and what it says."""

    ink: NDArray[np.uint8] = field(repr=False)
    """Shape (height, width), multiples of 16; 255 = ink, 0 = paper."""
    ids: list[int]
    """Label, without [BOS] and [EOS]."""
    glyphs: list[tuple[int, int]] | None = None
    """(cell, glyph class) for the auxiliary loss; None where they are not known."""
    group: str = ""
    """Where it comes from: random, real, ink, nothing."""

    @property
    def cells(self) -> int:
        """Number of visual tokens."""
        return self.ink.size // (CELL * CELL)


@dataclass(frozen=True)
class Budget:
    """The fixed shape of a batch."""

    cells: int = 24_576
    labels: int = 22_528
    """Label tokens, and five more a sample for [VS] [VE] [BOS] [EOS] and the dummy."""
    samples: int = 2_048
    sample_cells: int = 800
    sample_labels: int = 400
    glyphs: int = 65_536

    @property
    def tokens(self) -> int:
        """Text tokens of a batch."""
        return self.cells + self.labels

    @property
    def longest_patches(self) -> int:
        """Patches of the largest picture, and of a filling sequence."""
        return 4 * self.sample_cells

    @property
    def longest_tokens(self) -> int:
        """Text tokens of the longest sample, and of a filling sequence."""
        return self.sample_cells + self.sample_labels + 4

    @property
    def slots(self) -> int:
        """Sequences of a batch, with those that fill the unused end."""
        return self.samples + self.tokens // self.longest_tokens + 2


Batch = dict[str, Tensor]


def patchify(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut a picture into patches in Qwen2-VL's order: (patches, 64), the four patches of a cell together."""
    rows, columns = ink.shape[0] // CELL, ink.shape[1] // CELL
    parts = ink.reshape(rows, 2, PATCH, columns, 2, PATCH).transpose(0, 3, 1, 4, 2, 5)
    return parts.reshape(-1, PATCH * PATCH)


def patch_places(rows: int, columns: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Row and column (in patches) of each patch, in the order of `patchify`; arguments in cells."""
    r, c, i, j = np.indices((rows, columns, 2, 2), dtype=np.int16)
    return (2 * r + i).ravel(), (2 * c + j).ravel()


def pack(samples: list[Sample], budget: Budget, noise: float, rng: np.random.Generator, words: int) -> Batch:
    """Pack samples into one batch.

    Args:
        samples: Together within the budget.
        budget: The fixed shape.
        noise: Mean share of label tokens shown to the decoder that are replaced by random ones (the loss
            keeps the truth).
        rng: Randomness of the noise.
        words: Size of the vocabulary in use.

    Returns:
        ink (4 * cells, 64) uint8; rows, columns (4 * cells,) int16; vision_starts, text_starts (slots + 1,) int32;
        ids (tokens,) int32; places (cells,) int32; positions (3, tokens) int16; at, want (labels,) int32: text tokens
        whose next token is learned, and that token, -100 where unused; glyph_cell, glyph_class (glyphs,) int32, unused
        ones at cell = cells; seen (cells,) bool: cells whose glyphs are known; count: samples.
    """
    b = budget
    ink = np.zeros((4 * b.cells, PATCH * PATCH), np.uint8)
    rows, columns = np.zeros((2, 4 * b.cells), np.int16)
    ids = np.full(b.tokens, PAD, np.int32)
    places = np.full(b.cells, b.tokens - 1, np.int32)
    positions = np.zeros((3, b.tokens), np.int16)
    at, want = np.zeros(b.labels, np.int32), np.full(b.labels, -100, np.int32)
    glyphs = np.zeros((2, b.glyphs), np.int32)
    glyphs[0] = b.cells
    seen = np.zeros(b.cells, bool)
    vision_starts, text_starts = [0], [0]
    cell = token = label = glyph = 0
    for s in samples:
        h, w, n = s.ink.shape[0] // CELL, s.ink.shape[1] // CELL, s.cells
        ink[4 * cell : 4 * (cell + n)] = patchify(s.ink)
        rows[4 * cell : 4 * (cell + n)], columns[4 * cell : 4 * (cell + n)] = patch_places(h, w)
        m = len(s.ids)
        end = token + n + m + 4
        places[cell : cell + n] = np.arange(token + 1, token + 1 + n)
        shown = np.array(s.ids, np.int32)
        if noise > 0:
            wrong = rng.random(m) < rng.random() * 2 * noise
            shown = np.where(wrong, rng.integers(FIRST_WORD, words, m), shown)
        ids[token] = VS
        ids[token + 1 : token + 1 + n] = IMG
        ids[token + 1 + n : end] = [VE, BOS, *shown, EOS]
        positions[0, token + 1 : token + 1 + n] = 1
        positions[1, token + 1 : token + 1 + n] = 1 + np.repeat(np.arange(h), w)
        positions[2, token + 1 : token + 1 + n] = 1 + np.tile(np.arange(w), h)
        positions[:, token + 1 + n : end] = 1 + max(h, w) + np.arange(m + 3)
        at[label : label + m + 1] = token + n + 2 + np.arange(m + 1)
        want[label : label + m + 1] = [*s.ids, EOS]
        if s.glyphs is not None:
            seen[cell : cell + n] = True
            k = min(len(s.glyphs), b.glyphs - glyph)
            if k:
                known = np.array(s.glyphs[:k], np.int32).T
                glyphs[0, glyph : glyph + k], glyphs[1, glyph : glyph + k] = known[0] + cell, known[1]
                glyph += k
        cell, token, label = cell + n, end, label + m + 1
        vision_starts.append(4 * cell)
        text_starts.append(token)
    arrays = {
        "ink": ink,
        "rows": rows,
        "columns": columns,
        "ids": ids,
        "places": places,
        "positions": positions,
        "at": at,
        "want": want,
        "glyph_cell": glyphs[0],
        "glyph_class": glyphs[1],
        "seen": seen,
        "vision_starts": _fill(vision_starts, 4 * b.cells, b.longest_patches, b.slots),
        "text_starts": _fill(text_starts, b.tokens, b.longest_tokens, b.slots),
        "count": np.array(len(samples)),
    }
    return {name: torch.from_numpy(a) for name, a in arrays.items()}


def _fill(starts: list[int], end: int, longest: int, slots: int) -> NDArray[np.int32]:
    """Cover the unused end with sequences no longer than `longest`, so that no kernel leaves a row unwritten (NaN)."""
    while starts[-1] < end:
        starts.append(min(end, starts[-1] + longest))
    if len(starts) > slots + 1:
        raise ValueError(f"{len(starts) - 1} sequences in a batch of {slots}")
    return np.array(starts + [end] * (slots + 1 - len(starts)), np.int32)


def group_samples(samples: Iterable[Sample], budget: Budget) -> Iterator[list[Sample]]:
    """Fill batches in the order the samples come; one that is over the budget by itself is left out."""
    batch: list[Sample] = []
    cells = labels = 0
    for s in samples:
        n, m = s.cells, len(s.ids) + 5
        if n > budget.sample_cells or len(s.ids) > budget.sample_labels:
            continue
        if cells + n > budget.cells or labels + m > budget.labels or len(batch) == budget.samples:
            yield batch
            batch, cells, labels = [], 0, 0
        batch.append(s)
        cells, labels = cells + n, labels + m
    if batch:
        yield batch
