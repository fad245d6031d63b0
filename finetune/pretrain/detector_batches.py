"""Batches for the detector: pages from worker processes, kept on the device; crops of them, bent and spoiled anew."""

from __future__ import annotations

import math
import queue
import random
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from docproc.scan_detector import CELL_PIXELS
from finetune.pretrain.detector_pages import PageSource

# Benchmarks take documents of seeds below 10,000,000 (pages.py); training takes these, evaluations those just below.
_FIRST_SEED, _CHECK_SEED = 100_000_000, 99_000_000
# Spread of the crops: zoom each way beside the x-height's own errors, turn left over by the clean-up, bend of a line.
_ZOOM, _ASPECT, _TURN_DEGREES, _BEND_PIXELS = 0.2, 0.05, 0.35, 2.5

PagePair = tuple[Tensor, Tensor]
"""Ink of shape (height, width), uint8, 255 = ink; labels of shape (rows, columns), uint8."""


class PageStream(torch.utils.data.IterableDataset[tuple[bool, np.ndarray, np.ndarray]]):
    """Endless pages; each worker process makes documents of its own, the first of them for the evaluations."""

    def __init__(self, source: PageSource, seed: int, checks: PageSource | None = None, documents: int = 1) -> None:
        """Documents from `_FIRST_SEED` + 1,000,000 times `seed` on; those of the evaluations are always the same.

        Args:
            source: Of the pages to train on.
            seed: Other pages with each.
            checks: Source of the pages for the evaluations; None for the same one.
            documents: Of each worker for the evaluations.
        """
        self._source, self._seed, self._checks, self._documents = source, seed, checks or source, documents

    def __iter__(self) -> Iterator[tuple[bool, np.ndarray, np.ndarray]]:
        """Yield whether it is a page for the evaluations, image and labels of one page after the other."""
        import cv2

        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        number, count = (worker.id, worker.num_workers) if worker else (0, 1)
        for check in range(self._documents):
            for page in self._checks.pages(_CHECK_SEED + number + check * count):
                yield True, page.image, page.labels
        document = _FIRST_SEED + 1_000_000 * self._seed + number
        while True:
            for page in self._source.pages(document):
                yield False, page.image, page.labels
            document += count


class PageStore:
    """Pages on the device, filled by a thread; full, it replaces one at random.

    `checks` are the pages for the evaluations, which are never drawn from.
    """

    def __init__(self, stream: PageStream, workers: int, room: int, device: str) -> None:
        """Start the workers (before anything else starts CUDA)."""
        self._device, self._room = device, room
        self.checks: list[PagePair] = []
        self._pages: list[PagePair] = []
        self._fresh: queue.Queue[tuple[bool, PagePair]] = queue.Queue(64)
        self.received = 0
        # Arrays go through pipes: tensors would need shared memory, which small machines lack.
        self._loader = iter(
            torch.utils.data.DataLoader(
                stream,
                batch_size=None,
                num_workers=workers,
                collate_fn=_as_it_is,
                prefetch_factor=4 if workers else None,
            )
        )
        self._error: BaseException | None = None
        threading.Thread(target=self._receive, daemon=True).start()

    def wait_for(self, count: int) -> None:
        """Block until there are so many pages.

        Raises:
            RuntimeError: The workers failed.
        """
        while len(self._pages) < count:
            self._take(self._next(timeout=600.0))

    def refresh(self) -> None:
        """Take in what has come since."""
        while True:
            try:
                self._take(self._fresh.get_nowait())
            except queue.Empty:
                break
        if self._error is not None:
            raise RuntimeError("a worker that makes pages failed") from self._error

    def draw(self, count: int, rng: random.Random) -> list[PagePair]:
        """Pages at random."""
        return [rng.choice(self._pages) for _ in range(count)]

    def _next(self, timeout: float) -> tuple[bool, PagePair]:
        try:
            return self._fresh.get(timeout=timeout)
        except queue.Empty:
            raise RuntimeError("no page came from the workers: is pdflatex on the PATH?") from self._error

    def _take(self, item: tuple[bool, PagePair]) -> None:
        is_check, page = item
        image, labels = (part.to(self._device) for part in page)
        self.received += 1
        if is_check:
            self.checks.append((image, labels))
        elif len(self._pages) < self._room:
            self._pages.append((image, labels))
        else:
            self._pages[random.randrange(self._room)] = image, labels

    def _receive(self) -> None:
        try:
            for is_check, image, labels in self._loader:
                self._fresh.put((is_check, (torch.from_numpy(255 - image), torch.from_numpy(labels))))
        except BaseException as error:  # raised again by the training
            self._error = error


def _as_it_is(page: Any) -> Any:
    return page


