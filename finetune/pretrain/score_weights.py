"""Score weights on a held-out archive, as the end of a training run does.

    python -m finetune.pretrain.score_weights docproc/model HELDOUT.zip OUT

OUT gets scores.json and predictions.jsonl (for `calibrate` and `render_scores`). Greedy, in float32: a few minutes for
2,600 pictures on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

from docproc.model.load import load_built_in_weights
from finetune.pretrain.heldout import load_sets
from finetune.pretrain.network import PackedNetwork, build_network
from finetune.pretrain.quantize import read_shape
from finetune.pretrain.scores import report


def main() -> None:
    """Command line."""
    folder, archive, out = (Path(x) for x in sys.argv[1:4])
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    weights = load_built_in_weights(folder)
    model = build_network(tokenizer.get_vocab_size(), read_shape(weights))
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    report(PackedNetwork(model.eval(), dtype=torch.float32), load_sets(archive), tokenizer, out)


if __name__ == "__main__":
    main()
