"""Input files: folders to files, a file to an open `Document`; every refusal says what, where and the next step.

The type of a file is read from its content, never from its name. Nothing is decoded here: see pages.py. PyMuPDF and
Pillow are imported when a file is opened: a run opens files in its page processes only.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from docproc.errors import InputError, UsageError
from docproc.file_types import SUFFIXES, SUPPORTED, guess, sniff
from docproc.page_ranges import split_page_ranges
from docproc.records import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Readers look for the header in the first 1,024 bytes (PDF 1.7, implementation note 13).
_HEAD_BYTES = 1024
_HASH_CHUNK_BYTES = 1 << 20
_END_MARK = "%%EOF"


class Document:
    """An open input file; use it in a `with` statement, or call `close()`.

    Attributes:
        path: As the user gave it.
        media_type: One of the keys of `MEDIA_TYPES`, found from the content.
        page_count: At least 1; frames of a TIFF.
        title: Of the PDF's metadata; empty if it has none.
        damage: What a reader should know if the file was broken and only in part recovered; None if it is whole.
        pdf: The PyMuPDF document, None for pictures.
        picture: The Pillow image, None for PDFs.
    """

    def __init__(self, path: Path, media_type: str, pdf: Any = None, picture: Any = None, damage: str | None = None):
        self.path = path
        self.media_type = media_type
        self.pdf = pdf
        self.picture = picture
        self.damage = damage
        self.page_count: int = pdf.page_count if pdf is not None else picture_frames(picture, media_type)
        self.title = " ".join(((pdf.metadata or {}).get("title") or "").split()) if pdf is not None else ""
        self._sha256: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The path on one line, in valid Unicode: what messages and the database show."""
        return path_text(self.path)

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes, hexadecimal; read in pieces at the first use and then kept."""
        if self._sha256 is None:
            self._sha256 = file_sha256(self.path)
        return self._sha256

    def page_size(self, number: int) -> tuple[float, float]:
        """Width and height of page `number` (from 1) as displayed, in points; pixels for pictures.

        Raises:
            InputError: The page cannot be read.
        """
        if self.pdf is None:
            from docproc.pictures import picture_size

            return picture_size(self.picture, number - 1, self.name)
        try:
            rect = self.pdf[number - 1].rect
        except Exception as error:  # PyMuPDF raises half a dozen unrelated classes
            raise InputError(f"Page {number} of {self.name} cannot be read: {first_line(error)}.") from error
        return float(rect.width), float(rect.height)

    def close(self) -> None:
        """Let go of the file."""
        for handle in (self.pdf, self.picture):
            if handle is not None:
                handle.close()
        self.pdf = self.picture = None


def open_document(path: Path, password: str | None = None) -> Document:
    """Open one file.

    Args:
        path: A regular file, or a link to one.
        password: For an encrypted PDF; ignored by all others.

    Returns:
        The document; the caller closes it.

    Raises:
        InputError: The file is missing, unreadable, empty, of another type, encrypted, broken, or has no page.
    """
    media_type = _media_type(path)
    if media_type == "application/pdf":
        return _open_pdf(path, password)
    from docproc.pictures import open_picture

    return Document(path, media_type, picture=open_picture(path, media_type, path_text(path)))


def forget_fonts() -> None:
    """Empty MuPDF's store: it keeps fonts and pictures of documents that are closed, 2 MiB each, up to 256 MiB."""
    if "pymupdf" in sys.modules:
        sys.modules["pymupdf"].TOOLS.store_shrink(100)


