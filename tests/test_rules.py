"""Lines over symbols that the page does not draw are taken off, if one formula alone is left."""

import pytest

from docproc.latex.rules import draws_too_much, settle_by_rules


@pytest.mark.parametrize(
    ("latex", "rules", "is_too_much"),
    [
        (r"\overline{x}", 0, True),
        (r"\overline{x}", 1, False),
        (r"\frac{a}{b}", 0, False),
        (r"\overline{x}", None, False),
    ],
)
def test_lines_are_counted(latex: str, rules: int | None, is_too_much: bool) -> None:
    assert draws_too_much(latex, rules) is is_too_much


def test_only_a_sole_candidate_is_taken() -> None:
    settled = settle_by_rules(r"a+\overline{x_{1}}", 0)
    assert settled is not None
    assert settled[1] == "a+{x_{1}}"
    assert settle_by_rules(r"\overline{x}\overline{y}", 1) is None
