"""A database over a sample document for the tests of the review: real pages and boxes, readings made up."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from docproc.finding import DocumentTask, PageTask, look_at, open_kept, work
from docproc.formulas import crop_sha256
from docproc.latex.check import check
from docproc.options import FindOptions
from docproc.records import Box, Formula, FormulaKind, FoundPage, PageKind, Status
from docproc.store import FormulaStore
from tests.conftest import SAMPLES

DOUBTFUL = (r"\frac{f(x+h)-f(x)", 0.31)
"""What the least sure formula was read as: a brace is missing."""


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
HOSTILE_LATEX = (
    rf"\href{{javascript:alert(1)}}{{x}}{HOSTILE}",
    r"\url{javascript:alert(1)}",
    r"\href{data:text/html,<script>alert(1)</script>}{x}",
    r"\htmlData{a=\"onmouseover=alert(1)}{x}\htmlStyle{background:url(//evil.example)}{y}",
    r"\includegraphics[alt=x]{https://evil.example/x.png}",
    r"\def\x{\x\x}\x\text{</annotation><script>alert(1)</script>}",
    "x^{" * 500,
    r"\rule{1000em}{1000em}",
)


def make_hostile(path: Path) -> None:
    """A database of one document in which everything that a document can say is an attack."""
    with FormulaStore.open(path) as store:
        formulas = [
            Formula(
                kind=FormulaKind.INLINE,
                position=position,
                box=Box(9 * position, 1, 9 * position + 8, 9),
                latex=latex,
                latex_raw=HOSTILE,
                status=Status.SUSPECT,
                confidence=0.1,
                stop_reason="end",
                model=HOSTILE,
                image_sha256="../../etc/passwd",
                problems=(HOSTILE,),
                equation_number=HOSTILE,
                text_before=HOSTILE,
            )
            for position, latex in enumerate(HOSTILE_LATEX, 1)
        ]
        state = store.begin_document(f"/{HOSTILE}/../../etc/passwd", "sha", "application/pdf", 1, HOSTILE, "o")
        store.write_page(state.id, FoundPage("x", 1, 99, 99, 0, PageKind.SCAN, (), ()), formulas)
        store.review_formula(1, "correct", HOSTILE, HOSTILE)


def make_database(path: Path, document: Path = SAMPLES / "calculus-notes.pdf") -> int:
    """Write the database and return the id of its least sure formula, a display on page 1."""
    facts = look_at(DocumentTask(document, None, FindOptions()))
    assert not hasattr(facts, "reason")
    sha256 = hashlib.sha256(document.read_bytes()).hexdigest()
    assert open_kept(document, None).sha256 == sha256
    with FormulaStore.open(path) as store:
        state = store.begin_document(str(document), sha256, facts.media_type, facts.page_count, facts.title, "test")
        for number in facts.numbers:
            found = work(PageTask(document, number, facts.statistics, FindOptions()))
            assert isinstance(found, FoundPage)
            formulas = []
            for position, region in enumerate(found.regions, 1):
                latex, confidence, status = region.glyph_latex or rf"x_{{{position}}}+1", 0.9, Status.OK
                if number == 1 and region.equation_number == "1.1":
                    (latex, confidence), status = DOUBTFUL, Status.INVALID
                elif position % 7 == 0:
                    confidence, status = 0.4 + position / 1000, Status.SUSPECT
                formulas.append(
                    Formula(
                        kind=region.kind,
                        position=position,
                        box=region.box,
                        latex=latex,
                        latex_raw=latex,
                        status=status,
                        confidence=confidence,
                        stop_reason="end",
                        model="test",
                        image_sha256=crop_sha256(region.crop) if isinstance(region.crop, np.ndarray) else "",
                        problems=check(latex).problems,
                        mathml=check(latex).mathml,
                        equation_number=region.equation_number,
                        text_before=region.text_before,
                        text_after=region.text_after,
                    )
                )
            store.write_page(state.id, found, formulas)
        store.finish_document(state.id, "finished")
        (formula_id,) = store.connection.execute("SELECT id FROM formulas ORDER BY confidence LIMIT 1").fetchone()
        return int(formula_id)
