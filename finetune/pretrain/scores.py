"""How well pictures are read: exact match (canonical, by match key), token edit distance, by set, kind and length."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docproc.latex.canonical import canonical, match_key
from finetune.pretrain.decoding import Reading, read_pictures
from finetune.pretrain.heldout import Picture
from finetune.pretrain.network import PackedNetwork
from finetune.pretrain.vocabulary import NOT, split_target

LENGTHS = ((1, 5), (6, 15), (16, 40), (41, 80), (81, 400))


def evaluate(
    network: PackedNetwork, pictures: Sequence[Picture], tokenizer: Any, most_new: int = 300
) -> list[dict[str, Any]]:
    """Read the pictures; a record each: set, kind, source, gold, pred, exact, same (match key), errors, tokens..."""
    readings = read_pictures(network, [p.ink() for p in pictures], most_new)
    return [_record(p, r, tokenizer) for p, r in zip(pictures, readings, strict=True)]


def _record(picture: Picture, reading: Reading, tokenizer: Any) -> dict[str, Any]:
    pred = "" if NOT in reading.ids else tokenizer.decode(reading.ids, skip_special_tokens=False)
    gold = picture.latex
    gold_tokens, pred_tokens = split_target(gold), split_target(pred)
    exact = pred == gold or (bool(pred) and _quiet(canonical, pred) == _quiet(canonical, gold))
    return {
        "set": picture.set,
        "kind": picture.kind,
        "source": picture.source,
        "gold": gold,
        "pred": pred,
        "exact": exact,
        "same": exact or (bool(pred) and _quiet(match_key, pred) == _quiet(match_key, gold)),
        "errors": edit_distance(pred_tokens, gold_tokens),
        "tokens": len(gold_tokens),
        "log_p": round(reading.log_probability, 4),
        "finished": reading.finished,
    }


def _quiet(function: Any, text: str) -> str:
    """Apply to what a model wrote, which may be no LaTeX at all."""
    try:
        return str(function(text))
    except (ValueError, RecursionError, IndexError, KeyError):
        return text


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def summarize(records: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Figures by set and kind, and by length inside each."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for r in records:
        name = f"{r['set']} {r['kind']}"
        groups[name].append(r)
        for low, high in LENGTHS:
            if low <= r["tokens"] <= high:
                groups[f"{name} {low}-{high}"].append(r)
    table = {}
    for name, rows in groups.items():
        n = len(rows)
        table[name] = {
            "n": n,
            "exact": round(sum(r["exact"] for r in rows) / n, 4),
            "same": round(sum(r["same"] for r in rows) / n, 4),
            "token_error": round(sum(r["errors"] for r in rows) / max(1, sum(r["tokens"] for r in rows)), 4),
        }
    return table


def report(
    network: PackedNetwork, pictures: Sequence[Picture], tokenizer: Any, out: Path | None
) -> dict[str, dict[str, float]]:
    """Evaluate, print the table, and write it and the predictions below `out`."""
    start = time.perf_counter()
    records = evaluate(network, pictures, tokenizer)
    table = summarize(records)
    for name, row in table.items():
        print(
            f"FINAL {name:32s} n {row['n']:4.0f} exact {row['exact']:.3f} same {row['same']:.3f} "
            f"ter {row['token_error']:.4f}",
            flush=True,
        )
    print(f"FINAL {len(records)} pictures in {time.perf_counter() - start:.1f} s", flush=True)
    if out is not None:
        (out / "scores.json").write_text(json.dumps(table, indent=1))
        (out / "predictions.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return table