def file_sha256(path: Path) -> str:
    """Hash of a regular file's bytes, hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def expand_inputs(paths: Sequence[Path]) -> tuple[list[Path], list[Failure]]:
    """Turn arguments into files: folders are walked in sorted order, each file is taken once.

    A file named as an argument is always taken, so that opening it can say what is wrong with it. Of a folder, every
    file is taken that has the suffix or the content of a supported type; hidden files and folders are passed over,
    links to folders are not followed (they may loop or lead out of the folder).

    Returns:
        The files, and what could not be looked at, with its reason.
    """
    files: list[Path] = []
    failures: list[Failure] = []
    seen: set[str] = set()
    for path in paths:
        found = 0
        for item in _walk(path, failures):
            found += 1
            real = os.path.realpath(item)
            if real not in seen:
                seen.add(real)
                files.append(item)
        if not found and path.is_dir() and not any(_lies_in(failure, path) for failure in failures):
            failures.append(_failure(path, f"holds no document. {SUPPORTED}."))
    return files, failures


def parse_page_ranges(text: str, page_count: int) -> list[int]:
    """Read a page selection such as `1-4,7,10-`.

    Args:
        text: Numbers and ranges from 1, parted by commas; a range without an end goes to the last page, one without
            a beginning starts at the first.
        page_count: Pages of the document; a range may end beyond them.

    Returns:
        The pages in ascending order, each once.

    Raises:
        UsageError: The text is no selection, or names a page that the document does not have.
    """
    pages: set[int] = set()
    for first, last in split_page_ranges(text):
        if first > page_count:
            raise UsageError(f"--pages {text!r}: there is no page {first}, the document has {_count(page_count)}.")
        pages.update(range(first, min(page_count if last is None else last, page_count) + 1))
    return sorted(pages)


def path_text(path: Path) -> str:
    """The path on one line and in valid Unicode; other bytes and control characters are shown by their codes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def first_line(error: BaseException) -> str:
    """What an error of a library says, on one line without its final stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def picture_frames(picture: Any, media_type: str) -> int:
    """Pages of a picture: the frames of a TIFF; an animation counts as its first picture."""
    return int(getattr(picture, "n_frames", 1)) if media_type == "image/tiff" else 1


def _media_type(path: Path) -> str:
    name = path_text(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{name} is a folder, not a file.")
        if not stat.S_ISREG(mode):  # opening a FIFO would wait for ever
            raise InputError(f"{name} is no regular file. Copy its content to a file first.")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist. Check the path.") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {_os_reason(error)}. {_next_step(error)}") from error
    if not head:
        raise InputError(f"{name} is empty (0 bytes). Fetch or scan it again.")
    media_type = sniff(head)
    if media_type is None:
        raise InputError(f"{name} is {guess(head, path.suffix)}. {SUPPORTED}: convert it to PDF first.")
    return media_type


def _open_pdf(path: Path, password: str | None) -> Document:
    import pymupdf

    name = path_text(path)
    # MuPDF would write its warnings to the terminal, between our progress bar and our messages.
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    try:
        try:
            os.fspath(path).encode()
            pdf = pymupdf.open(path, filetype="pdf")
        except UnicodeEncodeError:  # MuPDF takes names in UTF-8 only
            pdf = pymupdf.open(stream=path.read_bytes(), filetype="pdf")
        if pdf.needs_pass and not pdf.authenticate(password or ""):
            pdf.close()
            said = "is encrypted" if password is None else "is encrypted, and the password is wrong"
            raise InputError(
                f"{name} {said}. Give its password with --password, or remove it: qpdf --decrypt in.pdf out.pdf"
            )
        page_count, is_repaired = pdf.page_count, bool(pdf.is_repaired)
    except InputError:
        raise
    except Exception as error:  # PyMuPDF raises half a dozen unrelated classes
        raise InputError(_broken_pdf(path, first_line(error))) from error
    if page_count < 1:
        pdf.close()
        raise InputError(_broken_pdf(path, "no page is left") if is_repaired else f"{name} has no page.")
    damage = None
    if is_repaired:
        damage = f"{name} is damaged; {_count(page_count)} could be recovered. Fetch or scan it again."
    return Document(path, "application/pdf", pdf=pdf, damage=damage)


def _broken_pdf(path: Path, detail: str) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _HEAD_BYTES))
        is_cut = _END_MARK.encode() not in file.read()
    what = "is truncated (the end of the PDF is missing)" if is_cut else "is a broken PDF"
    return f"{path_text(path)} {what}: {detail}. Fetch or scan it again, or try: qpdf in.pdf out.pdf"


def _walk(path: Path, failures: list[Failure]) -> Iterator[Path]:
    """Files of an argument, in sorted order; what cannot be looked at goes to `failures`."""
    if not path.is_dir():
        try:
            path.stat()
            yield path
        except FileNotFoundError:
            failures.append(_failure(path, "does not exist. Check the path."))
        except (OSError, ValueError) as error:
            failures.append(_failure(path, f"cannot be read: {_os_reason(error)}. {_next_step(error)}"))
        return
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        try:
            items = sorted(folder.iterdir(), key=os.fsencode)
        except OSError as error:
            failures.append(_failure(folder, f"cannot be read: {_os_reason(error)}. {_next_step(error)}"))
            continue
        folders = []
        for item in items:
            if item.name.startswith("."):
                continue
            if item.is_dir() and not item.is_symlink():
                folders.append(item)
            elif _belongs(item, failures):
                yield item
        waiting += reversed(folders)


def _belongs(item: Path, failures: list[Failure]) -> bool:
    """Whether a file met in a folder is one to open."""
    try:
        mode = item.stat().st_mode
        if stat.S_ISDIR(mode):
            failures.append(_failure(item, "is a link to a folder, which is not followed. Name the folder itself."))
            return False
        if not stat.S_ISREG(mode):
            failures.append(_failure(item, "is no regular file (a pipe, socket or device); it was left out."))
            return False
        if item.suffix.lower() in SUFFIXES:
            return True
        with item.open("rb") as file:
            return sniff(file.read(_HEAD_BYTES)) is not None
    except OSError as error:
        failures.append(_failure(item, f"cannot be read: {_os_reason(error)}. Check the file or remove the link."))
        return False


def _failure(path: Path, reason: str) -> Failure:
    return Failure(stage="open", document=path_text(path), reason=f"{path_text(path)} {reason}")


def _lies_in(failure: Failure, folder: Path) -> bool:
    return failure.document.startswith(path_text(folder))


def _os_reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower().rstrip(".")


def _next_step(error: Exception) -> str:
    return "Check its permissions." if isinstance(error, PermissionError) else "Check the path and the disk."


def _count(pages: int) -> str:
    return f"{pages:,} page" + ("" if pages == 1 else "s")
