"""What a reading is worth: its stored form, its status and the reasons."""

from __future__ import annotations

from dataclasses import dataclass

from docproc.latex.accent_places import has_accents_in_place
from docproc.latex.canonical import canonical
from docproc.latex.check import check
from docproc.latex.confusions import settle_by_glyphs
from docproc.latex.evidence import Agreement, compare_with_glyphs
from docproc.latex.hints import REPEATS, find_hints, is_complete
from docproc.latex.places import Placing, Rect, compare_places
from docproc.latex.repair import UNWRAPPED, is_wrapped, repair
from docproc.latex.rules import count_rules, draws_too_much, settle_by_rules
from docproc.records import Status

# A reading less sure than this is doubtful whatever else speaks for it.
DOUBT_BELOW = 0.5
# Where a page has glyphs and they do not prove it in full: of those between both limits half are wrong
# (benchmarks/verification.py).
UNPROVEN_DOUBT_BELOW = 0.7
# Glyphs prove which symbols there are and roughly where; the rest is the recogniser's own certainty.
VERIFIED_FROM = 0.9
_STOPPED = {"length": "the recogniser ran on until its limit", "repetition": "the recogniser repeated itself",
            "unread": "the formula was not read"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of `judge`."""

    latex: str
    """Canonical; the raw text, blanks collapsed, if it does not parse."""
    status: Status
    problems: tuple[str, ...] = ()
    """One line each, the weightiest first."""
    mathml: str = ""
    repairs: tuple[dict[str, str], ...] = ()
    """Steps from the raw text to `latex`, where it had to be repaired: `before`, `rule`, `after`."""


def judge(
    latex_raw: str,
    stop_reason: str,
    confidence: float,
    glyph_symbols: tuple[str, ...] = (),
    glyph_boxes: tuple[Rect, ...] | None = None,
    *,
    is_display: bool = True,
    rule_count: int | None = None,
) -> Verdict:
    """Judge a reading by its syntax, its own consistency, and the glyphs of the page and where they stand.

    Args:
        latex_raw: As decoded.
        stop_reason: `end`, `length`, `repetition` or `not-a-formula`.
        confidence: 0–1.
        glyph_symbols: LaTeX meaning of each glyph under the formula from left to right, `?` where unknown; empty
            for a scan.
        glyph_boxes: Ink and font size of each; None if they are not known, or where the formula was cut is in doubt:
            then nothing is verified.
        is_display: For the MathML.
        rule_count: Horizontal rules in the formula's box and right beside it; None if they are not known.

    Returns:
        `failed` if there is no answer or a runaway one, `rejected` if the recogniser saw no formula, `invalid` if it
        is no LaTeX and cannot be repaired, `suspect` if anything speaks against it or it was repaired without glyphs
        to prove it, `verified` if glyphs and reading agree in full, else `ok`.
    """
    if stop_reason == "not-a-formula":
        return Verdict("", Status.REJECTED, ("the picture shows no formula",))
    latex = canonical(latex_raw)
    if stop_reason in _STOPPED:
        return Verdict(latex, Status.FAILED, (_STOPPED[stop_reason],))
    if not latex:
        return Verdict("", Status.FAILED, ("the recogniser gave no answer",))
    checked = check(latex, is_display=is_display)
    repairs: tuple[dict[str, str], ...] = ()
    if not checked.is_valid or is_wrapped(latex_raw) or any(h.startswith(REPEATS) for h in find_hints(latex)):
        broken = checked
        repaired = repair(
            latex_raw, lambda one: compare_with_glyphs(one, glyph_symbols).agreement is not Agreement.NONE)
        if repaired.steps:
            latex, repairs = canonical(repaired.latex), repaired.steps
            checked = check(latex, is_display=is_display)
        if not checked.is_valid:
            return Verdict(canonical(latex_raw), Status.INVALID, broken.problems)
    evidence = compare_with_glyphs(latex, glyph_symbols)
    settled = None
    if evidence.agreement is Agreement.NONE:
        settled = settle_by_glyphs(latex, glyph_symbols)
    elif evidence.agreement is Agreement.FULL and draws_too_much(latex, rule_count):
        settled = settle_by_rules(latex, rule_count)
    if settled is not None:
        rule, after = settled
        repairs = (*repairs, {"before": latex, "rule": rule, "after": after})
        latex = canonical(after)
        checked = check(latex, is_display=is_display)
        evidence = compare_with_glyphs(latex, glyph_symbols)
    changes = [step["rule"] for step in repairs if not step["rule"].startswith(UNWRAPPED)]
    placing = Placing(False)
    if (evidence.agreement is Agreement.FULL or evidence.lacks_only_accents) and glyph_boxes is not None:
        placing = compare_places(latex, glyph_symbols, glyph_boxes, is_display=is_display)
    problems = [*evidence.differences, *placing.differences, *find_hints(latex)]
    if evidence.agreement is not Agreement.UNKNOWN and draws_too_much(latex, rule_count):
        problems.append("the LaTeX draws a line over or under symbols that is not on the page")
    if evidence.agreement is not Agreement.FULL:
        problems += [f"repaired: {rule}" for rule in changes]
    is_unproven = evidence.agreement is not Agreement.UNKNOWN and not evidence.has_its_alphabets
    if confidence < (UNPROVEN_DOUBT_BELOW if is_unproven else DOUBT_BELOW):
        problems.append(f"confidence is only {confidence:.2f}")
    if problems:
        return Verdict(latex, Status.SUSPECT, tuple(problems), checked.mathml, repairs)
    is_verified = placing.is_known and confidence >= VERIFIED_FROM and not changes and is_complete(latex)
    has_its_rules = rule_count is None or rule_count == count_rules(latex)
    is_verified = is_verified and evidence.has_its_alphabets and has_its_rules
    is_verified = is_verified and has_accents_in_place(latex, glyph_symbols, glyph_boxes or ())
    return Verdict(latex, Status.VERIFIED if is_verified else Status.OK, (), checked.mathml, repairs)
