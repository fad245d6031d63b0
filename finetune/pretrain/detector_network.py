"""The network that finds formulas on scanned pages, and how it becomes a file for OpenCV."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from docproc.scan_detector import CHANNELS

# Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the working scale, and residual blocks at all but the first. Chosen by the
# time of OpenCV's classic engine: 0.13 s for 928 x 1280 pixels on one core.
_WIDTHS = (12, 24, 44, 80, 112)
_BLOCKS = (1, 2, 3, 3)


class DetectorNetwork(nn.Module):
    """Page of shape (n, 1, height, width), ink 1 and paper 0 -> logits (n, CHANNELS * 4, height / 4, width / 4).

    A position of the answer speaks for 2 x 2 cells, see docproc.scan_detector.to_cells. Height and width are multiples
    of 32.
    """

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.stem = _convolution(1, _WIDTHS[0], kernel=5, stride=2)
        self.down = nn.ModuleList(_convolution(a, b, stride=2) for a, b in pairwise(_WIDTHS))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(_Residual(width) for _ in range(count)))
            for width, count in zip(_WIDTHS[1:], _BLOCKS, strict=True)
        )
        levels = range(1, len(_WIDTHS) - 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral = nn.ModuleList(nn.Conv2d(_WIDTHS[i + 1], _WIDTHS[i], 1) for i in levels)
        self.refine = nn.ModuleList(_convolution(_WIDTHS[i], _WIDTHS[i]) for i in levels)
        self.head = nn.Conv2d(_WIDTHS[1], CHANNELS * 4, 1)
        nn.init.zeros_(self.head.weight)

    def forward(self, page: Tensor) -> Tensor:
        """Logits."""
        x = self.stem(page)
        seen = []
        for down, blocks in zip(self.down, self.blocks, strict=True):
            x = blocks(down(x))
            seen.append(x)
        for level in range(len(seen) - 2, -1, -1):
            x = self.refine[level](seen[level] + self.up(self.lateral[level](x)))
        logits: Tensor = self.head(x)
        return logits


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.activation(x + self.second(self.first(x)))
        return result


def _convolution(inside: int, outside: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU())


def export_onnx(network: DetectorNetwork, path: Path) -> None:
    """Write the network as ONNX for pages of any size; normalizations are folded into the convolutions.

    Raises:
        ImportError: The package onnx is missing.
    """
    network = network.eval().cpu().float()
    torch.onnx.export(
        network,
        (torch.zeros(1, 1, 256, 256),),
        str(path),
        dynamo=False,  # the other exporter writes operators that OpenCV does not know
        opset_version=13,
        input_names=["page"],
        output_names=["logits"],
        dynamic_axes={"page": {2: "height", 3: "width"}, "logits": {2: "rows", 3: "columns"}},
    )


def halve_weights(path: Path) -> None:
    """Store the weights of an ONNX file in 16 bits, which OpenCV widens again: half the size, logits within 0.03."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            halved = numpy_helper.to_array(weights).astype(np.float16)
            weights.CopyFrom(numpy_helper.from_array(halved, weights.name))
    onnx.save(model, str(path))
