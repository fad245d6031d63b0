r"""Random formulas with evenly drawn symbols, which no language model can guess: reading them takes looking.

The design note's measurement: a recogniser trained on real formulas alone becomes a language model that ignores the
picture.
"""

from __future__ import annotations

import random
import string

from docproc.latex import commands as known


def _words(text: str) -> list[str]:
    return text.split()


def as_commands(text: str) -> list[str]:
    """Put a backslash before each name."""
    return [f"\\{name}" for name in text.split()]


_LOWER, _UPPER, _DIGITS = list(string.ascii_lowercase), list(string.ascii_uppercase), list(string.digits)
_GREEK = as_commands(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho "
    "sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_COMMON_BINARY = ["+", "-", "*", "/", *as_commands("pm times cdot circ otimes oplus wedge vee cap cup setminus")]
_COMMON_RELATIONS = ["=", "=", "<", ">", ":", *as_commands("leq geq neq equiv sim approx cong subset subseteq in")]
_ARROWS = as_commands(
    "rightarrow leftarrow Rightarrow leftrightarrow mapsto longrightarrow Longrightarrow Leftrightarrow hookrightarrow "
    "uparrow downarrow longmapsto rightharpoonup rightleftharpoons nearrow searrow twoheadrightarrow rightsquigarrow"
)
_MARKS: list[str] = [
    *".,;!|?'",
    *as_commands(
        "infty partial nabla forall exists ell hbar emptyset varnothing prime aleph Re Im wp ldots cdots vdots ddots"
    ),
    *as_commands(
        "angle neg top bot sharp flat natural square triangle imath jmath dagger ddagger star bullet ast mid | % & # $"
    ),
    *as_commands("langle rangle lfloor rfloor lceil rceil { }"),
    *"()[]",
]
_MISSING = frozenset(  # not in every font family, spelled otherwise in the canonical form, or text symbols
    as_commands(
        "Alpha Beta Epsilon Zeta Eta Iota Kappa Mu Nu Omicron omicron Rho Tau Chi TeX LaTeX hearts diamonds clubs "
        "spades lq rq textbackslash textbar textbardbl textbraceleft textbraceright textdagger textdaggerdbl "
        "textdollar textellipsis textemdash textendash textgreater textless textquotedblleft textquotedblright "
        "textquoteleft textquoteright textregistered textsterling textunderscore textasciitilde textasciicircum "
        "mathsterling textbullet textdegree degree slashed AA aa ss ae AE oe OE o O i j l L origof imageof And oiint "
        "oiiint intop ointop Bbbk not cr newline hline"
    )
)
_RARE: list[str] = sorted((known.ORDINARY | known.BINARY | known.RELATIONS) - _MISSING)
_FUNCTIONS: list[str] = sorted(
    known.NAMED_OPERATORS - frozenset(as_commands("varinjlim varliminf varlimsup varprojlim injlim projlim"))
)
_BIG = as_commands(
    "sum sum prod int int bigcup bigcap bigoplus oint coprod bigotimes bigwedge bigvee bigsqcup iint iiint biguplus"
)
_ALPHABETS = as_commands("mathbf mathcal mathbb mathfrak mathrm mathsf mathscr mathtt bm mathit")
_ACCENTS = as_commands("hat bar tilde vec dot ddot check acute grave breve mathring")
_WIDE = as_commands("overline underline widehat widetilde overrightarrow overleftarrow")
_PAIRS = [
    ("(", ")"), ("(", ")"), ("[", "]"), (r"\{", r"\}"), ("|", "|"), (r"\langle", r"\rangle"), (r"\lfloor", r"\rfloor"),
    (r"\lceil", r"\rceil"), (r"\|", r"\|"), ("[", ")"), ("(", "]"),
]  # fmt: skip
WORDS = _words(
    "a about above all also an and any are as at be because both but by can case defined each either else elements "
    "equal even every exactly exists factor false find first fixed following for function from given has have hence "
    "holds if in independent integer is it large least let linear matrix maximum measure minimum more most must no "
    "not number odd of on one only or order otherwise over point positive prime proof real result row same set since "
    "small smooth so some space such sum term than that the then there therefore these this to true type under unique "
    "unit use value vector we where which while with without yields zero rate mass energy cost time total input "
    "output error mean loss state final initial"
)
_ELEMENTS = _words(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Ti Cr Mn Fe Co Ni Cu Zn As Se Br Kr Ag Cd Sn Sb I Xe Cs Ba Pt "
    "Au Hg Pb U"
)


class Grammar:
    """Draws formulas; `formula(n)` has about n symbols."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def formula(self, symbols: int) -> str:
        """Return LaTeX with about this many symbols; some are a whole structure of its own kind."""
        r = self.rng
        if symbols >= 8 and r.random() < 0.22:
            return self._rows(symbols)
        return self._sequence(symbols, 0)

    def _one(self, *choices: list[str]) -> str:
        return self.rng.choice(self.rng.choice(choices))

    def _atom(self) -> str:
        """A symbol that a script may follow."""
        k = self.rng.random()
        if k < 0.36:
            return self.rng.choice(_LOWER)
        if k < 0.55:
            return self.rng.choice(_UPPER)
        if k < 0.68:
            return self.rng.choice(_DIGITS)
        if k < 0.85:
            return self.rng.choice(_GREEK)
        if k < 0.93:
            return self._alphabet()
        if k < 0.96:
            return self.rng.choice(_FUNCTIONS)
        return self.rng.choice(as_commands("infty partial nabla ell hbar Re Im aleph emptyset prime"))

    def _alphabet(self) -> str:
        r = self.rng
        font = r.choice(_ALPHABETS)
        capitals_only = font in (r"\mathbb", r"\mathcal", r"\mathscr")
        letters = _UPPER if capitals_only else _LOWER + _UPPER
        if font in (r"\mathsf", r"\mathbf", r"\mathtt") and r.random() < 0.2:
            letters = _DIGITS
        if font == r"\bm" and r.random() < 0.3:
            letters = _GREEK
        long = font in (r"\mathrm", r"\mathsf", r"\mathtt", r"\mathit", r"\mathfrak", r"\mathbf") and r.random() < 0.35
        count = r.choice([2, 2, 3, 4, 6]) if long else 1
        if long and r.random() < 0.6 and font in (r"\mathrm", r"\mathsf", r"\mathit"):
            word = r.choice(WORDS)
            return f"{r.choice([chr(92) + 'operatorname', font])}{{{word.capitalize() if r.random() < 0.4 else word}}}"
        return f"{font}{{{''.join(r.choice(letters) for _ in range(count))}}}"

    def _symbol(self) -> str:
        k = self.rng.random()
        if k < 0.60:
            return self._atom()
        if k < 0.70:
            return self.rng.choice(_COMMON_BINARY)
        if k < 0.79:
            return self.rng.choice(_COMMON_RELATIONS)
        if k < 0.83:
            return self.rng.choice(_ARROWS)
        if k < 0.90:
            return self.rng.choice(_MARKS)
        return self.rng.choice(_RARE)

    def _sequence(self, symbols: int, depth: int) -> str:
        parts = []
        while symbols > 0:
            text, used = self._part(symbols, depth)
            parts.append(text)
            symbols -= used
        return " ".join(parts)

    def _part(self, left: int, depth: int) -> tuple[str, int]:
        """One construct and the number of symbols in it."""
        r, k = self.rng, self.rng.random()
        if left < 2 or depth > 3 or k < 0.48:
            return self._symbol(), 1
        if k < 0.71:
            return self._scripted(left, depth)

        def inner(most: int) -> tuple[str, int]:
            n = max(1, min(most, left - 1))
            return self._sequence(n, depth + 1), n

        if k < 0.79:
            a, n = inner(r.choice([1, 1, 2, 3, 5, 8]))
            b, m = inner(r.choice([1, 1, 2, 3, 5]))
            return rf"{r.choice([chr(92) + 'frac'] * 9 + [chr(92) + 'binom'])}{{{a}}}{{{b}}}", n + m
        if k < 0.83:
            a, n = inner(r.choice([1, 2, 4]))
            root = f"[{self._sequence(1, 4)}]" if r.random() < 0.2 else ""
            return rf"\sqrt{root}{{{a}}}", n + 1
        if k < 0.87:
            if r.random() < 0.6:
                return rf"{r.choice(_ACCENTS)}{{{self._one(_LOWER, _UPPER, _GREEK)}}}", 2
            a, n = inner(r.choice([1, 2, 3, 5]))
            return rf"{r.choice(_WIDE)}{{{a}}}", n + 1
        if k < 0.925:
            a, n = inner(r.choice([1, 2, 3, 5, 9]))
            opening, closing = r.choice(_PAIRS)
            if r.random() < 0.5:
                return rf"\left{opening} {a} \right{closing}", n + 2
            return rf"{opening} {a} {closing}", n + 2
        if k < 0.955:
            return self._big(left, depth)
        if k < 0.965:
            a, n = inner(2)
            above, m = inner(r.choice([1, 2, 4]))
            kind = r.choice(["overset", "underset", "stackrel", "overbrace", "underbrace", "xrightarrow"])
            if kind == "xrightarrow":
                return rf"\{r.choice(['xrightarrow', 'xrightarrow', 'xleftarrow'])}{{{above}}}", m + 1
            if kind.endswith("brace"):
                return rf"\{kind}{{{a}}}{'^' if kind == 'overbrace' else '_'}{{{above}}}", n + m
            base = self.rng.choice(_COMMON_RELATIONS + _ARROWS) if kind == "stackrel" else a
            return rf"\{kind}{{{above}}}{{{base}}}", n + m
        if k < 0.98:
            words = " ".join(r.choice(WORDS) for _ in range(r.choice([1, 1, 2, 3])))
            font = r.choice(["text", "text", "text", "text", "textbf", "textit"])
            pad = r.choice(["", " "])
            return rf"\{font}{{{pad}{words}{pad}}}", 3
        if depth <= 1 and left >= 4:
            return self._matrix(left, depth)
        return rf"\not{r.choice(['=', '<', chr(92) + 'in', chr(92) + 'subset', chr(92) + 'equiv'])}", 1

    def _scripted(self, left: int, depth: int) -> tuple[str, int]:
        r = self.rng
        base, used = self._atom(), 1
        if r.random() < 0.1:
            base = rf"{r.choice(_ACCENTS)}{{{base}}}" if len(base) == 1 else base
        if r.random() < 0.13:
            return base + "'" * r.choice([1, 1, 1, 2, 3]), 2
        which, longest = r.random(), r.choice([1, 1, 1, 1, 2, 2, 3, 5])
        text = base
        if r.random() < 0.03 and depth == 0:
            text = "{}^{" + self._sequence(1, 4) + "}" + base
        if which < 0.62:
            n = max(1, min(longest, left - used))
            text += "_{" + self._sequence(n, depth + 1) + "}"
            used += n
        if which > 0.38:
            n = max(1, min(longest, left - used))
            text += "^{" + self._sequence(n, depth + 1) + "}"
            used += n
        return text, used

    def _big(self, left: int, depth: int) -> tuple[str, int]:
        r = self.rng
        text, used, k = r.choice([*_BIG, r"\lim", r"\max", r"\sup"]), 1, r.random()
        if k < 0.75:
            n = max(1, min(r.choice([1, 3, 3, 4]), left))
            lower = self._sequence(n, depth + 1)
            text += "_{" + (rf"\substack{{{lower} \\ {self._sequence(2, 3)}}}" if r.random() < 0.06 else lower) + "}"
            used += n
        if k > 0.3:
            n = max(1, min(r.choice([1, 1, 2, 3]), left))
            text += "^{" + self._sequence(n, depth + 1) + "}"
            used += n
        return text, used

    def _matrix(self, left: int, depth: int) -> tuple[str, int]:
        r = self.rng
        rows = r.choice([1, 2, 2, 2, 3, 3, 4, 5])
        columns = max(1, min(r.choice([1, 2, 2, 3, 3, 4, 5]), left // rows))
        each = max(1, min(4, left // (rows * columns)))
        body = r" \\ ".join(" & ".join(self._cell(each, depth) for _ in range(columns)) for _ in range(rows))
        kind = r.choice(
            [
                "pmatrix",
                "pmatrix",
                "bmatrix",
                "bmatrix",
                "vmatrix",
                "matrix",
                "Vmatrix",
                "Bmatrix",
                "array",
                "smallmatrix",
            ]
        )
        if kind == "array":
            letters = [r.choice("clr") for _ in range(columns)]
            if r.random() < 0.7:
                letters = [letters[0]] * columns
            if r.random() < 0.2:
                letters.insert(r.randrange(len(letters) + 1), "|")
            opening, closing = r.choice([*_PAIRS[:4], (".", ".")])
            text = rf"\left{opening} \begin{{array}}{{{''.join(letters)}}} {body} \end{{array}} \right{closing}"
        else:
            text = rf"\begin{{{kind}}} {body} \end{{{kind}}}"
        return text, rows * columns * each + 1

    def _cell(self, most: int, depth: int) -> str:
        k = self.rng.random()
        if k < 0.45:
            return self.rng.choice(
                ["0", "1", str(self.rng.randrange(100)), f"-{self.rng.randrange(20)}", f"{self.rng.random():.2f}"]
            )
        if k < 0.52:
            return self.rng.choice(as_commands("ldots cdots vdots ddots"))
        return self._sequence(self.rng.randint(1, most), depth + 1)

    def _rows(self, symbols: int) -> str:
        """Several aligned lines, cases, or a matrix with something beside it."""
        r, k = self.rng, self.rng.random()
        if k < 0.4:
            before = self._sequence(r.choice([1, 2, 4]), 1) + r.choice([" =", " =", " ", r" \in"])
            return f"{before} {self._matrix(symbols, 0)[0]} {self._sequence(r.choice([1, 1, 3]), 1)}"
        lines = r.choice([2, 2, 3, 3, 4, 5])
        each = max(2, symbols // lines)
        if k < 0.6:
            rows = [
                rf"{self._sequence(max(1, each - 2), 1)} & {self._condition(2)}"
                if r.random() < 0.9
                else self._sequence(each, 1)
                for _ in range(lines)
            ]
            return rf"{self._sequence(2, 1)} = \begin{{cases}} {(chr(92) * 2).join(rows)} \end{{cases}}"
        if k < 0.9:
            rows = []
            for i in range(lines):
                head = self._sequence(r.choice([1, 1, 2, 3]), 1) if i == 0 or r.random() < 0.3 else ""
                rows.append(f"{head} &{r.choice(['=', '=', '=', chr(92) + 'leq ', '+'])} {self._sequence(each, 1)}")
            return rf"\begin{{aligned}} {(' ' + chr(92) * 2 + ' ').join(rows)} \end{{aligned}}"
        rows = [self._sequence(each, 1) for _ in range(lines)]
        return rf"\begin{{gathered}} {(' ' + chr(92) * 2 + ' ').join(rows)} \end{{gathered}}"

    def _condition(self, symbols: int) -> str:
        r = self.rng
        word = r.choice(["if ", "for ", "otherwise", "if ", "when "])
        return rf"\text{{{word}}}" + ("" if word == "otherwise" else " " + self._sequence(symbols, 1))

    def chemistry(self, symbols: int) -> str:
        r"""Return a molecule, or from 10 symbols on a reaction, in mhchem's `\ce`."""
        r = self.rng

        def molecule() -> str:
            text = str(r.randint(2, 9)) if r.random() < 0.3 else ""
            for _ in range(r.choice([1, 1, 2, 2, 3])):
                group = "".join(r.choice(_ELEMENTS) for _ in range(2))
                text += f"({group})" if r.random() < 0.12 else r.choice(_ELEMENTS)
                text += str(r.randint(2, 12)) if r.random() < 0.5 else ""
            if r.random() < 0.2:
                text += "^{" + r.choice(["+", "-", "2+", "2-", "3+", "3-"]) + "}"
            if r.random() < 0.2:
                text += r.choice(["(s)", "(l)", "(g)", "(aq)"])
            return text

        if symbols < 10:
            return rf"\ce{{{molecule()}}}"
        sides = [" + ".join(molecule() for _ in range(r.choice([1, 2, 2, 3]))) for _ in "ab"]
        return rf"\ce{{{sides[0]} {r.choice(['->', '->', '->', '<=>', '<-'])} {sides[1]}}}"
