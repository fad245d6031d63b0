"""Write simple formulas straight from their glyphs, and list what the glyphs of any formula mean."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from docproc.encodings import (
    ACCENTS,
    BIG_OPERATORS,
    UNKNOWN_SYMBOL,
    glyph_meaning,
    has_doubtful_names,
    is_math_italic,
    is_sans,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.page_marks import Mark
    from docproc.records import Box

# A script is set at 0.7 of its base (0.5 two levels down; some classes use 0.8); it stands off the baseline.
_SCRIPT_SIZE = 0.88
_SCRIPT_SHIFT_EM = 0.07
# More than this between neighbors is \quad or text.
_MAX_GAP_EM = 0.75
_WORD_SPACE_EM = 0.2
_MODELS_GAP_EM = 0.1
_OPERATORS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "coth",
        "log",
        "ln",
        "lg",
        "exp",
        "max",
        "min",
        "sup",
        "inf",
        "lim",
        "det",
        "dim",
        "ker",
        "deg",
        "gcd",
        "Pr",
        "arg",
        "hom",
    ]
)
# Where the font leaves a doubt it is about the sign, not about its alphabet.
_DOUBTFUL_SIGNS = frozenset((r"\simeq", r"\bigstar", r"\triangleleft", r"\triangleright"))
_NEGATED = {"=": r"\neq", r"\in": r"\notin"}
_JOINED = {
    ("-", r"\rightarrow"): r"\longrightarrow", ("=", r"\Rightarrow"): r"\Longrightarrow",
    (r"\Leftarrow", r"\Rightarrow"): r"\Longleftrightarrow", (r"\leftarrow", "-"): r"\longleftarrow",
    (r"\Leftarrow", "="): r"\Longleftarrow", (r"\leftarrow", r"\rightarrow"): r"\longleftrightarrow",
    (r"\mapsto", r"\rightarrow"): r"\mapsto",
}  # fmt: skip


class _DoubtError(Exception):
    """The glyphs do not settle what the formula is."""


@dataclass(slots=True)
class _Atom:
    symbol: str
    style: str
    marks: list[Mark]
    sup: list[Mark] = field(default_factory=list)
    sub: list[Mark] = field(default_factory=list)


def describe_glyphs(marks: Sequence[Mark]) -> tuple[str, ...]:
    r"""LaTeX meaning of each glyph from left to right with its style: `x`, `\alpha`, `\mathbf{x}`; `?` if unknown.

    `\mathscript{X}` is of one of the script alphabets, `\mathother{X}` of one that is none of a variable's or number's
    but has no name.
    """
    symbols: list[str] = []
    has_two_italics = _has_two_italics(marks)
    has_names = any(_meaning(mark)[0] != UNKNOWN_SYMBOL for mark in marks)
    for mark in marks:
        symbol, style = _meaning(mark)
        if mark.text == "\u0338":
            symbol = r"\not"
        elif style == "?" and symbol in _DOUBTFUL_SIGNS:
            symbol = UNKNOWN_SYMBOL
        elif style == "?" and symbol.isascii() and symbol.isalpha():
            style = r"\mathscript" if "SCRIPT" in unicodedata.name(mark.text, "") else r"\mathother"
        elif symbol == UNKNOWN_SYMBOL and has_names and mark.text.isascii() and mark.text.isdigit():
            symbol, style = mark.text, r"\mathother"  # of a font without a name, as the other glyphs are not
        elif has_two_italics and _is_of_text_italic(mark, symbol, style):
            style = r"\mathit"
        is_plain = style in ("", "?") or (style == r"\mathrm" and not (symbol.isalpha() and symbol.isascii()))
        symbols.append(symbol if is_plain else f"{style}{{{symbol}}}")
    return tuple(symbols)


def write_latex(
    marks: Sequence[Mark], base_y: float, base_size: float, rules: Sequence[Box], body_font: str = ""
) -> str | None:
    r"""Write a formula in LaTeX if its glyphs leave no doubt.

    Args:
        marks: Of one formula on one line, from left to right, with `gap_before` set.
        base_y: Baseline of the line.
        base_size: Size of the line's font.
        rules: Drawn lines within the formula's box (fraction bars, radicals, overlines): they are a doubt.
        body_font: The document's main font; if it is sans-serif, `\mathsf` and `\mathrm` look alike.

    Returns:
        LaTeX with braced scripts, `_` before `^`; None where there is any doubt.
    """
    if rules or not marks or len(marks) > 120:
        return None
    try:
        if _has_lone_roman(marks) or _has_two_italics(marks):
            return None
        if any(has_doubtful_names(mark.glyph.font) for mark in marks):
            return None
        if any(_meaning(mark)[1] == r"\mathsf" for mark in marks) and is_sans(body_font):
            return None
        return _write(list(marks), base_y, base_size, 0)
    except _DoubtError:
        return None


def _has_lone_roman(marks: Sequence[Mark]) -> bool:
    r"""Whether single upright letters stand in a formula without an italic one.

    Some documents set mathematics in the text font: there an upright letter is a variable, not `\mathrm`.
    """
    styles = [(_meaning(mark), mark) for mark in marks if mark.text.isalnum()]
    if any(style == "" and symbol.isalpha() for (symbol, style), _ in styles):
        return False
    return any(style == r"\mathrm" and mark.text.isalpha() and len(mark.word) < 2 for (_, style), mark in styles)


def _has_two_italics(marks: Sequence[Mark]) -> bool:
    r"""Whether letters of an italic text font stand beside those of mathematics: `\mathit` or `\textit`."""
    letters = [(mark, symbol) for mark in marks for symbol, style in (_meaning(mark),) if style == ""]
    kinds = {is_math_italic(mark.text, mark.glyph.font) for mark, s in letters if s.isascii() and s.isalpha()}
    return len(kinds) > 1


def _is_of_text_italic(mark: Mark, symbol: str, style: str) -> bool:
    is_letter = style == "" and symbol.isascii() and symbol.isalpha()
    return is_letter and not is_math_italic(mark.text, mark.glyph.font)


def _meaning(mark: Mark) -> tuple[str, str]:
    glyph = mark.glyph
    is_tall = mark.y - mark.y0 > 0.56 * mark.size
    return glyph_meaning(mark.text, glyph.font, glyph.is_italic, glyph.is_bold, is_tall)


def _write(marks: list[Mark], base_y: float, base_size: float, level: int) -> str:
    atoms = _atoms(marks, base_y, base_size)
    parts: list[str] = []
    i = 0
    while i < len(atoms):
        j = i + 1
        if atoms[i].style not in ("", "?"):
            while j < len(atoms) and _goes_on(atoms[j - 1], atoms[j]):
                j += 1
        text = _styled(atoms[i:j])
        if parts and parts[-1] == r"\lim" and text in (r"\sup", r"\inf"):
            parts.pop()
            text = rf"\lim{text[1:]}"
        parts.append(text + _scripts(atoms[j - 1], base_y, base_size, level))
        i = j
    return _joined(parts)


def _atoms(marks: list[Mark], base_y: float, base_size: float) -> list[_Atom]:
    """Base symbols of one line, each with the marks of its scripts."""
    atoms: list[_Atom] = []
    pending_not = False
    for position, mark in enumerate(marks):
        if mark.is_big or mark.text in BIG_OPERATORS or mark.text in ACCENTS:
            raise _DoubtError
        shift = (base_y - mark.y) / base_size
        if mark.size < _SCRIPT_SIZE * base_size:
            if abs(shift) < _SCRIPT_SHIFT_EM or not atoms or abs(shift) > 0.8:
                raise _DoubtError
            base = atoms[-1]
            if mark.x0 < base.marks[-1].x1 - 0.2 * base_size:
                raise _DoubtError  # a limit or a label over an arrow
            (base.sup if shift > 0 else base.sub).append(mark)
            continue
        if abs(shift) > 0.02:
            raise _DoubtError
        if mark.text == "\u0338":
            pending_not = True
            continue
        symbol, style = _meaning(mark)
        if symbol == UNKNOWN_SYMBOL or style == "?":
            raise _DoubtError
        if pending_not:
            if symbol not in _NEGATED:
                raise _DoubtError
            symbol, pending_not = _NEGATED[symbol], False
        elif (
            atoms
            and position
            and (
                mark.x0 < marks[position - 1].x1 - 0.12 * base_size
                or atoms[-1].symbol == r"\mapsto" != symbol == r"\rightarrow"
            )
        ):
            joined = _JOINED.get((atoms[-1].symbol, symbol))
            if joined is None or atoms[-1].sup or atoms[-1].sub:
                raise _DoubtError
            atoms[-1].symbol = joined
            continue
        elif position and mark.gap_before > _MAX_GAP_EM * base_size:
            raise _DoubtError
        if symbol == "=" and atoms and atoms[-1].symbol == "|" and mark.gap_before < _MODELS_GAP_EM * base_size:
            atoms[-1].symbol = r"\models"  # a bar and an equals sign would stand 0.28 em apart
            continue
        if symbol == r"\prime":
            raise _DoubtError  # a prime of full size hangs: not met in TeX
        atoms.append(_Atom(symbol, style, [mark]))
    if pending_not:
        raise _DoubtError
    return _with_dots(atoms)


def _with_dots(atoms: list[_Atom]) -> list[_Atom]:
    """Three spaced stops or dots are one symbol."""
    merged: list[_Atom] = []
    for atom in atoms:
        merged.append(atom)
        if len(merged) >= 3 and atom.symbol in (".", r"\cdot") and all(a.symbol == atom.symbol for a in merged[-3:]):
            gap = atom.marks[0].gap_before
            if any(a.sup or a.sub for a in merged[-3:-1]) or gap > 0.3 * atom.marks[0].size:
                raise _DoubtError
            dots = _Atom(r"\ldots" if atom.symbol == "." else r"\cdots", "", merged[-3].marks, atom.sup, atom.sub)
            merged[-3:] = [dots]
    if sum(atom.symbol == "." for atom in merged) and any(a.symbol == b.symbol == "." for a, b in pairwise(merged)):
        raise _DoubtError
    return merged


def _goes_on(left: _Atom, right: _Atom) -> bool:
    """Whether `right` is a further letter of an upright word or bold number."""
    if left.sup or left.sub or right.style != left.style or not left.symbol.isalnum() or not right.symbol.isalnum():
        return False
    gap = right.marks[0].gap_before / right.marks[0].size
    if gap < 0.1:
        return left.style not in (r"\mathbb", r"\mathcal", r"\mathscr", r"\mathfrak", r"\bm")
    if (
        gap > _WORD_SPACE_EM
        and left.symbol.isalpha()
        and right.symbol.isalpha()
        and left.style in (r"\mathrm", r"\mathit")
    ):
        raise _DoubtError  # words with a space between
    return False


def _styled(atoms: list[_Atom]) -> str:
    style, text = atoms[0].style, "".join(atom.symbol for atom in atoms)
    if style == "":
        return text
    if style == r"\mathrm" and text in _OPERATORS:
        return f"\\{text}"
    if style == r"\mathrm" and text == "mod":
        return r"\bmod"
    if text.startswith("\\") and style in (r"\mathrm", r"\mathit"):
        return text
    return f"{style}{{{text}}}"


def _scripts(atom: _Atom, base_y: float, base_size: float, level: int) -> str:
    written = ""
    if atom.sub and atom.sup and not (atom.symbol[-1].isalnum() or atom.symbol in ")]|" or atom.symbol == r"\}"):
        raise _DoubtError  # both scripts on a sign: a small fraction beside it is likelier
    if atom.sub and atom.sup and not _overlap(atom.sub, atom.sup):
        raise _DoubtError  # one behind the other, as indices of tensors stand
    for sign, marks in (("_", atom.sub), ("^", atom.sup)):
        if not marks:
            continue
        if level >= 2 or (atom.sub and atom.sup and len({round(m.size, 1) for m in atom.sub + atom.sup}) > 1):
            raise _DoubtError
        size = max(mark.size for mark in marks)
        baselines = [mark.y for mark in marks if mark.size > 0.95 * size]
        if max(baselines) - min(baselines) > 0.04 * size:
            raise _DoubtError
        primes = [mark for mark in marks if mark.text == "′"]
        if primes and len(primes) == len(marks):
            written += "^{" + r"\prime" * len(primes) + "}"
            continue
        if primes:
            raise _DoubtError
        written += sign + "{" + _write(marks, baselines[0], size, level + 1) + "}"
    return written


def _overlap(sub: Sequence[Mark], sup: Sequence[Mark]) -> bool:
    """Whether two scripts stand above each other."""
    return sub[0].x0 < sup[-1].x1 and sup[0].x0 < sub[-1].x1


def _joined(parts: Sequence[str]) -> str:
    """Put symbols together; a blank parts a command from a letter."""
    text = ""
    for part in parts:
        if re.search(r"\\[a-zA-Z]+$", text) and part[:1].isalpha():
            text += " "
        text += part
    return text
