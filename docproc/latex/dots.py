r"""`\dots` takes its height from what follows it; amsmath's rule, settled here."""

from __future__ import annotations

from docproc.latex.commands import BIG_OPERATORS, BINARY, CLOSING, RELATIONS
from docproc.latex.tree import Command, Environment, Fence, Group, Node, Scripts, Symbol

_CENTRED_CHARACTERS = frozenset("+=<>-*:")
_CLOSERS = CLOSING | frozenset((")", "]"))
_INTEGRALS = frozenset((r"\int", r"\iint", r"\iiint", r"\iiiint", r"\oint", r"\idotsint"))
_FIXED = {r"\dotsc": r"\ldots", r"\dotso": r"\ldots", r"\dotsb": r"\cdots", r"\dotsm": r"\cdots",
          r"\dotsi": r"\cdots", r"\mathellipsis": r"\ldots"}
DOTS = frozenset((r"\dots", *_FIXED))
"""Commands that `settle_dots` knows; others may begin like them (`\\dotsum`, misread)."""


def settle_dots(name: str, items: list[Node], index: int) -> tuple[str, str]:
    r"""Say which dots TeX prints for `\dots` at `items[index]`, and the thin space that it adds after them.

    Source: amsmath.sty, `\mdots@@`, `\keybin@`, `\dotso@`, `\dotsc@`.
    """
    following = _first_token(items[index + 1]) if index + 1 < len(items) else ""
    if name == r"\dots":
        if following in _INTEGRALS:
            name = r"\dotsi"
        elif (following in _CENTRED_CHARACTERS or following in BINARY or following in RELATIONS
              or following in BIG_OPERATORS or following in (r"\not", r"\mathbin", r"\mathrel")):
            name = r"\dotsb"
        elif following == ",":
            name = r"\dotsc"
        else:
            name = r"\dotso"
    closes = following in _CLOSERS or following in (r"\right", r"\bigr", r"\Bigr", r"\biggr", r"\Biggr")
    if name in (r"\dotso", r"\dotsc") and closes:
        return _FIXED[name], r"\,"
    return _FIXED[name], r"\," if name == r"\dotsc" and following in (";", ".") else ""


def _first_token(node: Node) -> str:
    """The token that TeX sees next."""
    while isinstance(node, Scripts):
        if node.base is None:
            return "^"
        node = node.base
    if isinstance(node, Symbol):
        return node.text
    if isinstance(node, Command):
        return node.name
    if isinstance(node, Group):
        return "{"
    return {Fence: r"\left", Environment: r"\begin"}[type(node)]
