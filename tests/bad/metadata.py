"""Hostile and odd files: pictures whose metadata turns them, lies or loops, and TIFFs with many directories."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.bad.files import Odd, bytes_of
from tests.bad.pictures import PLAIN, chunk, page_picture

_ORIENTATION = 0x0112
_DIRECTORIES = 10_000
_AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.T,
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).T,
    8: lambda upright: np.rot90(upright, -1),
}
"""What a camera stores for each orientation of EXIF 2.3 (4.6.4 A): the upright picture is got back by the other way."""


def metadata() -> list[Odd]:
    """Pictures without loss, so that they hold the very formulas of `plain.png`."""
    page = page_picture()
    return [*_turned(page), *_broken(page), *_kinds(page), *_directories(page)]


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif


def _turned(page: Image.Image) -> list[Odd]:
    """One of each format; tests/test_pictures.py has all orientations of all formats."""
    chosen = {
        "orientation-5.png": {},
        "orientation-6.tif": {"compression": "tiff_lzw"},
        "orientation-8.webp": {"lossless": True},
    }
    return [Odd(name, turned(page, int(name[12]), options), reads_like=PLAIN) for name, options in chosen.items()]


def turned(upright: Image.Image, orientation: int, options: dict[str, Any]) -> Callable[[Path], object]:
    """Writes a picture as a camera does that was held so."""
    picture = Image.fromarray(np.ascontiguousarray(_AS_STORED[orientation](np.asarray(upright))))
    return lambda path: picture.save(path, exif=_exif(orientation), **options)


def _broken(page: Image.Image) -> list[Odd]:
    loop = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8, 8)
    blocks = {
        "none": b"",
        "garbage": b"\xff" * 300,
        "cut": _exif(6).tobytes()[6:20],
        "loop": loop,
        "far": b"II*\0\xf0\xff\xff\xff",
        "many": b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
        "text": b"II*\0\x08\0\0\0" + struct.pack("<HHHI4sI", 1, _ORIENTATION, 2, 4, b"six\0", 0),
        "nine": b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, _ORIENTATION, 3, 1, 9, 0),
    }
    whole = _png(page)
    end = whole.rindex(b"IEND") - 4
    found = [
        Odd(f"exif-{name}.png", bytes_of(whole[:33] + chunk(b"eXIf", data) + whole[33:]), reads_like=PLAIN)
        for name, data in blocks.items()
    ]
    profile = b"Odd\0\0" + zlib.compress(b"\xff" * 5_000)
    large = b"Odd\0\0" + zlib.compress(bytes(50_000_000), 9)
    return [
        *found,
        Odd(
            "exif-late.png",
            bytes_of(whole[:end] + chunk(b"eXIf", _exif(1).tobytes()[6:]) + whole[end:]),
            reads_like=PLAIN,
        ),
        Odd("icc-garbage.png", bytes_of(whole[:33] + chunk(b"iCCP", profile) + whole[33:]), reads_like=PLAIN),
        Odd("icc-huge.png", bytes_of(whole[:33] + chunk(b"iCCP", large) + whole[33:]), "too large"),
    ]


def _kinds(page: Image.Image) -> list[Odd]:
    grey = np.asarray(page)
    holes = grey.astype(np.float32) / 255
    holes[::50, ::50] = np.nan
    ink = Image.fromarray(255 - grey)
    black = Image.new("L", page.size, 0)
    return [
        Odd("grey-and-alpha.png", Image.merge("LA", (black, ink)).save, reads_like=PLAIN),
        Odd("alpha.tif", Image.merge("RGBA", (black, black, black, ink)).save, reads_like=PLAIN),
        Odd(
            "alpha.webp",
            lambda path: Image.merge("RGBA", (black, black, black, ink)).save(path, lossless=True),
            reads_like=PLAIN,
        ),
        Odd("holes.tif", Image.fromarray(holes).save, reads_like=PLAIN),
    ]


def _directories(page: Image.Image) -> list[Odd]:
    return [
        Odd("directories-10000.tif", bytes_of(tiff(_DIRECTORIES))),
        Odd("directories-in-a-circle.tif", bytes_of(tiff(3, back_to=0))),
        Odd("directory-in-itself.tif", bytes_of(tiff(1, below=8))),
    ]


def tiff(count: int, back_to: int | None = None, below: int = 0) -> bytes:
    """Directories that share one white strip of 8 x 8 pixels.

    Args:
        count: Of the directories.
        back_to: The directory that follows the last one; None for none.
        below: Offset of a directory that every one says lies below it; 0 for none.
    """
    size = 2 + 12 * 10 + 4
    strip = 8 + count * size
    tags = [(256, 3, 8), (257, 3, 8), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, strip), (277, 3, 1), (278, 3, 8)]
    tags += [(279, 4, 64), (330 if below else 296, 4 if below else 3, below or 2)]
    entries = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in tags)
    following = [8 + (i + 1) * size for i in range(count - 1)] + [0 if back_to is None else 8 + back_to * size]
    return b"II*\0\x08\0\0\0" + b"".join(entries + struct.pack("<I", place) for place in following) + b"\xff" * 64


def _png(page: Image.Image) -> bytes:
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()
