"""The endless stream of training batches: each loader worker typesets, cuts, degrades and packs on its own."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from docproc.latex.canonical import recognition_target
from finetune.pretrain.batches import Batch, Budget, Sample, group_samples, pack
from finetune.pretrain.crops import Crop, cut_formula, draw_margins, glyph_cells, to_canvas
from finetune.pretrain.degrade import degrade
from finetune.pretrain.family_labels import SAME, label_in
from finetune.pretrain.grammar import Grammar
from finetune.pretrain.ink import Ink, draw_ink
from finetune.pretrain.ink_context import on_a_sheet
from finetune.pretrain.neighbors import draw_neighbors, draw_nothing, draw_prose
from finetune.pretrain.pen_fonts import Hand
from finetune.pretrain.pen_symbols import Drawn
from finetune.pretrain.sources import Formula
from finetune.pretrain.symbol_library import Library
from finetune.pretrain.typeset import FAMILIES, Job, Sheet, draw_style, typeset
from finetune.pretrain.variation import vary
from finetune.pretrain.vocabulary import NOT, UNK, join_target, split_target
from finetune.pretrain.writer import Writer
from finetune.pretrain.written_crops import PageCutter, page_formulas
from finetune.pretrain.written_pages import InkStock

# Formulas that one worker's written pages choose from.
_PAGE_FORMULAS = 60_000

Points = Sequence[tuple[float, float]]
"""A piecewise linear function of training seconds: (seconds, value)."""


def value_at(points: Points, seconds: float) -> float:
    """Value of a piecewise linear function; constant before its first and after its last point."""
    if seconds <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if seconds <= x1:
            return y0 + (y1 - y0) * (seconds - x0) / (x1 - x0)
    return points[-1][1]


@dataclass(frozen=True)
class Curriculum:
    """What the stream holds as training goes on (functions of training seconds)."""

    length: Points = ((0, 5), (35, 9), (75, 25), (135, 80), (200, 200), (270, 400))
    """Most label tokens."""
    real: Points = ((0, 0.05), (50, 0.1), (100, 0.45), (220, 0.75), (600, 0.82))
    """Share of real formulas among printed ones."""
    long: Points = ((0, 0.0), (300, 0.1), (600, 0.25), (1000, 0.25), (1100, 0.3))
    """Share of printed real formulas that are drawn from those over 40 tokens."""
    varied: Points = ((0, 0.0), (600, 0.0), (1000, 0.3))
    """Share of printed real formulas with exchanged symbols or alphabets."""
    degraded: Points = ((0, 0.0), (70, 0.05), (130, 0.25), (300, 0.5), (1000, 0.5), (1100, 0.62))
    context: Points = ((0, 0.0), (60, 0.1), (150, 0.42))
    ink: Points = ((0, 0.0), (110, 0.0), (300, 0.10), (700, 0.17), (1000, 0.17), (1100, 0.13))
    """Share of handwriting written alone."""
    pages: Points = ((0, 0.0), (1000, 0.0), (1030, 0.22))
    """Share of handwriting cut out of written pages."""
    nothing: Points = ((0, 0.0), (60, 0.01), (150, 0.025))
    glyphs: Points = ((0, 1.0), (250, 1.0), (400, 0.5), (900, 0.25), (1000, 0.0))
    """Share of printed samples whose glyphs are read for the auxiliary loss."""
    scale: Points = ((0, 0.0), (120, 1.0))
    """0: letters of 20-26 pixels alone; 1: the whole range."""


@dataclass
class Corpus:
    """What the workers draw from; made once, shared by fork."""

    formulas: list[Formula]
    labels: list[list[int]]
    """Token ids of each formula's target."""
    inks: list[Ink]
    ink_labels: list[list[int]]
    words: dict[str, int]
    """Token to id."""
    glyph_classes: dict[int, int]
    families: tuple[str, ...] = tuple(FAMILIES)
    program: str = "pdflatex"
    drawn: Drawn = field(default_factory=dict)
    """Drawings of signs that few people wrote."""
    hands: list[Hand] = field(default_factory=list)
    """Fonts thinned to strokes, for the words of written pages and some formulas."""
    formats: Path | None = None
    """Where preambles are kept as TeX formats; None loads the packages in every run."""
    inline: NDArray[np.int64] = field(init=False, repr=False)
    displays: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lengths = np.array([len(x) for x in self.labels] or [0])
        order = np.argsort(lengths, kind="stable")[: len(self.labels)]
        is_display = np.array([f.display for f in self.formulas] or [False])
        self.inline, self.displays = order[~is_display[order]], order[is_display[order]]
        self.lengths = lengths
        self.library = Library(self.inks, self.drawn)


