"""What a recogniser may be asked to write: real LaTeX mathematics that leaves its ink where the reader sees it."""

from __future__ import annotations

import re

from docproc.latex.commands import ENVIRONMENTS, KNOWN, SPACES, TEXT_COMMANDS
from docproc.latex.look_tables import TEXT_FONTS
from docproc.latex.tree import Command, Environment, Fence, Group, Node, Scripts, Symbol

# Real LaTeX, but colour, overprinting, references, tables or boxes of text: not a formula to read from a picture.
_UNREADABLE_LIST = r"""
\color \textcolor \colorbox \mathcolor \ref \eqref \cite \rlap \llap \mathrlap \mathllap \mathclap \mathchoice
\rule \raisebox \scalebox \cline \multicolumn \SI \qty \unit \si \num \vcenter \vbox \pu \textcircled \sideset
\MakeLowercase \intertext \shortintertext \vdotswithin \mathchar \genfrac \centernot \joinrel \Relbar \relbar
\TeX \LaTeX \AA \aa \ss \ae \AE \oe \OE \o \O \i \j \l \L \textsterling \mathsterling \textregistered \hdots
\Alpha \Beta \Epsilon \Zeta \Eta \Iota \Kappa \Mu \Nu \Omicron \omicron \Rho \Tau \Chi \origof \imageof
"""
_UNREADABLE = frozenset(_UNREADABLE_LIST.split())
_TEXT = frozenset(f"\\{name}" for name in TEXT_COMMANDS.split())
_IN_TEXT = frozenset(SPACES) | frozenset(TEXT_FONTS) | frozenset((
    r"\ldots", r"\dots", r"\textellipsis", r"\_", r"\&", r"\%", r"\$", r"\#", r"\-", r"\mbox", r"\text"))
_COMMAND = re.compile(r"\\(?:[a-zA-Z]+|.)", re.DOTALL)
_MATH = re.compile(r"\$[^$]*\$")
_UNREADABLE_ENVIRONMENTS = frozenset(("CD", "cases*", "dcases*"))
_UNREADABLE_CHARACTERS = frozenset("\"`#$@~\\")


def is_learnable(items: list[Node]) -> bool:
    """Whether every command is known and every mark of the formula has a place in its picture."""
    return all(_is_learnable(item) for item in items)


def _is_learnable(item: Node) -> bool:
    if isinstance(item, Symbol):
        text = item.text
        if text[0] == "\\":
            return text in KNOWN and text not in _UNREADABLE and text not in (r"\\", r"\cr")
        return text.isascii() and (text not in _UNREADABLE_CHARACTERS or text == "~")
    if isinstance(item, Group):
        return is_learnable(item.items)
    if isinstance(item, Scripts):
        return ((item.base is None or _is_learnable(item.base)) and (item.sub is None or is_learnable(item.sub.items))
                and (item.sup is None or is_learnable(item.sup.items)))
    if isinstance(item, Fence):
        return all(is_learnable(part.items) for part in item.parts)
    if isinstance(item, Environment):
        return (item.name in ENVIRONMENTS and item.name not in _UNREADABLE_ENVIRONMENTS
                and all(is_learnable(cell.items) for row in item.rows for cell in row))
    return _is_learnable_command(item)


def _is_learnable_command(item: Command) -> bool:
    if item.name in _UNREADABLE or item.name not in KNOWN:
        return False
    if item.name in (r"\ce", r"\cee"):
        raw = item.raw[0]
        return raw.isascii() and not any(x in raw for x in (r"\includegraphics", r"\color", r"\ref"))
    if any(not raw.isascii() for raw in item.raw):
        return False
    if item.name in _TEXT and not all(name in _IN_TEXT for name in _COMMAND.findall(_MATH.sub("", item.raw[0]))):
        return False
    if item.name == r"\substack":
        items = [x for x in item.args[0].items if not (isinstance(x, Symbol) and x.text == r"\\")]
        return is_learnable(items)
    return (item.option is None or is_learnable(item.option.items)) and all(is_learnable(a.items) for a in item.args)
