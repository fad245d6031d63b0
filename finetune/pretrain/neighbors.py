"""What surrounds a formula on a page, and pictures that hold no formula."""

from __future__ import annotations

import random

import cv2
import numpy as np
from numpy.typing import NDArray

from finetune.pretrain.grammar import WORDS

Neighbors = tuple[str, str, str, str]
"""LaTeX text left, right, above and below."""


def _words(rng: random.Random, count: int) -> str:
    words = [rng.choice(WORDS) for _ in range(count)]
    if rng.random() < 0.3:
        words[rng.randrange(count)] += rng.choice([",", ".", ";", ":"])
    if rng.random() < 0.25:
        words[0] = words[0].capitalize()
    if rng.random() < 0.35:
        words[rng.randrange(count)] = rf"${rng.choice('abcxyzfgnkABXYZ')}$"
    return " ".join(words)


def draw_neighbors(rng: random.Random, display: bool, length: int = 200) -> tuple[Neighbors, bool]:
    """Draw neighbors of a formula.

    Args:
        rng: Source of randomness.
        display: The formula stands on a line of its own.
        length: Characters of its LaTeX: lines above and below are as long as they need be.

    Returns:
        Text left, right, above, below; and whether a sign touches the formula, so that a crop must be tight beside it.
    """
    left = right = above = below = ""
    touching = False
    words = min(30, 6 + length // 10)
    if display:
        if rng.random() < 0.35:
            right = rf"\hskip{rng.uniform(3, 10):.1f}pt({rng.randint(1, 30)}"
            right += rng.choice(["", f".{rng.randint(1, 40)}", "a"]) + ")"
        elif rng.random() < 0.3:
            left = _words(rng, 3) + r"\hskip" + f"{rng.uniform(3, 9):.1f}pt "
    else:
        if rng.random() < 0.8:
            left = _words(rng, 3) + " "
            if rng.random() < 0.08:
                left, touching = left + "(", True
        if rng.random() < 0.85:
            if rng.random() < 0.35:
                right, touching = (
                    rng.choice([",", ",", ".", ".", ";", ":", ")", ").", "),", "-th", "'s"]) + " " + _words(rng, 3),
                    True,
                )
            else:
                right = " " + _words(rng, 3)
        left, right = left.replace(" ", r"\ "), right.replace(" ", r"\ ")
    if rng.random() < 0.7:
        above = rf"\raise{rng.choice([0, 0.5, 1, 2, 3, 5])}pt\hbox{{{_words(rng, words)}}}"
    if rng.random() < 0.7:
        below = rf"\lower{rng.choice([0, 0.5, 1, 2, 3, 5])}pt\hbox{{{_words(rng, words)}}}"
    return (left, right, above, below), touching


def draw_prose(rng: random.Random) -> str:
    """Words and no formula, as LaTeX mathematics: at least three words, or parts of sentences with punctuation."""
    words = [rng.choice(WORDS) for _ in range(rng.choice([3, 3, 4, 5, 7, 10]))]
    if rng.random() < 0.4:
        words[0] = words[0].capitalize()
    if rng.random() < 0.5:
        words[-1] += rng.choice([".", ",", ";", ":"])
    font = rng.choice(["text", "text", "text", "textit", "textbf", "textsf"])
    return rf"\{font}{{{' '.join(words)}}}"


def draw_nothing(rng: random.Random) -> NDArray[np.uint8]:
    """A picture without a formula: blank paper, rules, a frame, a slice of letters, noise or a photograph's shades."""
    h, w = rng.randint(10, 60), rng.randint(12, 260)
    grey = np.full((h, w), 255, np.uint8)
    kind = rng.random()
    if kind < 0.3:  # blank, perhaps with a speck
        if rng.random() < 0.5:
            cv2.circle(grey, (rng.randrange(w), rng.randrange(h)), rng.randint(0, 1), rng.randint(0, 120), -1)
    elif kind < 0.45:  # long rules, a frame, a table's grid
        for _ in range(rng.randint(1, 3)):
            y, t = rng.randrange(h), rng.randint(1, 3)
            cv2.line(grey, (0, y), (w, y), 0, t)
        if w > 80 and rng.random() < 0.5:
            for _ in range(rng.randint(1, 4)):
                x = rng.randrange(w)
                cv2.line(grey, (x, 0), (x, h), 0, rng.randint(1, 2))
    elif kind < 0.7:  # the upper or lower edge of a line of words
        text = " ".join(rng.choice(WORDS) for _ in range(6))
        line = np.full((40, 600), 255, np.uint8)
        font = rng.choice([cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX])
        cv2.putText(line, text, (4, 26), font, 0.6, 0, 1, cv2.LINE_AA)
        x = rng.randrange(200)
        top, bottom = (20, rng.randint(30, 36)) if rng.random() < 0.5 else (8, rng.randint(14, 17))
        grey = line[top:bottom, x : x + max(40, w)].copy()
    elif kind < 0.85:  # noise
        grain = np.random.randint(0, 256, (max(2, h // 3), max(2, w // 3))).astype(np.uint8)
        grey = cv2.resize(grain, (w, h), interpolation=rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR]))
    else:  # soft shades
        rough = np.random.randint(0, 256, (rng.randint(2, 4), rng.randint(2, 5))).astype(np.uint8)
        grey = cv2.resize(rough, (w, h), interpolation=cv2.INTER_CUBIC)
    return grey
