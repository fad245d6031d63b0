"""How soon a page of many boxes is painted by `docproc review`: first contentful paint in Chromium, on loopback.

    python -m benchmarks.review_page [--boxes 60] [--loads 20] [--json]

A page of a sample document is put into a database with so many formulas, each with a box, LaTeX and MathML; the server
runs as a process of its own, as people start it. Each load is a new one of the page, as one pages through a book; the
first load is the first that this server and browser see. The clock is Chromium's own (Performance API): from the start
of the navigation. Needs chromium and chromedriver (scripts/install-browser).
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.search import read_formulas
from docproc.documents import file_sha256
from docproc.latex.canonical import canonical
from docproc.latex.check import check
from docproc.records import Box, Formula, FormulaKind, FoundPage, PageKind, Status
from docproc.store import FormulaStore

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

DOCUMENT = Path(__file__).parent.parent / "samples" / "calculus-notes.pdf"
WIDTH_PT, HEIGHT_PT = 595.276, 841.89
_COLUMNS = 4
_PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_TIMES = (
    "const n = performance.getEntriesByType('navigation')[0];"
    "return {server: n.responseStart - n.requestStart, loaded: n.loadEventEnd || null, bytes: n.decodedBodySize}"
)


@click.command()
@click.option("--boxes", default=60, help="Formulas on the page.")
@click.option("--loads", default=20, help="Times that the page is loaded.")
@click.option("--seed", default=8, help="Of the choice of formulas.")
@click.option("--json", "as_json", is_flag=True)
def main(boxes: int, loads: int, seed: int, as_json: bool) -> None:
    """Measure the first paint."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "docproc.db"
        make_page(database, boxes, seed)
        with served(database) as address, browser() as driver:
            paints, servers, loaded = [], [], []
            page = f"{address}documents/1/pages/1"
            for _ in range(loads):
                driver.get("about:blank")
                driver.get(page)
                paints.append(waited(driver, _PAINT))
                times = driver.execute_script(_TIMES)
                servers.append(times["server"])
                loaded.append(times["loaded"])
            count = driver.execute_script("return document.querySelectorAll('.sheet .box').length")
            assert count == boxes, f"{count} boxes on the page instead of {boxes}"
    facts: dict[str, Any] = {
        "boxes": boxes,
        "loads": loads,
        "first_load_paint_ms": round(paints[0]),
        "median_paint_ms": round(statistics.median(paints)),
        "p95_paint_ms": round(sorted(paints)[int(0.95 * (loads - 1))]),
        "least_paint_ms": round(min(paints)),
        "median_server_ms": round(statistics.median(servers)),
        "median_loaded_ms": round(statistics.median(one for one in loaded if one)),
        "load_average": round(os.getloadavg()[0], 1),
    }
    click.echo(json.dumps(facts) if as_json else "  ".join(f"{name} {value}" for name, value in facts.items()))


def make_page(database: Path, boxes: int, seed: int) -> None:
    """Write one page whose boxes lie in a grid over it."""
    latex = [canonical(text) for text in read_formulas((), boxes, seed)]
    latex += latex[: boxes - len(latex)]
    width, height = WIDTH_PT / _COLUMNS, HEIGHT_PT / (boxes // _COLUMNS + 1)
    formulas = [
        Formula(
            kind=FormulaKind.DISPLAY,
            position=i + 1,
            box=Box(
                i % _COLUMNS * width + 9, i // _COLUMNS * height + 2,
                i % _COLUMNS * width + width - 9, i // _COLUMNS * height + height - 2,
            ),
            latex=text,
            latex_raw=text,
            status=(Status.OK, Status.VERIFIED, Status.SUSPECT)[i % 3],
            confidence=0.9,
            stop_reason="end",
            model="benchmark",
            image_sha256="",
            mathml=check(text).mathml,
        )
        for i, text in enumerate(latex[:boxes])
    ]  # fmt: skip
    with FormulaStore.open(database) as store:
        state = store.begin_document(
            str(DOCUMENT), file_sha256(DOCUMENT), "application/pdf", 2, "Calculus notes", "benchmark"
        )
        page = FoundPage(str(DOCUMENT), 1, WIDTH_PT, HEIGHT_PT, 0, PageKind.BORN_DIGITAL, (), ())
        store.write_page(state.id, page, formulas)


@contextmanager
def served(database: Path) -> Iterator[str]:
    """The address of a review in a process of its own."""
    command = [sys.executable, "-m", "docproc", "review", "-d", str(database), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def browser() -> Iterator[WebDriver]:
    """A headless Chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--window-size=1280,900", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to start otherwise, in containers
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(120)
    try:
        yield driver
    finally:
        driver.quit()


def waited(driver: WebDriver, script: str) -> float:
    """What a script returns, once that is something."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        value = driver.execute_script(script)
        if value is not None:
            return float(value)
        time.sleep(0.02)
    raise TimeoutError("the page was not painted within a minute")


if __name__ == "__main__":
    main()
