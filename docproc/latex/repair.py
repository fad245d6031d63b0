r"""Repairs of broken LaTeX that can be proved: the only reading that parses, or one that keeps every mark of ink.

A repair is never a guess: where several places for a missing brace give different formulas, nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from docproc.latex.canonical import match_key
from docproc.latex.commands import KNOWN
from docproc.latex.hints import NOTHING_AFTER, find_hints, repeated_tail
from docproc.latex.tokens import MAX_CHARACTERS, join_tokens, split_latex
from docproc.latex.tree import LatexError, parse

_WRAPPERS = ((r"\[", r"\]"), (r"\(", r"\)"), ("$$", "$$"), ("$", "$"))
_FENCE = re.compile(r"```(?:latex|tex|math)?\s*(.*?)\s*```\s*$", re.DOTALL)
_CLOSERS = frozenset((")", "]", r"\}", r"\rangle", "|", r"\|", r"\rfloor", r"\rceil"))
_OPENERS = frozenset(("(", "[", r"\{", r"\langle", "|", r"\|", r"\lfloor", r"\lceil"))
# What an empty group may follow: `{}^{14}C`, `a{}_{1}`; after a script mark or a command it is a lost argument.
_MAY_BE_EMPTY = frozenset(("", "&", "=", "+", "-", "(", ",", "\\\\"))
_RELATIONS = frozenset(("=", "<", ">", r"\leq", r"\geq", r"\neq", r"\approx", r"\equiv", r"\sim", r"\in", ",", ".", ";",
                        r"\rightarrow", r"\to", r"\Rightarrow", r"\quad", r"\text"))
_MAX_STEPS = 4
# More places than this to try, and the formula is left alone.
_MAX_CANDIDATES = 300
# Candidates times tokens: 0.1 s (benchmarks/latex_fuzz.py).
_MAX_WORK = 8_000
UNWRAPPED = "took off "


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repaired formula; each step holds `before`, `rule` and `after`, so that it can be taken back."""

    latex: str
    steps: tuple[dict[str, str], ...]


def repair(latex: str, is_supported: Callable[[str], bool] = lambda _: True) -> Repaired:
    """Repair a formula as far as that can be proved.

    Args:
        latex: As decoded.
        is_supported: Whether the evidence speaks no more against a candidate than against `latex`; others are dropped.

    Returns:
        The formula that parses and the steps to it; the formula as it came and no steps where nothing can be proved.
    """
    steps: list[dict[str, str]] = []
    current = latex
    if len(latex) > MAX_CHARACTERS:
        return Repaired(latex, ())
    for _ in range(_MAX_STEPS):
        found = _unwrap(current) or _next_step(current, is_supported)
        if found is None:
            break
        rule, after = found
        steps.append({"before": current, "rule": rule, "after": after})
        current = after
    return Repaired(current, tuple(steps)) if _parses(current) else Repaired(latex, ())


def is_wrapped(latex: str) -> bool:
    """Whether dollars, display brackets or a code fence stand around the formula: our parser takes some for symbols."""
    return _unwrap(latex) is not None


def _unwrap(latex: str) -> tuple[str, str] | None:
    """Take off what stands around mathematics: dollars, brackets, a code fence."""
    text = latex.strip()
    match = _FENCE.match(text)
    if match:
        return f"{UNWRAPPED}the code fence", match.group(1)
    for left, right in _WRAPPERS:
        inner = text[len(left):-len(right)].strip()
        if inner and text.startswith(left) and text.endswith(right) and left not in inner:
            return f"{UNWRAPPED}{left} {right}", inner
    return None


def _next_step(latex: str, is_supported: Callable[[str], bool]) -> tuple[str, str] | None:
    tokens = split_latex(latex)
    try:
        parse(latex)
    except LatexError as error:
        shorter = _cut_tail(tokens)
        if shorter is not None:
            return shorter
        return _only_one(_rules(tokens, error.reason), len(tokens), is_supported)
    return _cut_tail(tokens) or _only_one(_misspelt(tokens), len(tokens), is_supported)


def _only_one(
    rules: Iterable[tuple[str, Iterator[list[str]]]], length: int, is_supported: Callable[[str], bool]
) -> tuple[str, str] | None:
    """The first rule with a possible formula, and that formula if it is the only one."""
    for rule, candidates in rules:
        tried = [join_tokens(c) for _, c in zip(range(_MAX_CANDIDATES + 1), candidates, strict=False)]
        if len(tried) > _MAX_CANDIDATES or len(tried) * length > _MAX_WORK:
            return None
        by_key: dict[str, str] = {}
        for candidate in tried:
            if len(by_key) > 1 or not _is_well_formed(candidate):
                continue
            key = match_key(candidate)
            # Most places for one brace give one formula: it is looked at once.
            if key not in by_key and _ends_well(candidate) and is_supported(candidate):
                by_key[key] = candidate
        if by_key:
            return (rule, next(iter(by_key.values()))) if len(by_key) == 1 else None
    return None


def _misspelt(tokens: list[str]) -> Iterator[tuple[str, Iterator[list[str]]]]:
    """An unknown command by the known ones that one slip of two neighboring letters, or one letter, makes of it."""
    for name in dict.fromkeys(tokens):
        is_command = name[0] == "\\" and len(name) > 3 and name[1:].isalpha()
        if is_command and name not in KNOWN and name not in (r"\left", r"\right", r"\middle"):
            near = [known for known in sorted(KNOWN) if _is_slip(name, known)]
            yield f"spelt {name} right", ([one if token == name else token for token in tokens] for one in near)
            return


def _is_slip(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1 or len(other) < 4:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[1::-1] == b[:2] and a[2:] == b[2:])


