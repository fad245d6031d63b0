r"""The symbols that a formula puts on the paper, for comparison with the glyphs of a page."""

from __future__ import annotations

import re
from typing import NamedTuple

from docproc.latex.commands import ACCENTS, BIG_OPERATORS
from docproc.latex.look_tables import LOOKS
from docproc.latex.looks import fold
from docproc.latex.tree import Command, Environment, Fence, Group, LatexError, Node, Scripts, Symbol, parse

# Symbols that fonts draw as several glyphs, as those glyphs.
_PIECES: dict[str, tuple[str, ...]] = {
    r"\ldots": (".", ".", "."), r"\cdots": (r"\cdot",) * 3, r"\neq": (r"\not", "="), r"\notin": (r"\not", r"\in"),
    r"\longrightarrow": ("-", r"\rightarrow"), r"\longleftarrow": (r"\leftarrow", "-"),
    r"\Longrightarrow": ("=", r"\Rightarrow"), r"\Longleftarrow": (r"\Leftarrow", "="),
    r"\Longleftrightarrow": (r"\Leftarrow", r"\Rightarrow"), r"\longleftrightarrow": (r"\leftarrow", r"\rightarrow"),
    r"\longmapsto": (r"\mapsto", "-"), r"\models": ("|", "="), r"\vDash": ("|", "="), r"\mapsto": (r"\mapsto",
    r"\rightarrow"), r"\bowtie": (r"\triangleright", r"\triangleleft"),
    r"\vdots": (".", ".", "."), r"\ddots": (".", ".", "."), r"\iint": (r"\int", r"\int"), r"\doteq": (".", "="),
    r"\iiint": (r"\int",) * 3, r"\cong": (r"\sim", "="), r"\hbar": ("h",), r"\varlimsup": tuple("lim"),
    r"\varliminf": tuple("lim"), r"\varinjlim": tuple("lim"), r"\varprojlim": tuple("lim"),
}
# Drawn in pieces, by rules or with the glyphs of others: their absence proves nothing. (A glyph that is merely unknown
# counts as unknown.)
_UNSURE = frozenset((
    r"\not", r"\mapsto", r"\hookrightarrow", r"\hookleftarrow", r"\cong", r"\vdots", r"\ddots", r"\iddots", r"\hbar",
    r"\rightleftharpoons", r"\surd", r"\_", "?", "'", "`", '"'))
# Names that a font may give to each other's shapes: taken for one, but then nothing is certain.
VARIANTS = {r"\varphi": r"\phi", r"\vartheta": r"\theta", r"\varepsilon": r"\epsilon", r"\varrho": r"\rho",
            r"\varsigma": r"\sigma", r"\varpi": r"\pi", r"\varkappa": r"\kappa"}
_SAME_GLYPH = {r"\|": r"\Vert", r"\varGamma": r"\Gamma", r"\varDelta": r"\Delta", r"\bigtriangleup": r"\triangle",
               r"\emptyset": r"\varnothing", r"\ast": "*", r"\bullet": r"\cdot",
               r"\vee": r"\bigvee", r"\wedge": r"\bigwedge", r"\cup": r"\bigcup", r"\cap": r"\bigcap",
               r"\oplus": r"\bigoplus", r"\otimes": r"\bigotimes", r"\odot": r"\bigodot", r"\sqcup": r"\bigsqcup",
               r"\uplus": r"\biguplus", r"\amalg": r"\coprod", r"\vartriangleleft": r"\triangleleft",
               r"\vartriangleright": r"\triangleright"}
_STYLES = {"bf": "bold", "bm": "bold", "cal": "script", "scr": "script", "bb": "blackboard", "frak": "fraktur"}
_GLYPH_STYLES = {r"\mathbf": "bold", r"\bm": "bold", r"\mathcal": "script", r"\mathscr": "script",
                 r"\mathbb": "blackboard", r"\mathfrak": "fraktur", r"\mathscript": "script"}
_ALPHABETS = {"cal": "cal", "scr": "scr", "sf": "sf", "tt": "tt", "it": "it", "rm": "rm", "op": "rm", "op*": "rm",
              "other": "other"}
_STYLED = re.compile(r"(\\[a-z]+)\{(.*)\}$")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
ACCENT_NAMES = frozenset(f"\\{name}" for name in ACCENTS.split())
WIDE_ACCENTS = frozenset((r"\widehat", r"\widetilde", r"\widecheck"))
# Wide accents are glyphs of the same names; those of one glyph each are told by the page.
_NARROW = {r"\widehat": r"\hat", r"\widetilde": r"\tilde", r"\widecheck": r"\check"}
NAMED_ACCENTS = frozenset((r"\hat", r"\tilde", r"\bar", r"\vec", r"\dot", r"\ddot", r"\check", r"\acute", r"\grave",
                            r"\breve", r"\mathring"))
_WORD_MARKS = frozenset("-'`\"")
_ARROW_PIECES = ("-", "=", r"\rightarrow", r"\leftarrow", r"\Rightarrow", r"\Leftarrow", r"\mapsto")


class Mark(NamedTuple):
    """One glyph: its symbol, its alphabet (`bold`, `script`, … or empty), and whether its absence proves nothing."""

    symbol: str
    style: str = ""
    is_unsure: bool = False
    is_slanted: bool = False
    """Bold and italic, where bold upright letters look otherwise."""
    alphabet: str = ""
    """`cal`, `scr`, `sf`, `tt`, `it` or, of letters, `rm`: what `style` does not tell apart."""


