"""What a tagger of glyphs looks at: numbers that describe each mark and each row, but no font by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from docproc.font_statistics import FontRole, FontStatistics
from docproc.page_marks import FUNCTION_NAMES, Kind
from docproc.row_features import N_ROW_FEATURES, describe_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.display_formulas import ColumnLayout
    from docproc.page_rows import Row
    from docproc.records import Box

# Characters that behave alike, one feature each.
_CLASSES = (
    "(", ")", "[", "]", "{⟨", "}⟩", ",", ".", ":", ";", "/", "-‐‑–—", "=<>≤≥≠≈≡∼∈⊂⊆≃≅∝⩽⩾∉⊃⊇", "+−±·×∗∘⊕⊗∪∩∧∨∖∓⋅*÷",
    "→←↦⇒⇔↔⟶⟹⟺", "'’‘\"“”", "%‰", "′", "|∣∥‖", "∑∏∫⋃⋂∮√", "!?", "…⋯", "°", "aAI", "\ufffd", "$€£#&@§", "_~^\\",
)  # fmt: skip
_CLASS_OF = {char: position for position, chars in enumerate(_CLASSES) for char in chars}
_N_KINDS = len(Kind)
_N_PLAIN = 35
N_MARK_FEATURES = _N_PLAIN + _N_KINDS + len(_CLASSES)
_VOWELS = frozenset("aeiouyäöüéèáóíæøåAEIOUYÄÖÜÉ")


@dataclass(frozen=True, slots=True)
class RuleOpinion:
    """What hand-made rules say of the marks of one row; the tagger weighs it."""

    inside: frozenset[int]
    """Ids of marks inside an inline formula."""
    starts: frozenset[int]
    """Ids of marks that begin one."""


@dataclass(frozen=True, slots=True)
class ColumnFeatures:
    """What the tagger sees of one column."""

    marks: np.ndarray
    """float32, shape (marks of all rows, N_MARK_FEATURES), row after row from left to right."""
    rows: np.ndarray
    """float32, shape (rows, N_ROW_FEATURES)."""
    lengths: np.ndarray
    """int64, shape (rows,): how many marks each row has, at least one."""


def column_features(
    rows: Sequence[Row],
    layout: ColumnLayout,
    statistics: FontStatistics,
    body_size: float,
    opinions: Sequence[RuleOpinion],
    rules: Sequence[Box],
) -> ColumnFeatures:
    """Describe all marks and rows of a column.

    Args:
        rows: From top to bottom, `is_display` and `is_table` as the rules see it.
        layout: Margins and leading of the column.
        statistics: Use of fonts in the document.
        body_size: Size of the page's main text in points.
        opinions: One for each row.
        rules: Drawn lines of the page.
    """
    lengths = np.array([len(row.marks) for row in rows], np.int64)
    if not len(rows):
        empty = np.zeros((0, N_MARK_FEATURES), np.float32), np.zeros((0, N_ROW_FEATURES), np.float32)
        return ColumnFeatures(*empty, lengths)
    of_rows = describe_rows(rows, layout, body_size, rules)
    return ColumnFeatures(_describe_marks(rows, statistics, opinions, lengths), of_rows, lengths)


def _describe_marks(
    rows: Sequence[Row], statistics: FontStatistics, opinions: Sequence[RuleOpinion], lengths: np.ndarray
) -> np.ndarray:
    facts: list[tuple[float, ...]] = []
    classes: list[int] = []
    kinds: list[int] = []
    fonts: dict[str, tuple[float, float, float]] = {}
    words: dict[str, tuple[float, float, float]] = {"": (0.0, 0.0, 0.0)}
    for row, opinion in zip(rows, opinions, strict=True):
        depth = 0
        last_font = ""
        inside, starts = opinion.inside, opinion.starts
        for mark in row.marks:
            glyph, text, word = mark.glyph, mark.text, mark.word
            of_font = fonts.get(glyph.font)
            if of_font is None:
                of_font = fonts[glyph.font] = _describe_font(glyph.font, statistics)
            of_word = words.get(word)
            if of_word is None:
                of_word = words[word] = (
                    min(len(word), 8) / 8, word in FUNCTION_NAMES, any(char in _VOWELS for char in word)
                )  # fmt: skip
            if text in (")", "]"):
                depth -= 1
            facts.append((
                mark.role is FontRole.TEXT, mark.role is FontRole.MATH, *of_font, glyph.is_italic, glyph.is_bold,
                mark.is_big, mark.is_script, mark.is_letter, text.isdigit(), text.isupper(), *of_word,
                mark.has_space_before, glyph.font == last_font, id(mark) in inside, id(mark) in starts,
                "\u0370" <= text <= "\u03ff", text > "\u2100", depth,
                mark.size, mark.y, mark.x0, mark.x1, mark.y0, mark.y1, mark.gap_before,
            ))  # fmt: skip
            if text in ("(", "["):
                depth += 1
            last_font = glyph.font
            classes.append(_CLASS_OF.get(text, -1))
            kinds.append(mark.kind)
    raw = np.array(facts, np.float32)
    n = len(raw)
    out = np.zeros((n, N_MARK_FEATURES), np.float32)
    sizes = np.repeat(np.array([row.size for row in rows], np.float32), lengths)
    baselines = np.repeat(np.array([row.y for row in rows], np.float32), lengths)
    spaces = np.repeat(np.array([_word_space(row) for row in rows], np.float32), lengths)
    firsts = np.zeros(n, bool)
    firsts[np.cumsum(lengths) - lengths] = True
    lasts = np.roll(firsts, -1)
    gaps = np.where(firsts, 2.0, raw[:, 28] / sizes)
    out[:, :21] = raw[:, :21]
    out[:, 21] = np.clip(raw[:, 21], -3, 3) / 3
    out[:, 22] = np.clip(raw[:, 22] / sizes, 0, 2)
    out[:, 23] = np.clip((baselines - raw[:, 23]) / sizes, -1, 1)
    out[:, 24] = np.clip((raw[:, 25] - raw[:, 24]) / sizes, 0, 3)
    out[:, 25] = np.clip((baselines - raw[:, 26]) / sizes, -2, 2)
    out[:, 26] = np.clip((baselines - raw[:, 27]) / sizes, -2, 2)
    out[:, 27] = np.clip(gaps, -2, 2)
    out[:, 28] = np.abs(gaps - 1 / 6) < 0.025
    out[:, 29] = np.abs(gaps - 0.222) < 0.025
    out[:, 30] = (gaps > 0.25) & (gaps < 0.32)
    out[:, 31] = gaps < 0.03
    out[:, 32] = np.clip(gaps / spaces, -3, 3)
    out[:, 33] = firsts
    out[:, 34] = lasts
    places = np.arange(n)
    out[places, _N_PLAIN + np.array(kinds)] = 1
    known = np.array(classes)
    out[places[known >= 0], _N_PLAIN + _N_KINDS + known[known >= 0]] = 1
    return out


def _describe_font(font: str, statistics: FontStatistics) -> tuple[float, float, float]:
    """Shares of the font's letters in words and alone, and whether it is the body's."""
    return (
        statistics.word_shares.get(font, 0.5), statistics.lone_shares.get(font, 0.3), font == statistics.body_font
    )  # fmt: skip


def _word_space(row: Row) -> float:
    """Usual gap between words of a row, in em."""
    gaps = [m.gap_before for m in row.marks if m.kind is Kind.WORD and m.has_space_before and m.gap_before > 0]
    gaps.sort()
    return max(gaps[len(gaps) // 2] / row.size, 0.12) if gaps else 0.3
