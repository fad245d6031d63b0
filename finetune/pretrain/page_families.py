"""Document classes and font families for typeset pages, parted into development and test.

No class and no font family stands in both splits, so that a figure measured on `test` says what a finder does on
documents that nobody looked at while it was made. All come with TeX Live (latex, fonts-extra, science); what is not
installed is found by `installed_families` and left out.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class DocumentClass:
    """A LaTeX class with the sizes and options that it takes."""

    name: str
    sizes: tuple[str, ...]
    two_columns: str = "option"
    """`option` (one or two columns), `never`, or `always`."""
    has_chapters: bool = False
    is_slides: bool = False
    preamble: str = ""
    options: str = ""


@dataclass(frozen=True, slots=True)
class FontFamily:
    """Text and mathematics fonts that go together."""

    name: str
    preamble: str
    loads_symbols: bool = False
    """The family defines the symbols of amssymb, bm and mathrsfs itself; loading them too would clash."""
    engine: str = "pdflatex"
    encoding: str = "T1"
    needs: str = ""
    """A file that TeX must find, for families that are not in every installation."""


_SMALL, _BIG = ("10pt", "11pt", "12pt"), ("9pt", "10pt", "11pt", "12pt")

# A conference paper in two columns, as IEEEtran sets it; the class itself is in another package of TeX Live.
_CONFERENCE = r"""
\usepackage[a4paper,margin=17mm,columnsep=5mm]{geometry}
\makeatletter
\renewcommand\thesection{\Roman{section}}
\renewcommand\thesubsection{\Alph{subsection}}
\renewcommand\section{\@startsection{section}{1}{\z@}{1.5ex plus 1ex}{.7ex plus .2ex}%
  {\normalfont\normalsize\centering\scshape}}
\renewcommand\subsection{\@startsection{subsection}{2}{\z@}{1.5ex plus 1ex}{.7ex plus .2ex}%
  {\normalfont\normalsize\itshape}}
