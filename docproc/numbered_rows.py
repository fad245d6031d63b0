r"""Numbers of a display of several lines, each in its line: `aligned` with one number becomes `align` with `\tag`s."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docproc.latex.tokens import tokenize

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBERED = {"aligned": "align", "gathered": "gather", "split": "align"}
_WHOLE = re.compile(r"\\begin\{(aligned|gathered|split)\}(.*)\\end\{\1\}", re.DOTALL)
_OPENING, _CLOSING = ("{", r"\left"), ("}", r"\right")


def tag_rows(latex: str, tags: Sequence[str]) -> str | None:
    r"""Give each line of a display its number.

    Args:
        latex: Of the display.
        tags: Texts of its numbers from top to bottom, two or more.

    Returns:
        The display in an environment that takes `\tag` in each row; None if it is not told which row has which number:
        there must be as many rows, or as many equations (rows whose left side is not empty), as numbers. The number of
        an equation of several rows stands in its last one.
    """
    match = _WHOLE.fullmatch(latex.strip())
    if match is None:
        return None
    name, body = match[1], match[2]
    rows = _split_rows(body)
    if rows is None:
        return None
    ends = list(range(len(rows)))
    if len(rows) > len(tags) and name != "gathered":
        starts = [index for index, row in enumerate(rows) if not row.lstrip().startswith("&")]
        ends = [start - 1 for start in starts[1:]] + [len(rows) - 1] if starts and starts[0] == 0 else []
    if len(ends) != len(tags):
        return None
    for index, tag in zip(ends, tags, strict=True):
        rows[index] = rf"{rows[index].rstrip()} \tag{{{tag}}}"
    return rf"\begin{{{_NUMBERED[name]}}}" + r"\\".join(rows) + rf"\end{{{_NUMBERED[name]}}}"


def _split_rows(body: str) -> list[str] | None:
    r"""Sources of the rows, or None if the body holds a tag of its own or does not nest."""
    rows: list[str] = []
    depth = start = 0
    for token, at in zip(*tokenize(body), strict=True):
        depth += _step(token)
        if depth < 0 or token == r"\tag":
            return None
        if token == r"\\" and depth == 0:
            rows.append(body[start:at])
            start = at + len(token)
    return [*rows, body[start:]] if depth == 0 else None


def _step(token: str) -> int:
    if token in _OPENING or token.startswith(r"\begin{"):
        return 1
    return -1 if token in _CLOSING or token.startswith(r"\end{") else 0
