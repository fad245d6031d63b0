from dataclasses import replace

import pytest

from docproc.fragments import settle_fragments
from docproc.latex.hints import find_hints
from docproc.records import Box, Formula, FormulaKind, Status


def pieces(*latex: str, **changes: object) -> list[Formula]:
    """Formulas that go on with each other, judged as by themselves."""
    made = []
    for position, text in enumerate(latex, start=1):
        problems = (*find_hints(text), *changes.get(text, ()))  # type: ignore[misc]
        status = Status.SUSPECT if problems else Status.OK
        made.append(
            Formula(FormulaKind.INLINE, position, Box(0, 0, 9, 9), text, text, status, 0.9, "end", "built-in", "",
                    problems, parent_position=position - 1 or None)
        )  # fmt: skip
    return made


@pytest.mark.parametrize("latex", [(r"\Pr(z_{n}=", r"k|\phi,y)"), ("f(N)=", "g(N)"), ("a+b=", "f(b)+(c", "+d)")])
def test_pieces_that_are_right_together_are_ok(latex: tuple[str, ...]) -> None:
    made = pieces(*latex)
    assert any(formula.status is Status.SUSPECT for formula in made)
    settled = settle_fragments(made)
    assert [formula.status for formula in settled] == [Status.OK] * len(latex)
    assert not any(formula.problems for formula in settled)
    assert [formula.latex for formula in settled] == list(latex)


def test_other_faults_and_other_formulas_stay_suspect() -> None:
    assert [f.status for f in settle_fragments(pieces("f(x)+(a=", "b"))] == [Status.SUSPECT, Status.OK], "still open"
    unsure = pieces("a+c=", "b", **{"a+c=": ("confidence is only 0.30",)})
    assert settle_fragments(unsure) == unsure
    alone = [pieces("a+c=")[0], pieces("x", "b")[1]]
    alone[1] = replace(alone[1], parent_position=None)
    assert settle_fragments(alone) == alone
