"""Average the weights of two built-in models of one ancestor: what each learned since is kept in part.

    python -m finetune.pretrain.average docproc/model OTHER OUT --share 0.5

Two trainings that set out from the same weights often lie in one basin, where the mean of both reads better than either
(Wortsman et al., Model soups, 2022). OUT gets the weights alone; score them before they are taken over.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from docproc.model.load import load_built_in_weights
from finetune.pretrain.quantize import write_model


def average(one: dict[str, Tensor], other: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Mix two sets of weights.

    Args:
        one: Name to tensor, float32.
        other: The same names and shapes.
        share: Of `other`, 0 to 1.

    Raises:
        ValueError: They are not of one network.
    """
    if {name: tensor.shape for name, tensor in one.items()} != {name: tensor.shape for name, tensor in other.items()}:
        raise ValueError("the models have different layers: only weights of one network can be averaged")
    return {name: tensor.lerp(other[name], share) for name, tensor in one.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Average two built-in models.")
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of OTHER")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    mixed = average(load_built_in_weights(options.one), load_built_in_weights(options.other), options.share)
    print(f"{write_model(mixed, options.out):,} bytes")


if __name__ == "__main__":
    main()
