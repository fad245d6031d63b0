"""Train the network that finds formulas on scanned pages, on pages typeset or written while it learns.

    python -m finetune.pretrain.train_scan_detector --formulas FILE… --out DIR --seconds 1400 --workers 9 --device cuda
    python -m finetune.pretrain.train_scan_detector --pages written --data DATA --hands hands.json --formulas FILE… …

Worker processes typeset documents of the `dev` split, or write pages with the ink of training writers, scan and clean
them (detector_pages.py); the training draws crops of them (detector_batches.py) for a fixed time. DIR gets log.jsonl,
checkpoint.pt as it goes on, and at the end scan_detector.onnx or written_detector.onnx, for which the package onnx is
needed. Typesetting needs pdflatex on the PATH, or a tree of tex_tree.py (`--pages`).
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from docproc.scan_detector import CHANNELS, CLASSES, to_cells
from finetune.pretrain.detector_batches import PageStore, PageStream, cut_crops, spoil
from finetune.pretrain.detector_network import DetectorNetwork, export_onnx, halve_weights
from finetune.pretrain.detector_pages import CORE, GAP, IGNORED, TypesetPages, WrittenPages
from finetune.pretrain.page_formulas import load_formulas
from finetune.pretrain.written_pages import load_stock

_FILES = {"typeset": "scan_detector.onnx", "written": "written_detector.onnx"}
# Written pages of each worker for the evaluations: documents of one page.
_CHECK_PAGES = 6
# Weight of the cells between neighbors, which a few cells decide, beside other cells.
_GAP_WEIGHT = 4.0


@dataclass
class DetectorOptions:
    """Everything that a run depends on."""

    formulas: list[Path] = field(default_factory=list)
    pages: str = "typeset"
    """`typeset` or `written`."""
    data: Path = Path("data")
    """Folder of prepare.py: the ink of written pages."""
    hands: Path = Path("hands.json")
    """File of pen_fonts.py: letters of the words of written pages."""
    out: Path = Path("out")
    seconds: float = 1400.0
    """Length of the schedule; a file `seconds` in `out` with another number changes it under way."""
    done: float = 0.0
    """Seconds of the schedule that an earlier run did (with `init`)."""
    workers: int = 9
    device: str = "cuda"
    batch: int = 32
    height: int = 576
    width: int = 768
    rate: float = 0.003
    decay: float = 0.02
    warm_up: int = 200
    zoom: float = 0.2
    """Crops are up to exp(zoom) times as large or small."""
    average: float = 0.998
    """Of the weights that are kept: an average over about 500 steps."""
    room: int = 6000
    """Pages on the device (1.5 MB each)."""
    start_with: int = 64
    """Pages to wait for before the first step."""
    seed: int = 1
    log_every: int = 100
    evaluate_every: float = 150.0
    init: str = ""
    """checkpoint.pt to go on from."""


def main() -> None:
    """Read the options, train, write the network and the log."""
    options = _parse()
    options.out.mkdir(parents=True, exist_ok=True)
    store = PageStore(_stream(options), options.workers, options.room, options.device)
    torch.manual_seed(options.seed)
    torch.backends.cudnn.benchmark = True
    trainer = DetectorTrainer(options, store)
    trainer.run()
    trainer.save()
    file = options.out / _FILES[options.pages]
    export_onnx(trainer.averaged, file)
    check_export(file, trainer.averaged)
    halve_weights(file)
    print("END", flush=True)


def _stream(options: DetectorOptions) -> PageStream:
    if options.pages == "typeset":
        formulas = load_formulas(options.formulas, "dev")
        print(f"{len(formulas)} formulas", flush=True)
        return PageStream(TypesetPages(formulas), options.seed)
    stocks = [load_stock(options.data, options.hands, options.formulas, split) for split in ("train", "dev")]
    for stock in stocks:
        print(f"{stock.split}: {len(stock.inks)} inks, {len(stock.hands)} hands, {len(stock.formulas)} formulas")
    train, dev = (WrittenPages(stock) for stock in stocks)
    return PageStream(train, options.seed, dev, documents=_CHECK_PAGES)


def _parse() -> DetectorOptions:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for f in dataclasses.fields(DetectorOptions):
        name = "--" + f.name.replace("_", "-")
        if f.name == "formulas":
            parser.add_argument(name, type=Path, nargs="+", required=True)
        elif f.name == "pages":
            parser.add_argument(name, choices=sorted(_FILES), default=f.default)
        else:
            parser.add_argument(name, type=type(f.default), default=f.default)
    return DetectorOptions(**vars(parser.parse_args()))


def losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss to minimize and its parts.

    Args:
        logits: Of cells, shape (n, CHANNELS, rows, columns).
        labels: Bytes of detector_pages.paint_labels, shape (n, rows, columns).
    """
    labels = labels.long()
    known = ((labels & IGNORED) == 0).float()
    weight = known * (1 + (_GAP_WEIGHT - 1) * ((labels & GAP) > 0).float())
    kinds = labels & 3
    entropy = (F.cross_entropy(logits[:, :-1], kinds, reduction="none") * weight).sum() / weight.sum()
    shares = logits[:, :-1].softmax(dim=1)
    truth = F.one_hot(kinds, len(CLASSES)).permute(0, 3, 1, 2).float()
    overlap = _dice(shares[:, 1:], truth[:, 1:], known[:, None])
    core = ((labels & CORE) > 0).float()
    core_entropy = (F.binary_cross_entropy_with_logits(logits[:, -1], core, reduction="none") * weight).sum()
    core_entropy = core_entropy / weight.sum()
    core_overlap = _dice(logits[:, -1:].sigmoid(), core[:, None], known[:, None])
    total = entropy + 0.5 * overlap.mean() + core_entropy + 0.5 * core_overlap.mean()
    parts = {"entropy": entropy, "core_entropy": core_entropy, "core_dice": core_overlap.mean()}
    parts |= {f"{name}_dice": value for name, value in zip(CLASSES[1:], overlap, strict=True)}
    return total, {name: value.detach() for name, value in parts.items()}


