r"""Fold LaTeX onto its look: what a reader cannot tell apart in the picture becomes one tree.

The rules and their reasons are listed in docs/canonical.md. `fold` turns the tree of the source into a tree of looks:
letters carry their alphabet as `Symbol.font`, runs of one alphabet are one symbol, spaces are gone or `\quad`,
delimiters are sized only around content taller than a line, and synonyms have one name.
"""

from __future__ import annotations

import re

from docproc.latex.chemistry import chemistry_as_mathematics
from docproc.latex.commands import (
    BIG_OPERATORS,
    FONT_SWITCHES,
    INVISIBLE,
    LENGTH_COMMANDS,
    NAMED_OPERATORS,
    SPACES,
    STYLES,
    TEXT_COMMANDS,
)
from docproc.latex.dots import DOTS, settle_dots
from docproc.latex.look_rows import fold_environment
from docproc.latex.look_runs import WORD_FONTS, fold_fence, join_runs, pair_sized
from docproc.latex.look_tables import (
    DELIMITER_LOOKS,
    FONTS,
    LOOKS,
    NAMED_WORDS,
    SIZED,
    TEXT_FONTS,
    UPPERCASE_GREEK,
    is_letter,
    space_width,
)
from docproc.latex.look_text import fold_text
from docproc.latex.tree import Command, Environment, Fence, Group, LatexError, Node, Scripts, Symbol, parse

_TEXT_NAMES = frozenset(f"\\{name}" for name in TEXT_COMMANDS.split())
_DROPPED = frozenset((r"\label", r"\tag", r"\phantom", r"\hphantom", r"\vphantom", r"\hspace", r"\mspace"))
_CLASS_COMMANDS = frozenset((r"\mathbin", r"\mathrel", r"\mathord", r"\mathopen", r"\mathclose", r"\mathpunct",
                             r"\mathinner", r"\smash"))
# Inside both \bm and \mathbf: upright bold letters, and bold signs too.
_BOLD_UPRIGHT = "bm+bf"
_CE_EDGE = re.compile(r"^(?:\s|\\[ ,;:!])+|(?:\s|\\[ ,;:!])+$")
_QUAD = r"\quad"


def fold(items: list[Node], font: str = "", in_script: bool = False) -> list[Node]:
    """Fold a list of items of the source.

    Args:
        items: Items of a group as parsed.
        font: Alphabet in force: `rm`, `bf`, `it`, `bm`…; empty for plain mathematics.
        in_script: Whether the list stands in a subscript or superscript, where words hold no space around them.

    Returns:
        New items; the source's are not changed.
    """
    out: list[Node] = []
    for index, item in enumerate(items):
        if isinstance(item, Symbol):
            if item.text in FONT_SWITCHES:
                switched = FONT_SWITCHES[item.text]
                font = _inner_font(font, switched) if font.startswith("bm") else FONTS[switched]
                continue
            _fold_symbol(item, items, index, font, out)
        elif isinstance(item, Group):
            out += fold(item.items, font, in_script)
        elif isinstance(item, Command):
            out += _fold_command(item, font, in_script)
        elif isinstance(item, Scripts):
            out += _fold_scripts(item, font, in_script)
        elif isinstance(item, Fence):
            parts = [fold(part.items, font, in_script) for part in item.parts]
            out += fold_fence(item.left, parts, item.middles, item.right)
        else:
            cells = [[Group(fold(cell.items, font, in_script)) for cell in row] for row in item.rows]
            out += fold_environment(item, cells)
    return join_runs(pair_sized(out, in_script), in_script)


def _fold_symbol(item: Symbol, items: list[Node], index: int, font: str, out: list[Node]) -> None:
    text = item.text
    if text in SPACES:
        out.append(Symbol(" ", font=str(SPACES[text])))
        return
    if text in STYLES or text in INVISIBLE:
        return
    if text in DOTS:
        text = settle_dots(text, items, index)[0]
    if is_letter(text) or text.isdigit() or text in UPPERCASE_GREEK:
        out.append(Symbol(text, _font_of(text, font)))
        return
    if text in NAMED_OPERATORS and text in NAMED_WORDS:
        out.append(Symbol(NAMED_WORDS[text], "bf" if font.startswith("bm") else "op"))
        return
    bold = "bm" if font.startswith("bm") else ""
    out.extend(Symbol(look, "op" if look.isalpha() and look.isascii() else bold)
               for look in LOOKS.get(text, (text,)))


def _font_of(text: str, font: str) -> str:
    """The alphabet that TeX draws this letter, digit or capital Greek letter from."""
    if not font:
        return ""
    if font == _BOLD_UPRIGHT:
        return "bf"
    if text.isdigit():
        return {"rm": "", "op": "", "op*": "", "bm": "bf"}.get(font, font)
    if text in UPPERCASE_GREEK:
        return {"bm": "bf", "bf": "bf", "it": "it", "sf": "sf", "tt": "tt"}.get(font, "")
    return font


