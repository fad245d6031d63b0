"""Make the files of samples/ again from their sources.

    python -m samples.make            # needs pdflatex

Each document gets a `.truth.jsonl` beside it: one formula a line with page, kind, box (points from the top left of the
page as displayed; pixels of the upright picture for pictures), LaTeX and equation number. `undecidable` formulas are
plain numbers, which no finder can tell from prose.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pymupdf
from PIL import Image

from docproc.records import Box
from finetune.pretrain.page_marking import mark_document
from finetune.pretrain.page_scans import render_grey, scan_page
from finetune.pretrain.page_truth import TrueRegion, read_truth
from finetune.pretrain.pages import TruePage
from samples.handwriting import write_page

FOLDER = Path(__file__).parent
_SCAN_SEED, _SCAN_DPI = 11, 150.0
_PHOTO_SIZE = (1500, 2060)  # width and height of the upright picture
_CROP_DPI = 160.0
_CROPS = 40
_CROP_MARGIN_PT = 2.0


def main() -> None:
    """Write everything; prints each file and its size."""
    notes = typeset("calculus-notes")
    typeset("physics-two-columns")
    make_scan(notes)
    make_photo(typeset("physics-two-columns")[0])
    picture, truth = write_page(3)
    Image.fromarray(picture).quantize(8).save(FOLDER / "handwritten.png", optimize=True)
    _write_truth("handwritten", truth)
    make_crops()
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in (".pdf", ".png", ".jpg") and path.parent == FOLDER:
            print(f"{path.stat().st_size / 1000:6.0f} kB  {path.name}")


def typeset(name: str) -> list[TruePage]:
    """Typeset NAME.tex; write NAME.pdf and its truth; return its pages."""
    source = mark_document((FOLDER / f"{name}.tex").read_text(encoding="utf-8"))
    pdf, regions = read_truth(run_tex(source.tex), source.formulas)
    with pymupdf.open("pdf", pdf) as document:
        # One TeX run more or less must not change a byte: no dates, no random identifier.
        document.set_metadata({"title": name.replace("-", " "), "author": "The docproc project"})
        document.xref_set_key(-1, "ID", "null")
        sizes = [(page.rect.width, page.rect.height) for page in document]
        data = document.tobytes(garbage=3, deflate=True, no_new_id=True)
    (FOLDER / f"{name}.pdf").write_bytes(data)
    rows = [row for number, page in enumerate(regions, start=1) for row in _truth_rows(page, number)]
    _write_truth(name, rows)
    return [
        TruePage(data, number, width, height, found, name, 0)
        for number, ((width, height), found) in enumerate(zip(sizes, regions, strict=True), start=1)
    ]


def run_tex(tex: str) -> bytes:
    """Run pdflatex twice.

    Raises:
        RuntimeError: There was an error; its first lines are in the message.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "page.tex").write_text(tex, encoding="utf-8")
        for _ in range(2):
            command = ["pdflatex", "-no-shell-escape", "-interaction=batchmode", "page.tex"]
            subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        log = (folder / "page.log").read_text(encoding="utf-8", errors="replace")
        if "\n! " in log:
            raise RuntimeError(log[log.index("\n! ") :][:400])
        return (folder / "page.pdf").read_bytes()


def make_scan(pages: Sequence[TruePage]) -> None:
    """calculus-scan.pdf: the notes as a flatbed scanner sees them, one grey JPEG a page."""
    document = pymupdf.open()
    rows = []
    for page in pages:
        scan = scan_page(page, _SCAN_SEED + page.number, dpi=_SCAN_DPI, has_curve=False)
        height, width = scan.image.shape
        soft = cv2.GaussianBlur(scan.image, (0, 0), 0.6)
        data = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, 42])[1].tobytes()
        sheet = document.new_page(width=width * 72 / _SCAN_DPI, height=height * 72 / _SCAN_DPI)
        sheet.insert_image(sheet.rect, stream=data)
        rows += _truth_rows(scan.regions, page.number)
    document.set_metadata({"title": "calculus scan", "author": "The docproc project"})
    (FOLDER / "calculus-scan.pdf").write_bytes(document.tobytes(garbage=3, deflate=True, no_new_id=True))
    _write_truth("calculus-scan", rows)


