"""Pictures of pages and of parts of them, rendered from the documents in a process of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from docproc.errors import InputError
from docproc.finding import found_page, open_kept
from docproc.records import Box

if TYPE_CHECKING:
    from docproc.records import FormulaKind, FoundPage

SCREEN_DPI = 130.0
"""Of page pictures: subscripts can be read, and a page has some 100 kB."""
_WIDEST_PX = 1800
_MARGIN_PT = 3.0
_LEAST_SIDE_PT = 3.0
"""Of a box that a person draws: less is a slip of the hand."""


@dataclass(frozen=True, slots=True)
class PictureTask:
    """Draw a page, or a part of it at full resolution."""

    path: Path
    number: int
    box: Box | None = None
    """In points; None for the whole page."""
    sha256: str | None = None
    """Of the document that is meant: its file may have been replaced."""
    password: str | None = None


@dataclass(frozen=True, slots=True)
class RegionTask:
    """Cut out of a page what the recognizer wants to see of formulas whose boxes are known."""

    path: Path
    number: int
    regions: tuple[tuple[FormulaKind, Box], ...]
    sha256: str


def draw_picture(task: PictureTask | RegionTask) -> bytes | FoundPage | InputError:
    """Worker: the picture as PNG, or the page with the regions and their crops; or why there is none."""
    try:
        return render_picture(task) if isinstance(task, PictureTask) else cut_regions(task)
    except InputError as error:
        return error


def cut_regions(task: RegionTask) -> FoundPage:
    """Cut the crops in this process; see `draw_picture`.

    Raises:
        InputError: The document or page cannot be opened or rendered, or a box lies outside it.
    """
    from docproc.cleanup import prepare_scan
    from docproc.crops import cut_crops
    from docproc.options import RegionOptions
    from docproc.pages import render_page
    from docproc.records import Region
    from docproc.scan_handwriting import written_em_pt

    if not task.path.is_file():
        raise InputError(f"{task.path} is not there any more.")
    document = open_kept(task.path, None)
    if document.sha256 != task.sha256:
        raise InputError(f"{document.name} has changed since it was read.")
    page = render_page(document, task.number)
    regions = [Region(kind, box & Box(0, 0, page.width_pt, page.height_pt)) for kind, box in task.regions]
    if any(min(region.box.width, region.box.height) < _LEAST_SIDE_PT for region in regions):
        raise InputError("The box is too small, or lies outside the page.")
    if page.text_layer is None:
        em_pt = written_em_pt(prepare_scan(page)[0])
        regions = [replace(region, written_em_pt=em_pt) for region in regions]
    regions = cut_crops(page, regions, RegionOptions())
    return found_page(page, regions, [])


def render_picture(task: PictureTask) -> bytes:
    """Render in this process; see `draw_picture`.

    Raises:
        InputError: The document or page cannot be opened or rendered.
    """
    import cv2

    from docproc.pages import render_page

    document = open_kept(task.path, task.password)
    if task.sha256 not in (None, document.sha256):
        raise InputError(f"{document.name} has changed since it was read.")
    if not 1 <= task.number <= document.page_count:
        raise InputError(f"{document.name} has no page {task.number}.")
    page = render_page(document, task.number, use_text_layer=False)
    image = page.image
    zoom = image.shape[1] / page.width_pt
    if task.box is None:
        scale = min(1.0, SCREEN_DPI / 72 / zoom if page.dpi != 72 else 1.0, _WIDEST_PX / image.shape[1])
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    else:
        margin = _MARGIN_PT
        x0, y0 = (max(0, int((value - margin) * zoom)) for value in (task.box.x0, task.box.y0))
        x1, y1 = (int((value + margin) * zoom) + 1 for value in (task.box.x1, task.box.y1))
        image = image[y0:y1, x0:x1]
        if not image.size:
            raise InputError(f"The box lies outside page {task.number} of {document.name}.")
    return bytes(cv2.imencode(".png", image)[1].tobytes())
