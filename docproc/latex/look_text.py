"""Folding of text inside formulas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docproc.latex.commands import SPACES
from docproc.latex.look_tables import TEXT_FONTS
from docproc.latex.tree import Node, Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT_PIECE = re.compile(
    r"\$((?:[^$\\]|\\.)*)\$"  # mathematics in text
    r"|\\([a-zA-Z]+)\s*\{"  # a command with an argument
    r"|\\[a-zA-Z]+"
    r"|\\[`'^\"~=.](?:\{[^{}]*\}|[a-zA-Z])"  # an accented letter
    r"|\\.|[{}]|\s+|~|.",
    re.DOTALL,
)
_TEXT_EDGE = frozenset(".,;:()[]=+/<>!?0123456789|*")


def fold_text(raw: str, font: str, fold_math: Callable[[str], list[Node]]) -> list[Node]:
    """Text becomes words of its alphabet; blanks and punctuation at its ends go outside, `$…$` is mathematics."""
    out: list[Node] = []
    fonts = [font]
    run: list[str] = []

    def flush() -> None:
        head: list[str] = []
        while run and (run[0] == "~" or run[0] in _TEXT_EDGE):
            head.append(run.pop(0))
        tail: list[str] = []
        while run and (run[-1] == "~" or run[-1] in _TEXT_EDGE):
            tail.insert(0, run.pop())
        for part in (head, run, tail):
            if part is run and run:
                out.append(Symbol("".join(run), font=fonts[-1]))
            elif part is not run:
                out.extend(Symbol(" ", font="0.33") if c == "~" else Symbol(c, font=_digit_font(c, fonts[-1]))
                           for c in part)
        run.clear()

    for match in _TEXT_PIECE.finditer(raw):
        piece, math, command = match.group(), match.group(1), match.group(2)
        if math is not None:
            flush()
            out += fold_math(math)
        elif command is not None:
            flush()
            fonts.append(TEXT_FONTS.get(f"\\{command}", fonts[-1]))
        elif piece == "{":
            fonts.append(fonts[-1])
        elif piece == "}":
            flush()
            if len(fonts) > 1:
                fonts.pop()
        elif piece.isspace() or piece in ("~", r"\ ", r"\space"):
            if (run and run[-1] != "~") or not run:
                run.append("~")
        elif piece in SPACES:
            if SPACES[piece] >= 1:
                flush()
                out.append(Symbol(" ", font=str(SPACES[piece])))
        elif piece in (r"\ldots", r"\dots"):
            flush()
            out.append(Symbol(r"\ldots"))
        else:
            run.append(piece)
    flush()
    return out


def _digit_font(char: str, font: str) -> str:
    return font if char.isdigit() and font not in ("rm", "sc") else ""
