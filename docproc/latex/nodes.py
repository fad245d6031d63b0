"""Nodes of the tree of a formula."""

from __future__ import annotations

from dataclasses import dataclass, field


class LatexError(ValueError):
    """What is wrong with the LaTeX, in words, and where."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} at character {position + 1}")
        self.reason = reason
        self.position = position
        """Index into the source, from 0."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """One token without arguments: a character, a control symbol or a command; trees may share it."""

    text: str
    font: str = ""
    """Set by the folding of looks: the alphabet that the symbol is drawn from."""
    gap: str = ""
    r"""Of a row's end outside an environment, as in `\substack`: the length after it (`[2pt]`)."""


@dataclass(slots=True)
class Group:
    """A list of items between braces."""

    items: list[Node]
    is_bare: bool = False
    r"""An argument that is a command without braces around it: `\dot\vec x` puts its dot elsewhere."""


@dataclass(slots=True)
class Command:
    """A command with its arguments; `raw` holds those that are not mathematics (text, lengths, names)."""

    name: str
    args: list[Group] = field(default_factory=list)
    option: Group | None = None
    raw: list[str] = field(default_factory=list)
    raw_option: str | None = None
    is_starred: bool = False


@dataclass(slots=True)
class Scripts:
    """A base with what hangs below and above it; `limits` is the command that says where, or empty."""

    base: Node | None
    sub: Group | None
    sup: Group | None
    limits: str = ""


@dataclass(slots=True)
class Fence:
    r"""`\left( … \middle| … \right)`; one part more than middles."""

    left: str
    parts: list[Group]
    middles: list[str]
    right: str


@dataclass(slots=True)
class Environment:
    r"""Rows of cells; `gaps` holds what follows each `\\` (`[2pt]`, a star), `before` the rules above each row."""

    name: str
    arguments: list[str]
    rows: list[list[Group]]
    gaps: list[str]


Node = Symbol | Group | Command | Scripts | Fence | Environment


def children(item: Node) -> list[list[Node]]:
    """Lists of items inside an item: arguments without the option, base and scripts, parts, cells."""
    if isinstance(item, Group):
        return [item.items]
    if isinstance(item, Command):
        return [arg.items for arg in item.args]
    if isinstance(item, Scripts):
        return [*([[item.base]] if item.base else []), *(s.items for s in (item.sub, item.sup) if s)]
    if isinstance(item, Fence):
        return [part.items for part in item.parts]
    if isinstance(item, Environment):
        return [cell.items for row in item.rows for cell in row]
    return []
