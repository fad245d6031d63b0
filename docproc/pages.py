"""One page of an open document as a `Page`: what kind it is, its grey image, and its text layer if it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pymupdf

from docproc.documents import first_line
from docproc.errors import InputError
from docproc.page_damage import forget_warnings, is_lost, lost_picture, sideways_text
from docproc.pictures import MAX_DECODED_PIXELS, MAX_PAGE_PIXELS, read_picture
from docproc.records import Page, PageKind, TextLayer

if TYPE_CHECKING:
    from docproc.documents import Document

_POINTS_PER_INCH = 72.0
# Body text of a born-digital page gets 22 pixels an em, as in the crops the recogniser learned from: 10 pt at 160 dpi.
_EM_PIXELS = 22.0
_BODY_PT = 10.0
_BORN_DIGITAL_DPI = (60.0, 400.0)
# Below 150 dpi subscripts fall apart; above 300 nothing is gained and time is lost.
_SCAN_DPI = (150.0, 300.0)
# A page is a scan if pictures cover this much of it. Scanners leave thin borders; figures stay well below.
_COVERED = 0.85
# Resolution of the look at where the ink lies.
_PREVIEW_DPI = 50.0
# Fewer visible characters than this (a page number, a stamp) are no text layer for a page with other ink on it.
_FEW_CHARACTERS = 10
_INVISIBLE_RENDER_MODE = 3
_UNKNOWN_CHARACTER = 0xFFFD


def render_page(document: Document, number: int, *, use_text_layer: bool = True) -> Page:
    """Render one page.

    Args:
        document: Open.
        number: From 1.
        use_text_layer: False treats every page of a PDF as a scan.

    Returns:
        The page as displayed: rotation and crop box applied. Pictures are upright, at 72 dpi, or less if they were too
        large to be worked on. Born-digital pages are rendered so that body text has 22 pixels an em, scans at the
        resolution of the embedded picture within 150-300 dpi; all have at most `MAX_PAGE_PIXELS`.

    Raises:
        InputError: The page is broken, has no area, or holds a picture too large to decode.
    """
    if document.pdf is None:
        image, scale = read_picture(document.picture, number - 1, document.name)
        return _picture_page(document.name, number, image, scale)
    where = f"Page {number} of {document.name}"
    try:
        return _render_pdf_page(document.pdf[number - 1], document.name, number, where, use_text_layer)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # PyMuPDF raises half a dozen unrelated classes on broken pages
        raise InputError(f"{where} cannot be rendered: {first_line(error)}.") from error


def _picture_page(name: str, number: int, image: np.ndarray, scale: float) -> Page:
    height, width = image.shape
    return Page(
        document=name,
        number=number,
        width_pt=round(width / scale),
        height_pt=round(height / scale),
        rotation=0,
        kind=PageKind.IMAGE,
        dpi=_POINTS_PER_INCH * scale,
        image=image,
    )


def _render_pdf_page(page: Any, name: str, number: int, where: str, use_text_layer: bool) -> Page:
    if is_lost(page):
        raise InputError(f"{where} is lost: the file does not hold it. Fetch or scan it again.")
    width_pt, height_pt = float(page.rect.width), float(page.rect.height)
    if min(width_pt, height_pt) < 1:
        raise InputError(f"{where} has no area ({width_pt:g} x {height_pt:g} points).")
    for picture in page.get_images():  # from the resources: nothing is decoded yet
        if picture[2] * picture[3] > MAX_DECODED_PIXELS:
            raise InputError(
                f"{where} holds a picture of {picture[2]:,} x {picture[3]:,} pixels, more than the "
                f"{MAX_DECODED_PIXELS:,} that are decoded. Scale it down first."
            )
    is_scan = not use_text_layer or _is_scan(page)
    text_layer: TextLayer | None = None
    damage: str | None = None
    if is_scan:
        dpi = _scan_dpi(page)
    else:
        from docproc.text_layer import read_text_layer

        text_layer = read_text_layer(page)
        damage = sideways_text(page, text_layer)
        dpi = float(np.clip(_EM_PIXELS / _body_size(text_layer) * _POINTS_PER_INCH, *_BORN_DIGITAL_DPI))
    dpi = min(dpi, _POINTS_PER_INCH * (MAX_PAGE_PIXELS / (width_pt * height_pt)) ** 0.5)
    forget_warnings()
    image = _pixels(page, dpi)
    return Page(
        document=name,
        number=number,
        width_pt=width_pt,
        height_pt=height_pt,
        rotation=int(page.rotation),
        kind=PageKind.SCAN if is_scan else PageKind.BORN_DIGITAL,
        dpi=dpi,
        image=image,
        text_layer=text_layer,
        damage=damage or lost_picture(),
    )


def _pixels(page: Any, dpi: float) -> np.ndarray:
    zoom = dpi / _POINTS_PER_INCH
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), colorspace=pymupdf.csGRAY, alpha=False)
    rows = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.stride)
    return np.ascontiguousarray(rows[:, : pixmap.width])


def _body_size(text_layer: TextLayer) -> float:
    """Size in points that most glyphs of the page have."""
    sizes: dict[float, int] = {}
    for glyph in text_layer.glyphs:
        if not glyph.text.isspace() and glyph.size_pt > 0:
            size = round(glyph.size_pt, 1)
            sizes[size] = sizes.get(size, 0) + 1
    return max(sizes, key=lambda size: (sizes[size], size)) if sizes else _BODY_PT


def _scan_dpi(page: Any) -> float:
    """Resolution of the page's largest picture, kept within `_SCAN_DPI`; the upper end if it has none."""
    best_area, best_dpi = 0.0, _SCAN_DPI[1]
    for picture in page.get_image_info():
        box = pymupdf.Rect(picture["bbox"])
        matrix = pymupdf.Matrix(picture["transform"])
        width_pt = (matrix.a**2 + matrix.b**2) ** 0.5  # of the unturned picture
        if width_pt > 0 and box.get_area() > best_area:
            best_area = box.get_area()
            best_dpi = picture["width"] / width_pt * _POINTS_PER_INCH
    return float(np.clip(best_dpi, *_SCAN_DPI))