def encode(target: str, words: dict[str, int]) -> list[int] | None:
    """Token ids of canonical LaTeX; None where a token is not in the vocabulary."""
    ids = [words.get(t, UNK) for t in split_target(target)]
    return None if UNK in ids else ids


class Producer:
    """Makes samples; one for each worker."""

    def __init__(self, corpus: Corpus, curriculum: Curriculum, budget: Budget, rng: random.Random) -> None:
        self.corpus, self.curriculum, self.budget, self.rng = corpus, curriculum, budget, rng
        self.grammar = Grammar(rng)
        self.names = {i: t for t, i in corpus.words.items()}
        self._cutter: PageCutter | None = None
        self._from_pages: list[Sample] = []

    def samples(self, seconds: float, count: int) -> list[Sample]:
        """About `count` samples as the curriculum has them at this time of training."""
        c, r = self.curriculum, self.rng
        ink, nothing = value_at(c.ink, seconds), value_at(c.nothing, seconds)
        pages = value_at(c.pages, seconds) if self.corpus.inks else 0.0
        printed = 1 - ink - pages - nothing / 2
        found = self._printed(seconds, round(count * printed), nothing / 2) if printed > 0 else []
        count = round(len(found) / printed) if printed > 0 else count  # pages may be seen twice
        if self.corpus.inks:
            found += [s for _ in range(round(count * ink)) if (s := self._written(seconds)) is not None]
        found += self._cut_from_pages(seconds, round(count * pages))
        found += [self._nothing() for _ in range(round(count * nothing / 2))]
        r.shuffle(found)
        return found

    def _printed(self, seconds: float, count: int, prose: float) -> list[Sample]:
        r, c = self.rng, self.curriculum
        family, size, points = draw_style(r, self.corpus.families)
        context, real = value_at(c.context, seconds), value_at(c.real, seconds)
        most = int(value_at(c.length, seconds))
        jobs: list[Job] = []
        labels: list[tuple[list[int], str, bool]] = []
        while len(jobs) < count:
            if r.random() < prose:
                jobs.append(Job(draw_prose(r)))
                labels.append(([NOT], "nothing", False))
                continue
            long = value_at(c.long, seconds)
            varied = value_at(c.varied, seconds)
            found = self._draw_real(most, long, varied) if r.random() < real else self._draw_random(most)
            if found is None:
                continue
            latex, ids, display, group = found
            shown = self._as_printed(ids, family)
            if shown is None:
                continue
            near = r.random() < context
            neighbors, tight = draw_neighbors(r, display, len(latex)) if near else (("", "", "", ""), False)
            jobs.append(Job(latex, display, *neighbors))
            labels.append((shown, group, tight))
        corpus = self.corpus
        sheet = typeset(jobs, family=family, size=size, points=points, program=corpus.program, formats=corpus.formats)
        return self._cut(sheet, jobs, labels, seconds) if sheet else []

    def _draw_real(self, most: int, long: float, varied: float) -> tuple[str, list[int], bool, str] | None:
        r, corpus = self.rng, self.corpus
        pool = corpus.displays if r.random() < 0.42 else corpus.inline
        lengths = corpus.lengths[pool]
        high = int(np.searchsorted(lengths, most, "right"))
        low = int(np.searchsorted(lengths, 40, "right")) if most > 60 and r.random() < long else 0
        if high <= low:
            return None
        i = int(pool[r.randrange(low, high)])
        f = corpus.formulas[i]
        display = f.display if r.random() < 0.9 else not f.display
        if r.random() < varied and (other := self._vary(f.target, most)) is not None:
            return *other, display, "varied"
        return f.latex, corpus.labels[i], display, "real"

    def _as_printed(self, ids: list[int], family: str) -> list[int] | None:
        """The label as this font family prints it."""
        words = self.corpus.words
        if not any(words.get(command) in ids for command in SAME.get(family, ())):
            return ids
        label = label_in(join_target(self.names[i] for i in ids), family)
        return encode(label, words) if label else None

    def _vary(self, target: str, most: int) -> tuple[str, list[int]] | None:
        """A varied formula with its labels."""
        latex = vary(target, self.rng)
        wanted = recognition_target(latex) if latex else None
        ids = encode(wanted, self.corpus.words) if wanted else None
        return (latex or "", ids) if ids is not None and len(ids) <= most else None

    def _draw_random(self, most: int) -> tuple[str, list[int], bool, str] | None:
        r = self.rng
        sizes = [n for n in (1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 30, 42, 60) if n <= most]
        latex = self.grammar.formula(r.choice(sizes))
        target = recognition_target(latex)
        ids = encode(target, self.corpus.words) if target else None
        if ids is None or len(ids) > most:
            return None
        return latex, ids, r.random() < 0.5, "random"

    def _draw_em(self, seconds: float) -> float:
        """Letter size in pixels: the product delivers about 22; other callers anything from 100 to 260 dpi."""
        r = self.rng
        if r.random() < 0.5 or r.random() > value_at(self.curriculum.scale, seconds):
            return r.uniform(20, 26)
        return 13.0 * float((38 / 13) ** r.random())

    def _cut(
        self, sheet: Sheet, jobs: list[Job], labels: list[tuple[list[int], str, bool]], seconds: float
    ) -> list[Sample]:
        import pymupdf

        found = []
        try:
            pdf = pymupdf.open("pdf", sheet.pdf)
        except pymupdf.FileDataError:
            return []
        # Typesetting is half of the work: later on, each page is looked at twice and, when little is new, three times.
        views = 1 if seconds < 150 else 2 if seconds < 1000 else 3
        for page_index, i in sheet.pages:
            page = pdf[page_index]
            found += [
                s for _ in range(views) if (s := self._look(page, sheet.em_pt, jobs[i], labels[i], seconds)) is not None
            ]
        pdf.close()
        return found

    def _look(
        self, page: Any, em_pt: float, job: Job, label: tuple[list[int], str, bool], seconds: float
    ) -> Sample | None:
        """One view of a typeset page: its own scale, margins and degradation."""
        r, curriculum = self.rng, self.curriculum
        ids, group, tight = label
        em = self._draw_em(seconds)
        scale = em / em_pt
        wide = page.rect.width * page.rect.height * scale * scale / 256
        if wide > 2.2 * self.budget.sample_cells:  # it would be shrunk to a half: letters too small to read
            scale *= (2.2 * self.budget.sample_cells / wide) ** 0.5
        margins = draw_margins(r, em, (page.rect.height - 24) * scale)
        if tight:
            margins = (min(margins[0], 0.12 * em), margins[1], min(margins[2], 0.12 * em), margins[3])
        near = bool(job.left or job.right or job.above or job.below)
        want_glyphs = group != "nothing" and r.random() < value_at(curriculum.glyphs, seconds)
        crop = cut_formula(page, scale, near, margins, want_glyphs)
        if crop is None or max(crop.grey.shape) >= 3000:
            return None
        return self._finish(crop, ids, group, r.random() < value_at(curriculum.degraded, seconds))

    def _finish(self, crop: Crop, ids: list[int], group: str, worse: bool) -> Sample:
        if worse:
            crop = degrade(crop, self.rng)
        canvas = to_canvas(crop, self.rng, self.budget.sample_cells)
        glyphs = glyph_cells(canvas, self.corpus.glyph_classes) if crop.glyphs else None
        return Sample(255 - canvas.grey, ids, glyphs, group)

    def _written(self, seconds: float) -> Sample | None:
        """A handwritten expression, or a formula composed out of written symbols."""
        r, corpus = self.rng, self.corpus
        most = int(value_at(self.curriculum.length, seconds))
        if r.random() < 0.3:
            i = r.randrange(len(corpus.inks))
            ids, grey = corpus.ink_labels[i], draw_ink(corpus.inks[i].strokes, r)
        else:
            for _ in range(30):
                ids = r.choice(corpus.ink_labels if r.random() < 0.25 else corpus.labels)
                if 0 < len(ids) <= min(most, 60):
                    writer = Writer(corpus.library, r)
                    if corpus.hands and r.random() < 0.2:
                        writer.borrow(r.choice(corpus.hands))
                    strokes = writer.write([self.names[x] for x in ids])
                    if strokes is not None:
                        break
            else:
                return None
            grey = draw_ink(strokes, r, unit=1.0)
        if len(ids) > most or not ids:
            return None
        neighbor = draw_ink(r.choice(corpus.inks).strokes, r) if r.random() < 0.3 else None
        grey = on_a_sheet(grey, neighbor, r)
        return self._finish(Crop(grey), ids, "ink", r.random() < 0.5 * value_at(self.curriculum.degraded, seconds))

    def _cut_from_pages(self, seconds: float, count: int) -> list[Sample]:
        """Formulas of written pages, two views each; what is left of a page waits for the next call."""
        r, corpus = self.rng, self.corpus
        if count and self._cutter is None:
            chosen = r.sample(corpus.formulas, min(len(corpus.formulas), _PAGE_FORMULAS))
            formulas = page_formulas([(f.latex, f.display) for f in chosen])
            self._cutter = PageCutter(InkStock(corpus.inks, corpus.hands, formulas, corpus.library, "train"), r)
        most, worse = int(value_at(self.curriculum.length, seconds)), value_at(self.curriculum.degraded, seconds)
        for _ in range(count):  # a page gives one at least, on the average many
            if self._cutter is None or len(self._from_pages) >= count:
                break
            try:
                crops = list(self._cutter.crops())
            except (ValueError, LookupError, ArithmeticError, cv2.error) as error:
                # None of 1,000 pages; a worker that dies takes the run with it.
                print(f"A page by hand failed: {error!r}", flush=True)
                continue
            for crop in crops:
                target = recognition_target(crop.latex)
                ids = encode(target, corpus.words) if target else None
                if ids and len(ids) <= most:
                    self._from_pages.append(self._finish(Crop(crop.grey), ids, "page", r.random() < 0.7 * worse))
        found, self._from_pages = self._from_pages[:count], self._from_pages[count:]
        return found

    def _nothing(self) -> Sample:
        return self._finish(Crop(draw_nothing(self.rng)), [NOT], "nothing", self.rng.random() < 0.5)


