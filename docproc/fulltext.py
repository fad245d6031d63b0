r"""LaTeX and prose as plain words for SQLite's full-text index, so that LaTeX is data and never query syntax.

The tokens of a formula become words of letters, digits and `_` that are unlike any prose: `\frac` is `c_frac`, `x` is
`l_x`, `X` is `u_x` (the index folds case), `7` is `n_7`, `+` is `s_2b`, and `{ } ^ _ &` have names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from docproc.latex.canonical import match_key
from docproc.latex.structure import strip_end
from docproc.latex.tokens import split_latex

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMED = {"{": "s_open", "}": "s_close", "^": "s_sup", "_": "s_sub", "&": "s_amp", "\\\\": "s_newline"}
_STRUCTURE = frozenset(_NAMED.values())
_WORD = re.compile(r"[^\W_]+")


def search_key(latex: str) -> str:
    """The match key without the punctuation of the sentence that the formula ends with."""
    return match_key(strip_end(latex))


def index_tokens(latex: str) -> list[str]:
    r"""Words that stand for the LaTeX tokens, in order: `\frac{a}` becomes c_frac s_open l_a s_close."""
    return [_encoded(token) for token in split_latex(latex)]


def telling_tokens(tokens: Iterable[str]) -> list[str]:
    """The distinct tokens that say something by themselves: no braces, scripts or line ends."""
    return list(dict.fromkeys(token for token in tokens if token not in _STRUCTURE))


def index_words(text: str) -> list[str]:
    """Words and numbers of a prose, in lower case, without accents; everything else parts them."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return _WORD.findall("".join(c for c in folded if not unicodedata.combining(c)))


def _encoded(token: str) -> str:
    if token in _NAMED:
        return _NAMED[token]
    if token.startswith("\\") and token[1:].isascii() and token[1:].isalpha():
        # The index folds case, and \Gamma is not \gamma: capitals are doubled behind a mark.
        return "c_" + "".join(f"_{c.lower()}" if c.isupper() else c for c in token[1:])
    if token.startswith(("\\begin{", "\\end{")):
        return "c_" + token[1:-1].replace("{", "_").replace("*", "_star")
    if token.isascii() and token.isalpha():
        return f"u_{token.lower()}" if token.isupper() else f"l_{token}"
    if token.isascii() and token.isdigit():
        return f"n_{token}"
    return "s_" + "_".join(f"{ord(c):x}" for c in token)
