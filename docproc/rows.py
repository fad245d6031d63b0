"""Records as rows of the database, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docproc.records import (
    BOLD_CLOSE,
    BOLD_OPEN,
    CODE_CLOSE,
    CODE_OPEN,
    MARK_CLOSE,
    MARK_OPEN,
    Block,
    BlockKind,
    Box,
    Formula,
    FormulaKind,
    PageKind,
    Status,
    StoredFormula,
    StoredPage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SAME_PLACE_IOU = 0.5
"""A formula of an earlier run that overlaps a new one by more than this is the same formula and keeps its id."""


_NO_STYLE = str.maketrans("", "", CODE_OPEN + CODE_CLOSE + BOLD_OPEN + BOLD_CLOSE)


def formula_values(formula: Formula) -> dict[str, Any]:
    """The columns of `formulas` that the record itself determines."""
    return {
        "position": formula.position,
        "kind": formula.kind.value,
        "x0": formula.box.x0,
        "y0": formula.box.y0,
        "x1": formula.box.x1,
        "y1": formula.box.y1,
        "equation_number": formula.equation_number,
        "latex": formula.latex,
        "latex_raw": formula.latex_raw,
        "mathml": formula.mathml,
        "confidence": formula.confidence,
        "stop_reason": formula.stop_reason,
        "status": formula.status.value,
        "problems": json.dumps(formula.problems, ensure_ascii=False),
        "repairs": json.dumps(formula.repairs, ensure_ascii=False),
        "lines": json.dumps([_box_list(box) for box in formula.lines]),
        "model": formula.model,
        "image_sha256": formula.image_sha256,
        "text_before": formula.text_before,
        "text_after": formula.text_after,
    }


def stored_formula(row: Mapping[str, Any]) -> StoredFormula:
    """The record of a row of `formulas`, with `parent_position` beside its columns."""
    formula = Formula(
        kind=FormulaKind(row["kind"]),
        position=row["position"],
        box=Box(row["x0"], row["y0"], row["x1"], row["y1"]),
        latex=row["latex"],
        latex_raw=row["latex_raw"],
        status=Status(row["status"]),
        confidence=row["confidence"],
        stop_reason=row["stop_reason"],
        model=row["model"],
        image_sha256=row["image_sha256"],
        problems=tuple(json.loads(row["problems"])),
        repairs=tuple(json.loads(row["repairs"])),
        mathml=row["mathml"],
        equation_number=row["equation_number"],
        lines=tuple(Box(*corners) for corners in json.loads(row["lines"])),
        parent_position=row["parent_position"],
        text_before=row["text_before"],
        text_after=row["text_after"],
    )
    return StoredFormula(
        id=row["id"],
        document_id=row["document_id"],
        page_number=row["page_number"],
        formula=formula,
        corrected_latex=row["corrected_latex"],
        reviewed_at=row["reviewed_at"],
        reviewer=row["reviewer"],
    )


def stored_page(row: Mapping[str, Any]) -> StoredPage:
    """The record of a row of `pages`."""
    return StoredPage(
        id=row["id"],
        number=row["number"],
        kind=None if row["kind"] is None else PageKind(row["kind"]),
        blocks=blocks_from_json(row["blocks"]),
        status=row["status"],
        problem=row["problem"],
    )


def blocks_to_json(blocks: Iterable[Block]) -> str:
    """Blocks as a JSON list, with their formulas as marks."""
    return json.dumps(
        [
            {"kind": b.kind.value, "text": b.text, "level": b.level, "box": None if b.box is None else _box_list(b.box)}
            for b in blocks
        ],
        ensure_ascii=False,
    )


def blocks_from_json(text: str | None) -> tuple[Block, ...]:
    """The reverse of `blocks_to_json`; a page that failed has none."""
    return tuple(
        Block(BlockKind(b["kind"]), b["text"], b["level"], None if b["box"] is None else Box(*b["box"]))
        for b in json.loads(text or "[]")
    )


def plain_text(blocks: Iterable[Block], latex: Mapping[int, str]) -> str:
    """The page's text for `pages.text`: a paragraph a block, formulas as `$…$`."""
    text = "\n\n".join(block.text for block in blocks)
    text = text.translate(_NO_STYLE)
    for position, formula in latex.items():
        text = text.replace(f"{MARK_OPEN}{position}{MARK_CLOSE}", f"${formula}$")
    return text


def match_places(old: Sequence[Box], new: Sequence[Box]) -> dict[int, int]:
    """Which new box stands where an old one stood: index of new → index of old, best overlaps first, each once."""
    pairs = sorted(
        ((a.iou(b), i, j) for j, a in enumerate(old) for i, b in enumerate(new) if (a & b).area > 0),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for iou, i, j in pairs:
        if iou > _SAME_PLACE_IOU and i not in matched and j not in taken:
            matched[i] = j
            taken.add(j)
    return matched


def _box_list(box: Box) -> list[float]:
    return [box.x0, box.y0, box.x1, box.y1]
