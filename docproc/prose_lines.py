"""Words and lines of a born-digital page, with its formulas as marks in their place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from docproc.font_statistics import LIGATURES, FontRole, role_by_name
from docproc.records import BOLD_CLOSE, BOLD_OPEN, CODE_CLOSE, CODE_OPEN, MARK_CLOSE, MARK_OPEN, Box, FormulaKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docproc.records import Glyph, Region

# Lengths in em of the text concerned.
_SAME_BASELINE = 0.25
_MAX_SCRIPT_SHIFT = 0.65
_WORD_GAP = 0.13
"""Ink gap that is a space where the text layer says nothing; letters of a word stand 0.02-0.10 apart."""
_FORMULA_GAP = 0.2
"""Ink gap that is a space beside a formula, whose scripts may stand before the space in the content stream."""
_UNIT_GAP = 0.13
"""The same before a unit: the thin space of `589\\,nm` is 0.17."""
_BREAK_GAP = 0.45
"""Ink gap that ends a word although the text layer has no space."""
_LETTER_GAP = 0.27
"""The same between two letters of a proportional font: a space of TeX is 0.33, letters of spaced small caps 0.1."""
_LINE_GAP = 2.5
"""Ink gap that parts a line into pieces: a gutter, cells of a table, an equation number."""
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUPERSCRIPT_LETTERS = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
_NO_SPACE_BEFORE = frozenset(".,;:!?)]}’”%")


class Word:
    """Glyphs without a space between them, or one formula."""

    __slots__ = (
        "has_space_before", "is_bold", "is_italic", "is_mono", "is_raised", "place", "position", "size", "text",
        "x0", "x1", "y", "y0", "y1",
    )  # fmt: skip

    def __init__(self, place: int, y: float, size: float, box: Box, has_space_before: bool) -> None:
        self.place = place
        """Number in the order of the content stream."""
        self.y, self.size = y, size
        self.x0, self.y0, self.x1, self.y1 = box.x0, box.y0, box.x1, box.y1
        self.has_space_before = has_space_before
        self.text = ""
        self.position = 0
        """Of the formula that stands here; 0 for text."""
        self.is_bold = self.is_italic = self.is_mono = self.is_raised = False


class Line:
    """Words on one baseline in one column."""

    __slots__ = ("column", "display", "is_contents", "labels", "size", "words", "y")

    def __init__(self, words: list[Word], y: float, size: float) -> None:
        self.words, self.y, self.size = words, y, size
        self.column = 1
        self.display: int = 0
        """Position of the display formula that the line is; 0 for text."""
        self.labels: list[str] = []
        """Numbers of a display formula's lines beyond the one that is stored with it."""
        self.is_contents = False
        """An entry of a table of contents, with its page number at the end."""

    @property
    def box(self) -> Box:
        """Ink of the line."""
        return Box(self.x0, min(w.y0 for w in self.words), self.x1, max(w.y1 for w in self.words))

    @property
    def x0(self) -> float:
        """Left end."""
        return self.words[0].x0

    @property
    def x1(self) -> float:
        """Right end."""
        return max(w.x1 for w in self.words)

    @property
    def is_code(self) -> bool:
        """Whether nearly all its letters stand in a typewriter font."""
        letters = sum(len(w.text) for w in self.words)
        mono = sum(len(w.text) for w in self.words if w.is_mono)
        return not any(w.position or w.is_raised for w in self.words) and mono > 0.9 * letters

    @property
    def is_bold(self) -> bool:
        """Whether all its words are bold."""
        return all(w.is_bold for w in self.words if not w.position) and any(not w.position for w in self.words)

    @property
    def is_italic(self) -> bool:
        """Whether all its words are italic, with no formula among them."""
        return all(w.is_italic and not w.position for w in self.words)

    @property
    def text(self) -> str:
        """The words with their spaces, without marks of style."""
        return join_words(self.words, is_styled=False)


def read_lines(glyphs: Sequence[Glyph], regions: Sequence[Region]) -> list[Line]:
    """Gather glyphs into words, and words into lines, in no particular order.

    Args:
        glyphs: Of the text layer, in the order of the content stream.
        regions: Formulas; glyphs whose center lies in one are replaced by its mark.

    Returns:
        Lines, still in pieces where a wide gap parts them; display formulas are lines of their own.
    """
    words = _read_words(glyphs, _owners(glyphs, regions), regions)
    lines: list[Line] = []
    current: Line | None = None
    for word in words:
        if word.position and regions[word.position - 1].kind is FormulaKind.DISPLAY:
            line = Line([word], word.y, word.size)
            line.display = word.position
            lines.append(line)
            current = None
        elif current is not None and _continues(current, word):
            current.words.append(word)
            if not word.position and all(w.position for w in current.words[:-1]):
                current.y, current.size = word.y, word.size  # a formula at the start says little of the baseline
        else:
            current = Line([word], word.y, word.size)
            lines.append(current)
    return lines


