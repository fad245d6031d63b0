"""Options of a run; each field is the command-line option of the same name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """How formulas are found. Lengths are points, so that results do not depend on the resolution."""

    margin_pt: float = 2.0
    """Paper kept around the ink of a crop."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """All of `docproc run`."""

    output: Path = Path("docproc-out")
    pages: str | None = None
    password: str | None = None
    model: str = "built-in"
    adapter: Path | None = None
    load_in_4bit: bool = False
    device: str = "auto"
    batch_size: str = "auto"
    inline_delimiters: str = "$…$"
    display_delimiters: str = "$$…$$"
    ocr: bool = True
    text_layer: bool = True
    workers: int = 0
    """Page processes; 0 = one for each core, less one for the recogniser, at least one."""
    regions: RegionOptions = field(default_factory=RegionOptions)
