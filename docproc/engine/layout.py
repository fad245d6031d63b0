"""From crops to the arrays that the network reads: patches, places and positions, in numpy.

What `Qwen2VLProcessor` and `get_rope_index` work out picture by picture, for any Qwen2-VL; tests/test_engine_layout.py
checks that the numbers are theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docproc.prompt import conversation

# Wider pictures than this are refused by Qwen2-VL's processor (aspect ratio 200).
MAX_ASPECT = 150
# Sizes of pictures whose places are kept, about 4 KiB each. Working them out again takes 55 microseconds, a third of
# what a GPU needs for a formula; nine in ten of a large batch are found here.
_SIZES_KEPT = 256


class Picture:
    """One crop as the network sees it: whole cells, each of some patches."""

    def __init__(self, grey: NDArray[np.uint8], patch: int, merge: int) -> None:
        """Remember a grey picture of whole cells, 0 = ink; it is cut when its patches are asked for."""
        self._grey, self._patch, self._merge = grey, patch, merge
        self._patches: NDArray[np.uint8] | None = None
        self.cell_rows, self.cell_columns = (side // (patch * merge) for side in grey.shape)
        self.cells = self.cell_rows * self.cell_columns
        self.patch_count = self.cells * merge * merge

    def cut(self) -> NDArray[np.uint8]:
        """Patches, shape (patches, patch * patch); those of a cell follow each other. The work is done once."""
        if self._patches is None:
            merge, patch = self._merge, self._patch
            blocks = self._grey.reshape(self.cell_rows, merge, patch, self.cell_columns, merge, patch)
            self._patches = blocks.transpose(0, 3, 1, 4, 2, 5).reshape(self.patch_count, patch * patch)
        return self._patches


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures with their prompt, laid end to end. Patches of a picture and tokens of a row are neighbors."""

    patches: NDArray[np.uint8]
    """Shape (patches, patch * patch)."""
    patch_rows: NDArray[np.int64]
    """Row of each patch in its picture."""
    patch_columns: NDArray[np.int64]
    patch_counts: list[int]
    """Patches of each picture."""
    ids: NDArray[np.int64]
    """Token ids, shape (tokens,); a picture's places hold the image token."""
    places: NDArray[np.int64]
    """The text token that each visual token fills."""
    positions: NDArray[np.int64]
    """Shape (3, tokens): time, row, column."""
    token_counts: list[int]
    """Tokens of each row."""
    next_positions: list[int]
    """Position of the first token that is written."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Turns crops into pictures, and pictures into batches, for one checkpoint."""

    patch: int
    """Side of a patch in pixels."""
    merge: int
    """Side of a cell, which becomes one visual token, in patches."""
    least_pixels: int
    most_pixels: int
    mean: tuple[float, ...]
    """Of each channel, subtracted from brightness 0-1."""
    std: tuple[float, ...]
    """Of each channel, divided by after that."""
    resample: int
    """PIL's number of the filter that resizes."""
    image_id: int
    """The token that a visual token replaces."""
    before: tuple[int, ...]
    """Token ids of the prompt before the picture."""
    after: tuple[int, ...]

    @classmethod
    def of(cls, processor: Any, config: Any) -> Layout:
        """Read sizes and prompt from a `Qwen2VLProcessor` and a `Qwen2VLConfig`."""
        images, vision = processor.image_processor, config.vision_config
        text = processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
        ids = processor.tokenizer(text)["input_ids"]
        at = ids.index(config.image_token_id)
        return cls(
            patch=int(vision.patch_size),
            merge=int(vision.spatial_merge_size),
            least_pixels=int(images.size["shortest_edge"]),
            most_pixels=int(images.size["longest_edge"]),
            mean=tuple(images.image_mean),
            std=tuple(images.image_std),
            resample=int(images.resample),
            image_id=ids[at],
            before=tuple(ids[:at]),
            after=tuple(ids[at + 1 :]),
        )

    @property
    def prompt_tokens(self) -> int:
        """Tokens around the picture."""
        return len(self.before) + len(self.after)

    def picture(self, crop: NDArray[np.uint8]) -> Picture:
        """Pad a crop to whole cells, and resize it if the checkpoint's limits demand it.

        Args:
            crop: Grey, shape (height, width), 0 = ink.
        """
        cell = self.patch * self.merge
        grey = pad_to_multiple(crop, cell)
        height, width = grey.shape
        wanted = _allowed_size(height, width, cell, self.least_pixels, self.most_pixels)
        if wanted != (height, width):
            from PIL import Image

            height, width = wanted
            grey = np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling(self.resample)))
        return Picture(grey, self.patch, self.merge)

    def batch(self, pictures: Sequence[Picture]) -> Batch:
        """Lay pictures and prompts end to end."""
        places, positions, ids, start = [], [], [], 0
        for picture in pictures:
            places.append(start + len(self.before) + np.arange(picture.cells))
            positions.append(_positions(picture.cell_rows, picture.cell_columns, len(self.before), len(self.after)))
            ids += [*self.before, *[self.image_id] * picture.cells, *self.after]
            start += self.prompt_tokens + picture.cells
        grids = [_patch_places(p.cell_rows, p.cell_columns, self.merge) for p in pictures]
        return Batch(
            patches=np.concatenate([p.cut() for p in pictures]),
            patch_rows=np.concatenate([rows for rows, _ in grids], dtype=np.int64),
            patch_columns=np.concatenate([columns for _, columns in grids], dtype=np.int64),
            patch_counts=[p.patch_count for p in pictures],
            ids=np.array(ids, np.int64),
            places=np.concatenate(places),
            positions=np.concatenate(positions, axis=1, dtype=np.int64),
            token_counts=[self.prompt_tokens + p.cells for p in pictures],
            next_positions=[max(p.cell_rows, p.cell_columns) + self.prompt_tokens for p in pictures],
        )