def _inner_font(outer: str, name: str) -> str:
    inner = FONTS[name]
    if outer.startswith("bm"):
        return {"rm": _BOLD_UPRIGHT, "bf": _BOLD_UPRIGHT, "it": "bm", "": "bm"}.get(inner, f"bm:{inner}")
    if inner == "bm" and outer in ("rm", "bf"):
        return _BOLD_UPRIGHT
    if inner == "bm" and outer in ("cal", "scr", "frak", "sf", "bb", "tt"):
        return f"bm:{outer}"
    return inner


def _fold_command(item: Command, font: str, in_script: bool) -> list[Node]:
    name = item.name
    if name in FONTS and item.args:
        return fold(item.args[0].items, _inner_font(font, name), in_script)
    if name in _TEXT_NAMES and name not in (r"\rlap", r"\llap", r"\fbox", r"\framebox", r"\vbox", r"\vcenter"):
        return fold_text(item.raw[0], TEXT_FONTS.get(name, "rm"), _fold_math)
    if name in _DROPPED or name in LENGTH_COMMANDS:
        return [Symbol(" ", font=str(space_width(item)))]
    if name in (r"\operatorname", r"\operatornamewithlimits"):
        return _fold_operator(item.args[0], item.is_starred or name != r"\operatorname")
    if name == r"\mathop":
        return _fold_mathop(item, font, in_script)
    if name in _CLASS_COMMANDS:
        return fold(item.args[0].items, font, in_script)
    if name in SIZED:
        return [Command(name, raw=[DELIMITER_LOOKS.get(item.raw[0], item.raw[0])])]
    if name in (r"\atop", r"\brack", r"\brace"):
        return _fold_atop(item, font, in_script)
    if name == r"\substack":
        return _fold_substack(item.args[0].items, font)
    if name == r"\pmod":
        return [Symbol("("), Symbol("mod", font="op"), *fold(item.args[0].items, font, in_script), Symbol(")")]
    if name == r"\pod":
        return [Symbol("("), *fold(item.args[0].items, font, in_script), Symbol(")")]
    if name in (r"\bra", r"\ket", r"\braket", r"\Bra", r"\Ket", r"\Braket"):
        inner = fold(item.args[0].items, font, in_script)
        left, right = {"b": ("\\langle", "|"), "k": ("|", "\\rangle")}.get(name[1].lower(), ("", ""))
        if name.lower() == r"\braket":
            right = "\\rangle"
        return [Symbol(left), *inner, Symbol(right)]
    if name == r"\fbox" or name == r"\framebox":
        return [Command(r"\boxed", [Group(fold_text(item.raw[0], "rm", _fold_math))])]
    if name == r"\genfrac" and item.raw[:3] == ["(", ")", "0pt"]:
        name = r"\binom"
    if name in (r"\ce", r"\cee"):
        return _fold_chemistry(item, in_script)
    if name in (r"\overset", r"\stackrel", r"\underset"):
        return _fold_stack(item, font, in_script)
    name = {r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\over": r"\frac", r"\choose": r"\binom",
            r"\dbinom": r"\binom", r"\tbinom": r"\binom", r"\underbar": r"\underline"}.get(name, name)
    args = [Group(fold(arg.items, font, in_script)) for arg in item.args]
    option = Group(fold(item.option.items, font, True)) if item.option and item.option.items else None
    raw = item.raw if name != r"\binom" else []
    return [Command(name, args, option, raw, item.raw_option, item.is_starred)]


def _fold_chemistry(item: Command, in_script: bool) -> list[Node]:
    r"""What mhchem prints; where that has no name in plain LaTeX, `\ce` with its argument trimmed."""
    latex = chemistry_as_mathematics(item.raw[0])
    if latex is not None:
        try:
            return fold(parse(latex).items, "", in_script)
        except LatexError:
            pass
    return [Command(r"\ce", raw=[_CE_EDGE.sub("", item.raw[0])])]


def _fold_operator(argument: Group, is_starred: bool) -> list[Node]:
    """Letters of an operator's name are one upright word; its spaces part words, its hyphen is a hyphen."""
    font = "op*" if is_starred else "op"
    word = ""
    for item in argument.items:
        if isinstance(item, Symbol) and (is_letter(item.text) or item.text == "-"):
            word += item.text
        elif isinstance(item, Symbol) and item.text in SPACES:
            word += "~" if SPACES[item.text] > 0 and word and word[-1] != "~" else ""
        else:
            word = ""
            break
    word = word.strip("~")
    if word:
        return [Symbol(word, font=font if len(word) > 1 else "rm")]
    folded = fold(argument.items, "rm")
    if len(folded) == 1 and isinstance(folded[0], Symbol) and folded[0].font in WORD_FONTS and len(folded[0].text) > 1:
        return [Symbol(folded[0].text, font)]
    return folded


