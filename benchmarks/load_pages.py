"""Documents made for a long run: no page like another, and no TeX where they are made.

TeX typesets some hundred blocks (prose with two formulas, and a display) once; that stock is a PDF of 1 MB. A page is
two blocks drawn by chance, and every digit on it is drawn anew. Digits of Computer Modern are equally wide, so that
the page is what TeX would have set. A tenth of the pages lies on its side and is turned for display, a tenth is
rendered, tilted and stained as a scan.
"""

from __future__ import annotations

import multiprocessing
import random
import re
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pymupdf

_PAGES_A_DOCUMENT = 50
_SCAN_DPI = 150
_BLOCKS = 400
_WIDTH, _BLOCK_HEIGHT = 360, 110
_WORDS = ("the", "of", "every", "which", "so", "that", "since", "where", "follows", "bound", "point", "space", "map")
_HEAD = (
    "\\documentclass[10pt]{article}\\usepackage{amsmath,amssymb}"
    f"\\usepackage[paperwidth={_WIDTH}bp,paperheight={_BLOCK_HEIGHT}bp,margin=12bp,left=30bp,right=30bp]{{geometry}}"
    "\\pagestyle{empty}\\parindent0pt\\begin{document}\n"
)
_FONT = re.compile(rb"/(F\d+) [\d.]+ Tf")
_STRING = re.compile(rb"\((?:\\.|[^\\()])*\)", re.DOTALL)
_NUMBER = re.compile(rb"\\(?:\d{3}|.)|\d+", re.DOTALL)


def typeset_stock(seed: int, blocks: int = _BLOCKS) -> bytes:
    """Let pdflatex set the blocks, one a page."""
    chance = random.Random(f"stock-{seed}")
    body = "\n\\newpage\n".join(_block(chance) for _ in range(blocks))
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.tex").write_text(f"{_HEAD}{body}\n\\end{{document}}\n", encoding="ascii")
        command = ["pdflatex", "-no-shell-escape", "-interaction=batchmode", "a.tex"]
        subprocess.run(command, cwd=name, check=True, stdout=subprocess.DEVNULL, timeout=120)
        with pymupdf.open(Path(name) / "a.pdf") as typeset:
            assert typeset.page_count == blocks, "a block does not fit its page"
            return bytes(typeset.tobytes(garbage=3, deflate=True))


def make_documents(folder: Path, pages: int, seed: int, stock: bytes, processes: int = 1) -> None:
    """Write documents of 50 pages to a new folder; the same pages for the same seed and stock."""
    folder.mkdir()
    starts = range(0, pages, _PAGES_A_DOCUMENT)
    tasks = [(folder / f"{start:06d}.pdf", min(_PAGES_A_DOCUMENT, pages - start), seed, stock) for start in starts]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(tasks)), mp_context=context) as pool:
        for _ in pool.map(_make_document, tasks):
            pass


def _make_document(task: tuple[Path, int, int, bytes]) -> None:
    path, count, seed, stock = task
    chance = random.Random(f"{seed}-{path.stem}")
    with pymupdf.open(stream=stock, filetype="pdf") as document:
        blocks = document.page_count
        upright = {name: font for index in range(blocks) for name, font in _fonts(document, index).items()}
        fonts = " ".join(f"/{name} {xref} 0 R" for name, (xref, _) in upright.items())
        resources = document.get_new_xref()
        document.update_object(resources, f"<< /Font << {fonts} >> >>")
        roman = {name.encode() for name, (_, font) in upright.items() if "+CMR" in font}
        streams = [document[index].read_contents() for index in range(blocks)]
        for index in range(count):
            upper, lower = (_with_other_numbers(streams[chance.randrange(blocks)], roman, chance) for _ in range(2))
            content = b"q 1 0 0 1 0 %d cm\n%s\nQ\n%s" % (_BLOCK_HEIGHT, upper, lower)
            _add_page(document, resources, content, index % 10, chance)
        document.delete_pages(range(blocks))
        document.save(path, garbage=3, deflate=True)


def _fonts(document: pymupdf.Document, index: int) -> dict[str, tuple[int, str]]:
    return {font[4]: (font[0], font[3]) for font in document.get_page_fonts(index)}


