"""`docproc run --dry-run`: find the formulas, show where they are, read none of them and leave no database."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docproc.documents import expand_inputs
from docproc.errors import ExitCode, OutputError
from docproc.finding import DocumentFacts, DocumentTask, PageTask, open_kept, work
from docproc.records import Failure, FormulaKind, FoundPage
from docproc.workers import Budget, Lost, WorkerPool, worker_count

if TYPE_CHECKING:
    from docproc.options import RunOptions

# Sharp enough to see whether a subscript is cut.
DRAWING_DPI = 110
COLORS_BGR = {FormulaKind.DISPLAY: (40, 40, 220), FormulaKind.INLINE: (200, 110, 0)}
PAGES_AHEAD = 16
_SHEET_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>docproc: formulas found</title>
<style>
body { font-family: sans-serif; display: flex; flex-wrap: wrap; gap: 1em }
figure { margin: 0; width: 30em }
img { width: 100%; border: 1px solid #ccc }
</style>
<p>Red: display formulas. Blue: inline formulas. Green: equation numbers.</p>
"""


@dataclass(frozen=True, slots=True)
class DrawTask:
    """Find the formulas of a page and draw them."""

    page: PageTask
    is_drawn: bool


def dry_run(paths: Sequence[Path], options: RunOptions, *, as_json: bool) -> ExitCode:
    """Find only.

    Args:
        paths: Files and folders.
        options: Of the run; the prose is not read.
        as_json: Print one line a region (`file`, `page`, `kind`, `box` in points, `equation_number`) instead of
            drawing pages into OUTPUT/dry-run.

    Returns:
        OK, PARTIAL if a page failed, NO_INPUT if no file could be read.

    Raises:
        OutputError: The pictures cannot be written.
    """
    options = replace(options, find=replace(options.find, prose=False))
    files, failures = expand_inputs(paths)
    for failure in failures:
        _tell(failure)
    folder = None if as_json else _folder(options.output)
    drawn: list[tuple[str, str]] = []
    pages = regions = 0
    with WorkerPool(
        draw,
        worker_count(options.workers),
        timeout_seconds=options.page_timeout,
        memory_bytes=options.page_memory_bytes,
    ) as pool:
        for path, number, result in _results(files, options, pool, is_drawn=not as_json):
            if isinstance(result, Failure):
                failures.append(result)
                _tell(result)
                continue
            found, picture = result
            pages += 1
            regions += len(found.regions)
            if folder is None:
                _print_regions(path, found)
            else:
                name = f"{path.stem}-{number:04d}.png"
                if any(name == other for other, _ in drawn):
                    name = f"{path.stem}-{len(drawn)}-{number:04d}.png"
                (folder / name).write_bytes(picture)
                drawn.append((name, f"{path}, page {number}: {len(found.regions)} formulas"))
    if folder is not None:
        (folder / "index.html").write_text(_contact_sheet(drawn), encoding="utf-8")
        click.echo(folder / "index.html")
    click.echo(
        f"{pages} pages, {regions} formulas found, {len(failures)} failures; nothing was read or stored.", err=True
    )
    if not failures:
        return ExitCode.OK
    return ExitCode.PARTIAL if pages else ExitCode.NO_INPUT


def draw(task: DocumentTask | DrawTask) -> DocumentFacts | tuple[FoundPage, bytes] | Failure:
    """Worker: as `finding.work`, with the drawn page as PNG beside what was found."""
    if isinstance(task, DocumentTask):
        facts = work(task)
        assert not isinstance(facts, FoundPage)
        return facts
    found = work(task.page)
    if not isinstance(found, FoundPage):
        assert isinstance(found, Failure)
        return found
    return found, _picture(task.page, found) if task.is_drawn else b""


def _picture(task: PageTask, found: FoundPage) -> bytes:
    import cv2

    from docproc.pages import render_page

    page = render_page(open_kept(task.path, task.options.password), task.number, use_text_layer=False)
    scale = min(1.0, DRAWING_DPI / page.dpi) if page.dpi != 72 else min(1.0, 1600 / max(page.image.shape))
    size = (round(page.image.shape[1] * scale), round(page.image.shape[0] * scale))
    canvas: Any = cv2.cvtColor(cv2.resize(page.image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    zoom = size[0] / found.width_pt
    for region in found.regions:
        box = region.box.scaled(zoom)
        corners = (round(box.x0) - 1, round(box.y0) - 1), (round(box.x1) + 1, round(box.y1) + 1)
        cv2.rectangle(canvas, *corners, COLORS_BGR[region.kind], 1)
        if region.equation_number:
            cv2.putText(canvas, region.equation_number, (corners[1][0] + 4, corners[1][1]), 0, 0.45, (0, 130, 0), 1)
    return bytes(cv2.imencode(".png", canvas)[1].tobytes())


def _results(
    files: Sequence[Path], options: RunOptions, pool: WorkerPool, *, is_drawn: bool
) -> Iterator[tuple[Path, int, tuple[FoundPage, bytes] | Failure]]:
    for path in files:
        budget = Budget.of_document(options.document_timeout)
        facts = pool.submit(DocumentTask(path, options.pages, options.find), budget).result()
        if isinstance(facts, Lost):  # see pipeline.py
            facts = pool.submit(DocumentTask(path, options.pages, options.find, is_cautious=True), budget).result()
        if isinstance(facts, Lost):
            facts = Failure("open", str(path), f"{path} could not be opened: {facts.reason}.")
        if isinstance(facts, Failure):
            yield path, 0, facts
            continue
        for start in range(0, len(facts.numbers), PAGES_AHEAD):
            numbers = facts.numbers[start : start + PAGES_AHEAD]
            tasks = [DrawTask(PageTask(path, number, facts.statistics, options.find), is_drawn) for number in numbers]
            for number, future in zip(numbers, [pool.submit(task, budget) for task in tasks], strict=True):
                result = future.result()
                if isinstance(result, Lost):
                    reason = f"Page {number} of {path} could not be read: {result.reason}."
                    result = Failure("find", str(path), reason, number)
                yield path, number, result


def _print_regions(path: Path, found: FoundPage) -> None:
    for region in found.regions:
        box = [round(value, 2) for value in (region.box.x0, region.box.y0, region.box.x1, region.box.y1)]
        line = {"file": str(path), "page": found.number, "kind": region.kind.value, "box": box}
        click.echo(json.dumps({**line, "equation_number": region.equation_number}, ensure_ascii=False))


def _folder(output: Path) -> Path:
    folder = output / "dry-run"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}. Choose another with -o.") from error
    return folder


def _contact_sheet(drawn: Sequence[tuple[str, str]]) -> str:
    figures = []
    for name, title in drawn:
        file, words = html.escape(name), html.escape(title)
        picture = f'<a href="{file}"><img src="{file}" loading="lazy" alt="{words}"></a>'
        figures.append(f"<figure>{picture}<figcaption>{words}</figcaption></figure>\n")
    return f"{_SHEET_HEAD}{''.join(figures)}</html>\n"


def _tell(failure: Failure) -> None:
    click.echo(f"Error: {failure.reason}", err=True)
