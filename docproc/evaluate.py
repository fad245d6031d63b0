"""`docproc evaluate`: read labelled pictures with a model and score what it reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docproc.errors import InputError, OutputError
from docproc.evaluation import Labeled, Pair, read_labels, score
from docproc.formula_pictures import formula_pictures
from docproc.latex.judge import judge
from docproc.recognition import Unread, recognize_all
from docproc.records import Status

if TYPE_CHECKING:
    from docproc.recognition import RunRecognizer

# Statuses whose LaTeX is not an answer.
_NO_ANSWER = (Status.FAILED, Status.REJECTED)


def evaluate(
    data: Path, recognizer: RunRecognizer, report: Callable[[str], None], *, batch_size: str = "auto", render: bool
) -> tuple[dict[str, Any], list[Pair]]:
    """Read and score.

    Args:
        data: Folder with `labels.jsonl`, or such a file.
        recognizer: Reads.
        report: Takes a line for each row that cannot be used.
        batch_size: As `docproc run --batch-size`.
        render: Typeset truth and reading with TeX and compare the pictures too.

    Returns:
        The scores (see evaluation.score) and what was read.

    Raises:
        InputError: No row can be used.
        DependencyError: TeX or the model is missing.
    """
    labels, pictures = [], []
    rows = list(read_labels(data, report))
    for label, picture in zip(rows, formula_pictures(label.image for label in rows), strict=True):
        if isinstance(picture, InputError):
            report(f"left out: {picture}")
        else:
            labels.append(label)
            pictures.append(picture)
    if not labels:
        raise InputError(f"No picture of {data} can be read. Give a folder with labels.jsonl and its pictures.")
    read = recognize_all(recognizer, pictures, recognizer.batch_size(batch_size))
    pairs = [_pair(label, result) for label, result in zip(labels, read, strict=True)]
    if not render:
        return score(pairs), pairs
    from docproc.render_match import match_renders

    return score(pairs, render=match_renders([(pair.truth, pair.predicted) for pair in pairs])), pairs


def write_predictions(file: Path, pairs: Sequence[Pair]) -> None:
    """Write one JSON line a picture: `image`, `latex`, `confidence`, `status`.

    Raises:
        OutputError: The file cannot be written.
    """
    lines = [
        {"image": p.name, "latex": p.predicted, "confidence": round(p.confidence, 4), "status": p.status} for p in pairs
    ]
    write_text(file, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def write_text(file: Path, text: str) -> None:
    """Write a result file.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}. Choose another file.") from error


def _pair(label: Labeled, result: Any) -> Pair:
    if isinstance(result, Unread):
        verdict_latex, status, confidence, stop_reason = "", Status.FAILED, 0.0, "unread"
    else:
        verdict = judge(result.latex, result.stop_reason, result.confidence)
        status, confidence, stop_reason = verdict.status, result.confidence, result.stop_reason
        verdict_latex = "" if status in _NO_ANSWER else verdict.latex
    return Pair(
        truth=label.latex,
        predicted=verdict_latex,
        confidence=confidence,
        kind=label.kind,
        source=label.source,
        name=label.name,
        status=status.value,
        stop_reason=stop_reason,
        image=label.image,
    )
