"""Printing rows for people (aligned columns) and for programs (JSON, JSON Lines, CSV)."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import click

# Widest text a person's table shows of one value.
WIDEST_CELL = 72


def print_table(
    rows: Sequence[Mapping[str, Any]], *, as_json: bool = False, as_lines: bool = False, as_csv: bool = False
) -> None:
    """Print rows on stdout.

    Args:
        rows: All with the same keys; lists and dicts are printed as JSON in CSV.
        as_json: One array.
        as_lines: One object a line.
        as_csv: With a header; an empty result prints nothing.

    Raises:
        click.UsageError: More than one format is asked for.
    """
    if as_json + as_lines + as_csv > 1:
        raise click.UsageError("give one of --json, --nl and --csv.")
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif as_lines:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    elif as_csv:
        click.echo(_csv(rows), nl=False)
    else:
        click.echo(_aligned(rows), nl=False)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: json.dumps(v, ensure_ascii=False) if isinstance(v, list | dict) else v for k, v in row.items()}
        )
    return out.getvalue()


def _aligned(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "nothing found\n"
    names = list(rows[0])
    cells = [[_cell(row[name], keeps_end=name == "document") for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    lines = [names, *cells]
    room = shutil.get_terminal_size((160, 24)).columns
    text = ["  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "".join(f"{line if len(line) <= room else line[: room - 1] + '…'}\n" for line in text)


def _cell(value: Any, *, keeps_end: bool) -> str:
    """Text of a value; of a path that is too long the end is what tells it apart."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return " ".join(f"{item:.0f}" if isinstance(item, float) else str(item) for item in value)
    text = " ".join(str(value).split())
    if len(text) <= WIDEST_CELL:
        return text
    return "…" + text[1 - WIDEST_CELL :] if keeps_end else text[: WIDEST_CELL - 1] + "…"
