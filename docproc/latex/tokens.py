"""Tokens of LaTeX mathematics, with their places in the source."""

from __future__ import annotations

import re
from itertools import accumulate

# Longer input is no formula: the longest of 620,000 in books and Wikipedia has 6,900 characters.
MAX_CHARACTERS = 10_000

# A token with the blanks behind it.
_PIECE = re.compile(
    r"(?:\\(?:begin|end)\s*\{[^{}\\]*\}"  # \begin{aligned} is one token
    r"|\\[a-zA-Z]+"  # a command
    r"|\\."  # a control symbol: \, \{ \\
    r"|%[^\n]*\n?"  # a comment
    r"|\S)\s*",
    re.DOTALL,
)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{")
_SPACED_ENVIRONMENT = re.compile(r"\\(?:begin|end)(?:\s|\{[^{}\\]*\s)")
_BLANKS = re.compile(r"\s+")
# TeX's own other names, from keyboards without these keys.
_SCRIPT_MARKS = {r"\sp": "^", r"\sb": "_"}
_FITS_AFTER_COMMAND = re.compile(r"[a-zA-Z*]")


def tokenize(latex: str) -> tuple[list[str], list[int]]:
    r"""Split LaTeX into tokens; blanks and comments vanish, as they do in mathematics.

    Args:
        latex: Any text; nothing is refused. A lone backslash at the end is a token of its own.

    Returns:
        Tokens in order: commands (`\frac`), control symbols (`\,`), whole `\begin{env}` and `\end{env}`, else single
        characters (`^` for `\sp`); and the index in `latex` at which each begins. Lists of plain values: a formula has
        hundreds.
    """
    pieces: list[str] = _PIECE.findall(latex)
    *starts, _ = accumulate(map(len, pieces), initial=len(latex) - len(latex.lstrip()))
    tokens = [piece.rstrip() for piece in pieces]
    if "\\" in tokens:
        tokens = ["\\ " if token == "\\" != piece else token for token, piece in zip(tokens, pieces, strict=True)]
    if _SPACED_ENVIRONMENT.search(latex):
        tokens = [_BLANKS.sub("", token) if _ENVIRONMENT.match(token) else token for token in tokens]
    if r"\sp" in latex or r"\sb" in latex:
        tokens = [_SCRIPT_MARKS.get(token, token) for token in tokens]
    if "%" in latex:
        kept = [index for index, token in enumerate(tokens) if token[0] != "%"]
        return [tokens[index] for index in kept], [starts[index] for index in kept]
    return tokens, starts


def split_latex(latex: str) -> list[str]:
    """The tokens alone, as counted by scores and length limits."""
    return tokenize(latex)[0]


def join_tokens(texts: list[str]) -> str:
    """Write tokens as compactly as TeX allows: a space only after a command that a letter follows."""
    parts: list[str] = []
    after_command = False
    for text in texts:
        if not text:
            continue
        if after_command and _FITS_AFTER_COMMAND.match(text):
            parts.append(" ")
        parts.append(text)
        after_command = False
        if len(text) > 1 and "\\" in text:
            tail = text.rpartition("\\")[2]
            after_command = tail.isalpha() and tail.isascii()
    return "".join(parts)
