"""Folding of neighbours: runs of one alphabet, spaces, and delimiters with what they enclose."""

from __future__ import annotations

import re

from docproc.latex.commands import ACCENTS, BIG_OPERATORS
from docproc.latex.look_tables import CLOSERS, DELIMITER_LOOKS, OPENERS, SIZED, TEXT_FONT_COMMANDS, is_letter
from docproc.latex.tree import Command, Environment, Fence, Group, Node, Scripts, Symbol

# Alphabets whose runs are words.
WORD_FONTS = ("rm", "op", "op*")
_QUAD = r"\quad"
_COMMAND_END = re.compile(r"\\[A-Za-z]+$")
_LINE_HIGH = frozenset(f"\\{name}" for name in ACCENTS.split()) | {r"\sqrt", r"\overline", r"\underline", r"\cancel"}


def fold_fence(left: str, parts: list[list[Node]], middles: list[str], right: str) -> list[Node]:
    """Keep growing delimiters around content taller than a line, else write them plain; parts are folded."""
    left, right = DELIMITER_LOOKS.get(left, left), DELIMITER_LOOKS.get(right, right)
    middles = [DELIMITER_LOOKS.get(middle, middle) for middle in middles]
    if any(is_tall(part) for part in parts) and (left != "." or right != "." or middles):
        only = parts[0][0] if len(parts) == 1 and len(parts[0]) == 1 else None
        if (left, right) == (r"\{", ".") and isinstance(only, Environment) and only.name == "array" \
                and not set(only.arguments[-1]) - set("{l}") and len(only.arguments[-1]) < 5:
            return [Environment("cases", [], only.rows, only.gaps)]
        return [Fence(left, [Group(part) for part in parts], middles, right)]
    out: list[Node] = [] if left == "." else [Symbol(left)]
    for index, part in enumerate(parts):
        out += part
        if index < len(middles) and middles[index] != ".":
            out.append(Symbol(middles[index]))
    return out if right == "." else [*out, Symbol(right)]


def is_tall(items: list[Node], depth: int = 0) -> bool:
    """Whether the content is taller than a line of letters with single scripts."""
    for item in items:
        if isinstance(item, Symbol):
            if item.text in BIG_OPERATORS and item.text != r"\smallint":
                return True
        elif isinstance(item, (Environment, Fence)):
            return True
        elif isinstance(item, Group):
            if is_tall(item.items, depth):
                return True
        elif isinstance(item, Scripts):
            if item.base is not None and is_tall([item.base], depth):
                return True
            if isinstance(item.base, Symbol) and item.base.font == "op*":
                return True
            for script in (item.sub, item.sup):
                if script and (depth or any(isinstance(x, Scripts) and not _is_prime(x) for x in script.items)
                               or is_tall(script.items, depth + 1)):
                    return True
        elif isinstance(item, Command):
            if item.name in _LINE_HIGH:
                if is_tall(item.args[0].items, depth):
                    return True
            elif item.args or item.name in (r"\ce",):
                return item.name != r"\ce"
    return False


def _is_prime(item: Scripts) -> bool:
    return item.sub is None and item.sup is not None and all(
        isinstance(x, Symbol) and x.text == r"\prime" for x in item.sup.items)


