"""Whether two formulas mean the same: by their trees, else by their values at random points."""

from __future__ import annotations

import cmath
import random
from dataclasses import dataclass

from docproc.latex.canonical import match_key
from docproc.latex.commands import ORDINARY
from docproc.latex.looks import fold
from docproc.latex.tree import Command, Fence, Group, LatexError, Node, Scripts, Symbol, parse
from docproc.latex.write import Writer

EQUAL, DIFFERENT, UNKNOWN = "equal", "different", "unknown"
_FUNCTIONS = {"sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "sinh": cmath.sinh, "cosh": cmath.cosh,
              "tanh": cmath.tanh, "exp": cmath.exp, "ln": cmath.log, "log": cmath.log}
_RELATIONS = frozenset(("=", "<", ">", r"\leq", r"\geq", r"\neq", r"\approx", r"\equiv", r"\sim"))
_NOT_VARIABLES = frozenset((r"\partial", r"\infty", r"\nabla", r"\prime", r"\forall", r"\exists", r"\neg"))
_POINTS = 3
_TOLERANCE = 1e-8
_MAX_ITEMS = 200
_KEY = Writer(is_look=True, is_key=True)


class _UnknownMeaningError(Exception):
    """The formula is not plain algebra."""


def compare_meaning(one: str, other: str) -> str:
    """Compare two formulas.

    Args:
        one: A formula.
        other: A formula.

    Returns:
        `equal` for the same look, or algebra with the same values (`a+b` and `b+a`; both sides of an equation in
        either order); `different` for algebra with other values; `unknown` for all that is not plain algebra of
        numbers, variables, fractions, roots, powers and elementary functions, and for applied functions `f(x)`.
    """
    if match_key(one) == match_key(other):
        return EQUAL
    try:
        left, right = _sides(one), _sides(other)
        if [rel for _, rel in left] != [rel for _, rel in right]:
            return UNKNOWN
        draws = [random.Random(seed) for seed in range(_POINTS)]
        points = [_Point(draw) for draw in draws]
        a = [[_evaluate(items, point) for point in points] for items, _ in left]
        b = [[_evaluate(items, point) for point in points] for items, _ in right]
    except (_UnknownMeaningError, LatexError, ArithmeticError, ValueError, RecursionError):
        return UNKNOWN
    if _close(a, b) or (len(a) == 2 and left[0][1] == "=" and _close(a, b[::-1])):
        return EQUAL
    # Equations may be the same law in another form; only single expressions can be told apart for certain.
    return DIFFERENT if len(a) == 1 else UNKNOWN


def _close(a: list[list[complex]], b: list[list[complex]]) -> bool:
    return all(abs(x - y) <= _TOLERANCE * max(1.0, abs(x), abs(y))
               for one, other in zip(a, b, strict=True) for x, y in zip(one, other, strict=True))


def _sides(latex: str) -> list[tuple[list[Node], str]]:
    items = fold(parse(latex).items)
    while items and isinstance(items[-1], Symbol) and items[-1].text in (".", ",", ";"):
        items.pop()
    sides: list[tuple[list[Node], str]] = []
    current: list[Node] = []
    for item in items:
        if isinstance(item, Symbol) and item.text in _RELATIONS:
            sides.append((current, item.text))
            current = []
        else:
            current.append(item)
    sides.append((current, ""))
    if len(items) > _MAX_ITEMS or any(not side for side, _ in sides):
        raise _UnknownMeaningError
    return sides


@dataclass(slots=True)
class _Point:
    """Random values of variables, the same for the same name."""

    draw: random.Random

    def value(self, name: str) -> complex:
        """Value between 0.5 and 1.5, fixed by the name and the point's seed."""
        seed = self.draw.getstate()[1][:3]
        return complex(random.Random(f"{name}{seed}").uniform(0.5, 1.5))


def _evaluate(items: list[Node], point: _Point) -> complex:
    value, at = _sum(items, 0, point, None)
    if at != len(items):
        raise _UnknownMeaningError
    return value


def _text(item: Node | None) -> str:
    return item.text if isinstance(item, Symbol) and not item.font else ""


