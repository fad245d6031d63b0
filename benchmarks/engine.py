"""The engine beside plain `generate()` in the same run: formulas/s, tokens/s, same output, and share of its limits.

    python -m benchmarks.engine [--crops 200] [--threads 2] [--json]      the built-in model on the CPU
    python -m benchmarks.engine --save-crops .run/crops.npz               the crops, for a machine with fewer packages
    python -m benchmarks.engine --device cuda --crops-file .run/crops.npz --crops 8192
    python -m benchmarks.engine --device cuda --model 7b                  random weights, made on the device

Machines are shared and noisy: compare figures of one run. The list of crops is fixed: those of the sample PDFs, inline
and display as 80 to 20, repeated where there are too few; processing of the pictures is included. For `2b` and `7b`
every prompt has 64 tokens, 40 of them the picture's, and 64 tokens are written.
"""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.engine_models import PROMPT_TOKENS, VISUAL_TOKENS, bounds, device_limits, random_layout, random_model

SAMPLES = Path(__file__).parent.parent / "samples"
INLINE_SHARE = 0.8
NEW_TOKENS = 64
KERNELS_SHOWN, LONGEST_NAME = 24, 120


def sample_crops(count: int, file: Path | None = None) -> list[np.ndarray]:
    """Crops of the sample PDFs, 80 % inline, the kinds mixed; or those of a file, again and again."""
    if file is not None:
        with np.load(file) as stored:
            crops = [stored[name] for name in sorted(stored.files)]
        return [crops[i % len(crops)] for i in range(count)]
    from docproc.crops import cut_crops
    from docproc.finding import DocumentTask, look_at, open_kept
    from docproc.options import FindOptions, RegionOptions
    from docproc.pages import render_page
    from docproc.records import FormulaKind
    from docproc.regions import find_formula_regions

    pools: dict[FormulaKind, list[np.ndarray]] = {FormulaKind.INLINE: [], FormulaKind.DISPLAY: []}
    for path in sorted(SAMPLES.glob("*.pdf")):
        facts = look_at(DocumentTask(path, None, FindOptions()))
        for number in facts.numbers:
            page = render_page(open_kept(path, None), number)
            if page.text_layer is None:
                continue
            found = find_formula_regions(page, facts.statistics, RegionOptions())
            for region in cut_crops(page, [replace(r, glyph_latex=None) for r in found], RegionOptions()):
                if region.crop is not None:
                    pools[region.kind].append(region.crop)
    inline = round(count * INLINE_SHARE)
    wanted = ((FormulaKind.INLINE, inline), (FormulaKind.DISPLAY, count - inline))
    crops = [pools[kind][i % len(pools[kind])] for kind, number in wanted for i in range(number)]
    return [crops[i] for i in np.random.default_rng(0).permutation(count)]


def timed(action: Callable[[], Any], device: Any) -> tuple[float, float, Any]:
    """Seconds until the device has done it, seconds of all our threads on the CPU, and its result."""
    import torch

    begun, worked = time.perf_counter(), time.process_time()
    result = action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun, time.process_time() - worked, result


def busy_seconds(action: Callable[[], Any]) -> float:
    """Sum of the times of all kernels on the GPU; profiling slows the host down, the kernels hardly."""
    return sum(seconds for _, seconds in kernel_seconds(action))


