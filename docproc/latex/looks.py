r"""Fold LaTeX onto its look: what a reader cannot tell apart in the picture becomes one tree.

The rules and their reasons are listed in docs/canonical.md. `fold` turns the tree of the source into a tree of looks:
letters carry their alphabet as `Symbol.font`, runs of one alphabet are one symbol, spaces are gone or `\quad`,
delimiters are sized only around content taller than a line, and synonyms have one name.
"""

from __future__ import annotations

import re

from docproc.latex.commands import (
    ACCENTS,
    BIG_OPERATORS,
    FONT_SWITCHES,
    INVISIBLE,
    LENGTH_COMMANDS,
    NAMED_OPERATORS,
    SPACES,
    STYLES,
    TEXT_COMMANDS,
)
from docproc.latex.dots import settle_dots
from docproc.latex.look_tables import (
    CLOSERS,
    DELIMITER_LOOKS,
    ENVIRONMENT_LOOKS,
    FONTS,
    LOOKS,
    MATRIX_FENCES,
    NAMED_WORDS,
    OPENERS,
    SIZED,
    TEXT_FONTS,
    UPPERCASE_GREEK,
    is_letter,
    space_width,
)
from docproc.latex.tree import Command, Environment, Fence, Group, Node, Scripts, Symbol, parse

# Alphabets whose runs are words.
_WORD_FONTS = ("rm", "op", "op*")
_TEXT_PIECE = re.compile(r"\$((?:[^$\\]|\\.)*)\$|\\([a-zA-Z]+)\s*\{|\\[a-zA-Z]+|\\[`'^\"~=.](?:\{[^{}]*\}|[a-zA-Z])|\\.|[{}]|\s+|~|.",
                         re.DOTALL)
_TEXT_EDGE = frozenset(".,;:()[]=+/<>!?0123456789|*")
_ACCENT_NAMES = frozenset(f"\\{name}" for name in ACCENTS.split())
_TEXT_NAMES = frozenset(f"\\{name}" for name in TEXT_COMMANDS.split())
_DROPPED = frozenset((r"\label", r"\tag", r"\phantom", r"\hphantom", r"\vphantom", r"\hspace", r"\mspace"))
_CLASS_COMMANDS = frozenset((r"\mathbin", r"\mathrel", r"\mathord", r"\mathopen", r"\mathclose", r"\mathpunct",
                             r"\mathinner", r"\smash"))
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
                font = FONTS[FONT_SWITCHES[item.text]]
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
            out += _fold_fence(item.left, parts, item.middles, item.right)
        else:
            out += _fold_environment(item, font, in_script)
    return _join_runs(_pair_sized(out, in_script), in_script)


def _fold_symbol(item: Symbol, items: list[Node], index: int, font: str, out: list[Node]) -> None:
    text = item.text
    if text in SPACES:
        out.append(Symbol(" ", font=str(SPACES[text])))
        return
    if text in STYLES or text in INVISIBLE:
        return
    if text.startswith(r"\dots") or text == r"\mathellipsis":
        text = settle_dots(text, items, index)[0]
    if is_letter(text) or text.isdigit() or text in UPPERCASE_GREEK:
        out.append(Symbol(text, item.start, _font_of(text, font)))
        return
    if text in NAMED_OPERATORS and text in NAMED_WORDS:
        out.append(Symbol(NAMED_WORDS[text], item.start, "bf" if font == "bm" else "op"))
        return
    bold = "bm" if font.startswith("bm") else ""
    out.extend(Symbol(look, item.start, "op" if look.isalpha() and look.isascii() else bold)
               for look in LOOKS.get(text, (text,)))


def _font_of(text: str, font: str) -> str:
    """The alphabet that TeX draws this letter, digit or capital Greek letter from."""
    if not font:
        return ""
    if text.isdigit():
        return {"rm": "", "op": "", "op*": "", "bm": "bf"}.get(font, font)
    if text in UPPERCASE_GREEK:
        return {"bm": "bf", "bf": "bf", "it": "it", "sf": "sf", "tt": "tt"}.get(font, "")
    return font


def _inner_font(outer: str, name: str) -> str:
    inner = FONTS[name]
    if outer == "bm" or outer.startswith("bm:"):
        return {"rm": "bf", "bf": "bf", "it": "bm", "": "bm"}.get(inner, f"bm:{inner}")
    if inner == "bm" and outer in ("rm", "bf"):
        return "bf"
    if inner == "bm" and outer in ("cal", "scr", "frak", "sf", "bb", "tt"):
        return f"bm:{outer}"
    return inner


