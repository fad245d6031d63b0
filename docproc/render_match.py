"""Typeset truths and readings with TeX and compare the pictures."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docproc.latex.canonical import canonical, recognition_target
from docproc.latex.tree import LatexError, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pymupdf

# Enough to tell n from a in a script of 5 points.
_DPI = 250
_CHUNK = 1000
_TIMEOUT_SECONDS = 240
# Pictures may differ by spaces that a match key folds: sizes by this share, ink by that share of all ink.
_SIZE_TOLERANCE = 0.08
_INK = 128
_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage{amsmath,amssymb,mathtools,bm,mathrsfs}
\IfFileExists{mhchem.sty}{\usepackage[version=4]{mhchem}}{}
\pagestyle{empty}\parindent0pt
\newbox\formulabox
\def\docprocformula#1#2{\wlog{@@BEGIN #1}\setbox\formulabox\hbox{\kern3pt$\displaystyle{#2}$\kern3pt}%
\pdfpagewidth=\wd\formulabox \pdfpageheight=\dimexpr\ht\formulabox+\dp\formulabox+8pt\relax
\pdfhorigin=0pt \pdfvorigin=4pt
\ifdim\wd\formulabox<8000pt\ifdim\wd\formulabox>6.1pt\ifdim\pdfpageheight<8000pt
\wlog{@@PAGE #1}\shipout\box\formulabox\fi\fi\fi}
\begin{document}
"""
# What could reach a file or the shell, or end the run.
_FORBIDDEN = re.compile(
    r"\\(?:input|include|openin|openout|read|write|immediate|special|pdf\w*|catcode|def|edef|gdef|xdef|let|csname|"
    r"expandafter|loop|newcommand|renewcommand|usepackage|documentclass|end(?!\{)|stop|bye|shipout|halign|everymath|"
    r"directlua|jobname|verb|begin\{(?:document|verbatim|filecontents\*?)\})(?![a-zA-Z])|\^\^|#|%")


@dataclass(frozen=True, slots=True)
class RenderMatch:
    """How many pictures are equal; failures of truth and reading are counted apart."""

    compared: int
    """Pairs of which both could be typeset."""
    equal: int
    truth_failures: int
    read_failures: int
    """Readings that fail where their truth does not."""
    is_equal: tuple[bool | None, ...] = ()
    """One a pair; None where one of the two could not be typeset."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values; the match is over pairs whose truth could be typeset, a failed reading counts as wrong."""
        n = self.compared + self.read_failures
        return {"match": round(self.equal / n, 4) if n else None, "compared": self.compared, "equal": self.equal,
                "truth_failures": self.truth_failures, "read_failures": self.read_failures}


def has_tex() -> bool:
    """Whether pdflatex is installed."""
    return shutil.which("pdflatex") is not None


def match_renders(pairs: Sequence[tuple[str, str]]) -> RenderMatch:
    """Typeset truths and readings as displays and compare them.

    Args:
        pairs: Truth and reading.

    Both are typeset in the form that `recognition_target` settles: what a reader cannot tell (thin spaces, the size of
    brackets around a line) does not count.

    Returns:
        The counts. Equal means the same ink after registration, up to spaces too small to be read.
    """
    wanted = sorted({_settled(latex) for pair in pairs for latex in pair})
    pictures = render_latex(wanted)
    outcome: list[bool | None] = []
    truth_failures = read_failures = 0
    for truth, read in pairs:
        one, other = pictures.get(_settled(truth)), pictures.get(_settled(read))
        if one is None:
            truth_failures += 1
        elif other is None:
            read_failures += 1
        outcome.append(None if one is None or other is None else look_equal(one, other))
    compared = sum(x is not None for x in outcome)
    return RenderMatch(compared, sum(x is True for x in outcome), truth_failures, read_failures, tuple(outcome))


def _settled(latex: str) -> str:
    return recognition_target(latex) or canonical(latex)


def render_latex(formulas: Sequence[str], dpi: int = _DPI) -> dict[str, np.ndarray]:
    """Typeset formulas with one pdflatex run for each thousand; no shell escape, no files beside its own folder.

    Args:
        formulas: LaTeX mathematics; what could read or write files is left out.
        dpi: Resolution of the pictures.

    Returns:
        Picture of each formula that TeX takes without an error: grey uint8, 0 = ink, cut to its ink.
    """
    safe = [latex for latex in formulas if is_safe(latex)]
    pictures: dict[str, np.ndarray] = {}
    for start in range(0, len(safe), _CHUNK):
        pictures |= _render_chunk(safe[start:start + _CHUNK], dpi)
    return pictures


def is_safe(latex: str) -> bool:
    """Whether TeX may be given a formula: it parses, reaches no file or shell and does not end the run."""
    try:
        return bool(parse(latex).items) and not _FORBIDDEN.search(latex)
    except LatexError:
        return False


def _render_chunk(formulas: Sequence[str], dpi: int) -> dict[str, np.ndarray]:
    import pymupdf

    pdf, shipped = typeset_pdf(formulas)
    pictures = {}
    if pdf:
        with pymupdf.open("pdf", pdf) as document:
            for page, index in zip(document, shipped, strict=True):
                if index is not None:
                    pictures[formulas[index]] = page_ink(page, dpi)
    return pictures