def visible_symbols(latex: str) -> tuple[str, ...]:
    r"""Symbols in reading order (base, subscript, superscript; numerator, denominator; row by row).

    Args:
        latex: A formula.

    Returns:
        Names such as `x`, `\alpha`, `+`; letters of words one by one, `\ldots` as three points, alphabets left out;
        empty if it does not parse.
    """
    marks = read_marks(latex)
    return tuple(mark.symbol for mark in marks) if marks else ()


def read_marks(latex: str) -> tuple[Mark, ...] | None:
    """The glyphs of a formula; None where LaTeX does not say them (chemistry, what does not parse)."""
    if r"\ce{" in latex:
        return None
    try:
        items = fold(parse(latex).items)
    except LatexError:
        return None
    out: list[Mark] = []
    _walk(items, out)
    return tuple(out)


def glyph_marks(symbol: str) -> tuple[Mark, ...]:
    r"""A glyph's meaning (`x`, `\mathbf{x}`, `\neq`) in the same names; `?` is unknown."""
    style = alphabet = ""
    match = _STYLED.match(symbol)
    if match:
        style, symbol = _GLYPH_STYLES.get(match.group(1), ""), match.group(2)
        alphabet = match.group(1).removeprefix(r"\math")
    if symbol == "?":
        return (Mark("?", "", True),)
    is_slanted = match is not None and match.group(1) == r"\bm"
    return tuple(
        mark._replace(is_slanted=is_slanted, alphabet=_ALPHABETS.get(alphabet, ""))
        for look in LOOKS.get(symbol, (symbol,))
        for mark in _marks(look, style, False)
    )


def is_stacked(latex: str) -> bool:
    """Whether parts of the formula stand above each other, so that left to right is not its reading order."""
    try:
        return _is_stacked(fold(parse(latex).items))
    except LatexError:
        return True


def _is_stacked(items: list[Node]) -> bool:
    for item in items:
        if isinstance(item, Environment):
            return True
        if isinstance(item, Command) and item.name not in ACCENT_NAMES and item.args:
            if item.name not in (r"\sqrt", r"\overline", r"\underline", r"\boxed") or item.option is not None:
                return True
            if _is_stacked(item.args[0].items):
                return True
        if isinstance(item, Scripts):
            is_big = isinstance(item.base, Symbol) and (item.base.text in BIG_OPERATORS or item.base.font[:2] == "op")
            if is_big or (item.sub and item.sup) or (item.base and _is_stacked([item.base])):
                return True
            if any(_is_stacked(script.items) for script in (item.sub, item.sup) if script):
                return True
        if isinstance(item, Group) and _is_stacked(item.items):
            return True
        if isinstance(item, Fence) and any(_is_stacked(part.items) for part in item.parts):
            return True
    return False


def _walk(items: list[Node], out: list[Mark], is_tall: bool = False) -> None:
    for item in items:
        if isinstance(item, Symbol):
            _walk_symbol(item, out, is_tall)
        elif isinstance(item, Group):
            _walk(item.items, out, is_tall)
        elif isinstance(item, Scripts):
            if item.base is not None:
                _walk([item.base], out, is_tall)
            for script in (item.sub, item.sup):
                if script is not None:
                    _walk(script.items, out, is_tall)
        elif isinstance(item, Fence):
            delimiters = [item.left, *item.middles, item.right]
            for index, delimiter in enumerate(delimiters):
                if delimiter != ".":
                    out.extend(_marks(delimiter, "", True))
                if index < len(item.parts):
                    _walk(item.parts[index].items, out, is_tall)
        elif isinstance(item, Environment):
            if item.name in ("cases", "rcases"):
                out.append(Mark(r"\{" if item.name == "cases" else r"\}", "", True))
            for row in item.rows:
                for cell in row:
                    _walk(cell.items, out, is_tall)
        else:
            _walk_command(item, out, is_tall)


def _walk_symbol(item: Symbol, out: list[Mark], is_tall: bool) -> None:
    if item.text in (r"\quad", r"\\", r"\hline", ""):
        return
    if not item.font:
        out.extend(_marks(item.text, "", is_tall))
        return
    style = _STYLES.get(item.font.removeprefix("bm:"), "")
    for token in _TOKEN.findall(item.text):
        if token not in ("~", " "):
            is_word_mark = token in _WORD_MARKS or not token.isascii()
            marks = _marks(token, style, is_tall or is_word_mark or item.font == "sc")
            alphabet = _ALPHABETS.get(item.font.removeprefix("bm:"), "")
            out.extend(mark._replace(is_slanted=item.font == "bm", alphabet=alphabet) for mark in marks)


def _walk_command(item: Command, out: list[Mark], is_tall: bool) -> None:
    if item.name == r"\binom":
        out.append(Mark("(", "", True))
    elif (item.name == r"\sqrt" or item.name in ACCENT_NAMES or item.name.startswith((r"\x", r"\over", r"\under"))) \
            and item.name not in (r"\overline", r"\underline", r"\overset", r"\underset"):
        accent = _NARROW.get(item.name, item.name)
        out.append(Mark(accent, "", accent not in NAMED_ACCENTS))
        if "arrow" in item.name:  # drawn in as many pieces as it needs
            out.extend(Mark(piece, "", True) for piece in _ARROW_PIECES * 8)
    if item.option is not None:
        _walk(item.option.items, out, is_tall)
    for arg in item.args:
        _walk(arg.items, out, is_tall)
    if item.name == r"\binom":
        out.append(Mark(")", "", True))


def _marks(symbol: str, style: str, is_unsure: bool) -> list[Mark]:
    return [Mark(_SAME_GLYPH.get(piece, piece), style, is_unsure or symbol in _UNSURE or piece in _UNSURE)
            for piece in _PIECES.get(symbol, (symbol,))]
