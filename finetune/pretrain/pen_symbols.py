r"""Signs that nobody wrote in the collections of handwriting, drawn with a pen: the single-line Hershey fonts.

The collections know about a hundred signs: no `D`, `K` or `U`, no `\psi`, no `\partial`. The letters of A. V. Hershey
(US National Bureau of Standards, 1967; free to use) are strokes of a pen, as ink is; the writer bends and slants them
like the rest. They are read from the package `Hershey-Fonts` when the data is prepared, and travel with it as JSON.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from finetune.pretrain.ink import Stroke

Drawn = dict[str, list[list[Stroke]]]
"""Label to several drawings of it, each some strokes in a unit of its own, y downwards."""

# Greek letters in the order of the font `greeks`, `a` and `A` the first; empty where a Latin letter looks the same.
_GREEK = [
    "alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "vartheta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "", "pi", "rho", "sigma", "tau", "upsilon", "varphi", "chi", "psi", "omega",
]  # fmt: skip
_GREEK_CAPITALS = [
    "", "", "Gamma", "Delta", "", "", "", "Theta", "", "", "Lambda", "",
    "", "Xi", "", "Pi", "", "Sigma", "", "Upsilon", "Phi", "", "Psi", "Omega",
]  # fmt: skip
# Places in the font `mathlow`.
_SIGNS = {
    ":": "prod", ";": "sum", "?": "neq", "@": "equiv", "^": "propto", "d": "subset", "e": "cup", "f": "supset",
    "g": "cap", "h": "in", "i": "rightarrow", "k": "leftarrow", "m": "partial", "n": "nabla", "v": "exists",
    "y": "|", "z": "perp",
}  # fmt: skip


def hershey_symbols() -> Drawn:
    """Drawings of letters and signs by their LaTeX.

    Raises:
        ModuleNotFoundError: The package `Hershey-Fonts` is not installed.
    """
    from HersheyFonts import HersheyFonts

    drawn: Drawn = {}

    def add(font: str, signs: Iterable[tuple[str, str]]) -> None:
        fonts = HersheyFonts()
        fonts.load_default_font(font)
        for sign, label in signs:
            strokes = [np.array(points, np.float32) for s in fonts.strokes_for_text(sign) if (points := list(s))]
            if strokes:
                drawn.setdefault(label, []).append(strokes)

    for font in ("futural", "rowmans"):
        add(font, ((c, c) for c in string.ascii_letters + string.digits + ":;*?!<>"))
    add("scripts", ((c, c) for c in string.ascii_lowercase))
    add("scripts", [("l", r"\ell")])
    add("scripts", ((c, rf"\mathcal{c}") for c in string.ascii_uppercase))
    for signs, names in ((string.ascii_lowercase, _GREEK), (string.ascii_uppercase, _GREEK_CAPITALS)):
        add("greeks", ((c, "\\" + name) for c, name in zip(signs, names, strict=False) if name))
    add("mathlow", ((c, "\\" + name) for c, name in _SIGNS.items()))
    add("rowmans", [("~", r"\sim"), ("<", r"\langle"), (">", r"\rangle")])
    return drawn


def save_drawn(drawn: Drawn, path: Path) -> None:
    """Write drawings, points rounded to hundredths."""
    plain = {
        label: [[np.round(s, 2).tolist() for s in strokes] for strokes in drawings] for label, drawings in drawn.items()
    }
    path.write_text(json.dumps(plain), encoding="utf-8")


def load_drawn(path: Path) -> Drawn:
    """Read what `save_drawn` wrote; nothing where the file is absent."""
    if not path.exists():
        return {}
    plain = json.loads(path.read_text(encoding="utf-8"))
    return {
        label: [[np.array(s, np.float32) for s in strokes] for strokes in drawings] for label, drawings in plain.items()
    }
