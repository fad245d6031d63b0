"""Hostile and odd files: fonts, patterns, masks, color spaces and inline pictures that loop, lie or never end."""

from __future__ import annotations

import struct
import zlib

import pymupdf

from tests.bad.files import TEXT, Odd, bytes_of, raw
from tests.bad.raw_pdf import one_page, pdf, stream

_FONT_BYTES = 30_000_000
_PROFILE_BYTES = 50_000_000
_GROUP = b"/Type /XObject /Subtype /Form /BBox [0 0 300 200] /Group << /S /Transparency /CS /DeviceGray >>"
_PATTERN = b"/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 20 20]"


def resources() -> list[Odd]:
    """PDFs of one page with a line of text and what is wrong in its resources."""
    return [*_loops(), *_inline_pictures(), *_fonts(), *_profiles()]


def _page(content: bytes, entries: bytes, more: dict[int, bytes]) -> dict[int, bytes]:
    return one_page(content, resources=b"<< /Font << /F1 5 0 R >> %s >>" % entries, more=more)


def _loops() -> list[Odd]:
    glyph = stream(b"10 0 d0 BT /F1 9 Tf (A) Tj ET 0 0 6 6 re f", b"")
    type3 = b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 10 10] /FontMatrix [0.1 0 0 0.1 0 0] /FirstChar 65"
    type3 += b" /LastChar 65 /Widths [8] /CharProcs << /a 6 0 R >> /Encoding << /Differences [65 /a] >>"
    type3 += b" /Resources << /Font << /F1 5 0 R >> >> >>"
    mask = {
        6: b"<< /Type /ExtGState /SMask << /S /Luminosity /G 7 0 R >> >>",
        7: stream(b"/G0 gs 1 g 0 0 300 200 re f", _GROUP + b" /Resources << /ExtGState << /G0 6 0 R >> >>"),
    }
    pattern_in_itself = b"/Pattern cs /P0 scn 0 0 20 20 re f"
    pattern = stream(pattern_in_itself, _PATTERN + b" /XStep 20 /YStep 20 /Resources << /Pattern << /P0 6 0 R >> >>")
    dense = stream(b"0 g 0 0 1 1 re f", _PATTERN + b" /XStep 0.001 /YStep 0.001 /Resources << >>")
    stitched = b"<< /FunctionType 3 /Domain [0 1] /Functions [6 0 R 6 0 R] /Bounds [0.5] /Encode [0 1 0 1] >>"
    shading = b"<< /ShadingType 2 /ColorSpace /DeviceGray /Coords [0 0 300 0] /Function 6 0 R >>"
    space = b"[/Separation /Odd 6 0 R << /FunctionType 2 /Domain [0 1] /N 1 >>]"
    fill = TEXT + b" /Pattern cs /P0 scn 0 0 300 100 re f"
    patterned = b"/Pattern << /P0 6 0 R >>"
    return [
        Odd("glyph-in-itself.pdf", raw(one_page(b"BT /F1 20 Tf 40 50 Td (AAAA) Tj ET", more={6: glyph}) | {5: type3})),
        Odd("mask-in-itself.pdf", raw(_page(TEXT + b" /G0 gs 0 0 99 99 re f", b"/ExtGState << /G0 6 0 R >>", mask))),
        Odd("pattern-in-itself.pdf", raw(_page(fill, patterned, {6: pattern})), "stack overflow"),
        Odd("pattern-dense.pdf", raw(_page(fill, patterned, {6: dense}))),
        Odd(
            "function-in-itself.pdf",
            raw(_page(TEXT + b" /S0 sh", b"/Shading << /S0 7 0 R >>", {6: stitched, 7: shading})),
        ),
        Odd(
            "colors-in-itself.pdf",
            raw(_page(TEXT + b" /C0 cs 1 scn 0 0 99 99 re f", b"/ColorSpace << /C0 6 0 R >>", {6: space})),
        ),
    ]


