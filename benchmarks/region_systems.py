"""The systems whose regions are scored; each is a function from pages to found regions and seconds."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.region_scores import FoundRegion
from docproc.options import RegionOptions
from docproc.records import Box, Page, PageKind
from finetune.pretrain.page_scans import ScannedPage
from finetune.pretrain.pages import TruePage


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a system found on a page, and how long it took."""

    found: tuple[FoundRegion, ...]
    seconds: float
    """Of processor time, without rendering or decoding, which every system needs alike."""


def text_layer(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """Docproc on born-digital pages: glyphs and rules; reading the text layer is in the time."""
    from docproc.documents import open_document
    from docproc.font_statistics import gather_font_statistics
    from docproc.pages import render_page
    from docproc.regions import find_formula_regions
    from docproc.text_layer import read_text_layer

    document, statistics, last, shared = None, None, -1, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for page in pages:
            if page.seed != last:
                if document is not None:
                    document.close()
                path = Path(folder) / f"{page.seed}.pdf"
                path.write_bytes(page.pdf)
                document = open_document(path)
                start = time.process_time()
                statistics = gather_font_statistics(document.pdf, range(1, document.page_count + 1))
                shared = (time.process_time() - start) / document.page_count
                last = page.seed
            assert document is not None
            rendered = render_page(document, page.number)
            start = time.process_time()
            read_text_layer(document.pdf[page.number - 1])
            regions = find_formula_regions(rendered, statistics, RegionOptions())
            seconds = time.process_time() - start + shared
            yield Outcome(tuple(FoundRegion(str(region.kind), region.box) for region in regions), seconds)
        if document is not None:
            document.close()


def scan_detector(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """Docproc on pictures: clean-up and network, without the OCR of words, which it needs only for prose."""
    yield from (_find_in_scan(picture, classical=False, with_words=False) for picture in _pictures(pages, scans))


def scan_detector_words(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """Docproc on pictures as `docproc run` works: the OCR of words too, which helps to tell handwriting from print."""
    yield from (_find_in_scan(picture, classical=False, with_words=True) for picture in _pictures(pages, scans))


def scan_classical(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """Docproc on pictures without network and OCR: clean-up and shapes of the ink."""
    yield from (_find_in_scan(picture, classical=True, with_words=False) for picture in _pictures(pages, scans))


def scan_words(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """Docproc on pictures without network: clean-up, shapes of the ink and the OCR of words."""
    yield from (_find_in_scan(picture, classical=True, with_words=True) for picture in _pictures(pages, scans))


def written_detector(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """Docproc on pages that are known to be handwritten: clean-up and the network for handwriting."""
    for picture in _pictures(pages, scans):
        yield _find_in_scan(picture, classical=False, with_words=False, by_hand=True)


def written_words(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """Docproc without network on pages that are known to be handwritten: shapes of the ink and the OCR of words."""
    for picture in _pictures(pages, scans):
        yield _find_in_scan(picture, classical=True, with_words=True, by_hand=True)


def pymupdf_layout(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """PyMuPDF's own layout model, class `formula`; on pictures it sees a PDF that holds the picture."""
    import cv2
    import pymupdf
    import pymupdf.layout

    pymupdf.layout.activate()
    for index, page in enumerate(pages):
        if scans is None:
            document = pymupdf.open("pdf", page.pdf)
            sheet = document[page.number - 1]
        else:
            document = pymupdf.open()
            sheet = document.new_page(width=page.width_pt, height=page.height_pt)
            sheet.insert_image(sheet.rect, stream=cv2.imencode(".png", scans[index].image)[1].tobytes())
        start = time.process_time()
        sheet.get_layout()
        seconds = time.process_time() - start
        boxes = [Box(*map(float, entry[:4])) for entry in sheet.layout_information if entry[4] == "formula"]
        document.close()
        yield Outcome(tuple(FoundRegion("any", box) for box in boxes), seconds)


def rapid_layout(pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None) -> Iterator[Outcome]:
    """rapid-layout's PP-Layout (CDLA), class `equation`, in the environment of `PEER_PYTHON`."""
    import cv2

    python = os.environ.get("PEER_PYTHON")
    if python is None:
        raise SystemExit("rapid-layout needs an environment of its own: see `make bench-peers`, then set PEER_PYTHON")
    script = Path(__file__).with_name("peer_rapid_layout.py")
    with tempfile.TemporaryDirectory() as folder:
        paths, scales = [], []
        for index, (picture, dpi) in enumerate(_pictures(pages, scans)):
            paths.append(f"{folder}/{index}.png")
            scales.append(72 / dpi)
            cv2.imwrite(paths[-1], picture)
        answer = subprocess.run([python, str(script), *paths], capture_output=True, text=True, check=False)
        if answer.returncode:
            raise SystemExit(f"rapid-layout failed: {answer.stderr.strip()[-300:]}")
    lines = [line for line in answer.stdout.splitlines() if line.startswith("{")]
    for line, scale in zip(lines, scales, strict=True):
        row = json.loads(line)
        boxes = [Box(*box).scaled(scale) for box in row["boxes"]]
        yield Outcome(tuple(FoundRegion("any", box) for box in boxes), row["seconds"])


System = Callable[[Sequence[TruePage], Sequence[ScannedPage] | None], Iterator[Outcome]]

SYSTEMS: dict[str, System] = {
    "text-layer": text_layer,
    "scan-detector": scan_detector,
    "scan-detector-words": scan_detector_words,
    "scan": scan_classical,
    "scan-words": scan_words,
    "written-detector": written_detector,
    "written-words": written_words,
    "pymupdf-layout": pymupdf_layout,
    "rapid-layout": rapid_layout,
}


def _pictures(
    pages: Sequence[TruePage], scans: Sequence[ScannedPage] | None
) -> Iterator[tuple[np.ndarray[Any, Any], float]]:
    """The scans, or the clean pages as pictures at 200 dpi."""
    import pymupdf

    from finetune.pretrain.page_scans import render_grey

    for index, page in enumerate(pages):
        if scans is not None:
            yield scans[index].image, scans[index].dpi
        else:
            with pymupdf.open("pdf", page.pdf) as document:
                yield render_grey(document[page.number - 1], 200), 200.0


def _find_in_scan(
    picture: tuple[np.ndarray[Any, Any], float], *, classical: bool, with_words: bool, by_hand: bool | None = None
) -> Outcome:
    from docproc.cleanup import prepare_scan
    from docproc.scan_regions import find_in_image

    image, dpi = picture
    height, width = image.shape
    page = Page(
        "benchmark", 1, width * 72 / dpi, height * 72 / dpi, rotation=0, kind=PageKind.SCAN, dpi=dpi, image=image
    )
    start = time.process_time()
    clean, transform = prepare_scan(page)
    words = None
    if with_words:
        from docproc.ocr import read_words

        words = read_words(clean)
    found = find_in_image(clean, RegionOptions(), words, classical=classical, by_hand=by_hand)
    regions = [transform.region_to_original(region) for region in found]
    seconds = time.process_time() - start
    return Outcome(tuple(FoundRegion(str(region.kind), region.box) for region in regions), seconds)
