"""Hostile and odd files, made by this script so that nothing foreign is kept: PDFs.

`python -m tests.bad FOLDER` writes them all. Each says what must become of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pymupdf

from tests.bad.raw_pdf import kids, one_page, pdf, stream
from tests.conftest import SAMPLES


@dataclass(frozen=True, slots=True)
class Odd:
    """A file, and what a run must make of it."""

    name: str
    write: Callable[[Path], object]
    line: str | None = None
    """What stands in its one line on stderr; None if it is read without a complaint."""
    is_read: bool = False
    """Whether pages of it are stored although there is a line; always if there is none."""
    reads_like: str | None = None
    """The file whose formulas it must show too."""


TEXT = b"BT /F1 14 Tf 40 150 Td (A line of plain text) Tj ET"
LINES = b"".join(b"0 %.3f m 300 %.3f l S " % (i / 50, i / 40) for i in range(10_000))
LETTERS = b"BT /F1 3 Tf 1 0 0 1 5 5 Tm " + b"(x = y) Tj 0 0.02 Td " * 8_000 + b"ET"
_FORM = b"/Type /XObject /Subtype /Form /BBox [0 0 300 200]"
PAGES_OF_A_HUGE_FILE = 100_000
SLOW, HUGE = "form-ladder.pdf", "many-pages.pdf"
"""Files that take all the time they are given."""


def bytes_of(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def raw(objects: dict[int, bytes], damage: str = "") -> Callable[[Path], object]:
    return bytes_of(pdf(objects, damage=damage))


def sample_page() -> bytes:
    with pymupdf.open(SAMPLES / "calculus-notes.pdf") as sample, pymupdf.open() as out:
        out.insert_pdf(sample, from_page=0, to_page=0)
        return bytes(out.tobytes(garbage=3, deflate=True))


def pdfs() -> list[Odd]:
    """Broken PDFs, hostile ones, and odd ones that are right."""
    return [*_broken(), *_loops_and_bombs(), *_odd_sizes(), *_odd_contents()]


def _broken() -> list[Odd]:
    whole = sample_page()
    cut = [Odd(f"cut-{tenth}0.pdf", bytes_of(whole[: len(whole) * tenth // 10]), "damaged") for tenth in range(1, 10)]
    return [
        Odd("empty.pdf", bytes_of(b""), "empty (0 bytes)"),
        Odd("header-only.pdf", bytes_of(b"%PDF-1.7\n"), "truncated"),
        Odd("text.pdf", bytes_of(b"This is no PDF at all.\n" * 20), "plain text"),
        Odd("zeros.pdf", bytes_of(bytes(5000)), "of an unknown type"),
        Odd("postscript.pdf", bytes_of(b"%!PS-Adobe-3.0\nshowpage\n"), "PostScript"),
        Odd("encrypted.pdf", _encrypted, "--password"),
        Odd(
            "no-pages.pdf",
            raw({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [] /Count 0 >>"}),
            "no page",
        ),
        Odd("no-root.pdf", raw({1: b"<< /Nothing true >>"}), "no page"),
        Odd("no-xref.pdf", raw(one_page(TEXT), damage="no-xref"), "damaged", is_read=True),
        Odd(
            "count-lies.pdf",
            raw(one_page(TEXT) | {2: b"<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>"}),
            "Invalid number of pages",
        ),
        Odd(
            "count-negative.pdf",
            raw(one_page(TEXT) | {2: b"<< /Type /Pages /Kids [3 0 R] /Count -5 >>"}),
            "Invalid number of pages",
        ),
        *cut,
    ]


def _loops_and_bombs() -> list[Odd]:
    zeros = bytes(60_000_000)
    forms = {
        6: stream(b"/Fm1 Do", _FORM + b" /Resources << /XObject << /Fm1 7 0 R >> >>"),
        7: stream(b"/Fm0 Do", _FORM + b" /Resources << /XObject << /Fm0 6 0 R >> >>"),
    }
    ladder = {
        6 + rung: stream(
            b"/Next Do " * 12,
            _FORM + b" /Resources << /XObject << /Next %d 0 R >> >>" % (7 + rung),
        )
        for rung in range(9)
    } | {15: stream(TEXT, _FORM + b" /Resources << /Font << /F1 5 0 R >> >>")}
    return [
        Odd("xref-loop.pdf", raw(one_page(TEXT), damage="prev-loop")),
        Odd(
            "tree-loop.pdf",
            raw(one_page(TEXT) | {2: b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 2 >>"}),
            "cycle in page tree",
        ),
        Odd(
            "parent-loop.pdf",
            raw(one_page(TEXT) | {2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 /Parent 2 0 R >>"}),
            "cycle in parent chain",
        ),
        Odd(
            "form-loop.pdf",
            raw(
                one_page(
                    TEXT + b" /Fm0 Do", resources=b"<< /Font << /F1 5 0 R >> /XObject << /Fm0 6 0 R >> >>", more=forms
                )
            ),
        ),
        Odd(SLOW, raw(one_page(b"/Fm0 Do", resources=b"<< /XObject << /Fm0 6 0 R >> >>", more=ladder)), "longer than"),
        Odd("length-loop.pdf", raw(one_page() | {4: b"<< /Length 4 0 R >>\nstream\nq Q\nendstream"})),
        Odd("bomb-content.pdf", raw(one_page() | {4: stream(b"q Q " * 3_000_000, is_packed=True)})),
        Odd("bomb-twice.pdf", bytes_of(_packed_twice(zeros))),
        Odd("bomb-picture.pdf", bytes_of(_picture_bomb(zeros)), "more than the 180,000,000"),
        Odd("deep-array.pdf", raw(one_page(TEXT, page=b"/Odd " + b"[" * 100_000 + b"]" * 100_000)), "deep-array"),
        Odd(
            "deep-dictionary.pdf",
            raw(one_page(TEXT, page=b"/Odd " + b"<< /A " * 20_000 + b"1" + b" >>" * 20_000)),
            "deep-dictionary",
        ),
        Odd("nested-saves.pdf", raw(one_page(b"q " * 500_000 + TEXT)), "too many nested"),
        Odd(HUGE, bytes_of(_many_pages())),
    ]


def _odd_sizes() -> list[Odd]:
    def sized(box: bytes, **extra: bytes) -> Callable[[Path], object]:
        return raw(one_page(TEXT, box=box, **extra))

    return [
        Odd("size-14400.pdf", sized(b"[0 0 14400 14400]")),
        Odd("size-huge.pdf", sized(b"[0 0 2e9 2e9]")),
        Odd("size-zero.pdf", sized(b"[0 0 0 0]")),
        Odd("size-line.pdf", sized(b"[0 0 600 0.01]")),
        Odd("size-swapped.pdf", sized(b"[300 200 0 0]")),
        Odd("size-negative.pdf", sized(b"[-300 -200 0 0]")),
        Odd("size-words.pdf", sized(b"[(a) /b null true]")),
        Odd("size-nan.pdf", sized(b"[0 0 1e999 -1e999]")),
        Odd("unit-huge.pdf", sized(b"[0 0 300 200]", page=b"/UserUnit 1000000")),
        Odd("crop-outside.pdf", sized(b"[0 0 300 200]", page=b"/CropBox [900 900 1000 1000]")),
        Odd("rotate-odd.pdf", sized(b"[0 0 300 200]", page=b"/Rotate 37")),
    ]


def _odd_contents() -> list[Odd]:
    script = b"/OpenAction << /S /JavaScript /JS (while(true){}) >> /AA << /WC << /S /Launch /F (/bin/true) >> >>"
    attached = b"/Names << /EmbeddedFiles << /Names [(a.bin) 6 0 R] >> >> /Collection << /View /T >>"
    files = {6: b"<< /Type /Filespec /F (a.bin) /EF << /F 7 0 R >> >>", 7: stream(b"\x7fELF not ours")}
    note = {6: b"<< /Type /Annot /Subtype /FreeText /Rect [40 40 200 80] /Contents (x = 1) /DA (/Helv 10 Tf) >>"}
    note_page = b"/Annots [6 0 R 6 0 R 99 0 R null (x)]"
    remote = b"/OpenAction << /S /URI /URI (http://127.0.0.1:9/) >>"
    garbage = (
        b"BT /F9 1e30 Tf 1e38 0 0 -1e38 0 0 Tm (abc) Tj ET 1 0 0 1 1e38 1e38 cm " + TEXT + b" ]]>> ) Do 5 5 5 l re"
    )
    external = stream(b"", b"/F (/etc/passwd) /FFilter /ASCIIHexDecode")
    return [
        Odd("whole.pdf", bytes_of(sample_page())),
        Odd("sideways.pdf", _sideways, "does not stand upright", is_read=True),
        Odd("cropped.pdf", _cropped),
        Odd("annotations.pdf", raw(one_page(TEXT, page=note_page, more=note))),
        Odd("javascript.pdf", raw(one_page(TEXT, catalog=script))),
        Odd("calls-home.pdf", raw(one_page(TEXT, catalog=remote))),
        Odd("portfolio.pdf", raw(one_page(TEXT, catalog=attached, more=files))),
        Odd("outer-file.pdf", raw(one_page() | {4: external})),
        Odd("garbage-content.pdf", raw(one_page(garbage))),
        Odd("no-content.pdf", raw({n: b for n, b in one_page().items() if n != 4})),
        Odd("font-missing.pdf", raw(one_page(TEXT.replace(b"/F1", b"/F7")))),
        Odd("font-broken.pdf", bytes_of(_broken_font())),
        Odd("font-without-unicode.pdf", bytes_of(_font_without_unicode())),
        Odd("invisible-text.pdf", raw(one_page(b"3 Tr " + TEXT))),
        Odd("fifty-thousand-letters.pdf", raw(one_page(LETTERS))),
        Odd("ten-thousand-lines.pdf", raw(one_page(LINES))),
        Odd("unicode-tricks.pdf", _unicode_tricks),
    ]


def _encrypted(path: Path) -> None:
    with pymupdf.open(stream=sample_page(), filetype="pdf") as sample:
        sample.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="secret", owner_pw="owner")


def _sideways(path: Path) -> None:
    with pymupdf.open(stream=sample_page(), filetype="pdf") as sample:
        sample[0].set_rotation(270)
        sample.save(path)


def _cropped(path: Path) -> None:
    with pymupdf.open(stream=sample_page(), filetype="pdf") as sample:
        sample[0].set_cropbox(pymupdf.Rect(50, 60, 500, 400))
        sample.save(path)


def _packed_twice(zeros: bytes) -> bytes:
    import zlib

    twice = zlib.compress(zlib.compress(zeros, 9), 9)
    return pdf(one_page() | {4: stream(twice, b"/Filter [/FlateDecode /FlateDecode]")})


def _picture_bomb(zeros: bytes) -> bytes:
    entries = b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    picture = {6: stream(zeros, entries, is_packed=True)}
    return pdf(one_page(b"300 0 0 200 0 0 cm /Im0 Do", resources=b"<< /XObject << /Im0 6 0 R >> >>", more=picture))


def _many_pages() -> bytes:
    numbers = range(6, 6 + PAGES_OF_A_HUGE_FILE)
    pages = dict.fromkeys(numbers, b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>")
    tree = b"<< /Type /Pages /Kids %s /Count %d /MediaBox [0 0 300 200] /Resources << /Font << /F1 5 0 R >> >> >>"
    return pdf(one_page(TEXT) | {2: tree % (kids(numbers), len(numbers))} | pages)


def _broken_font() -> bytes:
    descriptor = b"<< /Type /FontDescriptor /FontName /Bad /Flags 4 /FontBBox [0 0 1e9 1e9] /FontFile2 8 0 R >>"
    font = b"<< /Type /Font /Subtype /TrueType /BaseFont /Bad /FirstChar 0 /LastChar 9999999 /Widths []"
    font += b" /FontDescriptor 7 0 R >>"
    return pdf(one_page(TEXT) | {5: font, 7: descriptor, 8: stream(b"\x00\x01\x00\x00\xff\xff" + b"glyf" * 400)})


def _font_without_unicode() -> bytes:
    font = b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 10 10] /FontMatrix [0.1 0 0 0.1 0 0]"
    font += b" /FirstChar 65 /LastChar 66 /Widths [8 8] /CharProcs << /a001 6 0 R /a002 7 0 R >>"
    font += b" /Encoding << /Type /Encoding /Differences [65 /a001 /a002] >> >>"
    glyphs = {6: stream(b"8 0 d0 0 0 6 6 re f"), 7: stream(b"8 0 d0 0 0 m 6 0 l 3 6 l f")}
    return pdf(one_page(b"BT /F1 12 Tf 40 150 Td (ABBAABBAABBA) Tj ET", more=glyphs) | {5: font})


def _unicode_tricks(path: Path) -> None:
    """Letters that no one may take for markup: direction marks, half of a pair, controls, HTML, LaTeX."""
    with pymupdf.open() as out:
        page = out.new_page(width=400, height=200)
        page.insert_text((20, 40), "<script>alert(1)</script> $\\input{/etc/passwd}$ \u202e\u200b")
        page.insert_text((20, 80), "x = \\write18{rm} ^^5c ]]> {{7*7}} %n%n ' OR 1=1 --")
        out.save(path)
