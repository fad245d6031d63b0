r"""Words for symbols, as ClearSpeak and the Unicode names have them."""

from __future__ import annotations


def _table(text: str) -> dict[str, str]:
    pairs = (line.split(maxsplit=1) for line in text.strip().splitlines())
    return {name: words.strip() for name, words in pairs}


SIGNS = _table(r"""
+ plus
- minus
= equals
< is less than
> is greater than
/ divided by
* star
: colon
; ;
! factorial
, ,
. .
' prime
| vertical bar
\| parallel to
( open paren
) close paren
[ open bracket
] close bracket
\{ open brace
\} close brace
\langle open angle bracket
\rangle close angle bracket
\lfloor open floor
\rfloor close floor
\lceil open ceiling
\rceil close ceiling
\pm plus or minus
\mp minus or plus
\times times
\cdot times
\div divided by
\circ of
\bullet bullet
\star star
\oplus circled plus
\otimes circled times
\odot circled dot
\neq is not equal to
\leq is less than or equal to
\geq is greater than or equal to
\leqslant is less than or equal to
\geqslant is greater than or equal to
\ll is much less than
\gg is much greater than
\approx is approximately equal to
\sim is similar to
\simeq is asymptotically equal to
\cong is congruent to
\equiv is identical to
\propto is proportional to
\prec precedes
\succ succeeds
\in is an element of
\notin is not an element of
\ni contains
\subset is a subset of
\subseteq is a subset of or equal to
\supset is a superset of
\supseteq is a superset of or equal to
\subsetneq is a proper subset of
\cup union
\cap intersection
\backslash minus
\varnothing the empty set
\emptyset the empty set
\forall for all
\exists there exists
\nexists there does not exist
\neg not
\wedge and
\vee or
\rightarrow to
\leftarrow from
\longrightarrow to
\longleftarrow from
\leftrightarrow left right arrow
\Rightarrow implies
\Longrightarrow implies
\Leftarrow is implied by
\Longleftarrow is implied by
\Leftrightarrow if and only if
\Longleftrightarrow if and only if
\mapsto maps to
\longmapsto maps to
\hookrightarrow embeds into
\uparrow up arrow
\downarrow down arrow
\rightsquigarrow leads to
\vdash proves
\models models
\bot perpendicular to
\top top
\mid divides
\infty infinity
\partial partial
\nabla nabla
\ell script l
\hbar h bar
\Re the real part of
\Im the imaginary part of
\aleph aleph
\prime prime
\angle angle
\triangle triangle
\square square
\dagger dagger
\ddagger double dagger
\ldots dot dot dot
\cdots dot dot dot
\vdots vertical dots
\ddots diagonal dots
\sum the sum
\prod the product
\coprod the coproduct
\int the integral
\iint the double integral
\iiint the triple integral
\oint the contour integral
\bigcup the union
\bigcap the intersection
\bigoplus the direct sum
\bigotimes the tensor product
\bigwedge the conjunction
\bigvee the disjunction
\% percent
\$ dollars
\# number
\& and
\_ underscore
\quad ,
\imath i
\jmath j
\surd square root
\therefore therefore
\because because
\rightleftharpoons is in equilibrium with
\triangleq is defined as
\ast star
""")
SIGNS |= {"~": "", r"\hline": "", r"\\": ","}

_GREEK = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi
psi omega"""
LETTERS = {f"\\{name}": name for name in _GREEK.split()}
LETTERS |= {f"\\{name.capitalize()}": f"cap {name}" for name in _GREEK.split()}
LETTERS |= {f"\\var{name}": f"variant {name}" for name in "epsilon theta phi rho sigma pi kappa".split()}  # noqa: SIM905

BIG = frozenset((r"\sum", r"\prod", r"\coprod", r"\int", r"\iint", r"\iiint", r"\oint", r"\bigcup", r"\bigcap",
                 r"\bigoplus", r"\bigotimes", r"\bigwedge", r"\bigvee"))
FUNCTIONS = {
    "sin": "sine", "cos": "cosine", "tan": "tangent", "cot": "cotangent", "sec": "secant", "csc": "cosecant",
    "arcsin": "arc sine", "arccos": "arc cosine", "arctan": "arc tangent", "sinh": "hyperbolic sine",
    "cosh": "hyperbolic cosine", "tanh": "hyperbolic tangent", "log": "log", "ln": "natural log", "exp": "exp",
    "lim": "the limit", "max": "the maximum", "min": "the minimum", "sup": "the supremum", "inf": "the infimum",
    "lim~sup": "the limit superior", "lim~inf": "the limit inferior", "det": "the determinant",
    "dim": "the dimension", "ker": "the kernel", "gcd": "the greatest common divisor", "Pr": "the probability",
    "arg": "the argument", "deg": "the degree", "mod": "mod",
}  # fmt: skip
NUMBER_SETS = {"N": "the natural numbers", "Z": "the integers", "Q": "the rational numbers", "R": "the real numbers",
               "C": "the complex numbers"}
ALPHABETS = {"bf": "bold", "bm": "bold", "cal": "script", "scr": "script", "bb": "double struck", "frak": "fraktur"}
ACCENTS = {r"\hat": "hat", r"\widehat": "hat", r"\bar": "bar", r"\tilde": "tilde", r"\widetilde": "tilde",
           r"\vec": "vector", r"\dot": "dot", r"\ddot": "double dot", r"\check": "check", r"\breve": "breve",
           r"\acute": "acute", r"\grave": "grave", r"\mathring": "ring", r"\overrightarrow": "with an arrow above",
           r"\overbrace": "under a brace", r"\underbrace": "over a brace"}
