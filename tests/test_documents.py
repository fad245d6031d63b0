import hashlib
import os
from pathlib import Path

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from docproc.documents import expand_inputs, open_document, parse_page_ranges, path_text
from docproc.errors import DocprocError, InputError, UsageError


def write_pdf(path: Path, pages: int = 1, title: str = "", **save: object) -> Path:
    pdf = pymupdf.open()
    for number in range(1, pages + 1):
        pdf.new_page(width=300, height=400).insert_text((50, 80), f"This is page {number} of a small document.")
    pdf.set_metadata({"title": title})
    pdf.save(path, **save)
    return path


def refusal(path: Path, password: str | None = None) -> str:
    with pytest.raises(InputError) as caught, open_document(path, password):
        pass
    text = str(caught.value)
    assert "\n" not in text
    assert path_text(path) in text
    return text


def test_pdf_says_what_it_is(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", pages=3, title="  A\n title ")
    with open_document(path) as document:
        assert document.media_type == "application/pdf"
        assert document.page_count == 3
        assert document.title == "A title"
        assert document.page_size(2) == (300, 400)
        assert document.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert document.damage is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_type_is_found_from_the_content(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "misnamed.pdf"
    Image.new("RGB", (30, 20), "white").save(path, kind)
    with open_document(path) as document:
        assert document.media_type == f"image/{kind.lower()}"
        assert (document.page_count, document.page_size(1)) == (1, (30, 20))


def test_frames_of_a_tiff_are_pages_of_their_own_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    frames = [Image.new("L", (10 * i, 20), 255) for i in (1, 2, 3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with open_document(path) as document:
        assert document.page_count == 3
        assert [document.page_size(n) for n in (3, 1, 2)] == [(30, 20), (10, 20), (20, 20)]


@pytest.mark.parametrize("suffix", [".pdf", ".png", ".tif"])
def test_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty{suffix}"
    path.touch()
    assert "is empty" in refusal(path)


def test_text_renamed_pdf(tmp_path: Path) -> None:
    path = tmp_path / "notes.pdf"
    path.write_text("Dear reader,\nthis is no PDF.\n")
    assert "is plain text. docproc reads PDF" in refusal(path)


def test_missing_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.pdf")
    assert "is a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.pdf")
    assert "no regular file" in refusal(tmp_path / "pipe.pdf")


@pytest.mark.parametrize("tenth", range(1, 10))
def test_truncated_pdf_is_named_or_its_damage_told(tmp_path: Path, tenth: int) -> None:
    whole = write_pdf(tmp_path / "whole.pdf", pages=20, deflate=True).read_bytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(whole[: len(whole) * tenth // 10])
    try:
        with open_document(path) as document:
            assert document.damage is not None
            assert "is damaged" in document.damage
    except InputError as error:
        assert "truncated" in str(error)


def test_encrypted_pdf_wants_its_password(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "secret.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="own")
    assert refusal(path).endswith(
        "is encrypted. Give its password with --password, or remove it: qpdf --decrypt in.pdf out.pdf"
    )
    assert "the password is wrong" in refusal(path, "guess")
    with open_document(path, "open") as document:
        assert document.page_count == 1


def test_pdf_without_pages(tmp_path: Path) -> None:
    path = tmp_path / "none.pdf"
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"trailer<</Root 1 0 R/Size 3>>\n%%EOF\n"
    )
    assert "page" in refusal(path)


def test_broken_picture_header(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50)
    assert "broken picture" in refusal(path)


def test_odd_names_stay_on_one_line(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/-new\nline\xff.pdf"))
    write_pdf(tmp_path / "a.pdf").rename(path)
    with open_document(path) as document:
        assert document.page_count == 1
        assert document.name.endswith(r"-new\nline\xff.pdf")
    path.write_bytes(b"")
    assert "is empty" in refusal(path)


def test_folders_are_walked_in_order_and_files_taken_once(tmp_path: Path) -> None:
    (tmp_path / "in" / "b").mkdir(parents=True)
    for name in ("in/c.pdf", "in/a.pdf", "in/b/d.PDF", "in/.hidden.pdf"):
        write_pdf(tmp_path / name)
    Image.new("L", (5, 5)).save(tmp_path / "in" / "scan", "PNG")
    (tmp_path / "in" / "readme.txt").write_text("no document")
    (tmp_path / "in" / "bad.pdf").write_text("text")
    (tmp_path / "in" / "link.pdf").symlink_to(tmp_path / "in" / "a.pdf")
    files, failures = expand_inputs([tmp_path / "in", tmp_path / "in" / "c.pdf"])
    names = [str(file.relative_to(tmp_path / "in")) for file in files]
    assert names == ["a.pdf", "bad.pdf", "c.pdf", "scan", "b/d.PDF"]
    assert failures == []


def test_what_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_pdf(folder / "good.pdf")
    os.mkfifo(folder / "pipe.pdf")
    (folder / "loop").symlink_to(folder)
    (folder / "self.pdf").symlink_to(folder / "self.pdf")
    files, failures = expand_inputs([folder, tmp_path / "missing.pdf"])
    assert files == [folder / "good.pdf"]
    told = {Path(failure.document).name: failure.reason for failure in failures}
    assert set(told) == {"pipe.pdf", "loop", "self.pdf", "missing.pdf"}
    assert "does not exist" in told["missing.pdf"]
    assert "not followed" in told["loop"]
    assert all("\n" not in reason for reason in told.values())


def test_folder_without_documents_is_told(tmp_path: Path) -> None:
    files, failures = expand_inputs([tmp_path])
    assert files == []
    assert "holds no document" in failures[0].reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_and_folder(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf").chmod(0)
    assert "permission denied" in refusal(tmp_path / "a.pdf")


@pytest.mark.parametrize(
    ("text", "pages"),
    [("1-4,7,11-", [1, 2, 3, 4, 7, 11, 12]), ("3", [3]), ("-2", [1, 2]), ("5,1-2,5", [1, 2, 5]), ("11-99", [11, 12])],
)
def test_page_ranges(text: str, pages: list[int]) -> None:
    assert parse_page_ranges(text, 12) == pages


@pytest.mark.parametrize("text", ["", "a", "0", "4-2", "13", "1,,2", "-", "1-2-3", "1.5", "-0", "²"])
def test_page_ranges_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match="--pages"):
        parse_page_ranges(text, 12)


@given(st.text(alphabet="0123456789-, x", max_size=12), st.integers(1, 40))
def test_page_ranges_stay_in_the_document(text: str, page_count: int) -> None:
    try:
        pages = parse_page_ranges(text, page_count)
    except UsageError:
        return
    assert pages
    assert pages == sorted(set(pages))
    assert pages[0] >= 1
    assert pages[-1] <= page_count


def test_random_bytes_never_crash(tmp_path: Path) -> None:
    path = tmp_path / "x"
    heads = [b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"RIFF\0\0\0\0WEBP"]
    heads.append(b"BM" + b"\0" * 12 + b"\x28\0\0\0")
    for seed in range(60):
        noise = hashlib.shake_128(bytes([seed])).digest(400)
        path.write_bytes(heads[seed % len(heads)] + noise)
        try:
            with open_document(path) as document:
                document.page_size(1)
        except DocprocError as error:
            assert "\n" not in str(error)
