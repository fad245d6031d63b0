"""The records that flow through the pipeline, in the order in which they appear.

Lengths are points (1/72 inch) from the top left of the page as displayed; for pictures one point is one pixel of
the upright picture. Pages count from 1. Images are grey uint8 arrays of shape (height, width), 0 = ink, 255 = paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

# A block's text holds a formula as MARK_OPEN + position + MARK_CLOSE (private-use characters, so that no text of a
# document can be taken for one).
MARK_OPEN, MARK_CLOSE = "\ue000", "\ue001"
# Around words of a sentence that are set in a typewriter font, or bold.
CODE_OPEN, CODE_CLOSE = "\ue002", "\ue003"
BOLD_OPEN, BOLD_CLOSE = "\ue004", "\ue005"


class PageKind(StrEnum):
    """Where the page's content comes from."""

    BORN_DIGITAL = "born-digital"
    SCAN = "scan"
    IMAGE = "image"


class FormulaKind(StrEnum):
    """Set off on lines of its own, or running in a line of text."""

    DISPLAY = "display"
    INLINE = "inline"


class Status(StrEnum):
    """What the evidence says of a formula (the README explains each)."""

    VERIFIED = "verified"
    OK = "ok"
    SUSPECT = "suspect"
    INVALID = "invalid"
    FAILED = "failed"
    REJECTED = "rejected"


class BlockKind(StrEnum):
    """What a piece of a page is to a reader."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list-item"
    CODE = "code"
    TABLE = "table"
    CAPTION = "caption"
    FOOTNOTE = "footnote"
    FORMULA = "formula"
    FIGURE = "figure"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; the right and bottom edges are exclusive."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Width, 0 if the box is empty."""
        return max(0.0, self.x1 - self.x0)

    @property
    def height(self) -> float:
        """Height, 0 if the box is empty."""
        return max(0.0, self.y1 - self.y0)

    @property
    def area(self) -> float:
        """Area, 0 if the box is empty."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box as (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def __or__(self, other: Box) -> Box:
        """Smallest box that holds both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def __and__(self, other: Box) -> Box:
        """What both boxes share; may be empty (area 0)."""
        return Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def iou(self, other: Box) -> float:
        """Intersection over union, 0–1."""
        shared = (self & other).area
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def holds(self, point: tuple[float, float]) -> bool:
        """Whether the point lies inside."""
        return self.x0 <= point[0] < self.x1 and self.y0 <= point[1] < self.y1

    def padded(self, margin: float) -> Box:
        """The box grown by `margin` on all sides."""
        return Box(self.x0 - margin, self.y0 - margin, self.x1 + margin, self.y1 + margin)

    def scaled(self, factor: float) -> Box:
        """The box with all coordinates multiplied by `factor`."""
        return Box(self.x0 * factor, self.y0 * factor, self.x1 * factor, self.y1 * factor)

    @staticmethod
    def around(boxes: Iterable[Box]) -> Box:
        """Smallest box that holds all `boxes` (at least one)."""
        xs0, ys0, xs1, ys1 = zip(*((b.x0, b.y0, b.x1, b.y1) for b in boxes), strict=True)
        return Box(min(xs0), min(ys0), max(xs1), max(ys1))


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character of a text layer."""

    text: str
    """Unicode text as the PDF gives it; U+FFFD if its font does not say."""
    box: Box
    """As high as the ink and as wide as the advance, in points; the font box where the ink is unknown."""
    origin: tuple[float, float]
    """Left end of the glyph's baseline in points."""
    size_pt: float
    font: str
    """Font name without its subset prefix."""
    is_bold: bool = False
    is_italic: bool = False
    ink: Box | None = None
    """Exactly around the ink, where the outlines of the font are known."""


@dataclass(frozen=True, slots=True)
class TextLayer:
    """What a born-digital page says of itself."""

    glyphs: tuple[Glyph, ...]
    """In the order of the page's content stream, spaces included."""
    rules: tuple[Box, ...] = ()
    """Drawn straight lines and thin rectangles (fraction bars, radicals, table rules)."""
    figures: tuple[Box, ...] = ()
    """Embedded pictures and clusters of other drawings."""
    frames: tuple[Box, ...] = ()
    """Those of the figures that are nothing but frames or colored grounds around text."""


@dataclass(frozen=True, slots=True)
class Page:
    """One rendered page."""

    document: str
    """Path as the user gave it."""
    number: int
    width_pt: float
    height_pt: float
    rotation: int
    """Degrees that the viewer turns the page clockwise; already applied here."""
    kind: PageKind
    dpi: float
    """Resolution of `image`; 72 for pictures, where a point is a pixel."""
    image: np.ndarray = field(compare=False, repr=False)
    text_layer: TextLayer | None = field(default=None, repr=False)
    damage: str | None = None
    """What of the page could not be rendered or read, and why."""


