"""PDF files byte by byte, so that they can be wrong in any way."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence


def pdf(objects: Mapping[int, bytes], *, trailer: bytes = b"/Root 1 0 R", damage: str = "") -> bytes:
    """A file of these objects with a classic cross-reference table.

    Args:
        objects: Bodies by number, from 1.
        trailer: Entries of the trailer beside its size.
        damage: `prev-loop` lets the table refer to itself as its predecessor, `no-xref` leaves it out.
    """
    parts, places, size = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"], {}, 0
    size = len(parts[0])
    for number, body in objects.items():
        places[number] = size
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        size += len(parts[-1])
    if damage == "no-xref":
        return b"".join([*parts, b"trailer\n<< %s >>\n%%%%EOF\n" % trailer])
    last = max(objects)
    rows = [b"0000000000 65535 f \n"]
    rows += [b"%010d 00000 n \n" % places[n] if n in places else b"0000000000 00000 f \n" for n in range(1, last + 1)]
    if damage == "prev-loop":
        trailer += b" /Prev %d" % size
    table = b"xref\n0 %d\n%s" % (last + 1, b"".join(rows))
    return b"".join(
        [*parts, table, b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (last + 1, trailer, size)]
    )


def stream(data: bytes, entries: bytes = b"", *, is_packed: bool = False) -> bytes:
    """A stream object's body."""
    if is_packed:
        data, entries = zlib.compress(data, 9), entries + b" /Filter /FlateDecode"
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def one_page(
    content: bytes = b"",
    *,
    box: bytes = b"[0 0 300 200]",
    page: bytes = b"",
    resources: bytes = b"<< /Font << /F1 5 0 R >> >>",
    more: Mapping[int, bytes] | None = None,
    catalog: bytes = b"",
) -> dict[int, bytes]:
    """Objects of a document with one page; numbers from 6 are free for `more`."""
    return {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox %s /Resources %s /Contents 4 0 R %s >>" % (box, resources, page),
        4: stream(content),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
        **(more or {}),
    }


def picture_page(
    data: bytes, width: int, height: int, entries: bytes, more: Mapping[int, bytes] | None = None
) -> bytes:
    """A page that one picture covers, as a scanner makes it; 150 pixels an inch."""
    wide, high = width * 72 / 150, height * 72 / 150
    image = stream(data, b"/Type /XObject /Subtype /Image /Width %d /Height %d %s" % (width, height, entries))
    return pdf(
        one_page(
            b"q %.2f 0 0 %.2f 0 0 cm /Im0 Do Q" % (wide, high),
            box=b"[0 0 %.2f %.2f]" % (wide, high),
            resources=b"<< /XObject << /Im0 6 0 R >> >>",
            more={6: image, **(more or {})},
        )
    )


def jbig2(g4: bytes, width: int, height: int) -> bytes:
    """An embedded JBIG2 stream: one page with one generic region, coded by the fax coding of group 4 (T.88, 7.4.6)."""
    page = width.to_bytes(4) + height.to_bytes(4) + bytes(8) + b"\x00" + b"\x00\x00"
    region = width.to_bytes(4) + height.to_bytes(4) + bytes(8) + b"\x00" + b"\x01" + g4
    return b"".join(
        number.to_bytes(4) + kind + b"\x00" + b"\x01" + len(data).to_bytes(4) + data
        for number, (kind, data) in enumerate([(b"\x30", page), (b"\x26", region)])
    )


def kids(numbers: Sequence[int]) -> bytes:
    """A list of references."""
    return b"[" + b" ".join(b"%d 0 R" % number for number in numbers) + b"]"
