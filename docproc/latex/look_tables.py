r"""Tables of synonyms: spellings that put the same ink on the paper, or ink that a reader cannot tell apart."""

from __future__ import annotations

import re

from docproc.latex.commands import NAMED_OPERATORS, SPACES
from docproc.latex.tree import Command

# Alphabet commands and the name that `Symbol.font` carries.
FONTS = {r"\mathrm": "rm", r"\mathbf": "bf", r"\mathit": "it", r"\mathsf": "sf", r"\mathtt": "tt", r"\mathcal": "cal",
         r"\mathbb": "bb", r"\Bbb": "bb", r"\mathfrak": "frak", r"\frak": "frak", r"\mathscr": "scr",
         r"\mathnormal": "", r"\bm": "bm", r"\boldsymbol": "bm", r"\pmb": "bm"}
FONT_COMMANDS = {"rm": r"\mathrm", "bf": r"\mathbf", "it": r"\mathit", "sf": r"\mathsf", "tt": r"\mathtt",
                 "cal": r"\mathcal", "bb": r"\mathbb", "frak": r"\mathfrak", "scr": r"\mathscr", "bm": r"\bm",
                 "sc": r"\textsc"}
TEXT_FONTS = {r"\textbf": "bf", r"\textit": "it", r"\textsl": "it", r"\emph": "it", r"\textsf": "sf",
              r"\texttt": "tt", r"\textsc": "sc", r"\textrm": "rm", r"\textup": "rm", r"\textnormal": "rm",
              r"\textmd": "rm"}
TEXT_FONT_COMMANDS = {"rm": r"\text", "bf": r"\textbf", "it": r"\textit", "sf": r"\textsf", "tt": r"\texttt",
                      "sc": r"\textsc"}

UPPERCASE_GREEK = frozenset(r"\Gamma \Delta \Theta \Lambda \Xi \Pi \Sigma \Upsilon \Phi \Psi \Omega".split())  # noqa: SIM905

# What the named operators print; the other way round for writing.
NAMED_WORDS = {name: name[1:] for name in NAMED_OPERATORS if not name.startswith(r"\var")}
NAMED_WORDS |= {r"\limsup": "lim~sup", r"\liminf": "lim~inf", r"\injlim": "inj~lim", r"\projlim": "proj~lim"}
WORD_NAMES = {word: name for name, word in NAMED_WORDS.items()}

_ONE_TO_ONE = r"""
\le \leq  \ge \geq  \ne \neq  \to \rightarrow  \gets \leftarrow  \lbrace \{  \rbrace \}  \lbrack [  \rbrack ]
\lparen (  \rparen )  \lt <  \gt >  \land \wedge  \lor \vee  \lnot \neg  \owns \ni  \doublecap \Cap
\doublecup \Cup  \llless \lll  \gggtr \ggg  \Doteq \doteqdot  \restriction \upharpoonright  \dag \dagger
\ddag \ddagger  \Box \square  \Diamond \lozenge  \leadsto \rightsquigarrow  \And \&  \ast *  \mid |  \vert |
\lvert |  \rvert |  \Vert \|  \lVert \|  \rVert \|  \parallel \|  \colon :  \vcentcolon :  \ratio :
\setminus \backslash  \perp \bot  \bigtriangleup \triangle  \cdotp \cdot  \ldotp .  \textbullet \bullet
\textdagger \dagger  \textdaggerdbl \ddagger  \implies \Longrightarrow  \impliedby \Longleftarrow
\iff \Longleftrightarrow  \intop \int  \ointop \oint  \dotsb \cdots  \dotsm \cdots  \dotsi \cdots  \dotsc \ldots
\dotso \ldots  \hdots \ldots  \textellipsis \ldots  \varOmega \varOmega  \slash /  \textless <  \textgreater >
\textbar |  \textbackslash \backslash  \textunderscore \_  \hearts \heartsuit  \diamonds \diamondsuit
\clubs \clubsuit  \spades \spadesuit  \textdegree ^\circ  \degree ^\circ  \lhd \vartriangleleft
\rhd \vartriangleright  \unlhd \trianglelefteq  \unrhd \trianglerighteq  \textbardbl \|  \textdollar \$
\rightleftharpoons \rightleftharpoons  \lq `  \rq '  \Alpha \mathrm
"""
LOOKS: dict[str, tuple[str, ...]] = {
    a: (b,) for a, b in (pair.split() for pair in re.split(r"\s{2,}|\n", _ONE_TO_ONE.strip()) if pair)
    if a != b and b not in ("^", "_", r"^\circ", r"\mathrm")}