@dataclass(frozen=True, slots=True)
class Region:
    """A formula that was found on a page, before it is read."""

    kind: FormulaKind
    box: Box
    """Hugs the ink; the equation number is outside."""
    lines: tuple[Box, ...] = ()
    """One box a line of a multi-line display; empty for one line."""
    equation_number: str | None = None
    """As printed, without its brackets: `3.2`."""
    continues: int | None = None
    """Index (in the page's list of regions) of the fragment that this one continues on a new line."""
    glyph_latex: str | None = None
    """LaTeX written straight from the glyphs, where the text layer leaves no doubt."""
    glyph_symbols: tuple[str, ...] = ()
    """Evidence: LaTeX meaning of each glyph under the box in reading order, `?` where unknown; empty for scans."""
    glyph_boxes: tuple[tuple[float, float, float, float, float], ...] = ()
    """Of each of these glyphs left, top, right, bottom of its ink and the size of its font, in points."""
    is_whole: bool = True
    """Whether the page leaves no doubt that the formula begins and ends where it was cut."""
    written_em_pt: float | None = None
    """Size of the handwriting that it belongs to, as print with letters so high would have it; None for print."""
    rule_count: int | None = None
    """Horizontal rules of the page in the box and right above and below it; None where the page does not tell."""
    text_before: str = ""
    """Up to 120 characters of prose before the formula, for search."""
    text_after: str = ""
    crop: np.ndarray | None = field(default=None, compare=False, repr=False)
    """What the recognizer sees: grey, at the resolution it was trained for, with margin; None with `glyph_latex`."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a page in reading order; its formulas stand in `text` as marks (see MARK_OPEN)."""

    kind: BlockKind
    text: str
    """Plain text; cells of a table are parted by tabs and its rows by newlines; code keeps its lines."""
    level: int = 0
    """Heading level from 1; nesting of a list item from 0."""
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page whose formulas are found and whose prose is read; it no longer holds its image."""

    document: str
    number: int
    width_pt: float
    height_pt: float
    rotation: int
    kind: PageKind
    regions: tuple[Region, ...]
    """In reading order; position in the database = index + 1."""
    blocks: tuple[Block, ...]
    problem: str | None = None
    """What a reader should know of this page, e.g. that its prose could not be read."""
    damage: str | None = None
    """What of the page could not be rendered or read: the page is kept, and counts as a failure."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the model read in one crop."""

    latex: str
    """As decoded."""
    confidence: float
    """exp(mean log-probability of the tokens), 0–1."""
    stop_reason: str
    """`end` (the model ended by itself), `length`, `repetition`, or `not-a-formula`."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula as it is stored; the fields are the columns of the table `formulas`."""

    kind: FormulaKind
    position: int
    box: Box
    latex: str
    latex_raw: str
    status: Status
    confidence: float
    stop_reason: str
    model: str
    """Name of the model, or `text-layer` where the glyphs said it."""
    image_sha256: str
    problems: tuple[str, ...] = ()
    repairs: tuple[dict[str, str], ...] = ()
    mathml: str = ""
    equation_number: str | None = None
    lines: tuple[Box, ...] = ()
    parent_position: int | None = None
    """Position of the fragment that this one continues."""
    text_before: str = ""
    text_after: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that could not be done; a value, so that the rest goes on."""

    stage: str
    """`open`, `render`, `find`, `recognize` or `write`."""
    document: str
    reason: str
    page_number: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentState:
    """What the database already knows of a document."""

    id: int
    finished_pages: frozenset[int]
    """Pages that were done with the same options; failed pages are not among them."""
    is_finished: bool
    """All pages are done and nothing is left to do."""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page as the database holds it."""

    id: int
    number: int
    kind: PageKind | None
    blocks: tuple[Block, ...]
    status: str
    """`done`, `failed`, or `stale` (of an earlier run with other options, not yet done anew)."""
    problem: str | None


@dataclass(frozen=True, slots=True)
class StoredFormula:
    """A formula as the database holds it, with what a reviewer made of it."""

    id: int
    document_id: int
    page_number: int
    formula: Formula
    corrected_latex: str | None = None
    reviewed_at: str | None = None
    reviewer: str | None = None

    @property
    def best_latex(self) -> str:
        """The reviewer's LaTeX where there is one, else the canonical LaTeX as read."""
        return self.formula.latex if self.corrected_latex is None else self.corrected_latex


@dataclass(frozen=True, slots=True)
class Summary:
    """What a database holds, counted."""

    documents: dict[str, int]
    """By status, as the three that follow."""
    pages: dict[str, int]
    formulas: dict[str, int]
    failures: int
    kinds: dict[str, int]
    """Formulas by kind."""
    models: dict[str, int]
    """Formulas by the model that read them."""
    reviewed: int
    size_bytes: int