def _with_other_numbers(stream: bytes, roman: set[bytes], chance: random.Random) -> bytes:
    """Draw the digits of all upright numbers anew; other fonts have other characters at their codes."""

    def number(match: re.Match[bytes]) -> bytes:
        digits = match.group()
        if digits.startswith(b"\\"):
            return digits
        return str(chance.randrange(10 ** (len(digits) - 1), 10 ** len(digits))).encode()

    parts = _FONT.split(stream)  # text, font, text, font, text …
    begins = [match.group() for match in _FONT.finditer(stream)]
    out = [parts[0]]
    for begin, font, text in zip(begins, parts[1::2], parts[2::2], strict=True):
        changed = _STRING.sub(lambda string: _NUMBER.sub(number, string.group()), text) if font in roman else text
        out += [begin, changed]
    return b"".join(out)


def _add_page(
    document: pymupdf.Document, resources: int, content: bytes, kind: int, chance: random.Random
) -> None:
    width, height = _WIDTH, 2 * _BLOCK_HEIGHT
    is_turned = kind == 3
    if is_turned:
        content = b"q 0 1 -1 0 %d 0 cm\n%s\nQ" % (height, content)
    page = document.new_page(width=height if is_turned else width, height=width if is_turned else height)
    document.xref_set_key(page.xref, "Resources", f"{resources} 0 R")
    place = document.get_new_xref()
    document.update_object(place, "<< >>")
    document.update_stream(place, content)
    page.set_contents(place)
    if is_turned:
        page.set_rotation(90)
    if kind == 7:
        picture = _scanned(document.reload_page(page), chance)
        scan = document.new_page(width=width, height=height)
        scan.insert_image(scan.rect, stream=picture)
        document.delete_page(document.page_count - 2)


def _scanned(page: pymupdf.Page, chance: random.Random) -> bytes:
    """The page as a JPEG, tilted, grey and noisy."""
    zoom = pymupdf.Matrix(_SCAN_DPI / 72, _SCAN_DPI / 72).prerotate(chance.uniform(-0.7, 0.7))
    pixmap = page.get_pixmap(matrix=zoom, colorspace=pymupdf.csGRAY)
    grey = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.stride)[:, : pixmap.width]
    noise = np.random.default_rng(chance.randrange(2**32)).normal(0, 9, grey.shape)
    stained = np.ascontiguousarray(np.clip(grey * 0.92 + noise, 0, 255).astype(np.uint8))
    scan = pymupdf.Pixmap(pymupdf.csGRAY, stained.shape[1], stained.shape[0], stained.tobytes(), False)
    return bytes(scan.tobytes("jpeg", jpg_quality=80))


def _block(chance: random.Random) -> str:
    def prose(words: int) -> str:
        return " ".join(chance.choice(_WORDS) for _ in range(words)).capitalize()

    return (
        f"{prose(6)} ${_formula(chance, 1)}$ {prose(5).lower()} ${_formula(chance, 1)}$ {prose(4).lower()}.\n"
        f"\\[ {_formula(chance, 3)} = {_formula(chance, 2)} \\]"
    )


def _formula(chance: random.Random, depth: int) -> str:
    letter, other = chance.choice("abcfghkmnpqrstuvwxyz"), chance.choice("xyzABCDFGH")
    number = chance.randint(2, 99)
    if depth == 0:
        return chance.choice([letter, f"{number}", f"\\{chance.choice(['alpha', 'beta', 'lambda', 'mu', 'pi'])}"])
    inner = [_formula(chance, depth - 1) for _ in range(2)]
    return chance.choice(
        [
            f"{letter}_{{{inner[0]}}}+{number}{other}",
            f"\\frac{{{inner[0]}}}{{{inner[1]}+{number}}}",
            f"\\sqrt{{{inner[0]}-{number}}}",
            f"\\sum_{{{letter}=1}}^{{{number}}} {inner[0]}",
            f"\\int_0^{{{number}}} {inner[0]}\\,d{other}",
            f"\\left({inner[0]}-{inner[1]}\\right)^{{{number}}}",
        ]
    )
