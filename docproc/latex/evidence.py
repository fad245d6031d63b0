"""What the glyphs of a born-digital page say for or against a reading."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from docproc.latex.symbols import NAMED_ACCENTS, VARIANTS, Mark, glyph_marks, is_stacked, read_marks

# Marks that belong to the sentence as often as to the formula at its edge.
_PUNCTUATION = frozenset(",.;:")
# Tall ones are drawn in at least so many pieces: then their number says nothing.
_FEWEST_PIECES = {"|": 2, r"\Vert": 2, **dict.fromkeys(("(", ")", "[", "]", r"\{", r"\}"), 3)}
_MAX_NAMED = 4


class Agreement(StrEnum):
    """How page and reading agree."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The outcome of a comparison; `differences` in words, one line each."""

    agreement: Agreement
    differences: tuple[str, ...] = ()
    has_its_alphabets: bool = False
    """Whether all agrees and each letter is of the very alphabet that the glyphs name: no more doubt is left."""
    lacks_only_accents: bool = False
    """Whether the agreement would be full if the unknown glyphs were the accents of the reading."""


def compare_with_glyphs(latex: str, glyph_symbols: tuple[str, ...]) -> Evidence:
    """Compare the symbols of a reading with the glyphs on the page.

    Args:
        latex: The reading.
        glyph_symbols: LaTeX meaning of each glyph from left to right, `?` where unknown.

    Returns:
        `FULL` if every glyph is in the reading and nothing else, in the same order where the formula is one line;
        `NONE` if a known glyph is missing from the reading or the reading has what no glyph can be; `PARTIAL` if
        unknown glyphs leave a doubt; `UNKNOWN` without glyphs.
    """
    found = read_marks(latex)
    if not glyph_symbols or found is None:
        return Evidence(Agreement.UNKNOWN)
    marks = list(found)
    glyphs = [mark for symbol in glyph_symbols for mark in glyph_marks(symbol)]
    unknown = sum(glyph.symbol == "?" for glyph in glyphs)
    named = [glyph for glyph in glyphs if glyph.symbol != "?"]
    has_other_variant = _variants(named) != _variants(marks) or _slanted(named) != _slanted(marks)
    has_its_alphabets = _alphabets(named) == _alphabets(marks)
    known, marks = _without_variants(named), _without_variants(marks)
    on_page, read = Counter(mark.symbol for mark in known), Counter(mark.symbol for mark in marks)
    unsure = Counter(mark.symbol for mark in [*marks, *known] if mark.is_unsure)
    missing = _certain(on_page - read, unsure)
    for symbol, pieces in _FEWEST_PIECES.items():
        if read[symbol] and on_page[symbol] >= pieces * read[symbol]:
            missing.pop(symbol, None)
    added = _certain(read - on_page, unsure)
    differences = [*_words(missing, on_page, read, "missing"), *_style_differences(known, marks)]
    # An unknown glyph may be one symbol, or a ligature of up to three letters.
    if added.total() > 3 * unknown:
        differences += _words(added, on_page, read, "added")
    if differences:
        return Evidence(Agreement.NONE, tuple(differences[:_MAX_NAMED]))
    is_exact = on_page == read or (on_page - read).keys() | (read - on_page).keys() <= unsure.keys()
    if not is_exact or added or has_other_variant or unknown > (read - on_page).total():
        rest = (on_page - read).keys() | (read - on_page).keys()
        is_of_accents = not has_other_variant and unknown <= (read - on_page).total()
        return Evidence(Agreement.PARTIAL, lacks_only_accents=is_of_accents and rest <= unsure.keys() | NAMED_ACCENTS)
    # An accent stands over its letter: which of both comes first from left to right means nothing.
    unordered = unsure.keys() | NAMED_ACCENTS
    if not is_stacked(latex) and [m.symbol for m in known if m.symbol not in unordered] != [
            m.symbol for m in marks if m.symbol not in unordered]:
        return Evidence(Agreement.NONE, ("the symbols stand in another order on the page",))
    return Evidence(Agreement.FULL, (), has_its_alphabets)


def _certain(counts: Counter[str], unsure: Counter[str]) -> Counter[str]:
    """Differences that mean something: no sentence marks, no glyphs whose encoding tells too little."""
    return Counter({symbol: n - unsure[symbol] for symbol, n in counts.items()
                    if symbol not in _PUNCTUATION and n > unsure[symbol]})


def _words(counts: Counter[str], on_page: Counter[str], read: Counter[str], kind: str) -> list[str]:
    words = []
    for symbol in counts:
        if kind == "missing" and not read[symbol]:
            words.append(f"{symbol} is on the page but not in the LaTeX")
        elif kind == "added" and not on_page[symbol]:
            words.append(f"{symbol} is in the LaTeX but not on the page")
        else:
            words.append(f"{symbol} is {on_page[symbol]} times on the page, {read[symbol]} times in the LaTeX")
    return words


def _style_differences(known: list[Mark], marks: list[Mark]) -> list[str]:
    """Letters that the page sets in an alphabet (bold, script…) which the reading does not know of."""
    page = Counter((mark.symbol, mark.style) for mark in known if mark.style)
    read = Counter((mark.symbol, mark.style) for mark in marks if mark.style)
    foreign = Counter(mark.symbol for mark in known if mark.alphabet == "other" and mark.symbol.isdigit())
    styled = Counter(mark.symbol for mark in marks if mark.style or mark.alphabet)
    return [f"{symbol} is {style} on the page" for symbol, style in (page - read)] + [
        f"{symbol} is of another font on the page" for symbol in foreign - styled]


def _slanted(marks: list[Mark]) -> Counter[str]:
    return Counter(mark.symbol for mark in marks if mark.is_slanted and mark.symbol.isalpha())


def _alphabets(marks: list[Mark]) -> Counter[tuple[str, str, str]]:
    """Letters that stand out, and how: the glyph must name the very alphabet, the reading no other."""
    return Counter(
        (mark.symbol, mark.style, mark.alphabet)
        for mark in marks
        if (mark.style or mark.alphabet)
        and (mark.symbol.isalpha() or mark.symbol[1:].isalpha() or (mark.symbol.isdigit() and mark.alphabet != "rm"))
    )


def _variants(marks: list[Mark]) -> Counter[str]:
    return Counter(mark.symbol for mark in marks if mark.symbol in VARIANTS)


def _without_variants(marks: list[Mark]) -> list[Mark]:
    return [mark._replace(symbol=VARIANTS.get(mark.symbol, mark.symbol)) for mark in marks]
