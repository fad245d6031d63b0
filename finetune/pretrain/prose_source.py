"""English prose from a seeded grammar: sentences about mathematics and its uses, with places for formulas.

Nothing here is copied from a document: the words and the sentence patterns are this project's own. A pattern holds
slots in brackets; `[m]` is the place of an inline formula and stays in the text for the caller to fill. What looks a
little like mathematics and is none (prices, dates, references, URLs, units, codes, names with numbers) is mixed in on
purpose, because a finder must leave it alone.
"""

from __future__ import annotations

import random
import re

FORMULA_SLOT = "[m]"

_THEMES: dict[str, dict[str, tuple[str, ...]]] = {
    "dev": {
        "noun": tuple(
            ["function", "sequence", "operator", "matrix", "space", "group", "ring", "measure", "theorem", "estimate", "boundary", "domain", "kernel", "solution", "variable", "limit", "series", "basis", "vector", "norm", "metric", "surface", "curve", "point", "equation", "system", "bound", "proof", "argument", "condition", "sample", "distribution", "process", "signal", "filter", "circuit", "beam", "bridge", "engine", "reactor", "pressure", "temperature", "current", "voltage", "market", "price", "budget", "tax", "model", "forecast", "cell", "enzyme", "population", "species", "orbit", "telescope", "detector", "lattice", "crystal", "spectrum", "frequency", "wave", "pulse", "network", "graph", "tree", "queue", "compiler", "server", "error", "method", "algorithm", "scheme", "grid", "mesh", "element", "step", "iteration", "tolerance", "rate", "constant", "parameter", "weight", "coefficient", "degree", "root", "factor", "quotient", "remainder", "index", "subset", "interval", "neighbourhood", "covering", "partition", "projection", "embedding", "morphism", "category", "sheaf", "bundle", "connection", "curvature", "density", "flux", "field", "potential", "charge", "mass", "force", "torque", "gear", "valve", "pump", "turbine", "furnace", "alloy", "polymer", "membrane", "solvent", "catalyst"]
        ),
        "adjective": tuple(
            ["small", "large", "continuous", "smooth", "compact", "bounded", "finite", "infinite", "linear", "nonlinear", "stable", "unstable", "regular", "singular", "positive", "negative", "real", "complex", "simple", "general", "special", "classical", "modern", "local", "global", "uniform", "discrete", "random", "independent", "optimal", "robust", "efficient", "exact", "approximate", "numerical", "thermal", "electrical", "mechanical", "chemical", "steady", "periodic", "slow", "rapid", "coarse", "fine", "dense", "sparse", "upper", "lower", "initial", "final", "internal", "external", "common", "rare", "useful", "careful", "standard", "natural", "physical", "empirical", "abstract"]
        ),
        "verb": tuple(
            ["satisfies", "determines", "defines", "bounds", "controls", "preserves", "generates", "describes", "approximates", "dominates", "contains", "extends", "reduces", "measures", "limits", "explains", "predicts", "replaces", "follows", "precedes", "crosses", "absorbs", "reflects", "damps", "drives", "heats", "cools"]
        ),
        "person": tuple(
            ["Adler", "Brandt", "Castellano", "Dubois", "Eriksen", "Fontaine", "Grünwald", "Haruki", "Ivanova", "Jansen", "Köhler", "Lindqvist", "Moreau", "Nakamura", "Okafor", "Petrov", "Quintero", "Rossi", "Sørensen", "Tamura", "Ulrich", "Vásquez", "Weiss", "Yilmaz", "Zhang"]
        ),
        "place": tuple(["Lisbon", "Bergen", "Kyoto", "Ghent", "Toulouse", "Turin", "Leeds", "Basel", "Porto", "Graz", "Uppsala", "Cork"]),
        "word": tuple(
            ["often", "rarely", "usually", "clearly", "hence", "moreover", "however", "thus", "therefore", "again", "finally", "indeed", "instead", "meanwhile", "likewise", "otherwise"]
        ),
    },
    "test": {
        "noun": tuple(
            ["polynomial", "integral", "inequality", "identity", "manifold", "homotopy", "functor", "module", "ideal", "lattice", "automorphism", "permutation", "invariant", "eigenvalue", "eigenvector", "contour", "residue", "pole", "expansion", "remainder", "perturbation", "shock", "vortex", "layer", "channel", "wing", "rotor", "sail", "hull", "keel", "mast", "harbour", "tide", "current", "glacier", "river", "basin", "soil", "crop", "orchard", "greenhouse", "bakery", "oven", "recipe", "kitchen", "violin", "bell", "organ", "tone", "chord", "rhythm", "archive", "library", "letter", "census", "survey", "vote", "ballot", "treaty", "border", "railway", "tunnel", "elevator", "escalator", "crane", "dock", "cargo", "container", "battery", "cable", "antenna", "receiver", "lens", "mirror", "prism", "laser", "photon", "neutrino", "quark", "plasma", "comet", "asteroid", "satellite", "rocket", "sensor", "camera", "robot", "gripper", "joint", "motor", "bearing", "spring", "damper", "wheel", "brake", "tyre"]
        ),
        "adjective": tuple(
            ["elementary", "canonical", "symmetric", "orthogonal", "normal", "convex", "concave", "proper", "closed", "open", "connected", "separable", "integrable", "measurable", "differentiable", "analytic", "algebraic", "topological", "geometric", "commutative", "free", "cyclic", "wooden", "metallic", "coastal", "northern", "southern", "annual", "monthly", "daily", "seasonal", "ancient", "recent", "costly", "cheap", "quiet", "loud", "bright", "dark", "narrow", "wide", "shallow", "deep", "gentle", "abrupt", "gradual", "patient", "reliable", "fragile", "durable"]
        ),
        "verb": tuple(
            ["induces", "admits", "yields", "implies", "carries", "splits", "annihilates", "commutes-with", "factors-through", "converges-to", "lies-in", "depends-on", "resembles", "surrounds", "supports", "connects", "repairs", "lifts", "shelters", "divides"]
        ),
        "person": tuple(
            ["Andersson", "Bellini", "Costa", "Delacroix", "Esposito", "Fischer", "Gallagher", "Horváth", "Ishikawa", "Jónsson", "Kowalski", "Laurent", "Mehta", "Novák", "Olsen", "Paredes", "Richter", "Szabó", "Thorne", "Urbina", "Varga", "Wójcik", "Xavier", "Young", "Zimmer"]
        ),
        "place": tuple(["Trieste", "Galway", "Bremen", "Nantes", "Tartu", "Sibiu", "Malmö", "Delft", "Burgos", "Split", "Aarhus", "Perth"]),
        "word": tuple(
            ["sometimes", "always", "never", "similarly", "consequently", "nevertheless", "accordingly", "conversely", "evidently", "presumably", "eventually", "initially"]
        ),
    },
}

