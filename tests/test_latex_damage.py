"""The file of damaged formulas: what is noticed, repaired, and never changed wrongly (benchmarks/damage.py)."""

import random
from collections import Counter

import pytest

from benchmarks.damage import BREAKING, SILENT, damage, read_damaged, score
from docproc.latex.canonical import match_key
from docproc.latex.confusions import settle_by_glyphs
from docproc.latex.judge import judge
from docproc.records import Status

ROWS = read_damaged()


def total(outcomes, names):
    return sum((outcomes[name] for name in names), Counter())


def test_the_file_holds_enough_of_every_damage():
    assert len(ROWS) >= 500
    counts = Counter(row["edit"] for row in ROWS)
    assert counts.keys() == BREAKING.keys() | SILENT.keys()
    assert min(counts.values()) >= 30


@pytest.mark.parametrize("with_glyphs", [False, True])
def test_scores(with_glyphs):
    outcomes = score(ROWS, with_glyphs=with_glyphs)
    every, broken = total(outcomes, outcomes), total(outcomes, BREAKING)
    assert every["wrong"] <= 0.01 * every["rows"]
    assert every["spoiled"] == 0
    assert every["false alarm"] <= 0.05 * every["rows"]
    assert broken["noticed"] >= (0.97 if with_glyphs else 0.9) * broken["rows"]
    assert broken["right"] >= 0.5 * broken["rows"]
    if with_glyphs:
        assert total(outcomes, SILENT)["noticed"] >= 0.7 * total(outcomes, SILENT)["rows"]


def test_an_edit_changes_the_formula():
    rng = random.Random(1)
    for name in BREAKING | SILENT:
        for row in rng.sample(ROWS, 20):
            damaged = damage(row["latex"], name, rng)
            assert damaged is None or match_key(damaged) != match_key(row["latex"])


def test_a_look_alike_is_settled_by_the_page():
    assert settle_by_glyphs(r"x_{\nu}+1", ("x", "v", "+", "1")) == (
        r"read \nu as v, which is what the page has", "x_{v}+1")
    verdict = judge(r"x_{\nu}+1", "end", 0.95, ("x", "v", "+", "1"))
    assert (verdict.latex, verdict.status) == ("x_{v}+1", Status.OK)
    assert verdict.repairs[0]["before"] == r"x_{\nu}+1"


@pytest.mark.parametrize(("latex", "glyphs"), [
    (r"\nu+\nu", ("v", "+", r"\nu", "?")), ("a+b", ("a", "+", "c")), (r"x+\nu", ("v", "+", "x")), ("{", ("x",)),
    (r"\nu\nu\nu\nu", ("v",) * 4)])
def test_what_the_page_does_not_settle_is_left(latex, glyphs):
    assert settle_by_glyphs(latex, glyphs) is None
