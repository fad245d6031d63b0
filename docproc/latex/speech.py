r"""A formula in English words, as ClearSpeak says it: `\frac{a}{b}` is "a over b".

Source: the rules of ClearSpeak (ETS, 2016), without its preferences; what has no rule is said by its name.
"""

from __future__ import annotations

from docproc.latex.looks import fold
from docproc.latex.speech_words import ACCENTS, ALPHABETS, BIG, FUNCTIONS, LETTERS, NUMBER_SETS, SIGNS
from docproc.latex.tree import Command, Environment, Fence, Group, LatexError, Node, Scripts, Symbol, parse

_MAX_CHARACTERS = 4_000
"""A longer formula is said by its length: nobody listens for ten minutes."""
_POWERS = {"2": "squared", "3": "cubed"}
_OPENING = {"(": "open paren", "[": "open bracket", r"\{": "open brace", r"\langle": "open angle bracket",
            r"\lfloor": "open floor", r"\lceil": "open ceiling", "|": "vertical bar", r"\|": "double vertical bar"}
_CLOSING = {")": "close paren", "]": "close bracket", r"\}": "close brace", r"\rangle": "close angle bracket",
            r"\rfloor": "close floor", r"\rceil": "close ceiling", "|": "vertical bar", r"\|": "double vertical bar"}
_PAIRS = {("|", "|"): "the absolute value of", (r"\|", r"\|"): "the norm of", (r"\lfloor", r"\rfloor"): "the floor of",
          (r"\lceil", r"\rceil"): "the ceiling of"}
_ORDINALS = {"1": "first", "2": "second", "3": "third", "n": "n-th", "k": "k-th", "m": "m-th", "i": "i-th", "j": "j-th"}
_PARTS = {("1", "2"): "one half", ("1", "3"): "one third", ("2", "3"): "two thirds", ("1", "4"): "one fourth",
          ("3", "4"): "three fourths"}


def speak(latex: str) -> str:
    """Say a formula.

    Args:
        latex: A formula.

    Returns:
        English words without commands or markup; empty if it does not parse.
    """
    if len(latex) > _MAX_CHARACTERS:
        return f"a formula of {len(latex)} characters"
    try:
        items = fold(parse(latex).items)
    except LatexError:
        return ""
    return " ".join(_say(items).split()).replace(" ,", ",").replace(" .", ".")


def _say(items: list[Node]) -> str:
    said: list[str] = []
    at = 0
    bars = [i for i, item in enumerate(items) if isinstance(item, Symbol) and item.text == "|"]
    if len(bars) == 2 and bars[1] > bars[0] + 1:
        inside = _say(items[bars[0] + 1 : bars[1]])
        before, after = _say(items[: bars[0]]), _say(items[bars[1] + 1 :])
        return f"{before} the absolute value of {inside}{' end' * (len(inside.split()) > 1)} {after}"
    while at < len(items):
        item = items[at]
        if isinstance(item, Symbol) and not item.font and _is_digit(item):
            end = at
            while end < len(items) and _goes_on(items, end):
                end += 1
            said.append("".join(x.text for x in items[at:end] if isinstance(x, Symbol)))
            at = end
            continue
        if isinstance(item, Symbol) and item.text == "-" and not item.font and (not at or _is_open(items[at - 1])):
            said.append("negative")
        else:
            said.append(_say_one(item))
        if _is_applied(items, at):
            said.append("of")
            if _is_short_argument(items[at + 1 : at + 4]):
                said.append(_say_one(items[at + 2]))
                at += 3
        at += 1
    return " ".join(said)


def _is_digit(item: Node) -> bool:
    return isinstance(item, Symbol) and item.text.isdigit() and not item.font


def _goes_on(items: list[Node], at: int) -> bool:
    """Whether a number goes on: a digit, or a point with a digit behind it."""
    item = items[at]
    is_point = isinstance(item, Symbol) and item.text == "." and at + 1 < len(items) and _is_digit(items[at + 1])
    return _is_digit(item) or is_point