def _fold_command(item: Command, font: str, in_script: bool) -> list[Node]:
    name = item.name
    if name in FONTS and item.args:
        return fold(item.args[0].items, _inner_font(font, name), in_script)
    if name in _TEXT_NAMES and name not in (r"\rlap", r"\llap", r"\fbox", r"\framebox", r"\vbox", r"\vcenter"):
        return _fold_text(item.raw[0], TEXT_FONTS.get(name, "bf" if font == "bf" and name == r"\text" else "rm"))
    if name in _DROPPED or name in LENGTH_COMMANDS:
        return [Symbol(" ", font=str(space_width(item)))]
    if name in (r"\operatorname", r"\operatornamewithlimits"):
        return _fold_operator(item.args[0], item.is_starred or name != r"\operatorname")
    if name == r"\mathop":
        return _fold_mathop(item, font, in_script)
    if name in _CLASS_COMMANDS:
        return fold(item.args[0].items, font, in_script)
    if name in SIZED:
        return [Command(name, raw=[DELIMITER_LOOKS.get(item.raw[0], item.raw[0])], start=item.start)]
    if name in (r"\atop", r"\brack", r"\brace"):
        return _fold_atop(item, font, in_script)
    if name == r"\substack":
        return _fold_substack(item.args[0].items, font, item.start)
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
        return [Command(r"\boxed", [Group(_fold_text(item.raw[0], "rm"))], start=item.start)]
    if name == r"\genfrac" and item.raw[:3] == ["(", ")", "0pt"]:
        name = r"\binom"
    if name in (r"\ce", r"\cee"):
        return [Command(r"\ce", raw=[_CE_EDGE.sub("", item.raw[0])], start=item.start)]
    if name in (r"\overset", r"\stackrel", r"\underset"):
        return _fold_stack(item, font, in_script)
    name = {r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\over": r"\frac", r"\choose": r"\binom",
            r"\dbinom": r"\binom", r"\tbinom": r"\binom", r"\underbar": r"\underline"}.get(name, name)
    args = [Group(fold(arg.items, font, in_script)) for arg in item.args]
    option = Group(fold(item.option.items, font, True)) if item.option and item.option.items else None
    raw = item.raw if name != r"\binom" else []
    return [Command(name, args, option, raw, item.raw_option, item.is_starred, item.start)]


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
        return [Symbol(word, font=font)]
    folded = fold(argument.items, "rm")
    if len(folded) == 1 and isinstance(folded[0], Symbol) and folded[0].font in _WORD_FONTS:
        folded[0].font = font
    return folded


def _fold_mathop(item: Command, font: str, in_script: bool) -> list[Node]:
    inner = fold(item.args[0].items, font, in_script)
    if len(inner) == 1 and isinstance(inner[0], Symbol):
        if inner[0].font in _WORD_FONTS:
            return [Symbol(inner[0].text, item.start, "op*")]
        if inner[0].text in BIG_OPERATORS:
            return inner
    return [Command(r"\mathop", [Group(inner)], start=item.start)]


def _fold_scripts(item: Scripts, font: str, in_script: bool) -> list[Node]:
    base = fold([item.base], font, in_script) if item.base is not None else []
    sub = _fold_script(item.sub, font)
    sup = _fold_script(item.sup, font)
    last = base.pop() if base else None
    if isinstance(last, Symbol) and last.text == " ":
        base.append(last)
        last = None
    if isinstance(last, Symbol) and last.font == "op*" and item.limits == r"\nolimits":
        last = Symbol(last.text, last.start, "op")
    if isinstance(last, Command) and last.name == r"\mathop":
        if item.limits == r"\nolimits":
            base += last.args[0].items
            last = base.pop() if base else None
        elif item.limits == r"\limits":
            node: Node = last.args[0]
            node = Command(r"\overset", [sup, Group([node])]) if sup else node
            node = Command(r"\underset", [sub, Group([node])]) if sub else node
            return [*base, node]
    if sub is None and sup is None:
        return [*base, last] if last is not None else base
    if isinstance(last, Scripts):
        last = Group([last])
    elif isinstance(last, Symbol) and last.font in (*_WORD_FONTS, "bf", "it", "sf", "tt") and item.base is not None:
        # The run is one symbol: its scripts hang on its last letter in every spelling.
        pass
    limits = item.limits if isinstance(last, Symbol) and "int" in last.text and item.limits == r"\limits" else ""
    return [*base, Scripts(last, sub, sup, limits, item.start)]


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
        is_word = isinstance(inner, Symbol) and inner.font in _WORD_FONTS and len(inner.text) > 1
        is_big = isinstance(inner, Symbol) and inner.text in BIG_OPERATORS and "int" not in inner.text
        sub, sup = (node.sub, node.sup) if isinstance(node, Scripts) else (None, None)
        if is_under and (is_word or is_big) and sub is None and isinstance(inner, Symbol):
            return [Scripts(Symbol(inner.text, inner.start, "op*" if is_word else inner.font), Group(over), sup)]
        if not is_under and is_big and sup is None:
            return [Scripts(inner, sub, Group(over))]
    return [Command(r"\underset" if is_under else r"\overset", [Group(over), Group(base)], start=item.start)]


