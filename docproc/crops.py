"""Cut out of the page what the recogniser sees of each formula, at the scale that it was trained at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from docproc.options import RegionOptions
    from docproc.records import Box, Page, Region

# The recogniser was trained on pictures of 22 px an em: an x-height of 9-10 px.
_EM_PX = 22.0
# Handwriting is larger in training (x-heights of 9-21 px). Of 132 formulas of made pages of the dev split 51 % are read
# right at 22 px an em, 59 % at 29 and 61 % at 35, which takes half as long again.
WRITTEN_EM_PX = 29.0
# Median height of the connected components of a page of print, in em (most letters are x-high, 0.43 em).
_COMPONENT_HEIGHT_EM = 0.46
# Sizes at which a picture is left as it is: within 110-260 dpi for 10 pt, where the recognizer was trained.
_FITTING_EM_PX = (17.0, 34.0)
# Median height of the components of one formula, in em: all x-high at least, all capitals, brackets and joined letters
# at most, digits and capitals among x-high letters as a rule.
_FORMULA_HEIGHT_EM, _USUAL_FORMULA_HEIGHT_EM = (_COMPONENT_HEIGHT_EM, 0.9), 0.64
_MIN_SIDE_PX = 16
# 1,200 visual tokens of 16 x 16 pixels.
_MAX_AREA_PX = 1200 * 16 * 16
# Body size where the page does not tell: 10 pt.
_USUAL_SIZE_PT = 10.0
# Ink may lie this far outside a box and still be the formula's (antialiasing, rounding).
_SLACK_PT = 0.6
# Light ink on a dark ground: at least this share of the picture is dark. A formula's own ink never covers as much.
_DARK_SHARE = 0.6
# Gray levels between ink and paper; less is an empty picture.
_LEAST_CONTRAST = 40


def cut_crops(page: Page, regions: list[Region], options: RegionOptions) -> list[Region]:
    """Fill in `crop` of every region that has no `glyph_latex`.

    Args:
        page: With its grey image at `page.dpi`.
        regions: Of this page, boxes in points.
        options: `margin_pt` of paper is kept around the ink; other words in the margin are painted away.

    Returns:
        The regions in the same order; each crop is a copy, so that it does not hold the page.
    """
    if all(region.glyph_latex is not None for region in regions):
        return list(regions)
    is_print = page.text_layer is None and any(region.written_em_pt is None for region in regions)
    page_em = _scan_em_pt(page) if is_print else None
    cut: list[Region] = []
    for region in regions:
        if region.glyph_latex is not None:
            cut.append(region)
            continue
        if region.written_em_pt is not None:
            crop = _cut(page, region.box, region.written_em_pt, options.margin_pt, WRITTEN_EM_PX)
        else:
            em_pt = page_em if page_em is not None else _glyph_em_pt(page, region.box)
            crop = _cut(page, region.box, em_pt, options.margin_pt)
        cut.append(replace(region, crop=crop))
    return cut


def fit_picture(image: np.ndarray) -> np.ndarray:
    """Bring a picture of one formula, cut by somebody else at an unknown resolution, into the recognizer's range.

    Args:
        image: Grey uint8, shape (height, width).

    Returns:
        The picture itself if its symbols may be of a size the recognizer was trained on; else scaled, so that they are.
        A formula of digits, capitals or brackets looks like one in letters twice the size, so that only pictures far
        off are touched. Light ink on a dark ground
        (blackboards, dark themes) becomes dark ink.
    """
    image = _dark_ink(image)
    height = _component_height_px(image, at_least=4, tallest_px=max(image.shape))
    scale = 1.0
    if height is not None:
        least, most = height / _FORMULA_HEIGHT_EM[1], height / _FORMULA_HEIGHT_EM[0]
        if least > _FITTING_EM_PX[1] or most < _FITTING_EM_PX[0]:
            scale = _EM_PX * _USUAL_FORMULA_HEIGHT_EM / height
    area = image.shape[0] * image.shape[1] * scale * scale
    if area > _MAX_AREA_PX:
        scale *= (_MAX_AREA_PX / area) ** 0.5
    if scale == 1.0:
        return image
    size = (max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale)))
    resized: np.ndarray = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return resized


def _dark_ink(image: np.ndarray) -> np.ndarray:
    """The picture, inverted where its ink is lighter than its ground."""
    low, high = (float(x) for x in np.percentile(image[::2, ::2], (1, 99)))
    if high - low < _LEAST_CONTRAST or float(np.mean(image < (low + high) / 2)) < _DARK_SHARE:
        return image
    return np.asarray(cv2.bitwise_not(image), np.uint8)


def _cut(page: Page, box: Box, em_pt: float, margin_pt: float, em_px: float = _EM_PX) -> np.ndarray:
    pixels_per_pt = page.dpi / 72
    height, width = page.image.shape
    outer = box.padded(margin_pt).scaled(pixels_per_pt)
    x0, y0 = max(0, int(np.floor(outer.x0))), max(0, int(np.floor(outer.y0)))
    x1, y1 = min(width, int(np.ceil(outer.x1))), min(height, int(np.ceil(outer.y1)))
    if x1 <= x0 or y1 <= y0:
        return np.full((_MIN_SIDE_PX, _MIN_SIDE_PX), 255, np.uint8)
    crop = _dark_ink(page.image[y0:y1, x0:x1]).copy()
    inner = box.padded(_SLACK_PT).scaled(pixels_per_pt)
    _paint_neighbors(crop, inner.x0 - x0, inner.y0 - y0, inner.x1 - x0, inner.y1 - y0)
    scale = em_px / (em_pt * pixels_per_pt)
    area = crop.shape[0] * crop.shape[1] * scale * scale
    if area > _MAX_AREA_PX:
        scale *= (_MAX_AREA_PX / area) ** 0.5
    new_width, new_height = max(1, int(crop.shape[1] * scale)), max(1, int(crop.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(crop, (new_width, new_height), interpolation=method)
    pad_x, pad_y = max(0, _MIN_SIDE_PX - new_width), max(0, _MIN_SIDE_PX - new_height)
    if pad_x or pad_y:
        paper = int(np.max(resized))
        resized = cv2.copyMakeBorder(
            resized, pad_y // 2, pad_y - pad_y // 2, pad_x // 2, pad_x - pad_x // 2, cv2.BORDER_CONSTANT, value=paper,
        )  # fmt: skip
    result: np.ndarray = np.ascontiguousarray(resized, dtype=np.uint8)
    return result


def _paint_neighbors(crop: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> None:
    """Paint paper over connected ink that lies mostly outside the formula's box; changes `crop`."""
    height, width = crop.shape
    left, top = max(0, int(np.floor(x0))), max(0, int(np.floor(y0)))
    right, bottom = min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))
    threshold, ink = cv2.threshold(crop, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    count, labels = cv2.connectedComponents(ink, connectivity=8)
    if count < 2:
        return
    total = np.bincount(labels.ravel(), minlength=count)
    inside = np.bincount(labels[top:bottom, left:right].ravel(), minlength=count)
    foreign = inside < 0.5 * total
    foreign[0] = False
    if not foreign.any():
        return
    mask = cv2.dilate(foreign[labels].astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2).astype(bool)
    mask &= ~(ink.astype(bool) & ~foreign[labels])
    mask[top:bottom, left:right] &= foreign[labels][top:bottom, left:right]
    paper = crop[crop > threshold]
    crop[mask] = int(np.median(paper)) if paper.size else 255


def _glyph_em_pt(page: Page, box: Box) -> float:
    """Size of the formula's main glyphs: the largest that at least a sixth of them have."""
    sizes = [
        glyph.size_pt
        for glyph in (page.text_layer.glyphs if page.text_layer is not None else ())
        if not glyph.text.isspace() and box.holds(glyph.box.center)
    ]
    if not sizes:
        return _USUAL_SIZE_PT
    sizes.sort(reverse=True)
    return min(max(sizes[len(sizes) // 6], 4.0), 40.0)


def _scan_em_pt(page: Page) -> float:
    """Size of the body text of a scan, from the median height of its connected components."""
    height = _component_height_px(page.image, at_least=5, tallest_px=0.06 * max(page.image.shape))
    return _USUAL_SIZE_PT if height is None else height / _COMPONENT_HEIGHT_EM * 72 / page.dpi


def _component_height_px(image: np.ndarray, at_least: int, tallest_px: float) -> float | None:
    """Median height of what could be letters; None for fewer than `at_least`."""
    _, ink = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    heights = stats[1:, cv2.CC_STAT_HEIGHT]
    widths = stats[1:, cv2.CC_STAT_WIDTH]
    areas = stats[1:, cv2.CC_STAT_AREA]
    is_letter = (heights >= 4) & (heights < tallest_px) & (widths < tallest_px) & (areas >= 8)
    if is_letter.sum() < at_least:
        return None
    return float(np.median(heights[is_letter]))