def _sum(items: list[Node], at: int, point: _Point, end: str | None) -> tuple[complex, int]:
    total, sign = 0j, 1
    if at < len(items) and _text(items[at]) in ("+", "-"):
        sign = -1 if _text(items[at]) == "-" else 1
        at += 1
    while True:
        value, at = _product(items, at, point, end)
        total += sign * value
        text = _text(items[at]) if at < len(items) else None
        if text not in ("+", "-"):
            return total, at
        sign = 1 if text == "+" else -1
        at += 1


def _product(items: list[Node], at: int, point: _Point, end: str | None) -> tuple[complex, int]:
    value, at = _factor(items, at, point)
    while at < len(items):
        text = _text(items[at])
        if text in ("+", "-") or (end and _is_closing(items[at], end)):
            break
        if text in (r"\cdot", r"\times", "*"):
            factor, at = _factor(items, at + 1, point)
            value *= factor
        elif text in ("/", r"\div"):
            factor, at = _factor(items, at + 1, point)
            value /= factor
        else:
            factor, at = _factor(items, at, point)
            value *= factor
    return value, at


def _is_closing(item: Node, end: str) -> bool:
    return _text(item.base if isinstance(item, Scripts) else item) == end


def _factor(items: list[Node], at: int, point: _Point) -> tuple[complex, int]:
    if at >= len(items):
        raise _UnknownMeaningError
    item = items[at]
    base, scripts = (item.base, item) if isinstance(item, Scripts) else (item, None)
    text = _text(base)
    if text.isdigit() or text == ".":
        return _number(items, at, point)
    if text in ("(", "[") and scripts is None:
        close = ")" if text == "(" else "]"
        value, at = _sum(items, at + 1, point, close)
        if at >= len(items) or not _is_closing(items[at], close):
            raise _UnknownMeaningError
        closer = items[at]
        return _raised(value, closer if isinstance(closer, Scripts) else None, point), at + 1
    if isinstance(base, Symbol) and base.font in ("op", "op*", "rm") and base.text in _FUNCTIONS:
        argument, after = _factor(items, at + 1, point)
        if scripts is not None and scripts.sub is not None:
            raise _UnknownMeaningError
        return _raised(_FUNCTIONS[base.text](argument), scripts, point), after
    if isinstance(base, Symbol):
        is_variable = len(base.text) == 1 and base.text.isalpha()
        if not is_variable and (base.text not in ORDINARY or base.text in _NOT_VARIABLES):
            raise _UnknownMeaningError
        if at + 1 < len(items) and _text(items[at + 1]) in ("(", "["):
            raise _UnknownMeaningError  # f(x) may be a function or a product
        name = f"{base.font}:{base.text}" + ("_" + "".join(_KEY.write(scripts.sub.items))
                                             if scripts is not None and scripts.sub else "")
        bare = Scripts(base, None, scripts.sup) if scripts is not None else None
        return _raised(point.value(name), bare, point), at + 1
    if scripts is not None and scripts.sub is not None:
        raise _UnknownMeaningError
    return _raised(_compound(base, point), scripts, point), at + 1


def _compound(base: Node | None, point: _Point) -> complex:
    if isinstance(base, Command) and base.name == r"\frac":
        return _evaluate(base.args[0].items, point) / _evaluate(base.args[1].items, point)
    if isinstance(base, Command) and base.name == r"\sqrt":
        degree = _evaluate(base.option.items, point) if base.option else 2
        return complex(_evaluate(base.args[0].items, point) ** (1 / degree))
    if isinstance(base, Fence) and len(base.parts) == 1 and (base.left, base.right) in (("(", ")"), ("[", "]")):
        return _evaluate(base.parts[0].items, point)
    if isinstance(base, Group):
        return _evaluate(base.items, point)
    raise _UnknownMeaningError


def _number(items: list[Node], at: int, point: _Point) -> tuple[complex, int]:
    digits = ""
    while at < len(items):
        item = items[at]
        text = _text(item.base if isinstance(item, Scripts) else item)
        if not (text.isdigit() or text == "."):
            break
        digits += text
        at += 1
        if isinstance(item, Scripts):
            if item.sub is not None:
                raise _UnknownMeaningError
            return _raised(complex(float(digits)), item, point), at
    return complex(float(digits)), at


def _raised(value: complex, scripts: Scripts | None, point: _Point) -> complex:
    if scripts is None or scripts.sup is None:
        return value
    return complex(value ** _evaluate(scripts.sup.items, point))