class TrainingStream(torch.utils.data.IterableDataset[Batch]):
    """Batches without end. `clock` holds the training seconds so far (shared memory, written by the trainer)."""

    def __init__(self, corpus: Corpus, curriculum: Curriculum, budget: Budget, clock: Any, noise: float = 0.1) -> None:
        self.corpus, self.curriculum, self.budget, self.clock, self.noise = corpus, curriculum, budget, clock, noise

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        torch.set_num_threads(1)
        rng = random.Random(os.urandom(8))
        np.random.seed(rng.randrange(2**31))
        noise = np.random.default_rng(rng.randrange(2**31))
        producer = Producer(self.corpus, self.curriculum, self.budget, rng)
        buffer: list[Sample] = []
        while True:
            seconds = float(self.clock.value)
            size = 700 if seconds < 20 else 1_800 if seconds < 150 else 3_000
            while len(buffer) < size:
                buffer += producer.samples(seconds, 400 if seconds < 150 else 900)
            rng.shuffle(buffer)
            batch = next(group_samples(reversed(buffer), self.budget))
            taken = {id(s) for s in batch}
            buffer = [s for s in buffer if id(s) not in taken and s.cells <= self.budget.sample_cells]
            yield pack(batch, self.budget, self.noise, noise, len(self.corpus.words))


def profile(corpus: Corpus, seconds: float, count: int = 1200) -> float:
    """Samples a second that one core makes at this time of training (prints nothing; see docs/training.md)."""
    producer = Producer(corpus, Curriculum(), Budget(), random.Random(1))
    start, made = time.perf_counter(), 0
    while made < count:
        made += len(producer.samples(seconds, 400))
    return made / (time.perf_counter() - start)


def load_words(path: Path) -> dict[str, int]:
    """Token to id of a tokenizer.json written by `vocabulary.save_tokenizer`."""
    from tokenizers import Tokenizer

    words: dict[str, int] = Tokenizer.from_file(str(path)).get_vocab()
    return words
