"""Train the built-in recogniser from random weights (or `--init`) on freshly typeset pictures.

    python -m finetune.pretrain.train --data FOLDER --out FOLDER --seconds 1400

FOLDER of the data holds formulas.jsonl.xz, handwriting.jsonl.xz, heldout.zip, glyphs.json and tokenizer.json
(`python -m finetune.pretrain.prepare`). The whole schedule runs down to a rate of zero within the given seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from docproc.latex.canonical import recognition_target
from docproc.model.load import CHECKSUMS, load_built_in_weights
from finetune.pretrain.batches import Batch, Budget, Sample, group_samples, pack
from finetune.pretrain.decoding import read_pictures
from finetune.pretrain.heldout import Picture, load_sets
from finetune.pretrain.ink import load_inks
from finetune.pretrain.network import PackedNetwork, Shape, build_network
from finetune.pretrain.optimizer import Optimizer
from finetune.pretrain.pen_fonts import load_hands
from finetune.pretrain.pen_symbols import load_drawn
from finetune.pretrain.replay import Replay
from finetune.pretrain.scores import evaluate, report
from finetune.pretrain.sources import load_formulas, split_inks
from finetune.pretrain.stream import Corpus, Curriculum, Producer, TrainingStream, encode, load_words
from finetune.pretrain.typeset import FAMILIES
from finetune.pretrain.weights import load_weights, save_weights


@dataclass
class TrainOptions:
    """Everything that a run depends on."""

    data: Path = Path(".run")
    out: Path = Path("out")
    init: str = ""
    """Folder of weights to go on from (a checkpoint of this program, or docproc/model); empty for random ones."""
    seconds: float = 1400.0
    started: float = 0.0
    """Seconds of the curriculum that count as done (a later round starts late in it)."""
    workers: int = 15
    tex: str = "pdflatex"
    families: str = ",".join(FAMILIES)
    handwriting: bool = True
    muon_rate: float = 0.015
    adam_rate: float = 0.002
    decay: float = 0.1
    warm_up: int = 120
    flat: float = 0.35
    """Share of the run before the rate begins to fall."""
    glyph_weight: float = 1.0
    """Weight of the auxiliary glyph loss."""
    noise: float = 0.1
    """Mean share of random tokens shown to the decoder."""
    again: int = 0
    """How often a batch is seen again at most, with other noise, while the loader has no new one ready."""
    kept: int = 4_000
    """Batches kept for that on the device, 7 MB each."""
    cells: int = 24_576
    """Visual tokens of a batch."""
    labels: int = 16_384
    samples: int = 320
    sample_cells: int = 800
    sample_labels: int = 400
    width: int = 384
    text_layers: int = 6
    vision_layers: int = 8
    seed: int = 1
    log_every: int = 50
    evaluate_every: float = 180.0
    save_every: float = 200.0
    quick: int = 160
    """Pictures of each set in the evaluations along the way."""
    device: str = "cuda"
    compiled: bool = True
    final: int = 0
    """Limit of pictures in the final evaluation, 0 for all."""


@dataclass
class Progress:
    """Sums since the last line of the log."""

    start: float
    source: Replay
    steps: int = 0
    samples: int = 0
    waited: float = 0.0
    since: int = 0
    sums: list[Tensor] = field(default_factory=list)


def main() -> None:
    """Read the options, train, evaluate, write weights, log and figures."""
    options = _parse()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    corpus = load_corpus(options)
    clock = multiprocessing.Value("d", options.started)
    budget = Budget(options.cells, options.labels, options.samples, options.sample_cells, options.sample_labels)
    stream = TrainingStream(corpus, Curriculum(), budget, clock, options.noise)
    loader = torch.utils.data.DataLoader(
        stream,
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=2 if options.workers else None,
        pin_memory=options.device == "cuda",
    )
    batches = iter(loader)  # workers are forked before CUDA starts
    print(f"{len(corpus.formulas)} formulas, {len(corpus.inks)} inks, {len(corpus.words)} words", flush=True)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    model = build_network(
        len(corpus.words), Shape(options.width, options.text_layers, vision_layers=options.vision_layers)
    )
    if options.init:
        folder = Path(options.init)
        built_in = (folder / CHECKSUMS).exists()
        model.load_state_dict(load_built_in_weights(folder) if built_in else load_weights(folder), strict=False)
        model.tie_weights()
    model.to(options.device)
    sets = quick_sets(corpus, budget, options)
    trainer = Trainer(model, corpus, budget, options, sets)
    trainer.run(batches, clock)
    save_weights(model, options.out / "weights")
    print("SAVED final weights", flush=True)
    pictures = load_sets(options.data / "heldout.zip")
    if options.final:
        pictures = random.Random(1).sample(pictures, min(options.final, len(pictures)))
    model.eval()
    report(trainer.reader, pictures, trainer.tokenizer, options.out)
    print("END", flush=True)


def _parse() -> TrainOptions:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    return TrainOptions(**vars(parser.parse_args()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the fields of `TrainOptions` as command-line options."""
    for f in dataclasses.fields(TrainOptions):
        name, default = "--" + f.name.replace("_", "-"), f.default
        if isinstance(default, bool):
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=default)
        else:
            parser.add_argument(name, type=type(default), default=default)