def merge_pieces(lines: Iterable[Line]) -> list[Line]:
    """Put pieces of one line together: same column, same baseline. The result is sorted from top to bottom."""
    merged: list[Line] = []
    by_row: dict[tuple[int, int], list[Line]] = {}
    # Pieces with text first, large ones first: they know their baseline.
    for line in sorted(lines, key=lambda p: (all(w.position for w in p.words), -len(p.words))):
        line.y = _middle(line) + 0.25 * line.size  # the first glyph of a fraction says nothing of its baseline
        row = round(line.y / 8)
        others = [o for d in (0, -1, 1) for o in by_row.get((line.column, row + d), ()) if _same_row(o, line)]
        host = None
        if others and not line.display:
            host = min(others, key=lambda o: abs(o.y - 0.25 * o.size - _middle(line)))
        if host is None:
            merged.append(line)
            if not line.display:
                by_row.setdefault((line.column, row), []).append(line)
        else:
            host.words.extend(line.words)
    for line in merged:
        line.words.sort(key=lambda w: (w.x0, w.place))
        letters: Counter[tuple[float, float]] = Counter()
        for word in line.words:
            if not word.position and not word.is_raised:
                letters[word.size, word.y] += len(word.text) * (1 if word.is_mono else 100)
        if letters:  # neither code, often set smaller, nor a formula at its start sets the size of a line
            ((line.size, line.y), _) = letters.most_common(1)[0]
    return sorted(merged, key=lambda p: (p.y, p.x0))


def join_words(words: Sequence[Word], *, is_styled: bool = True) -> str:
    """Text of words that stand in a row; `is_styled` marks code and bold words."""
    parts: list[str] = []
    before: Word | None = None
    for word in words:
        if before is not None and _has_space(before, word):
            parts.append(" ")
        parts.append(_styled(word) if is_styled else word.text)
        before = word
    return join_styles("".join(parts))


def join_styles(text: str) -> str:
    """Make one of pieces of code, or of bold text, that follow each other in a sentence."""
    for opening, closing in ((CODE_OPEN, CODE_CLOSE), (BOLD_OPEN, BOLD_CLOSE)):
        text = text.replace(f"{closing} {opening}", " ").replace(closing + opening, "")
    # TeX draws the underscore of an identifier in another font, or as a rule.
    return text.replace(f"{CODE_CLOSE}_{CODE_OPEN}", "_")


def _styled(word: Word) -> str:
    if word.is_raised or word.position:
        return word.text
    if word.is_mono:
        return f"{CODE_OPEN}{word.text}{CODE_CLOSE}"
    return f"{BOLD_OPEN}{word.text}{BOLD_CLOSE}" if word.is_bold and any(c.isalnum() for c in word.text) else word.text


def split_cells(line: Line, gap_em: float = 1.0) -> list[list[Word]]:
    """The line's words in groups that wide gaps part."""
    cells: list[list[Word]] = []
    end = None
    for word in line.words:
        if end is None or word.x0 - end > gap_em * line.size:
            cells.append([])
        cells[-1].append(word)
        end = word.x1 if end is None else max(end, word.x1)
    return cells


def _has_space(before: Word, word: Word) -> bool:
    gap = word.x0 - before.x1
    is_closing = word.text[0] in _NO_SPACE_BEFORE and not word.is_mono and not word.text.startswith("??")
    if word.is_raised or is_closing:
        return word.has_space_before and gap > _BREAK_GAP * word.size
    if word.place == before.place + 1:
        is_beside_formula = bool(before.position or word.position)
        is_unit = bool(before.position) and word.text[0].isalpha()
        beside = _UNIT_GAP if is_unit else _FORMULA_GAP
        widest = beside if is_beside_formula else _break_gap(before, word.text)
        return word.has_space_before or gap > widest * word.size
    return gap > _WORD_GAP * word.size


def _break_gap(word: Word, text: str) -> float:
    """Widest gap inside a word, before a piece of text that may go on with it, in em."""
    are_letters = word.text[-1:].isalpha() and text[:1].isalpha() and not word.is_mono
    return _LETTER_GAP if are_letters else _BREAK_GAP


def _owners(glyphs: Sequence[Glyph], regions: Sequence[Region]) -> np.ndarray:
    """For each glyph the index of its region, or -1; int, shape (glyphs,)."""
    owners = np.full(len(glyphs), -1)
    if not glyphs:
        return owners
    boxes = np.array([(g.box.x0, g.box.y0, g.box.x1, g.box.y1) for g in glyphs])
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    # Large ones first, so that a small formula within the box of a large one keeps its glyphs.
    for index in sorted(range(len(regions)), key=lambda i: -regions[i].box.area):
        for box in regions[index].lines or (regions[index].box,):
            owners[(x >= box.x0) & (x < box.x1) & (y >= box.y0) & (y < box.y1)] = index
    return owners


