"""Tokens of LaTeX mathematics, with their places in the source."""

from __future__ import annotations

import re
from typing import NamedTuple

# Longer input is no formula: the longest of 620,000 in books and Wikipedia has 6,900 characters.
MAX_CHARACTERS = 10_000

_TOKEN = re.compile(
    r"\\(?:begin|end)\s*\{[^{}\\]*\}"  # \begin{aligned} is one token
    r"|\\[a-zA-Z]+"  # a command
    r"|\\."  # a control symbol: \, \{ \\
    r"|%[^\n]*\n?"  # a comment
    r"|[^\s]",  # blanks between tokens are passed over
    re.DOTALL,
)
_SPACE_IN_ENVIRONMENT = re.compile(r"\s+")
_FITS_AFTER_COMMAND = re.compile(r"[a-zA-Z*]")


class Token(NamedTuple):
    """One token: `text` as TeX sees it, and the characters `start` to `end` of the source it stands for."""

    text: str
    start: int
    end: int


def tokenize(latex: str) -> list[Token]:
    r"""Split LaTeX into tokens; blanks and comments vanish, as they do in mathematics.

    Args:
        latex: Any text; nothing is refused. A lone backslash at the end is a token of its own.

    Returns:
        Tokens in order: commands (`\frac`), control symbols (`\,`), whole `\begin{env}` and `\end{env}`, else single
        characters.
    """
    tokens = []
    new = tuple.__new__  # a named tuple's own constructor takes three times as long, and a formula has hundreds
    for match in _TOKEN.finditer(latex):
        text = match.group()
        if text[0] == "\\":
            if len(text) > 2 and text[-1] == "}":
                text = _SPACE_IN_ENVIRONMENT.sub("", text)
            elif len(text) == 2 and text[1].isspace():
                text = "\\ "
        elif text[0] == "%":
            continue
        tokens.append(new(Token, (text, *match.span())))
    return tokens


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
        if "\\" in text:
            tail = text.rpartition("\\")[2]
            after_command = tail.isalpha() and tail.isascii()
    return "".join(parts)


def split_latex(latex: str) -> list[str]:
    """Texts of the tokens, as counted by scores and length limits."""
    return [token.text for token in tokenize(latex)]
