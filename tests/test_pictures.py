from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docproc import pictures
from docproc.documents import open_document
from docproc.errors import InputError
from docproc.pages import render_page
from docproc.records import PageKind
from tests.bad.metadata import turned


def mark() -> Image.Image:
    """White paper of 60 x 40 with black ink in the top left corner."""
    image = Image.new("L", (60, 40), 255)
    image.paste(0, (0, 0, 20, 10))
    return image


def render(path: Path, number: int = 1) -> np.ndarray:
    with open_document(path) as document:
        page = render_page(document, number)
    assert page.kind is PageKind.IMAGE
    assert page.dpi == 72
    assert page.image.dtype == np.uint8
    assert (page.width_pt, page.height_pt) == page.image.shape[::-1]
    return page.image


def assert_is_mark(image: np.ndarray) -> None:
    assert image.shape == (40, 60)
    assert image[2:8, 2:18].max() < 60
    assert image[14:, :].min() > 200


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_png_of_any_mode(tmp_path: Path, mode: str) -> None:
    image = mark()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    image = image if image.mode == mode else image.convert("RGB").convert(mode)
    image.save(tmp_path / "a.png")
    assert_is_mark(render(tmp_path / "a.png"))


def test_transparent_paper_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 20, 10))
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.webp", lossless=True)
    assert_is_mark(render(tmp_path / "a.png"))
    assert_is_mark(render(tmp_path / "a.webp"))


def test_transparent_palette_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (60, 40), 1)
    image.putpalette([0, 0, 0, 10, 10, 10])
    image.paste(0, (0, 0, 20, 10))
    image.save(tmp_path / "a.png", transparency=1)
    assert_is_mark(render(tmp_path / "a.png"))


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk(tmp_path: Path, name: str) -> None:
    mark().convert("RGB").convert("CMYK").save(tmp_path / name)
    assert_is_mark(render(tmp_path / name))


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_tiff_of_more_than_8_bits(tmp_path: Path, bits: int) -> None:
    values = (np.asarray(mark()).astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert_is_mark(render(tmp_path / "a.tif"))


def test_float_tiff(tmp_path: Path) -> None:
    Image.fromarray(np.asarray(mark()).astype(np.float32) / 255).save(tmp_path / "a.tif")
    assert_is_mark(render(tmp_path / "a.tif"))


@pytest.mark.parametrize("compression", ["group4", "raw"])
def test_one_bit_tiff(tmp_path: Path, compression: str) -> None:
    mark().convert("1").save(tmp_path / "a.tif", compression=compression)
    assert_is_mark(render(tmp_path / "a.tif"))


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "lzw.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int, kind: str) -> None:
    options = {"jpg": {"quality": 95}, "webp": {"lossless": True}, "lzw.tif": {"compression": "tiff_lzw"}}
    path = tmp_path / f"a.{kind}"
    turned(mark(), orientation, options.get(kind, {}))(path)
    with open_document(path) as document:
        assert document.page_size(1) == (60, 40)
    assert_is_mark(render(path))


def test_orientation_of_deep_and_later_frames_of_a_tiff(tmp_path: Path) -> None:
    deep = Image.fromarray(np.asarray(mark()).T.astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 5
    deep.save(tmp_path / "a.tif", exif=exif, save_all=True, append_images=[deep])
    for number in (1, 2):
        assert_is_mark(render(tmp_path / "a.tif", number))


def test_frames_of_a_tiff(tmp_path: Path) -> None:
    pages = [Image.new("L", (60, 40), 255), mark(), Image.new("1", (30, 20), 1)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert_is_mark(render(tmp_path / "a.tif", 2))
    assert render(tmp_path / "a.tif", 1).min() == 255
    assert render(tmp_path / "a.tif", 3).shape == (20, 30)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_truncated_picture_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.bin"
    noise = np.random.default_rng(0).integers(0, 255, (80, 80), np.uint8)
    Image.fromarray(noise).save(path, kind)
    whole = path.read_bytes()
    for tenth in range(1, 10):
        path.write_bytes(whole[: len(whole) * tenth // 10])
        with pytest.raises(InputError) as caught, open_document(path) as document:
            render_page(document, 1)
        assert "broken picture" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (30_000, 30_000)).save(path)
    with open_document(path) as document:
        assert document.page_size(1) == (30_000, 30_000)
        with pytest.raises(InputError, match="30,000 x 30,000 pixels"):
            render_page(document, 1)


def test_large_picture_is_scaled_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PAGE_PIXELS", 600)
    mark().save(tmp_path / "a.png")
    with open_document(tmp_path / "a.png") as document:
        page = render_page(document, 1)
    assert page.image.size <= 600
    assert (page.width_pt, page.height_pt) == (60, 40)
    assert page.dpi == pytest.approx(36, rel=0.02)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 7).save(tmp_path / "a.png")
    assert render(tmp_path / "a.png").tolist() == [[7]]
