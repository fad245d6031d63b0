r"""Real formulas with symbols and alphabets exchanged: their layout is kept, what they say can no longer be guessed.

A recogniser that knows its formulas by heart reads `e^{rt}` as the more usual `e^{n}`, and `\mathsf{1}` as `1`, since
few of its sources write sans-serif digits. Here `r` becomes any letter, and any letter, digit or word any alphabet.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

from finetune.pretrain.grammar import as_commands
from finetune.pretrain.vocabulary import join_target, split_target

_LOWER, _UPPER, _DIGITS = tuple(string.ascii_lowercase), tuple(string.ascii_uppercase), tuple("0123456789")
_GREEK = tuple(
    as_commands(
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho varrho "
        "sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi "
        "Omega imath jmath ell hbar partial nabla"
    )
)
_CLASSES = (_LOWER, _UPPER, _DIGITS, _GREEK)
_CLASS_OF = {symbol: members for members in _CLASSES for symbol in members}
_FOR_LETTERS = ("mathbf", "mathsf", "mathtt", "mathfrak", "bm", "mathrm", "mathit")
_FOR_CAPITALS = (*_FOR_LETTERS, "mathcal", "mathcal", "mathbb", "mathbb", "mathscr", "mathscr")
_FOR_DIGITS = ("mathsf", "mathsf", "mathbf", "mathtt")
_WORD_FONTS = ("mathsf", "mathtt", "mathbf", "mathit", "text", "textbf", "textit", "operatorname")
_WORDS = frozenset(as_commands("operatorname mathrm mathit mathsf mathtt mathbf"))
_CLOSED = _WORDS | frozenset(
    as_commands(
        "text textbf textit textsf texttt textsc mathcal mathbb mathscr mathfrak bm operatorname* hspace tag color ce "
        "begin{array}"
    )
)
"""Commands whose argument is no row of symbols that could be exchanged one by one."""


def vary(target: str, rng: random.Random) -> str | None:
    """Exchange one or two of a formula's symbols, alphabets or words.

    Args:
        target: Canonical LaTeX (`recognition_target`).
        rng: Source of chance.

    Returns:
        LaTeX whose own canonical form has yet to be worked out; None where nothing could be exchanged.
    """
    tokens = split_target(target)
    for _ in range(rng.choice([1, 1, 2])):
        kind = rng.random()
        change = (
            _exchange if kind < 0.45 else _set_alphabet if kind < 0.77 else _set_digits if kind < 0.87 else _set_word
        )
        changed = change(tokens, rng)
        if changed is None:
            return None
        tokens = changed
    return join_target(tokens)


def _free_places(tokens: Sequence[str]) -> list[int]:
    """Where letters, digits and Greek stand that are symbols of their own."""
    places, depth, closed = [], 0, None
    for i, token in enumerate(tokens):
        if token in ("{", "_{", "^{"):
            depth += 1
            if closed is None and i and tokens[i - 1].strip() in _CLOSED:
                closed = depth
        elif token == "}":
            if closed == depth:
                closed = None
            depth -= 1
        elif closed is None and token.strip() in _CLASS_OF:
            places.append(i)
    return places


def _chosen(tokens: Sequence[str], rng: random.Random) -> tuple[str, list[int]] | None:
    """A symbol of the formula with one or all of its places."""
    places = _free_places(tokens)
    if not places:
        return None
    place = rng.choice(places)
    symbol = tokens[place].strip()
    same = [i for i in places if tokens[i].strip() == symbol]
    return symbol, same if rng.random() < 0.6 else [place]


def _exchange(tokens: Sequence[str], rng: random.Random) -> list[str] | None:
    found = _chosen(tokens, rng)
    if found is None:
        return None
    symbol, places = found
    members = _CLASS_OF[symbol] if rng.random() < 0.7 or symbol in _DIGITS else rng.choice((_LOWER, _UPPER, _GREEK))
    other = rng.choice(members)
    return [other if i in places else t for i, t in enumerate(tokens)]


def _set_alphabet(tokens: Sequence[str], rng: random.Random) -> list[str] | None:
    found = _chosen(tokens, rng)
    if found is None:
        return None
    symbol, places = found
    if symbol in _GREEK:
        fonts: Sequence[str] = ("bm",)
    elif symbol in _DIGITS:
        fonts = _FOR_DIGITS
    else:
        fonts = _FOR_CAPITALS if symbol in _UPPER else _FOR_LETTERS
    font = rng.choice(fonts)
    return [rf"\{font}{{{t.strip()}}}" if i in places else t for i, t in enumerate(tokens)]


def _set_digits(tokens: Sequence[str], rng: random.Random) -> list[str] | None:
    """Another alphabet for every digit, or for one of them: bold and sans-serif digits name objects in some books."""
    places = [i for i in _free_places(tokens) if tokens[i] in _DIGITS]
    if not places:
        return None
    chosen = set(places if rng.random() < 0.5 else [rng.choice(places)])
    font = rng.choice(_FOR_DIGITS)
    return [rf"\{font}{{{t}}}" if i in chosen else t for i, t in enumerate(tokens)]


def _set_word(tokens: Sequence[str], rng: random.Random) -> list[str] | None:
    """Another alphabet for a word."""
    places = [i for i, t in enumerate(tokens[:-1]) if t in _WORDS and tokens[i + 1] == "{"]
    if not places:
        return None
    place = rng.choice(places)
    return [rf"\{rng.choice(_WORD_FONTS)}" if i == place else t for i, t in enumerate(tokens)]
