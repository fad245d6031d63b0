"""Try recipes for fine-tuning the built-in model, many at once on one GPU, by a lean loop of their own.

    python -m benchmarks.finetune_sweep DOMAINS [--seconds 95] [--processes 12]

DOMAINS is the folder of benchmarks/finetune_domains.py; recipes are chosen by `tune` and `print` alone, what is
reported is read off the other domains and `print-new`. Each trains on 270 formulas of a domain beside the keep pack and
prints one JSON line for each weight `alpha` of the tuned weights against the original ones: shares read exactly right
(teacher-forced: every token most likely, which is what greedy decoding writes) of the domain's held-out part, of clean
print, of the scored part of the keep pack, and of 30 training formulas kept apart.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty
from typing import Any

import click
import numpy as np

BASE: dict[str, Any] = {
    "pack": "new", "method": "full", "rate": 1e-4, "passes": 4, "batch": 8, "keep": 8, "noise": 0.1, "clean": 0.0,
    "kl": 0.0, "seen": 0.0, "rank": 16, "layers": "all", "seed": 0,
}  # fmt: skip
# pack: `new` is finetune/keep.parquet, another name is DOMAINS/keep-NAME.parquet. noise, clean: share of wrong tokens
# shown in the domain's and in the pack's answers. kl: weight of the distance between the original model's answers on
# the pack and those of the trained one. seen: the same for what the vision tower hands on.
VARIANTS: list[dict[str, Any]] = [
    {},
    {"pack": "old"},
    {"kl": 1.0},
    {"seen": 1.0},
    {"kl": 1.0, "seen": 1.0},
    {"seen": 1.0, "layers": "vision"},
    {"seen": 10.0, "layers": "vision"},
    {"layers": "vision"},
    {"batch": 6, "keep": 18, "kl": 1.0, "seen": 1.0},
    {"rate": 5e-5, "kl": 1.0, "seen": 1.0},
    {"rate": 2e-4, "kl": 1.0, "seen": 5.0},
    {"method": "lora", "rate": 1e-3, "kl": 1.0, "seen": 1.0},
    {"kl": 3.0, "seen": 10.0},
    {"batch": 6, "keep": 18},
]
ALPHAS = (1.0, 0.85, 0.7, 0.55)
VALIDATION = 30
Task = tuple[str, int, int]
"""Domain, variant and seed."""
SCORED = ("domain", "print", "kept", "validation")
REPORTED = ("print-new",)
CHOSEN_BY = "tune"


def load(domains: Path, names: Sequence[str], place: Path) -> dict[str, list[Any]]:
    """Checked examples of each domain (all that it has), of print (`print...`) and of keep packs (`keep-...`)."""
    found: dict[str, list[Any]] = {}
    for name in names:
        found[name] = _check(domains, name, place / name)
        print(f"{name}: {len(found[name])}", file=sys.stderr, flush=True)
    return found


def _check(domains: Path, name: str, place: Path) -> list[Any]:
    from docproc.checkpoints import BUILT_IN_FOLDER, load_processor
    from finetune.dataset import check_data
    from finetune.labels import Labels
    from finetune.readers import read_rows
    from finetune.rehearsal import REHEARSAL

    labels = Labels(load_processor(str(BUILT_IN_FOLDER)).tokenizer)
    source = domains / f"{name}.parquet" if name.startswith("keep-") else domains / name
    rows = read_rows(REHEARSAL if name == "keep-new" else source)
    if name.startswith("print"):  # all of it is held out, and something has to be there to train on
        some = itertools.islice(read_rows(domains / CHOSEN_BY), 1)
        return list(check_data(some, rows, (), labels, place, held_out_share=0, seed=0).held_out)
    checked = check_data(rows, (), (), labels, place, held_out_share=0, seed=0)
    return [*checked.train, *checked.held_out]


def divide(checked: dict[str, list[Any]], domains: Path, domain: str, pack: str) -> dict[str, list[Any]]:
    """What a recipe trains on and what it is scored on."""
    from finetune.rehearsal import rehearsed_part, scored_part

    rows = map(json.loads, (domains / domain / "labels.jsonl").read_text().splitlines())
    count = sum(row["split"] == "train" for row in rows)
    train, held_out = checked[domain][:count], checked[domain][count:]
    random.Random(0).shuffle(train)
    kept = checked[f"keep-{pack}"]
    return {
        "train": train[VALIDATION:],
        "validation": train[:VALIDATION],
        "domain": held_out,
        "keep": list(rehearsed_part(kept)),
        "kept": list(scored_part(kept)),
        # What is reported of print is not even looked at while recipes are chosen.
        **{name: checked[name] for name in checked if name == "print" or (name in REPORTED and domain != CHOSEN_BY)},
    }


class Seen:
    """What a model's vision tower handed on in its last forward pass."""

    def __init__(self, model: Any) -> None:
        self.found: Any = None
        merger = next(m for n, m in model.named_modules() if n.endswith("visual.merger"))
        merger.register_forward_hook(self._keep)

    def _keep(self, _module: Any, _given: Any, found: Any) -> None:
        self.found = found