_WITH_FORMULA = (
    "Let [m] be [a_np] and let [m] be [a_np].",
    "Suppose that [m] and that [m] for every [np].",
    "Then [m], so that the [np] [v] the [n].",
    "Since [m], we obtain [m] for all [m].",
    "If [m] is [adj], then so is [m].",
    "We write [m] for the [np] of [m].",
    "Here [m] denotes the [n] and [m] the [n] of the [np].",
    "The [n] [m] is [adj] whenever [m].",
    "[w], the [n] of [m] does not depend on [m].",
    "It follows from [m] and [m] that the [np] is [adj].",
    "By [ref], there is [a_np] [m] with [m].",
    "For [m] the [n] is [adj], but for [m] it is not.",
    "A short computation gives [m], which is what we wanted.",
    "The case [m] is left to the reader.",
    "In particular, [m] is [adj] if and only if [m].",
    "Choose [m] so small that [m].",
    "We call [m] the [np] of [m] with respect to [m].",
    "The map [m] sends [m] to [m].",
    "Note that [m] need not be [adj].",
    "Consider the [n] [m], where [m] is the [np].",
    "[person] showed that [m] in [year] [cite].",
    "Substituting [m] into [ref] gives [m].",
    "With [m] as in [ref], the [n] becomes [adj] (see also [cite]).",
    "At [m] the [np] [v] the [n]; at [m] it does not.",
    "The [n] is measured in units of [m], and [m] is its [adj] value.",
    "For instance, one may take [m], [m], or [m].",
    "This holds for [m], and hence for [m] too.",
    "Every [n] (say [m]) has [a_np].",
    "The [np] at time [m] is [m], while the [n] stays [adj].",
    "What happens to [m] as [m]?",
    "Thus [m]; the [np] [v] it.",
    "By induction on [m], we may assume [m].",
    "The set of all [m] such that [m] is [adj].",
    "The two [n]s [m] and [m] are [adj].",
    "Take [m]: the [n] is then [adj].",
    "As the [n] grows, [m] tends to [m].",
    "One finds [m] after [count] steps, within the [n] of [ref].",
    "To see this, fix [m] and put [m].",
    "(Here [m] is the [np].)",
    "The quantities [m] and [m] are tabulated in [float].",
)