def load_corpus(options: TrainOptions) -> Corpus:
    """Read the training data of `options.data`; formulas with tokens outside the vocabulary are left out."""
    words = load_words(options.data / "tokenizer.json")
    formulas, labels = [], []
    for f in load_formulas(options.data / "formulas.jsonl.xz"):
        ids = encode(f.target, words)
        if ids and len(ids) <= options.sample_labels:
            formulas.append(f)
            labels.append(ids)
    inks, ink_labels = [], []
    if options.handwriting:
        for ink in split_inks(load_inks(options.data / "handwriting.jsonl.xz"))[0]:
            ids = encode(recognition_target(ink.latex) or "\x02", words)
            if ids:
                inks.append(ink)
                ink_labels.append(ids)
    glyphs = {int(k): v for k, v in json.loads((options.data / "glyphs.json").read_text()).items()}
    families, formats = tuple(options.families.split(",")), options.out / "formats"
    drawn = load_drawn(options.data / "pen_symbols.json") if options.handwriting else {}
    hands = load_hands(options.data / "hands.json", "train") if options.handwriting else []
    return Corpus(formulas, labels, inks, ink_labels, words, glyphs, families, options.tex, drawn, hands, formats)


def quick_sets(corpus: Corpus, budget: Budget, options: TrainOptions) -> dict[str, list[Picture] | list[Sample]]:
    """Small sets for the evaluations along the way: random formulas of at most 4 and 25 tokens, and held-out ones."""
    producer = Producer(corpus, Curriculum(real=((0, 0.0),)), budget, random.Random(77))
    randoms: list[Sample] = []
    while len(randoms) < 8 * options.quick:
        randoms += [s for s in producer.samples(65.0, 400) if s.group == "random"]
    pictures = load_sets(options.data / "heldout.zip")
    rng = random.Random(5)
    rng.shuffle(pictures)
    sets: dict[str, list[Picture] | list[Sample]] = {
        "random<=4": [s for s in randoms if len(s.ids) <= 4][: options.quick],
        "random<=25": [s for s in randoms if 4 < len(s.ids) <= 25][: options.quick],
    }
    for name, kind in (
        ("clean", "inline"),
        ("clean", "display"),
        ("scan", "inline"),
        ("im2latex", "display"),
        ("ink-new", "handwriting"),
        ("written", "inline"),
        ("written", "display"),
    ):
        sets[f"{name} {kind}"] = [p for p in pictures if p.set == name and p.kind == kind][: options.quick]
    return sets