def tune(
    recipe: dict[str, Any], parts: dict[str, list[Any]], device: str, deadline: float, most: int
) -> list[dict[str, Any]]:
    """Train by one recipe; returns figures for each alpha, and some on the way."""
    import torch

    from docproc.checkpoints import load_model_and_processor
    from finetune.collator import AnswerCollator

    torch.manual_seed(recipe["seed"])
    rng = random.Random(recipe["seed"])
    loaded = load_model_and_processor("built-in", device, dtype=torch.float32)
    model = loaded.model
    original = {n: p.detach().clone() for n, p in model.named_parameters()}
    teacher = copy.deepcopy(model).eval() if recipe["kl"] or recipe["seen"] else None
    watched = (Seen(model), Seen(teacher)) if teacher is not None else None
    plain = AnswerCollator(loaded.processor, 16, max_picture_tokens=1280)
    spoiled = AnswerCollator(loaded.processor, 16, max_picture_tokens=1280, augment=True, seed=recipe["seed"])
    at_once = 8 if device == "cpu" else 24
    sets = {
        name: sorted(parts[name][:most], key=lambda e: len(e.latex)) for name in (*SCORED, *REPORTED) if name in parts
    }
    batches = {
        name: [plain(found[i : i + at_once]) for i in range(0, len(found), at_once)] for name, found in sets.items()
    }
    found = []

    def score(step: int, alpha: float) -> None:
        model.eval()
        shares = {name: round(_share_right(model, held, device), 4) for name, held in batches.items()}
        found.append({"step": step, "alpha": alpha, **shares})

    score(0, 0.0)
    trained = _prepared(recipe, model)
    step_once = _optimizer(recipe, trained)
    steps = math.ceil(recipe["passes"] * len(parts["train"]) / recipe["batch"])
    ours_order, kept_order = _endless(parts["train"], rng), _endless(parts["keep"], rng)
    begun = time.monotonic()
    losses = []
    for step in range(steps):
        trained.train()
        ours = spoiled([next(ours_order) for _ in range(recipe["batch"])])
        kept = spoiled([next(kept_order) for _ in range(recipe["keep"])])
        count = sum((batch["labels"][:, 1:] != -100).sum().item() for batch in (ours, kept))
        total = _learn(trained, ours, recipe["noise"], count, device)
        guide = (teacher, watched, recipe["kl"], recipe["seen"]) if teacher is not None else None
        total += _learn(trained, kept, recipe["clean"], count, device, guide)
        losses.append(total)
        # The clock, too, ends a training: its rate falls with whichever is nearer.
        left = (deadline - time.monotonic()) / max(1e-9, deadline - begun)
        step_once(max(step / steps, 1 - left))
        if left <= 0:
            break
    seconds = time.monotonic() - begun
    if recipe["method"] == "lora":
        model = trained.merge_and_unload()
    tuned = {n: p.detach().clone() for n, p in model.named_parameters()}
    for alpha in ALPHAS:
        with torch.no_grad():
            for n, p in model.named_parameters():
                p.copy_(original[n].lerp(tuned[n], alpha))
        score(step + 1, alpha)
    found.append({"seconds": round(seconds, 1), "steps": step + 1, "of": steps,
                  "loss": [round(float(np.mean(part)), 3) for part in np.array_split(losses, 6)]})  # fmt: skip
    return found


