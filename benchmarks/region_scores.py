"""Scores of found formula regions against true ones: matches by overlap, coverage, false regions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from docproc.records import Box
from finetune.pretrain.page_truth import TrueRegion

KINDS = ("display", "inline")
THRESHOLDS = (0.5, 0.75)
_COVERED, _EXCESS = 0.9, 0.3
_MOSTLY = 0.5
"""A found region that lies for more than this share in an undecidable formula counts neither way."""


@dataclass(frozen=True, slots=True)
class FoundRegion:
    """What a system found."""

    kind: str
    """`display`, `inline`, or `any` for systems that do not tell."""
    box: Box
    """Points from the top left."""


@dataclass(frozen=True, slots=True)
class PageScore:
    """Counts of one page; `errors` name what was missed or invented at IoU 0.5."""

    counts: Counter[tuple[str, str]]
    """(kind, name) with the names truth, hit@0.5, hit@0.75, false@0.5, false@0.75, covered, other-kind."""
    errors: tuple[RegionError, ...] = ()


@dataclass(frozen=True, slots=True)
class RegionError:
    """A true region that was missed or a found one that is none."""

    kind: str
    what: str
    """A miss: `in pieces`, `one piece only`, `too big`, `shifted`, `not found`; invented: `piece`, `too big`,
    `nothing there`."""
    box: Box
    latex: str = ""


def score_page(truth: Sequence[TrueRegion], found: Sequence[FoundRegion], pad_pt: float = 0.0) -> PageScore:
    """Compare one page.

    Args:
        truth: True regions; ignored ones count neither found nor missed.
        found: Found regions of the same page, in points.
        pad_pt: Grows every box on all sides before overlaps are taken (coverage is never padded).

    Returns:
        Its counts and errors. Matching is greedy by overlap, one to one, within a kind.
    """
    counts: Counter[tuple[str, str]] = Counter()
    errors: list[RegionError] = []
    for kind in KINDS:
        true = [region for region in truth if region.kind == kind]
        have = [region for region in found if region.kind in (kind, "any")]
        counts[kind, "truth"] += sum(not region.is_ignored for region in true)
        for threshold in THRESHOLDS:
            matches = match_boxes(true, have, threshold, pad_pt)
            counts[kind, f"hit@{threshold}"] += sum(not true[i].is_ignored for i in matches)
            taken = set(matches.values())
            false = [
                region
                for j, region in enumerate(have)
                if j not in taken and not _is_excused(region, truth, kind, threshold)
            ]
            counts[kind, f"false@{threshold}"] += len(false)
            if threshold == THRESHOLDS[0]:
                missed = [region for i, region in enumerate(true) if i not in matches and not region.is_ignored]
                errors += [RegionError(kind, _why_missed(region, found), region.box, region.latex) for region in missed]
                errors += [RegionError(kind, _why_false(region, truth), region.box) for region in false]
                counts[kind, "other-kind"] += sum(
                    any(other.kind not in (kind, "any") and other.box.iou(region.box) >= threshold for other in found)
                    for region in missed
                )
        counts[kind, "covered"] += sum(_is_covered(region, found) for region in true if not region.is_ignored)
    return PageScore(counts, tuple(errors))


def match_boxes(
    truth: Sequence[TrueRegion], found: Sequence[FoundRegion], threshold: float, pad_pt: float = 0.0
) -> dict[int, int]:
    """Greedy one-to-one matches, best overlap first: index in `truth` -> index in `found`."""
    pairs = []
    for i, true in enumerate(truth):
        boxes = [box.padded(pad_pt) for box in (true.box, *true.also)]
        for j, have in enumerate(found):
            overlap = max(box.iou(have.box.padded(pad_pt)) for box in boxes)
            if overlap >= threshold:
                pairs.append((overlap, i, j))
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if i not in matches and j not in taken:
            matches[i] = j
            taken.add(j)
    return matches


def f1(counts: Counter[tuple[str, str]], kind: str, threshold: float) -> tuple[float, float, float]:
    """Precision, recall and F1; 1 where there is nothing to find and nothing was found."""
    hits, truth = counts[kind, f"hit@{threshold}"], counts[kind, "truth"]
    false = counts[kind, f"false@{threshold}"]
    precision = hits / (hits + false) if hits + false else 1.0
    recall = hits / truth if truth else 1.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _is_excused(region: FoundRegion, truth: Sequence[TrueRegion], kind: str, threshold: float) -> bool:
    """Whether a region without a match counts neither way."""
    area = region.box.area
    for true in truth:
        if true.is_ignored and area and (true.box.padded(1.0) & region.box).area > _MOSTLY * area:
            return True
        # A system that does not tell kinds is not to blame for a formula of the other kind.
        if region.kind == "any" and true.kind != kind and true.box.iou(region.box) >= threshold:
            return True
    return False


def _is_covered(true: TrueRegion, found: Sequence[FoundRegion]) -> bool:
    return any(
        (have.box & true.box).area >= _COVERED * true.box.area
        and have.box.area - (have.box & true.box).area <= _EXCESS * true.box.area
        for have in found
    )


def _why_missed(true: TrueRegion, found: Sequence[FoundRegion]) -> str:
    touching = [have for have in found if (have.box & true.box).area > 0.1 * min(have.box.area, true.box.area)]
    if not touching:
        return "not found"
    inside = [have for have in touching if (have.box & true.box).area > 0.7 * have.box.area]
    if len(inside) > 1:
        return "in pieces"
    if any(have.box.area > 1.5 * true.box.area for have in touching):
        return "too big"
    return "one piece only" if inside else "shifted"


def _why_false(have: FoundRegion, truth: Sequence[TrueRegion]) -> str:
    touching = [true for true in truth if (have.box & true.box).area > 0.1 * min(have.box.area, true.box.area)]
    if not touching:
        return "nothing there"
    return "piece" if any(true.box.area > have.box.area for true in touching) else "too big"
