"""Labels of formulas in font families that print two alphabets alike."""

import shutil

import pytest

from finetune.pretrain.family_labels import SAME, label_in
from finetune.pretrain.typeset import FAMILIES, Job, typeset

_ALPHABETS = (r"\mathsf", r"\mathtt", r"\mathscr")
_PLAIN = (r"\mathrm", r"\mathit", r"\mathcal")


def test_labels_follow_what_the_family_prints():
    assert label_in(r"\mathsf{tree}_{\mathsf{1}}", "iwona") == r"\operatorname{tree}_{1}"
    assert label_in(r"\mathsf{tree}_{\mathsf{1}}", "cm") == r"\mathsf{tree}_{\mathsf{1}}"
    assert label_in(r"\mathscr{F}\alpha x", "ptmx") == r"\mathcal{F}\alpha x"
    assert label_in(r"\mathsf{x}+1", "arev") == "x+1"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("family", sorted({*SAME, "cm", "stix2", "fourier", "kp"}))
def test_the_table_is_what_tex_prints(family):
    """Alphabets are folded where all their letters print the same, and nowhere else."""
    import pymupdf

    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # those that every alphabet has
    fonts = (*_ALPHABETS, *_PLAIN)
    sheet = typeset([Job(f"{font}{{{x}}}") for font in fonts for x in letters], family=family, most_seconds=120)
    assert sheet is not None
    pages = {}
    with pymupdf.open("pdf", sheet.pdf) as pdf:
        for page, job in sheet.pages:
            pages[job] = pdf[page].get_pixmap(dpi=150, colorspace="gray").samples
    looks = {font: [pages.get(i * len(letters) + j) for j in range(len(letters))] for i, font in enumerate(fonts)}
    found = {
        (a, b)
        for a in _ALPHABETS
        for b in _PLAIN
        if sum(x is not None and x == y for x, y in zip(looks[a], looks[b], strict=True)) > 0.8 * len(letters)
    }
    assert set(SAME.get(family, {}).items()) <= found
    assert {a for a, _ in found} <= set(SAME.get(family, {}))


def test_every_family_is_known():
    assert set(SAME) <= set(FAMILIES)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("family", ["cm", "fourier", "kp", "newtx"])
def test_sans_serif_text_is_set_as_its_label_says(family):
    r"""`\textsf{1}` has the label `\mathsf{1}`: both pictures are one, and not that of `1`."""
    import pymupdf

    formulas = (r"\textsf{1}^{ab}", r"\mathsf{1}^{ab}", r"1^{ab}", r"\textsf{a b}", "ab")
    sheet = typeset([Job(x) for x in formulas], family=family, most_seconds=120)
    assert sheet is not None and [job for _, job in sheet.pages] == [0, 1, 2, 3, 4]
    with pymupdf.open("pdf", sheet.pdf) as pdf:
        text, label, plain = (pdf[i].get_pixmap(dpi=150).samples for i in range(3))
        fonts = {span[3] for i in (3, 4) for span in pdf[i].get_fonts()[:1]}
    assert text == label != plain
    assert len(fonts) == 2, "text in sans serif is not set in the font of mathematics"