def _learn(model: Any, batch: dict[str, Any], noise: float, count: int, device: str, guide: Any = None) -> float:
    """Work out the gradients of one batch; `guide` adds the distances from the original model."""
    import torch

    from finetune.collator import split_batch

    total = 0.0
    pieces = split_batch(batch, 8 if device == "cpu" else 64)
    for piece in pieces:
        piece = {k: v.to(device) for k, v in piece.items() if k != "is_rehearsed"}
        if noise:
            clean = piece["input_ids"]
            answers = (piece["labels"] != -100) & (clean > 12)
            swapped = answers & (torch.rand(clean.shape, device=device) < noise)
            piece["input_ids"] = torch.where(swapped, torch.randint_like(clean, 13, 700), clean)
        asked = _without_idle_logits(piece)
        labels = asked.pop("labels")
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            logits = model(**asked, use_cache=False).logits.float()
            loss = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
            ) / count  # fmt: skip
            if guide is not None:
                teacher, (mine, theirs), kl, seen = guide
                with torch.no_grad():
                    known = teacher(**asked, use_cache=False).logits.float()[:, :-1].log_softmax(-1)
                away = torch.nn.functional.kl_div(
                    logits[:, :-1].log_softmax(-1), known, log_target=True, reduction="none"
                ).sum(-1)
                loss = loss + kl * (away * (labels[:, 1:] != -100)).sum() / count
                apart = (mine.found.float() - theirs.found.float()).square().mean() / theirs.found.float().var()
                loss = loss + seen * apart / len(pieces)
        loss.backward()
        total += float(loss.detach())
    return total


def _prepared(recipe: dict[str, Any], model: Any) -> Any:
    """What is to be trained: the model, or an adapter on it."""
    if recipe["method"] == "lora":
        from peft import LoraConfig, get_peft_model

        from finetune.backends import lora_targets
        from finetune.options import FinetuneOptions

        targets = lora_targets(FinetuneOptions())
        model = get_peft_model(
            model, LoraConfig(r=recipe["rank"], lora_alpha=2 * recipe["rank"], target_modules=targets)
        )
    if recipe["layers"] == "vision":
        for name, parameter in model.named_parameters():
            if ".visual." not in name:
                parameter.requires_grad_(False)
    return model


def _without_idle_logits(piece: dict[str, Any]) -> dict[str, Any]:
    """Let the model work out logits from the first answer on only; the loss is the same (not so in TRL's trainer)."""
    answered = (piece["labels"] != -100).any(0).nonzero()
    if not len(answered):
        return dict(piece)
    # One more than the labels from there on: a token is predicted by the one before it.
    keep = piece["labels"].shape[1] - max(0, int(answered[0]) - 1)
    return {**piece, "labels": piece["labels"][:, -keep:], "logits_to_keep": keep}


def _optimizer(recipe: dict[str, Any], model: Any) -> Any:
    """One step of AdamW: warm-up of 10 steps, then a cosine."""
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(parameters, lr=recipe["rate"], betas=(0.9, 0.98), weight_decay=0.0)
    done = [0]

    def step(progress: float) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        warm = min(1.0, (done[0] + 1) / 10)
        for group in adam.param_groups:
            group["lr"] = recipe["rate"] * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        adam.step()
        adam.zero_grad(set_to_none=True)
        done[0] += 1

    return step


def _endless(items: list[Any], rng: random.Random) -> Any:
    while True:
        order = list(items)
        rng.shuffle(order)
        yield from order


def _share_right(model: Any, batches: list[dict[str, Any]], device: str) -> float:
    """Share of rows whose every answer token is the most likely one."""
    import torch

    right = count = 0
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16):
        for batch in batches:
            inputs = {k: v.to(device) for k, v in batch.items() if k not in ("labels", "picture_counts")}
            read = model(**inputs, use_cache=False).logits[:, :-1].argmax(-1)
            labels = batch["labels"][:, 1:].to(device)
            right += int(((read == labels) | (labels == -100)).all(1).sum())
            count += len(labels)
    return right / count