def kernel_seconds(action: Callable[[], Any]) -> list[tuple[str, float]]:
    """Kernels on the GPU and their times, longest first."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        action()
        torch.cuda.synchronize()
    times: Counter[str] = Counter()
    for event in trace.key_averages():
        times[event.key[:LONGEST_NAME]] += float(event.self_device_time_total) / 1e6
    return times.most_common()


def generate(loaded: Any, crops: Sequence[np.ndarray], batch_size: int, limit: int = 256) -> list[list[int]]:
    """The reference: transformers' own processor and `generate()`, crops sorted by size; tokens without the end."""
    import torch
    from PIL import Image

    from docproc.engine.layout import pad_to_multiple
    from docproc.prompt import conversation
    from docproc.recognition import cells

    text = loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
    vision, end = loaded.model.config.vision_config, loaded.processor.tokenizer.eos_token_id
    order = sorted(range(len(crops)), key=lambda i: cells(crops[i]))
    results: list[list[int]] = [[] for _ in crops]
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        multiple = vision.patch_size * vision.spatial_merge_size
        pictures = [Image.fromarray(pad_to_multiple(crops[i], multiple)).convert("RGB") for i in part]
        inputs = loaded.processor(text=[text] * len(part), images=pictures, return_tensors="pt", padding=True)
        with torch.inference_mode():
            written = loaded.model.generate(**inputs.to(loaded.model.device), max_new_tokens=limit, do_sample=False)
        for i, row in zip(part, written[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            results[i] = row[: row.index(end)] if end in row else row
    return results


def child_seconds() -> float:
    """Time on the CPU of the processes that read, by Linux' own count."""
    import multiprocessing
    import os

    files = (Path(f"/proc/{process.pid}/stat").read_text() for process in multiprocessing.active_children())
    ticks = sum(sum(map(int, text.rpartition(")")[2].split()[11:13])) for text in files)
    return ticks / os.sysconf("SC_CLK_TCK")


def in_processes(count: int, crops: Sequence[np.ndarray], rows: int) -> tuple[dict[str, Any], list[str]]:
    """The engine in several processes, as a run uses it on a CPU; a row of the table, and the LaTeX."""
    import os

    from docproc.options import RunOptions
    from docproc.reader_group import Place, ReaderGroup, make_recognizer
    from docproc.recognition import recognize_all
    from docproc.recognizer_process import RecognizerProcess

    place = Place(RunOptions(device="cpu"), max(1, (os.cpu_count() or 1) // count))
    processes = [RecognizerProcess("built-in", make_recognizer, place, 600.0) for _ in range(count)]
    with ReaderGroup("built-in", processes) as group:
        group.batch_size()
        recognize_all(group, crops, rows)
        worked, begun = child_seconds(), time.perf_counter()
        readings = recognize_all(group, crops, rows)
        seconds, worked = time.perf_counter() - begun, child_seconds() - worked
    row = {"engine": rows, "processes": count, "formulas_s": len(crops) / seconds, "cpu_ms": 1000 * worked / len(crops)}
    return row, [getattr(reading, "latex", "") for reading in readings]


def read(reader: Any, crops: Sequence[np.ndarray], rows: int) -> list[Any]:
    """The engine, preprocessing included, crops sorted by size."""
    from docproc.qwen2_vl import CACHE_TOKENS_A_CROP
    from docproc.recognition import cells, max_new_tokens

    order = sorted(range(len(crops)), key=lambda i: cells(crops[i]))
    pictures = [reader.readers[0].layout.picture(crops[i]) for i in order]
    limits = [max_new_tokens(crops[i]) for i in order]
    found = dict(reader.read(pictures, limits, rows, rows * CACHE_TOKENS_A_CROP))
    return [found[place] for place in np.argsort(order)]


def built_in(
    device: str, crops: list[np.ndarray], rows: list[int], plain: list[int], looks: list[int], processes: int
) -> dict[str, Any]:
    """Measure the built-in model."""
    import torch

    from docproc.checkpoints import load_model_and_processor
    from docproc.engine.lanes import Lanes
    from docproc.engine.layout import Layout
    from docproc.engine.reader import Reader
    from docproc.qwen2_vl import kind_for

    reference, owned = (load_model_and_processor("built-in", device) for _ in range(2))
    where, layout = owned.model.device, Layout.of(owned.processor, owned.model.config)
    ends = [owned.processor.tokenizer.eos_token_id]
    compared = crops[: max(plain, default=0) * 4] if where.type == "cuda" else crops
    table, results = [], []
    for look in looks:
        reader = Lanes(Reader(owned.model, layout, ends, kind_for(owned.model), look))
        for size in rows:
            first, _, _ = timed(lambda: read(reader, crops, size), where)  # noqa: B023
            seconds, worked, results = timed(lambda: read(reader, crops, size), where)  # noqa: B023
            tokens = sum(len(r.tokens) + 1 for r in results)
            row = {"engine": size, "look_every": look, "first_run_formulas_s": len(crops) / first}
            row |= {"formulas_s": len(crops) / seconds, "tokens_s": tokens / seconds}
            row |= {"lanes": len(reader.readers), "cpu_ms": 1000 * worked / len(crops)}
            if where.type == "cuda":
                row["busy_share"] = busy_seconds(lambda: read(reader, crops, size)) / seconds  # noqa: B023
            table.append(row)
    shared: list[str] = []
    if processes:
        row, shared = in_processes(processes, crops, rows[-1])
        table.append(row)
    generate(reference, crops[:4], 4)
    for size in plain:
        seconds, worked, written = timed(lambda: generate(reference, compared, size), where)  # noqa: B023
        same = sum(a == b.tokens for a, b in zip(written, results, strict=False) if b.stop_reason == "end")
        asked = sum(b.stop_reason == "end" for b in results[: len(compared)])
        row = {"generate": size, "formulas_s": len(compared) / seconds, "same": same, "of": asked}
        row["cpu_ms"] = 1000 * worked / len(compared)
        if shared:
            texts = owned.processor.tokenizer.batch_decode(written, skip_special_tokens=True)
            row["same_in_processes"] = sum(a.strip() == b for a, b in zip(texts, shared, strict=True))
        table.append(row)
    best = {kind: max(r["formulas_s"] for r in table if kind in r) for kind in ("engine", "generate")}
    report = {"model": "built-in", "crops": len(crops), "dtype": str(owned.model.dtype), "rows": table}
    report |= {"threads": torch.get_num_threads(), "ratio": best["engine"] / best["generate"]}
    least = {kind: min(r["cpu_ms"] for r in table if kind in r) for kind in ("engine", "generate")}
    report["ratio_of_cpu_time"] = least["generate"] / least["engine"]
    if where.type == "cuda":
        single = load_model_and_processor("built-in", device, dtype=torch.float32)
        exact = read(Lanes(Reader(single.model, layout, ends)), crops[:256], 64)
        written = generate(single, crops[:256], 64)
        report["same_in_float32"] = sum(a == b.tokens for a, b in zip(written, exact, strict=True))
        report["of_float32"] = len(exact)
    return report


def large(size: str, device: str, rows: list[int], plain: list[int], formulas: int, four_bits: bool) -> dict[str, Any]:
    """Measure random weights of a large configuration."""
    import torch

    from docproc.engine.linear import FloatLinear
    from docproc.engine.reader import Reader

    model, layout = random_model(size, device, four_bits), random_layout(size)
    cell = layout.patch * layout.merge
    crop = np.random.default_rng(0).integers(0, 255, (4 * cell, VISUAL_TOKENS // 4 * cell), np.uint8)
    table: list[dict[str, Any]] = []
    tokens: list[int] = []
    reader, limits = Reader(model, layout, (), FloatLinear), device_limits(device)
    for count in rows:
        number = max(formulas, count)

        def action(number: int, count: int = count) -> list[Any]:
            pictures = [layout.picture(crop) for _ in range(number)]
            return list(reader.read(pictures, [NEW_TOKENS] * number, count, count * 192))

        action(count)
        seconds, _, found = timed(lambda: action(number), model.device)  # noqa: B023
        tokens = found[0][1].tokens
        row: dict[str, Any] = {"engine": count, "formulas_s": number / seconds}
        row["tokens_s"] = number * NEW_TOKENS / seconds
        row |= bounds(model, count, number / seconds, NEW_TOKENS, limits)
        if model.device.type == "cuda":
            kernels = kernel_seconds(lambda: action(count))  # noqa: B023
            row["busy_share"] = sum(time for _, time in kernels) * number / count / seconds
            row["kernels_ms"] = {name: round(1000 * time, 1) for name, time in kernels[:KERNELS_SHOWN]}
        table.append(row)
        click.echo(f"done: {_rounded(row)}", err=True)  # the rest takes minutes
    batch = layout.batch([layout.picture(crop)])
    for count in plain:
        inputs = random_inputs(batch, count, model)

        def generating(inputs: dict[str, Any] = inputs, new: int = NEW_TOKENS) -> Any:
            return model.generate(**inputs, max_new_tokens=new, min_new_tokens=new, do_sample=False)

        with torch.inference_mode():
            generating(new=2)
            seconds, _, written = timed(generating, model.device)
        row = {"generate": count, "formulas_s": count / seconds}
        if tokens:
            expected = written[0, PROMPT_TOKENS:].tolist()
            differing = (i for i, (a, b) in enumerate(zip(tokens, expected, strict=True)) if a != b)
            row["first_tokens_same"] = next(differing, NEW_TOKENS)
        table.append(row)
    report: dict[str, Any] = {"model": size, "weights": "nf4" if four_bits else "bf16", "rows": table}
    if plain and rows:
        report["ratio"] = max(r["formulas_s"] for r in table if "engine" in r) / max(
            r["formulas_s"] for r in table if "generate" in r
        )
    report["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1) if device.startswith("cuda") else None
    return report


def random_inputs(batch: Any, count: int, model: Any) -> dict[str, Any]:
    """What a processor would return for `count` times the same picture."""
    import torch

    ids = torch.from_numpy(batch.ids).expand(count, -1)
    grey = torch.from_numpy(batch.patches).float() / 255
    config = model.config.vision_config
    values = grey[:, None].expand(-1, config.in_channels * config.temporal_patch_size, -1).flatten(1).repeat(count, 1)
    side = config.spatial_merge_size
    grid = torch.tensor([[1, 4 * side, VISUAL_TOKENS // 4 * side]]).expand(count, -1)
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == model.config.image_token_id).int(),
        "pixel_values": values.to(model.dtype),
        "image_grid_thw": grid,
    }
    return {name: tensor.to(model.device) for name, tensor in inputs.items()}


@click.command()
@click.option("--model", type=click.Choice(["built-in", "2b", "7b"]), default="built-in", show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--load-in-4bit", "four_bits", is_flag=True, help="2b and 7b: nf4 through bitsandbytes.")
@click.option("--crops", "count", type=int, default=200, show_default=True, help="Formulas.")
@click.option("--crops-file", type=click.Path(path_type=Path), help="Crops that --save-crops wrote.")
@click.option("--save-crops", type=click.Path(path_type=Path), help="Write the crops and stop.")
@click.option("--rows", default="32", show_default=True, help="Rows of the engine at once.")
@click.option("--generate-rows", default="1,32", show_default=True, help="Batch sizes of generate().")
@click.option("--look-every", default="0", show_default=True, help="Steps between two looks; 0 is the default.")
@click.option("--processes", type=int, default=0, help="Read in so many processes too, which share the cores.")
@click.option("--threads", type=int, default=0, help="PyTorch threads; 0 leaves its default.")
@click.option("--json", "as_json", is_flag=True)
def main(**options: Any) -> None:
    """Print the figures of one model on one device."""
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does
    import torch

    if options["threads"]:
        torch.set_num_threads(options["threads"])
    rows, plain, looks = (
        [int(x) for x in options[name].split(",") if x] for name in ("rows", "generate_rows", "look_every")
    )
    if options["model"] != "built-in":
        report = large(options["model"], options["device"], rows, plain, options["count"], options["four_bits"])
    else:
        crops = sample_crops(options["count"], options["crops_file"])
        if (file := options["save_crops"]) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(file, **{f"{i:05d}": crop for i, crop in enumerate(crops)})
            return
        report = built_in(options["device"], crops, rows, plain, looks, options["processes"])
    report["device"] = torch.cuda.get_device_name() if options["device"].startswith("cuda") else "cpu"
    report["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    report = _rounded(report)
    if options["as_json"]:
        click.echo(json.dumps(report))
        return
    for name, value in report.items():
        for line in value if name == "rows" else [value]:
            click.echo("  ".join(f"{k} {v}" for k, v in line.items()) if name == "rows" else f"{name}: {line}")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
