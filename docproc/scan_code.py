"""Listings of code on scanned pages, told by the fixed pitch of their letters or by their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from docproc.word_kinds import is_code

if TYPE_CHECKING:
    from docproc.scan_ink import Ink
    from docproc.scan_lines import ScanLine


def mark_code(ink: Ink, lines: list[ScanLine]) -> None:
    """Set `is_monospaced` for lines of code listings; a line next to one needs less evidence.

    Args:
        ink: Of the page.
        lines: All lines of the page.
    """
    misfits = [_misfit_to_pitch(ink, line) for line in lines]
    for line, (misfit, count) in zip(lines, misfits, strict=True):
        text = " ".join(word.text for word in line.words)
        line.is_monospaced = misfit < 0.04 or (misfit < 0.085 and count >= 12) or is_code(text)
    code = [line.box for line in lines if line.is_monospaced]
    for line, (misfit, _) in zip(lines, misfits, strict=True):
        is_near = any(
            abs(box.center[1] - line.box.center[1]) < 2 * ink.em and box.x0 < line.box.x1 and box.x1 > line.box.x0
            for box in code
        )
        line.is_monospaced = line.is_monospaced or (misfit < 0.125 and is_near)
    _spread(ink, lines)


def _spread(ink: Ink, lines: list[ScanLine]) -> None:
    """Take short lines that begin where a neighboring line of code begins for code too, from line to line."""
    ordered = sorted(lines, key=lambda line: line.box.y0)
    for sequence in (ordered, ordered[::-1]):
        for index, line in enumerate(sequence):
            if line.is_monospaced or len(line.parts) > 12:
                continue
            for other in sequence[max(0, index - 3) : index]:
                is_level = abs(other.box.x0 - line.box.x0) < 0.3 * ink.em
                if other.is_monospaced and is_level and abs(other.baseline - line.baseline) < 1.6 * ink.em:
                    line.is_monospaced = True


def _misfit_to_pitch(ink: Ink, line: ScanLine) -> tuple[float, int]:
    """How badly the letters of a line stand on a fixed pitch (0 to 0.25), and how many steps tell so.

    Listings measured 0.01-0.10, prose 0.12-0.23.
    """
    middles = (ink.boxes[line.parts, 0] + ink.boxes[line.parts, 2]) / 2
    heights = ink.boxes[line.parts, 3] - ink.boxes[line.parts, 1]
    steps = np.diff(np.sort(middles[heights > 0.5 * ink.x_height]))
    steps = steps[steps > 0.3 * ink.em]
    if steps.size < 7:
        return 1.0, 0
    guess = float(np.median(steps[steps < 1.5 * np.median(steps)]))
    turns = steps[None] / np.linspace(0.9 * guess, 1.1 * guess, 21)[:, None]
    return float(np.abs(turns - np.rint(turns)).mean(axis=1).min()), int(steps.size)
