"""The prose around each formula of a page: what it can be found by in words, and what its snippet shows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from docproc.records import BOLD_CLOSE, BOLD_OPEN, CODE_CLOSE, CODE_OPEN, MARK_CLOSE, MARK_OPEN, BlockKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docproc.records import Block, Region

CONTEXT_LENGTH = 120
"""Characters on each side."""
_MARK = re.compile(f"{MARK_OPEN}(\\d+){MARK_CLOSE}")
_NO_STYLE = str.maketrans("", "", BOLD_OPEN + BOLD_CLOSE + CODE_OPEN + CODE_CLOSE)
_GAP = re.compile(r"\s+")
_OTHER_FORMULA = "…"


def with_context(regions: Sequence[Region], blocks: Sequence[Block]) -> list[Region]:
    """Fill in the prose before and after each formula, in reading order across blocks.

    Args:
        regions: Of a page.
        blocks: Of the page, with the marks of the regions. Listings are no prose.

    Returns:
        The regions; other formulas nearby are an ellipsis, so that nothing is found by what its neighbor says.
    """
    text = "\n".join(_prose(block) for block in blocks).translate(_NO_STYLE)
    found = list(regions)
    for match in _MARK.finditer(text):
        index = int(match[1]) - 1
        if 0 <= index < len(found):
            before = _plain(text[: match.start()][-4 * CONTEXT_LENGTH :])
            after = _plain(text[match.end() :][: 4 * CONTEXT_LENGTH])
            found[index] = replace(
                found[index],
                text_before=before[-CONTEXT_LENGTH:].strip(),
                text_after=after[:CONTEXT_LENGTH].strip(),
            )
    return found


def _prose(block: Block) -> str:
    if block.kind is BlockKind.FORMULA:  # without the numbers of its lines
        return " ".join(match[0] for match in _MARK.finditer(block.text))
    return "" if block.kind is BlockKind.CODE else block.text


def _plain(text: str) -> str:
    """One line, formulas as an ellipsis; a mark that was cut at the end is gone."""
    text = _MARK.sub(_OTHER_FORMULA, text)
    text = re.sub(f"^\\d*{MARK_CLOSE}|{MARK_OPEN}\\d*$", "", text)
    return _GAP.sub(" ", text)
