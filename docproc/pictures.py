"""Pictures of any type, depth and orientation become upright grey arrays, within a limit on pixels."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np
from PIL import Image

from docproc.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Pixels that may be decoded: 13,400 x 13,400, or A0 at 400 dpi; half a gigabyte in color. Pillow's own limit.
MAX_DECODED_PIXELS = 180_000_000
# Pixels that are worked on: A4 at 450 dpi, or a photo of 20 megapixels. Larger pictures are scaled down.
MAX_PAGE_PIXELS = 20_000_000
_ORIENTATION, _PHOTOMETRIC, _MIN_IS_WHITE = 0x0112, 262, 0
_T = TypeVar("_T")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def open_picture(path: Path, media_type: str, name: str) -> Any:
    """Open a picture without decoding it.

    Returns:
        The Pillow image; the caller closes it.

    Raises:
        InputError: The header cannot be read.
    """
    pillow_type = media_type.removeprefix("image/").upper()
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # the limit is ours: see read_picture
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which is no concern here
            picture = Image.open(path, formats=[pillow_type])
            _ = getattr(picture, "n_frames", 1)
    except MemoryError:
        raise  # the worker says how much it may take
    except Exception as error:  # a hostile header raises anything, from SyntaxError to struct.error
        raise _broken(name, error) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    return picture


def picture_size(picture: Any, frame: int, name: str) -> tuple[float, float]:
    """Width and height of the upright picture in pixels.

    Raises:
        InputError: The frame cannot be read.
    """
    _attempt(lambda: _seek(picture, frame), name)
    width, height = picture.size
    if width * height > MAX_DECODED_PIXELS:
        return float(width), float(height)
    orientation = _attempt(lambda: _orientation(picture), name)
    return (float(height), float(width)) if orientation in _TURNED else (float(width), float(height))


def read_picture(picture: Any, frame: int, name: str) -> tuple[np.ndarray, float]:
    """Decode one frame.

    Args:
        picture: From `open_picture`.
        frame: From 0.
        name: For messages.

    Returns:
        The upright picture, grey uint8 of shape (height, width), 0 = ink; and its scale: pixels of the array for one
        pixel of the picture, 1 unless the picture was too large.

    Raises:
        InputError: The picture is broken, or has more than `MAX_DECODED_PIXELS`.
    """
    _attempt(lambda: _seek(picture, frame), name)
    width, height = picture.size
    if picture.format in ("JPEG", "MPO") and width * height > MAX_PAGE_PIXELS:
        shrink = (MAX_PAGE_PIXELS / (width * height)) ** 0.5  # the decoder itself can leave out 3 of 4 pixels and more
        picture.draft(None, (round(width * shrink), round(height * shrink)))
    if picture.size[0] * picture.size[1] > MAX_DECODED_PIXELS:
        raise InputError(
            f"{name} has {width:,} x {height:,} pixels, more than the {MAX_DECODED_PIXELS:,} that are decoded. "
            "Scale it down or cut it into pieces first."
        )
    orientation = _attempt(lambda: _orientation(picture), name)  # decodes a PNG: its metadata may stand at its end
    grey = _attempt(lambda: _grey(picture), name)
    if grey.size > MAX_PAGE_PIXELS:
        factor = (MAX_PAGE_PIXELS / grey.size) ** 0.5
        size = (max(1, int(grey.shape[1] * factor)), max(1, int(grey.shape[0] * factor)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    scale = grey.shape[1] / width
    turn = _UPRIGHT.get(orientation)
    return np.ascontiguousarray(turn(grey) if turn else grey), scale


_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.T,
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image.T[::-1, ::-1],
    8: np.rot90,
}


def _seek(picture: Any, frame: int) -> None:
    if picture.format == "TIFF":
        picture.seek(frame)
        if picture.tag_v2.get(_ORIENTATION) in _TURNED:
            picture.filename = ""  # Pillow 13 maps plain pixels of a named file with width and height exchanged


def _orientation(picture: Any) -> int:
    """How the picture is to be turned; broken metadata says nothing, and costs nothing."""
    if picture.format == "TIFF":
        return 1  # Pillow turns these as it decodes them
    if picture.format == "PNG":
        picture.load()  # its metadata may stand at its end; if the pixels are broken this says so
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # a hostile block raises anything, from ValueError to struct.error
        return 1


def _grey(picture: Any) -> np.ndarray:
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        tags = getattr(picture, "tag_v2", None) or {}
        return _narrowed(np.asarray(picture), is_inverted=tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE)
    if mode == "LAB":
        return np.asarray(picture.getchannel("L"))
    if "A" in mode or "a" in mode or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture)
        picture = paper
    # CMYK and HSV have no direct way to grey; palettes go over color.
    return np.asarray((picture if mode in ("1", "L", "RGB") else picture.convert("RGB")).convert("L"))


def _narrowed(values: np.ndarray, is_inverted: bool) -> np.ndarray:
    """Grey values of 16 or 32 bits, or floats, as uint8; 10, 12 and 14 bits in 16 are taken for what they are."""
    numbers = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    numbers -= min(0.0, float(numbers.min()))
    peak = float(numbers.max())
    full = next((top for top in (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0) if peak <= top), peak)
    if np.issubdtype(values.dtype, np.integer) and full == 1.0:
        full = 255.0
    grey = (numbers * (255.0 / full)).round().astype(np.uint8)
    return 255 - grey if is_inverted else grey


def _attempt(step: Callable[[], _T], name: str) -> _T:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return step()
    except MemoryError:
        raise  # the worker says how much it may take
    except Exception as error:  # broken data raises anything, from OSError to struct.error
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if "cannot identify" in reason:
        reason = "its header is damaged"
    return InputError(f"{name} is a broken picture: {reason}. Fetch or scan it again.")
