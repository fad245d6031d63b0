"""Hostile and odd files: PDFs whose objects hang together in ways no writer means, or are very many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.bad.files import TEXT, Odd, bytes_of, raw
from tests.bad.raw_pdf import one_page, pdf, stream

_DEPTH = 5_000
_OBJECTS, _OBJECTS_A_STREAM = 1_000_000, 10_000
_ANNOTATIONS, _SEGMENTS = 10_000, 100_000
FULL = 10
"""Ten times as many take half a minute each: for the slow test."""


def structures(times: int = 1) -> list[Odd]:
    """Page trees, object streams, a million objects; `times` as many annotations and segments of a path."""
    two = {2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 /Parent 6 0 R >>"}
    other = {6: b"<< /Type /Pages /Kids [2 0 R] /Count 1 /Parent 2 0 R >>"}
    page = {3: b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>"}  # asks its parents for all the rest
    return [
        Odd("tree-deep.pdf", raw(_deep_tree())),
        Odd("parents-in-a-circle.pdf", raw(one_page(TEXT) | two | other | page), "cycle in parent chain"),
        Odd("streams-in-each-other.pdf", bytes_of(_streams_in_each_other()), "damaged", is_read=True),
        Odd("million-objects.pdf", bytes_of(_million_objects())),
        Odd("many-annotations.pdf", bytes_of(_annotations(times * _ANNOTATIONS))),
        Odd("many-segments.pdf", bytes_of(_segments(times * _SEGMENTS))),
    ]


def _deep_tree() -> dict[int, bytes]:
    nodes = range(6, 6 + _DEPTH)
    node = b"<< /Type /Pages /Kids [%d 0 R] /Count 1 /Parent %d 0 R >>"
    tree = {number: node % (number + 1, number - 1) for number in nodes}
    last = nodes[-1]
    box = b"/MediaBox [0 0 300 200]"
    head = {2: b"<< /Type /Pages /Kids [6 0 R] /Count 1 %s /Resources << /Font << /F1 5 0 R >> >> >>" % box}
    ends = {6: node % (7, 2), last: node % (3, last - 1), 3: b"<< /Type /Page /Parent %d 0 R /Contents 4 0 R >>" % last}
    return one_page(TEXT) | tree | head | ends


def _streams_in_each_other() -> bytes:
    """Objects 6 and 7 are object streams; each is said to lie in the other."""
    inner = b"<< /Type /ObjStm /N 1 /First 4 /Extends %d 0 R /Length 6 >>"
    plain = one_page(TEXT, page=b"/Annots 6 0 R /Odd [7 0 R 8 0 R]")
    packed = {8: stream(b"9 0 " + inner % 8, b"/Type /ObjStm /N 1 /First 4 /Extends 8 0 R")}
    return _with_xref_stream(plain | packed, [(6, 7, 1), (7, 6, 1), (9, 8, 1)])


def _million_objects() -> bytes:
    """A hundred object streams of ten thousand numbers each; the page refers to the last."""
    plain, inside = one_page(TEXT), []
    first = 6 + _OBJECTS // _OBJECTS_A_STREAM
    zeros = b"0 " * _OBJECTS_A_STREAM
    places = range(0, 2 * _OBJECTS_A_STREAM, 2)
    for home in range(6, first):
        start = first + (home - 6) * _OBJECTS_A_STREAM
        head = " ".join([f"{start + place // 2} {place}" for place in places]).encode() + b" "
        entries = b"/Type /ObjStm /N %d /First %d" % (_OBJECTS_A_STREAM, len(head))
        plain[home] = stream(head + zeros, entries)
        inside.append((start, home, _OBJECTS_A_STREAM))
    plain[3] = plain[3].replace(b"/Contents", b"/Odd %d 0 R /Contents" % (first + _OBJECTS - 1))
    return _with_xref_stream(plain, inside)


def _with_xref_stream(objects: Mapping[int, bytes], inside: Sequence[tuple[int, int, int]]) -> bytes:
    """A file with a cross-reference stream.

    Args:
        objects: Bodies by number.
        inside: First number of others, the object stream that they lie in from its first place on, and how many.
    """
    own = max(*objects, *(first + count - 1 for first, _, count in inside)) + 1
    table = np.zeros(own + 1, np.dtype([("kind", "u1"), ("where", ">u4"), ("place", ">u2")]))
    parts, size = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"], 15
    for number, body in objects.items():
        table[number] = (1, size, 0)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        size += len(parts[-1])
    for first, home, count in inside:
        rows = table[first : first + count]
        rows["kind"], rows["where"], rows["place"] = 2, home, np.arange(count)
    table[own] = (1, size, 0)
    head = b"/Type /XRef /Size %d /W [1 4 2] /Root 1 0 R" % (own + 1)
    last = stream(table.tobytes(), head)
    return b"".join([*parts, b"%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (own, last, size)])


def _annotations(count: int) -> bytes:
    one = b"<< /Type /Annot /Subtype /Square /Rect [%d %d %d %d] /C [0 0 1] >>"
    places = [(i % 290, i // 290 % 100) for i in range(count)]
    listed = b" ".join(one % (x, y, x + 8, y + 8) for x, y in places)
    return pdf(one_page(TEXT, page=b"/Annots [" + listed + b"]"))


def _segments(count: int) -> bytes:
    """A path of short strokes in many rows, as a plot of measurements is drawn."""
    ways = b"l\n".join([b"%.3f %.2f " % (i % 5000 * 0.06, 10 + i // 5000 * 0.5 + i % 2) for i in range(count)])
    return pdf(one_page(TEXT + b" 0.1 w 0 0 m " + ways + b"l S"))