class Trainer:
    """The training loop and its state."""

    def __init__(self, model: Any, corpus: Corpus, budget: Budget, options: TrainOptions, sets: dict[str, Any]) -> None:
        from tokenizers import Tokenizer

        self.model, self.budget, self.options, self.sets = model, budget, options, sets
        cuda = options.device == "cuda"
        kind = torch.bfloat16 if cuda else torch.float32
        self.network = PackedNetwork(model, compiled=options.compiled, dtype=kind)
        self.reader = PackedNetwork(model, dtype=kind)
        self.tokenizer = Tokenizer.from_file(str(options.data / "tokenizer.json"))
        self.classes = max(corpus.glyph_classes.values()) + 1
        self.glyph_head = nn.Linear(options.width, self.classes).to(options.device)
        nn.init.normal_(self.glyph_head.weight, std=0.02)
        nn.init.constant_(self.glyph_head.bias, -5.0)
        self.optimizer = Optimizer(
            model, self.glyph_head, options.muon_rate, options.adam_rate, options.decay, options.warm_up, options.flat
        )
        self.curves: list[dict[str, Any]] = []

    def run(self, batches: Any, clock: Any) -> None:
        """Train until the seconds are over; the clock starts after compiling."""
        o = self.options
        words = len(self.tokenizer.get_vocab())
        source = Replay(batches, self.move, most=o.kept, again=o.again, words=words, noise=o.noise)
        first = self.widen(next(source))
        began = time.perf_counter()
        for _ in range(2):
            torch.autograd.backward(self.losses(first)[0])
            for p in self.optimizer.all:
                p.grad = None
        self._synchronize()
        print(f"compiled in {time.perf_counter() - began:.1f} s", flush=True)
        progress = Progress(time.perf_counter(), source)
        evaluated = saved = 0.0
        while (seconds := time.perf_counter() - progress.start) < o.seconds:
            clock.value = o.started + seconds
            waiting = time.perf_counter()
            batch = next(source)
            progress.waited += time.perf_counter() - waiting
            count = int(batch["count"])
            loss, parts = self.losses(self.widen(batch))
            torch.autograd.backward(loss)
            norm = self.optimizer.step(seconds / o.seconds)
            progress.steps, progress.since, progress.samples = (
                progress.steps + 1,
                progress.since + 1,
                progress.samples + count,
            )
            progress.sums.append(torch.stack([*parts, norm.detach()]))
            if progress.since == o.log_every:
                self._log(progress, batch)
            if seconds - evaluated > o.evaluate_every:
                evaluated = seconds
                self._evaluate(progress, first)
            if seconds - saved > o.save_every:
                saved = seconds
                threading.Thread(target=save_weights, args=(self.model, o.out / "weights")).start()
        self._log(progress, batch)

    def move(self, batch: Batch) -> Batch:
        """Move to the device, but for the count, which the log wants without a wait."""
        return {k: v if k == "count" else v.to(self.options.device, non_blocking=True) for k, v in batch.items()}

    @staticmethod
    def widen(batch: Batch) -> Batch:
        """What indexes becomes int64; sequence starts stay int32 as the kernel wants them."""
        return {
            k: v if k.endswith("starts") or v.dtype in (torch.uint8, torch.bool) else v.long() for k, v in batch.items()
        }

    def to_device(self, batch: Batch) -> Batch:
        """Move and widen."""
        return self.widen(self.move(batch))

    def _synchronize(self) -> None:
        if self.options.device == "cuda":
            torch.cuda.synchronize()

    def losses(self, b: Batch, blank: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Loss to minimize; and for the log: text loss, token accuracy, glyph loss, glyph recall."""
        budget = self.budget
        ink = torch.zeros_like(b["ink"]) if blank else b["ink"]
        visual = self.network.see(ink, b["rows"], b["columns"], b["vision_starts"], budget.longest_patches)
        hidden = self.network.read(
            visual, b["ids"], b["places"], b["positions"], b["text_starts"], budget.longest_tokens
        )
        logits = self.network.score(hidden[b["at"]])
        want = b["want"]
        text = F.cross_entropy(logits, want, ignore_index=-100)
        guess = self.glyph_head(visual.float())
        truth = torch.zeros(budget.cells + 1, self.classes, device=guess.device)
        truth[b["glyph_cell"], b["glyph_class"]] = 1.0
        truth = truth[:-1]
        seen = b["seen"].float()
        glyph = (
            F.binary_cross_entropy_with_logits(guess, truth, reduction="none").sum(-1) * seen
        ).sum() / seen.sum().clamp(min=1)
        with torch.no_grad():
            known = want != -100
            right = ((logits.argmax(-1) == want) & known).sum() / known.sum()
            recall = ((guess > 0) & (truth > 0)).sum() / truth.sum().clamp(min=1)
        return text + self.options.glyph_weight * glyph, [text.detach(), right, glyph.detach(), recall]

    def _log(self, p: Progress, batch: Batch) -> None:
        if not p.sums:
            return
        text, right, glyph, recall, norm = torch.stack(p.sums).float().mean(0).tolist()
        seconds = time.perf_counter() - p.start
        fill = float((batch["vision_starts"].diff() > 0).sum())
        row = {
            "t": round(seconds),
            "step": p.steps,
            "samples": p.samples,
            "ce": round(text, 4),
            "accuracy": round(right, 4),
            "glyph": round(glyph, 3),
            "recall": round(recall, 3),
            "norm": round(norm, 2),
        }
        row |= {
            "per_second": round(p.samples / seconds),
            "wait": round(p.waited),
            "again": round(p.source.again_share, 2),
            "batch": int(batch["count"]),
            "sequences": int(fill),
        }
        self.curves.append(row)
        print("LOG " + json.dumps(row), flush=True)
        p.sums, p.since = [], 0
        control = self.options.out / "seconds"  # a person may stretch or shorten a run under way
        if control.exists():
            self.options.seconds = float(control.read_text())

    @torch.no_grad()
    def _evaluate(self, p: Progress, first: Batch) -> None:
        began = time.perf_counter()
        self.model.eval()
        row: dict[str, Any] = {"t": round(began - p.start), "samples": p.samples}
        for name, members in self.sets.items():
            if members and isinstance(members[0], Sample):
                readings = read_pictures(self.reader, [s.ink for s in members], 40)
                row[name] = round(sum(r.ids == s.ids for r, s in zip(readings, members, strict=True)) / len(members), 3)
            elif members:
                records = evaluate(self.reader, members, self.tokenizer, 200)
                row[name] = round(sum(r["exact"] for r in records) / len(records), 3)
        texts = [self.losses(self.check_batch(first), blank)[1][0].item() for blank in (False, True)]
        row["right"], row["blank"] = round(texts[0], 3), round(texts[1], 3)
        row["took"] = round(time.perf_counter() - began, 1)
        self.curves.append(row)
        print("EVAL " + json.dumps(row), flush=True)
        (self.options.out / "curves.jsonl").write_text("".join(json.dumps(r) + "\n" for r in self.curves))
        self.model.train()

    def check_batch(self, first: Batch) -> Batch:
        """Random formulas never trained on, packed once: the loss gap between a blank and the right picture."""
        if not hasattr(self, "_check"):
            members = [s for name in ("random<=4", "random<=25") for s in self.sets[name]]
            batch = next(group_samples(members, self.budget))
            self._check = self.to_device(
                pack(batch, self.budget, 0.0, np.random.default_rng(0), len(self.tokenizer.get_vocab()))
            )
        return self._check


if __name__ == "__main__":
    main()
