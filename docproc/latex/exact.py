r"""Respell a formula without changing a pixel of its picture under TeX."""

from __future__ import annotations

import re

from docproc.latex.commands import (
    ACCENTS,
    ALPHABETS,
    FONT_SWITCHES,
    INFIX,
    ORDINARY,
    TEXT_COMMANDS,
)
from docproc.latex.dots import DOTS, settle_dots
from docproc.latex.look_tables import DELIMITER_LOOKS, SIZED, is_letter
from docproc.latex.tree import Command, Environment, Fence, Group, Node, Scripts, Symbol

# Defined as each other in LaTeX, amsmath or amssymb: the same character code of the same class.
_SAME = dict(pair.split() for pair in re.split(r"\s{2,}|\n", r"""
\le \leq  \ge \geq  \ne \neq  \to \rightarrow  \gets \leftarrow  \lbrace \{  \rbrace \}  \lbrack [  \rbrack ]
\land \wedge  \lor \vee  \lnot \neg  \owns \ni  \Vert \|  \vert |  \Box \square  \Diamond \lozenge
\leadsto \rightsquigarrow  \restriction \upharpoonright  \doublecap \Cap  \doublecup \Cup  \llless \lll
\gggtr \ggg  \Doteq \doteqdot  \thinspace \,  \medspace \:  \> \:  \thickspace \;  \negthinspace \!  \ast *
\lt <  \gt >  \mathellipsis \ldots  \nobreakspace ~
""".strip()))
_SAME_COMMANDS = {r"\Bbb": r"\mathbb", r"\frak": r"\mathfrak"}
_GONE = frozenset((r"\nonumber", r"\notag", r"\relax", r"\protect", r"\displaylimits"))
_BARE = frozenset((r"\frac", r"\dfrac", r"\tfrac", r"\binom", r"\dbinom", r"\tbinom")) | ALPHABETS
_ORD_COMMANDS = _BARE | frozenset(f"\\{name}" for name in f"{ACCENTS} {TEXT_COMMANDS} sqrt overline underline".split())
_ROWS = {"align": "aligned", "align*": "aligned", "alignat": "alignedat", "alignat*": "alignedat",
         "flalign": "aligned", "flalign*": "aligned", "split": "aligned", "eqnarray": "aligned",
         "eqnarray*": "aligned", "gather": "gathered", "gather*": "gathered", "multline": "multlined",
         "multline*": "multlined"}
_OWN_FONT = frozenset((r"\operatorname", r"\operatornamewithlimits"))
# All other symbols stay as they are.
_CHANGING = frozenset(FONT_SWITCHES) | _GONE | DOTS | frozenset(_SAME) | {"="}
_WHOLE = frozenset(("equation", "equation*", "displaymath", "math"))


def respell(items: list[Node]) -> list[Node]:
    """The items of a whole formula in one spelling; the argument is not changed."""
    while len(items) == 1:
        only = items[0]
        if isinstance(only, Group):
            items = only.items
        elif isinstance(only, Environment) and only.name in _WHOLE and len(only.rows) == 1 and len(only.rows[0]) == 1:
            items = only.rows[0][0].items
        else:
            break
    out = _respell(items)
    while len(out) == 1 and isinstance(out[0], Group):
        out = out[0].items
    return out


def _respell(items: list[Node], before_dollar: bool = False) -> list[Node]:
    out: list[Node] = []
    for index, item in enumerate(items):
        if isinstance(item, Symbol):
            if item.text not in _CHANGING:
                out.append(item)
                continue
            if item.text in FONT_SWITCHES:
                return out + _apply_switch(FONT_SWITCHES[item.text], items[index + 1:])
            if item.text in _GONE:
                continue
            if item.text in DOTS:
                dots, space = settle_dots(item.text, items, index)
                if item.text == r"\dotsi" or (dots == r"\cdots" and _before_integral(items, index)):
                    out.append(Symbol(r"\!"))
                out.append(Symbol(dots))
                if not space and before_dollar and dots == r"\ldots" and index + 1 == len(items):
                    space = r"\,"  # amsmath sees \right, or the dollar in the template of the cell
                out += [Symbol(space)] if space else []
                continue
            if item.text != "=":
                out.append(Symbol(_SAME[item.text]))
            elif out and isinstance(out[-1], Symbol) and out[-1].text == r"\not":
                out[-1] = Symbol(r"\neq")
            else:
                out.append(item)
        elif isinstance(item, Scripts):
            sub = item.sub and _argument(item.sub)
            sup = item.sup and _argument(item.sup)
            out.append(Scripts(_respell_base(item.base), sub, sup, item.limits))
        else:
            out += _respell_node(item)
    return out


def _before_integral(items: list[Node], index: int) -> bool:
    following = items[index + 1] if index + 1 < len(items) else None
    while isinstance(following, Scripts):
        following = following.base
    return isinstance(following, Symbol) and following.text.endswith("int")


def _respell_node(item: Node) -> list[Node]:
    if isinstance(item, Group):
        return [_unbraced(Group(_respell(item.items)))]
    if isinstance(item, Fence):
        parts = [Group(_respell(part.items, index + 1 == len(item.parts))) for index, part in enumerate(item.parts)]
        return [Fence(_delimiter(item.left), parts,
                      [_delimiter(middle) for middle in item.middles], _delimiter(item.right))]
    if isinstance(item, Environment):
        return [_respell_environment(item)]
    if isinstance(item, Command):
        return _respell_command(item)
    return [item]


