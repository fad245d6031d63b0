r"""The structure of a formula as nested lists: what structural search compares and its index is made from.

A row is a list of nodes; a node is a leaf (`x`, `12`, `=`, `bf:v`, `op:sin`) or a list of a label and its rows:
`\frac{a}{x_i^2}` is `[["\frac", ["a"], [["^", [["_", ["x"], ["i"]]], ["2"]]]]]`. Scripts nest, so that `x_i` is a part
of `x_i^2`; brackets hold what they enclose, be they `(…)` or `\left(…\right)`; the rows of an alignment are rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import Any

from docproc.latex.commands import BINARY, RELATIONS
from docproc.latex.look_tables import CLOSERS, OPENERS
from docproc.latex.looks import fold
from docproc.latex.tree import Command, Environment, Fence, Group, Node, Scripts, Symbol, parse

Row = list[Any]
"""Nodes: `str` for a leaf, else `[label, row, …]`."""

WILDCARD = "?"
"""First character of the leaf that stands for any sub-expression; `?` alone is a new one each time."""
_WILDCARD = re.compile(r"\?(?:([A-Za-z])(\d*))?")
_WILDCARD_COMMAND = r"\docprocwildcard"
_DIGITS = "abcdefghij"
# A point behind \right is a delimiter that is not there.
_END = re.compile(r"(?:(?<!\\right)(?<!\\right\s)(?:(?<!\\)\\\s|\s)*(?<!\\)(?<!\\right)[.,;])+\s*$")
_WORD_FONTS = frozenset(("rm", "op", "op*"))
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.")
_ALIGNMENTS = frozenset(("aligned", "gathered", "multlined", "split", "alignedat"))
_NUMBER = re.compile(r"\d[\d.]*")
_LETTER = re.compile(r"(?:(?!op:)[a-z]+(?::[a-z]+)?:)?(?:[A-Za-z]|\\[A-Za-z]+)")
_GREEK = frozenset(
    f"\\{name}"
    for name in re.findall(
        r"\w+",
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi pi "
        "varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega ell Gamma Delta Theta Lambda Xi Pi Sigma "
        "Upsilon Phi Psi Omega",
    )
)
RELATION_SIGNS = RELATIONS | {"=", "<", ">", ":"}
BINARY_SIGNS = (BINARY | {"+", "-", "*", "/"}) - RELATION_SIGNS
SEPARATORS = frozenset((",", ";", r"\quad"))


def strip_end(latex: str) -> str:
    """The formula without the punctuation of the sentence that it ends with."""
    return _END.sub("", latex)


def structure(latex: str) -> Row:
    """The structure of a formula.

    Args:
        latex: Any spelling; equal looks have equal structures.

    Raises:
        LatexError: It does not parse.
    """
    return _row(fold(parse(strip_end(latex)).items))


def pattern_structure(latex: str) -> Row:
    r"""The structure of a query, in which `?f`, `?a1` or `?` stand for any sub-expression; see `structure`."""
    count = 0

    def command(match: re.Match[str]) -> str:
        nonlocal count
        count += not match[1]
        letter, digits = match[1], match[2] or ""
        # A command holds letters only: the name of a nameless one is its number behind `Q`, digits are a–j.
        name = f"{letter}Z{''.join(_DIGITS[int(d)] for d in digits if d.isascii())}" if letter else f"Q{'x' * count}"
        return f"{_WILDCARD_COMMAND}{name} "

    return _named(structure(_WILDCARD.sub(command, latex)))


def has_wildcard(latex: str) -> bool:
    """Whether a query's formula holds a wildcard."""
    return "?" in latex


@lru_cache(maxsize=4096)
def is_variable(leaf: str) -> bool:
    """Whether a leaf is a letter that a renaming may change: Latin or Greek, of any alphabet, but no upright name."""
    if _LETTER.fullmatch(leaf) is None:
        return False
    letter = leaf.rpartition(":")[2]
    return letter[0] != "\\" or letter in _GREEK


