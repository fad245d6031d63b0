"""Typeset formulas by the hundred with one pdflatex run; one page a formula, with neighbours in red around it.

What surrounds a formula on a real page (words, punctuation, lines above and below, an equation number) is typeset
around it in red. The red channel of the rendered page then shows the formula alone, which gives its exact ink box, and
the green channel shows everything: a crop of it is what a detector would cut out of the page.
"""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_AMS = r"\usepackage{amsmath,amssymb,amsfonts}"
_PLAIN = r"\usepackage{amsmath}"


def _use(package: str, options: str = "") -> str:
    return rf"\usepackage{options}{{{package}}}"


FAMILIES: dict[str, str] = {
    "cm": _AMS,
    "lm": _AMS + _use("lmodern"),
    "ptmx": _AMS + _use("mathptmx"),
    "pazo": _AMS + _use("mathpazo"),
    "tx": _PLAIN + _use("txfonts"),
    "px": _PLAIN + _use("pxfonts"),
    "newtx": _PLAIN + _use("newtxtext,newtxmath"),
    "newpx": _PLAIN + _use("newpxtext,newpxmath"),
    "fourier": _AMS + _use("fourier"),
    "euler": _AMS + _use("eulervm"),
    "kp": _PLAIN + _use("kpfonts"),
    "stix2": _PLAIN + _use("stix2"),
    "stix": _PLAIN + _use("stix"),
    "cmbright": _AMS + _use("cmbright"),
    "arev": _AMS + _use("arev"),
    "md": _PLAIN + _use("mathdesign", "[utopia]"),
    "lib": _AMS + _use("libertine") + _use("libertinust1math"),
    "iwona": _AMS + _use("iwona", "[math]"),
    "anttor": _AMS + _use("anttor", "[math]"),
    "chart": _PLAIN + _use("XCharter") + _use("newtxmath", "[charter]"),
}
"""Mathematics font families: LaTeX preamble of each."""

_T1_FAMILIES = frozenset(("stix2", "stix", "newtx", "newpx", "chart", "kp", "lib", "fourier", "md"))
_OLD_SANS = (  # these families ask for T1 Computer Modern sans and typewriter, which has no outlines in a small tree
    r"\DeclareMathAlphabet{\mathsf}{OT1}{cmss}{m}{n}\DeclareMathAlphabet{\mathtt}{OT1}{cmtt}{m}{n}"
    r"\def\textsf#1{\text{\fontencoding{OT1}\fontfamily{cmss}\selectfont #1}}"  # a font alone is idle in mathematics
    r"\def\texttt#1{\text{\fontencoding{OT1}\fontfamily{cmtt}\selectfont #1}}"
)
_AS_MATHEMATICS = r"\\math\1{\2}"
_WORD = re.compile(r"\\text(sf|tt)\{([A-Za-z0-9]+)\}")
r"""Words whose label is `\mathsf` or `\mathtt`: set so, for some families print the two apart."""

FREQUENT = ("cm", "cm", "cm", "cm", "lm", "lm", "ptmx", "newtx", "tx", "stix2", "pazo", "newpx")
"""Families that most printed mathematics uses; half of the runs draw from these."""

SIZES = {"footnotesize": (8, 9, 10), "small": (9, 10, 10.95), "normalsize": (10, 10.95, 12), "large": (12, 12, 14.4)}
"""Size command: letter size in points at 10, 11 and 12 pt document size."""

MARGIN_PT = 12.0
"""White (or red neighbours) kept around the formula's TeX box."""

_PREAMBLE = r"""\documentclass[%(points)dpt]{article}
\pdfcompresslevel=0 \pdfobjcompresslevel=0
%(family)s
\usepackage{mathtools,bm%(script)s}
\usepackage[version=4]{mhchem}%(sans)s
\pagestyle{empty}\parindent0pt
\newbox\fb\newbox\nb\newdimen\mg \mg=%(margin)spt
\def\red{\pdfliteral direct{1 0 0 rg 1 0 0 RG}}\def\black{\pdfliteral direct{0 g 0 G}}
\def\DPbox#1{\hbox{\red\vbox{\hbox{#1}}\black}}
\def\DP#1#2#3#4#5#6#7{\setbox1\vbox{\noindent x\par}\wlog{@@B #1}\setbox\fb\hbox{$#2 #3\relax$}%%
\setbox\nb\hbox{%%
\rlap{\smash{\raise\dimexpr\ht\fb+\dp\strutbox+1pt\relax\hbox to 0pt{\hskip-30pt\DPbox{#6}\hss}}}%%
\rlap{\smash{\lower\dimexpr\dp\fb+\ht\strutbox+1pt\relax\hbox to 0pt{\hskip-40pt\DPbox{#7}\hss}}}%%
\llap{\smash{\DPbox{#4}}}\copy\fb\rlap{\smash{\DPbox{#5}}}}%%
\pdfpagewidth=\dimexpr\wd\fb+2\mg\relax \pdfpageheight=\dimexpr\ht\fb+\dp\fb+2\mg\relax
\pdfhorigin=\mg \ht\nb=\ht\fb \dp\nb=\dp\fb \pdfvorigin=\mg
\ifdim\wd\fb<\widest\ifdim\wd\fb>1pt\wlog{@@S #1}\shipout\box\nb\fi\fi}
"""
_BEGIN = "\\def\\widest{%(widest)spt}\\begin{document}\\batchmode\\%(size)s\n"