def _respell_base(base: Node | None) -> Node | None:
    if base is None or (isinstance(base, Symbol) and base.text not in _CHANGING):
        return base
    items = _respell([base])
    head = items[0] if len(items) == 1 else Group(items) if items else None
    if isinstance(base, Group) and isinstance(head, Command):
        head = Group([head])  # scripts of a braced fraction or accent may sit elsewhere
    return head


def _respell_command(item: Command) -> list[Node]:
    name = _SAME_COMMANDS.get(item.name, item.name)
    if name == r"\label":
        return []
    if name == r"\operatornamewithlimits":
        return [Command(r"\operatorname", [_argument(item.args[0])], is_starred=True)]
    if name == r"\over":
        name = r"\frac"
    elif name == r"\choose":
        name = r"\binom"
    elif name in SIZED:
        return [Command(name, raw=[_delimiter(item.raw[0])])]
    elif name in (r"\mskip", r"\mkern"):
        return [Command(name, raw=item.raw)]
    args = [_argument(arg) for arg in item.args]
    option = Group(_respell(item.option.items)) if item.option is not None else None
    return [Command(name, args, option, item.raw, item.raw_option, item.is_starred)]


def _respell_environment(item: Environment) -> Environment:
    name = item.name
    in_dollars = name not in _ROWS and name not in _ROWS.values()
    rows = [[Group(_respell(cell.items, in_dollars and index + 1 < len(row))) for index, cell in enumerate(row)]
            for row in item.rows]
    if name in _ROWS and not any(_has_tag(cell.items) for row in rows for cell in row):
        if name.startswith("eqnarray"):
            rows = [[row[0], Group([*row[1].items, *(row[2].items if len(row) > 2 else [])])] if len(row) > 1 else row
                    for row in rows]
        name = _ROWS[name]
    return Environment(name, item.arguments, rows, item.gaps)


def _has_tag(items: list[Node]) -> bool:
    return any(isinstance(item, Command) and item.name == r"\tag" for item in items)


def _argument(group: Group) -> Group:
    """An argument; braces that hold nothing but other braces are one pair."""
    items = group.items
    if len(items) == 1 and isinstance(items[0], Symbol) and items[0].text not in _CHANGING:
        return group
    while len(items) == 1 and isinstance(items[0], Group):
        items = items[0].items
    return Group(_respell(items), group.is_bare)


def _unbraced(group: Group) -> Node:
    """TeX itself takes the braces off a single ordinary atom."""
    if len(group.items) == 1:
        only = group.items[0]
        if isinstance(only, Group) or (isinstance(only, Symbol) and _is_ordinary(only)):
            return only
        if isinstance(only, Command) and (only.name in _BARE or only.name in INFIX):
            return only
    return group


def _is_ordinary(item: Node) -> bool:
    if isinstance(item, Symbol):
        return is_letter(item.text) or item.text.isdigit() or item.text in ORDINARY
    if isinstance(item, Scripts):
        return item.base is not None and _is_ordinary(item.base)
    if isinstance(item, Command):
        return item.name in _ORD_COMMANDS
    return isinstance(item, (Group, Environment))


def _delimiter(text: str) -> str:
    return DELIMITER_LOOKS.get(text, text) if text not in (r"\mid", r"\parallel") else text


def _apply_switch(command: str, items: list[Node]) -> list[Node]:
    r"""Write `\rm …` as `\mathrm{…}`, begun at the first ordinary atom, for braces would change other spacing."""
    switch = next(name for name, target in FONT_SWITCHES.items() if target == command)
    out: list[Node] = []
    for index, item in enumerate(items):
        if isinstance(item, Symbol) and item.text in FONT_SWITCHES:
            return out + _apply_switch(FONT_SWITCHES[item.text], items[index + 1:])
        if isinstance(item, Symbol) and item.text in DOTS:
            dots, space = settle_dots(item.text, items, index)
            out += [Symbol(dots), Symbol(space)] if space else [Symbol(dots)]
        elif _is_ordinary(item):
            return [*out, Command(command, [_argument(Group(items[index:]))])]
        elif isinstance(item, Fence):
            parts = [Group(_respell([Symbol(switch), *part.items])) for part in item.parts]
            out += _respell_node(Fence(item.left, parts, item.middles, item.right))
        elif isinstance(item, Scripts):
            sub, sup = (Group(_respell([Symbol(switch), *x.items])) if x else None for x in (item.sub, item.sup))
            base = _apply_switch(command, [item.base]) if item.base is not None else []
            out += [*base[:-1], Scripts(base[-1] if base else None, sub, sup, item.limits)]
        elif isinstance(item, Command) and item.name not in _OWN_FONT:
            args = [Group(_switch_rows(switch, arg.items)) for arg in item.args]
            out += _respell_node(Command(item.name, args, item.option, item.raw, item.raw_option, item.is_starred))
        else:
            out += _respell([item])
    return out


def _switch_rows(switch: str, items: list[Node]) -> list[Node]:
    r"""The switch at the head of each row of `\substack`, or of the one row of any other argument."""
    out: list[Node] = []
    row: list[Node] = []
    for item in [*items, None]:
        if item is None or (isinstance(item, Symbol) and item.text == r"\\"):
            out += _respell([Symbol(switch), *row])
            out += [] if item is None else [item]
            row = []
        else:
            row.append(item)
    return out