_PLAIN = (
    "The [np] [v] the [np], and the [n] is [adj].",
    "In [year], [person] and [person] [cite] studied the [np] of [a_np].",
    "[w], a [adj] [n] is not the same as a [adj] [n].",
    "This section follows the treatment of [person] [cite], with [count] changes.",
    "It is not hard to see that every [n] [v] [a_np].",
    "The [n] costs [price] and lasts about [count] years.",
    "On [date] the [n] in [place] was found to be [adj].",
    "Of the [count] [n]s in the sample, [count] ([percent]) were [adj].",
    "See [float] for the [np], and [url] for the data.",
    "We thank [initials] [person] for pointing out the [n] in an earlier version.",
    "The [np] (see [ref]) is [adj], [adj] and [adj].",
    "There are [count] reasons for this, of which the [np] is the most [adj].",
    "As a rule, the [n] [v] the [n] unless the [np] is [adj].",
    "Nobody had expected that the [np] would be so [adj].",
    "[person]'s [n] is [adj]; that of [person] is not.",
    "The reader who knows the [np] may skip to [ref].",
    "What follows is [adj], though [w] not [adj].",
    "For a history of the [np] see [cite], pp. [pages].",
    "Between [year] and [year] the [n] of [place] rose by [percent], from [price] to [price].",
    "The instrument ([code], serial no. [count]) was set to [unit] and left for [count] min.",
    "We used version [version] of the [n] library on [count] machines with [memory] each.",
    "Is the [n] [adj]? That depends on the [np].",
    "The word \\emph{[n]} is used here in the sense of [person].",
    "A \\emph{[adj] [n]} is one that [v] its [n].",
    "Call the routine \\texttt{[ident]} with \\texttt{[ident]} set to \\texttt{true}.",
    "The file \\texttt{[ident].txt} holds one [n] a line.",
    "\\textbf{[adjc] [n]s.} The [np] [v] the [n] in [count] of [count] cases.",
    "The trial (n.b. not the [n]) ended at [time] on [date].",
    "[w], the [adj] [n] and the [adj] [n] are kept apart throughout.",
    "The [np] is due to [initials] [person] of the University of [place].",
    "Questions may be sent to \\texttt{[email]} until [date].",
    "An order of [count] pieces costs [price] (excl. VAT), or [price] with delivery.",
    "The [n] weighs [unit] and is [unit] long.",
    "Each [n] is [adj], e.g.\\ the [np], i.e.\\ the [n] that [v] it.",
    "Compounds such as [chemical] and [chemical] were kept at [temperature].",
)

_TITLES = (
    "The [np]",
    "[adjc] [n]s",
    "On the [n] of [a_np]",
    "[adjc] [n]s and their [n]s",
    "Results",
    "Introduction",
    "Preliminaries",
    "The [n] and the [n]",
    "Further [n]s",
    "Notation and [n]s",
    "An example from [place]",
    "Comparison with [person]",
    "Why the [n] is [adj]",
    "Exercises",
    "Summary",
    "The [n] in [year]",
    "Proof of [ref]",
)

