r"""Whether accents stand where the LaTeX puts them: `\vec{r}_2` or `\vec{r_2}`, `\hat` or `\widehat`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from docproc.latex.looks import fold
from docproc.latex.nodes import children
from docproc.latex.places import Rect
from docproc.latex.symbols import ACCENT_NAMES, NAMED_ACCENTS, WIDE_ACCENTS
from docproc.latex.tree import Command, LatexError, Node, Symbol, parse

# Measured on 856 accents of fourteen font families: over one letter 95 % of the middles are within this of the
# letter's (em), over a letter with its index they are 0.19 and more beside it.
_MAX_OFFSET_EM = 0.16
# Narrow ones are 0.21–0.37 em wide, wide ones 0.55 and more.
_WIDE_EM = 0.45
_MAX_GAP_EM = 0.5


def has_accents_in_place(latex: str, glyph_symbols: Sequence[str], glyph_boxes: Sequence[Rect]) -> bool:
    """Whether the page's accents leave no doubt of those of a reading.

    Args:
        latex: A reading that has the glyphs of the page.
        glyph_symbols: LaTeX meaning of each glyph.
        glyph_boxes: Ink of each.

    Returns:
        True if there is none, or each stands over the middle of one letter as in the reading and is as wide as it says.
    """
    try:
        accents = list(_accents(fold(parse(latex).items)))
    except LatexError:
        return False
    if not accents:
        return True
    page = [box for symbol, box in zip(glyph_symbols, glyph_boxes, strict=True) if symbol in NAMED_ACCENTS]
    letters = [box for symbol, box in zip(glyph_symbols, glyph_boxes, strict=True) if symbol not in NAMED_ACCENTS]
    wide = [box for box in page if box[2] - box[0] > _WIDE_EM * box[4]]
    if len(page) != len(accents) or len(wide) != sum(accent.name in WIDE_ACCENTS for accent in accents):
        return False
    if any(accent.name not in WIDE_ACCENTS and not _is_over_one(accent) for accent in accents):
        return False
    return all(box in wide or _offset(box, letters) < _MAX_OFFSET_EM for box in page)


def _accents(items: Sequence[Node]) -> Iterator[Command]:
    for item in items:
        if isinstance(item, Command) and item.name in ACCENT_NAMES:
            yield item
        for child in children(item):
            yield from _accents(child)


def _is_over_one(accent: Command) -> bool:
    items = accent.args[0].items if accent.args else []
    return len(items) == 1 and isinstance(items[0], Symbol)


def _offset(accent: Rect, letters: Sequence[Rect]) -> float:
    """How far the middle of an accent is from that of the letter below it, in em."""
    middle = (accent[0] + accent[2]) / 2
    return min(
        (
            abs(middle - (box[0] + box[2]) / 2) / box[4]
            for box in letters
            if box[4] > 0 and box[3] > accent[3] and box[1] - accent[3] < _MAX_GAP_EM * box[4]
        ),
        default=1.0,
    )
