"""`docproc finetune`: from labelled or corrected formulas to a better model, with a score before and after."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from docproc.checkpoints import BUILT_IN, BUILT_IN_FOLDER, load_processor, resolve_device
from docproc.errors import InputError, OutputError, UsageError
from docproc.evaluation import score
from docproc.gate import save_gate
from docproc.gated_reader import GatedRecognizer
from docproc.recognition import RunRecognizer
from finetune.anchor import Anchor
from finetune.attention import attending_by_products
from finetune.backends import (
    Trainee,
    as_in_use,
    choose_backend,
    choose_preset,
    has_fast_bf16,
    load_trainee,
    require_packages,
)
from finetune.blend import Blend, choose_share
from finetune.collator import AnswerCollator
from finetune.dataset import CheckedData, Example, check_data, load_checked
from finetune.evaluate import Scores, read_examples, reader_of, score_pairs
from finetune.gate import FittedGate, describe, fit_gate
from finetune.labels import Labels
from finetune.options import FinetuneOptions, Recipe, options_from_json, resolve_recipe
from finetune.processes import first_then_others, is_first, process_count, start_processes
from finetune.readers import read_reviewed, read_rows
from finetune.rehearsal import keep_rows, rehearsed_part, scored_part, with_rehearsal
from finetune.result import (
    FinetuneResult,
    merge,
    read_record,
    save_model,
    start_record,
    write_curves,
    write_record,
    write_report,
)
from finetune.trainer import (
    EmbeddingOnHost,
    StopRequest,
    has_tied_embeddings,
    make_callbacks,
    make_trainer_class,
    newest_checkpoint,
)

logger = logging.getLogger(__name__)

# A score in between is a sign, not the result: so many formulas are read for it (a CPU core reads 3–10 a second).
SCORED_IN_BETWEEN = 50
SCORES_A_RUN = 4
# What of the `keep` formulas' score may be lost; where more is, less of what was learned is taken over (blend.py). They
# are harder than print, and few: where up to 2.5 points of them were lost, it was 0.4 points of print on average and
# 0.7 at most on three development domains at two shares (docs/finetune.md). With a gate, less is lost of either.
MOST_LOST = 0.025
# AdamW in one launch for all its tensors: the steps of a 7B model wait for launches. Averages in 8 bits would take
# 0.3 GB less, but a launch for each tensor.
OPTIMIZER_OF_4_BITS = "adamw_torch_fused"
# Processes beside the training that prepare its pictures, on a GPU: 0 prepares them between the steps.
PREPARING_PROCESSES = 0


def run(options: FinetuneOptions, report: Callable[[str], None] = logger.info) -> FinetuneResult:
    """Check the data, train, score before and after, and write the result folder.

    Args:
        options: All of the command's options.
        report: Takes lines for the user as the run goes on.

    Returns:
        Scores and counts; the folder holds the rest (docs/finetune.md).

    Raises:
        UsageError: Options that cannot be used together.
        InputError: Data that cannot be read, or nothing in them that can be trained on.
        DependencyError: A package, model or device is missing.
        OutputError: The folder cannot be written, or holds another run.
    """
    started = time.monotonic()
    if not is_first():
        report = logger.debug
    record = read_record(options.output)
    if options.resume:
        options = _resumed(options, record)
    elif record is not None:
        raise OutputError(
            f"-o {options.output} holds a run already. Give --resume to go on with it, or another folder."
        )
    device = resolve_device(options.device)
    preset = choose_preset(options, device)
    recipe = resolve_recipe(options, preset)
    require_packages(recipe)
    backend = choose_backend(options, recipe, device)
    start_processes(device)
    data = _load_data(options)
    reasons = data.reasons()
    report(
        f"{len(data.train)} formulas to train on, {len(data.held_out)} held out, {sum(reasons.values())} left out"
        + "".join(f"\n  {count} × {reason}" for reason, count in reasons.items())
    )
    trainee = load_trainee(options, recipe, backend)
    blend = Blend(trainee.model) if data.keep else None
    stop = StopRequest()
    with stop.on_signals(report):
        if not options.resume or record is None:
            record = start_record(options, recipe, preset, trainee, data)
            record["scores"] = _score_all("before", trainee, data, report)
            record["elapsed_seconds"] = 0.0
            write_record(options.output, record)
        elif record["data"]["sha256"] != data.sha256:
            raise InputError(f"{options.output}/data was changed since the run began. Start anew in another folder.")
        earlier_seconds = record["elapsed_seconds"]
        trainer = train_model(options, recipe, trainee, data, stop, report)
        record["steps"] = trainer.state.global_step
        record["micro_batch_size"] = trainer.rows_at_once
        record["elapsed_seconds"] = round(earlier_seconds + time.monotonic() - started, 1)
        write_record(options.output, record)
        if stop.is_asked:
            return _result(options.output, record, data, is_interrupted=True)
        trainee.model.eval()
        fitted = fit_gate(options.model, trainee, data, options.seed)
        if fitted is not None:
            record["gate"] = fitted.to_json()
            report(describe(record["gate"]))
        gate = fitted if fitted is not None and fitted.is_used else None
        kept = None
        if blend is not None:
            known = record["scores"]["keep_before"]["exact_match"]
            record["share"], kept = choose_share(
                blend, lambda: _score_keep(trainee, data, gate), known, MOST_LOST, report
            )
        record["scores"].update(_score_all("after", trainee, data, report, gate, kept))
    if is_first():
        if gate is not None:
            save_gate(gate.gate, options.output)
        _write_result(options, recipe, trainee, record, trainer.state.log_history, report)
        record["elapsed_seconds"] = round(earlier_seconds + time.monotonic() - started, 1)
        write_record(options.output, record)
        write_report(options.output, record)
        shutil.rmtree(options.output / "checkpoints", ignore_errors=True)
    return _result(options.output, record, data, is_interrupted=False)


def _write_result(
    options: FinetuneOptions,
    recipe: Recipe,
    trainee: Trainee,
    record: dict[str, Any],
    history: list[dict[str, Any]],
    report: Callable[[str], None],
) -> None:
    """Write the weights and how they came about."""
    save_model(options.output, trainee)
    lines = [json.dumps(entry) + "\n" for entry in history]
    (options.output / "history.jsonl").write_text("".join(lines), encoding="utf-8")
    before, after = (Scores(**record["scores"][when]) for when in ("before", "after"))
    write_curves(options.output / "curves.png", history, before)
    if after.count and after.selection <= before.selection:
        report("the training did not help on the held-out part: go on with the base model, or label more formulas")
    if options.merge and recipe.method == "lora":
        report(f"merged checkpoint: {merge(options.output, options)}")


def _resumed(options: FinetuneOptions, record: dict[str, Any] | None) -> FinetuneOptions:
    """The options of the run that goes on."""
    if record is None:
        raise UsageError(f"--resume: {options.output} holds no run. Start one without --resume.")
    if "after" in record["scores"]:
        raise UsageError(f"--resume: the run in {options.output} is finished. Start another one in another folder.")
    stored = options_from_json(record["options"])
    return replace(stored, output=options.output, device=options.device, resume=True)


def _load_data(options: FinetuneOptions) -> CheckedData:
    folder = options.output / "data"
    if options.resume:
        return load_checked(folder)
    if not options.data and options.from_db is None:
        raise UsageError("Nothing to learn from: give --data DATA or --from-db docproc-out/docproc.db.")
    tokenizer = load_processor(str(BUILT_IN_FOLDER) if options.model == BUILT_IN else options.model).tokenizer
    with first_then_others():
        return _check_data(options, folder, Labels(tokenizer)) if is_first() else load_checked(folder)


def _check_data(options: FinetuneOptions, folder: Path, labels: Labels) -> CheckedData:
    rows = [row for path in options.data for row in read_rows(path)]
    if options.from_db is not None:
        rows += read_reviewed(options.from_db)
    try:
        return check_data(
            rows,
            read_rows(options.held_out) if options.held_out else (),
            keep_rows(options),
            labels,
            folder,
            held_out_share=options.held_out_share,
            seed=options.seed,
        )
    except OSError as error:
        raise OutputError(f"-o {options.output} cannot be written: {error.strerror}. Choose another folder.") from error


def _score_all(
    when: str,
    trainee: Trainee,
    data: CheckedData,
    report: Callable[[str], None],
    gate: FittedGate | None = None,
    kept: Scores | None = None,
) -> dict[str, Any]:
    """Score the model as it is; `kept` is its score on what it should keep, where that is known."""
    trainee.loaded.model.eval()
    pairs = read_examples(_reader(trainee, gate), data.held_out)
    scores = score_pairs(pairs)
    report(f"{when}: {scores}" if scores.count else "nothing is held out: no scores")
    found = {when: scores.to_json(), f"{when}_details": score(pairs)}
    if data.keep:
        kept = kept or _score_keep(trainee, data, gate)
        report(f"{when}, on what it should keep: {kept}")
        found[f"keep_{when}"] = kept.to_json()
    return found


def _score_keep(trainee: Trainee, data: CheckedData, gate: FittedGate | None) -> Scores:
    return score_pairs(read_examples(_reader(trainee, gate), scored_part(data.keep)))


def _reader(trainee: Trainee, gate: FittedGate | None = None) -> RunRecognizer:
    """What reads as `docproc run` will with the result, were the training over now."""
    tuned = reader_of(as_in_use(trainee))
    return tuned if gate is None else GatedRecognizer("finetune", gate.untuned, tuned, gate.gate)


def train_model(
    options: FinetuneOptions,
    recipe: Recipe,
    trainee: Trainee,
    data: CheckedData,
    stop: StopRequest,
    report: Callable[[str], None],
) -> Any:
    """Train and leave the best weights in the model; returns the trainer.

    Args:
        options: Folder, seed and whether to resume.
        recipe: How to train.
        trainee: From `load_trainee`.
        data: Checked examples.
        stop: Asks for an end after a step.
        report: Takes lines for the user.
    """
    from datasets import Dataset
    from transformers import EarlyStoppingCallback, PrinterCallback
    from trl import SFTConfig

    examples = with_rehearsal(data, recipe.rehearse_share)
    world = process_count()
    if recipe.batch_size % world:
        raise UsageError(f"--batch-size {recipe.batch_size} cannot be shared by {world} devices; give a multiple.")
    steps = recipe.steps or max(1, math.ceil(recipe.epochs * len(examples) / recipe.batch_size))
    eval_steps = min(recipe.eval_steps or math.ceil(steps / SCORES_A_RUN), steps)
    scored = _scored_in_between(data.held_out, SCORED_IN_BETWEEN, options.seed)
    checkpoints = options.output / "checkpoints"
    resume_from = newest_checkpoint(checkpoints) if options.resume else None
    vision = trainee.loaded.model.config.vision_config
    collator = AnswerCollator(
        trainee.loaded.processor,
        vision.patch_size * vision.spatial_merge_size,
        max_picture_tokens=recipe.max_picture_tokens,
        augment=recipe.augment,
        token_noise=recipe.token_noise,
        rehearsed=rehearsed_part(data.keep),
        seed=options.seed,
    )
    is_cuda = trainee.device.startswith("cuda")
    is_held = recipe.hold > 0 and bool(rehearsed_part(data.keep))
    arguments = SFTConfig(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=recipe.batch_size // world,
        gradient_accumulation_steps=1,  # micro-batches are the trainer's own: see trainer.py
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(recipe.warmup_steps, steps // 2),
        weight_decay=0.01,
        optim=OPTIMIZER_OF_4_BITS if recipe.load_in_4bit else "adamw_torch",
        # TRL works out the logits of the answers alone, a part at a time, and returns none.
        loss_type="nll" if is_held else "chunked_nll",
        max_length=None,  # cutting a text would cut its picture tokens
        gradient_checkpointing=recipe.gradient_checkpointing,
        # Nothing is random in the layers (no dropout), so that the state of chance need not be saved for each. The
        # reentrant kind builds no graph the first time, which a large model's steps, bound by their launches, feel; it
        # needs an input with gradients: TRL asks for them where adapters are trained.
        gradient_checkpointing_kwargs={"use_reentrant": recipe.method == "lora", "preserve_rng_state": False},
        bf16=is_cuda or has_fast_bf16(),
        use_cpu=not is_cuda,
        dataloader_pin_memory=is_cuda,
        dataloader_num_workers=PREPARING_PROCESSES if is_cuda else 0,
        dataloader_persistent_workers=bool(is_cuda and PREPARING_PROCESSES),
        eval_strategy="steps" if scored else "no",
        eval_steps=eval_steps,
        save_strategy="steps",
        save_steps=eval_steps,
        save_total_limit=2,
        load_best_model_at_end=bool(scored),
        metric_for_best_model="eval_selection" if scored else None,
        greater_is_better=True if scored else None,
        logging_steps=1,
        seed=options.seed,
        data_seed=options.seed,
        report_to=[],
        log_level="error",
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        label_names=["labels"],
    )
    callbacks = make_callbacks(stop)
    if scored and recipe.patience:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=recipe.patience))
    # Where weights have 4 bits, memory counts; unsloth has ways of its own.
    can_wait = recipe.load_in_4bit and trainee.backend == "trl" and not has_tied_embeddings(trainee.loaded.model)
    table = EmbeddingOnHost(trainee.loaded.model) if can_wait else None
    home = table.back if table else contextlib.nullcontext

    def score_now() -> Scores:
        with home():
            return score_pairs(read_examples(_reader(trainee), scored))

    anchor = Anchor(trainee.model, recipe.hold) if is_held else None
    trainer_class = make_trainer_class(
        score_now,
        report,
        recipe.micro_batch_size,
        is_adapter=recipe.method == "lora",
        switches_checkpointing=trainee.backend == "trl",
        anchor=anchor,
    )
    rows = Dataset.from_dict({"row": list(range(len(examples)))})
    trainer = trainer_class(
        model=trainee.model,
        args=arguments,
        data_collator=lambda batch: collator([examples[item["row"]] for item in batch]),
        train_dataset=rows,
        eval_dataset=rows.select(range(1)) if scored else None,
        processing_class=trainee.loaded.processor,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # stdout is for results
    if resume_from is not None:
        collator.batches_made = int(resume_from.name.rpartition("-")[2])
        report(f"going on from step {collator.batches_made}")
    if table:
        table.move_out()
    # A PeftModel says that it trains while the layers that it was put on do not: they would keep all activations.
    trainer.model.train()
    with contextlib.nullcontext() if is_cuda or not arguments.bf16 else attending_by_products(trainee.model):
        trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
    if table:
        table.come_back()
    return trainer


def _scored_in_between(examples: Sequence[Example], most: int, seed: int) -> list[Example]:
    scored = [e for e in examples if e.is_scored]
    return scored if len(scored) <= most else random.Random(seed).sample(scored, most)


def _result(folder: Path, record: dict[str, Any], data: CheckedData, *, is_interrupted: bool) -> FinetuneResult:
    scores = {name: Scores(**values) for name, values in record["scores"].items() if not name.endswith("_details")}
    return FinetuneResult(
        folder,
        record["steps"],
        scores["before"],
        scores.get("after"),
        scores.get("keep_before"),
        scores.get("keep_after"),
        data.reasons(),
        record["elapsed_seconds"],
        is_interrupted,
    )
