"""Options of a run; each field is the command-line option of the same name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

ALIKE, ALL = "alike", "all"
"""Which crops an adapter with a gate reads."""


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """How formulas are found. Lengths are points, so that results do not depend on the resolution."""

    margin_pt: float = 2.0
    """Paper kept around the ink of a crop."""


@dataclass(frozen=True, slots=True)
class FindOptions:
    """What a page process needs to know; it travels with every page."""

    password: str | None = None
    text_layer: bool = True
    """Use what a born-digital PDF says of itself; without it every page is read as a scan."""
    ocr: bool = True
    """Read the prose of scans."""
    prose: bool = True
    """Read prose at all; a dry run does not need it."""
    regions: RegionOptions = field(default_factory=RegionOptions)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """All of `docproc run`."""

    output: Path = Path("docproc-out")
    pages: str | None = None
    find: FindOptions = field(default_factory=FindOptions)
    model: str = "built-in"
    adapter: Path | None = None
    adapter_for: str = ALIKE
    """Which crops an adapter with a gate reads: those `alike` to what it was trained on, or `all`."""
    load_in_4bit: bool = False
    device: str = "auto"
    endpoint: str | None = None
    """Address of a server that reads in place of a model of our own."""
    endpoint_key: str | None = None
    ray: str | None = None
    """Address of a Ray cluster that does the work; `local` starts one here."""
    batch_size: str = "auto"
    batch_timeout: float = 600.0
    """Seconds that the model may go without finishing a formula."""
    inline_delimiters: str = "$…$"
    display_delimiters: str = "$$…$$"
    workers: int = 0
    """Page processes; 0 = one for each core, less one for the recognizer, at least one."""
    page_timeout: float = 120.0
    """Seconds that one page may take to be found, or a document to be opened."""
    document_timeout: float = 21_600.0
    """Seconds that the pages of one document may take in their processes together."""
    page_memory: float = 6.0
    """GiB of address space that a page process may take."""
    trace: Path | None = None
    """File that says when each page was found and each window read."""
    recompute: str = "all"
    """What a document that another model has read before is read anew for: `all`, or `low-confidence`."""

    @property
    def page_memory_bytes(self) -> int:
        """`page_memory` in bytes."""
        return int(self.page_memory * 2**30)

    def options_hash(self, model_name: str) -> str:
        """Hash over those options that change what is stored; a document read with others is done anew."""
        chosen = {"find": _plain(self.find), "model": model_name, "load_in_4bit": self.load_in_4bit}
        chosen["find"].pop("password")
        if self.recompute != "all":
            chosen["recompute"] = self.recompute
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value