def _fold_mathop(item: Command, font: str, in_script: bool) -> list[Node]:
    inner = fold(item.args[0].items, font, in_script)
    if len(inner) == 1 and isinstance(inner[0], Symbol):
        if inner[0].font in WORD_FONTS:
            return [Symbol(inner[0].text, "op*" if len(inner[0].text) > 1 else "rm")]
        if inner[0].text in BIG_OPERATORS:
            return inner
    return [Command(r"\mathop", [Group(inner)])]


def _fold_scripts(item: Scripts, font: str, in_script: bool) -> list[Node]:
    base = fold([item.base], font, in_script) if item.base is not None else []
    sub = _fold_script(item.sub, font)
    sup = _fold_script(item.sup, font)
    last = base.pop() if base else None
    if isinstance(last, Symbol) and last.text == " ":
        base.append(last)
        last = None
    if isinstance(last, Symbol) and last.font == "op*" and item.limits == r"\nolimits":
        last = Symbol(last.text, "op")
    if isinstance(last, Command) and last.name == r"\mathop":
        if item.limits == r"\nolimits":
            base += last.args[0].items
            last = base.pop() if base else None
        elif item.limits == r"\limits" and (sub or sup):
            node: Node = last.args[0]
            node = Command(r"\overset", [sup, Group([node])]) if sup else node
            node = Command(r"\underset", [sub, Group([node])]) if sub else node
            return [*base, node]
    if sub is None and sup is None:
        return [*base, last] if last is not None else base
    if isinstance(last, Scripts):
        last = Group([last])
    elif isinstance(last, Symbol) and last.font in (*WORD_FONTS, "bf", "it", "sf", "tt") and item.base is not None:
        # The run is one symbol: its scripts hang on its last letter in every spelling.
        pass
    limits = item.limits if isinstance(last, Symbol) and "int" in last.text and item.limits == r"\limits" else ""
    return [*base, Scripts(last, sub, sup, limits)]


def _fold_script(script: Group | None, font: str) -> Group | None:
    if script is None:
        return None
    items = fold(script.items, font, in_script=True)
    if len(items) == 1 and isinstance(items[0], Scripts) and items[0].base is None and items[0].sub is None:
        items = items[0].sup.items if items[0].sup else []  # ^{'} is meant as '
    return Group(items) if items else None


def _fold_stack(item: Command, font: str, in_script: bool) -> list[Node]:
    r"""`\underset{n}{\lim}` is `\lim_{n}`; other stacks are over- or underset."""
    over = fold(item.args[0].items, font, True)
    base = fold(item.args[1].items, font, in_script)
    if not over:
        return base
    is_under = item.name == r"\underset"
    if len(base) == 1:
        node = base[0]
        inner = node.base if isinstance(node, Scripts) else node
        is_word = isinstance(inner, Symbol) and inner.font in WORD_FONTS and len(inner.text) > 1
        is_big = isinstance(inner, Symbol) and inner.text in BIG_OPERATORS and "int" not in inner.text
        sub, sup = (node.sub, node.sup) if isinstance(node, Scripts) else (None, None)
        if is_under and (is_word or is_big) and sub is None and isinstance(inner, Symbol):
            return [Scripts(Symbol(inner.text, "op*" if is_word else inner.font), Group(over), sup)]
        if not is_under and is_big and sup is None:
            return [Scripts(inner, sub, Group(over))]
    return [Command(r"\underset" if is_under else r"\overset", [Group(over), Group(base)])]


def _fold_atop(item: Command, font: str, in_script: bool) -> list[Node]:
    above, below = (fold(arg.items, font, in_script) for arg in item.args)
    if item.name == r"\atop" and not (above and below):
        return above or below
    if item.name == r"\atop" and in_script:
        return [Command(r"\substack", [Group([*above, Symbol(r"\\"), *below])])]
    stack = Environment("matrix", [], [[Group(above)], [Group(below)]], [""])
    if item.name == r"\atop":
        return [stack]
    left, right = ("[", "]") if item.name == r"\brack" else (r"\{", r"\}")
    return [Fence(left, [Group([stack])], [], right)]


def _fold_substack(items: list[Node], font: str) -> list[Node]:
    rows: list[list[Node]] = [[]]
    for node in items:
        if isinstance(node, Symbol) and node.text in (r"\\", r"\cr"):
            rows.append([])
        else:
            rows[-1].append(node)
    folded = [row for row in (fold(row, font, True) for row in rows) if row]
    if len(folded) < 2:
        return folded[0] if folded else []
    out = folded[0]
    for row in folded[1:]:
        out = [*out, Symbol(r"\\"), *row]
    return [Command(r"\substack", [Group(out)])]


def _fold_math(latex: str) -> list[Node]:
    """Mathematics in text; what does not parse stays as it is."""
    try:
        return fold(parse(latex).items)
    except LatexError:
        return [Symbol(latex)]