def _inline_pictures() -> list[Odd]:
    begin = b" q 100 0 0 50 20 20 cm BI /W %d /H %d /BPC 8 /CS /G "
    bomb = zlib.compress(bytes(60_000_000), 9)
    return [
        Odd(
            "inline-endless.pdf",
            raw(one_page(TEXT + begin % (100, 100) + b"ID " + b"x" * 5_000)),
            "is damaged",
            is_read=True,
        ),
        Odd("inline-huge.pdf", raw(one_page(TEXT + begin % (60_000, 60_000) + b"/F /Fl ID " + bomb + b" EI Q"))),
    ]


def _fonts() -> list[Odd]:
    whole = pymupdf.Font("cjk").buffer
    return [
        Odd("font-30-mb.pdf", bytes_of(with_font(whole.ljust(_FONT_BYTES, b"\0")))),
        *(Odd(f"font-wrong-{name}.pdf", bytes_of(with_font(data))) for name, data in _wrong_tables(whole)),
    ]


def _wrong_tables(whole: bytes) -> list[tuple[str, bytes]]:
    """The font with its tables cut off, set past its end, exchanged, or filled with ones."""
    count = struct.unpack(">H", whole[4:6])[0]
    records = [bytearray(whole[12 + 16 * i : 28 + 16 * i]) for i in range(count)]

    def with_records(changed: list[bytearray]) -> bytes:
        return whole[:12] + b"".join(changed) + whole[12 + 16 * count :]

    past = [bytearray(r[:8] + struct.pack(">II", 0xFFFFFF00, 0xFFFFFFFF)) for r in records]
    swapped = [bytearray(r[:4] + records[-1 - i][4:]) for i, r in enumerate(records)]
    ones = bytearray(whole)
    for record in records:
        if bytes(record[:4]) in (b"loca", b"hmtx", b"cmap", b"maxp", b"head", b"CFF "):
            start, length = struct.unpack(">II", record[8:16])
            ones[start + 8 : start + min(length, 4_000)] = b"\xff" * max(0, min(length, 4_000) - 8)
    return [
        ("cut", whole[: len(whole) // 3]),
        ("past", with_records(past)),
        ("swapped", with_records(swapped)),
        ("ones", bytes(ones)),
    ]


def with_font(data: bytes, letters: int = 60) -> bytes:
    """A page that shows so many letters of an embedded font by their numbers."""
    font = b"<< /Type /Font /Subtype /Type0 /BaseFont /Odd /Encoding /Identity-H /DescendantFonts [6 0 R] >>"
    below = b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Odd /FontDescriptor 7 0 R /CIDToGIDMap /Identity"
    below += b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>"
    descriptor = b"<< /Type /FontDescriptor /FontName /Odd /Flags 4 /FontFile2 8 0 R >>"
    codes = b"".join(b"%04x" % (34 + i) for i in range(letters))
    content = TEXT + b" BT /F2 9 Tf 10 100 Td <" + codes + b"> Tj ET"
    file = stream(zlib.compress(data, 1), b"/Filter /FlateDecode /Length1 %d" % len(data))
    more = {6: below, 7: descriptor, 8: file, 9: font}
    return pdf(_page(content, b"", more) | {3: _two_fonts()})


def _two_fonts() -> bytes:
    fonts = b"<< /Font << /F1 5 0 R /F2 9 0 R >> >>"
    return b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources %s >>" % fonts


def _profiles() -> list[Odd]:
    def with_profile(data: bytes, channels: int) -> bytes:
        content = TEXT + b" /C0 cs 0.2 0.3 0.4 0.5 scn 20 20 99 50 re f"
        profile = stream(data, b"/N %d" % channels, is_packed=True)
        return pdf(_page(content, b"/ColorSpace << /C0 [/ICCBased 6 0 R] >>", {6: profile}))

    return [
        Odd("icc-garbage.pdf", bytes_of(with_profile(b"\xffacsp" * 100, 3))),
        Odd("icc-huge.pdf", bytes_of(with_profile(bytes(_PROFILE_BYTES), 3))),
        Odd("icc-channels.pdf", bytes_of(with_profile(bytes(500), 7))),
    ]
