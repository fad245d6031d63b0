"""`docproc search` and `docproc reindex`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from docproc.cli_options import PATHS, conditions_of, database_option, existing_database, filter_options
from docproc.errors import ExitCode


@click.command()
@click.argument("query", nargs=-1)
@database_option
@click.option("-n", "--limit", type=click.IntRange(1), default=20, help="Most results.")
@click.option("--image", type=PATHS, help="Picture of a formula: it is read, and what is read is searched for.")
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--nl", "as_lines", is_flag=True, help="Print one JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header.")
def search(
    query: tuple[str, ...],
    db: Path,
    limit: int,
    image: Path | None,
    as_json: bool,
    as_lines: bool,
    as_csv: bool,
    **given: Any,
) -> int:
    """Search formulas by words, by LaTeX in any spelling, by structure, or by a picture.

    In LaTeX, ?f stands for any sub-expression, and for the same one each time; ? alone for a new one. Answers come in
    this order: the formula itself, formulas that hold it, the same under other names, and similar ones.

    \b
    Example:
      docproc search "\\int_0^\\infty e^{-x^2}"
      docproc search "\\int_?a^?b ?f \\, dx" --kind display
      docproc search heat equation -n 5 --json
      docproc search --image blackboard.png
    """
    from docproc.search import search as find
    from docproc.tables import print_table

    if not query and image is None:
        raise click.UsageError("Give words, LaTeX, or --image FILE to search for.")
    conditions = conditions_of(given)
    existing_database(db)
    text = " ".join(query)
    if image is not None:
        from docproc.image_query import read_formula_picture

        latex = read_formula_picture(image)
        click.echo(f"read as {latex}", err=True)
        text = f"{text} ${latex}$"
    hits = find(db, text, limit, **conditions)
    print_table([hit.row() for hit in hits], as_json=as_json, as_lines=as_lines, as_csv=as_csv)
    return ExitCode.OK


@click.command()
@database_option
def reindex(db: Path) -> int:
    """Make the indexes of the search anew from the formulas.

    A run and every correction keep them in step; this is for a database that other programs have written to.

    \b
    Example:
      docproc reindex -d library/docproc.db
    """
    from docproc.store import FormulaStore

    with FormulaStore.open(existing_database(db)) as store:
        count = store.reindex()
    click.echo(f"{count} formulas indexed", err=True)
    return ExitCode.OK
