"""`docproc review`."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from docproc.cli_options import database_option, existing_database
from docproc.errors import ExitCode


@click.command()
@database_option
@click.option("--host", default="127.0.0.1", help="Address to bind to; beyond loopback a token is asked for.")
@click.option("--port", type=click.IntRange(0, 65535), default=8017, help="Port; 0 takes a free one.")
@click.option("--reviewer", metavar="NAME", help="Name that corrections are kept under; your login name without it.")
@click.option("--read-only", is_flag=True, help="Look and search only: nothing can be changed.")
def review(db: Path, host: str, port: int, reviewer: str | None, read_only: bool) -> int:
    """Look at pages with their formulas in a browser, correct and accept them.

    Prints the address to open; Ctrl-C ends it. Needs docproc[review].

    \b
    Example:
      docproc review -d library/docproc.db
    """
    from docproc.review.serve import serve

    serve(existing_database(db), host, port, reviewer or _login_name(), click.echo, is_read_only=read_only)
    return ExitCode.OK


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no name
        return "reviewer"
