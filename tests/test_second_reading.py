"""A second reading where the first is unsure or broken."""

import numpy as np
import pytest

from docproc.latex.judge import judge
from docproc.recognition import Unread
from docproc.records import Recognition
from docproc.second_reading import LARGER, ask_for_doubtful

GLYPHS = ("x", "2"), ((0.3, 5.7, 5.4, 10.1, 10), (5.9, 1.7, 9.6, 6.2, 7))


def choose(first, second, glyphs=((), None), unwitnessed=()):
    """The reading that stays, and the sizes at which crops were asked for again."""
    asking = ask_for_doubtful(
        {"a": np.full((40, 60), 255, np.uint8)}, {"a": first},
        lambda _, reading: judge(reading.latex, reading.stop_reason, reading.confidence, *glyphs),
        unwitnessed=unwitnessed)
    asked = next(asking)
    with pytest.raises(StopIteration) as done:
        asking.send([second] * len(asked))
    return done.value.value["a"], [crop.shape for crop in asked]


def reading(latex, confidence, stop="end"):
    return Recognition(latex, confidence, stop)


@pytest.mark.parametrize(("first", "second", "winner"), [
    (reading("x", 0.3), reading("y", 0.4), "y"), (reading("x", 0.3), reading("y", 0.2), "x"),
    (reading("x^{", 0.9), reading("x^{2}", 0.4), "x^{2}"), (reading("x", 0.3, "length"), reading("y", 0.6), "y"),
    (reading("x", 0.3), reading("y", 0.9, "repetition"), "x"), (reading("x", 0.3), Unread("no memory"), "x")])
def test_the_better_reading_stays(first, second, winner):
    chosen, sizes = choose(first, second)
    assert chosen.latex == winner
    assert sizes == [(round(40 * LARGER), round(60 * LARGER))]


def test_evidence_outweighs_certainty():
    assert choose(reading("x_{2}", 0.45), reading("x^{2}", 0.4), GLYPHS)[0].latex == "x_{2}"  # both are unsure
    assert choose(reading("y^{2}", 0.45), reading("x^{2}", 0.6), GLYPHS)[0].latex == "x^{2}"


def test_readings_alike_are_as_sure_as_the_surer():
    assert choose(reading("x_{1}", 0.3), reading("x_1", 0.7))[0].confidence == 0.7


@pytest.mark.parametrize("first", [reading("x", 0.8), reading("", 0.1, "not-a-formula"), Unread("no memory")])
def test_what_is_sure_is_read_once(first):
    chosen, sizes = choose(first, reading("y", 0.9))
    assert chosen is first
    assert not sizes


def test_without_glyphs_surer_readings_are_doubted_too():
    first, second = reading("x", 0.7), reading("y", 0.75)
    assert choose(first, second)[0].latex == "x"
    assert choose(first, second, unwitnessed={"a"})[0].latex == "y"
    assert choose(reading("x", 0.85), reading("y", 0.9), unwitnessed={"a"})[1] == []
