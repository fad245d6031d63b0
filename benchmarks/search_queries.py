"""Queries with known answers, made from stored formulas: re-spelled, renamed, a part of one, one symbol off.

Everything works on tokens and knows nothing of trees, paths or indexes, so that it can judge them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from docproc.latex.commands import BINARY, RELATIONS
from docproc.latex.structure import strip_end
from docproc.latex.tokens import join_tokens, split_latex

LEAST_TOKENS, MOST_TOKENS = 12, 80
"""Of a formula that queries are made from: shorter ones have hundreds of equals, longer ones nobody types."""
LEAST_PART = 6
"""Tokens of a query for a sub-expression."""
_OPAQUE = frozenset(r"\text \textrm \textbf \textit \mathrm \operatorname \mbox \hbox \ce \label \tag \hspace".split())  # noqa: SIM905
_GREEK = [rf"\{name}" for name in ("alpha", "beta", "gamma", "delta", "lambda", "mu", "rho", "sigma", "tau", "omega")]
_SHORT = {r"\leq": r"\le", r"\geq": r"\ge", r"\neq": r"\ne", r"\rightarrow": r"\to", r"\frac": r"\dfrac"}
_LONG = {short: long for long, short in _SHORT.items()}
_SIGNS = ["+", "-", "=", "<", ">", r"\leq", r"\geq", r"\cdot", r"\times"]


@dataclass(frozen=True, slots=True)
class KnownQuery:
    """A query, and how to tell that a formula answers it."""

    kind: str
    text: str
    """As a person would type it, without dollars."""
    source: int
    """Index of the formula that it was made from."""


def make_queries(formulas: list[str], count: int, seed: int) -> list[KnownQuery]:
    """Make `count` queries of each kind from formulas drawn at random, each formula serving once."""
    rng = random.Random(seed)
    makers: dict[str, Callable[[list[str], random.Random], str | None]] = {
        "re-spelled": respell,
        "renamed": rename,
        "sub-expression": cut_part,
        "one symbol off": change_symbol,
        "wildcard": put_wildcard,
    }
    queries: list[KnownQuery] = []
    for kind, make in makers.items():
        made = 0
        while made < count:
            source = rng.randrange(len(formulas))
            tokens = split_latex(strip_end(formulas[source]))
            if not LEAST_TOKENS <= len(tokens) <= MOST_TOKENS or any(token.startswith(r"\begin") for token in tokens):
                continue
            text = make(tokens, rng)
            if text is not None and "?" not in text.replace("?q", ""):
                queries.append(KnownQuery(kind, text, source))
                made += 1
    return queries


def respell(tokens: list[str], rng: random.Random) -> str | None:
    """Other names, braces, blanks, thin spaces, order of scripts and growing brackets; the look stays."""
    opaque = _opaque(tokens)
    out: list[str] = []
    for i, token in enumerate(tokens):
        token = {**_SHORT, **_LONG}.get(token, token) if i not in opaque else token
        before = tokens[i - 1] if i else ""
        if before in ("_", "^") and token.isalnum() and i not in opaque:
            token = f"{{{token}}}"
        elif token in RELATIONS | {"="} and i not in opaque and rng.random() < 0.5:
            token = rf"\,{token} "
        out.append(token)
    text = join_tokens(_without_braces(_swapped(out)) if rng.random() < 0.7 else _swapped(out))
    text = text.replace("}", "} ") if not opaque and rng.random() < 0.5 else text
    return text if text.replace(" ", "") != join_tokens(tokens).replace(" ", "") else None


def rename(tokens: list[str], rng: random.Random) -> str | None:
    """Every variable under a new name, the same one each time; `d`, `e`, `i` and pi keep theirs."""
    places = _variables(tokens)
    names = sorted({tokens[i] for i in places})
    if len(names) < 2:
        return None
    new: dict[str, str] = {}
    for group in (
        [c for c in "abcfghjklmnopqrstuvwxyz" if c != "d"],
        list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        _GREEK,
    ):
        own = [name for name in names if name in group]
        free = [name for name in group if name not in own]
        rng.shuffle(free)
        new |= dict(zip(own, free + own, strict=False))
    return join_tokens([new.get(token, token) if i in places else token for i, token in enumerate(tokens)])


def cut_part(tokens: list[str], rng: random.Random) -> str | None:
    """What stands in a pair of braces, or between two relations."""
    opaque = _opaque(tokens)
    parts: list[tuple[int, int]] = []
    opened: list[int] = []
    last, depth = 0, 0
    for i, token in enumerate([*tokens, "="]):
        if token == "{":
            opened.append(i + 1)
        elif token == "}" and opened:
            parts.append((opened.pop(), i))
        depth += (token in ("{", "(", r"\left")) - (token in ("}", ")", r"\right"))
        if depth == 0 and (token in RELATIONS or token == "="):
            parts.append((last, i))
            last = i + 1
    whole = len(tokens)
    fits = [(a, b) for a, b in parts if LEAST_PART <= b - a < whole - 2 and not opaque & set(range(a, b))]
    fits = [(a, b) for a, b in fits if _is_balanced(tokens[a:b])]
    if not fits:
        return None
    a, b = rng.choice(fits)
    return join_tokens(tokens[a:b])


def change_symbol(tokens: list[str], rng: random.Random) -> str | None:
    """One variable, digit or sign in one place is another."""
    opaque = _opaque(tokens)
    pools = ("abcfghjklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", _GREEK, _SIGNS)
    fits = [i for i, t in enumerate(tokens) if i not in opaque and any(t in pool for pool in pools) and len(t) > 0]
    if not fits:
        return None
    at = rng.choice(fits)
    pool = next(pool for pool in pools if tokens[at] in pool)
    other = rng.choice([t for t in pool if t != tokens[at]])
    return join_tokens([*tokens[:at], other, *tokens[at + 1 :]])


def put_wildcard(tokens: list[str], rng: random.Random) -> str | None:
    """One argument or script in braces becomes `?q`."""
    opaque = _opaque(tokens)
    fits = []
    opened: list[int] = []
    for i, token in enumerate(tokens):
        if token == "{":
            opened.append(i + 1)
        elif token == "}" and opened:
            a = opened.pop()
            if i > a and not opaque & set(range(a, i)) and len(tokens) - (i - a) >= LEAST_TOKENS - 2:
                fits.append((a, i))
    if not fits:
        return None
    a, b = rng.choice(fits)
    return join_tokens([*tokens[:a], "?q", *tokens[b:]])


def numbered(tokens: list[str]) -> str:
    """The formula with its variables numbered as they come: equal for renamings of each other."""
    places = _variables(tokens, every=True)
    names: dict[str, str] = {}
    return " ".join(names.setdefault(t, f"#{len(names)}") if i in places else t for i, t in enumerate(tokens))


def _variables(tokens: list[str], every: bool = False) -> set[int]:
    opaque = _opaque(tokens)
    kept = frozenset() if every else frozenset("die")
    return {
        i
        for i, token in enumerate(tokens)
        if i not in opaque and token not in kept and ((len(token) == 1 and token.isalpha()) or token in _GREEK)
    }


def _opaque(tokens: list[str]) -> set[int]:
    """Places inside the braces of text, names and the like."""
    inside: set[int] = set()
    i = 0
    while i < len(tokens):
        if tokens[i] in _OPAQUE and i + 1 < len(tokens) and tokens[i + 1] == "{":
            depth, i = 1, i + 2
            while i < len(tokens) and depth:
                depth += (tokens[i] == "{") - (tokens[i] == "}")
                inside.add(i)
                i += 1
        else:
            i += 1
    return inside


def _is_balanced(tokens: list[str]) -> bool:
    depth = 0
    for token in tokens:
        depth += (token in ("{", "(", "[")) - (token in ("}", ")", "]"))
        if depth < 0:
            return False
    edges = RELATIONS | BINARY | {"=", "+", "-", "^", "_", ","}
    lefts = tokens.count(r"\left") == tokens.count(r"\right")
    return depth == 0 and lefts and tokens[0] not in edges and tokens[-1] not in edges


def _swapped(tokens: list[str]) -> list[str]:
    """`x_{1}^{2}` as `x^{2}_{1}` where both scripts are one symbol."""
    out = list(tokens)
    for i in range(len(out) - 3):
        one, a, other, b = out[i : i + 4]
        if {one, other} == {"_", "^"} and all(t[0] == "{" and t[-1] == "}" and len(t) > 2 for t in (a, b)):
            out[i : i + 4] = [other, b, one, a]
    return out


def _without_braces(tokens: list[str]) -> list[str]:
    r"""`x_{i}` as `x_i`, `\frac{1}{2}` as `\frac12`."""
    out: list[str] = []
    i = 0
    while i < len(tokens):
        previous = tokens[i - 1] if i else ""
        if (
            tokens[i] == "{"
            and i + 2 < len(tokens)
            and tokens[i + 2] == "}"
            and tokens[i + 1].isalnum()
            and previous in ("_", "^")
        ):
            out.append(tokens[i + 1])
            i += 3
        else:
            out.append(tokens[i])
            i += 1
    return out