def _work(
    task: Task, parts: dict[str, list[Any]], device: str, deadline: float, few: bool, most: int, queue: Any
) -> None:
    """Tune by one recipe."""
    import torch

    torch.set_num_threads(1 if device != "cpu" else 2)
    domain, index, seed = task
    recipe = BASE | VARIANTS[index] | {"seed": seed} | ({"passes": 0.04} if few else {})
    try:
        found = tune(recipe, parts, device, deadline, most)
    except Exception as error:
        found = [{"error": f"{type(error).__name__}: {error}"[:300]}]
    queue.put({"recipe": index, "changes": VARIANTS[index], "domain": domain, "seed": seed, "found": found})


def _try(
    tasks: list[Task], checked: dict[str, list[Any]], domains: Path, device: str, seconds: float, few: bool, most: int
) -> list[dict[str, Any]]:
    """Work on all tasks at once, a process each; print and return what is found."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    deadline = time.monotonic() + seconds
    started = []
    for task in tasks:
        domain, index, _ = task
        parts = divide(checked, domains, domain, (BASE | VARIANTS[index])["pack"])
        process = context.Process(target=_work, args=(task, parts, device, deadline, few, most, queue))
        process.start()
        started.append(process)
    found: list[dict[str, Any]] = []
    while len(found) < len(tasks) and time.monotonic() < deadline + 90:
        is_alive = any(process.is_alive() for process in started)
        try:
            found.append(queue.get(timeout=2))
        except Empty:
            if not is_alive:
                break
            continue
        print(json.dumps(found[-1]), flush=True)
    for process in started:
        process.terminate()
    return found


def best_recipe(found: list[dict[str, Any]], most_lost: float = 0.01) -> int:
    """The variant that reads the tuning domain best, of those that lose at most a point of print at some alpha.

    Where none of them keeps print, the one that loses least.
    """

    def value(line: dict[str, Any]) -> tuple[float, float]:
        before = next((f["print"] for f in line["found"] if f.get("step") == 0), 1.0)
        ends = [f for f in line["found"] if f.get("alpha", 0.0) > 0 and "print" in f]
        kept = max((f["domain"] for f in ends if f["print"] >= before - most_lost - 1e-9), default=-1.0)
        return kept, max((f["print"] - before for f in ends), default=-1.0)

    return int(max(found, key=value)["recipe"])


@click.command()
@click.argument("domains", type=click.Path(path_type=Path))
@click.option("--report", default="augie,skrivana,miama,almendra", help="Those that the best recipe is then tried on.")
@click.option("--device", default="cuda")
@click.option("--seconds", type=float, default=95, help="After so long trainings are brought to an end.")
@click.option("--report-seconds", type=float, default=95)
@click.option("--seeds", type=int, default=2, help="Runs of the best recipe on each domain.")
@click.option("--only", default="", help="Numbers of variants, with commas between.")
@click.option("--most", type=int, default=10**6, help="Formulas scored of each kind.")
@click.option("--few", is_flag=True, help="A few formulas and steps: to see that it runs.")
def main(
    domains: Path, report: str, device: str, seconds: float, report_seconds: float, seeds: int,
    only: str, most: int, few: bool,
) -> None:  # fmt: skip
    """Try all variants on one domain, and the best of them on others."""
    chosen = [int(n) for n in only.split(",")] if only else list(range(len(VARIANTS)))
    reported = report.split(",") if report else []
    packs = sorted({f"keep-{(BASE | VARIANTS[n])['pack']}" for n in chosen})
    with tempfile.TemporaryDirectory() as place:
        checked = load(domains, [CHOSEN_BY, "print", *packs, *reported, *(REPORTED if reported else ())], Path(place))
        found = _try([(CHOSEN_BY, n, 0) for n in chosen], checked, domains, device, seconds, few, most)
        if found and reported:
            best = best_recipe(found)
            print(json.dumps({"best": best, "changes": VARIANTS[best]}), flush=True)
            tasks = [(name, best, seed) for name in reported for seed in range(1, seeds + 1)]
            _try(tasks, checked, domains, device, report_seconds, few, most)
    print("END", flush=True)


if __name__ == "__main__":
    main()
