"""Changes training pictures, so that a few hundred of them say more about a hand or a scanner than they show."""

from __future__ import annotations

import math

import cv2
import numpy as np

# Shares of the pictures that are bent and that are inked otherwise.
BENT, INKED = 0.5, 0.3


def augmented(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The picture as another scan, or the same hand on another day, might show it.

    It is shifted, scaled, turned, bent, inked more or less, blurred and soiled a little.

    Args:
        grey: uint8 of shape (height, width), 0 = ink.
        random: Source of randomness.

    Returns:
        The same kind of array, of slightly different shape.
    """
    margins = random.integers(0, 7, (2, 2))
    image: np.ndarray = np.pad(grey, margins, constant_values=_paper(grey))
    if random.random() < 0.7:
        x, y = random.uniform(0.88, 1.12, 2)
        size = (max(4, round(image.shape[1] * x)), max(4, round(image.shape[0] * y)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if x * y < 1 else cv2.INTER_LINEAR)
    if random.random() < 0.5:
        height, width = image.shape
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-1.2, 1.2), 1.0)
        turn[0, 1] += random.uniform(-0.08, 0.08)  # slant
        image = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    if random.random() < BENT:
        image = _bent(image, random)
    if random.random() < INKED:
        image = _inked(image, random)
    if random.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, 0.8))
    values = image.astype(np.float32)
    if random.random() < 0.5:  # ink and paper of another strength
        values = 255 - (255 - values) * random.uniform(0.75, 1.2) - random.uniform(0, 12)
    if random.random() < 0.3:
        values += random.normal(0, random.uniform(2, 10), values.shape)
    result: np.ndarray = np.clip(values, 0, 255).astype(np.uint8)
    return result


def _paper(grey: np.ndarray) -> int:
    return int(np.percentile(grey, 90))


def _bent(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Bend strokes smoothly, by about a pixel over a letter of 9-14 pixels: no letter is written twice alike.

    Source: Simard, Steinkraus and Platt 2003, Best practices for convolutional neural networks, "elastic distortions".
    """
    height, width = grey.shape
    sigma, reach = random.uniform(4, 8), random.uniform(0.5, 1.3)  # pixels
    # A blur leaves white noise a deviation of 1 / (2 sigma sqrt(pi)).
    scale = reach * 2 * sigma * math.sqrt(math.pi)
    noise = (random.standard_normal((height, width), dtype=np.float32) for _ in "xy")
    x, y = (scale * cv2.GaussianBlur(field, (0, 0), sigma) for field in noise)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(
        cv2.remap(grey, columns + x, rows + y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _inked(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Thicken or thin strokes by less than a pixel: a blend with the eroded or dilated picture."""
    change = cv2.erode if random.random() < 0.5 else cv2.dilate
    other = change(grey, np.ones((2, 2), np.uint8))
    share = random.uniform(0.2, 0.7)
    return np.asarray(cv2.addWeighted(grey, 1 - share, other, share, 0), np.uint8)
