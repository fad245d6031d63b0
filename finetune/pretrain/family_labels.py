r"""Labels that the picture decides: what a font family prints alike gets one label in it.

In Iwona, sans-serif and typewriter letters are the upright ones, so that `\mathsf{1}` and `1` are one picture there.
A model asked for both at random learns to guess, in every family.
"""

from __future__ import annotations

import re

from docproc.latex.canonical import recognition_target
from finetune.pretrain.vocabulary import join_target, split_target

SAME: dict[str, dict[str, str]] = {
    "iwona": {r"\mathsf": r"\mathrm", r"\mathtt": r"\mathrm"},
    "anttor": {r"\mathsf": r"\mathrm", r"\mathtt": r"\mathrm"},
    "arev": {r"\mathsf": r"\mathit"},
    "ptmx": {r"\mathscr": r"\mathcal"},
}
"""Family: alphabets, and those whose letters it prints pixel by pixel the same.

Measured over letters and digits in all families; the test of this module typesets them again. Near likeness (CM
Bright's sans serif is a little bolder than its roman) is no reason to fold.
"""

_COMMAND = re.compile(r"\\math(?:sf|tt|scr)(?![a-zA-Z])")


def label_in(target: str, family: str) -> str | None:
    """The label of a formula's picture in a font family.

    Args:
        target: Canonical LaTeX (`recognition_target`).
        family: Key of `typeset.FAMILIES`.

    Returns:
        Canonical LaTeX; None if it has no canonical form there.
    """
    same = SAME.get(family)
    if same is None or not _COMMAND.search(target):
        return target
    tokens = split_target(target)
    changed = [same.get(t, t) for t in tokens]
    return target if changed == tokens else recognition_target(join_target(changed))