def make_photo(page: TruePage) -> None:
    """physics-photo.jpg: the page photographed from the side with the camera turned; EXIF says how."""
    with pymupdf.open("pdf", page.pdf) as document:
        flat = render_grey(document[page.number - 1], 170)
    height, width = flat.shape
    out_width, out_height = _PHOTO_SIZE
    corners = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    seen = np.float32([[75, 60], [1440, 35], [1465, 2020], [40, 2035]])
    matrix = cv2.getPerspectiveTransform(corners, seen)
    paper = cv2.warpPerspective(flat, matrix, _PHOTO_SIZE, flags=cv2.INTER_AREA, borderValue=70).astype(np.float32)
    light = np.linspace(0.72, 1.0, out_width)[None, :] * np.linspace(1.0, 0.86, out_height)[:, None]
    rng = np.random.default_rng(5)
    grey = cv2.GaussianBlur(paper, (0, 0), 0.8) * light + rng.normal(0, 2.5, paper.shape)
    # Warm lamp light: red keeps, blue loses.
    color = np.stack([np.clip(grey * tint, 0, 255) for tint in (1.0, 0.95, 0.84)], axis=2).astype(np.uint8)
    turned = Image.fromarray(color).rotate(90, expand=True)  # the camera lay on its side
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to view"
    turned.save(FOLDER / "physics-photo.jpg", quality=52, exif=exif, optimize=True)
    scale = 170 / 72
    moved = [_through(region, matrix, scale) for region in page.regions]
    _write_truth("physics-photo", _truth_rows(moved, 1))


def _through(region: TrueRegion, matrix: np.ndarray, scale: float) -> TrueRegion:
    def move(box: Box) -> Box:
        corners = np.float32([[(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)]]) * scale
        points = cv2.perspectiveTransform(corners, matrix)[0]
        return Box(*map(float, points.min(axis=0)), *map(float, points.max(axis=0)))

    ink = tuple(move(box) for box in region.ink)
    numbers = tuple((text, move(box)) for text, box in region.equation_numbers)
    return replace(region, box=Box.around(ink), ink=ink, equation_numbers=numbers)


def make_crops() -> None:
    """formulas/: pictures of single formulas with their LaTeX, half of them clean print, half degraded."""
    rows = [json.loads(line) for line in (FOLDER / "formulas" / "formulas.jsonl").read_text("utf-8").splitlines()]
    inline, display = ([row for row in rows if row["kind"] == kind] for kind in ("inline", "display"))
    half = _CROPS // 2
    chosen = inline[1 :: len(inline) // half][:half] + display[:half]
    style = {"inline": "", "display": r"\displaystyle "}
    body = "\n".join(rf"\clearpage\noindent${style[row['kind']]}{row['latex']}$" for row in chosen)
    head = r"\documentclass[10pt]{article}\usepackage{color,amsmath,amssymb}\pagestyle{empty}"
    source = mark_document(rf"{head}\begin{{document}}{body}\end{{document}}")
    pdf, pages = read_truth(run_tex(source.tex), source.formulas)
    labels = []
    with pymupdf.open("pdf", pdf) as document:
        for number, (row, page, regions) in enumerate(zip(chosen, document, pages, strict=True), start=1):
            box = Box.around(region.box for region in regions).padded(_CROP_MARGIN_PT).scaled(_CROP_DPI / 72)
            look = "print" if number % 2 else "degraded"
            true = TruePage(pdf, number, page.rect.width, page.rect.height, regions, "crop", 0)
            if look == "degraded":
                scan = scan_page(true, number, dpi=_CROP_DPI, has_curve=False)
                box = Box.around(r.box for r in scan.regions).padded(_CROP_MARGIN_PT).scaled(_CROP_DPI / 72)
                picture = scan.image
            else:
                picture = render_grey(page, _CROP_DPI)
            cut = picture[round(box.y0) : round(box.y1), round(box.x0) : round(box.x1)]
            name = f"{number:02d}.png"
            data = BytesIO()
            Image.fromarray(cut).quantize(32).save(data, "png", optimize=True)
            (FOLDER / "formulas" / name).write_bytes(data.getvalue())
            labels.append(
                {"image": name, "latex": row["latex"], "kind": row["kind"], "source": "docproc", "look": look}
            )
    _write_lines(FOLDER / "formulas" / "labels.jsonl", labels)


def _truth_rows(regions: Iterable[TrueRegion], page_number: int) -> list[dict[str, object]]:
    rows = []
    for region in regions:
        row: dict[str, object] = {
            "page": page_number,
            "kind": region.kind,
            "box": [round(edge, 1) for edge in (region.box.x0, region.box.y0, region.box.x1, region.box.y1)],
            "latex": " ".join(region.latex.split()),
            "equation_number": ", ".join(text for text, _ in region.equation_numbers) or None,
        }
        if region.is_ignored:
            row["undecidable"] = True
        if region.continues is not None:
            row["continues"] = region.continues
        rows.append(row)
    return rows


def _write_truth(name: str, rows: Iterable[dict[str, object]]) -> None:
    _write_lines(FOLDER / f"{name}.truth.jsonl", rows)


def _write_lines(path: Path, rows: Iterable[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
