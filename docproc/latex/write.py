"""Write a tree as LaTeX tokens."""

from __future__ import annotations

import re

from docproc.latex.commands import ACCENTS, INFIX, LENGTH_COMMANDS
from docproc.latex.look_tables import (
    FENCED_MATRICES,
    FONT_COMMANDS,
    TEXT_FONT_COMMANDS,
    WORD_NAMES,
)
from docproc.latex.tree import Command, Environment, Fence, Group, Node, Scripts, Symbol

_QUAD = r"\quad"
_ACCENTS = frozenset(f"\\{name}" for name in ACCENTS.split())
_PLAIN_RUN = re.compile(r"(?:\\[A-Za-z]+ ?|[A-Za-z0-9])+$")
_TEXT_SIGNS = "/,.;:()[]=+!?0123456789"
_TEXT_PIECES = re.compile(f"[{re.escape(_TEXT_SIGNS)}]|[^{re.escape(_TEXT_SIGNS)}]+")
_RUN_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.")


class Writer:
    r"""Writes trees.

    Args:
        is_key: Write a key for comparison rather than LaTeX to read: no `\quad`, no star or `\\limits`.
        is_look: The tree is folded: symbols carry alphabets, words are operators.
    """

    def __init__(self, *, is_key: bool = False, is_look: bool = False) -> None:
        self.is_key = is_key
        self.is_look = is_look

    def write(self, items: list[Node], in_script: bool = False) -> list[str]:
        """Tokens of a list of items."""
        out: list[str] = []
        self._items(items, out, in_script)
        return out

    def _items(self, items: list[Node], out: list[str], in_script: bool) -> None:
        is_row_end = False
        for item in items:
            if isinstance(item, Symbol) and not item.font and item.text not in (_QUAD, r"\\") and not is_row_end:
                out.append(item.text)  # most of a formula
                continue
            place = len(out)
            self._node(item, out, in_script)
            if is_row_end:
                self._part(out, place)
            is_row_end = isinstance(item, Symbol) and item.text == r"\\"

    def _part(self, out: list[str], place: int) -> None:
        """Part a row's end from a [ or * behind it, which TeX would take for its option."""
        if out[place:place + 1] in (["["], ["*"]):
            out[place:place] = ["{", "}"] if self.is_look else [r"\relax"]

    def _braced(self, group: Group, out: list[str], in_script: bool) -> None:
        out.append("{")
        self._items(group.items, out, in_script)
        out.append("}")

    def _node(self, item: Node, out: list[str], in_script: bool) -> None:
        if isinstance(item, Symbol):
            if item.font:
                out += self._word(item, in_script)
            elif item.text != _QUAD or not self.is_key:
                out.append(item.text + item.gap)
        elif isinstance(item, Scripts):
            self._scripts(item, out, in_script)
        elif isinstance(item, Group):
            self._braced(item, out, in_script)
        elif isinstance(item, Command):
            self._command(item, out, in_script)
        elif isinstance(item, Fence):
            self._fence(item, out, in_script)
        else:
            self._environment(item, out, in_script)

    def _word(self, item: Symbol, in_script: bool, has_scripts: bool = False) -> list[str]:
        """A run of one alphabet."""
        text, font = item.text, item.font
        if font in ("rm", "op", "op*"):
            if text in WORD_NAMES:
                return [WORD_NAMES[text]]
            if self.is_key and len(pieces := _TEXT_PIECES.findall(text)) > 1:
                return self._text_pieces(pieces, font, in_script)
            if text.isalpha() and text.isascii():
                if in_script or len(text) == 1 or self.is_key:
                    return [r"\mathrm", "{", *text, "}"]
                star = ["*"] if font == "op*" and has_scripts else []
                return [r"\operatorname", *star, "{", *text, "}"]
            return [r"\text", "{", *text, "}"]
        if font == "it" and len(text) == 1 and text.isalpha():
            return [text]
        if font.startswith("bm:"):
            return [r"\bm", "{", FONT_COMMANDS[font[3:]], "{", *_letters(text), "}", "}"]
        if font in TEXT_FONT_COMMANDS and not _is_plain(text):
            return [TEXT_FONT_COMMANDS[font], "{", *text, "}"]
        return [FONT_COMMANDS[font], "{", *_letters(text), "}"]

    def _text_pieces(self, pieces: list[str], font: str, in_script: bool) -> list[str]:
        """Words of a text, and its punctuation and digits as signs of their own."""
        out: list[str] = []
        for piece in pieces:
            if piece in _TEXT_SIGNS:
                out.append(piece)
            elif word := piece.strip("~"):
                out += self._word(Symbol(word, font=font), in_script)
        return out

    def _scripts(self, item: Scripts, out: list[str], in_script: bool) -> None:
        base = item.base
        if base is None:
            out += ("{", "}")
        elif isinstance(base, Symbol) and base.font:
            out += self._word(base, in_script, has_scripts=item.sub is not None or item.sup is not None)
        else:
            self._node(base, out, in_script)
        if item.limits and not self.is_key:
            out.append(item.limits)
        if item.sub is not None:
            out.append("_")
            self._braced(item.sub, out, True)
        if item.sup is not None:
            out.append("^")
            self._braced(item.sup, out, True)

    def _command(self, item: Command, out: list[str], in_script: bool) -> None:
        name = item.name
        if name in INFIX and item.args:
            self._braced(Group([*item.args[0].items, Symbol(name), *item.args[1].items]), out, in_script)
            return
        out.append(name)
        if item.is_starred:
            out.append("*")
        if name in LENGTH_COMMANDS:
            out += (*item.raw, r"\relax")
            return
        if item.raw_option is not None:
            out.append(f"[{item.raw_option}]")
        if item.option is not None:
            out.append("[")
            inner = self.write(item.option.items, True)
            out += ["{", *inner, "}"] if "]" in inner else inner
            out.append("]")
        if name[1:4].lower() == "big" and item.raw and not item.args:
            out.append(item.raw[0])
            return
        for raw in item.raw:
            out += ("{", raw, "}")
        stacked = name in (r"\overset", r"\underset", r"\stackrel")
        for index, arg in enumerate(item.args):
            if arg.is_bare and name in _ACCENTS and not self.is_look:
                self._node(arg.items[0], out, in_script)
                continue
            self._braced(arg, out, in_script or (stacked and index == 0) or name == r"\substack"
                         or (name.startswith(r"\x") and "arrow" in name))

    def _fence(self, item: Fence, out: list[str], in_script: bool) -> None:
        if self.is_look and not self.is_key and len(item.parts) == 1 and len(item.parts[0].items) == 1:
            only = item.parts[0].items[0]
            name = FENCED_MATRICES.get((item.left, item.right))
            if name and isinstance(only, Environment) and only.name == "matrix":
                self._environment(Environment(name, [], only.rows, only.gaps), out, in_script)
                return
        out += (r"\left", item.left)
        for index, part in enumerate(item.parts):
            self._items(part.items, out, in_script)
            if index < len(item.middles):
                out += (r"\middle", item.middles[index])
        out += (r"\right", item.right)

    def _environment(self, item: Environment, out: list[str], in_script: bool) -> None:
        begin = "".join((f"\\begin{{{item.name}}}", *item.arguments))
        # mathtools fails on an & right after \begin{aligned}; a blank helps.
        out.append(begin if self.is_key or item.arguments or item.rows[0][0].items else begin + " ")
        for number, row in enumerate(item.rows):
            if number:
                out.append(r"\\" + item.gaps[number - 1])
            for index, cell in enumerate(row):
                if index:
                    out.append("&")
                place = len(out)
                self._items(cell.items, out, in_script)
                if not index:
                    self._part(out, place)
        out.append(f"\\end{{{item.name}}}")


def _is_plain(text: str) -> bool:
    return _PLAIN_RUN.match(text) is not None


def _letters(text: str) -> list[str]:
    """Tokens of a run: letters, digits and capital Greek (a blank parts its command from a letter)."""
    return [t for t in _RUN_TOKEN.findall(text) if t != " "]
