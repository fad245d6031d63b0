"""Try recipes for fine-tuning the built-in model, many at once on one GPU, by a lean loop of their own.

    python -m benchmarks.finetune_sweep DOMAINS [--seconds 95] [--processes 12]

DOMAINS is the folder of benchmarks/finetune_domains.py; recipes are chosen by `tune` alone. Each trains on 270
formulas of a domain beside the keep pack and prints one JSON line for each weight `alpha` of the tuned weights against
the original ones: shares read exactly right (teacher-forced: every token most likely, which is what greedy decoding
writes) of the domain's held-out part, of clean print, and of 30 training formulas kept apart to choose `alpha` by.
"""

from __future__ import annotations

import copy
import json
import math
import multiprocessing
import random
import tempfile
import time
from pathlib import Path
from queue import Empty
from typing import Any

import click
import numpy as np

BASE: dict[str, Any] = {
    "method": "muon", "rate": 2e-3, "passes": 8, "batch": 8, "keep": 8, "noise": 0.1, "compose": 0.0, "kl": 0.0,
    "degrade": 0.0, "decay": 0.0, "rank": 16, "layers": "all",
}  # fmt: skip
# A first round (80 steps of 12 + 4 formulas) tried AdamW at 1e-4 to 8e-4, Muon at 2e-3 and 6e-3, LoRA, no noise, and
# composed pictures: AdamW at 1e-4 and Muon at 2e-3 gained most for what print lost; noise, composing mattered little.
VARIANTS: list[dict[str, Any]] = [
    {},
    {"method": "full", "rate": 1e-4},
    {"kl": 1.0},
    {"layers": "vision"},
    {"method": "full", "rate": 1e-4, "batch": 6, "keep": 12, "kl": 1.0},
    {"method": "lora", "rate": 1e-3},
    {"rate": 1e-3, "passes": 12},
    {"method": "full", "rate": 2e-4, "layers": "vision"},
]
ALPHAS = (1.0, 0.85, 0.7, 0.5)
VALIDATION = 30


def load(domains: Path, domain: str, place: Path) -> dict[str, list[Any]]:
    """Checked examples: of the domain, of print, of the keep pack."""
    from docproc.checkpoints import BUILT_IN_FOLDER, load_processor
    from finetune.dataset import check_data
    from finetune.labels import Labels
    from finetune.readers import read_rows

    labels = Labels(load_processor(str(BUILT_IN_FOLDER)).tokenizer)
    pack = Path(__file__).parent.parent / "finetune" / "keep.parquet"
    ours, pages = read_rows(domains / domain), read_rows(domains / "print")
    checked = check_data(ours, (), pages, labels, place / "domain", held_out_share=0, seed=0)
    kept = check_data(read_rows(pack), (), (), labels, place / "keep", held_out_share=0, seed=0)
    train = list(checked.train)
    random.Random(0).shuffle(train)
    return {
        "train": train[VALIDATION:],
        "validation": train[:VALIDATION],
        "domain": list(checked.held_out),
        "print": list(checked.keep),
        "keep": list(kept.train),
    }


