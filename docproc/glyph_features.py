"""What a tagger of glyphs looks at: numbers that describe each mark, its neighbors and its row, but no font by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from docproc.font_statistics import FontRole, FontStatistics
from docproc.page_marks import FUNCTION_NAMES, Kind, Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.display_formulas import ColumnLayout
    from docproc.page_rows import Row

# Characters that behave alike, one feature each.
_CLASSES = (
    "(", ")", "[", "]", "{⟨", "}⟩", ",", ".", ":", ";", "/", "-‐‑–—", "=<>≤≥≠≈≡∼∈⊂⊆≃≅∝⩽⩾∉⊃⊇", "+−±·×∗∘⊕⊗∪∩∧∨∖∓⋅*÷",
    "→←↦⇒⇔↔⟶⟹⟺", "'’‘\"“”", "%‰", "′", "|∣∥‖", "∑∏∫⋃⋂∮√", "!?", "…⋯", "°", "aAI", "\ufffd", "$€£#&@§", "_~^\\",
)  # fmt: skip
_CLASS_OF = {char: position for position, chars in enumerate(_CLASSES) for char in chars}
_N_KINDS = len(Kind)
_N_MARK = 27 + _N_KINDS + len(_CLASSES)
_N_ROW = 23
N_FEATURES = _N_MARK + _N_ROW


@dataclass(frozen=True, slots=True)
class RuleOpinion:
    """What hand-made rules say of the marks of one row; the tagger weighs it."""

    inside: frozenset[int]
    """Ids of marks inside an inline formula."""
    starts: frozenset[int]
    """Ids of marks that begin one."""


def row_features(
    rows: Sequence[Row],
    layout: ColumnLayout,
    statistics: FontStatistics,
    body_size: float,
    opinions: Sequence[RuleOpinion],
) -> np.ndarray:
    """Describe all marks of a column, row after row.

    Args:
        rows: From top to bottom, `is_display` and `is_table` as the rules see it.
        layout: Margins and leading of the column.
        statistics: Use of fonts in the document.
        body_size: Size of the page's main text in points.
        opinions: One for each row.

    Returns:
        float32 array of shape (marks of all rows, N_FEATURES).
    """
    facts = [_row_facts(row, layout, body_size) for row in rows]
    blocks: list[np.ndarray] = []
    for position, (row, opinion) in enumerate(zip(rows, opinions, strict=True)):
        above = facts[position - 1] if position else None
        below = facts[position + 1] if position + 1 < len(rows) else None
        previous = rows[position - 1] if position else None
        following = rows[position + 1] if position + 1 < len(rows) else None
        context = [
            *facts[position],
            _clip((row.y - previous.y) / layout.leading, 4) if previous is not None else 4.0,
            _clip((following.y - row.y) / layout.leading, 4) if following is not None else 4.0,
            above[8] if above else 0.0,
            below[8] if below else 0.0,
            above[3] if above else 1.0,
            below[3] if below else 1.0,
            above[2] if above else 0.0,
            above[4] if above else 0.0,
            below[4] if below else 0.0,
            float(previous is not None and not previous.is_display and previous.marks[-1].is_math),
        ]
        block = np.zeros((len(row.marks), N_FEATURES), np.float32)
        block[:, _N_MARK:] = context
        space = _word_space(row)
        previous_mark: Mark | None = None
        for i, mark in enumerate(row.marks):
            _describe(block[i], mark, previous_mark, row, statistics, opinion, space)
            previous_mark = mark
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.zeros((0, N_FEATURES), np.float32)


def _row_facts(row: Row, layout: ColumnLayout, body_size: float) -> list[float]:
    x0, x1 = row.x0, row.x1
    width = max(layout.right - layout.left, 1.0)
    first = row.marks[0]
    n = len(row.marks)
    indent = (x0 - layout.left) / body_size
    return [
        _clip(indent / 10, 2),
        _clip(abs((x0 + x1) / 2 - (layout.left + layout.right) / 2) / width, 0.5) * 4,
        _clip((layout.right - x1) / width, 1),
        row.text_share(),
        min(row.word_count(), 10) / 10,
        float(indent < 0.2 or any(abs(x0 - margin) < 1.6 for margin in layout.margins)),
        _clip(row.size / body_size, 2.5),
        sum(mark.glyph.is_italic for mark in row.marks) / n,
        float(row.is_display),
        float(row.is_table),
        sum(mark.is_math for mark in row.marks) / n,
        float(first.kind is Kind.WORD and first.text.islower()),
        _clip((max(m.y1 for m in row.marks) - min(m.y0 for m in row.marks)) / row.size / 4, 1.5),
    ]


def _describe(
    out: np.ndarray, mark: Mark, previous: Mark | None, row: Row, statistics: FontStatistics, opinion: RuleOpinion,
    space: float,
) -> None:  # fmt: skip
    size = row.size
    gap = mark.gap_before / size if previous is not None else 2.0
    word = mark.word
    glyph = mark.glyph
    out[0] = mark.role is FontRole.TEXT
    out[1] = mark.role is FontRole.MATH
    out[2] = statistics.word_shares.get(glyph.font, 0.5)
    out[3] = glyph.is_italic
    out[4] = glyph.is_bold
    out[5] = _clip(mark.size / size, 2)
    out[6] = _clip((row.y - mark.y) / size, 1)
    out[7] = mark.is_big
    out[8] = mark.is_script
    out[9] = mark.is_letter
    out[10] = mark.text.isdigit()
    out[11] = mark.text.isupper()
    out[12] = min(len(word), 8) / 8
    out[13] = word in FUNCTION_NAMES
    out[14] = _clip(gap, 2)
    out[15] = abs(gap - 1 / 6) < 0.025
    out[16] = abs(gap - 0.222) < 0.025
    out[17] = 0.25 < gap < 0.32
    out[18] = gap < 0.03
    out[19] = _clip(gap / space, 3)
    out[20] = mark.has_space_before
    out[21] = previous is not None and previous.glyph.font == glyph.font
    out[22] = glyph.font == statistics.body_font
    out[23] = id(mark) in opinion.inside
    out[24] = id(mark) in opinion.starts
    out[25] = "\u0370" <= mark.text <= "\u03ff"
    out[26] = mark.text > "\u2100"
    out[27 + mark.kind] = 1
    position = _CLASS_OF.get(mark.text)
    if position is not None:
        out[27 + _N_KINDS + position] = 1


def _word_space(row: Row) -> float:
    """Usual gap between words of a row, in em."""
    words = [mark for mark in row.marks if mark.kind is Kind.WORD and mark.has_space_before and mark.gap_before > 0]
    gaps = sorted(mark.gap_before / row.size for mark in words)
    return max(gaps[len(gaps) // 2], 0.12) if gaps else 0.3


def _clip(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
