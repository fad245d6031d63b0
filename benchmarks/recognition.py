"""Formulas a second of the recognizer at several batch sizes, beside plain `generate()` in the same run.

The crops are those that docproc cuts from the project's own sample PDFs, inline and display as 80 to 20; processing
of the pictures is included. Machines are shared and noisy: compare the rows of one run.

    python -m benchmarks.recognition [--crops 96] [--batch-sizes 1,8,32,64] [--threads 2] [--json]
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np

from docproc.checkpoints import LoadedModel, load_model_and_processor
from docproc.options import FindOptions, RegionOptions, RunOptions
from docproc.records import FormulaKind

SAMPLES = Path(__file__).parent.parent / "samples"
INLINE_SHARE = 0.8


def sample_crops(count: int) -> list[np.ndarray]:
    """Crops of the sample PDFs: `count` of them, 80 % inline, repeated if the samples hold fewer."""
    from docproc.crops import cut_crops
    from docproc.finding import DocumentTask, look_at, open_kept
    from docproc.pages import render_page
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
    return [pools[kind][i % len(pools[kind])] for kind, number in wanted for i in range(number)]


def generate(loaded: LoadedModel, crops: Sequence[np.ndarray], batch_size: int) -> None:
    """The reference: transformers' own `generate()`, batches in the order given."""
    import torch
    from PIL import Image

    from docproc.prompt import conversation
    from docproc.qwen2_vl import pad_to_multiple

    text = loaded.processor.apply_chat_template(conversation(), add_generation_prompt=True, tokenize=False)
    vision = loaded.model.config.vision_config
    multiple = vision.patch_size * vision.spatial_merge_size
    for start in range(0, len(crops), batch_size):
        part = crops[start : start + batch_size]
        pictures = [Image.fromarray(pad_to_multiple(crop, multiple)).convert("RGB") for crop in part]
        inputs = loaded.processor(text=[text] * len(part), images=pictures, return_tensors="pt", padding=True)
        with torch.inference_mode():
            loaded.model.generate(**inputs.to(loaded.model.device), max_new_tokens=256, do_sample=False)


def rate(action: Callable[[], object], count: int) -> float:
    """Formulas a second."""
    begun = time.perf_counter()
    action()
    return count / (time.perf_counter() - begun)


@click.command()
@click.option("--crops", "count", type=int, default=96, show_default=True)
@click.option("--batch-sizes", default="1,8,32,64", show_default=True)
@click.option("--threads", type=int, default=0, help="PyTorch threads; 0 leaves its default.")
@click.option("--model", default="built-in", show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(count: int, batch_sizes: str, threads: int, model: str, device: str, as_json: bool) -> None:
    """Print formulas/s for docproc and for generate() at each batch size, and the peak memory."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does
    import torch

    from docproc.qwen2_vl import Qwen2VLRecognizer
    from docproc.recognition import recognize_all

    if threads:
        torch.set_num_threads(threads)
    crops = sample_crops(count)
    reference = load_model_and_processor(model, device)
    recognizer = Qwen2VLRecognizer.from_options(RunOptions(model=model, device=device))
    recognize_all(recognizer, crops[:4], 4)
    rows = []
    for size in map(int, batch_sizes.split(",")):
        ours = rate(partial(recognize_all, recognizer, crops, size), count)
        plain = rate(partial(generate, reference, crops, size), count)
        rows.append(
            {"batch": size, "docproc": round(ours, 2), "generate": round(plain, 2), "ratio": round(ours / plain, 2)}
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    if as_json:
        click.echo(json.dumps({"rows": rows, "peak_mib": round(peak), "threads": torch.get_num_threads()}))
        return
    click.echo(f"{count} crops, {torch.get_num_threads()} threads, peak {peak:.0f} MiB; formulas/s")
    for row in rows:
        click.echo(
            f"batch {row['batch']:3}: docproc {row['docproc']:6}  generate {row['generate']:6}  ratio {row['ratio']}"
        )


if __name__ == "__main__":
    main()
