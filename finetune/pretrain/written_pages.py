"""Handwritten pages with exact truth: notes, exercises and scratch work that nobody wrote, of ink that somebody did.

    python -m finetune.pretrain.written_pages --data DATA --hands hands.json --formulas FILE… --out DIR --count 4

A line of mathematics alone is a display, also one step of a calculation; among words on its line it is inline.
"""

from __future__ import annotations

import argparse
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from docproc.records import Box
from finetune.pretrain.ink import Ink, Stroke, load_inks
from finetune.pretrain.page_formulas import FormulaPool, SourceFormula, load_formulas
from finetune.pretrain.page_scans import ScannedPage, scan_sheet
from finetune.pretrain.pen_fonts import Hand, load_hands
from finetune.pretrain.pen_symbols import load_drawn
from finetune.pretrain.prose_source import FORMULA_SLOT, ProseSource
from finetune.pretrain.sources import inks_of_split
from finetune.pretrain.symbol_library import Library
from finetune.pretrain.written_marks import cross_out, loop, rule, sketch, underline
from finetune.pretrain.written_pieces import Piece, Scribe
from finetune.pretrain.written_sheet import Sheet

_COMMAND = re.compile(r"\\[a-zA-Z]+|[{}~\\$]")
_SIGN = re.compile(r"\s*(?:[=<>+]|\\(?:leq?|geq?|to|rightarrow|Rightarrow|approx|equiv|sim)(?![a-zA-Z]))")
_LEADS = ("so", "then", "thus", "hence", "with", "and", "or", "where", "since", "let", "we get", "now", "if", "Proof:",
          "Example:", "Note:", "check:", "therefore", "for all", "such that", "by (1)")  # fmt: skip
_LABELS = ("{n})", "({n})", "{n}.", "{a})", "({a})", "{n}{a})", "Ex {n}:", "Q{n}.", "Step {n}", "-", "{n}.{n})")
# How often a page has paragraphs, headings, sketches, calculations and exercises.
_SHARES: dict[str, tuple[float, ...]] = {
    "notes": (4, 1, 0.6, 5, 1),
    "work": (0.6, 0.3, 0.4, 8, 1),
    "exercises": (1, 0.5, 0.3, 3, 5),
    "prose": (7, 0.5, 0.2, 1.2, 0.5),
}


@dataclass
class InkStock:
    """What the pages of a split are made of."""

    inks: list[Ink]
    hands: list[Hand]
    formulas: Sequence[SourceFormula]
    library: Library
    split: str
    is_varied: bool = False
    """Formulas are spaced in more ways (training of the recognizer); pages of a seed are others then."""


@dataclass
class _Column:
    left: float
    right: float
    y: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left


def load_stock(data: Path, hands: Path, formulas: Sequence[Path], split: str) -> InkStock:
    """Read what a split writes with.

    Args:
        data: Folder of prepare.py, of which handwriting.jsonl.xz and pen_symbols.json are read.
        hands: File of pen_fonts.py; without it all words are made of single written letters.
        formulas: Corpus files.
        split: `train`, `dev` or `test`; writers and fonts of one are in no other, test formulas of held-out sources.
    """
    inks = inks_of_split(load_inks(data / "handwriting.jsonl.xz"), split)
    library = Library(inks, load_drawn(data / "pen_symbols.json"))
    pool = load_formulas(formulas, "test" if split == "test" else "dev")
    return InkStock(inks, load_hands(hands, split), pool, library, split)


def write_page(stock: InkStock, seed: int, *, has_formulas: bool = True) -> ScannedPage:
    """Write one page and scan it.

    Args:
        stock: Of a split.
        seed: Everything follows from it.
        has_formulas: Else it holds words alone.
    """
    rng = random.Random(f"written {stock.split} {seed}")
    return scan_sheet(write_sheet(stock, seed, has_formulas=has_formulas), rng)


def write_sheet(stock: InkStock, seed: int, *, has_formulas: bool = True) -> ScannedPage:
    """Write one page, clean and straight."""
    return _PageWriter(stock, seed, has_formulas).page()


