"""`docproc show` and `docproc export`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docproc.cli_options import PATHS, conditions_of, database_option, existing_database, filter_options
from docproc.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docproc.show import Shown
    from docproc.store import FormulaStore

_FORMATS = ("md", "jsonl", "csv", "html", "tex", "docx", "training")
_MOST_FOUND = 1_000


@click.command()
@click.argument("formula_id", metavar="ID", type=click.IntRange(1))
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--explain", is_flag=True, help="Ask an instruction-tuned Qwen2-VL what it means; the built-in cannot.")
@click.option("--model", metavar="NAME", help="For --explain: a folder, a hub name, or the model's name on the server.")
@click.option("--device", default="auto", help="For --explain: auto, cpu, cuda.")
@click.option("--endpoint", metavar="URL", help="For --explain: a server of OpenAI's protocol, http://host:8000/v1.")
@click.option("--endpoint-key", help="Its key; better given as DOCPROC_SHOW_ENDPOINT_KEY.")
def show(
    formula_id: int,
    db: Path,
    as_json: bool,
    explain: bool,
    model: str | None,
    device: str,
    endpoint: str | None,
    endpoint_key: str | None,
) -> int:
    """Show one formula: picture, LaTeX, MathML, spoken, where it is referred to, and similar ones.

    The picture is written to crops/ beside the database, and its path is printed. An explanation is what a model says;
    nothing checks it.

    \b
    Example:
      docproc show 17
      docproc show 17 --explain --model Qwen/Qwen2-VL-2B-Instruct
    """
    from docproc.explain import explain as ask
    from docproc.show import show_formula
    from docproc.store import FormulaStore

    with FormulaStore.open(existing_database(db), read_only=True) as store:
        shown = show_formula(store, formula_id)
    said = ask(shown, model=model, device=device, endpoint=endpoint, key=endpoint_key) if explain else None
    if as_json:
        row = shown.row() if said is None else {**shown.row(), "explanation": said}
        click.echo(json.dumps(row, indent=2, ensure_ascii=False))
    else:
        click.echo(_words(shown))
        if said is not None:
            click.echo(f"explained: {said}")
    return ExitCode.OK


def _words(shown: Shown) -> str:
    entry = shown.entry
    number = f", number ({entry.equation_number})" if entry.equation_number else ""
    x0, y0, x1, y1 = (round(value) for value in entry.box)
    lines = [
        f"formula {entry.id}: {entry.kind}{number}, {entry.document} page {entry.page}, box {x0} {y0} {x1} {y1}",
        f"status:    {entry.status}, confidence {entry.confidence:.2f}, read by {entry.model}",
        *(f"problem:   {problem}" for problem in entry.problems),
        f"picture:   {shown.picture or 'none: read from the text layer, and the document has gone'}",
        f"latex:     {entry.latex}",
        *([f"as read:   {entry.latex_raw}"] if entry.latex_raw != entry.latex else []),
        f"spoken:    {shown.row()['spoken']}",
        f"mathml:    {entry.mathml or 'none'}",
        f"text:      {entry.text_before} […] {entry.text_after}",
        *(f"mentioned: page {m.page}: {m.sentence}" for m in shown.mentions),
        *(f"reviewed:  {r['at']} {r['who']}: {r['action']}" for r in shown.reviews),
        *(f"similar:   {e.id} ({Path(e.document).name} page {e.page}) {e.latex}" for e in shown.similar),
    ]
    return "\n".join(lines)


@click.command()
@click.argument("query", nargs=-1)
@database_option
@click.option("--format", "form", type=click.Choice(_FORMATS), required=True, help="What to write.")
@click.option("-o", "--output", type=PATHS, help="File, or folder for training; stdout without it.")
@click.option("-n", "--limit", type=click.IntRange(1), help="Most formulas.")
@filter_options
@click.option("--pictures/--no-pictures", default=True, help="Put the pictures of the pages into HTML.")
def export(
    query: tuple[str, ...],
    db: Path,
    form: str,
    output: Path | None,
    limit: int | None,
    pictures: bool,
    **given: Any,
) -> int:
    """Write formulas to a file: all, those of a document, or what a search finds, in its order.

    md and docx are the prose of whole documents with their formulas if there is no query and no filter but --document;
    jsonl and csv hold the text before and after, page and box; html is one file with MathML; tex compiles; the formulas
    of docx can be edited in Word; training is a folder
    of pictures and labels for `docproc finetune --data`, of reviewed formulas unless the filters say otherwise.

    \b
    Example:
      docproc export --format jsonl -o formulas.jsonl
      docproc export "fourier transform" --format html --document signals -o fourier.html
      docproc export --format training -o corrections
    """
    from docproc.entries import entries_by_id, read_entries
    from docproc.export import export_text, export_training
    from docproc.filters import FormulaFilter
    from docproc.search import search
    from docproc.store import FormulaStore

    conditions = conditions_of(given)
    if form in ("training", "docx") and output is None:
        what = "folder" if form == "training" else "file"
        raise click.UsageError(f"--format {form} writes a {what}: name it with -o.")
    if form == "training" and conditions["reviewed"] is None and conditions["status"] is None:
        conditions["reviewed"] = True
    chosen = FormulaFilter(**conditions)
    with FormulaStore.open(existing_database(db), read_only=True) as store:
        if query:
            hits = search(store, " ".join(query), limit or _MOST_FOUND, **conditions)
            entries: Iterable[Any] = entries_by_id(store, [hit.formula_id for hit in hits])
        else:
            entries = read_entries(store, chosen, limit=limit or -1)
        if form == "training" and output is not None:
            written, left_out = export_training(store, entries, output)
            click.echo(output)
            click.echo(f"{written} pairs, {left_out} formulas without a picture or valid LaTeX left out", err=True)
            return ExitCode.OK
        is_whole = not query and limit is None and chosen == FormulaFilter(document=chosen.document)
        if form == "docx" and output is not None:
            _write_docx(store, entries, output, is_whole=is_whole)
            return ExitCode.OK
        _write(export_text(store, entries, form, whole_documents=is_whole, pictures=pictures), output)
    return ExitCode.OK


def _write_docx(store: FormulaStore, entries: Iterable[Any], output: Path, *, is_whole: bool) -> None:
    from docproc.errors import OutputError
    from docproc.export_docx import write_docx

    try:
        with output.open("wb") as file:
            write_docx(store, entries, file, whole_documents=is_whole)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}. Give another place with -o.") from error
    click.echo(output)


def _write(parts: Iterable[str], output: Path | None) -> None:
    from docproc.errors import OutputError

    if output is None or str(output) == "-":
        for part in parts:
            sys.stdout.write(part)
        return
    try:
        with output.open("w", encoding="utf-8", errors="replace", newline="") as file:
            file.writelines(parts)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}. Give another place with -o.") from error
    click.echo(output)
