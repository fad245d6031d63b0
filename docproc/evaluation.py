"""Scores of a recogniser on labelled pictures."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docproc.distances import align, bleu, calibration_error, edit_distance, errors_in_lowest, normalized_distance
from docproc.errors import InputError
from docproc.latex.canonical import canonical, match_key
from docproc.latex.check import check
from docproc.latex.semantics import compare_meaning
from docproc.latex.tokens import split_latex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from docproc.render_match import RenderMatch

_LENGTHS = ((10, "1–10 tokens"), (30, "11–30 tokens"), (80, "31–80 tokens"))
_LONGEST = "over 80 tokens"
_MAX_CONFUSIONS = 40
_MAX_ALIGNED_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Labeled:
    """A picture with its truth."""

    image: Path
    latex: str
    kind: str = ""
    """`display`, `inline`, or empty where the label does not say."""
    source: str = ""
    name: str = ""
    """The picture as the label names it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A truth and what was read."""

    truth: str
    predicted: str
    confidence: float = 1.0
    kind: str = ""
    source: str = ""
    name: str = ""
    status: str = ""
    stop_reason: str = "end"
    image: Path | None = None


@dataclass(slots=True)
class Compared:
    """A pair with what its comparison found."""

    pair: Pair
    truth_tokens: list[str]
    """Of the match key."""
    read_tokens: list[str]
    is_exact: bool
    errors: int
    """Token edits between the match keys."""
    is_valid: bool
    patterns: list[str] = field(default_factory=list)


def read_labels(path: Path, report: Callable[[str], None]) -> list[Labeled]:
    """Read labelled data.

    Args:
        path: A folder with `labels.jsonl`, or such a file: one `{"image": path relative to the file, "latex": …}` a
            line, `kind` and `source` if known.
        report: Called with one line for each row that cannot be used.

    Returns:
        The rows whose picture exists, in order.

    Raises:
        InputError: There is no such file, or no row of it can be used.
    """
    file = path / "labels.jsonl" if path.is_dir() else path
    try:
        lines = file.read_text("utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}. Give a folder with labels.jsonl, "
                         'or a file with one {"image": …, "latex": …} a line.') from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(_read_label(line, file.parent))
        except ValueError as error:
            report(f"{file}:{number}: {error}")
    if not rows:
        raise InputError(f'{file} has no usable label. Wanted: one {{"image": …, "latex": …}} a line.')
    return rows


def _read_label(line: str, folder: Path) -> Labeled:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    for key in ("image", "latex"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise ValueError(f'"{key}" is missing or empty')
    image = folder / row["image"]
    try:
        is_there = image.is_file()
    except (OSError, ValueError):
        is_there = False
    if not is_there:
        raise ValueError(f"no picture {row['image']}")
    kind = row.get("kind") if row.get("kind") in ("display", "inline") else ""
    source = row.get("source") if isinstance(row.get("source"), str) else ""
    return Labeled(image, row["latex"], kind or "", source or "", row["image"])


def compare(pair: Pair) -> Compared:
    """Compare one reading with its truth."""
    truth, read = match_key(pair.truth), match_key(pair.predicted)
    truth_tokens, read_tokens = split_latex(truth), split_latex(read)
    is_exact = truth == read
    errors = 0 if is_exact else max(1, edit_distance(truth_tokens, read_tokens))
    compared = Compared(pair, truth_tokens, read_tokens, is_exact, errors, check(canonical(pair.predicted)).is_valid)
    if not is_exact:
        compared.patterns = _patterns(compared)
    return compared


def score(pairs: Sequence[Pair], *, render: RenderMatch | None = None) -> dict[str, Any]:
    """Score readings.

    Args:
        pairs: One a picture.
        render: Outcome of typesetting truths and readings (`render_match.match_renders`), where TeX is installed.

    Returns:
        JSON-ready scores; shares are 0–1, distances 0 = equal. Exact match and the error counts are on match keys
        (looks), `exact_canonical` on canonical LaTeX (pictures equal to the pixel).
    """
    compared = [compare(pair) for pair in pairs]
    scores: dict[str, Any] = _summary(compared)
    if not compared:
        return scores
    confidences = [one.pair.confidence for one in compared]
    is_right = [one.is_exact for one in compared]
    meanings = Counter(compare_meaning(one.pair.truth, one.pair.predicted) for one in compared)
    lowest = errors_in_lowest(confidences, is_right)
    scores |= {
        "bleu4": _round(bleu([c.truth_tokens for c in compared], [c.read_tokens for c in compared])),
        "meaning": {name: meanings[name] for name in ("equal", "different", "unknown")},
        "calibration_error": _round(calibration_error(confidences, is_right)),
        "errors_in_lowest_10_percent": None if lowest is None else _round(lowest),
        "by_kind": _grouped(compared, lambda c: c.pair.kind),
        "by_length": _grouped(compared, lambda c: _length(len(c.truth_tokens))),
        "by_source": _grouped(compared, lambda c: c.pair.source),
        "confusions": _confusions(compared),
        "failure_patterns": dict(Counter(p for c in compared for p in c.patterns).most_common()),
    }
    if render is not None:
        scores["render"] = render.to_json()
    return scores


def _summary(compared: Sequence[Compared]) -> dict[str, Any]:
    n = len(compared)
    if not n:
        return {"n": 0}
    return {
        "n": n,
        "exact": _round(sum(c.is_exact for c in compared) / n),
        "exact_canonical": _round(sum(canonical(c.pair.truth) == canonical(c.pair.predicted) for c in compared) / n),
        "exprate": _round(sum(c.errors == 0 for c in compared) / n),
        "at_most_1_error": _round(sum(c.errors <= 1 for c in compared) / n),
        "at_most_2_errors": _round(sum(c.errors <= 2 for c in compared) / n),
        "token_edit_distance": _round(sum(normalized_distance(c.truth_tokens, c.read_tokens) for c in compared) / n),
        "character_edit_distance": _round(
            sum(normalized_distance(match_key(c.pair.truth), match_key(c.pair.predicted)) for c in compared) / n),
        "valid": _round(sum(c.is_valid for c in compared) / n),
    }


def _grouped(compared: Sequence[Compared], key: Callable[[Compared], str]) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[Compared]] = {}
    for one in compared:
        if key(one):
            groups.setdefault(key(one), []).append(one)
    return {name: _summary(groups[name]) for name in sorted(groups)}


def _length(tokens: int) -> str:
    return next((name for limit, name in _LENGTHS if tokens <= limit), _LONGEST)


def _confusions(compared: Iterable[Compared]) -> list[dict[str, Any]]:
    """What was read for what, most often first; an empty string is nothing."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in compared:
        if not one.is_exact and max(len(one.truth_tokens), len(one.read_tokens)) <= _MAX_ALIGNED_TOKENS:
            counts.update(align(one.truth_tokens, one.read_tokens))
    return [{"truth": truth, "read": read, "count": count} for (truth, read), count in
            counts.most_common(_MAX_CONFUSIONS)]


