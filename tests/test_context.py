from docproc.context import with_context
from docproc.records import BOLD_CLOSE, BOLD_OPEN, MARK_CLOSE, MARK_OPEN, Block, BlockKind, Box, FormulaKind, Region

REGIONS = [Region(FormulaKind.INLINE, Box(0, 0, 1, 1), text_before="old") for _ in range(4)]


def mark(position: int) -> str:
    return f"{MARK_OPEN}{position}{MARK_CLOSE}"


def test_formulas_know_the_prose_around_them() -> None:
    blocks = [
        Block(BlockKind.PARAGRAPH, f"Let {mark(1)} be {BOLD_OPEN}small{BOLD_CLOSE}."),
        Block(BlockKind.CODE, "x = 1"),
        Block(BlockKind.FORMULA, f"{mark(3)} 2.1"),
        Block(BlockKind.PARAGRAPH, "known as the Courant number."),
    ]
    first, second, third, _ = with_context(REGIONS, blocks)
    assert (first.text_before, first.text_after) == ("Let", "be small. … known as the Courant number.")
    assert second.text_before == "old", "a formula outside all blocks keeps what it had"
    assert (third.text_before, third.text_after) == ("Let … be small.", "known as the Courant number.")


def test_the_context_is_short_and_holds_no_marks() -> None:
    text = " ".join(f"word{i} {mark(i % 4 + 1)}" for i in range(400))
    for region in with_context(REGIONS, [Block(BlockKind.PARAGRAPH, text)]):
        assert 80 < len(region.text_before) <= 120
        assert len(region.text_after) <= 120
        assert not {MARK_OPEN, MARK_CLOSE} & set(region.text_before + region.text_after)
