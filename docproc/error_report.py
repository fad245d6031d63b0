"""An HTML page of a recogniser's errors, worst first, with their pictures."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any

from docproc.evaluation import Compared, Pair, compare
from docproc.latex.canonical import canonical
from docproc.latex.check import check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MAX_ERRORS = 300
_MAX_PICTURE_BYTES = 400_000
_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
                ".bmp": "image/bmp", ".webp": "image/webp"}
_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#1a1a1a}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .8em;text-align:left;border-bottom:1px solid #ddd}
article{border-top:1px solid #ccc;padding:1em 0}img{max-width:100%;background:#fff;border:1px solid #eee}
code{white-space:pre-wrap;word-break:break-word}dt{font-weight:600}math{font-size:1.2em}.n{text-align:right}"""
_FIGURES = (
    ("exact", "Exactly right (same look)"), ("exact_canonical", "Same canonical LaTeX"),
    ("at_most_1_error", "At most one error"), ("at_most_2_errors", "At most two errors"), ("valid", "Valid LaTeX"),
    ("token_edit_distance", "Token edit distance"), ("character_edit_distance", "Character edit distance"),
    ("bleu4", "BLEU-4"), ("calibration_error", "Calibration error"),
    ("errors_in_lowest_10_percent", "Errors among the least confident 10 %"),
)


def error_report_html(pairs: Sequence[Pair], scores: dict[str, Any], *, title: str = "Errors") -> str:
    """Write the report.

    Args:
        pairs: What was scored; pictures come from `Pair.image`.
        scores: What `evaluation.score` returned for them.
        title: Heading.

    Returns:
        One self-contained page; every text from the data is escaped, pictures are embedded.
    """
    wrong = [one for one in (compare(pair) for pair in pairs) if not one.is_exact]
    wrong.sort(key=_badness, reverse=True)
    parts = [
        (f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"),
        f"<p>{len(pairs)} formulas, {len(wrong)} of them read wrong"
        + (f"; the worst {_MAX_ERRORS} follow" if len(wrong) > _MAX_ERRORS else "") + ".</p>",
        _figures(scores), _groups(scores), _patterns(scores), _confusions(scores),
        *(_article(one) for one in wrong[:_MAX_ERRORS]), "</body></html>\n"]
    return "\n".join(part for part in parts if part)


def _badness(one: Compared) -> tuple[float, float]:
    """Share of the formula that is wrong; among equals the surest first: those are the silent ones."""
    return one.errors / max(len(one.truth_tokens), len(one.read_tokens), 1), one.pair.confidence


def _figures(scores: dict[str, Any]) -> str:
    rows = [(label, scores[key]) for key, label in _FIGURES if scores.get(key) is not None]
    render = scores.get("render")
    if render and render["match"] is not None:
        rows.append(((f"Same picture when typeset ({render['truth_failures']} truths and {render['read_failures']} "
                     "readings could not be typeset)"), render["match"]))
    return _table(("", ""), rows)


def _groups(scores: dict[str, Any]) -> str:
    rows = [(name, group["n"], group["exact"], group["at_most_2_errors"], group["token_edit_distance"])
            for key in ("by_kind", "by_length", "by_source") for name, group in scores.get(key, {}).items()]
    return _table(("", "formulas", "exact", "at most 2 errors", "token edit distance"), rows)


def _patterns(scores: dict[str, Any]) -> str:
    return _table(("what went wrong", "formulas"), list(scores.get("failure_patterns", {}).items()))


def _confusions(scores: dict[str, Any]) -> str:
    rows = [(x["truth"] or "(nothing)", x["read"] or "(nothing)", x["count"]) for x in scores.get("confusions", [])]
    return _table(("truth", "read as", "times"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head) if any(head) else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{titles}</tr>' if titles else ''}{body}</table>"


def _article(one: Compared) -> str:
    pair = one.pair
    facts = [pair.name, pair.kind, pair.source, f"confidence {pair.confidence:.2f}", pair.status,
             f"{one.errors} token edits", *one.patterns]
    return (f"<article><p>{escape(' · '.join(fact for fact in facts if fact))}</p>{_picture(pair.image)}"
            f"<dl>{_formula('truth', pair.truth)}{_formula('read', pair.predicted)}</dl></article>")


def _formula(label: str, latex: str) -> str:
    mathml = check(canonical(latex)).mathml
    return f"<dt>{label}</dt><dd><code>{escape(latex)}</code><br>{mathml}</dd>"


def _picture(path: Path | None) -> str:
    if path is None:
        return ""
    media_type = _MEDIA_TYPES.get(path.suffix.lower())
    try:
        if media_type is None or path.stat().st_size > _MAX_PICTURE_BYTES:
            return f"<p>{escape(str(path))}</p>"
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return f"<p>{escape(str(path))} is gone</p>"
    return f'<p><img alt="the picture" src="data:{media_type};base64,{data}"></p>'
