"""Batches for training: the same pictures and tokens that recognition uses, with the loss on the answers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from docproc.engine.layout import pad_to_multiple
from finetune.augment import augmented
from finetune.dataset import Example, load_picture

if TYPE_CHECKING:
    import torch

IGNORED = -100  # label that PyTorch's cross-entropy leaves out


@dataclass(slots=True)
class Encoded:
    """One example as tensors on the CPU."""

    input_ids: list[int]
    labels: list[int]
    pixel_values: torch.Tensor
    """(patches, values of a patch)"""
    image_grid_thw: torch.Tensor
    """(pictures, 3)"""


class AnswerCollator:
    """Turns examples into a right-padded batch.

    Prompt and answer are tokenized apart, as in recognition, where the prompt is all there is when the model begins.
    """

    def __init__(
        self,
        processor: Any,
        multiple: int,
        *,
        max_picture_tokens: int,
        augment: bool = False,
        token_noise: float = 0.0,
        rehearsed: Sequence[Example] = (),
        seed: int = 0,
    ) -> None:
        """Prepare.

        Args:
            processor: Of the model.
            multiple: Sides of pictures are padded to multiples of it, in pixels.
            max_picture_tokens: Larger pictures are scaled down.
            augment: Change the pictures a little.
            token_noise: Share of the answers' tokens that are replaced in what the model is shown.
            rehearsed: What takes the place of a None among the examples: another one each time.
            seed: Of augmentation, noise and rehearsal.
        """
        self._token_noise, self._rehearsed = token_noise, rehearsed
        self._processor, self._tokenizer = processor, processor.tokenizer
        self._multiple = multiple
        self._largest_pixels = max_picture_tokens * multiple * multiple
        self._augment = augment
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self.batches_made = 0
        """Set to the first step of a resumed run: its pictures are then changed as they would have been."""

    def __call__(self, examples: Sequence[Example | None]) -> dict[str, torch.Tensor]:
        """Collate.

        Returns:
            input_ids, attention_mask, labels, mm_token_type_ids: (batch, length); pixel_values: (patches, values);
            image_grid_thw: (pictures, 3); picture_counts, is_rehearsed: (batch,).
        """
        import torch

        self._random = np.random.default_rng((self._seed, self.batches_made))
        self.batches_made += 1
        drawn = [int(self._random.integers(len(self._rehearsed))) if e is None else -1 for e in examples]
        chosen = [self._rehearsed[i] if e is None else e for i, e in zip(drawn, examples, strict=True)]
        encoded = [self.encode(e) for e in chosen]
        batch = pad_batch(encoded, self._tokenizer.pad_token_id, self._processor.image_token_id)
        batch["is_rehearsed"] = torch.tensor([i >= 0 for i in drawn])
        if self._token_noise:
            spoil_tokens(batch, self._token_noise, self._random)
        return batch

    def encode(self, example: Example) -> Encoded:
        """Tokenize one conversation and cut its pictures into patches."""
        import torch

        waiting = [self._picture(path) for path in example.pictures]
        ids: list[int] = []
        labels: list[int] = []
        pixels, grids = [], []
        for text, pictures, is_answer in _segments(self._processor, example.messages):
            mine, waiting = waiting[:pictures], waiting[pictures:]
            if mine:
                inputs = self._processor(text=[text], images=mine, return_tensors="pt", add_special_tokens=False)
                new = inputs["input_ids"][0].tolist()
                pixels.append(inputs["pixel_values"])
                grids.append(inputs["image_grid_thw"])
            else:
                new = self._tokenizer(text, add_special_tokens=False)["input_ids"]
            ids += new
            labels += new if is_answer else [IGNORED] * len(new)
        return Encoded(ids, labels, torch.cat(pixels), torch.cat(grids))

    def _picture(self, path: Any) -> Any:
        from PIL import Image

        grey = load_picture(path)
        if self._augment:
            grey = augmented(grey, self._random)
        if grey.size > self._largest_pixels:
            factor = (self._largest_pixels / grey.size) ** 0.5
            size = (max(1, int(grey.shape[1] * factor)), max(1, int(grey.shape[0] * factor)))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        return Image.fromarray(pad_to_multiple(grey, self._multiple)).convert("RGB")


def pad_batch(encoded: Sequence[Encoded], pad_id: int, image_id: int) -> dict[str, torch.Tensor]:
    """Pad to the longest on the right."""
    import torch

    length = max(len(e.input_ids) for e in encoded)
    ids = torch.full((len(encoded), length), pad_id)
    labels = torch.full((len(encoded), length), IGNORED)
    mask = torch.zeros(len(encoded), length, dtype=torch.long)
    for i, e in enumerate(encoded):
        count = len(e.input_ids)
        ids[i, :count] = torch.tensor(e.input_ids)
        labels[i, :count] = torch.tensor(e.labels)
        mask[i, :count] = 1
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": labels,
        "mm_token_type_ids": ((ids == image_id) & (mask == 1)).long(),
        "pixel_values": torch.cat([e.pixel_values for e in encoded]),
        "image_grid_thw": torch.cat([e.image_grid_thw for e in encoded]),
        "picture_counts": torch.tensor([len(e.image_grid_thw) for e in encoded]),
    }


def spoil_tokens(batch: dict[str, torch.Tensor], share: float, random: np.random.Generator) -> None:
    """Replace a share of the answers' tokens by others of the batch, in what the model is shown alone.

    A model that learns few formulas many times over knows them by heart; where what it is shown as written so far
    cannot be trusted, it has to look at the picture. The labels stay right. Rehearsed rows are left as they are.
    """
    import torch

    # The last token of an answer leads to nothing.
    answers = (batch["labels"] != IGNORED) & (batch["labels"].roll(-1, 1) != IGNORED)
    answers[:, -1] = False
    if "is_rehearsed" in batch:
        answers &= ~batch["is_rehearsed"][:, None]
    places = answers.nonzero()
    if not len(places):
        return
    chosen = places[torch.from_numpy(random.random(len(places)) < share)]
    others = places[torch.from_numpy(random.integers(len(places), size=len(chosen)))]
    ids = batch["input_ids"]
    ids[chosen[:, 0], chosen[:, 1]] = ids[others[:, 0], others[:, 1]].clone()


def split_batch(batch: dict[str, torch.Tensor], rows_at_once: int) -> list[dict[str, torch.Tensor]]:
    """Cut a collated batch into micro-batches of rows of similar length, without the padding they do not need.

    Args:
        batch: From AnswerCollator.
        rows_at_once: Rows of a micro-batch at most.

    Returns:
        Batches without `picture_counts`, ready for the model but for `is_rehearsed`, which is true of all their rows or
        of none.
    """
    import torch

    lengths = batch["attention_mask"].sum(1)
    patches = batch["image_grid_thw"].prod(1)
    pictures = torch.split(batch["image_grid_thw"], batch["picture_counts"].tolist())
    patches_of_row = [int(grid.prod(1).sum()) for grid in pictures]
    pixels = torch.split(batch["pixel_values"], patches_of_row)
    assert int(patches.sum()) == len(batch["pixel_values"])
    is_rehearsed = batch["is_rehearsed"].tolist() if "is_rehearsed" in batch else [False] * len(lengths)
    order = sorted(range(len(lengths)), key=lambda i: (int(lengths[i]), i))
    pieces = []
    for rows in (
        part[start : start + rows_at_once]
        for part in ([i for i in order if not is_rehearsed[i]], [i for i in order if is_rehearsed[i]])
        for start in range(0, len(part), rows_at_once)
    ):
        length = int(lengths[rows].max())
        names = ("input_ids", "attention_mask", "labels", "mm_token_type_ids")
        piece = {name: batch[name][rows, :length] for name in names}
        piece["pixel_values"] = torch.cat([pixels[i] for i in rows])
        piece["image_grid_thw"] = torch.cat([pictures[i] for i in rows])
        if "is_rehearsed" in batch:
            piece["is_rehearsed"] = batch["is_rehearsed"][rows]
        pieces.append(piece)
    return pieces


def _segments(processor: Any, messages: Sequence[dict[str, Any]]) -> list[tuple[str, int, bool]]:
    """Texts of a conversation in turn, with the number of pictures in each and whether it is an answer.

    An answer runs from where the model begins to write to the end of its turn, the end token included.

    Raises:
        ValueError: The chat template does not put answers behind its generation prompt.
    """
    segments: list[tuple[str, int, bool]] = []
    done = ""
    for k, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = processor.apply_chat_template(list(messages[:k]), add_generation_prompt=True, tokenize=False)
        after = processor.apply_chat_template(list(messages[: k + 1]), tokenize=False)
        if not before.startswith(done) or not after.startswith(before):
            raise ValueError("the chat template changes earlier turns, so that answers cannot be told from questions")
        pictures = sum(part["type"] == "image" for m in messages[:k] for part in m["content"])
        pictures -= sum(count for _, count, _ in segments)
        segments += [(before[len(done) :], pictures, False), (after[len(before) :], 0, True)]
        done = after
    return segments
