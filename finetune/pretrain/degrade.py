"""Make clean crops look like scans: geometry, ink, paper, optics, sensor, files. Never inverted."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np
from numpy.typing import NDArray

from finetune.pretrain.crops import Crop

Grey = NDArray[np.uint8]


def degrade(crop: Crop, rng: random.Random, strength: float = 1.0) -> Crop:
    """Return the crop as a scanner or camera might deliver it; glyph boxes follow.

    Args:
        crop: 255 = paper.
        rng: Source of randomness (numpy's global state is used for noise).
        strength: 1 for the usual mixture; smaller is gentler.
    """
    if rng.random() < 0.45 * strength:
        crop = _warp(crop, rng)
    grey = crop.grey
    for chance, step in _STEPS:
        if rng.random() < chance * strength:
            grey = step(grey, rng)
    return Crop(grey, crop.glyphs)


def _warp(crop: Crop, rng: random.Random) -> Crop:
    """Skew up to about 2 degrees, shear, sometimes perspective."""
    h, w = crop.grey.shape
    slope = math.tan(math.radians(rng.gauss(0, 0.8)))
    if abs(slope) * w > 0.5 * h + 12:  # long lines: the detector would have cut a skewed strip
        slope *= (0.5 * h + 12) / (abs(slope) * w)
    shear = rng.gauss(0, 0.05)
    matrix = np.array([[1, shear, -shear * h / 2], [slope, 1, -slope * w / 2], [0, 0, 1]], np.float64)
    if rng.random() < 0.15:
        matrix[2, 0], matrix[2, 1] = rng.gauss(0, 0.06) / max(w, 40), rng.gauss(0, 0.06) / max(h, 40)
    corners = cv2.perspectiveTransform(np.array([[[0, 0], [w, 0], [0, h], [w, h]]], np.float64), matrix)[0]
    low, high = corners.min(0), corners.max(0)
    trim_x, trim_y = (rng.uniform(0, 0.5) * (abs(shear) * h), rng.uniform(0, 0.35) * (abs(slope) * w))
    shift = np.array([[1, 0, -low[0] - trim_x], [0, 1, -low[1] - trim_y], [0, 0, 1]])
    matrix = shift @ matrix
    size = (max(4, math.ceil(high[0] - low[0] - 2 * trim_x)), max(4, math.ceil(high[1] - low[1] - 2 * trim_y)))
    grey = cv2.warpPerspective(crop.grey, matrix, size, flags=cv2.INTER_LINEAR, borderValue=255)
    if not crop.glyphs:
        return Crop(grey)
    boxes = np.array([g[1:] for g in crop.glyphs])
    centers = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2], -1)
    moved = cv2.perspectiveTransform(centers[None], matrix)[0] - centers
    shifted = boxes + np.concatenate([moved, moved], -1)
    return Crop(grey, [(g[0], *b) for g, b in zip(crop.glyphs, shifted.tolist(), strict=True)])


def _thicken(grey: Grey, rng: random.Random) -> Grey:
    """Bold or thin strokes by a fraction of a pixel: a blend with the eroded or dilated picture."""
    kernel = np.ones((2, 2), np.uint8) if rng.random() < 0.6 else np.ones((3, 3), np.uint8)
    other = cv2.erode(grey, kernel) if rng.random() < 0.6 else cv2.dilate(grey, kernel)
    share = rng.uniform(0.25, 0.95) if kernel.shape[0] == 2 else rng.uniform(0.15, 0.5)
    return np.asarray(cv2.addWeighted(grey, 1 - share, other, share, 0), np.uint8)


def _blur(grey: Grey, rng: random.Random) -> Grey:
    if rng.random() < 0.8:
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.3, 1.15)), np.uint8)
    size = rng.choice([2, 3])  # motion, or a soft lens in one direction
    return np.asarray(cv2.blur(grey, (size, 1) if rng.random() < 0.5 else (1, size)), np.uint8)


def _resample(grey: Grey, rng: random.Random) -> Grey:
    """Scanned or stored at a lower resolution."""
    h, w = grey.shape
    k = rng.uniform(0.5, 0.92)
    small = cv2.resize(
        grey, (max(4, int(w * k)), max(4, int(h * k))), interpolation=rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR])
    )
    large = cv2.resize(small, (w, h), interpolation=rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    return np.asarray(large, np.uint8)


def _wobble(grey: Grey, rng: random.Random) -> Grey:
    """Ragged edges: each pixel is taken from a slightly displaced place."""
    h, w = grey.shape
    sigma, reach = rng.uniform(1.0, 3.0), rng.uniform(0.4, 1.4)
    shifts = [
        cv2.GaussianBlur(np.random.randn(h, w).astype(np.float32), (0, 0), sigma) * sigma * 2 * reach for _ in "xy"
    ]
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    moved = cv2.remap(grey, x + shifts[0], y + shifts[1], cv2.INTER_LINEAR, borderValue=255)
    return np.asarray(moved, np.uint8)


def _fade(grey: Grey, rng: random.Random) -> Grey:
    """Pale ink on grey (or colored, seen as grey) paper."""
    ink, paper = rng.uniform(0, 110), rng.uniform(165, 255)
    return (ink + grey.astype(np.float32) * ((paper - ink) / 255)).astype(np.uint8)


def _uneven_light(grey: Grey, rng: random.Random) -> Grey:
    h, w = grey.shape
    a, b, c = (rng.uniform(0.72, 1.05) for _ in range(3))
    light = np.linspace(a, b, w, dtype=np.float32)[None] * np.linspace(c, 1, h, dtype=np.float32)[:, None]
    return np.clip(grey * light, 0, 255).astype(np.uint8)


def _bleed(grey: Grey, rng: random.Random) -> Grey:
    """Print of the other side shining through: the mirrored picture, displaced, blurred and pale."""
    h, w = grey.shape
    back = np.roll(cv2.flip(grey, 1), (rng.randint(-h // 2, h // 2), rng.randint(-w // 3, w // 3)), (0, 1))
    back = np.asarray(cv2.GaussianBlur(back, (0, 0), rng.uniform(0.8, 2.0)), np.uint8)
    return np.clip(grey.astype(np.float32) - (255.0 - back) * rng.uniform(0.06, 0.28), 0, 255).astype(np.uint8)


def _texture(grey: Grey, rng: random.Random) -> Grey:
    """Cloudy paper."""
    h, w = grey.shape
    rough = np.random.randn(max(2, h // 6), max(2, w // 6)).astype(np.float32)
    cloud = np.asarray(cv2.resize(rough, (w, h), interpolation=cv2.INTER_CUBIC), np.float32) * rng.uniform(2, 12)
    return np.clip(grey + cloud, 0, 255).astype(np.uint8)


def _noise(grey: Grey, rng: random.Random) -> Grey:
    noise = np.random.standard_normal(grey.shape).astype(np.float32) * rng.uniform(2, 20)
    return np.clip(grey + noise, 0, 255).astype(np.uint8)


def _speckle(grey: Grey, rng: random.Random) -> Grey:
    """Dust and holes of one to three pixels."""
    out = grey.copy()
    h, w = grey.shape
    for shade in (rng.randint(0, 90), 255):
        for _ in range(int(rng.uniform(0, 0.0016) * h * w)):
            y, x, r = rng.randrange(h), rng.randrange(w), rng.choice([1, 1, 1, 2, 2, 3])
            out[y : y + r, x : x + r] = shade
    return out


def _moire(grey: Grey, rng: random.Random) -> Grey:
    """Stripes of a photographed screen or a halftone."""
    h, w = grey.shape
    angle, period = rng.uniform(0, math.pi), rng.uniform(2.3, 14)
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / period) + rng.uniform(0, 6))
    return np.clip(grey + wave * rng.uniform(4, 26) - 8, 0, 255).astype(np.uint8)


def _jpeg(grey: Grey, rng: random.Random) -> Grey:
    _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(22, 85)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _threshold(grey: Grey, rng: random.Random) -> Grey:
    """Black and white, as fax and many book scans are; sometimes with soft edges from later scaling."""
    paper = float(np.percentile(grey, 85))
    ink = float(np.percentile(grey, 2))
    if paper - ink < 25:
        return grey
    level = ink + (paper - ink) * rng.uniform(0.42, 0.78)
    binary = cv2.threshold(grey, level, 255, cv2.THRESH_BINARY)[1]
    return np.asarray(
        cv2.GaussianBlur(binary, (0, 0), rng.uniform(0.4, 0.8)) if rng.random() < 0.5 else binary, np.uint8
    )


_STEPS = (
    (0.30, _thicken),
    (0.10, _wobble),
    (0.10, _bleed),
    (0.30, _fade),
    (0.20, _resample),
    (0.40, _blur),
    (0.15, _uneven_light),
    (0.12, _texture),
    (0.06, _moire),
    (0.35, _noise),
    (0.12, _speckle),
    (0.22, _jpeg),
    (0.14, _threshold),
)
