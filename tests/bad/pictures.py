"""Hostile and odd files: pictures, and the ways a PDF holds one."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
from PIL import Image

from tests.bad.files import Odd, bytes_of
from tests.bad.raw_pdf import jbig2, picture_page
from tests.conftest import SAMPLES

PLAIN = "plain.png"
_DPI = 150


def pictures() -> list[Odd]:
    """Broken pictures, hostile ones, and odd ones that show the same formulas as `plain.png`."""
    page = page_picture()
    return [Odd(PLAIN, page.save), *_broken(page), *_sizes(), *_depths(page), *_in_pdfs(page)]


def page_picture() -> Image.Image:
    """The first half of a page of the samples, 150 pixels an inch, grey."""
    with pymupdf.open(SAMPLES / "calculus-notes.pdf") as sample:
        clip = pymupdf.Rect(0, 0, sample[0].rect.width, sample[0].rect.height * 0.35)
        pixmap = sample[0].get_pixmap(dpi=_DPI, colorspace=pymupdf.csGRAY, clip=clip)
        return Image.frombytes("L", (pixmap.width, pixmap.height), pixmap.samples)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _broken(page: Image.Image) -> list[Odd]:
    found = []
    for suffix, kind, options in (
        ("png", "PNG", {}),
        ("jpg", "JPEG", {"quality": 90}),
        ("tif", "TIFF", {"compression": "tiff_lzw"}),
    ):
        whole = _encoded(page, kind, **options)
        found += [
            Odd(f"cut-{tenth}0.{suffix}", bytes_of(whole[: len(whole) * tenth // 10]), "broken picture")
            for tenth in range(1, 10)
        ]
        found.append(Odd(f"empty.{suffix}", bytes_of(b""), "empty (0 bytes)"))
        found.append(Odd(f"header-only.{suffix}", bytes_of(whole[:12]), "broken picture"))
    text = _encoded(page.resize((60, 20)), "PNG")
    return [
        *found,
        Odd("png-named.jpg", lambda path: page.save(path, "PNG", compress_level=1), reads_like=PLAIN),
        Odd("crc-wrong.png", bytes_of(text.replace(b"IDAT", b"IDAT\x00", 1)), "broken picture"),
        Odd("tiff-loop.tif", bytes_of(_tiff_loop())),
    ]


def _sizes() -> list[Odd]:
    one = Image.new("L", (1, 1), 255)
    return [
        Odd("one-pixel.png", one.save),
        Odd("one-pixel-black.png", lambda path: Image.new("1", (1, 1), 0).save(path)),
        Odd("thin.png", lambda path: Image.new("L", (20_000, 1), 255).save(path)),
        Odd("30000x30000.png", bytes_of(_png_bomb(30_000, 30_000)), "more than the 180,000,000"),
        Odd("bomb-header.png", bytes_of(_png_bomb(2**31 - 1, 2**31 - 1, rows=1)), "more than the 180,000,000"),
        Odd("bomb-short.png", bytes_of(_png_bomb(12_000, 12_000, rows=10))),
        Odd("bomb.tif", _tiff_bomb, "more than the 180,000,000"),
        Odd("text-bomb.png", bytes_of(_text_bomb()), "too large"),
    ]


def _depths(page: Image.Image) -> list[Odd]:
    grey = np.asarray(page)
    color = page.convert("RGB")
    clear = Image.merge("RGBA", (*[Image.new("L", page.size, 0)] * 3, Image.fromarray(255 - grey)))
    tall = page.rotate(90, expand=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    frames = {"save_all": True, "append_images": [page.convert("P"), page.convert("P")]}
    kinds: list[tuple[str, Callable[[Path], object]]] = [
        ("16-bit.png", lambda path: Image.fromarray(grey.astype(np.uint16) * 257).save(path)),
        ("palette.png", lambda path: page.convert("P").save(path)),
        ("one-bit.png", lambda path: page.point(lambda v: 255 * (v > 140)).convert("1").save(path)),
        ("clear.png", clear.save),
        ("cmyk.jpg", lambda path: color.convert("CMYK").save(path, quality=95)),
        ("progressive.jpg", lambda path: page.save(path, quality=95, progressive=True)),
        ("turned.jpg", lambda path: tall.save(path, quality=95, exif=turned)),
        ("float.tif", lambda path: Image.fromarray(grey.astype(np.float32) / 255).save(path)),
        (
            "group-4.tif",
            lambda path: page.point(lambda v: 255 * (v > 140)).convert("1").save(path, compression="group4"),
        ),
        ("lab.tif", lambda path: Image.merge("LAB", (page, *[Image.new("L", page.size, 0)] * 2)).save(path)),
        ("animated.webp", lambda path: page.save(path, lossless=True, save_all=True, append_images=[page] * 2)),
        ("animated.png", lambda path: page.save(path, save_all=True, append_images=[Image.new("L", page.size, 255)])),
        ("grey.bmp", page.save),
    ]
    odd = [Odd(name, write, reads_like=PLAIN) for name, write in kinds]
    gif = Odd("animated-gif.png", lambda path: page.convert("P").save(path, "GIF", **frames), "a GIF picture")
    return [*odd, gif]


def _in_pdfs(page: Image.Image) -> list[Odd]:
    width, height = page.size
    black = page.point(lambda v: 255 * (v <= 140)).convert("1")
    g4 = _group_4(black)
    grey8 = b"/BitsPerComponent 8 /ColorSpace /DeviceGray"
    one = b"/BitsPerComponent 1 /ColorSpace /DeviceGray"
    fax = b"/DecodeParms << /K -1 /Columns %d /Rows %d >>" % page.size
    deep = (np.asarray(page).astype(">u2") * 257).tobytes()
    colors = bytes(range(256)).hex().encode()
    palette = b"/BitsPerComponent 8 /ColorSpace [/Indexed /DeviceGray 255 <" + colors + b">]"
    cmyk = _encoded(page.convert("RGB").convert("CMYK"), "JPEG", quality=95)
    negative = b"/Decode [1 0 1 0 1 0 1 0]"
    files = {
        "scan-jpx.pdf": (_encoded(page, "JPEG2000"), b"/Filter /JPXDecode"),
        "scan-ccitt.pdf": (g4, one + b" /Filter /CCITTFaxDecode " + fax),
        "scan-jbig2.pdf": (jbig2(g4, width, height), one + b" /Filter /JBIG2Decode"),
        "scan-16-bit.pdf": (zlib.compress(deep), b"/BitsPerComponent 16 /ColorSpace /DeviceGray /Filter /FlateDecode"),
        "scan-palette.pdf": (zlib.compress(page.tobytes()), palette + b" /Filter /FlateDecode"),
        "scan-cmyk.pdf": (cmyk, b"/BitsPerComponent 8 /ColorSpace /DeviceCMYK /Filter /DCTDecode " + negative),
        "scan-grey.pdf": (zlib.compress(page.tobytes()), grey8 + b" /Filter /FlateDecode"),
    }
    good = [
        Odd(name, bytes_of(picture_page(data, width, height, e)), reads_like=PLAIN) for name, (data, e) in files.items()
    ]
    bad = {
        "bad-jpx.pdf": (_encoded(page, "JPEG2000")[:900] + bytes(500), b"/Filter /JPXDecode"),
        "bad-ccitt.pdf": (bytes(range(256)) * 20, one + b" /Filter /CCITTFaxDecode " + fax),
        "bad-jbig2.pdf": (jbig2(g4, width, height)[:40] + b"\xff" * 300, one + b" /Filter /JBIG2Decode"),
        "bad-jpeg.pdf": (_encoded(page, "JPEG")[:700], grey8 + b" /Filter /DCTDecode"),
        "bad-filter.pdf": (b"abc", grey8 + b" /Filter /NoSuchDecode"),
        "bad-length.pdf": (b"abc", grey8),
    }
    # Of broken JBIG2 MuPDF says nothing: a white page.
    lines = {name: None if "jbig2" in name else "a picture on it is damaged" for name in bad}
    return good + [
        Odd(name, bytes_of(picture_page(data, width, height, e)), lines[name], is_read=True)
        for name, (data, e) in bad.items()
    ]


def _group_4(black: Image.Image) -> bytes:
    """The fax data alone; Pillow writes what is set as black, as both of PDF's filters take it."""
    data = _encoded(black, "TIFF", compression="group4", tiffinfo={278: black.size[1]})
    with Image.open(io.BytesIO(data)) as tiff:
        (start,), (count,) = tiff.tag_v2[273], tiff.tag_v2[279]  # type: ignore[attr-defined]
    return data[start : start + count]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def _png_bomb(width: int, height: int, rows: int | None = None) -> bytes:
    """A few kilobytes that say, and where `rows` is None also hold, an enormous picture."""
    packer, packed = zlib.compressobj(9), []
    row = bytes(min(width, 1 << 20) + 1)
    packed += [packer.compress(row) for _ in range(height if rows is None else rows)]
    return _png(width, height, chunk(b"IDAT", b"".join(packed) + packer.flush()))


def _text_bomb() -> bytes:
    text = b"Comment\0\0" + zlib.compress(bytes(300_000_000), 9)
    return _png(8, 8, chunk(b"zTXt", text), chunk(b"IDAT", zlib.compress(b"\0\xff\xff\xff\xff\xff\xff\xff\xff" * 8)))


def _tiff_bomb(path: Path) -> None:
    Image.new("1", (40_000, 40_000), 1).save(path, compression="group4")


def _tiff_loop() -> bytes:
    """A directory whose successor is itself: pages without end."""
    entries = [
        (256, 3, 1, 8),
        (257, 3, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (277, 3, 1, 1),
        (278, 3, 1, 8),
        (279, 4, 1, 64),
    ]
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 8)).ljust(200, b"\0") + b"\xff" * 64