def cut_crops(
    pages: Sequence[PagePair], size: tuple[int, int], rng: random.Random, zoom: float = _ZOOM
) -> tuple[Tensor, Tensor]:
    """Cut a crop out of every page, zoomed, turned and bent a little.

    Args:
        pages: Of one device.
        size: Height and width of the crops.
        rng: Source of chance.
        zoom: Natural logarithm of the most that a crop is enlarged or reduced.

    Returns:
        Ink of shape (n, 1, height, width), float32 0-1, and labels of shape (n, height / 2, width / 2), uint8.
    """
    crops, labels = [], []
    for image, label in pages:
        places = _places(image.shape, size, rng, image.device, zoom)
        ink = image.float()[None, None] / 255
        crops.append(F.grid_sample(ink, places[None], mode="bilinear", align_corners=False))
        cells = F.avg_pool2d(places.permute(2, 0, 1)[None], CELL_PIXELS).permute(0, 2, 3, 1)
        # The last cell of a page may reach over its edge: cells are measured from the page's own size.
        stretch = [
            side / (CELL_PIXELS * count) for side, count in zip(image.shape[::-1], label.shape[::-1], strict=True)
        ]
        cells = (cells + 1) * torch.tensor(stretch, device=cells.device) - 1
        labels.append(F.grid_sample(label.float()[None, None], cells, mode="nearest", align_corners=False)[:, 0])
    return torch.cat(crops), torch.cat(labels).to(torch.uint8)


def _places(
    shape: Sequence[int], size: tuple[int, int], rng: random.Random, device: torch.device, most: float
) -> Tensor:
    """Where on the page each pixel of the crop is taken from: (height, width, 2) of x and y in -1..1."""
    (height, width), (rows, columns) = shape, size
    zoom = math.exp(rng.uniform(-most, most))
    across, down = zoom * math.exp(rng.gauss(0, _ASPECT)), zoom
    turn = math.radians(rng.gauss(0, _TURN_DEGREES))

    def start(length: int, reach: float) -> float:  # a quarter of a crop may hang over the page's edge
        free = length - reach
        return (
            free / 2 if free < -0.5 * reach else rng.uniform(min(0.0, free) - 0.1 * reach, max(0.0, free) + 0.1 * reach)
        )

    left, top = start(width, columns * across), start(height, rows * down)
    y, x = torch.meshgrid(
        torch.arange(rows, device=device) + 0.5, torch.arange(columns, device=device) + 0.5, indexing="ij"
    )
    x, y = x * across, y * down
    bend = rng.gauss(0, _BEND_PIXELS) if rng.random() < 0.4 else 0.0
    y = y + bend * torch.sin(x * (rng.uniform(0.5, 1.5) * math.pi / max(1, width)) + rng.uniform(0, 6.3))
    turned_x, turned_y = x - turn * y, y + turn * x
    return torch.stack([(left + turned_x) * (2 / width) - 1, (top + turned_y) * (2 / height) - 1], dim=-1)


def spoil(ink: Tensor, rng: random.Random) -> Tensor:
    """Change weight, sharpness, contrast and noise of crops of shape (n, 1, height, width); each in its own way."""
    count, device = len(ink), ink.device

    def each(low: float, high: float) -> Tensor:
        return torch.tensor([rng.uniform(low, high) for _ in range(count)], device=device).view(-1, 1, 1, 1)

    def chosen(share: float) -> Tensor:
        return torch.tensor([rng.random() < share for _ in range(count)], device=device).view(-1, 1, 1, 1)

    fat, thin = F.max_pool2d(ink, 3, 1, 1), -F.max_pool2d(-ink, 3, 1, 1)
    ink = torch.where(chosen(0.15), ink + each(0.1, 0.5) * (fat - ink), ink)
    ink = torch.where(chosen(0.1), ink + each(0.05, 0.3) * (thin - ink), ink)
    soft = F.avg_pool2d(F.avg_pool2d(ink, 3, 1, 1, count_include_pad=False), 3, 1, 1, count_include_pad=False)
    ink = torch.where(chosen(0.4), ink + each(0.1, 0.8) * (soft - ink), ink)
    ink = torch.where(chosen(0.15), (ink + each(0.2, 0.8) * (ink - soft)).clamp(0, 1), ink)
    ink = torch.where(chosen(0.4), ink.clamp(1e-4, 1) ** each(0.6, 1.7), ink)
    ink = torch.where(chosen(0.4), ink * each(0.55, 1.0), ink)
    noise = torch.randn_like(ink) * each(0.01, 0.07)
    return torch.where(chosen(0.35), (ink + noise).clamp(0, 1), ink)