def _fold_atop(item: Command, font: str, in_script: bool) -> list[Node]:
    above, below = (fold(arg.items, font, in_script) for arg in item.args)
    if item.name == r"\atop" and not (above and below):
        return above or below
    if item.name == r"\atop" and in_script:
        return [Command(r"\substack", [Group([*above, Symbol(r"\\"), *below])], start=item.start)]
    stack = Environment("matrix", [], [[Group(above)], [Group(below)]], [""], item.start)
    if item.name == r"\atop":
        return [stack]
    left, right = ("[", "]") if item.name == r"\brack" else (r"\{", r"\}")
    return [Fence(left, [Group([stack])], [], right, item.start)]


def _fold_substack(items: list[Node], font: str, start: int) -> list[Node]:
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
    return [Command(r"\substack", [Group(out)], start=start)]


def _fold_text(raw: str, font: str) -> list[Node]:
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
                out.extend(Symbol(" ", font="0.33") if c == "~" else Symbol(c, font=_font_of(c, fonts[-1]) if c.isdigit() else "")
                           for c in part)
        run.clear()

    for match in _TEXT_PIECE.finditer(raw):
        piece, math, command = match.group(), match.group(1), match.group(2)
        if math is not None:
            flush()
            try:
                out += fold(parse(math).items)
            except ValueError:
                out.append(Symbol(math))
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


def _fold_fence(left: str, parts: list[list[Node]], middles: list[str], right: str) -> list[Node]:
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
            if item.name in _ACCENT_NAMES or item.name in (r"\sqrt", r"\overline", r"\underline", r"\cancel"):
                if is_tall(item.args[0].items, depth):
                    return True
            elif item.args or item.name in (r"\ce",):
                return item.name != r"\ce"
    return False


def _is_prime(item: Scripts) -> bool:
    return item.sub is None and item.sup is not None and all(
        isinstance(x, Symbol) and x.text == r"\prime" for x in item.sup.items)


def _fold_environment(item: Environment, font: str, in_script: bool) -> list[Node]:
    name = ENVIRONMENT_LOOKS.get(item.name, item.name)
    rows = [[Group(fold(cell.items, font, in_script)) for cell in row] for row in item.rows]
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
        return [Command(r"\substack", [Group(flat)], start=item.start)]
    if len(rows) == 1 and (width == 1 or name in ("aligned", "gathered", "multlined")) and name != "cases" \
            and name != "rcases" and name != "array" and item.name not in MATRIX_FENCES:
        flat = []
        for index, cell in enumerate(rows[0]):
            flat += ([Symbol(" ", font="2")] if index and index % 2 == 0 else []) + cell.items
        return flat
    folded = Environment(name, arguments, rows, [""] * (len(rows) - 1), item.start)
    if item.name in MATRIX_FENCES:
        left, right = MATRIX_FENCES[item.name]
        return [Fence(left, [Group([folded])], [], right, item.start)]
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


def _pair_sized(items: list[Node], in_script: bool) -> list[Node]:
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
            content = _join_runs([_plain(x) for x in out[at + 1:]], in_script)
            fenced = _fold_fence(left.raw[0], [content], [], delimiter)
            if isinstance(item, Scripts):
                base = fenced.pop()
                fenced.append(Scripts(base, item.sub, item.sup, "", item.start))
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
    symbol = Symbol(sized.raw[0] if sized.raw[0] != "." else "", sized.start)
    return Scripts(symbol, item.sub, item.sup, "", item.start) if isinstance(item, Scripts) else symbol


def _join_runs(items: list[Node], in_script: bool) -> list[Node]:
    """Join neighbours of one alphabet, drop small spaces, make wide ones `\\quad`, none at the ends."""
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
            gap = "~" if width > 0.2 and head.font in _WORD_FONTS and last.text != _QUAD else ""
            if not gap or head.font in _WORD_FONTS:
                if last.text.startswith("\\") and is_letter(head.text[0]):
                    gap = " "
                merged = Symbol(last.text + gap + head.text, last.start, head.font)
                out[-1] = Scripts(merged, item.sub, item.sup, item.limits, item.start) if isinstance(item, Scripts) \
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
    if left.text.startswith("\\") and left.text not in UPPERCASE_GREEK and left.font != right.font:
        return False
    if in_script:
        return left.font == right.font or (left.font in _WORD_FONTS and right.font in _WORD_FONTS)
    return left.font == right.font and left.font not in ("op", "op*")