\makeatother
"""



def _opentype(
    name: str, text: str, mathematics: str, shapes: str = "Regular Italic Bold BoldItalic"
) -> FontFamily:
    """OpenType fonts as XeTeX and LuaTeX documents set them, and Word sets Cambria Math.

    Letters of formulas are characters of their own in Unicode.
    """
    roles = ("UprightFont", "ItalicFont", "BoldFont", "BoldItalicFont")
    files = ",".join(f"{role}=*-{shape}" for role, shape in zip(roles, shapes.split(), strict=True))
    preamble = rf"\usepackage{{unicode-math}}\setmainfont{{{text}}}[{files},Extension=.otf]"
    preamble += rf"\setmathfont{{{mathematics}}}"
    preamble += r"\AtBeginDocument{\def\boldsymbol#1{\symbf{#1}}\def\bm#1{\symbf{#1}}}"
    return FontFamily(name, preamble, loads_symbols=True, engine="lualatex", encoding="TU", needs=mathematics)


# T1-encoded Computer Modern comes as bitmaps where cm-super is missing, and the symbols of TS1 may be missing too: use
# OT1, and no sign of TS1.
_NO_BITMAPS = r"\AtBeginDocument{\def\textdegree{deg.\ }\def\textbullet{*}}"
# Iwona and Kurier have no double bar of the size of a letter and print nothing for it: that of Computer Modern.
_DOUBLE_BARS = r"""\AtBeginDocument{\DeclareSymbolFont{bars}{OMS}{cmsy}{m}{n}%
\DeclareMathDelimiter{\Vert}{\mathord}{bars}{"6B}{largesymbols}{"0D}%
\DeclareMathDelimiter{\lVert}{\mathopen}{bars}{"6B}{largesymbols}{"0D}%
\DeclareMathDelimiter{\rVert}{\mathclose}{bars}{"6B}{largesymbols}{"0D}%
\DeclareMathSymbol{\parallel}{\mathrel}{bars}{"6B}\expandafter\let\csname |\endcsname\Vert}"""

CLASSES: dict[str, tuple[DocumentClass, ...]] = {
    "dev": (
        DocumentClass("article", _SMALL),
        DocumentClass("report", _SMALL, "never", has_chapters=True),
        DocumentClass("book", _SMALL, "never", has_chapters=True),
        DocumentClass("amsart", _BIG, "never"),
        DocumentClass("extarticle", ("8pt", "9pt", "14pt"), preamble=r"\usepackage[margin=22mm]{geometry}"),
        DocumentClass("article", ("10pt",), "always", preamble=_CONFERENCE),
        DocumentClass("beamer", _SMALL, "never", is_slides=True, preamble=r"\setbeamertemplate{navigation symbols}{}"),
    ),
    "test": (
        DocumentClass("scrartcl", _SMALL),
        DocumentClass("scrreprt", _SMALL, "never", has_chapters=True),
        DocumentClass("memoir", _BIG, "never", has_chapters=True, options="oldfontcommands"),
        DocumentClass("amsbook", _SMALL, "never", has_chapters=True),
        DocumentClass("amsproc", _SMALL, "never"),
        DocumentClass("proc", ("10pt", "11pt"), "never"),
        DocumentClass("paper", _SMALL),
        DocumentClass("tufte-handout", ("",), "never", options="nobib,nofonts"),
    ),
}

FAMILIES: dict[str, tuple[FontFamily, ...]] = {
    "dev": (
        FontFamily("cm", _NO_BITMAPS, encoding="OT1"),
        FontFamily("cm-luatex", _NO_BITMAPS, engine="lualatex", encoding="OT1"),
        FontFamily("lmodern", r"\usepackage{lmodern}", needs="lmodern.sty"),
        FontFamily("palatino", r"\usepackage{mathpazo}"),
        FontFamily("newpx", r"\usepackage{newpxtext,newpxmath}", loads_symbols=True, needs="newpxmath.sty"),
        FontFamily("pxfonts", r"\usepackage{pxfonts}", needs="pxfonts.sty"),
        FontFamily("times", r"\usepackage{mathptmx}\AtBeginDocument{\def\hbar{{\mathchar'26\mkern-9muh}}}"),
        FontFamily("txfonts", r"\usepackage{txfonts}", needs="txfonts.sty"),
        FontFamily("fourier", r"\usepackage{fourier}", needs="fourier.sty"),
        FontFamily("kpfonts", r"\usepackage{kpfonts}", loads_symbols=True, needs="kpfonts.sty"),
        FontFamily("euler", r"\usepackage{palatino,eulervm}", needs="eulervm.sty"),
        FontFamily("cmbright", _NO_BITMAPS + r"\usepackage{cmbright}", encoding="OT1", needs="cmbright.sty"),
        FontFamily("arev", r"\usepackage{arev}", needs="arev.sty"),
        FontFamily(
            "xcharter",
            r"\usepackage{XCharter}\usepackage[charter]{newtxmath}",
            loads_symbols=True,
            needs="XCharter.sty",
        ),
        FontFamily("bookman", r"\usepackage{bookman}\usepackage[italic]{mathastext}", needs="mathastext.sty"),
        FontFamily("iwona", r"\usepackage[math]{iwona}" + _DOUBLE_BARS, needs="iwona.sty"),
        FontFamily("noto", r"\usepackage{notomath}", loads_symbols=True, needs="notomath.sty"),
        _opentype("newcm-unicode", "NewCM10", "NewCMMath-Book.otf", "Book BookItalic Bold BoldItalic"),
        _opentype("kp-unicode", "KpRoman", "KpMath-Regular.otf"),
        _opentype("xcharter-unicode", "XCharter", "XCharter-Math.otf", "Roman Italic Bold BoldItalic"),
        _opentype("euler-unicode", "NewCM10", "Euler-Math.otf", "Book BookItalic Bold BoldItalic"),
        _opentype("lm-unicode", "lmroman10", "latinmodern-math.otf", "regular italic bold bolditalic"),
    ),
    "test": (
        FontFamily("mlmodern", r"\usepackage{mlmodern}", needs="mlmodern.sty"),
        FontFamily(
            "newtx", _NO_BITMAPS + r"\usepackage{newtxtext,newtxmath}", loads_symbols=True, needs="newtxmath.sty"
        ),
        FontFamily("libertinus", r"\usepackage{libertine}\usepackage{libertinust1math}", needs="libertinust1math.sty"),
        FontFamily("stix", r"\usepackage{stix}", loads_symbols=True, needs="stix.sty"),
        FontFamily("stix2", r"\usepackage{stix2}", loads_symbols=True, needs="stix2.sty"),
        FontFamily(
            "stickstoo",
            r"\usepackage{stickstootext}\usepackage[stix2]{newtxmath}",
            loads_symbols=True,
            needs="stickstootext.sty",
        ),
        FontFamily("century", r"\usepackage{fouriernc}", needs="fouriernc.sty"),
        FontFamily("anttor", r"\usepackage[math]{anttor}", needs="anttor.sty"),
        FontFamily("kurier", r"\usepackage[math]{kurier}" + _DOUBLE_BARS, needs="kurier.sty"),
        FontFamily(
            "erewhon", r"\usepackage{erewhon}\usepackage[erewhon]{newtxmath}", loads_symbols=True, needs="erewhon.sty"
        ),
        FontFamily(
            "cochineal",
            r"\usepackage{cochineal}\usepackage[cochineal]{newtxmath}",
            loads_symbols=True,
            needs="cochineal.sty",
        ),
        FontFamily(
            "ebgaramond",
            r"\usepackage{ebgaramond}\usepackage[ebgaramond]{newtxmath}",
            loads_symbols=True,
            needs="ebgaramond.sty",
        ),
        FontFamily(
            "baskerville",
            r"\usepackage{baskervillef}\usepackage[baskerville]{newtxmath}",
            loads_symbols=True,
            needs="baskervillef.sty",
        ),
        FontFamily("mathdesign", r"\usepackage[utopia]{mathdesign}", loads_symbols=True, needs="mathdesign.sty"),
    ),
    "test-unicode": (
        _opentype("xits-unicode", "XITS", "XITSMath-Regular.otf"),
        _opentype("stix-two-unicode", "STIXTwoText", "STIXTwoMath-Regular.otf"),
        _opentype("libertinus-unicode", "LibertinusSerif", "LibertinusMath-Regular.otf"),
        _opentype("erewhon-unicode", "Erewhon", "Erewhon-Math.otf"),
        _opentype("garamond-unicode", "EBGaramond", "Garamond-Math.otf"),
    ),
}
"""Families of each split; `test-unicode` goes with the classes, words and formulas of `test`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one document is set; all that differs between documents of a split."""

    document_class: DocumentClass
    family: FontFamily
    size: str
    columns: int
    has_left_numbers: bool
    has_flush_left_displays: bool
    has_unicode_map: bool
    preamble: str
    has_more_blocks: bool = False
    """Exercises, pseudocode, displays in lists: not in `test`, whose pages stay those of the first measurement."""

    @property
    def name(self) -> str:
        """Class, family, size and columns, for tables of results."""
        return f"{self.document_class.name}/{self.family.name}/{self.size or '10pt'}/{self.columns}"


def draw_recipe(seed: int, split: str) -> Recipe:
    """Draw class, fonts, size, columns and layout of one document.

    Args:
        seed: Equal seeds give equal recipes on machines with the same fonts.
        split: `dev` or `test`.

    Returns:
        A recipe of installed parts only.

    Raises:
        KeyError: There is no such split.
        RuntimeError: There is no pdflatex.
    """
    rng = random.Random(f"recipe {seed} {split}")
    family = rng.choice(installed_families(split))
    document_class = rng.choice([c for c in CLASSES[split.removesuffix("-unicode")] if _has_file(f"{c.name}.cls")])
    columns = 2 if document_class.two_columns == "always" or document_class.name == "proc" else 1
    if document_class.two_columns == "option" and rng.random() < 0.35:
        columns = 2
    layout = []
    if "geometry" not in document_class.preamble and document_class.name in ("article", "report", "book", "paper"):
        margin = rng.choice((16, 20, 25, 32))
        layout.append(
            rf"\usepackage[{rng.choice(('a4paper', 'letterpaper', 'b5paper'))},margin={margin}mm]{{geometry}}"
        )
    if rng.random() < 0.3 and not document_class.is_slides:
        layout.append(r"\setlength\parindent{0pt}\setlength\parskip{5pt plus 2pt}")
    if rng.random() < 0.25:
        layout.append(rf"\linespread{{{rng.choice((1.05, 1.2, 1.4))}}}")
    if rng.random() < 0.3:
        layout.append(r"\usepackage{microtype}")
    if rng.random() < 0.15:
        layout.append(r"\raggedright")
    if split != "test" and not document_class.is_slides and rng.random() < 0.3:
        layout.append(r"\pagestyle{headings}")
    return Recipe(
        document_class=document_class,
        family=family,
        size=rng.choice(document_class.sizes),
        columns=columns,
        has_left_numbers=rng.random() < 0.2,
        has_flush_left_displays=rng.random() < 0.15,
        has_unicode_map=rng.random() < 0.6,
        preamble="\n".join(layout),
        has_more_blocks=split != "test",
    )


def installed_families(split: str) -> list[FontFamily]:
    """The font families of a split that this TeX installation has."""
    return [f for f in FAMILIES[split] if shutil.which(f.engine) and (not f.needs or _has_file(f.needs))]


def _has_file(name: str) -> bool:
    return name in _installed_files()


@cache
def _installed_files() -> frozenset[str]:
    """Which of the class and package files named here TeX can find, asked once."""
    if shutil.which("kpsewhich") is None:
        raise RuntimeError(
            "pages are typeset with pdflatex: install TeX Live (texlive-latex-extra, texlive-fonts-extra)"
        )
    names = {f"{c.name}.cls" for classes in CLASSES.values() for c in classes}
    names |= {f.needs for families in FAMILIES.values() for f in families if f.needs}
    found = subprocess.run(["kpsewhich", *sorted(names)], capture_output=True, text=True, check=False).stdout
    return frozenset(line.rsplit("/", 1)[-1] for line in found.splitlines())