def _patterns(one: Compared) -> list[str]:
    """Names of what went wrong; a reading can show several."""
    found = []
    if not one.read_tokens:
        return ["nothing read"]
    if not one.is_valid:
        found.append("not valid LaTeX")
    if one.pair.stop_reason in ("length", "repetition"):
        found.append("ran on or repeated itself")
    truth, read = Counter(one.truth_tokens), Counter(one.read_tokens)
    if truth == read:
        found.append("same tokens in another order")
    changed = align(one.truth_tokens, one.read_tokens) if max(
        len(one.truth_tokens), len(one.read_tokens)) <= _MAX_ALIGNED_TOKENS else []
    if changed and all(a.lower() == b.lower() for a, b in changed):
        found.append("only upper or lower case")
    if changed and all(x in _STRUCTURE for pair in changed for x in pair):
        found.append("only structure: scripts, braces, cells")
    if changed and all(x in _ALPHABETS for pair in changed for x in pair):
        found.append("only alphabets: bold, script, upright")
    if 2 * len(one.read_tokens) < len(one.truth_tokens):
        found.append("more than half is missing")
    if len(changed) == 1:
        found.append("one token")
    return found or ["several tokens"]


_STRUCTURE = frozenset(("", "{", "}", "^", "_", "&", "\\\\", r"\left", r"\right"))
_ALPHABETS = frozenset(("", "{", "}", r"\mathrm", r"\mathbf", r"\bm", r"\mathcal", r"\mathscr", r"\mathbb",
                        r"\mathfrak", r"\mathsf", r"\mathit", r"\mathtt", r"\text"))


def _round(value: float) -> float:
    return round(float(value), 4)