def _rules(tokens: list[str], reason: str) -> Iterator[tuple[str, Iterator[list[str]]]]:
    """Rules for an error, the surest first, each with its candidates."""
    if "outside an environment" in reason:
        if "\\\\" in tokens:
            yield "set the rows in an aligned environment", iter([[r"\begin{aligned}", *tokens, r"\end{aligned}"]])
        else:
            yield "dropped what stands outside a table", iter([[token for token in tokens if token != "&"]])
    if r"\left" in reason or r"\right" in reason:
        yield "paired a delimiter", _paired_delimiters(tokens)
    if "is not closed" in reason or "closed by" in reason or r"without its \begin" in reason:
        yield "closed the environment", _environments(tokens)
    if "brace" in reason or "closed by" in reason or "is not closed" in reason:
        missing = tokens.count("{") - tokens.count("}")
        if missing == 1:
            yield "closed or dropped a brace", chain(_with(tokens, "}"), _without(tokens, "{"))
        elif missing == -1:
            yield "opened or dropped a brace", chain(_without(tokens, "}"), _with(tokens, "{"))
    if "two superscripts" in reason or "two subscripts" in reason:
        yield "kept one of two equal scripts", _without_equal_script(tokens)


def _with(tokens: list[str], new: str) -> Iterator[list[str]]:
    for index in range(len(tokens) + 1):
        yield [*tokens[:index], new, *tokens[index:]]


def _without_equal_script(tokens: list[str]) -> Iterator[list[str]]:
    """Of `^{2}^{2}` the second goes; scripts that differ leave open what was meant."""
    for start, token in enumerate(tokens):
        if token not in ("^", "_") or tokens[start + 1:start + 2] != ["{"]:
            continue
        end = _end_of_group(tokens, start + 1)
        script = tokens[start:end]
        if script == tokens[end:end + len(script)]:
            yield tokens[:end] + tokens[end + len(script):]


def _end_of_group(tokens: list[str], start: int) -> int:
    """Index behind the brace that closes the one at `start`."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index] == "{") - (tokens[index] == "}")
        if not depth:
            return index + 1
    return len(tokens)


def _without(tokens: list[str], which: str) -> Iterator[list[str]]:
    for index, token in enumerate(tokens):
        if token == which:
            yield [*tokens[:index], *tokens[index + 1:]]


def _paired_delimiters(tokens: list[str]) -> Iterator[list[str]]:
    r"""The partner of a lone `\left(` is a plain `)` of the same kind, and the other way round."""
    is_right_missing = tokens.count(r"\left") > tokens.count(r"\right")
    name, partners = (r"\right", _CLOSERS) if is_right_missing else (r"\left", _OPENERS)
    for index, token in enumerate(tokens):
        if token in partners and tokens[index - 1:index] not in ([r"\left"], [r"\right"], [r"\middle"]):
            yield [*tokens[:index], name, *tokens[index:]]


def _environments(tokens: list[str]) -> Iterator[list[str]]:
    """The last open environment ended where its surroundings end, or the names of a pair made equal."""
    stack: list[tuple[int, str]] = []
    for index, token in enumerate(tokens):
        if token.startswith((r"\begin{", "{")) or token == r"\left":
            stack.append((index, token))
            continue
        is_end = token.startswith(r"\end{")
        if not (is_end or token == "}" or token == r"\right"):
            continue
        if not stack:
            if is_end:
                yield ["\\begin" + token[4:], *tokens]
            return
        opened = stack.pop()[1]
        if not opened.startswith(r"\begin{"):
            continue
        if is_end and token[5:-1] != opened[7:-1]:
            yield [*tokens[:index], "\\end" + opened[6:], *tokens[index + 1:]]
            return
        if not is_end:
            yield [*tokens[:index], "\\end" + opened[6:], *tokens[index:]]
            return
    if stack and stack[-1][1].startswith(r"\begin{") and not _may_end_earlier(tokens[stack[-1][0]:]):
        yield [*tokens, "\\end" + stack[-1][1][6:]]


def _may_end_earlier(tokens: list[str]) -> bool:
    """Whether a relation in the last row of a matrix or array may stand behind it as well."""
    if "matrix" not in tokens[0] and "array" not in tokens[0]:
        return False
    last = max((i for i, token in enumerate(tokens) if token == "\\\\"), default=0)
    return any(token in _RELATIONS for token in tokens[last:])


def _cut_tail(tokens: list[str]) -> tuple[str, str] | None:
    """A repetition at the end is kept once."""
    count = repeated_tail(tokens)
    if not count:
        return None
    for unit in range(1, len(tokens) // count + 1):
        if tokens[-unit:] * count == tokens[-unit * count:]:
            after = join_tokens(tokens[:len(tokens) - unit * (count - 1)])
            return (f"kept one of {count} repetitions at the end", after) if _parses(after) else None
    return None


def _is_well_formed(latex: str) -> bool:
    """Whether a candidate parses and has no empty argument or script."""
    tokens = split_latex(latex)
    if tokens[-2:-1] in (["&"], ["\\\\"]):
        return False
    padded = ["", *tokens, ""]
    for before, first, second, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        if first == "{" and second == "}" and before not in _MAY_BE_EMPTY and not (
                before == "}" and after in ("^", "_")):
            return False
        if first == "{" and second in ("^", "_", "'") and before not in _MAY_BE_EMPTY:
            return False
    return _parses(latex)


def _ends_well(latex: str) -> bool:
    """Whether nothing speaks against a candidate but a relation at its end.

    Such formulas are rare but real: they count, so that a worse place is not the only one left.
    """
    return all(hint.startswith(NOTHING_AFTER) for hint in find_hints(latex))


def _parses(latex: str) -> bool:
    try:
        return bool(parse(latex).items)
    except LatexError:
        return False
