"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from docproc.options import ALIKE, ALL

DEFAULT_OUTPUT = Path("docproc-out")
# A file's name may hold any bytes; a surrogate must not end a message.
PATHS = click.Path(path_type=Path)
_STATUSES = ("verified", "ok", "suspect", "invalid", "failed", "rejected", "any")

database_option = click.option(
    "-d",
    "--db",
    type=PATHS,
    default=DEFAULT_OUTPUT / "docproc.db",
    show_default=True,
    help="The formula database.",
)

adapter_for_option = click.option(
    "--adapter-for",
    type=click.Choice([ALIKE, ALL]),
    default=ALIKE,
    help="What --adapter reads: crops like those it was trained on, if its folder says how they look, or all.",
)


def filter_options(command: Callable[..., int]) -> Callable[..., int]:
    """The fields of `FormulaFilter` as options (a test compares the two)."""
    options = (
        click.option("--document", metavar="TEXT", help="Only documents whose path or title holds this text."),
        click.option("--pages", metavar="RANGES", help="Only these pages, such as 1-4,7,10-."),
        click.option("--kind", type=click.Choice(["display", "inline"]), help="Only formulas of this kind."),
        click.option(
            "--status",
            type=click.Choice(_STATUSES),
            help="Only this status. Without it, all but rejected and failed; `any` takes these too.",
        ),
        click.option("--min-confidence", type=click.FloatRange(0, 1), help="Only from this confidence."),
        click.option("--max-confidence", type=click.FloatRange(0, 1), help="Only up to this confidence."),
        click.option(
            "--reviewed/--not-reviewed", default=None, help="Only what a person has looked at, or has not yet."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def existing_database(db: Path) -> Path:
    """The path, if there is such a file.

    Raises:
        OutputError: There is none.
    """
    from docproc.errors import OutputError

    if not db.exists():
        raise OutputError(f"There is no database {db}. Give one with -d, or make it with `docproc run FILE`.")
    return db


def conditions_of(given: dict[str, Any]) -> dict[str, Any]:
    """Take the options of `filter_options` out of a command's arguments."""
    from dataclasses import fields

    from docproc.filters import FormulaFilter

    return {field.name: given.pop(field.name) for field in fields(FormulaFilter)}
