"""Handwriting that nobody wrote: new formulas composed out of single written symbols."""

from __future__ import annotations

import math
import random
import string
from dataclasses import dataclass

import numpy as np

from finetune.pretrain.ink import Stroke
from finetune.pretrain.pen_fonts import Hand
from finetune.pretrain.pen_marks import ACCENTS, COMPOSED, NAMED, SPACES, accent, composed
from finetune.pretrain.symbol_library import Library

_TALL = frozenset("bdfhklt0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ!") | {
    r"\theta",
    r"\lambda",
    r"\Delta",
    r"\forall",
    r"\exists",
    r"\prime",
    r"\delta",
    r"\ell",
    r"\partial",
    r"\nabla",
    r"\vartheta",
    r"\perp",
    "?",
    *(rf"\mathcal{c}" for c in string.ascii_uppercase),
    *(rf"\{name}" for name in ["Gamma", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"]),
}
_DESCENDING = frozenset("gpqy") | {r"\mu", r"\gamma", r"\eta", r"\rho", r"\chi"}
_FULL = frozenset("()[]|/j") | {r"\{", r"\}", r"\phi", r"\beta", r"\int", r"\varphi", r"\psi", r"\xi", r"\zeta"}
_FULL |= {r"\langle", r"\rangle", r"\|"}
_WORDS = {r"\sin": 1.75, r"\cos": 1.3, r"\tan": 1.6, r"\log": 2.0, r"\lim": 1.8}
_SPELLED = {r"<": r"\lt", ">": r"\gt", r"\to": r"\rightarrow", r"\cdots": r"\ldots", r"\mid": "|", r"\ast": "*"}
_FLAT = {
    "-": 1.1,
    "+": 1.1,
    "=": 1.1,
    r"\times": 0.9,
    r"\pm": 1.1,
    r"\div": 1.1,
    r"\rightarrow": 1.8,
    r"\lt": 1.1,
    r"\gt": 1.1,
}
_FLAT |= {r"\leq": 1.1, r"\geq": 1.1, r"\neq": 1.2, r"\in": 1.1, r"\ldots": 1.5, r"\infty": 1.6}
_FLAT |= {
    r"\sim": 1.1,
    r"\equiv": 1.1,
    r"\propto": 1.1,
    r"\subset": 1.0,
    r"\supset": 1.0,
    r"\cup": 0.9,
    r"\cap": 0.9,
    "*": 0.6,
}
_FLAT |= {r"\leftarrow": 1.8, ":": 0.15, ";": 0.2}
"""Signs that sit on the axis: their width in x-heights."""


_RELATIONS = frozenset(("=", "<", ">", "+", "-")) | {
    rf"\{name}"
    for name in ["leq", "geq", "neq", "in", "rightarrow", "to", "equiv", "sim", "approx", "Rightarrow", "times", "pm"]
}
"""Signs that some people write far apart from their neighbors."""

_ROWS = ("matrix", "pmatrix", "bmatrix", "vmatrix", "aligned", "cases")


@dataclass(slots=True)
class _Box:
    """Placed strokes: origin at the left end of the baseline; one unit is an x-height."""

    strokes: list[Stroke]
    width: float
    up: float
    down: float

    def moved(self, x: float, y: float, scale: float = 1.0) -> _Box:
        offset = np.array([x, y], np.float32)
        return _Box(
            [s * scale + offset for s in self.strokes], self.width * scale, self.up * scale - y, self.down * scale + y
        )


class Writer:
    """Writes canonical LaTeX by hand, with symbols of few writers and a hand's own slopes and sizes."""

    def __init__(self, library: Library, rng: random.Random) -> None:
        self.library, self.rng = library, rng
        few = rng.choice([1, 2, 4, 8])
        self.hands = [rng.choice(library.by_ink) for _ in range(few)]
        self.script = rng.uniform(0.55, 0.8)
        self.gap = rng.uniform(0.12, 0.45)
        self.wobble = rng.uniform(0.0, 0.12)
        self.apart = 0.0
        """Paper on both sides of relations, at most, in x-heights."""
        self.has_half_heads = False
        """Whether arrows over letters have only the upper half of their heads."""

    def borrow(self, hand: Hand) -> None:
        """Write with a font's letters where the library knows the sign, all else with the first of the own hands."""
        own = {letter: [strokes] for letter, strokes in hand.letters.items() if letter in self.library}
        self.hands = [own, *self.hands[:1]]

    def write(self, tokens: list[str]) -> list[Stroke] | None:
        """Return strokes of a formula, or None where it holds something that nobody wrote.

        Args:
            tokens: Canonical LaTeX, `_{` and `^{` as one token.
        """
        try:
            box, rest = self._row(tokens, 0, 0)
        except (KeyError, IndexError):
            return None
        return box.strokes if rest == len(tokens) and box.strokes else None

    def _row(self, t: list[str], i: int, depth: int) -> tuple[_Box, int]:
        """Items up to the end of a group, a cell or a row."""
        row, last = _Box([], 0.0, 0.0, 0.0), (1.0, 0.0)
        while i < len(t) and t[i] not in ("}", "&", r"\\", "]!", r"\right") and not t[i].startswith(r"\end"):
            if t[i] in ("_{", "^{"):
                row, i = self._scripts(t, i, depth, row, last)
                continue
            pad = self.apart * self.rng.random() if self.apart and not depth and t[i] in _RELATIONS else 0.0
            item, i, limits = self._item(t, i, depth)
            if limits and i < len(t) and t[i] in ("_{", "^{"):
                item, i = self._limits(item, t, i, depth)
            row.width += pad
            row = self._beside(row, item)
            row.width += pad
            last = (item.up, item.down)
        return row, i

    def _beside(self, row: _Box, item: _Box) -> _Box:
        x = row.width + (self.gap * self.rng.uniform(0.6, 1.5) if row.strokes else 0.0)
        moved = item.moved(x, self.rng.gauss(0, self.wobble))
        return _Box(row.strokes + moved.strokes, x + item.width, max(row.up, moved.up), max(row.down, moved.down))

    def _group(self, t: list[str], i: int, depth: int) -> tuple[_Box, int]:
        if t[i] != "{":
            raise KeyError(t[i])
        box, i = self._row(t, i + 1, depth)
        if t[i] != "}":
            raise KeyError(t[i])
        return box, i + 1

    def _scripts(self, t: list[str], i: int, depth: int, base: _Box, last: tuple[float, float]) -> tuple[_Box, int]:
        """Scripts behind what has been written, placed by the height and depth of its last symbol."""
        r = self.rng
        found: dict[str, _Box] = {}
        while i < len(t) and t[i] in ("_{", "^{"):
            kind = t[i][0]
            box, i = self._row(t, i + 1, depth + 1)
            if t[i] != "}":
                raise KeyError(t[i])
            found[kind] = box
            i += 1
        strokes, up, down, width = list(base.strokes), base.up, base.down, base.width
        x = base.width + self.gap * r.uniform(0.1, 0.7)
        for kind, box in found.items():
            height = (box.up + box.down) * self.script
            if kind == "^":
                y = -max(0.9, min(last[0], 4.5) - 0.35 * height) - self.script * box.down * 0.6 + r.gauss(0, 0.1)
            else:
                y = max(0.55, min(last[1], 3.5)) + 0.25 * self.script * box.up + r.gauss(0, 0.08)
            moved = box.moved(x, y, self.script)
            strokes += moved.strokes
            up, down, width = max(up, moved.up), max(down, moved.down), max(width, x + moved.width)
        return _Box(strokes, width, up, down), i

    def _limits(self, sign: _Box, t: list[str], i: int, depth: int) -> tuple[_Box, int]:
        """Limits above and below a sum or lim (beside an integral)."""
        parts: dict[str, _Box] = {}
        while i < len(t) and t[i] in ("_{", "^{"):
            kind = t[i][0]
            box, i = self._row(t, i + 1, depth + 1)
            if t[i] != "}":
                raise KeyError(t[i])
            parts[kind] = box
            i += 1
        widest = max([sign.width] + [b.width * self.script for b in parts.values()])
        placed = sign.moved((widest - sign.width) / 2, 0)
        strokes, up, down = placed.strokes, sign.up, sign.down
        gap = self.rng.uniform(0.15, 0.5)
        for kind, box in parts.items():
            x = (widest - box.width * self.script) / 2
            y = -sign.up - gap - box.down * self.script if kind == "^" else sign.down + gap + box.up * self.script
            moved = box.moved(x, y, self.script)
            strokes = strokes + moved.strokes
            up, down = max(up, moved.up), max(down, moved.down)
        return _Box(strokes, widest, up, down), i

    def _item(self, t: list[str], i: int, depth: int) -> tuple[_Box, int, bool]:
        """One construct; the last value says whether its scripts are limits."""
        token = t[i]
        if token == r"\frac":
            top, i = self._group(t, i + 1, depth + 1)
            bottom, i = self._group(t, i, depth + 1)
            return self._fraction(top, bottom), i, False
        if token == r"\sqrt":
            if t[i + 1] == "[":
                raise KeyError(token)
            inside, i = self._group(t, i + 1, depth)
            return self._root(inside), i, False
        if token.startswith(r"\begin{") and token[7:-1] in _ROWS:
            return (*self._matrix(t, i, depth), False)
        if token == r"\left":
            return (*self._fenced(t, i, depth), False)
        if token in ACCENTS:
            inside, i = self._group(t, i + 1, depth)
            mark = accent(token, inside.width, self._line, self.rng, is_half=self.has_half_heads)
            up = inside.up + 0.2 * self.rng.uniform(0.7, 1.6)
            strokes = inside.strokes + [s + np.array([0, -up], np.float32) for s in mark]
            return _Box(strokes, inside.width, up + 0.4, inside.down), i, False
        if token in (r"\operatorname", r"\text", r"\mathcal", r"\mathbb"):
            end = t.index("}", i)
            return self._letters(token, t[i + 2 : end]), end + 1, token == r"\operatorname"
        if token in NAMED:
            return self._letters(r"\operatorname", [*token[1:]]), i + 1, token in (r"\max", r"\min", r"\sup", r"\inf")
        if token in SPACES:
            return _Box([], SPACES[token] * self.rng.uniform(0.7, 1.3), 0.0, 0.0), i + 1, False
        if token in COMPOSED:
            strokes, up, down = composed(token, self._symbol, self._line, self.rng)
            return _Box(strokes, max(float(s[:, 0].max()) for s in strokes), up, down), i + 1, False
        if token == "'":
            return self._symbol(r"\prime").moved(0, -0.9, 0.6), i + 1, False
        return self._symbol(token), i + 1, token in (r"\sum", r"\prod", r"\lim")

    def _choose(self, label: str) -> list[Stroke]:
        for hand in self.hands:
            if hand.get(label):
                return self.rng.choice(hand[label])
        return self.rng.choice(self.library.symbols[label])

    def _symbol(self, token: str) -> _Box:
        """A written symbol in units of x-heights, on its baseline."""
        label = _SPELLED.get(token, token)
        if label not in self.library:
            raise KeyError(token)
        r = self.rng
        strokes = self._choose(label)
        points = np.concatenate(strokes)
        low, high = points.min(0), points.max(0)
        w, h = float(high[0] - low[0]) + 1e-3, float(high[1] - low[1]) + 1e-3
        size = math.exp(r.gauss(0, 0.1))
        if label in _FLAT:
            scale = _FLAT[label] * size / w if label != r"\ldots" or w > h else size / max(w, h)
            scale = min(scale, 1.7 / h)
            top = 0.5 + h * scale / 2
            top = 0.12 if label == r"\ldots" else top
        elif label in (".", ","):
            scale = min((0.22 if label == "." else 0.5) * size / max(w, h), 1.0)
            top = 0.15
        else:
            if label in _WORDS:
                height, top = _WORDS[label], _WORDS[label] if label != r"\log" else 1.6
            elif label in _FULL:
                height = 3.4 if label == r"\int" else 2.3
                top = 0.5 + height / 2
            elif label in (r"\sum", r"\prod"):
                height, top = 2.5, 1.75
            elif label in _DESCENDING:
                height, top = 1.75, 1.05
            elif label in _TALL:
                height, top = 1.7, 1.7
            elif label == "i":
                height, top = 1.5, 1.5
            else:
                height, top = 1.05, 1.05
            height *= size
            scale = height / max(h, 0.25 * w)
            if label in ("|", "1", "l", "/", "(", ")", "!"):
                scale = height / h
        placed = [(s - low) * scale - np.array([0, top], np.float32) for s in strokes]
        return _Box(placed, w * scale, top, max(0.0, h * scale - top))

    def _line(self, length: float) -> list[Stroke]:
        """A written stroke of the given length (a minus sign of the library, stretched)."""
        strokes = self._choose("-")
        points = np.concatenate(strokes)
        low, high = points.min(0), points.max(0)
        w = max(1e-3, float(high[0] - low[0]))
        middle = (low[1] + high[1]) / 2
        factor = np.array([length / w, min(length / w, 0.5 / max(1.0, float(high[1] - low[1])))], np.float32)
        return [(s - np.array([low[0], middle], np.float32)) * factor for s in strokes]

    def _fraction(self, top: _Box, bottom: _Box) -> _Box:
        r = self.rng
        k = r.uniform(0.8, 1.0)
        width = max(top.width, bottom.width) * k + r.uniform(0.2, 0.9)
        gap = r.uniform(0.2, 0.5)
        bar = _Box([s + np.array([0, -0.5], np.float32) for s in self._line(width)], width, 0.6, 0)
        above = top.moved((width - top.width * k) / 2, -0.5 - gap - top.down * k, k)
        below = bottom.moved((width - bottom.width * k) / 2, -0.5 + gap + bottom.up * k, k)
        return _Box(above.strokes + bar.strokes + below.strokes, width, above.up, below.down)

    def _root(self, inside: _Box) -> _Box:
        """A root sign of the library, its hook kept and its roof stretched over the inside."""
        strokes = self._choose(r"\sqrt")
        points = np.concatenate(strokes)
        low, high = points.min(0), points.max(0)
        gap = self.rng.uniform(0.15, 0.35)
        height = inside.up + inside.down + gap * 1.5
        scale_y = height / max(1.0, float(high[1] - low[1]))
        peak = float(points[points[:, 1] <= low[1] + 0.25 * (high[1] - low[1])][:, 0].min())
        hook = max(0.35, min(1.3, (peak - float(low[0])) * scale_y))
        room = inside.width + 0.35
        before, after = max(1e-3, peak - float(low[0])), max(1e-3, float(high[0]) - peak)
        placed = []
        for s in strokes:
            x = s[:, 0]
            x = np.where(x < peak, (x - low[0]) / before * hook, hook + (x - peak) / after * room)
            y = (s[:, 1] - low[1]) * scale_y - inside.up - gap
            placed.append(np.stack([x, y], -1).astype(np.float32))
        moved = inside.moved(hook + 0.2, 0)
        return _Box(placed + moved.strokes, hook + room, inside.up + gap, inside.down + gap * 0.5)

    def _matrix(self, t: list[str], i: int, depth: int) -> tuple[_Box, int]:
        kind = t[i][7:-1]
        rows: list[list[_Box]] = [[]]
        i += 1
        while True:
            cell, i = self._row(t, i, depth)
            rows[-1].append(cell)
            if t[i].startswith(r"\end"):
                break
            if t[i] == r"\\":
                rows.append([])
            elif t[i] != "&":
                raise KeyError(t[i])
            i += 1
        columns = max(map(len, rows))
        widths = [max((row[c].width for row in rows if c < len(row)), default=0) for c in range(columns)]
        is_aligned, is_cases = kind == "aligned", kind == "cases"
        gap_y = self.rng.uniform(0.35, 0.9) + 0.4 * is_aligned
        gaps = [self.rng.uniform(0.7, 1.6) if not (is_aligned and c % 2 == 0) else self.gap for c in range(columns)]
        strokes: list[Stroke] = []
        y = 0.0
        for n, row in enumerate(rows):
            y += max([1.0] + [c.up for c in row]) + (gap_y if n else 0)
            x = 0.0
            for c, (width, cell) in enumerate(zip(widths, row, strict=False)):
                place = (0.0 if c % 2 else 1.0) if is_aligned else 0.0 if is_cases else 0.5
                strokes += cell.moved(x + (width - cell.width) * place, y).strokes
                x += width + gaps[c]
            y += max([0.1] + [c.down for c in row])
        width = sum(widths) + sum(gaps[:-1])
        body = _Box(strokes, width, 0.0, y).moved(0, -y / 2 - 0.5)
        pair = {"pmatrix": "()", "bmatrix": "[]", "vmatrix": "||"}.get(kind, (r"\{", "") if is_cases else ("", ""))
        return self._enclosed(body, *pair), i + 1

    def _enclosed(self, body: _Box, left: str, right: str) -> _Box:
        """A box between delimiters of its height; an empty one is left out."""
        row = self._beside(self._stretched(left, body), body) if left else body
        return self._beside(row, self._stretched(right, body)) if right else row

    def _stretched(self, label: str, body: _Box) -> _Box:
        side = self._symbol(label)
        tall = (body.up + body.down + 0.6) / (side.up + side.down)
        factor = np.array([max(0.8, min(1.6, tall)), tall], np.float32)
        top, at = np.array([0, side.up], np.float32), np.array([0, -body.up - 0.3], np.float32)
        strokes = [(s + top) * factor + at for s in side.strokes]
        return _Box(strokes, side.width * float(factor[0]), body.up + 0.3, body.down + 0.3)

    def _fenced(self, t: list[str], i: int, depth: int) -> tuple[_Box, int]:
        r"""`\left( … \right)`."""
        body, end = self._row(t, i + 2, depth)
        if t[end] != r"\right" or not body.strokes:
            raise KeyError(t[end])
        left, right = ("" if sign == "." else sign for sign in (t[i + 1], t[end + 1]))
        return self._enclosed(body, left, right), end + 2

    def _letters(self, kind: str, letters: list[str]) -> _Box:
        """A word, or one letter of an alphabet of its own."""
        if kind in (r"\mathcal", r"\mathbb"):
            if len(letters) != 1:
                raise KeyError(kind)
            if kind == r"\mathcal":
                return self._symbol(r"\mathcal" + letters[0])
            box = self._symbol(letters[0])
            stem = np.array([[-0.25, 0.05 - box.up], [-0.25, -0.05]], np.float32)
            return _Box([*box.strokes, stem], box.width, box.up, box.down).moved(0.3, 0)
        if len(letters) < 2:  # one upright letter looks like any other
            raise KeyError(kind)
        word = _Box([], 0.0, 0.0, 0.0)
        for letter in letters:
            box = _Box([], 0.6, 0.0, 0.0) if letter == "~" else self._symbol(letter)
            moved = box.moved(word.width + self.gap * 0.5, 0)
            word = _Box(
                word.strokes + moved.strokes,
                moved.width + word.width + self.gap * 0.5,
                max(word.up, moved.up),
                max(word.down, moved.down),
            )
        return word
