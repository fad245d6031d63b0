"""What a file is, from its first bytes: types that are read, and names for those that are not."""

from __future__ import annotations

MEDIA_TYPES = {
    "application/pdf": (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/tiff": (".tif", ".tiff"),
    "image/webp": (".webp",),
    "image/bmp": (".bmp", ".dib"),
}
SUFFIXES = {suffix for suffixes in MEDIA_TYPES.values() for suffix in suffixes}
SUPPORTED = "docproc reads PDF, PNG, JPEG, TIFF, WebP and BMP"
_BMP_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)
_ZIP_KINDS = {
    ".docx": "a Word document",
    ".pptx": "a PowerPoint presentation",
    ".xlsx": "an Excel workbook",
    ".odt": "an OpenDocument text",
    ".epub": "an EPUB book",
    ".xps": "an XPS document",
    ".oxps": "an XPS document",
    ".cbz": "a comic book archive",
}
"""What a ZIP file is, by its suffix: its content lies packed behind the first bytes."""
_PHOTOS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
"""Brands of ISO/IEC 23008-12 and AVIF."""
_HEADS = (
    (b"%!PS", "PostScript"),
    (b"GIF8", "a GIF picture"),
    (b"AT&TFORM", "a DjVu document"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"{\\rtf", "a Rich Text document"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
)


def sniff(head: bytes) -> str | None:
    """Media type of a file that is read, None for any other.

    Args:
        head: Its first 1,024 bytes.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "image/tiff"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return "image/bmp"
    return "application/pdf" if b"%PDF-" in head else None


def guess(head: bytes, suffix: str) -> str:
    """What a file of another type seems to be, for the message.

    Args:
        head: Its first bytes.
        suffix: Of its name; tells apart what looks the same.
    """
    for start, name in _HEADS:
        if head.startswith(start):
            return name
    if head.startswith(b"PK\x03\x04"):
        if head[30:].startswith(b"mimetypeapplication/epub+zip"):
            return _ZIP_KINDS[".epub"]
        return _ZIP_KINDS.get(suffix.lower(), "a ZIP or Office file")
    if head[4:8] == b"ftyp":
        return "a HEIC or AVIF picture" if head[8:12] in _PHOTOS else "a film"
    beginning = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in beginning and beginning.startswith(b"<"):
        return "an SVG drawing"
    if beginning.startswith((b"<!doctype html", b"<html")) or (beginning.startswith(b"<") and b"<html" in beginning):
        return "a web page"
    is_text = b"\0" not in head and all(byte >= 32 or byte in b"\t\n\r\f\b\x1b" for byte in head)
    return "plain text" if is_text else "of an unknown type"