def tune(recipe: dict[str, Any], parts: dict[str, list[Any]], device: str, deadline: float) -> list[dict[str, Any]]:
    """Train by one recipe; returns figures for each alpha, and some on the way."""
    import torch

    from docproc.checkpoints import load_model_and_processor
    from finetune.collator import AnswerCollator, split_batch

    torch.manual_seed(0)
    rng = random.Random(0)
    loaded = load_model_and_processor("built-in", device, dtype=torch.float32)
    model = loaded.model
    original = {n: p.detach().clone() for n, p in model.named_parameters()}
    teacher = copy.deepcopy(model).eval() if recipe["kl"] else None
    plain = AnswerCollator(loaded.processor, 16, max_picture_tokens=1280)
    spoiled = AnswerCollator(loaded.processor, 16, max_picture_tokens=1280, augment=True)
    scored = {name: [plain(parts[name][i : i + 24]) for i in range(0, len(parts[name]), 24)]
              for name in ("domain", "print", "validation")}  # fmt: skip
    found = []

    def score(step: int, alpha: float, names: tuple[str, ...] = ("domain", "print", "validation")) -> None:
        model.eval()
        shares = {name: round(_share_right(model, scored[name], device), 4) for name in names}
        found.append({"step": step, "alpha": alpha, **shares})

    score(0, 0.0)
    if recipe["method"] == "lora":
        from peft import LoraConfig, get_peft_model

        from finetune.backends import lora_targets
        from finetune.options import FinetuneOptions

        rank = recipe["rank"]
        targets = lora_targets(FinetuneOptions())
        trained = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets))
    else:
        trained = model
    if recipe["layers"] == "vision":
        for name, parameter in trained.named_parameters():
            if ".visual." not in name:
                parameter.requires_grad_(False)
    step_once = _optimizer(recipe, trained)
    steps = math.ceil(recipe["passes"] * len(parts["train"]) / recipe["batch"])
    domain_order, keep_order = _endless(parts["train"], rng), _endless(parts["keep"], rng)
    compose = _composer(parts["train"], recipe["compose"], rng)
    begun = time.monotonic()
    losses = []
    for step in range(steps):
        trained.train()
        ours = [compose(next(domain_order)) for _ in range(recipe["batch"])]
        kept = [next(keep_order) for _ in range(recipe["keep"])]
        batch = (spoiled if recipe["degrade"] == 0 else _worse(spoiled, recipe["degrade"], rng))(ours + kept)
        is_kept = torch.tensor([False] * len(ours) + [True] * len(kept))
        count = (batch["labels"][:, 1:] != -100).sum().item()
        total = 0.0
        batch["row_is_kept"] = is_kept
        for piece in split_batch(batch, 8 if device == "cpu" else 64):
            piece = {k: v.to(device) for k, v in piece.items()}
            clean = piece["input_ids"]
            if recipe["noise"]:
                answers = (piece["labels"] != -100) & (clean > 12)
                swapped = answers & (torch.rand(clean.shape, device=device) < recipe["noise"])
                piece["input_ids"] = torch.where(swapped, torch.randint_like(clean, 13, 700), clean)
            asked = _without_idle_logits(piece)
            labels = asked.pop("labels")
            with torch.autocast(torch.device(device).type, torch.bfloat16):
                logits = trained(**asked, use_cache=False).logits.float()
                loss = torch.nn.functional.cross_entropy(
                    logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
                )
                if teacher is not None:
                    with torch.no_grad():
                        wanted = teacher(**{**asked, "input_ids": piece["input_ids"]}, use_cache=False).logits.float()
                    mask = (labels[:, 1:] != -100) & _kept_rows(piece, is_kept, batch, device)[:, None]
                    read, known = logits[:, :-1].log_softmax(-1), wanted[:, :-1].log_softmax(-1)
                    kl = torch.nn.functional.kl_div(read, known, log_target=True, reduction="none").sum(-1)
                    loss = loss + recipe["kl"] * (kl * mask).sum()
            (loss / count).backward()
            total += float(loss.detach()) / count
        losses.append(total)
        progress = step / steps
        # The clock, too, ends a training: its rate falls with whichever is nearer.
        left = (deadline - time.monotonic()) / max(1e-9, deadline - begun)
        step_once(max(progress, 1 - left))
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


def _without_idle_logits(piece: dict[str, Any]) -> dict[str, Any]:
    """Let the model work out logits from the first answer on only; the loss is the same."""
    answered = (piece["labels"] != -100).any(0).nonzero()
    if not len(answered):
        return dict(piece)
    # One more than the labels from there on: a token is predicted by the one before it.
    keep = piece["labels"].shape[1] - max(0, int(answered[0]) - 1)
    return {**piece, "labels": piece["labels"][:, -keep:], "logits_to_keep": keep}


def _kept_rows(piece: dict[str, Any], is_kept: Any, batch: dict[str, Any], device: str) -> Any:
    """Which rows of a piece come from the keep pack: found again by their tokens' order of length."""
    import torch

    lengths = batch["attention_mask"].sum(1)
    order = sorted(range(len(lengths)), key=lambda i: (int(lengths[i]), i))
    start = batch.setdefault("rows_done", 0)
    batch["rows_done"] = start + len(piece["input_ids"])
    return torch.stack([is_kept[i] for i in order[start : batch["rows_done"]]]).to(device)


def _optimizer(recipe: dict[str, Any], model: Any) -> Any:
    """One step of the recipe's optimizer: warm-up of 10 steps, then a cosine."""
    import torch

    if recipe["method"] == "muon":
        from finetune.pretrain.optimizer import Optimizer

        muon = Optimizer(model, torch.nn.Module(), recipe["rate"], recipe["rate"] / 10, 0.0, 10, 0.0)
        return muon.step
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(parameters, lr=recipe["rate"], betas=(0.9, 0.98), weight_decay=recipe["decay"])
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


def _composer(train: list[Any], share: float, rng: random.Random) -> Any:
    """Sometimes puts a second formula beside one, so that the answers are not known by heart."""
    from dataclasses import replace

    import cv2

    from docproc.prompt import conversation
    from finetune.dataset import load_picture

    short = [e for e in train if len(e.latex.split()) <= 25]
    place = Path(tempfile.mkdtemp())
    made = [0]

    def compose(example: Any) -> Any:
        if rng.random() >= share or len(example.latex.split()) > 25:
            return example
        other = rng.choice(short)
        left, right = load_picture(example.pictures[0]), load_picture(other.pictures[0])
        height = max(left.shape[0], right.shape[0])
        width = left.shape[1] + right.shape[1]
        canvas = np.full((height, width), int(np.percentile(left, 90)), np.uint8)
        for grey, x in ((left, 0), (right, left.shape[1])):
            y = (height - grey.shape[0]) // 2
            canvas[y : y + grey.shape[0], x : x + grey.shape[1]] = grey
        made[0] += 1
        path = place / f"{made[0]}.png"
        cv2.imwrite(str(path), canvas)
        latex = f"{example.latex} {other.latex}"
        return replace(example, pictures=(path,), latex=latex, messages=tuple(conversation(latex)))

    return compose


