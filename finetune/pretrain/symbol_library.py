"""Single written symbols by label, as the writer (writer.py) takes them."""

from __future__ import annotations

from collections import defaultdict

from finetune.pretrain.ink import Ink, Stroke
from finetune.pretrain.pen_symbols import Drawn

# Symbols that so many people wrote need no drawings.
_WRITTEN_OFTEN = 60


class Library:
    """Single symbols by label, in units of one writer's expression."""

    def __init__(self, inks: list[Ink], drawn: Drawn | None = None) -> None:
        """Collect the symbols of the inks; drawings (pen_symbols.py) stand for those that few have written."""
        self.symbols: dict[str, list[list[Stroke]]] = defaultdict(list)
        self.by_ink: list[dict[str, list[list[Stroke]]]] = []
        for ink in inks:
            own: dict[str, list[list[Stroke]]] = defaultdict(list)
            for label, parts in ink.symbols:
                strokes = [ink.strokes[i] for i in parts if i < len(ink.strokes) and len(ink.strokes[i])]
                if strokes:
                    name = "," if label == "COMMA" else label
                    own[name].append(strokes)
                    self.symbols[name].append(strokes)
            self.by_ink.append(own)
        for label, drawings in (drawn or {}).items():
            if len(self.symbols[label]) < _WRITTEN_OFTEN:
                self.symbols[label] += drawings

    def __contains__(self, label: str) -> bool:
        return bool(self.symbols.get(label))