def shape_key(row: Row) -> int:
    """Equal for formulas that differ in the names of their variables only; 64 bits, signed as SQLite's integers are."""
    names: dict[str, str] = {}

    def renamed(row: Row) -> Row:
        out: Row = []
        for node in row:
            if isinstance(node, list):
                out.append([node[0], *(renamed(part) for part in node[1:])])
            elif is_variable(node):
                out.append(names.setdefault(node, f"{node.rpartition(':')[0]}:{len(names)}"))
            else:
                out.append(node)
        return out

    text = json.dumps(renamed(row), ensure_ascii=False)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


def count_leaves(row: Row) -> int:
    """Symbols of a row, those of its nodes included."""
    return sum(1 if isinstance(node, str) else 1 + sum(map(count_leaves, node[1:])) for node in row)


def _named(row: Row) -> Row:
    """Turn the commands of wildcards into their leaves."""
    out: Row = []
    for node in row:
        if isinstance(node, list):
            out.append([node[0], *map(_named, node[1:])])
        else:
            found = node.partition(_WILDCARD_COMMAND)[2]
            out.append(WILDCARD + found if found else node)
    return out


def _row(items: list[Node]) -> Row:
    row: Row = []
    for item in items:
        if isinstance(item, Symbol):
            for leaf in _leaves(item):
                _append(row, leaf)
        elif isinstance(item, Group):
            for node in _row(item.items):
                _append(row, node)
        elif isinstance(item, Scripts):
            _append_scripts(row, item)
        else:
            row.append(_node(item))
    return row


def _leaves(item: Symbol) -> list[str]:
    if not item.font:
        return [item.text] if item.text.strip() else []
    if item.font in _WORD_FONTS:
        return [f"op:{item.text}"]
    if item.font == "it" and len(item.text) == 1:
        return [item.text]
    return [f"{item.font}:{text}" for text in _TOKEN.findall(item.text) if text.strip()]


def _append_scripts(row: Row, item: Scripts) -> None:
    base: Row = []
    if isinstance(item.base, Symbol):
        *before, last = _leaves(item.base) or [""]
        for leaf in before:
            _append(row, leaf)
        base = [last] if last else []
        if last.isdigit() and row and isinstance(row[-1], str) and _NUMBER.fullmatch(row[-1]):
            base = [row.pop() + last]  # 10^5 is a power of ten
    elif item.base is not None:
        base = _row([item.base])
    scripts = [(mark, _row(part.items)) for mark, part in (("_", item.sub), ("^", item.sup)) if part is not None]
    if len(base) == 1 and isinstance(base[0], str) and base[0] in CLOSERS and _close(row, base[0]):
        base = [row.pop()]
    for mark, script in scripts:
        base = [[mark, base, script]]
    row.extend(base)


def _append(row: Row, node: Any) -> None:
    """Put a node at the end: digits join, closing brackets close."""
    if isinstance(node, str):
        last = row[-1] if row and isinstance(row[-1], str) else ""
        if (node.isdigit() or node == ".") and _NUMBER.fullmatch(last):
            row[-1] = last + node
            return
        if node in CLOSERS and _close(row, node):
            return
    row.append(node)


def _close(row: Row, closer: str) -> bool:
    """Gather what stands since the last opening bracket into one node; False if none is open."""
    for at in range(len(row) - 1, -1, -1):
        if isinstance(row[at], str) and row[at] in OPENERS:
            row[at:] = [[row[at] + closer, row[at + 1 :]]]
            return True
    return False


def _node(item: Command | Fence | Environment) -> list[Any]:
    if isinstance(item, Fence):
        return ["".join((item.left, *item.middles, item.right)), *(_row(part.items) for part in item.parts)]
    if isinstance(item, Environment):
        if item.name in _ALIGNMENTS:
            return ["aligned", *(_row([node for cell in row for node in cell.items]) for row in item.rows)]
        width = max(map(len, item.rows))
        return [f"{item.name}{width}", *(_row(cell.items) for row in item.rows for cell in row)]
    rows = [_row(arg.items) for arg in item.args]
    if item.option is not None:
        rows.append(_row(item.option.items))
    return ["".join((item.name, *(f"{{{raw}}}" for raw in item.raw))), *rows]


