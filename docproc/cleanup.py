"""Clean a scan or photo of a page: upright, straight, unbent, white, without black borders; every step is reversible.

Pure OpenCV on the grey image. Boxes found on the clean page go back to the original one through `Transform`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from docproc.dewarp import Curve, find_curve
from docproc.records import Box

if TYPE_CHECKING:
    from docproc.records import Page, Region

_POINTS_PER_INCH = 72.0
# The angle is looked for on a copy of this many pixels along the longer side: a text line is still 8 pixels high.
_LOOK_PIXELS = 1200
_MAX_SKEW_DEG = 10.0
# Below this a line of 500 pt rises by less than half a point: turning would only blur the page.
_MIN_SKEW_DEG = 0.06
# Rows of text must stand out this much more when read across than when read down before a page is turned by 90 degrees.
_QUARTER_TURN_EVIDENCE = 1.6
# Ascenders outnumber descenders three to one in English, German and French prose; a page is turned upside down only if
# it shows at least this many of both together, and descenders outnumber ascenders by this factor.
_HALF_TURN_LETTERS, _HALF_TURN_EVIDENCE = 60, 1.5
# Paper at least this bright everywhere is left as it is.
_WHITE = 245
# A border is black as it comes, or at least dark once shadows are taken out (a shadow may hold text, and stays).
_BLACK, _DARK = 60, 110


@dataclass(frozen=True, slots=True)
class Transform:
    """From the points of a clean page to the points of the original one."""

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    """Affine, rows of (x factor, y factor, offset)."""
    width_pt: float
    """Size of the original page."""
    height_pt: float
    bend: Curve | None = None
    """Added to y before the matrix, in points: the curve at the spine that was taken out last."""

    def to_original(self, box: Box) -> Box:
        """Box around the bent and turned box, within the original page."""
        (a, b, c), (d, e, f) = self.matrix
        outline = [(x, y) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
        if self.bend is not None:
            knots = [box.x0, *(x for x in self.bend.x if box.x0 < x < box.x1), box.x1]
            drops = self.bend.at(np.array(knots)).tolist()
            outline = [(x, y + drop) for x, drop in zip(knots, drops, strict=True) for y in (box.y0, box.y1)]
        xs = [a * x + b * y + c for x, y in outline]
        ys = [d * x + e * y + f for x, y in outline]
        return Box(max(0.0, min(xs)), max(0.0, min(ys)), min(self.width_pt, max(xs)), min(self.height_pt, max(ys)))

    def region_to_original(self, region: Region) -> Region:
        """The region with all its boxes on the original page; its crop stays as cut from the clean one."""
        lines = tuple(self.to_original(line) for line in region.lines)
        return replace(region, box=self.to_original(region.box), lines=lines)


def prepare_scan(page: Page) -> tuple[Page, Transform]:
    """Clean one page.

    Args:
        page: A scan or picture; grey uint8 image of shape (height, width).

    Returns:
        The clean page (turned upright, straightened, the curve at a spine taken out, ink dark on white, black borders
        gone), whose size in points may differ, and the way back. An image that is clean already is returned as it is.
    """
    image = _whiten_borders(_dark_on_white(page.image), _BLACK)
    image = _whiten_borders(_flatten(image), _DARK)
    height, width = image.shape
    look = _ink_to_look_at(image)
    quarter_turns = _quarter_turns(look)
    angle = _skew(np.rot90(look, quarter_turns))
    matrix = _turn(width, height, quarter_turns, angle)
    clean = _apply(image, matrix, quarter_turns, angle)
    zoom = page.dpi / _POINTS_PER_INCH
    back = cv2.invertAffineTransform(matrix[:2])
    back[:, 2] /= zoom  # both sides in points
    rows = tuple(tuple(float(value) for value in row) for row in back)
    curve = find_curve(clean)
    if curve is not None:
        clean = curve.straighten(clean)
    bend = curve and curve.scaled(1 / zoom)
    transform = Transform((rows[0], rows[1]), page.width_pt, page.height_pt, bend)  # type: ignore[arg-type]
    if clean is page.image:
        return page, transform
    size = {"width_pt": clean.shape[1] / zoom, "height_pt": clean.shape[0] / zoom}
    return replace(page, image=clean, **size), transform


def _dark_on_white(image: np.ndarray) -> np.ndarray:
    """The image, inverted if it is light ink on dark paper."""
    is_dark = float(np.median(image[::4, ::4])) < 96
    return cv2.bitwise_not(image) if is_dark else image


def _flatten(image: np.ndarray) -> np.ndarray:
    """Divide by the paper's brightness, so that shadows, yellowing and bright spots go; then clip the grain.

    The paper is the largest value in a neighborhood wider than any letter stroke, smoothed.
    """
    height, width = image.shape
    shrink = max(1, max(height, width) // 400)
    small = cv2.resize(image, (max(1, width // shrink), max(1, height // shrink)), interpolation=cv2.INTER_AREA)
    reach = max(3, max(small.shape) // 40) | 1
    paper = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    if np.percentile(paper, 2) >= _WHITE:
        return image
    paper = cv2.GaussianBlur(cv2.medianBlur(paper, min(reach, 31)), (0, 0), reach / 3)
    paper = cv2.resize(np.maximum(paper, 32), (width, height), interpolation=cv2.INTER_LINEAR)
    flat = cv2.divide(image, paper, scale=255.0)
    # The grain of the paper lies around white; two deviations below its middle become plain white.
    bright = flat[::4, ::4][flat[::4, ::4] > 160]
    grain = float(bright.std()) if bright.size else 0.0
    white = float(np.clip(255.0 - 2.0 * grain, 200.0, 255.0))
    return np.asarray(cv2.convertScaleAbs(flat, alpha=255.0 / white))


def _whiten_borders(image: np.ndarray, level: int) -> np.ndarray:
    """Paint thick areas darker than `level` that touch the edge (a scanner's lid, the gap of a book, a desk) white."""
    height, width = image.shape
    shrink = max(1, max(height, width) // 800)
    small = cv2.resize(image, (max(1, width // shrink), max(1, height // shrink)), interpolation=cv2.INTER_AREA)
    dark = cv2.threshold(small, level, 255, cv2.THRESH_BINARY_INV)[1]
    thick = max(4, max(small.shape) // 130)
    # Edges count as dark, or thin slivers of border would not survive the opening.
    framed = cv2.copyMakeBorder(dark, thick, thick, thick, thick, cv2.BORDER_CONSTANT, value=255)
    core = cv2.morphologyEx(framed, cv2.MORPH_OPEN, np.ones((thick, thick), np.uint8))
    core[thick:-thick, thick:-thick] &= dark
    count, labels = cv2.connectedComponents(core, connectivity=4)
    if count < 2:
        return image
    edge = labels == labels[0, 0]
    edge = edge[thick:-thick, thick:-thick]
    if not edge.any() or edge.mean() > 0.6:
        return image
    grown = cv2.dilate(edge.astype(np.uint8), np.ones((5, 5), np.uint8))
    mask = cv2.resize(grown, (width, height), interpolation=cv2.INTER_NEAREST)
    clean = image.copy()
    clean[mask > 0] = 255
    return clean


def _ink_to_look_at(image: np.ndarray) -> np.ndarray:
    """Letter-sized ink of a smaller copy: uint8 of 0 and 1."""
    shrink = max(1.0, max(image.shape) / _LOOK_PIXELS)
    size = (max(1, round(image.shape[1] / shrink)), max(1, round(image.shape[0] / shrink)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if shrink > 1 else image
    ink = cv2.adaptiveThreshold(small, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 20)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    largest = max(small.shape) // 12  # figures, frames and rules say nothing of the lines of text
    keep = (stats[:, cv2.CC_STAT_WIDTH] < largest) & (stats[:, cv2.CC_STAT_HEIGHT] < largest)
    keep &= stats[:, cv2.CC_STAT_AREA] >= 3
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)


def _points(ink: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the ink, evenly thinned to about `most` points."""
    ys, xs = np.nonzero(ink)
    keep = slice(None, None, max(1, ys.size // most))
    return ys[keep], xs[keep]


def _profile(ink_xy: tuple[np.ndarray, np.ndarray], angle_deg: float) -> float:
    """How sharply rows of ink part when seen at an angle: squared steps of the sheared row profile."""
    ys, xs = ink_xy
    rows = np.rint(ys - xs * np.tan(np.radians(angle_deg))).astype(np.int64)
    counts = np.bincount(rows - rows.min())
    return float((np.diff(counts).astype(np.float64) ** 2).sum())


def _skew(ink: np.ndarray) -> float:
    """Angle in degrees by which text lines fall to the right, within `_MAX_SKEW_DEG`."""
    points = _points(ink, 50_000)
    if points[0].size < 200:
        return 0.0
    best = 0.0
    for step in (1.0, 0.25, 0.05, 0.02):
        reach = _MAX_SKEW_DEG if step == 1.0 else 5 * step
        angles = np.arange(best - reach, best + reach + step / 2, step)
        scores = [_profile(points, float(angle)) for angle in angles]
        best = float(angles[int(np.argmax(scores))])
    if abs(best) < _MIN_SKEW_DEG or abs(best) > _MAX_SKEW_DEG:
        return 0.0
    return best if _profile(points, best) > 1.05 * _profile(points, 0.0) else 0.0


def _quarter_turns(look: np.ndarray) -> int:
    """Counterclockwise quarter turns that bring the page upright."""
    if int(look.sum()) < 2000:
        return 0
    across, down = _lineness(look), _lineness(np.rot90(look))
    turns = 1 if down > _QUARTER_TURN_EVIDENCE * across else 0
    upright = np.rot90(look, turns)
    return turns + (2 if _is_upside_down(upright) else 0)


def _lineness(ink: np.ndarray) -> float:
    """Best row profile over rough angles, for comparison of a page with itself turned."""
    points = _points(ink, 30_000)
    return max(_profile(points, angle) for angle in np.arange(-_MAX_SKEW_DEG, _MAX_SKEW_DEG + 0.1, 0.8))


def _is_upside_down(ink: np.ndarray) -> bool:
    """Whether letters hang below their lines more often than they rise above them."""
    angle = _skew(ink)
    if angle:
        matrix = _turn(ink.shape[1], ink.shape[0], 0, angle)[:2]
        ink = cv2.warpAffine(ink * 255, matrix, (ink.shape[1], ink.shape[0])) // 128
    stats = cv2.connectedComponentsWithStats(ink, connectivity=8)[2][1:]
    heights = stats[:, cv2.CC_STAT_HEIGHT]
    if heights.size < _HALF_TURN_LETTERS:
        return False
    letters = stats[heights >= 4]
    tops, heights = letters[:, cv2.CC_STAT_TOP], letters[:, cv2.CC_STAT_HEIGHT]
    bottoms = tops + heights
    rises = falls = 0
    small = float(np.median(heights))  # about the height of an x
    # Neighbors on one line: of an x beside a b or a p, one end is level and the other stands out.
    rows = np.rint(bottoms / max(small, 1.0)).astype(np.int64)
    for row in np.unique(rows):
        line = np.flatnonzero(np.abs(rows - row) <= 1)
        line = line[np.argsort(letters[line, cv2.CC_STAT_LEFT])]
        for one, two in pairwise(line):
            if letters[two, 0] - letters[one, 0] - letters[one, 2] > small:
                continue
            top, bottom = int(tops[two]) - int(tops[one]), int(bottoms[two]) - int(bottoms[one])
            if abs(bottom) <= 1 and abs(top) >= 0.3 * small:
                rises += 1
            elif abs(top) <= 1 and abs(bottom) >= 0.3 * small:
                falls += 1
    return rises + falls >= _HALF_TURN_LETTERS and falls > _HALF_TURN_EVIDENCE * rises


def _turn(width: int, height: int, quarter_turns: int, angle: float) -> np.ndarray:
    """Matrix (3, 3) from the original image to the clean one, in pixels; the page grows so that no corner is lost."""
    turns = {
        0: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        1: [[0, 1, 0], [-1, 0, width], [0, 0, 1]],
        2: [[-1, 0, width], [0, -1, height], [0, 0, 1]],
        3: [[0, -1, height], [1, 0, 0], [0, 0, 1]],
    }
    matrix = np.array(turns[quarter_turns % 4], np.float64)
    if angle:
        w, h = (height, width) if quarter_turns % 2 else (width, height)
        sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
        turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
        corners = turn @ np.array([[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]])
        turn[:2, 2] = -corners[:2].min(axis=1)
        matrix = turn @ matrix
    return matrix


def _apply(image: np.ndarray, matrix: np.ndarray, quarter_turns: int, angle: float) -> np.ndarray:
    if not angle:
        return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image
    height, width = image.shape
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    size = np.ceil(corners[:2].max(axis=1) - 1e-6).astype(int)
    turned = cv2.warpAffine(image, matrix[:2], (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR, borderValue=255)
    return np.asarray(turned)