def _dice(shares: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """One minus the overlap, 0-1, for each channel."""
    both = (shares * truth * known).sum(dim=(0, 2, 3))
    return 1 - (2 * both + 1) / (((shares + truth) * known).sum(dim=(0, 2, 3)) + 1)


class DetectorTrainer:
    """The training loop and its state."""

    def __init__(self, options: DetectorOptions, store: PageStore) -> None:
        """Random weights, or those of `options.init`."""
        self.options, self.store = options, store
        self.network = DetectorNetwork().to(options.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if options.init:
            self.network.load_state_dict(torch.load(options.init, map_location=options.device, weights_only=True))
        self.averaged = copy.deepcopy(self.network)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": options.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98))
        self.rng = random.Random(options.seed)
        self.log = (options.out / "log.jsonl").open("a", encoding="utf-8")

    def run(self) -> None:
        """Train until the seconds are over."""
        o = self.options
        self.store.wait_for(o.start_with)
        start = time.perf_counter() - o.done
        evaluated, step = o.done, 0
        sums: dict[str, Tensor] = {}
        self.network.train()
        while (seconds := time.perf_counter() - start) < o.seconds:
            self.store.refresh()
            rate = o.rate * min(1.0, (step + 1) / o.warm_up) * (0.5 + 0.5 * math.cos(math.pi * seconds / o.seconds))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            parts = self._step(min(o.average, (1 + step) / (10 + step)))
            step += 1
            for name, value in parts.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
            if step % o.log_every == 0:
                if (o.out / "seconds").exists():
                    o.seconds = float((o.out / "seconds").read_text())
                row = {"t": round(seconds), "step": step, "pages": self.store.received}
                self._write(row | {name: round(float(value) / o.log_every, 4) for name, value in sums.items()})
                sums = {}
            if seconds - evaluated > o.evaluate_every:
                evaluated = seconds
                self._write({"t": round(seconds), "step": step} | self.evaluate())
                self.save()
        self._write(
            {"t": round(time.perf_counter() - start), "step": step, "pages": self.store.received} | self.evaluate()
        )

    def _step(self, keep: float) -> dict[str, Tensor]:
        o = self.options
        ink, labels = cut_crops(self.store.draw(o.batch, self.rng), (o.height, o.width), self.rng, o.zoom)
        ink = spoil(ink, self.rng).to(memory_format=torch.channels_last)
        with torch.autocast(o.device, torch.bfloat16, enabled=o.device == "cuda"):
            answer = self.network(ink)
        loss, parts = losses(as_cells(answer.float()), labels)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            for kept, now in zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True):
                if kept.dtype.is_floating_point:
                    kept.lerp_(now, 1 - keep)
                else:
                    kept.copy_(now)
        return parts

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """Overlap of found and true cells of whole pages that are never trained on, by class."""
        self.averaged.eval()
        both, either = torch.zeros(CHANNELS), torch.zeros(CHANNELS)
        for image, labels in self.store.checks:
            height, width = ((side + 255) // 256 * 256 for side in image.shape)
            page = F.pad(image.float() / 255, (0, width - image.shape[1], 0, height - image.shape[0]))
            cells = as_cells(self.averaged(page[None, None]))[0, :, : labels.shape[0], : labels.shape[1]]
            known = (labels & IGNORED) == 0
            kinds = cells[:-1].argmax(dim=0)
            pairs = [(kinds == k, (labels & 3) == k) for k in range(len(CLASSES))]
            pairs.append((cells[-1] > 0, (labels & CORE) > 0))
            for channel, (found, true) in enumerate(pairs):
                both[channel] += (found & true & known).sum().cpu()
                either[channel] += ((found | true) & known).sum().cpu()
        names = (*CLASSES, "core")
        return {
            f"iou_{name}": round(float(b / max(1.0, float(e))), 4)
            for name, b, e in zip(names, both, either, strict=True)
        }

    def save(self) -> None:
        """Write the averaged weights."""
        torch.save(self.averaged.state_dict(), self.options.out / "checkpoint.pt")

    def _write(self, row: dict[str, Any]) -> None:
        line = json.dumps(row)
        print(line, flush=True)
        self.log.write(line + "\n")
        self.log.flush()


def as_cells(answer: Tensor) -> Tensor:
    """`docproc.scan_detector.to_cells` for a batch: (n, CHANNELS * 4, h, w) -> (n, CHANNELS, 2 h, 2 w)."""
    return F.pixel_shuffle(answer, 2)


def check_export(path: Path, network: DetectorNetwork) -> None:
    """Compare what OpenCV makes of the file with the network itself, on a page of another size than it was written for.

    Raises:
        RuntimeError: They differ.
    """
    import cv2

    page = torch.rand(1, 1, 320, 416)
    loaded = cv2.dnn.readNetFromONNX(str(path))
    loaded.setInput(page.numpy())
    with torch.no_grad():
        want = as_cells(network(page))[0].numpy()
    difference = float(abs(to_cells(loaded.forward()[0]) - want).max())
    if difference > 1e-3:
        raise RuntimeError(f"OpenCV reads {path} differently: logits differ by {difference:.3g}")
    print(f"SAVED {path}, {path.stat().st_size / 1e6:.2f} MB; OpenCV agrees within {difference:.1e}", flush=True)


if __name__ == "__main__":
    main()