def _is_open(item: Node) -> bool:
    return isinstance(item, Symbol) and (item.text in _OPENING or item.text in ("=", ",", r"\leq", r"\geq", "<", ">"))


def _is_applied(items: list[Node], at: int) -> bool:
    r"""Whether a function stands before its argument: `f(`, `\sin x`, a big operator with limits."""
    if at + 1 >= len(items):
        return False
    item, after = items[at], items[at + 1]
    base = item.base if isinstance(item, Scripts) else item
    if not isinstance(base, Symbol):
        return False
    if base.text in BIG and isinstance(item, Scripts):
        return True
    if base.font[:2] == "op":
        return not (isinstance(after, Symbol) and after.text in _CLOSING and after.text not in _OPENING)
    is_bracket = (isinstance(after, Symbol) and after.text == "(") or (isinstance(after, Fence) and after.left == "(")
    return base.text in ("f", "g", "h", "F", "G", "H", r"\phi", r"\psi", r"\Gamma", r"\zeta") and is_bracket


def _is_short_argument(items: list[Node]) -> bool:
    """Brackets around one thing: the words need none."""
    texts = [item.text if isinstance(item, Symbol) else "" for item in items]
    return len(items) == 3 and (texts[0], texts[2]) == ("(", ")")


def _say_one(item: Node) -> str:
    if isinstance(item, Symbol):
        return _say_symbol(item)
    if isinstance(item, Group):
        return _say(item.items)
    if isinstance(item, Scripts):
        return _say_scripts(item)
    if isinstance(item, Fence):
        return _say_fence(item)
    if isinstance(item, Environment):
        return _say_environment(item)
    return _say_command(item)


def _say_symbol(item: Symbol) -> str:
    text, font = item.text, item.font.removeprefix("bm:")
    if font in ("op", "op*"):
        return FUNCTIONS.get(text, text.replace("~", " "))
    if font == "bb" and text in NUMBER_SETS:
        return NUMBER_SETS[text]
    if font in ("rm", "it", "sf", "tt", "sc") and (len(text) > 1 or font != "it"):
        return text.replace("~", " ").replace("\\", "")
    said = _letters(text)
    return f"{ALPHABETS[font]} {said}" if font in ALPHABETS else said


def _letters(text: str) -> str:
    if text in SIGNS:
        return SIGNS[text]
    if text in LETTERS:
        return LETTERS[text]
    if text.startswith("\\"):
        return " ".join(_letters(f"\\{word}") for word in text.split("\\") if word) if text.count("\\") > 1 else (
            text[1:] if text[1:].isalpha() else "")
    if len(text) > 1:
        return " ".join(_letters(char) for char in text if char != "~")
    return f"cap {text}" if text.isupper() else text


def _say_scripts(item: Scripts) -> str:
    base = "" if item.base is None else _say_one(item.base)
    sub = "" if item.sub is None else _say(item.sub.items)
    sup = "" if item.sup is None else _say(item.sup.items)
    symbol = item.base.text if isinstance(item.base, Symbol) else ""
    if symbol in BIG:
        return base + (f" from {sub}" if sub and sup else f" over {sub}" if sub else "") + (f" to {sup}" if sup else "")
    if isinstance(item.base, Symbol) and item.base.font[:2] == "op" and symbol in ("lim", "max", "min", "sup", "inf"):
        return f"{base} as {sub.replace(' to ', ' approaches ')}" if symbol == "lim" and sub else f"{base} over {sub}"
    said = f"{base} sub {sub}" if sub and len(sub.split()) == 1 else f"{base} sub {sub} end sub" if sub else base
    if not sup:
        return said
    text = item.sup.items[0].text if item.sup and len(item.sup.items) == 1 and isinstance(
        item.sup.items[0], Symbol) else ""
    if item.sup and all(isinstance(x, Symbol) and x.text == r"\prime" for x in item.sup.items):
        return f"{said} {' '.join(['prime'] * len(item.sup.items))}"
    if text in _POWERS:
        return f"{said} {_POWERS[text]}"
    if text in ("*", r"\dagger", r"\top", r"\circ", "T", r"\perp", r"\bot", "+", "-"):
        named = {r"\circ": "degrees", "T": "transpose", r"\top": "transpose", "*": "star", "+": "plus", "-": "minus"}
        return f"{said} {named.get(text, sup)}"
    if sup in _ORDINALS or sup.isdigit():
        return f"{said} to the {_ORDINALS.get(sup, sup + '-th')} power"
    if len(sup.split()) <= 2:
        return f"{said} to the power {sup}"
    return f"{said} raised to the power {sup} end power"


