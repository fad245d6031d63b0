"""The words and patterns of prose_source.py, written for this project."""

from __future__ import annotations

THEMES: dict[str, dict[str, str]] = {
    "dev": {
        "noun": (
            "function sequence operator matrix space group ring measure theorem estimate boundary domain kernel "
            "solution variable limit series basis vector norm metric surface curve point equation system bound "
            "proof argument condition sample distribution process signal filter circuit beam bridge engine "
            "reactor pressure temperature current voltage market price budget tax model forecast cell enzyme "
            "population species orbit telescope detector lattice crystal spectrum frequency wave pulse network "
            "graph tree queue compiler server error method algorithm scheme grid mesh element step iteration "
            "tolerance rate constant parameter weight coefficient degree root factor quotient remainder index "
            "subset interval neighbourhood covering partition projection embedding morphism category sheaf "
            "bundle connection curvature density flux field potential charge mass force torque gear valve pump "
            "turbine furnace alloy polymer membrane solvent catalyst"
        ),
        "adjective": (
            "small large continuous smooth compact bounded finite infinite linear nonlinear stable unstable "
            "regular singular positive negative real complex simple general special classical modern local "
            "global uniform discrete random independent optimal robust efficient exact approximate numerical "
            "thermal electrical mechanical chemical steady periodic slow rapid coarse fine dense sparse upper "
            "lower initial final internal external common rare useful careful standard natural physical "
            "empirical abstract"
        ),
        "verb": (
            "satisfies determines defines bounds controls preserves generates describes approximates dominates "
            "contains extends reduces measures limits explains predicts replaces follows precedes crosses "
            "absorbs reflects damps drives heats cools"
        ),
        "person": (
            "Adler Brandt Castellano Dubois Eriksen Fontaine Grünwald Haruki Ivanova Jansen Köhler Lindqvist "
            "Moreau Nakamura Okafor Petrov Quintero Rossi Sørensen Tamura Ulrich Vásquez Weiss Yilmaz Zhang"
        ),
        "place": "Lisbon Bergen Kyoto Ghent Toulouse Turin Leeds Basel Porto Graz Uppsala Cork",
        "word": (
            "often rarely usually clearly hence moreover however thus therefore again finally indeed instead "
            "meanwhile likewise otherwise"
        ),
    },
    "test": {
        "noun": (
            "polynomial integral inequality identity manifold homotopy functor module ideal "
            "automorphism permutation invariant eigenvalue eigenvector contour residue pole expansion "
            "perturbation shock vortex layer channel wing rotor sail hull keel mast harbour tide "
            "glacier river basin soil crop orchard greenhouse bakery oven recipe kitchen violin bell organ tone "
            "chord rhythm archive library letter census survey vote ballot treaty border railway tunnel "
            "elevator escalator crane dock cargo container battery cable antenna receiver lens mirror prism "
            "laser photon neutrino quark plasma comet asteroid satellite rocket sensor camera robot gripper "
            "joint motor bearing spring damper wheel brake tyre"
        ),
        "adjective": (
            "elementary canonical symmetric orthogonal normal convex concave proper closed open connected "
            "separable integrable measurable differentiable analytic algebraic topological geometric "
            "commutative free cyclic wooden metallic coastal northern southern annual monthly daily seasonal "
            "ancient recent costly cheap quiet loud bright dark narrow wide shallow deep gentle abrupt gradual "
            "patient reliable fragile durable"
        ),
        "verb": (
            "induces admits yields implies carries splits annihilates commutes-with factors-through "
            "converges-to lies-in depends-on resembles surrounds supports connects repairs lifts shelters "
            "divides"
        ),
        "person": (
            "Andersson Bellini Costa Delacroix Esposito Fischer Gallagher Horváth Ishikawa Jónsson Kowalski "
            "Laurent Mehta Novák Olsen Paredes Richter Szabó Thorne Urbina Varga Wójcik Xavier Young Zimmer"
        ),
        "place": "Trieste Galway Bremen Nantes Tartu Sibiu Malmö Delft Burgos Split Aarhus Perth",
        "word": (
            "sometimes always never similarly consequently nevertheless accordingly conversely evidently "
            "presumably eventually initially"
        ),
    },
}
"""Words of each split by kind, parted by spaces; a hyphen in a verb is a space. No split has a noun of the other."""

WITH_FORMULA = (
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

PLAIN = (
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

TITLES = (
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

CAPTIONS = (
    "The [np] of the [n], after [person] [cite].",
    "[adjc] [n]s in [place], [year].",
    "The [n] against the [n].",
    "Left: the [np]. Right: the [n] of [m].",
    "The [np] for [m] and [m].",
    "[count] [n]s and their [n]s.",
)

JOURNALS = (
    "Annals of the [n]",
    "Journal of [adjc] [n]s",
    "Proc. [place] Soc.",
    "Trans. [adjc] Eng.",
    "[adjc] Letters",
)

CODE = (
    """\
def {a}({b}, {c}=0):
    {d} = {b} + {c} * 2
    for i in range({n}):
        {d} -= i ** 2 / ({c} + 1)
    return {d}""",
    """\
int {a}(int {b}, double *{c}) {{
  double {d} = 0.0;
  for (int i = 0; i < {n}; i++)
    {d} += {c}[i] * {c}[i];
  return {d} > {b} ? 1 : 0;
}}""",
    """\
SELECT {a}, COUNT(*) AS {b}
FROM {c}
WHERE {d} >= {n} AND {b} <> 'x'
GROUP BY {a};""",
    """\
$ {a} --{b} {n} {c}.txt > {d}.log
$ grep -n "{b}" {d}.log | wc -l
{n}""",
    """\
x = [{n}, {n}, 3.5]
y = sum(v * v for v in x)
print(f"{a} = {{y:.3f}}")  # {b}""",
    """\
for k = 1:{n}
    {a}(k) = {b}(k)^2 - {c}*sin(2*pi*k/{n});
end
plot({a})""",
    """\
import {a} as {b}
{c} = {b}.load("{d}.csv")
assert {c}.shape == ({n}, 2)
{d} = {c}[:, 0] / {c}[:, 1]""",
    """\
{{
  "{a}": {n},
  "{b}": [1, 2, 3],
  "{c}": {{"{d}": true}}
}}""",
)

IDENTIFIERS = (
    "alpha", "beta", "count", "delta", "limit", "total", "index", "offset", "value",
    "result", "weight", "buffer", "cursor", "left", "right", "node", "head", "max_len",
    "min_val", "step_size", "n_iter", "tol", "eps", "rate", "score", "batch", "grid",
)  # fmt: skip

CHEMICALS = (
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
