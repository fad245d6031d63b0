"""The promises of docs/canonical.md on a seeded sample of real formulas (skipped where the corpus is not there)."""

import json
import lzma
import random
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from docproc.latex.canonical import canonical, match_key, recognition_target
from docproc.latex.check import check
from docproc.latex.tree import parse
from docproc.render_match import has_tex, render_latex

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "formulas.train.jsonl.xz"
pytestmark = pytest.mark.skipif(not CORPUS.is_file(), reason="the corpus of formulas is not beside this checkout")


@pytest.fixture(scope="module")
def formulas():
    with lzma.open(CORPUS, "rt", encoding="utf-8") as lines:
        drawn = random.Random(2026).sample(list(lines), 600)
    return [json.loads(line)["latex"] for line in drawn]


def test_forms(formulas):
    for latex in formulas:
        parse(latex)
        assert canonical(canonical(latex)) == canonical(latex)
        assert match_key(canonical(latex)) == match_key(latex)
    targets = [(latex, recognition_target(latex)) for latex in formulas]
    assert sum(target is not None for _, target in targets) >= 0.97 * len(formulas)
    for latex, target in targets:
        if target is not None:
            assert match_key(target) == match_key(latex)
            assert recognition_target(target) == target


def test_validity_and_mathml(formulas):
    checked = [check(canonical(latex)) for latex in formulas[:300]]
    assert sum(one.is_valid for one in checked) >= 0.99 * len(checked)
    for one in checked:
        if one.mathml:
            ET.fromstring(one.mathml)


@pytest.mark.skipif(not has_tex(), reason="pdflatex is not installed")
def test_canonical_keeps_every_pixel(formulas):
    pairs = [(latex, canonical(latex)) for latex in (" ".join(x.split()) for x in formulas[:300])]
    pictures = render_latex(sorted({latex for pair in pairs for latex in pair}), dpi=120)
    compared = [(one, other) for one, other in pairs if one in pictures]
    assert len(compared) > 280
    for one, other in compared:
        assert np.array_equal(pictures[one], pictures[other]), (one, other)
