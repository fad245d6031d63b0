"""Train shallower variants of the built-in model side by side on the same batches, for the table of size against speed.

    python -m finetune.pretrain.variants --variants 8x6,6x6,8x4,4x4 --data FOLDER --out FOLDER --init docproc/model ...

A variant VxT has V vision and T text layers, taken evenly from those of `--init`; the full depth goes along as the
control. Each takes every batch, so that differences are the layers' alone. All other options are those of `train.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import random
import re
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from docproc.model.load import load_built_in_weights
from finetune.pretrain.batches import Budget
from finetune.pretrain.heldout import load_sets
from finetune.pretrain.network import Shape, build_network
from finetune.pretrain.scores import report
from finetune.pretrain.stream import Curriculum, TrainingStream
from finetune.pretrain.train import Trainer, TrainOptions, add_options, load_corpus
from finetune.pretrain.weights import save_weights

_LAYER = re.compile(r"(.*\.(?:blocks|layers)\.)(\d+)(\..*)")


def spread_layers(weights: dict[str, Tensor], vision: int, text: int) -> dict[str, Tensor]:
    """Keep so many layers of each tower, evenly spread, the first and the last among them, and number them anew.

    Args:
        weights: Name to tensor, `…visual.blocks.N.…` and `…language_model.layers.N.…` among them.
        vision: Vision layers to keep, at least 2.
        text: Text layers to keep, at least 2.

    Returns:
        Name to tensor.
    """
    depth: dict[bool, int] = {}
    for name in weights:
        if match := _LAYER.fullmatch(name):
            is_vision = ".visual." in name
            depth[is_vision] = max(depth.get(is_vision, 0), int(match[2]) + 1)
    places = {
        is_vision: {round(i * (depth[is_vision] - 1) / (count - 1)): i for i in range(count)}
        for is_vision, count in ((True, vision), (False, text))
    }
    kept = {}
    for name, tensor in weights.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            kept[name] = tensor
        elif (place := places[".visual." in name].get(int(match[2]))) is not None:
            kept[f"{match[1]}{place}{match[3]}"] = tensor
    return kept


def _build(options: TrainOptions, words: int) -> Any:
    shape = Shape(options.width, options.text_layers, vision_layers=options.vision_layers)
    model = build_network(words, shape)
    weights = load_built_in_weights(Path(options.init))
    model.load_state_dict(spread_layers(weights, options.vision_layers, options.text_layers), strict=False)
    model.tie_weights()
    return model.to(options.device)


def main() -> None:
    """Read the options, train all variants, write their weights and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="8x6,6x6,8x4,4x4")
    add_options(parser)
    values = vars(parser.parse_args())
    names = values.pop("variants").split(",")
    options = TrainOptions(**values)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    corpus = load_corpus(options)
    clock = multiprocessing.Value("d", options.started)
    budget = Budget(options.cells, options.labels, options.samples, options.sample_cells, options.sample_labels)
    stream = TrainingStream(corpus, Curriculum(), budget, clock, options.noise)
    batches = iter(torch.utils.data.DataLoader(stream, batch_size=None, num_workers=options.workers, prefetch_factor=2))
    trainers = []
    for name in names:
        vision, text = map(int, name.split("x"))
        own = dataclasses.replace(options, vision_layers=vision, text_layers=text)
        trainers.append(Trainer(_build(own, len(corpus.words)), corpus, budget, own, {}))
    start, step, samples = time.perf_counter(), 0, 0
    sums = torch.zeros(len(trainers), device=options.device)
    while (seconds := time.perf_counter() - start) < options.seconds:
        clock.value = options.started + seconds
        batch = trainers[0].to_device(next(batches))
        for i, trainer in enumerate(trainers):
            loss, parts = trainer.losses(batch)
            torch.autograd.backward(loss)
            trainer.optimizer.step(seconds / options.seconds)
            sums[i] += parts[0]
        step, samples = step + 1, samples + int(batch["count"])
        if step % options.log_every == 0:
            means = dict(zip(names, [round(x, 4) for x in (sums / options.log_every).tolist()], strict=True))
            print(f"LOG {seconds:.0f} s, step {step}, {samples} samples, loss {means}", flush=True)
            sums.zero_()
    pictures = load_sets(options.data / "heldout.zip")
    if options.final:
        pictures = random.Random(1).sample(pictures, min(options.final, len(pictures)))
    for name, trainer in zip(names, trainers, strict=True):
        out = options.out / name
        save_weights(trainer.model, out / "weights")
        print(f"VARIANT {name}: {sum(p.numel() for p in trainer.model.parameters())} parameters", flush=True)
        trainer.model.eval()
        report(trainer.reader, pictures, trainer.tokenizer, out)
    print("END", flush=True)


if __name__ == "__main__":
    main()