def pair_sized(items: list[Node], in_script: bool) -> list[Node]:
    r"""Turn `\bigl( … \bigr)` into a fence where its content is tall, else into plain delimiters."""
    if not any(_sized(item) for item in items):
        return items
    out: list[Node] = []
    stack: list[int] = []
    for item in items:
        sized = _sized(item)
        if sized is None:
            out.append(item)
            continue
        delimiter = sized.raw[0]
        side = sized.name[-1] if sized.name[-1] in "lrm" else ""
        if side == "" and delimiter in OPENERS:
            side = "l"
        elif side == "" and delimiter in CLOSERS:
            side = "r"
        opener = out[stack[-1]] if stack else None
        same = isinstance(opener, Command) and opener.raw[0] == delimiter and opener.name[-1] not in "lr"
        if stack and (side == "r" or (side == "" and same)):
            at = stack.pop()
            left = out[at]
            assert isinstance(left, Command)
            content = join_runs([_plain(x) for x in out[at + 1:]], in_script)
            fenced = fold_fence(left.raw[0], [content], [], delimiter)
            if isinstance(item, Scripts):
                base = fenced.pop()
                fenced.append(Scripts(base, item.sub, item.sup, ""))
            out[at:] = fenced
            stack = [x for x in stack if x < at]
        elif side == "l" or (side == "" and isinstance(item, Command)):
            stack.append(len(out))
            out.append(item)
        else:
            out.append(_plain(item))
    return [_plain(x) for x in out]


def _sized(item: Node) -> Command | None:
    if isinstance(item, Scripts) and item.base is not None:
        item = item.base
    return item if isinstance(item, Command) and item.name in SIZED else None


def _plain(item: Node) -> Node:
    sized = _sized(item)
    if sized is None:
        return item
    symbol = Symbol(sized.raw[0] if sized.raw[0] != "." else "")
    return Scripts(symbol, item.sub, item.sup, "") if isinstance(item, Scripts) else symbol


def join_runs(items: list[Node], in_script: bool) -> list[Node]:
    """Join neighbours of one alphabet, drop small spaces, make wide ones a quad, none at the ends."""
    out: list[Node] = []
    width = 0.0
    for item in items:
        if isinstance(item, Symbol) and item.text == " ":
            width += float(item.font)
            continue
        if isinstance(item, Symbol) and not item.text:
            continue
        if isinstance(item, Symbol) and item.text == _QUAD:
            width += 1
            continue
        head = item.base if isinstance(item, Scripts) else item
        last = out[-1] if out else None
        if width >= 0.9:
            if out:
                out.append(Symbol(_QUAD))
            last = None
        if isinstance(head, Symbol) and isinstance(last, Symbol) and head.font and _joins(last, head, in_script):
            # A thin space parts units (`kg m`), but not the d of an integral from what it precedes.
            is_apart = width > 0.2 or (width > 0.1 and (len(last.text) > 1 or len(head.text) > 1))
            gap = "~" if is_apart and head.font in WORD_FONTS and last.text != _QUAD else ""
            if not gap or head.font in WORD_FONTS:
                if _COMMAND_END.search(last.text) and is_letter(head.text[0]):
                    gap = " "
                merged = Symbol(last.text + gap + head.text, head.font)
                out[-1] = Scripts(merged, item.sub, item.sup, item.limits) if isinstance(item, Scripts) \
                    else merged
                width = 0.0
                continue
        out.append(item)
        width = 0.0
        _fold_neighbours(out)
    return out


def _fold_neighbours(out: list[Node]) -> None:
    """Three dots are an ellipsis, a struck equals sign is not equal."""
    texts = [x.text if isinstance(x, Symbol) else "" for x in out[-3:]]
    if texts in ([".", ".", "."], [r"\cdot", r"\cdot", r"\cdot"]):
        out[-3:] = [Symbol(r"\ldots" if texts[0] == "." else r"\cdots")]
    elif texts[-2:] in ([r"\not", "="], [r"\not", r"\in"]):
        out[-2:] = [Symbol(r"\neq" if texts[-1] == "=" else r"\notin")]


def _joins(left: Symbol, right: Symbol, in_script: bool) -> bool:
    if "\\" in left.text + right.text and not (left.text + right.text).replace("\\", "").replace(" ", "").isalnum() \
            and left.font in TEXT_FONT_COMMANDS:
        return False  # a capital Greek letter does not fit into text
    if in_script:
        return left.font == right.font or (left.font in WORD_FONTS and right.font in WORD_FONTS)
    return left.font == right.font and left.font not in ("op", "op*")