def page_ink(page: pymupdf.Page, dpi: int) -> np.ndarray:
    """The ink of a page, grey uint8 of shape (height, width), cut tight."""
    import pymupdf

    picture = page.get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
    return cut_to_ink(np.frombuffer(picture.samples, np.uint8).reshape(picture.h, picture.stride)[:, :picture.w])


def typeset_pdf(formulas: Sequence[str]) -> tuple[bytes, list[int | None]]:
    """Typeset formulas, one a page, with one run of pdflatex.

    Args:
        formulas: LaTeX mathematics that reads and writes no files.

    Returns:
        The PDF, and for each of its pages the index of its formula, None where TeX complained. Empty if nothing could
        be set.
    """
    ended, pdf, shipped, bad, last = _run_pdflatex(formulas)
    skipped: set[int] = set()
    while not _has_its_pages(ended, pdf, shipped):
        # One formula stopped the run (an endless loop), or the hundredth error: go on without those. Or one left a
        # group open, and what followed ran into it: go on without that one.
        more = {min(bad)} if ended and bad else bad | ({last} if last is not None else set())
        if more <= skipped:
            return b"", []
        skipped |= more
        ended, pdf, shipped, bad, last = _run_pdflatex(["x" if i in skipped else f for i, f in enumerate(formulas)])
    return pdf, [None if index in bad or index in skipped else index for index in shipped]


def _has_its_pages(ended: bool, pdf: bytes, shipped: Sequence[int]) -> bool:
    import pymupdf

    if not ended:
        return False
    with pymupdf.open("pdf", pdf) as document:
        return len(document) == len(shipped)


def _run_pdflatex(formulas: Sequence[str]) -> tuple[bool, bytes, list[int], set[int], int | None]:
    """Whether it ended well, the PDF, the formula of each page, those with errors, and the last one begun."""
    with tempfile.TemporaryDirectory(prefix="docproc-tex-") as name:
        folder = Path(name)
        lines = [f"\\docprocformula{{{i}}}{{{' '.join(latex.split())}}}" for i, latex in enumerate(formulas)]
        (folder / "a.tex").write_text(_PREAMBLE + "\n".join(lines) + "\n\\end{document}\n", "utf-8", "replace")
        command = ["pdflatex", "-no-shell-escape", "-interaction=batchmode", "a.tex"]
        ended = True
        try:
            subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=_TIMEOUT_SECONDS, check=False,
                           env=_tex_environment())
        except subprocess.TimeoutExpired:
            ended = False
        log, pdf = folder / "a.log", folder / "a.pdf"
        shipped, bad, last = _read_log(log.read_text("utf-8", "replace") if log.exists() else "")
        ended = ended and pdf.exists()
        return ended, pdf.read_bytes() if ended else b"", shipped, bad, last


def _tex_environment() -> dict[str, str]:
    import os

    # Paranoid: TeX neither reads nor writes outside its folder and its own tree.
    return {**os.environ, "openin_any": "p", "openout_any": "p", "shell_escape": "f"}


def _read_log(log: str) -> tuple[list[int], set[int], int | None]:
    shipped: list[int] = []
    bad: set[int] = set()
    current: int | None = None
    for line in log.splitlines():
        if line.startswith("@@BEGIN "):
            current = int(line[8:])
        elif line.startswith("@@PAGE "):
            shipped.append(int(line[7:]))
        elif line.startswith(("! ", "Missing character")) and current is not None:
            bad.add(current)
    return shipped, bad, current


def cut_to_ink(grey: np.ndarray) -> np.ndarray:
    """Cut a picture (grey uint8, 0 = ink) to its ink; shape (0, 0) where there is none."""
    ink = grey < _INK
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return np.zeros((0, 0), np.uint8)
    return grey[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].copy()


def look_equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures show the same symbols in the same places, small spaces aside.

    Both are cut at their empty columns into pieces, which are compared one by one: a thin space more or less moves
    what follows but changes no piece.
    """
    if abs(one.shape[0] - other.shape[0]) > max(2, _SIZE_TOLERANCE * max(one.shape[0], other.shape[0])):
        return False
    pieces, others = _pieces(one), _pieces(other)
    return len(pieces) == len(others) and all(_same_piece(a, b) for a, b in zip(pieces, others, strict=True))


def _pieces(picture: np.ndarray) -> list[np.ndarray]:
    ink = picture < _INK
    columns = np.flatnonzero(ink.any(0))
    if not len(columns):
        return []
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    return [ink[:, run[0]:run[-1] + 1] for run in runs]


def _same_piece(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal up to a shift of two pixels and one pixel of outline."""
    if abs(one.shape[1] - other.shape[1]) > 3:
        return False
    height, width = max(one.shape[0], other.shape[0]) + 6, max(one.shape[1], other.shape[1]) + 6
    a, b = np.zeros((height, width), bool), np.zeros((height, width), bool)
    a[3:3 + one.shape[0], 3:3 + one.shape[1]] = one
    b[3:3 + other.shape[0], 3:3 + other.shape[1]] = other
    thick = a.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            thick |= np.roll(a, (dy, dx), (0, 1))
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            shifted = np.roll(b, (dy, dx), (0, 1))
            thick_b = shifted | np.roll(shifted, 1, 0) | np.roll(shifted, -1, 0) | np.roll(shifted, 1, 1) \
                | np.roll(shifted, -1, 1)
            if not (shifted & ~thick).any() and not (a & ~thick_b).any():
                return True
    return False
