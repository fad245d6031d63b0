r"""Render match of held-out readings: truth and reading typeset alike, their pictures compared.

    python -m finetune.pretrain.render_scores RUN/predictions.jsonl DATA/heldout.zip

`general` sets both in Computer Modern, as `docproc evaluate` does; `own` sets both in the font family of the picture
that was read, and so says whether the reading is what the picture shows: `\mathsf{1}` is no other picture than `1` in
a sans-serif family.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from docproc.render_match import look_equal, match_renders, page_ink
from finetune.pretrain.heldout import load_sets
from finetune.pretrain.typeset import Job, typeset

_DPI = 250
_CHUNK = 60


def render_in_family(formulas: list[str], family: str) -> dict[str, NDArray[np.uint8]]:
    """Pictures of formulas as displays in one font family, cut to their ink; those that TeX refuses are missing."""
    import pymupdf

    pictures: dict[str, NDArray[np.uint8]] = {}
    for start in range(0, len(formulas), _CHUNK):
        part = formulas[start : start + _CHUNK]
        sheet = typeset([Job(latex, display=True) for latex in part], family=family, widest_pt=2000.0)
        if sheet is None:  # one of them breaks the run
            if len(part) > 1:
                pictures |= {k: v for latex in part for k, v in render_in_family([latex], family).items()}
            continue
        with pymupdf.open("pdf", sheet.pdf) as document:
            for page, i in sheet.pages:
                pictures[part[i]] = page_ink(document[page], _DPI)
    return pictures


def match_in_family(pairs: list[tuple[str, str, str]]) -> list[bool | None]:
    """Whether truth and reading are one picture in the given family (truth, reading, family); None: truth fails."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for truth, read, family in pairs:
        wanted[family] |= {truth, read}
    drawn = {family: render_in_family(sorted(latex), family) for family, latex in wanted.items()}
    outcome: list[bool | None] = []
    for truth, read, family in pairs:
        one, other = drawn[family].get(truth), drawn[family].get(read)
        outcome.append(None if one is None else other is not None and look_equal(one, other))
    return outcome


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("pictures", type=Path)
    options = parser.parse_args()
    records = [json.loads(line) for line in options.predictions.read_text(encoding="utf-8").splitlines()]
    pictures = load_sets(options.pictures)
    groups: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for record, picture in zip(records, pictures, strict=True):
        if picture.family:
            for name in (f"{picture.set} {picture.kind}", f"{picture.set} all"):
                groups[name].append((record["gold"], record["pred"], picture.family))
    for name, pairs in groups.items():
        general = match_renders([(truth, read) for truth, read, _ in pairs]).to_json()["match"]
        own = [x for x in match_in_family(pairs) if x is not None]
        row = {"set": name, "n": len(pairs), "general": general, "own": round(sum(own) / len(own), 4)}
        print(json.dumps(row | {"own_compared": len(own)}), flush=True)


if __name__ == "__main__":
    main()