@dataclass(frozen=True, slots=True)
class Job:
    """A formula to typeset and its neighbours (LaTeX text, may be empty)."""

    latex: str
    display: bool = False
    left: str = ""
    right: str = ""
    above: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A typeset run."""

    pdf: bytes
    pages: list[tuple[int, int]]
    """(page index, job index) of the formulas that came out without an error or a missing character."""
    em_pt: float
    """Letter size in points."""
    family: str


def typeset(
    jobs: Sequence[Job],
    *,
    family: str = "cm",
    size: str = "normalsize",
    points: int = 10,
    program: str = "pdflatex",
    widest_pt: float = 620.0,
    formats: Path | None = None,
    most_seconds: float = 10.0,
) -> Sheet | None:
    """Typeset `jobs`, one page each.

    Args:
        jobs: Formulas; LaTeX that breaks the run costs the whole run.
        family: Key of `FAMILIES`, or the LaTeX preamble of another family (then without `formats`).
        size: Key of `SIZES`.
        points: Document size, 10, 11 or 12.
        program: pdflatex or its path in a tree made by tex_tree.py.
        widest_pt: Wider formulas are left out.
        formats: Folder in which the preamble of each family is kept as a TeX format, made when first asked for: loading
            packages takes as long as typesetting 300 formulas.
        most_seconds: A run that takes longer is given up.

    Returns:
        The pages, or None if TeX did not end well.
    """
    head = _preamble(family, points)
    begin = _BEGIN % {"widest": widest_pt, "size": size}
    body = [
        rf"\DP{{{i}}}{{\{'display' if j.display else 'text'}style}}"
        f"{{{_WORD.sub(_AS_MATHEMATICS, j.latex)}}}{{{j.left}}}{{{j.right}}}{{{j.above}}}{{{j.below}}}"
        for i, j in enumerate(jobs)
    ]
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        place = Path(folder)
        text = begin + "\n".join(body) + "\n\\end{document}\n"
        command = [program, "-no-shell-escape", "-interaction=batchmode"]
        loaded = formats and _format(head, f"{family}-{points}", formats, program)
        if loaded:
            command.append(f"-fmt={loaded.resolve().with_suffix('')}")
        (place / "a.tex").write_text(text if loaded else head + text)
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [*command, "a.tex"],
                cwd=place,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=most_seconds,
                check=False,
            )
        if not (place / "a.pdf").exists() or not (place / "a.log").exists():
            return None
        log = (place / "a.log").read_text(errors="replace")
        pdf = (place / "a.pdf").read_bytes()
    shipped, bad, current = [], set(), -1
    for line in log.split("\n"):
        if line.startswith("@@B "):
            current = int(line[4:])
        elif line.startswith("@@S "):
            shipped.append(int(line[4:]))
        elif line.startswith(("! ", "Missing character", "Overfull")):
            bad.add(current)
            if line.startswith("! Huge page"):  # announced, but TeX leaves it out
                shipped.pop()
    if b"%%EOF" not in pdf[-1024:] or _page_count(pdf) != len(shipped):
        return None
    em = SIZES[size][points - 10]
    return Sheet(pdf, [(page, i) for page, i in enumerate(shipped) if i not in bad], em, family)


def _page_count(pdf: bytes) -> int:
    import pymupdf

    with pymupdf.open("pdf", pdf) as document:
        return int(document.page_count)


def _preamble(family: str, points: int) -> str:
    return _PREAMBLE % {
        "points": points,
        "family": FAMILIES.get(family, family),
        "sans": _OLD_SANS if family in _T1_FAMILIES else "",
        "script": "" if family.startswith("stix") else ",mathrsfs",
        "margin": MARGIN_PT,
    }


def _format(head: str, name: str, folder: Path, program: str) -> Path | None:
    """The preamble as a format file, which is made if it is not there; None if TeX cannot make it.

    Several processes may ask at once: each makes its own and moves it into place.
    """
    target = folder / f"{name}.fmt"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        (Path(work) / "f.tex").write_text(head + "\\dump\n")
        command = [program, "-ini", "-no-shell-escape", "-interaction=batchmode", "&pdflatex", "f.tex"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False
            )
        made = Path(work) / "f.fmt"
        if made.exists():
            made.replace(target)
    return target if target.exists() else None


def draw_style(rng: random.Random, families: Sequence[str]) -> tuple[str, str, int]:
    """Draw a font family (half of the time a frequent one), a size command and a document size."""
    frequent = [f for f in FREQUENT if f in families]
    family = rng.choice(frequent) if frequent and rng.random() < 0.5 else rng.choice(list(families))
    size = rng.choice(["footnotesize", "small", "normalsize", "normalsize", "normalsize", "large"])
    return family, size, rng.choice([10, 10, 11, 12])