def _say_fence(item: Fence) -> str:
    inner = " vertical bar ".join(_say(part.items) for part in item.parts)
    if len(item.parts) == 1 and len(item.parts[0].items) == 1 and isinstance(item.parts[0].items[0], Environment):
        kind = item.parts[0].items[0].name
        if kind.endswith("matrix"):
            name = "determinant of the " if item.left == "|" else ""
            return inner.replace("the ", f"the {name}", 1)
    if (item.left, item.right) in _PAIRS:
        return f"{_PAIRS[item.left, item.right]} {inner} end"
    left, right = _OPENING.get(item.left, ""), _CLOSING.get(item.right, "")
    if item.right == "." and item.left == "|":
        left = ""
    if item.left == "." and item.right == "|":
        right = "evaluated"
    return f"{left} {inner} {right}"


def _say_environment(item: Environment) -> str:
    rows = [", ".join(_say(cell.items) for cell in row) for row in item.rows]
    if item.name.endswith("matrix"):
        size = f"the {len(rows)} by {max(map(len, item.rows))} matrix"
        return f"{size}. " + " ".join(f"Row {n}: {row}." for n, row in enumerate(rows, start=1)) + " End matrix."
    word = "case" if "cases" in item.name else "line"
    if item.name not in ("array",):  # cells of aligned rows are parts of one expression
        joint = ", " if word == "case" else " "
        rows = [joint.join(_say(cell.items) for cell in row) for row in item.rows]
    count = f"{len(rows)} {word}{'s' * (len(rows) != 1)}"
    return f"{count}. " + " ".join(f"{word.capitalize()} {n}: {row}." for n, row in enumerate(rows, start=1))


def _say_command(item: Command) -> str:
    name, args = item.name, [_say(arg.items) for arg in item.args]
    option = _say(item.option.items) if item.option is not None else ""
    if name == r"\frac":
        return _say_fraction(args[0], args[1])
    if name == r"\binom":
        return f"{args[0]} choose {args[1]}"
    if name == r"\sqrt":
        root = {"": "square", "3": "cube"}.get(option, _ORDINALS.get(option, f"{option}-th"))
        return f"the {root} root of {args[0]}" + (" end root" if len(args[0].split()) > 1 else "")
    if name in ACCENTS:
        return f"vector {args[0]}" if name == r"\vec" else f"{args[0]} {ACCENTS[name]}"
    if name in (r"\overset", r"\stackrel", r"\underset") and len(args) == 2:
        where = "below" if name == r"\underset" else "above"
        return f"{args[1]} with {args[0]} {where}"
    if name.startswith(r"\x"):
        return f"{'left' if 'left' in name else 'right'} arrow with {args[0]} above"
    if name in (r"\overline", r"\underline"):
        return f"line {name[1:-4]} {args[0]}" + (" end line" if len(args[0].split()) > 1 else "")
    if name in (r"\phantom", r"\hphantom", r"\vphantom"):
        return ""
    return " ".join(args) if args else " ".join(item.raw) if name in (r"\ce", r"\text") else ""


def _say_fraction(over: str, under: str) -> str:
    if (over, under) in _PARTS:
        return _PARTS[over, under]
    if len(over.split()) <= 2 and len(under.split()) <= 2:
        return f"{over} over {under}"
    return f"the fraction with numerator {over} and denominator {under} end fraction"
