"""English prose from a seeded grammar: sentences about mathematics and its uses, with places for formulas.

Nothing here is copied from a document: the words and the sentence patterns are this project's own. A pattern holds
slots in brackets; `[m]` is the place of an inline formula and stays in the text for the caller to fill. What looks a
little like mathematics and is none (prices, dates, references, URLs, units, codes, names with numbers) is mixed in on
purpose, because a finder must leave it alone.
"""

from __future__ import annotations

import random
import re

from finetune.pretrain.prose_words import (
    CAPTIONS,
    CHEMICALS,
    CODE,
    IDENTIFIERS,
    JOURNALS,
    PLAIN,
    THEMES,
    TITLES,
    WITH_FORMULA,
)

FORMULA_SLOT = "[m]"

_SLOT = re.compile(r"\[([a-z_]+)\]")


class ProseSource:
    """Draws sentences, titles, captions, code and references; equal seeds and splits give equal text."""

    def __init__(self, seed: int, split: str) -> None:
        """Set up the words of one split.

        Args:
            seed: Everything drawn follows from it.
            split: `dev` or `test` (`test-unicode` = `test`); the two share patterns but hardly any nouns, adjectives,
                names or places.

        Raises:
            KeyError: There is no such split.
        """
        words = {kind: text.split() for kind, text in THEMES[split.removesuffix("-unicode")].items()}
        self._random = random.Random(f"{seed} {split}")
        # Zipf's law: the first words of a document's own shuffled list come up far more often than the last.
        self._ranked = {kind: self._random.sample(group, len(group)) for kind, group in words.items()}

    def sentence(self, formula_share: float) -> str:
        """One sentence in LaTeX; with probability `formula_share` it holds `[m]` slots."""
        pattern = self._random.choice(WITH_FORMULA if self._random.random() < formula_share else PLAIN)
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
        text = self._fill(self._random.choice(TITLES))
        return text[0].upper() + text[1:]

    def caption(self, formulas: bool) -> str:
        """A caption; with `[m]` slots only if `formulas`."""
        choices = [c for c in CAPTIONS if formulas or FORMULA_SLOT not in c]
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
        a, b, c, d = self._random.sample(IDENTIFIERS, 4)
        return self._random.choice(CODE).format(a=a, b=b, c=c, d=d, n=self._random.randint(2, 99))

    def reference(self) -> str:
        """One entry of a list of references."""
        title = self._fill(self._random.choice(("The [np] of [a_np]", "On [adj] [n]s", "[adjc] [n]s in [place]")))
        journal = self._fill(self._random.choice(JOURNALS))
        tail = self._fill("[count] ([year]), [pages]")
        doi = self._fill(" [url]") if self._random.random() < 0.3 else ""
        return f"{self._fill('[initials] [person]')}, {title}, \\emph{{{journal}}} {tail}.{doi}"

    def author(self) -> str:
        """Initials and a name."""
        return self._fill("[initials] [person]")

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
        month = self._random.choice(
            ["January", "March", "April", "May", "June", "August", "October", "November", "December"]
        )
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
        kind, panel = self._random.choice(("Fig.", "Figure", "Table")), self._random.choice(("", "", "(a)", "b"))
        return f"{kind}~{self._random.randint(1, 9)}{panel}"

    def _draw_pages(self) -> str:
        first = self._random.randint(1, 800)
        return f"{first}--{first + self._random.randint(2, 40)}"

    def _draw_url(self) -> str:
        name = self._random.choice(IDENTIFIERS).replace("_", "-")
        return f"\\texttt{{https://example.org/{name}/{self._random.randint(1, 99)}}}"

    def _draw_email(self) -> str:
        return f"{self._draw_person().encode('ascii', 'ignore').decode().lower()}@example.org"

    def _draw_code(self) -> str:
        return f"{self._random.choice('ABKMTX')}{self._random.randint(10, 999)}-{self._random.choice('ABCR')}"

    def _draw_unit(self) -> str:
        unit = self._random.choice(("kg", "mm", "cm", "MHz", "kW", "V", "s"))
        return f"{self._random.choice((3, 12, 25, 40, 150, '0.5', '2.4'))}\\,{unit}"

    def _draw_temperature(self) -> str:
        return f"{self._random.randint(4, 95)}\\,\\textdegree C"

    def _draw_memory(self) -> str:
        return f"{self._random.choice((8, 16, 64, 128))}\\,GB"

    def _draw_version(self) -> str:
        return f"{self._random.randint(0, 9)}.{self._random.randint(0, 20)}.{self._random.randint(0, 9)}"

    def _draw_ident(self) -> str:
        return self._random.choice(IDENTIFIERS).replace("_", "\\_")

    def _draw_chemical(self) -> str:
        return self._random.choice(CHEMICALS)