def pad_to_multiple(crop: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Pad with paper to whole cells, so that the image processor does not resize, and to an aspect it accepts."""
    height, width = crop.shape
    target_height = max(math.ceil(height / multiple), math.ceil(width / multiple / MAX_ASPECT)) * multiple
    target_width = max(math.ceil(width / multiple), math.ceil(height / multiple / MAX_ASPECT)) * multiple
    top, left = (target_height - height) // 2, (target_width - width) // 2
    padded = np.full((target_height, target_width), 255, np.uint8)
    padded[top : top + height, left : left + width] = crop
    return padded


def _allowed_size(height: int, width: int, cell: int, least: int, most: int) -> tuple[int, int]:
    """Size within the checkpoint's limits on pixels, of nearly the same aspect: Qwen2-VL's `smart_resize`."""
    if height * width > most:
        shrink = math.sqrt(height * width / most)
        height, width = (max(cell, math.floor(side / shrink / cell) * cell) for side in (height, width))
    elif height * width < least:
        grow = math.sqrt(least / (height * width))
        height, width = (math.ceil(side * grow / cell) * cell for side in (height, width))
    return height, width


@lru_cache(maxsize=_SIZES_KEPT)
def _patch_places(cell_rows: int, cell_columns: int, merge: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Row and column of each patch, cell by cell."""
    shape = (cell_rows, cell_columns, merge, merge)
    inside = np.arange(merge, dtype=np.int16)
    rows = merge * np.arange(cell_rows, dtype=np.int16)[:, None, None, None] + inside[:, None]
    columns = merge * np.arange(cell_columns, dtype=np.int16)[:, None, None] + inside
    return np.broadcast_to(rows, shape).ravel(), np.broadcast_to(columns, shape).ravel()


@lru_cache(maxsize=_SIZES_KEPT)
def _positions(cell_rows: int, cell_columns: int, before: int, after: int) -> NDArray[np.int16]:
    """Positions (3, tokens) of a prompt with one picture; the text goes on after the picture's longer side."""
    head, tail = np.arange(before), before + max(cell_rows, cell_columns) + np.arange(after)
    rows, columns = np.divmod(np.arange(cell_rows * cell_columns), cell_columns)
    visual = before + np.stack([np.zeros_like(rows), rows, columns])
    return np.concatenate(
        [np.tile(head, (3, 1)), visual, np.tile(tail, (3, 1))], axis=1, dtype=np.int16, casting="same_kind"
    )