def _is_scan(page: Any) -> bool:
    """Whether the page must be read from its picture.

    It is, if it shows no text of its own, or text that no one could read out (fonts without meaning), or if pictures
    cover it and most of its ink lies outside its visible text, as in a scan with a library's stamp.
    """
    drawing_order = page.get_bboxlog()
    covers = [
        order
        for order, (kind, box) in enumerate(drawing_order)
        if kind == "fill-image" and _share_covered([box], page) >= _COVERED
    ]
    buried_below = covers[-1] if covers else -1  # text drawn before a covering picture lies under it
    boxes, readable, total = [], 0, 0
    for span in page.get_texttrace():
        if span["type"] == _INVISIBLE_RENDER_MODE or span["opacity"] <= 0 or span["seqno"] < buried_below:
            continue
        characters = [char[0] for char in span["chars"] if char[0] not in (0x20, 0xA0)]
        if characters:
            boxes.append(span["bbox"])
            total += len(characters)
            readable += sum(_has_meaning(code) for code in characters)
    pictures = [box for kind, box in drawing_order if kind in ("fill-image", "fill-imgmask")]
    has_other_ink = any(kind not in ("fill-text", "ignore-text") for kind, _ in drawing_order)
    if not total:
        return has_other_ink  # a blank page is not worth a look at its pixels
    if readable < total / 2:
        return True
    if total >= _FEW_CHARACTERS and _share_covered(pictures, page) < _COVERED:
        return False
    return has_other_ink and _ink_outside(page, boxes) > 0.5


def _has_meaning(code: int) -> bool:
    """Whether a code is a character that can be read: neither unknown, control nor private use."""
    return code >= 0x20 and code != _UNKNOWN_CHARACTER and not 0xE000 <= code <= 0xF8FF


def _share_covered(boxes: list[Any], page: Any) -> float:
    """Share of the page that lies under the boxes (in unrotated coordinates), on a grid of 64 x 64 cells."""
    if not boxes:
        return 0.0
    frame = pymupdf.Rect(page.cropbox)
    frame = pymupdf.Rect(0, 0, frame.width, frame.height)
    cells = np.zeros((64, 64), bool)
    for box in boxes:
        x0, x1 = (int(np.clip(round((x - frame.x0) / frame.width * 64), 0, 64)) for x in (box[0], box[2]))
        y0, y1 = (int(np.clip(round((y - frame.y0) / frame.height * 64), 0, 64)) for y in (box[1], box[3]))
        cells[y0:y1, x0:x1] = True
    return float(cells.mean())


def _ink_outside(page: Any, boxes: list[Any]) -> float:
    """Share of the page's dark, letter-sized ink that lies outside the boxes (in unrotated coordinates)."""
    dpi = min(_PREVIEW_DPI, _POINTS_PER_INCH * (MAX_PAGE_PIXELS / (page.rect.width * page.rect.height)) ** 0.5)
    image = _pixels(page, dpi)
    # Ink is darker than its surroundings; the plain parts of a photo or of a colored background are not.
    ink = cv2.adaptiveThreshold(image, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 15, 12)
    total = int(ink.sum())
    zoom = dpi / _POINTS_PER_INCH
    for box in boxes:
        rect = pymupdf.Rect(box) * page.rotation_matrix * zoom
        x0, y0, x1, y1 = (max(0, int(value)) for value in (rect.x0 - 1, rect.y0 - 1, rect.x1 + 2, rect.y1 + 2))
        ink[y0:y1, x0:x1] = 0
    return float(ink.sum()) / total if total else 0.0