def _worse(collator: Any, share: float, rng: random.Random) -> Any:
    """The collator, with some pictures spoiled as training's scans are."""
    from PIL import Image

    from docproc.engine.layout import pad_to_multiple
    from finetune.collator import augmented
    from finetune.dataset import load_picture
    from finetune.pretrain.crops import Crop
    from finetune.pretrain.degrade import degrade

    def picture(path: Any) -> Any:
        grey = load_picture(path)
        grey = degrade(Crop(grey), rng, 0.7).grey if rng.random() < share else augmented(grey, collator._random)
        return Image.fromarray(pad_to_multiple(grey, 16)).convert("RGB")

    collator._picture = picture
    return collator


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


def _work(indices: list[int], domains: Path, domain: str, device: str, deadline: float, few: bool, queue: Any) -> None:
    """Tune by some variants one after another, as long as there is time."""
    import torch

    torch.set_num_threads(1)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        parts = load(domains, domain, Path(place))
        for n, index in enumerate(indices):
            if n and deadline - time.monotonic() < 0.35 * (deadline - begun):
                break
            try:
                found = tune(BASE | VARIANTS[index] | ({"passes": 0.04} if few else {}), parts, device, deadline)
            except Exception as error:
                found = [{"error": f"{type(error).__name__}: {error}"[:300]}]
            queue.put({"recipe": index, "changes": VARIANTS[index], "domain": domain, "found": found})
    queue.put(None)


def _try(
    tasks: list[tuple[str, list[int]]], domains: Path, device: str, seconds: float, few: bool
) -> list[dict[str, Any]]:
    """Work on (domain, variants) at once, a process each; print and return what is found."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    deadline = time.monotonic() + seconds
    started = [
        context.Process(target=_work, args=(indices, domains, domain, device, deadline, few, queue))
        for domain, indices in tasks
    ]
    for process in started:
        process.start()
    found: list[dict[str, Any]] = []
    ended = 0
    while ended < len(tasks) and time.monotonic() < deadline + 40:
        try:
            line = queue.get(timeout=2)
        except Empty:
            continue
        if line is None:
            ended += 1
            continue
        found.append(line)
        print(json.dumps(line), flush=True)
    for process in started:
        process.terminate()
    return found


def best_recipe(found: list[dict[str, Any]], most_lost: float = 0.01) -> int:
    """The variant that reads the tuning domain best, of those that lose at most a point of print at some alpha."""

    def value(line: dict[str, Any]) -> float:
        before = next((f["print"] for f in line["found"] if f.get("step") == 0), 1.0)
        ends = [f for f in line["found"] if f.get("alpha", 0.0) > 0 and "print" in f]
        return max((f["domain"] for f in ends if f["print"] >= before - most_lost), default=-1.0)

    return int(max(found, key=value)["recipe"])


@click.command()
@click.argument("domains", type=click.Path(path_type=Path))
@click.option("--domain", default="tune", help="The one that recipes are chosen by.")
@click.option("--report", default="augie,skrivana,miama", help="Those that the best recipe is then tried on.")
@click.option("--device", default="cuda")
@click.option("--seconds", type=float, default=95, help="After so long trainings are brought to an end.")
@click.option("--report-seconds", type=float, default=45)
@click.option("--processes", type=int, default=12)
@click.option("--only", default="", help="Numbers of variants, with commas between.")
@click.option("--few", is_flag=True, help="A few formulas and steps: to see that it runs.")
def main(
    domains: Path, domain: str, report: str, device: str, seconds: float, report_seconds: float, processes: int,
    only: str, few: bool,
) -> None:  # fmt: skip
    """Try all variants on one domain, and the best of them on others."""
    chosen = [int(n) for n in only.split(",")] if only else list(range(len(VARIANTS)))
    tasks = [(domain, chosen[n::processes]) for n in range(min(processes, len(chosen)))]
    found = _try(tasks, domains, device, seconds, few)
    if found and report:
        best = best_recipe(found)
        print(json.dumps({"best": best, "changes": VARIANTS[best]}), flush=True)
        _try([(name, [best]) for name in report.split(",")], domains, device, report_seconds, few)
    print("END", flush=True)


if __name__ == "__main__":
    main()
