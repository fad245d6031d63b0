r"""What a person typed into the search box: which parts are LaTeX and which are words.

`energy E = mc^2` holds the word *energy* and the formula `E = mc^2`; no delimiters are needed, and `$…$` settles it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from docproc.fulltext import index_words

MAX_QUERY_CHARACTERS = 2_000
"""A longer query is cut: no formula of a book that anyone types is longer."""

_DELIMITED = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_STRONG = re.compile(r"[\\^{}=<>+]|^\w_\w|(?<![^\W\d_])\?[A-Za-z]")
"""What makes a chunk mathematics; `?f` is a wildcard, but the mark of a question stands behind a letter."""
_OPERATOR_END = re.compile(r"(?:[=<>+\-*/^_({\[,|]|\\(?!end)[a-zA-Z]+)$")
_OPERATOR_START = re.compile(r"^[=<>+\-*/^_)}\],|]")
_NEUTRAL = re.compile(r"[\d?.,:;()\[\]|/!'*-]+|[^\W\d_]|d[^\W\d_]|(?:[^\W\d_]|\d+)(?:[-/*|(),]+(?:[^\W\d_]|\d+))+[)|]*")
_FUNCTIONS = frozenset(
    (
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "log",
        "ln",
        "exp",
        "lim",
        "max",
        "min",
        "sup",
        "inf",
        "det",
        "arg",
        "sinh",
        "cosh",
        "tanh",
        "mod",
        "gcd",
    )
)
_FUNCTION_NAME = re.compile(rf"(?<![\\a-zA-Z])({'|'.join(sorted(_FUNCTIONS, key=len, reverse=True))})(?![a-zA-Z])")
STOP_WORDS = frozenset(
    (
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "that",
        "the",
        "this",
        "to",
        "with",
        "der",
        "die",
        "das",
        "und",
    )
)
_MAX_NAME = 3
"""Letters of a product like `nRT` written without spaces; longer runs are words."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query taken apart."""

    formulas: tuple[str, ...]
    """LaTeX, as typed."""
    words: tuple[str, ...]
    """As the index holds them: lower case, without accents."""


def parse_query(text: str) -> Query:
    """Part the LaTeX of a query from its words; any text is a query, and none is an error."""
    text = text.encode("utf-8", "replace").decode()[:MAX_QUERY_CHARACTERS]
    formulas = [next(filter(None, match.groups())).strip() for match in _DELIMITED.finditer(text)]
    words: list[str] = []
    for part in _DELIMITED.sub("\n", text).split("\n"):
        runs, rest = _split_runs(part.split())
        formulas += runs
        words += index_words(rest)
    if not formulas and all(_kind(chunk) == "neutral" for chunk in text.split()):
        formulas = [text.strip()]  # `x`, `a/b`, `sin x`: perhaps a formula, perhaps words; looked for as both
    formulas = [_FUNCTION_NAME.sub(r"\\\1", formula) for formula in formulas if formula]
    return Query(tuple(formulas), tuple(dict.fromkeys(words)))


def _split_runs(chunks: list[str]) -> tuple[list[str], str]:
    """Runs of mathematics, and the text that is left."""
    kinds = [_kind(chunk) for chunk in chunks]
    depth = 0
    for i, chunk in enumerate(chunks):
        if depth > 0:  # inside the braces of \text{…} or \frac{…}
            kinds[i] = "math"
        if kinds[i] == "math":
            depth = max(0, depth + chunk.count("{") - chunk.count("}"))
        if kinds[i] == "word" and len(chunk) <= _MAX_NAME and chunk.isalpha() and chunk not in STOP_WORDS:
            after = i > 0 and kinds[i - 1] == "math" and _OPERATOR_END.search(chunks[i - 1])
            before = i + 1 < len(chunks) and _kind(chunks[i + 1]) == "math" and _OPERATOR_START.match(chunks[i + 1])
            if after or before:
                kinds[i] = "math"
    runs: list[str] = []
    rest: list[str] = []
    i = 0
    while i < len(chunks):
        end = i
        while end < len(chunks) and kinds[end] != "word":
            end += 1
        if "math" in kinds[i:end]:
            runs.append(" ".join(chunks[i:end]))
        else:
            rest += chunks[i:end]
        rest += chunks[end : end + 1]
        i = end + 1
    return runs, " ".join(rest)


def _kind(chunk: str) -> str:
    """`math`, `word`, or `neutral`: mathematics only beside mathematics."""
    if _STRONG.search(chunk) or any(_is_symbol(c) for c in chunk):
        return "math"
    if chunk in _FUNCTIONS or _NEUTRAL.fullmatch(chunk):
        return "neutral"
    return "word"


def _is_symbol(character: str) -> bool:
    return ord(character) > 0x7F and (
        unicodedata.category(character) == "Sm" or unicodedata.name(character, "").startswith(("GREEK", "MATHEMATICAL"))
    )
