"""The benchmark of verification tells the time of first readings from that of second ones."""

from collections.abc import Generator
from typing import Any

from benchmarks.verification import Stopwatch


def test_first_readings_are_not_taken_for_second_ones() -> None:
    """Lists of crops come and go, and a new one often has the id of one that is gone."""
    watch = Stopwatch()
    read = watch.reading(lambda _, crops, __: crops)

    def ask() -> Generator[list[Any], Any, None]:
        yield [object()]

    for _ in range(50):
        asking = watch.asking(ask)()
        asked = next(asking)
        del asking, asked
        read(None, [object()], 1)
    assert set(watch.seconds) == {"first reading"}
    asking = watch.asking(ask)()
    read(None, next(asking), 1)
    assert watch.seconds["second reading"] > 0