_CAPTIONS = (
    "The [np] of the [n], after [person] [cite].",
    "[adjc] [n]s in [place], [year].",
    "The [n] against the [n].",
    "Left: the [np]. Right: the [n] of [m].",
    "The [np] for [m] and [m].",
    "[count] [n]s and their [n]s.",
)

_JOURNALS = (
    "Annals of the [n]",
    "Journal of [adjc] [n]s",
    "Proc. [place] Soc.",
    "Trans. [adjc] Eng.",
    "[adjc] Letters",
)

_CODE = (
    "def {a}({b}, {c}=0):\n    {d} = {b} + {c} * 2\n    for i in range({n}):\n        {d} -= i ** 2 / ({c} + 1)\n    return {d}",
    "int {a}(int {b}, double *{c}) {{\n  double {d} = 0.0;\n  for (int i = 0; i < {n}; i++)\n    {d} += {c}[i] * {c}[i];\n"
    "  return {d} > {b} ? 1 : 0;\n}}",
    "SELECT {a}, COUNT(*) AS {b}\nFROM {c}\nWHERE {d} >= {n} AND {b} <> 'x'\nGROUP BY {a};",
    '$ {a} --{b} {n} {c}.txt > {d}.log\n$ grep -n "{b}" {d}.log | wc -l\n{n}',
    'x = [{n}, {n}, 3.5]\ny = sum(v * v for v in x)\nprint(f"{a} = {{y:.3f}}")  # {b}',
    "for k = 1:{n}\n    {a}(k) = {b}(k)^2 - {c}*sin(2*pi*k/{n});\nend\nplot({a})",
    'import {a} as {b}\n{c} = {b}.load("{d}.csv")\nassert {c}.shape == ({n}, 2)\n{d} = {c}[:, 0] / {c}[:, 1]',
    '{{\n  "{a}": {n},\n  "{b}": [1, 2, 3],\n  "{c}": {{"{d}": true}}\n}}',
)

_IDENTIFIERS = ["alpha", "beta", "count", "delta", "limit", "total", "index", "offset", "value", "result", "weight", "buffer", "cursor", "left", "right", "node", "head", "max_len", "min_val", "step_size", "n_iter", "tol", "eps", "rate", "score", "batch", "grid"]

_CHEMICALS = (
    "sodium chloride",
    "H\\textsubscript{2}O",
    "CO\\textsubscript{2}",
    "2-methylpropane",
    "NaCl",
    "KMnO\\textsubscript{4}",
    "ethanol",
    "Fe(III) oxide",
    "N,N-dimethylformamide",
    "benzene",
    "C\\textsubscript{6}H\\textsubscript{12}O\\textsubscript{6}",
)

_SLOT = re.compile(r"\[([a-z_]+)\]")


