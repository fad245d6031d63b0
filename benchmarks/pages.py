"""Pages a second of rendering, and of rendering with finding, on one core, with the peak memory.

python -m benchmarks.pages [FILE ...] [--pages 1-20] [--json]
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import click

from docproc.finding import DocumentTask, PageTask, look_at, open_kept, work
from docproc.options import FindOptions
from docproc.pages import render_page
from docproc.records import FoundPage

SAMPLES = Path(__file__).parent.parent / "samples"


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--pages", default=None, help="Page ranges; all without it.")
@click.option("--prose/--no-prose", default=True, help="Read the prose too.")
@click.option("--json", "as_json", is_flag=True)
def main(files: tuple[Path, ...], pages: str | None, prose: bool, as_json: bool) -> None:
    """Measure each file by itself; without FILE the project's samples."""
    options = FindOptions(prose=prose)
    rows = []
    for path in files or sorted(SAMPLES.glob("*.pdf")):
        begun = time.perf_counter()
        facts = look_at(DocumentTask(path, pages, options))
        opened = time.perf_counter() - begun
        begun = time.perf_counter()
        for number in facts.numbers:
            render_page(open_kept(path, None), number)
        rendered = time.perf_counter() - begun
        begun, formulas = time.perf_counter(), 0
        for number in facts.numbers:
            found = work(PageTask(path, number, facts.statistics, options))
            formulas += len(found.regions) if isinstance(found, FoundPage) else 0
        worked = time.perf_counter() - begun
        count = len(facts.numbers)
        rows.append(
            {
                "file": path.name,
                "pages": count,
                "formulas": formulas,
                "open_seconds": round(opened, 2),
                "render_pages_per_second": round(count / rendered, 2),
                "find_pages_per_second": round(count / worked, 2),
            }
        )
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
    if as_json:
        click.echo(json.dumps({"rows": rows, "peak_mib": peak}))
        return
    for row in rows:
        click.echo("  ".join(f"{name} {value}" for name, value in row.items()))
    click.echo(f"peak {peak} MiB, one process")


if __name__ == "__main__":
    main()