def _read_words(glyphs: Sequence[Glyph], owners: np.ndarray, regions: Sequence[Region]) -> list[Word]:
    words: list[Word] = []
    seen: set[int] = set()
    current: Word | None = None
    has_space = True
    roles: dict[str, bool] = {}
    for glyph, owner in zip(glyphs, owners.tolist(), strict=True):
        text = glyph.text
        if owner >= 0 and not text.isspace():
            if owner not in seen:
                seen.add(owner)
                words.append(_formula_word(len(words), owner, regions[owner], glyph, has_space))
            current, has_space = None, False
            continue
        if not text or text.isspace() or text == "\u200b":
            current, has_space = None, True
            continue
        if text < " " or "\ue000" <= text <= "\uf8ff":
            text = "\ufffd"  # no text, and our own marks must not be taken for the document's
        y, size = glyph.origin[1], glyph.size_pt
        is_mono = roles.get(glyph.font)
        if is_mono is None:
            is_mono = roles[glyph.font] = role_by_name(glyph.font) is FontRole.CODE
        if current is None or current.is_mono != is_mono or not _goes_on(current, glyph):
            current = Word(len(words), y, size, glyph.box, has_space)
            current.is_mono, current.is_bold, current.is_italic = is_mono, glyph.is_bold, glyph.is_italic
            words.append(current)
            has_space = False
        current.text += LIGATURES.get(text, text)
        current.x1, current.y0 = max(current.x1, glyph.box.x1), min(current.y0, glyph.box.y0)
        current.y1 = max(current.y1, glyph.box.y1)
    for index, region in enumerate(regions):  # a formula without a glyph of its own, as in a picture
        if index not in seen:
            words.append(_formula_word(len(words), index, region, None, has_space=True))
    return words


def _formula_word(place: int, index: int, region: Region, glyph: Glyph | None, has_space: bool) -> Word:
    box = region.box
    if region.lines and region.kind is FormulaKind.INLINE:
        box = Box.around(region.lines)
    size = 10.0 if glyph is None else glyph.size_pt
    y = glyph.origin[1] if glyph is not None and box.y0 < glyph.origin[1] < box.y1 + size else box.center[1] + size / 4
    word = Word(place, y, size, box, has_space)
    word.position = index + 1
    word.text = f"{MARK_OPEN}{index + 1}{MARK_CLOSE}"
    return word


def _goes_on(word: Word, glyph: Glyph) -> bool:
    """Whether the glyph belongs to the same word: same baseline and size, close by."""
    gap = glyph.box.x0 - word.x1
    return (
        abs(glyph.origin[1] - word.y) < 0.08 * word.size
        and abs(glyph.size_pt - word.size) < 0.12 * word.size
        and -0.6 * word.size < gap < _break_gap(word, glyph.text) * word.size
    )


def _continues(line: Line, word: Word) -> bool:
    """Whether the word of the content stream stands next in the line."""
    last = line.words[-1]
    gap = word.x0 - last.x1
    size = max(line.size, word.size)
    if not -0.6 * size < gap < _LINE_GAP * size:
        return False
    if word.position:
        return word.y0 < line.y and word.y1 > line.y - 0.6 * line.size
    if all(w.position for w in line.words):
        return last.y0 < word.y and last.y1 > word.y - 0.6 * word.size
    shift = line.y - word.y
    if len(line.words) == 1 and line.size < 0.85 * word.size and -_MAX_SCRIPT_SHIFT * word.size < shift < 0:
        _raise(last)  # the mark before a footnote
        line.y, line.size = word.y, word.size
        return True
    if abs(shift) <= _SAME_BASELINE * min(line.size, word.size):
        return True
    if word.size < 0.85 * line.size and abs(shift) < _MAX_SCRIPT_SHIFT * line.size:
        if shift > 0:
            _raise(word)
        return True
    return False


def _raise(word: Word) -> None:
    word.is_raised = True
    word.text = word.text.translate(_SUPERSCRIPTS)
    if len(word.text) == 1:  # the mark of a footnote; the th of 4th stays legible
        word.text = word.text.translate(_SUPERSCRIPT_LETTERS)


def _middle(line: Line) -> float:
    """Height of the middle of its letters, or of the formula that it is."""
    is_formula = all(w.position for w in line.words)
    return line.box.center[1] if is_formula else line.y - 0.25 * line.size


def _same_row(host: Line, line: Line) -> bool:
    size = min(host.size, line.size)
    if all(w.position for w in line.words):
        word = line.words[0]
        return word.y0 < host.y and word.y1 > host.y - 0.6 * host.size
    return abs(host.y - line.y) <= _SAME_BASELINE * size