LOOKS |= {
    r"\coloneqq": (":", "="), r"\eqqcolon": ("=", ":"), r"\coloneq": (":", "-"), r"\eqcolon": ("-", ":"),
    r"\Coloneqq": (":", ":", "="), r"\dblcolon": (":", ":"), r"\colonapprox": (":", r"\approx"),
    r"\colonsim": (":", r"\sim"), r"\bmod": ("mod",), r"\mod": ("mod",), r"\varlimsup": (r"\varlimsup",),
    r"\displaylimits": (), r"\limits": (), r"\nolimits": (),
}

DELIMITER_LOOKS = {r"\lbrace": r"\{", r"\rbrace": r"\}", r"\lbrack": "[", r"\rbrack": "]", r"\vert": "|",
                   r"\lvert": "|", r"\rvert": "|", r"\Vert": r"\|", r"\lVert": r"\|", r"\rVert": r"\|",
                   r"\lparen": "(", r"\rparen": ")", "<": r"\langle", ">": r"\rangle", r"\lt": r"\langle",
                   r"\gt": r"\rangle", r"\mid": "|", r"\parallel": r"\|"}
OPENERS = frozenset(("(", "[", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\ulcorner", r"\lgroup"))
CLOSERS = frozenset((")", "]", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\urcorner", r"\rgroup"))
SIZED = frozenset(f"\\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m"))

ENVIRONMENT_LOOKS = {
    "align": "aligned", "align*": "aligned", "alignat": "aligned", "alignat*": "aligned", "alignedat": "aligned",
    "flalign": "aligned", "flalign*": "aligned", "split": "aligned", "eqnarray": "aligned", "eqnarray*": "aligned",
    "gather": "gathered", "gather*": "gathered", "equation": "gathered", "equation*": "gathered",
    "displaymath": "gathered", "math": "gathered", "multline": "multlined", "multline*": "multlined",
    "dcases": "cases", "cases*": "cases", "dcases*": "cases", "drcases": "rcases", "subarray": "substack",
    "pmatrix": "matrix", "bmatrix": "matrix", "Bmatrix": "matrix", "vmatrix": "matrix", "Vmatrix": "matrix",
    "pmatrix*": "matrix", "bmatrix*": "matrix", "Bmatrix*": "matrix", "vmatrix*": "matrix", "Vmatrix*": "matrix",
    "matrix*": "matrix", "psmallmatrix": "smallmatrix", "bsmallmatrix": "smallmatrix",
    "Bsmallmatrix": "smallmatrix", "vsmallmatrix": "smallmatrix", "Vsmallmatrix": "smallmatrix",
}
_KINDS = {"p": ("(", ")"), "b": ("[", "]"), "B": (r"\{", r"\}"), "v": ("|", "|"), "V": (r"\|", r"\|")}
MATRIX_FENCES = {f"{kind}{shape}": pair for kind, pair in _KINDS.items()
                 for shape in ("matrix", "matrix*", "smallmatrix")}
FENCED_MATRICES = {pair: f"{kind}matrix" for kind, pair in _KINDS.items()}

_LENGTH = re.compile(r"(-?\d*\.?\d+)(mu|em|ex|pt|mm|cm|in|pc|bp)?")
_EM = {"mu": 1 / 18, "em": 1.0, "ex": 0.43, "pt": 0.1, "mm": 0.285, "cm": 2.85, "in": 7.2, "pc": 1.2, "bp": 0.1}


def is_letter(text: str) -> bool:
    """Whether the token is a Latin letter."""
    return len(text) == 1 and text.isascii() and text.isalpha()


def space_width(command: Command) -> float:
    r"""Width in em of `\hspace{…}`, `\hskip…`, 0 where it is not a plain length or the command makes no space."""
    if command.name in SPACES or not command.raw or command.name in (r"\label", r"\tag"):
        return 0.0
    match = _LENGTH.match(command.raw[-1].replace(" ", ""))
    return float(match.group(1)) * _EM.get(match.group(2) or "", 0.0) if match else 0.0
