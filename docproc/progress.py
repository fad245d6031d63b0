"""What a person sees while a run goes on: a bar on a terminal, nothing otherwise."""

from __future__ import annotations

import sys
from typing import Protocol, TextIO


class Progress(Protocol):
    """What the pipeline tells of its way."""

    def add_pages(self, count: int) -> None:
        """So many more pages are to be done."""

    def page_done(self, formulas: int) -> None:
        """One page is stored."""

    def say(self, message: str) -> None:
        """A line that a person should read now."""

    def close(self) -> None:
        """The run has ended."""


class Silent:
    """Messages only, on stderr."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def add_pages(self, count: int) -> None:
        """Show nothing."""

    def page_done(self, formulas: int) -> None:
        """Show nothing."""

    def say(self, message: str) -> None:
        """Print the line."""
        print(message, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to close."""


class Bar:
    """A bar with pages, formulas, rate and time left."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._formulas = 0
        self._bar = tqdm(total=0, unit="page", dynamic_ncols=True, smoothing=0.1)

    def add_pages(self, count: int) -> None:
        """Lengthen the bar."""
        self._bar.total += count
        self._bar.refresh()

    def page_done(self, formulas: int) -> None:
        """Move on by one page."""
        self._formulas += formulas
        self._bar.set_postfix_str(f"{self._formulas} formulas", refresh=False)
        self._bar.update()

    def say(self, message: str) -> None:
        """Print the line above the bar."""
        self._bar.write(message, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def progress_for(stream: TextIO) -> Progress:
    """A bar where `stream` is a terminal."""
    return Bar() if stream.isatty() else Silent(stream)
