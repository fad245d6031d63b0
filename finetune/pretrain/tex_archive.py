"""Pack a tree of tex_tree.py into one small file, and unpack it on another machine.

    python -m finetune.pretrain.tex_archive pack tex tex.tar.xz
    python -m finetune.pretrain.tex_archive unpack tex.tar.xz tex

Most of a tree is Type 1 outlines, which are encrypted and so do not compress. They travel decrypted, which halves the
archive, and are encrypted again on arrival, byte for byte as they were.

Source: Adobe Type 1 Font Format, chapter 7 (keys and constants).
"""

from __future__ import annotations

import argparse
import io
import re
import tarfile
from collections.abc import Callable
from multiprocessing import Pool
from pathlib import Path

_EEXEC_KEY, _CHARSTRING_KEY = 55665, 4330
_FACTOR, _OFFSET = 52845, 22719
_CHARSTRING = re.compile(rb"(?<=[ \d])(\d+) (?:RD|-\|) ")
_BINARY = 2
"""Sort of a PFB segment that is encrypted."""

_Cipher = Callable[[bytes, int], bytes]


def pack(tree: Path, archive: Path) -> None:
    """Write a tree as .tar.xz with its outlines decrypted."""
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in sorted(tree.rglob("*")):
            name = str(path.relative_to(tree))
            if path.suffix != ".pfb":
                tar.add(path, name, recursive=False)
                continue
            data = decrypt_font(path.read_bytes())
            member = tar.gettarinfo(path, name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def unpack(archive: Path, tree: Path) -> None:
    """Unpack what `pack` wrote, on all cores."""
    with tarfile.open(archive) as tar:
        tar.extractall(tree, filter="data")
    with Pool() as pool:
        pool.map(_encrypt_file, sorted(tree.rglob("*.pfb")))


def decrypt_font(data: bytes) -> bytes:
    """A PFB font with its encrypted part and the charstrings in it in the clear; as long as before."""

    def clear(part: bytes) -> bytes:
        return _with_charstrings(_decrypt(part, _EEXEC_KEY), _decrypt)

    return _with_binary_segments(data, clear)


def encrypt_font(data: bytes) -> bytes:
    """Undo `decrypt_font`."""

    def encrypt(part: bytes) -> bytes:
        return _encrypt(_with_charstrings(part, _encrypt), _EEXEC_KEY)

    return _with_binary_segments(data, encrypt)


def _encrypt_file(path: Path) -> None:
    path.write_bytes(encrypt_font(path.read_bytes()))


def _with_binary_segments(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Segments are 128, sort, length (4 bytes, little endian), content; sort 3 ends the file."""
    place, parts = 0, []
    while place + 6 <= len(data) and data[place] == 128 and data[place + 1] in (1, _BINARY):
        end = place + 6 + int.from_bytes(data[place + 2 : place + 6], "little")
        content = data[place + 6 : end]
        is_outlines = data[place + 1] == _BINARY
        parts += [data[place : place + 6], change(content) if is_outlines else content]
        place = end
    return b"".join(parts) + data[place:]


def _with_charstrings(text: bytes, change: _Cipher) -> bytes:
    place, parts = 0, []
    while match := _CHARSTRING.search(text, place):
        end = match.end() + int(match[1])
        parts += [text[place : match.end()], change(text[match.end() : end], _CHARSTRING_KEY)]
        place = end
    return b"".join(parts) + text[place:]


def _decrypt(cipher: bytes, key: int) -> bytes:
    plain = bytearray(len(cipher))
    for i, byte in enumerate(cipher):
        plain[i] = byte ^ key >> 8
        key = (byte + key) * _FACTOR + _OFFSET & 0xFFFF
    return bytes(plain)


def _encrypt(plain: bytes, key: int) -> bytes:
    cipher = bytearray(len(plain))
    for i, byte in enumerate(plain):
        cipher[i] = byte = byte ^ key >> 8
        key = (byte + key) * _FACTOR + _OFFSET & 0xFFFF
    return bytes(cipher)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("pack", "unpack"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    (pack if options.action == "pack" else unpack)(options.source, options.target)


if __name__ == "__main__":
    main()
