"""What a row writes, and when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# The tail of a runaway is one piece again and again; identity matrices and long numbers repeat too, but not so long.
REPEATED_TOKENS, REPEATED_TIMES, LONGEST_PERIOD = 64, 6, 40

# Why a row was never begun: a gate left its picture to another model.
PASSED_OVER = "passed-over"


@dataclass(slots=True)
class Decoded:
    """What one row wrote."""

    tokens: list[int]
    """Without the end token."""
    mean_log_probability: float
    """Over the tokens and the end token."""
    stop_reason: str
    """`end`, `length`, `repetition`, or `passed-over`."""


@dataclass(slots=True)
class Row:
    """A row that is being written."""

    index: int
    """Of its picture among those asked for."""
    limit: int
    """Most tokens."""
    length: int
    """Tokens in the cache: prompt, picture, and what it wrote."""
    needed: int
    """Tokens that the cache must hold for it in the end."""
    tokens: list[int] = field(default_factory=list)
    log_probability: float = 0.0
    stop_reason: str | None = None

    def take(self, tokens: list[int], log_probabilities: list[float], end_ids: frozenset[int]) -> None:
        """Add tokens up to the one that ends the row."""
        count = len(self.tokens) + len(tokens)
        if self.stop_reason is None and count < min(self.limit, REPEATED_TOKENS) and end_ids.isdisjoint(tokens):
            self.tokens += tokens  # most looks: nothing can have ended it
            self.log_probability += sum(log_probabilities)
            return
        for token, log_probability in zip(tokens, log_probabilities, strict=True):
            if self.stop_reason:
                return
            self.log_probability += log_probability
            if token in end_ids:
                self.stop_reason = "end"
                return
            self.tokens.append(token)
            if repeats(self.tokens):
                self.stop_reason = "repetition"
            elif len(self.tokens) >= self.limit:
                self.stop_reason = "length"

    def decoded(self) -> Decoded:
        """Return the result."""
        count = len(self.tokens) + (self.stop_reason == "end")
        return Decoded(self.tokens, self.log_probability / max(1, count), self.stop_reason or "length")


def repeats(tokens: Sequence[int]) -> bool:
    """Whether the tail of the tokens is one short piece said again and again."""
    for period in range(1, LONGEST_PERIOD + 1):
        length = max(REPEATED_TOKENS, REPEATED_TIMES * period)
        if len(tokens) < length:
            return False
        if tokens[-1] == tokens[-1 - period] and tokens[-length + period :] == tokens[-length:-period]:
            return True
    return False
