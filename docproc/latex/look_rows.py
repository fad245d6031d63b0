"""Folding of environments: rows and cells that look the same under different names."""

from __future__ import annotations

import re

from docproc.latex.look_tables import ENVIRONMENT_LOOKS, MATRIX_FENCES
from docproc.latex.tree import Command, Environment, Fence, Group, Node, Symbol


def fold_environment(item: Environment, cells: list[list[Group]]) -> list[Node]:
    """Fold an environment whose `cells` are folded already."""
    name = ENVIRONMENT_LOOKS.get(item.name, item.name)
    rows = cells
    if item.name.startswith("eqnarray"):
        rows = [[row[0], Group([*row[1].items, *(row[2].items if len(row) > 2 else [])])] if len(row) > 1 else row
                for row in rows]
    for row in rows:
        while len(row) > 1 and not row[-1].items:
            row.pop()
    while len(rows) > 1 and len(rows[-1]) == 1 and not rows[-1][0].items:
        rows.pop()
    width = max(len(row) for row in rows)
    arguments: list[str] = []
    if name == "array":
        name, arguments = _fold_array(item.arguments[-1] if item.arguments else "{}", rows, width)
    elif item.name.endswith("matrix*"):
        align = item.arguments[0][1:-1] if item.arguments else "c"
        name, arguments = ("matrix", []) if align == "c" else ("array", ["{" + align * width + "}"])
    if name == "substack":
        flat: list[Node] = []
        for row in rows:
            flat += ([Symbol(r"\\")] if flat else []) + row[0].items
        return [Command(r"\substack", [Group(flat)])]
    if len(rows) == 1 and (width == 1 or name in ("aligned", "gathered", "multlined")) and name != "cases" \
            and name != "rcases" and name != "array" and item.name not in MATRIX_FENCES:
        flat = []
        for index, cell in enumerate(rows[0]):
            flat += ([Symbol(" ", font="2")] if index and index % 2 == 0 else []) + cell.items
        return flat
    folded = Environment(name, arguments, rows, [""] * (len(rows) - 1))
    if item.name in MATRIX_FENCES:
        left, right = MATRIX_FENCES[item.name]
        return [Fence(left, [Group([folded])], [], right)]
    return [folded]


def _fold_array(spec: str, rows: list[list[Group]], width: int) -> tuple[str, list[str]]:
    """Columns beyond the cells are invisible; all centred without rules is a matrix."""
    spec = re.sub(r"[@!><]\{[^{}]*\}", "", spec[1:-1])
    spec = re.sub(r"\*\{(\d{1,2})\}\{([^{}]*)\}", lambda m: m.group(2) * int(m.group(1)), spec)
    spec = re.sub(r"[pmb]\{[^{}]*\}", "l", spec)
    spec = "".join(c for c in spec if c in "lcr|")
    kept, columns = "", 0
    for char in spec:
        if char != "|":
            if columns == width:
                continue
            columns += 1
        kept += char
    has_rule = any(isinstance(x, Symbol) and x.text == r"\hline" for row in rows for cell in row for x in cell.items)
    if "|" not in kept and not has_rule and (len(rows) == 1 or set(kept) <= {"c"}):
        return "matrix", []
    return "array", ["{" + kept + "}"]
