"""Second thoughts on which lines of a scanned page are prose, from the lines around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from docproc.word_kinds import WordKind

if TYPE_CHECKING:
    from docproc.records import Box
    from docproc.scan_ink import Ink
    from docproc.scan_lines import ScanLine

# A rule at least this long is a table's; fraction bars that long stand alone in their display.
TABLE_RULE_EM = 9.0


def settle_lines(ink: Ink, lines: list[ScanLine], gutters: list[float]) -> list[ScanLine]:
    """Settle `is_prose` of the lines of a printed page.

    Args:
        ink: Of the page.
        lines: All lines; `is_prose` is set in place where the lines around speak against it.
        gutters: Between columns.

    Returns:
        The lines without the fragments that became words of a line of prose.
    """
    _release_displays_with_words(ink, lines)
    _keep_lines_of_paragraphs(ink, lines)
    _keep_tables(ink, lines)
    _keep_pieces_of_prose(ink, lines, gutters)
    return _give_fragments_to_prose(ink, lines)


def _release_displays_with_words(ink: Ink, lines: list[ScanLine]) -> None:
    """Take lines such as `x in U if and only if y in V` for displays: indented, apart, and much mathematics."""
    prose = [line for line in lines if line.is_prose and line.box.width > 8 * ink.em]
    for line in prose:
        widths = {kind: sum(word.x1 - word.x0 for word in line.words if word.kind is kind) for kind in WordKind}
        math = widths[WordKind.MATH] + widths[WordKind.OPERATOR]
        if math < 0.5 * widths[WordKind.PROSE]:
            continue
        near = [
            other
            for other in lines
            if other is not line
            and other.box.x0 < line.box.x1
            and other.box.x1 > line.box.x0
            and -2.2 * ink.em < other.baseline - line.baseline < 2.2 * ink.em
        ]
        gaps = [max(other.box.y0 - line.box.y1, line.box.y0 - other.box.y1) for other in near]
        left = min((other.box.x0 for other in prose if _above_each_other(other.box, line.box)), default=line.box.x0)
        if line.box.x0 > left + 1.5 * ink.em and all(gap > 0.55 * ink.em for gap in gaps):
            line.is_prose = False


def _above_each_other(one: Box, two: Box) -> bool:
    return one.x0 < two.x1 and one.x1 > two.x0


def _keep_lines_of_paragraphs(ink: Ink, lines: list[ScanLine]) -> None:
    """Mark lines as prose that are full of mathematics but run on in a paragraph: same margin, same distance."""
    prose = [line for line in lines if line.is_prose and line.box.width > 8 * ink.em]
    if len(prose) < 4:
        return
    for line in lines:
        if line.is_prose or line.is_monospaced or line.box.height > 2.5 * ink.em:
            continue
        starts_with_word = line.words[0].kind is WordKind.PROSE and bool(line.words[0].text)
        reach = (2.6 if starts_with_word else 1.6) * ink.em
        for other in prose:
            distance = abs(line.baseline - other.baseline)
            if abs(line.box.x0 - other.box.x0) < 0.4 * ink.em and 0.8 * ink.em < distance < reach:
                line.is_prose = True
                break


def _keep_pieces_of_prose(ink: Ink, lines: list[ScanLine], gutters: list[float]) -> None:
    """Mark pieces as prose that continue a line of prose: no display shares its line with a sentence."""
    prose = [line for line in lines if line.is_prose and line.box.width > 3 * ink.em]
    for line in lines:
        if line.is_prose or line.is_monospaced or not any(word.text for word in line.words):
            continue
        if all(word.kind is WordKind.REFERENCE for word in line.words):
            continue
        for other in prose:
            gap = max(line.box.x0 - other.box.x1, other.box.x0 - line.box.x1)
            is_level = abs(line.baseline - other.baseline) < 0.3 * ink.em
            between = sorted((line.box.center[0], other.box.center[0]))
            is_across = any(between[0] < gutter < between[1] for gutter in gutters)
            if is_level and gap < 4 * ink.em and not is_across:
                line.is_prose = True
                break


def _keep_tables(ink: Ink, lines: list[ScanLine]) -> None:
    """Mark the lines between the rules of a table as prose: what is mathematics there is inline, cell by cell."""
    rules = ink.boxes[(ink.widths > TABLE_RULE_EM * ink.em) & (ink.heights < 0.35 * ink.em)]
    for rule in rules:
        alike = rules[(np.abs(rules[:, 0] - rule[0]) < ink.em) & (np.abs(rules[:, 2] - rule[2]) < ink.em)]
        top, bottom = int(alike[:, 1].min()), int(alike[:, 3].max())
        if len(alike) < 2 or bottom - top < 2 * ink.em:
            continue
        for line in lines:
            x, y = line.box.center
            if top < y < bottom and rule[0] - ink.em < x < rule[2] + ink.em and not line.is_monospaced:
                line.is_prose = True


def _give_fragments_to_prose(ink: Ink, lines: list[ScanLine]) -> list[ScanLine]:
    """Join pieces that the OCR read by themselves (numerators, limits) to the line of prose that they stand in."""
    prose = [line for line in lines if line.is_prose]
    is_bar = (ink.widths > 0.5 * ink.em) & (ink.widths < TABLE_RULE_EM * ink.em) & (ink.heights < 0.15 * ink.em)
    bars = ink.boxes[is_bar]
    kept = []
    for line in lines:
        home, best, in_fraction = None, 1.1 * ink.em, False
        if not line.is_prose and not line.is_monospaced and line.box.width < 8 * ink.em:
            height, has_bar = _axis_of_fragment(ink, line, bars)
            for other in prose:
                is_within = other.box.x0 - ink.em < line.box.x0 and line.box.x1 < other.box.x1 + 3 * ink.em
                shared = min(line.box.y1, other.box.y1) - max(line.box.y0, other.box.y0)
                distance = abs(height - (other.baseline - 0.5 * ink.x_height))
                if is_within and shared > -0.1 * ink.em and distance < best:
                    home, best, in_fraction = other, distance, has_bar
        if home is None:
            kept.append(line)
            continue
        for word in line.words:
            is_bare = word.kind in (WordKind.LETTER, WordKind.NUMBER, WordKind.REFERENCE)
            word.kind = WordKind.MATH if is_bare and in_fraction else word.kind
        home.words = sorted([*home.words, *line.words], key=lambda word: word.x0)
        home.parts += line.parts
    return kept


def _axis_of_fragment(ink: Ink, line: ScanLine, bars: np.ndarray) -> tuple[float, bool]:
    """Height in pixels at which a fragment belongs: that of the fraction bar above or below it, or its own middle.

    Whether there is such a bar comes with it.
    """
    x0, y0, x1, y1 = line.box.x0, line.box.y0, line.box.x1, line.box.y1
    over = (bars[:, 0] < (x0 + x1) / 2) & (bars[:, 2] > (x0 + x1) / 2)
    gaps = np.maximum(bars[:, 1] - y1, y0 - bars[:, 3])
    near = over & (gaps > -0.3 * ink.em) & (gaps < 0.45 * ink.em)
    if not near.any():
        return (y0 + y1) / 2, False
    bar = bars[near][int(np.argmin(gaps[near]))]
    return float(bar[1] + bar[3]) / 2, True