class ProseSource:
    """Draws sentences, titles, captions, code and references; equal seeds and splits give equal text."""

    def __init__(self, seed: int, split: str) -> None:
        """Set up the words of one split.

        Args:
            seed: Everything drawn follows from it.
            split: `dev` or `test`; the two share patterns but hardly any nouns, adjectives, names or places.

        Raises:
            KeyError: There is no such split.
        """
        self._words = _THEMES[split]
        self._random = random.Random(f"{seed} {split}")
        # Zipf's law: the first words of a document's own shuffled list come up far more often than the last.
        self._ranked = {kind: self._random.sample(words, len(words)) for kind, words in self._words.items()}

    def sentence(self, formula_share: float) -> str:
        """One sentence in LaTeX; with probability `formula_share` it holds `[m]` slots."""
        pattern = self._random.choice(_WITH_FORMULA if self._random.random() < formula_share else _PLAIN)
        text = self._fill(pattern)
        return text[0].upper() + text[1:] if text[0].isalpha() else text

    def paragraph(self, formula_share: float, sentences: int) -> str:
        """Several sentences."""
        return " ".join(self.sentence(formula_share) for _ in range(sentences))

    def lead(self) -> str:
        """The beginning of a sentence that a display ends."""
        return self._fill(
            self._random.choice(
                (
                    "We have",
                    "It follows that",
                    "Hence",
                    "By [ref], the [np] satisfies",
                    "The [n] is then given by",
                    "Together with [cite], this yields",
                    "In this case the [np] becomes",
                    "Now [m] implies",
                    "For [m] we find",
                    "Consider",
                    "The [adj] [n] of [m] is",
                    "One checks at once that",
                )
            )
        )

    def tail(self) -> str:
        """What goes on after a display, in the same paragraph."""
        pattern = self._random.choice(
            (
                "where [m] is the [np] and [m] its [n].",
                "for all [m].",
                "with [m] as before.",
                "which is [adj] because [m].",
                "and the [n] follows.",
                "so that the [np] [v] the [n].",
                "where the [n] is [adj].",
                "as required.",
            )
        )
        return self._fill(pattern)

    def title(self) -> str:
        """A heading without a final stop."""
        text = self._fill(self._random.choice(_TITLES))
        return text[0].upper() + text[1:]

    def caption(self, formulas: bool) -> str:
        """A caption; with `[m]` slots only if `formulas`."""
        choices = [c for c in _CAPTIONS if formulas or FORMULA_SLOT not in c]
        text = self._fill(self._random.choice(choices))
        return text[0].upper() + text[1:]

    def phrase(self) -> str:
        """An adjective and a noun."""
        return self._fill("[np]")

    def noun(self) -> str:
        """A noun."""
        return self._fill("[n]")

    def code(self) -> str:
        """A few lines of a program, to be set verbatim."""
        a, b, c, d = self._random.sample(_IDENTIFIERS, 4)
        return self._random.choice(_CODE).format(a=a, b=b, c=c, d=d, n=self._random.randint(2, 99))

    def reference(self) -> str:
        """One entry of a list of references."""
        title = self._fill(self._random.choice(("The [np] of [a_np]", "On [adj] [n]s", "[adjc] [n]s in [place]")))
        journal = self._fill(self._random.choice(_JOURNALS))
        tail = self._fill("[count] ([year]), [pages]")
        doi = self._fill(" [url]") if self._random.random() < 0.3 else ""
        return f"{self._fill('[initials] [person]')}, {title}, \\emph{{{journal}}} {tail}.{doi}"

    def number(self) -> str:
        """A number as it stands in a table."""
        value = self._random
        return value.choice(
            (
                f"{value.randint(0, 9999)}",
                f"{value.uniform(0, 100):.2f}",
                f"{value.uniform(0, 1):.3f}",
                f"{value.randint(1, 99)},{value.randint(0, 999):03d}",
                f"{value.uniform(0, 100):.1f}\\,\\%",
                f"--{value.uniform(0, 9):.2f}",
                "n/a",
                self.noun(),
            )
        )

    def _fill(self, pattern: str) -> str:
        return _SLOT.sub(self._slot, pattern)

    def _slot(self, match: re.Match[str]) -> str:
        name = match.group(1)
        if name == "m":
            return FORMULA_SLOT
        drawn: str = getattr(self, f"_draw_{name}")()
        return drawn

    def _ranked_word(self, kind: str) -> str:
        words = self._ranked[kind]
        return words[min(int(self._random.expovariate(6.0 / len(words))), len(words) - 1)]

    def _draw_n(self) -> str:
        return self._ranked_word("noun")

    def _draw_adj(self) -> str:
        return self._ranked_word("adjective")

    def _draw_adjc(self) -> str:
        return self._draw_adj().capitalize()

    def _draw_np(self) -> str:
        return f"{self._draw_adj()} {self._draw_n()}" if self._random.random() < 0.6 else self._draw_n()

    def _draw_a_np(self) -> str:
        phrase = self._draw_np()
        return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"

    def _draw_v(self) -> str:
        return self._ranked_word("verb").replace("-", " ")

    def _draw_w(self) -> str:
        return self._ranked_word("word").capitalize() if self._random.random() < 0.5 else self._ranked_word("word")

    def _draw_person(self) -> str:
        return self._ranked_word("person")

    def _draw_place(self) -> str:
        return self._ranked_word("place")

    def _draw_initials(self) -> str:
        return "~".join(f"{c}." for c in self._random.sample("ABCDEFGHJKLMPRST", self._random.choice((1, 1, 2))))

    def _draw_year(self) -> str:
        return str(self._random.randint(1735, 2026))

    def _draw_count(self) -> str:
        return str(self._random.choice((2, 3, 4, 5, 6, 7, 12, 15, 24, 36, 60, 120, 250, 1200, "two", "three", "ten")))

    def _draw_percent(self) -> str:
        return f"{self._random.choice((self._random.randint(1, 99), round(self._random.uniform(0, 99), 1)))}\\,\\%"

    def _draw_price(self) -> str:
        amount = self._random.choice(
            (f"{self._random.randint(2, 999)}", f"{self._random.uniform(1, 99):.2f}", "1,250.00")
        )
        return self._random.choice((f"\\${amount}", f"\\${amount}", f"EUR {amount}", f"US\\${amount}"))

    def _draw_date(self) -> str:
        month = self._random.choice(["January", "March", "April", "May", "June", "August", "October", "November", "December"])
        day = self._random.randint(1, 28)
        year = self._draw_year()
        return self._random.choice(
            (f"{day} {month} {year}", f"{month} {day}, {year}", f"{year}-0{self._random.randint(1, 9)}-{day:02d}")
        )

    def _draw_time(self) -> str:
        return f"{self._random.randint(0, 23)}:{self._random.randint(0, 59):02d}"

    def _draw_cite(self) -> str:
        number = self._random.randint(1, 48)
        return self._random.choice(
            (f"[{number}]", f"[{number}, {number + 3}]", f"({self._draw_person()}, {self._draw_year()})")
        )

    def _draw_ref(self) -> str:
        a, b = self._random.randint(1, 9), self._random.randint(1, 20)
        kind = self._random.choice(("Theorem", "Lemma", "Section", "Proposition", "Chapter", "Example", "Exercise"))
        return self._random.choice(
            (f"{kind}~{a}.{b}", f"{kind}~{a}", f"({a}.{b})", f"({b})", f"Eq.~({a}.{b})", f"\\S{a}.{b}")
        )

    def _draw_float(self) -> str:
        return f"{self._random.choice(('Fig.', 'Figure', 'Table'))}~{self._random.randint(1, 9)}{self._random.choice(('', '', '(a)', 'b'))}"

    def _draw_pages(self) -> str:
        first = self._random.randint(1, 800)
        return f"{first}--{first + self._random.randint(2, 40)}"

    def _draw_url(self) -> str:
        return f"\\texttt{{https://example.org/{self._random.choice(_IDENTIFIERS).replace('_', '-')}/{self._random.randint(1, 99)}}}"

    def _draw_email(self) -> str:
        return f"{self._draw_person().encode('ascii', 'ignore').decode().lower()}@example.org"

    def _draw_code(self) -> str:
        return f"{self._random.choice('ABKMTX')}{self._random.randint(10, 999)}-{self._random.choice('ABCR')}"

    def _draw_unit(self) -> str:
        return f"{self._random.choice((3, 12, 25, 40, 150, '0.5', '2.4'))}\\,{self._random.choice(['kg', 'mm', 'cm', 'MHz', 'kW', 'V', 's'])}"

    def _draw_temperature(self) -> str:
        return f"{self._random.randint(4, 95)}\\,\\textdegree C"

    def _draw_memory(self) -> str:
        return f"{self._random.choice((8, 16, 64, 128))}\\,GB"

    def _draw_version(self) -> str:
        return f"{self._random.randint(0, 9)}.{self._random.randint(0, 20)}.{self._random.randint(0, 9)}"

    def _draw_ident(self) -> str:
        return self._random.choice(_IDENTIFIERS).replace("_", "\\_")

    def _draw_chemical(self) -> str:
        return self._random.choice(_CHEMICALS)