class _PageWriter:
    """One page under way."""

    def __init__(self, stock: InkStock, seed: int, has_formulas: bool) -> None:
        self.rng = rng = random.Random(f"page by hand {stock.split} {seed}")
        self.sheet = Sheet(rng)
        pool = FormulaPool(stock.formulas, seed)
        self.scribe = Scribe(stock.inks, stock.library, stock.hands, pool, rng, is_varied=stock.is_varied)
        self.prose = ProseSource(seed, "test" if stock.split == "test" else "dev")
        self.has_formulas = has_formulas
        self.pitch = rng.uniform(2.3, 4.4)
        # Between the ink of two lines: tight work touches now and then.
        self.gap = rng.choice((-0.1, 0.1, 0.3, 0.3, 0.8, 1.5))
        self.space = rng.uniform(0.9, 1.8)
        self.style = rng.choice(("notes", "notes", "work", "work", "exercises", "prose", "prose"))
        self.share = rng.choice((0.4, 0.6, 0.9)) if has_formulas else 0.0
        self.number = rng.randint(1, 12)
        self.rules: tuple[float, float] | None = None

    def page(self) -> ScannedPage:
        r, sheet = self.rng, self.sheet
        margin = r.uniform(2.0, 9.0)
        self.rules = sheet.rule(self.pitch, margin - 1.0)
        top, bottom = r.uniform(2.0, 8.0), sheet.height - r.uniform(2.0, 6.0)
        if r.random() < 0.25:
            bottom = top + (bottom - top) * r.uniform(0.2, 0.8)
        right = sheet.width - r.uniform(1.5, 8.0)
        count = 1 if self.style == "prose" else min(r.choice((1, 1, 1, 2, 2, 3)), max(1, int(sheet.width / 26)))
        if r.random() < 0.5:
            heading = _Column(margin, right, top, bottom)
            self._heading(heading)
            top = heading.y
        width = (right - margin) / count
        for index in range(count):
            left = margin + index * width
            column = _Column(left, left + width - (2.5 if index < count - 1 else 0), top + r.uniform(0, 2), bottom)
            if index and r.random() < 0.4:
                self.sheet.draw(rule((left - 1.2, top), (left - 1.2 + r.gauss(0, 0.4), bottom), r), None)
            if not index or r.random() < 0.85:
                self._fill(column)
        if r.random() < 0.2:
            self._margin_note(margin)
        recipe = f"written/{self.style}/{count}"
        return ScannedPage(sheet.finish(), sheet.dpi, tuple(sheet.regions), 0.0, (), recipe, sheet.unit)

    def _fill(self, column: _Column) -> None:
        r = self.rng
        failures = 0
        while column.y < column.bottom - 2 and failures < 30:
            before = column.y
            blocks = [self._paragraph, self._heading, self._sketch]
            weights = _SHARES[self.style][:3]
            if self.has_formulas:
                blocks += [self._calculation, self._exercise]
                weights = _SHARES[self.style]
            r.choices(blocks, weights)[0](column)
            failures += column.y == before
            if r.random() < 0.3:
                column.y += r.uniform(0, 1.5) * max(0.3, self.gap)

    def _heading(self, column: _Column) -> None:
        words = self._words(self.rng.choice((self.prose.title(), self.prose.phrase(), f"Homework {self.number}")))
        indent = self.rng.uniform(0, 6)
        placed = self._line(column, words[: self._fitting(words, column.width - indent)], indent)
        if placed and self.rng.random() < 0.5:
            self._mark(underline, placed)

    def _paragraph(self, column: _Column) -> None:
        text = " ".join(self.prose.sentence(self.share) for _ in range(self.rng.choice((1, 1, 2, 3))))
        if self.rng.random() < 0.3:
            text = self.prose.lead() + ":"
        elif self.rng.random() < 0.15:
            text = self.prose.tail()
        items = self._words(text)
        indent = self.rng.choice((0.0, 0.0, 2.0)) + self.rng.uniform(0, 0.5)
        while items and column.y < column.bottom - 1:
            count = self._fitting(items, column.width - indent)
            if not count or not self._line(column, items[:count], indent):
                break
            items = items[count:]
            indent = self.rng.uniform(0, 0.5)

    def _fitting(self, items: list[Piece], room: float) -> int:
        """How many pieces fit on a line."""
        x = 0.0
        for index, piece in enumerate(items):
            x += piece.width + self.space
            if x > room + self.space:
                return index
        return len(items)

    def _calculation(self, column: _Column) -> None:
        r = self.rng
        indent = r.uniform(0, max(0.5, min(14.0, 0.3 * column.width)))
        steps = r.choice((1, 1, 1, 2, 3, 4, 6))
        lines: list[Piece] = []
        for _ in range(steps * 3):
            lines += self.scribe.lines()
            if len(lines) >= steps:
                break
        frame: list[Box] = []
        for index, piece in enumerate(lines[: steps + 3]):
            if column.y > column.bottom - 1:
                break
            here = max(0.0, indent + r.gauss(0, 1.2) + (r.uniform(0, 4) if index else 0))
            lead: list[Piece] = []
            if index and r.random() < 0.35:  # a step: `= …`, written out, or an arrow
                piece = self._with_sign(piece)
            elif r.random() < 0.15:
                lead = self._words(r.choice(_LEADS))
            if piece.width + here > column.width:
                here = max(0.0, column.width - piece.width)
            if piece.width > column.width:
                continue
            if lead and sum(p.width + self.space for p in lead) + piece.width + here > column.width:
                lead = []
            line = [*lead, piece] if lead else self._with_neighbor(piece, column.width - here)
            frame = self._line(column, line, here, is_display=not lead) or frame
        if frame and r.random() < 0.12:
            self._mark(loop, frame)
        elif frame and r.random() < 0.06:
            self._mark(underline, frame)

    def _with_neighbor(self, piece: Piece, room: float) -> list[Piece]:
        """A line of mathematics, now and then with another formula or a remark far to its right."""
        r = self.rng
        if r.random() > 0.15:
            return [piece]
        wide = replace(piece, width=piece.width + r.uniform(3.0, 9.0))
        if r.random() < 0.5:
            other = self.scribe.lines()[:1]
        else:
            other = self._words(r.choice((f"by ({r.randint(1, 9)})", self.prose.tail(), self.prose.noun(), "ok")))[:4]
        line = [wide, *other]
        is_level = all(p.up + p.down < 2 * (piece.up + piece.down) for p in other)
        return line if other and is_level and self._fitting(line, room) == len(line) else [piece]

    def _with_sign(self, piece: Piece) -> Piece:
        sign = self.scribe.sign(self.rng.choice(("=", "=", "=", r"\rightarrow", r"\leq", "+")))
        if sign is None or _SIGN.match(piece.latex):
            return piece
        offset = np.array([sign.width + self.rng.uniform(0.4, 1.2), 0], np.float32)
        strokes = sign.strokes + [s + offset for s in piece.strokes]
        return replace(
            piece, strokes=strokes, width=piece.width + float(offset[0]), latex=f"{sign.latex} {piece.latex}"
        )

    def _exercise(self, column: _Column) -> None:
        """A label, and behind it a formula, or words and a formula."""
        r = self.rng
        self.number += 1
        text = r.choice(_LABELS).format(n=self.number, a=r.choice("abcdefg"))
        label = self._words(text)
        pieces = self.scribe.lines()[:1]
        if r.random() < 0.3:
            words = self._words(r.choice((self.prose.lead(), "Show that", "Solve", "Find", "Prove:", "Compute", "If")))
            pieces = [*words, *pieces]
        line = [*label, *pieces]
        if self._fitting(line, column.width) < len(line):
            line = label
        self._line(column, line, r.uniform(0, 1.0), is_display=len(line) == len(label) + 1)
        for _ in range(r.choice((0, 0, 1, 3))):
            for piece in self.scribe.lines():
                if piece.width < column.width - 3 and column.y < column.bottom - 1:
                    self._line(column, [piece], min(column.width - piece.width, r.uniform(1.5, 6)))

    def _line(
        self, column: _Column, pieces: list[Piece], indent: float, *, is_display: bool | None = None
    ) -> list[Box]:
        """Write pieces side by side on the column's next line.

        Args:
            column: Where.
            pieces: At most as wide as the column.
            indent: Of the first.
            is_display: Whether formulas stand alone on this line; None says so if it has no words.

        Returns:
            Boxes of the last piece's strokes in points; empty where the column is full.
        """
        r, sheet = self.rng, self.sheet
        if not pieces:
            return []
        up, down = max(p.up for p in pieces), max(p.down for p in pieces)
        step = max(self.pitch * r.uniform(0.9, 1.1), up + self.gap + r.uniform(0, 0.3))
        baseline = column.y + step if len(pieces) > 1 or up < 2.5 else column.y + up + max(self.gap, -0.1) + 0.6
        if self.rules is not None:  # one writes on the lines
            first, apart = self.rules
            baseline = first + apart * math.ceil((baseline - 0.3 - first) / apart) - r.uniform(0, 0.15)
        if baseline + down > min(column.bottom + 3, sheet.height - 0.5):
            column.y = column.bottom
            return []
        x = column.left + indent
        if is_display is None:
            is_display = not any(piece.kind == "word" for piece in pieces)
        boxes: list[Box] = []
        for piece in pieces:
            kind = None if piece.kind != "formula" else "display" if is_display else "inline"
            crossed = piece.kind == "formula" and r.random() < 0.02
            boxes = sheet.write(piece, x, baseline + r.gauss(0, 0.06), kind, is_ignored=crossed)
            if crossed or (piece.kind == "word" and r.random() < 0.01):
                self._mark(cross_out, boxes)
            x += piece.width + self.space * r.uniform(0.7, 1.4)
            if piece.kind == "word" and r.random() < 0.02:
                x += r.uniform(0.5, 3.0)
        if len(pieces) == 1 and pieces[0].kind == "formula" and r.random() < 0.1:
            self._equation_number(column, x, baseline)
        column.y = baseline + max(down - 0.6, 0.0)
        return boxes

    def _equation_number(self, column: _Column, x: float, baseline: float) -> None:
        piece = self.scribe.number(self.rng.choice(("({})", "({})", "(1.{})", "[{}]")).format(self.rng.randint(1, 30)))
        if piece is None or column.right - x < piece.width + 3:
            return
        at = self.rng.uniform(max(x + 2, column.right - 8), column.right - piece.width)
        boxes = self.sheet.write(piece, at, baseline, None)
        if self.sheet.regions and self.sheet.regions[-1].kind == "display":
            number = ((piece.latex.strip("()[]"), Box.around(boxes)),)
            self.sheet.regions[-1] = replace(self.sheet.regions[-1], equation_numbers=number)

    def _words(self, text: str) -> list[Piece]:
        """Pieces of a sentence; its slots become formulas, and a full stop behind one goes."""
        pieces: list[Piece | None] = []
        for word in _COMMAND.sub(" ", text.replace(FORMULA_SLOT, f" {FORMULA_SLOT} ")).split():
            if word == FORMULA_SLOT:
                pieces.append(self.scribe.inline() if self.has_formulas else None)
            elif word.strip(".,;:") or not pieces:
                pieces.append(self.scribe.word(word))
        return [piece for piece in pieces if piece is not None]

    def _margin_note(self, margin: float) -> None:
        column = _Column(0.5, max(margin - 0.5, 6.0), self.rng.uniform(0.2, 0.7) * self.sheet.height, 1e9)
        column.bottom = column.y + 8
        if margin > 6:
            for piece in self._words(self.prose.noun())[:2]:
                if piece.width < column.width:
                    self._line(column, [piece], 0.0)

    def _mark(self, draw: Callable[[Box, random.Random], list[Stroke]], boxes: list[Box]) -> None:
        """Draw a mark at something written, whose strokes' boxes are in points."""
        box = Box.around(boxes).scaled(self.sheet.dpi / 72 / self.sheet.unit)
        self.sheet.draw(draw(box, self.rng), None)

    def _sketch(self, column: _Column) -> None:
        """A figure; its letters count neither way."""
        r = self.rng
        width, height = min(column.width * 0.7, r.uniform(8, 18)), r.uniform(6, 12)
        if column.y + height + 2 > column.bottom:
            return
        left, top = column.left + r.uniform(0, column.width - width), column.y + 1.0
        self.sheet.draw(sketch(Box(left, top, left + width, top + height), r), None)
        for _ in range(r.randint(0, 3)):
            piece = self.scribe.word(r.choice("xytABCPOrhn"))
            if piece is not None:
                x, y = left + r.uniform(0, width), r.choice((top + 0.5, top + height + 1.8))
                self.sheet.write(piece, x, y, "inline", is_ignored=True)
        column.y = top + height + 1.5


def main() -> None:
    """Write pages with their boxes drawn, for a look at them."""
    import cv2

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of prepare.py")
    parser.add_argument("--hands", type=Path, required=True, help="file of pen_fonts.py")
    parser.add_argument("--formulas", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=("train", "dev", "test"), default="train")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    stock = load_stock(options.data, options.hands, options.formulas, options.split)
    for seed in range(options.seed, options.seed + options.count):
        page = write_page(stock, seed)
        picture = cv2.cvtColor(page.image, cv2.COLOR_GRAY2BGR)
        for region in page.regions:
            box = region.box.scaled(page.dpi / 72)
            color = (160, 160, 160) if region.is_ignored else (60, 170, 0) if region.kind == "display" else (230, 80, 0)
            cv2.rectangle(picture, (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1)), color, 1)
        cv2.imwrite(str(options.out / f"{options.split}-{seed}.png"), picture)


if __name__ == "__main__":
    main()
