"""Accents, words and signs that a hand composes out of a few strokes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Protocol

import numpy as np

from finetune.pretrain.ink import Stroke


class Symbol(Protocol):
    """A written symbol on its baseline, in x-heights."""

    strokes: list[Stroke]
    width: float
    up: float
    down: float


ACCENTS = frozenset(
    rf"\{name}"
    for name in ["hat", "bar", "vec", "dot", "ddot", "tilde", "overline", "widehat", "widetilde", "overrightarrow"]
)
SPACES = {r"\quad": 1.8, r"\qquad": 3.0, "~": 0.6}
NAMED = frozenset(
    rf"\{name}"
    for name in [
        "ln", "exp", "max", "min", "det", "dim", "ker", "sup", "inf",
        "arg", "deg", "gcd", "cosh", "sinh", "tanh", "cot", "sec",
    ]
)  # fmt: skip
COMPOSED = frozenset(
    rf"\{name}"
    for name in [
        "cdot", "circ", "otimes", "oplus", "hbar", "mapsto", "approx",
        "subseteq", "simeq", "cong", "wedge", "vee", "setminus",
    ]
)  # fmt: skip


def accent(
    command: str,
    width: float,
    line: Callable[[float], list[Stroke]],
    rng: random.Random,
    *,
    is_half: bool = False,
) -> list[Stroke]:
    """Strokes of an accent over a box of this width; its foot is at 0, x from the box's left edge.

    Args:
        command: Of `ACCENTS`.
        width: In x-heights.
        line: Writes a line of some length.
        rng: Source of chance.
        is_half: Arrows have only the upper half of their heads.
    """
    wide = command.startswith((r"\over", r"\wide")) or width > 2
    span = width * rng.uniform(0.8, 1.1) if wide or command in (r"\bar", r"\vec") else min(width, rng.uniform(0.5, 0.9))
    left, rise = (width - span) / 2, rng.uniform(0.2, 0.4)
    if command in (r"\dot", r"\ddot"):
        middle, apart = width / 2, rng.uniform(0.18, 0.3) if command == r"\ddot" else 0.0
        return [np.array([[middle + side, -0.15]], np.float32) for side in sorted({-apart, apart})]
    if command in (r"\bar", r"\overline"):
        return [s + np.array([left, -0.1], np.float32) for s in line(span)]
    if command in (r"\vec", r"\overrightarrow"):
        head = rng.uniform(0.15, 0.3)
        tip = np.array(
            [[left + span - head, -0.15 - head * 0.8], [left + span, -0.15], [left + span - head, -0.15 + head * 0.6]]
        )
        head_strokes = tip[: 2 if is_half else 3].astype(np.float32)
        return [s + np.array([left, -0.15], np.float32) for s in line(span)] + [head_strokes]
    if command in (r"\hat", r"\widehat"):
        return [np.array([[left, 0], [left + span / 2, -rise], [left + span, 0]], np.float32)]
    x = np.linspace(0, 1, 12)
    return [np.stack([left + span * x, -0.15 - 0.5 * rise * np.sin(2 * math.pi * x)], -1).astype(np.float32)]


def composed(
    command: str, symbol: Callable[[str], Symbol], line: Callable[[float], list[Stroke]], rng: random.Random
) -> tuple[list[Stroke], float, float]:
    """Strokes of a sign on the baseline, its height and its depth."""

    def lines(*heights: float, width: float = 1.1) -> list[Stroke]:
        return [s + np.array([0, -y], np.float32) for y in heights for s in line(width)]

    def placed(label: str, y: float) -> list[Stroke]:
        return [s + np.array([0, y], np.float32) for s in symbol(label).strokes]

    if command == r"\cdot":
        return [np.array([[0.1, -0.5]], np.float32)], 0.6, 0.0
    if command in (r"\circ", r"\otimes", r"\oplus"):
        radius = rng.uniform(0.2, 0.28) if command == r"\circ" else rng.uniform(0.5, 0.65)
        start = rng.uniform(0, 6.3)
        turn = start + np.linspace(0, 2 * math.pi * rng.uniform(0.95, 1.08), 24)
        middle = np.array([radius, -0.5], np.float32)
        strokes = [(np.stack([np.cos(turn), np.sin(turn)], -1) * radius + middle).astype(np.float32)]
        reach = radius * rng.uniform(0.6, 0.9)
        turned = {r"\otimes": math.pi / 4, r"\oplus": 0.0}.get(command)
        for angle in () if turned is None else (turned, turned + math.pi / 2):
            way = np.array([math.cos(angle), math.sin(angle)], np.float32) * reach
            strokes.append(np.stack([middle - way, middle + way]))
        return strokes, 0.5 + radius, 0.0
    if command == r"\hbar":
        h = symbol("h")
        return (
            h.strokes + [s + np.array([-0.1, -0.72 * h.up], np.float32) for s in line(0.7 * h.width + 0.2)],
            h.up,
            0.0,
        )
    if command == r"\mapsto":
        return [np.array([[0, -0.8], [0, -0.2]], np.float32), *placed(r"\rightarrow", 0.0)], 0.9, 0.0
    if command == r"\subseteq":
        return placed(r"\subset", -0.2) + lines(0.0, width=1.0), 1.3, 0.0
    if command in (r"\approx", r"\simeq", r"\cong"):
        below = (
            placed(r"\sim", 0.25)
            if command == r"\approx"
            else lines(*((0.25,) if command == r"\simeq" else (0.0, 0.3)))
        )
        return placed(r"\sim", -0.15) + below, 1.1, 0.0
    slope = {r"\wedge": [[0, 0], [0.45, -1], [0.9, 0]], r"\vee": [[0, -1], [0.45, 0], [0.9, -1]]}
    return [np.array(slope.get(command, [[0, -1.5], [0.7, 0.2]]), np.float32)], 1.2, 0.2
