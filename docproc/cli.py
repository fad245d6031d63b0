"""The command line: parse, call one function, print. Results go to stdout, messages and progress to stderr."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from docproc import __version__
from docproc.cli_export import export, show
from docproc.cli_finetune import finetune
from docproc.cli_options import DEFAULT_OUTPUT, PATHS, adapter_for_option, database_option, existing_database
from docproc.cli_review import review
from docproc.cli_search import reindex, search
from docproc.errors import DocprocError, ExitCode

# Pages; ranges beyond a document's own end are that document's failure.
LONGEST_DOCUMENT = 1_000_000


def main() -> None:
    """Run the command line; exit codes are the promise of errors.ExitCode."""
    # As in the model's own process: PyTorch of `evaluate` and `finetune` shares the cores with what else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_exit_code())


def _exit_code() -> int:
    try:
        result = cli.main(standalone_mode=False, prog_name="docproc", auto_envvar_prefix="DOCPROC")
        return int(result) if isinstance(result, int) else ExitCode.OK
    except DocprocError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. Finished pages are kept; the same command goes on from there.", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone (docproc search … | head); what it wanted it has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        if os.environ.get("DOCPROC_DEBUG"):
            traceback.print_exc()
        click.echo(
            f"Error: a bug in docproc: {type(error).__name__}: {error}. Please report it with the output of "
            "`docproc info` and of the same command with DOCPROC_DEBUG=1.",
            err=True,
        )
        return ExitCode.BUG


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110})
@click.version_option(__version__, prog_name="docproc")
def cli() -> None:
    """Find, read, check, store and search the formulas of whole documents, offline.

    \b
    Example:
      docproc run textbook.pdf
      docproc search "gaussian integral"
    """


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=PATHS, metavar="FILE_OR_FOLDER...")
@click.option("-o", "--output", type=PATHS, default=DEFAULT_OUTPUT, help="Folder of the database and the Markdown.")
@click.option("--pages", metavar="RANGES", help="Pages to read, such as 1-4,7,10-; all without it.")
@click.option("--password", help="Password of encrypted PDFs.")
@click.option("--model", default="built-in", help="`built-in`, a Qwen2-VL checkpoint folder, or a hub name.")
@click.option("--adapter", type=PATHS, help="What docproc finetune wrote.")
@adapter_for_option
@click.option("--load-in-4bit", is_flag=True, help="Weights in 4 bits, for large models; CUDA only.")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:N, or several: cuda:0,cuda:1.")
@click.option("--endpoint", metavar="URL", help="Read with a vision server of OpenAI's protocol, http://host:8000/v1.")
@click.option("--endpoint-key", help="Its key; better given as DOCPROC_RUN_ENDPOINT_KEY.")
@click.option("--ray", metavar="ADDRESS", help="Work on a Ray cluster: local, auto, or host:port.")
@click.option("--batch-size", default="auto", callback=lambda _c, _p, v: _batch_size(v), help="Crops a batch, or auto.")
@click.option(
    "--batch-timeout", type=click.FloatRange(min=1), default=600.0, help="Seconds the model may go without a reading."
)
@click.option(
    "--inline-delimiters", default="$…$", callback=lambda _c, _p, v: _delimiters(v), help="Around inline LaTeX."
)
@click.option(
    "--display-delimiters", default="$$…$$", callback=lambda _c, _p, v: _delimiters(v), help="Around displays."
)
@click.option("--text-layer/--no-text-layer", default=True, help="Use what a born-digital PDF says of itself.")
@click.option("--ocr/--no-ocr", default=True, help="Read the prose of scans.")
@click.option("--workers", type=click.IntRange(0, 256), default=0, help="Page processes; 0: one a core, less one.")
@click.option("--page-timeout", type=click.FloatRange(min=1), default=120.0, help="Seconds that one page may take.")
@click.option(
    "--document-timeout", type=click.FloatRange(min=1), default=21600.0, help="Seconds for all pages of a file."
)
@click.option(
    "--page-memory", type=click.FloatRange(min=2), default=6.0, help="GiB of address space of a page process."
)
@click.option(
    "--recompute",
    type=click.Choice(["all", "low-confidence"]),
    default="all",
    help="What to read anew where another model has read before.",
)
@click.option("--trace", type=PATHS, help="Write when pages were found and formulas read, for Perfetto.")
@click.option("--dry-run", is_flag=True, help="Stop after finding: draw the boxes on page pictures; no database.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print one line a region instead.")
def run(paths: tuple[Path, ...], dry_run: bool, as_json: bool, **given: Any) -> int:
    """Digitize documents: find, read, check and store their formulas, and write Markdown.

    Takes PDF, PNG, JPEG, TIFF, WebP and BMP files, and folders of them. A second run of the same command goes on
    where the first one stopped.

    \b
    Example:
      docproc run textbook.pdf scans/ -o library --pages 1-20
    """
    options = _run_options(given)
    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run; results of a run are read with `docproc search --json`.")
    _refuse_weights_at_endpoint(options)
    if dry_run:
        from docproc.dry_run import dry_run as find_only

        return find_only(paths, options, as_json=as_json)
    from docproc.pipeline import run as digitize
    from docproc.progress import progress_for
    from docproc.reader_group import recognizer_for

    progress = progress_for(sys.stderr)
    try:
        with recognizer_for(options) as recognizer:
            summary = digitize(paths, options, recognizer, progress)
    finally:
        progress.close()
    for path in summary.outputs:
        click.echo(path)
    click.echo(summary.line(options.output), err=True)
    return summary.exit_code


@cli.command()
@click.argument("data", type=PATHS)
@click.option("--model", default="built-in", help="`built-in`, a Qwen2-VL checkpoint folder, or a hub name.")
@click.option("--adapter", type=PATHS, help="What docproc finetune wrote.")
@adapter_for_option
@click.option("--load-in-4bit", is_flag=True, help="Weights in 4 bits, for large models; CUDA only.")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:N, or several: cuda:0,cuda:1.")
@click.option("--endpoint", metavar="URL", help="Read with a vision server of OpenAI's protocol, http://host:8000/v1.")
@click.option("--endpoint-key", help="Its key; better given as DOCPROC_EVALUATE_ENDPOINT_KEY.")
@click.option(
    "--batch-size", default="auto", callback=lambda _c, _p, v: _batch_size(v), help="Pictures a batch, or auto."
)
@click.option(
    "--render/--no-render", default=None, help="Compare typeset pictures too. By default if TeX is installed."
)
@click.option("--json", "as_json", is_flag=True, help="Print the scores as one JSON object.")
@click.option("--predictions", type=PATHS, help="Write one JSON line a picture: image, latex, confidence, status.")
@click.option("--report", type=PATHS, help="Write an HTML page of the errors, worst first, with their pictures.")
def evaluate(
    data: Path, as_json: bool, render: bool | None, predictions: Path | None, report: Path | None, **given: Any
) -> int:
    """Score a model on labelled pictures of formulas.

    DATA is a folder with labels.jsonl, or such a file: one {"image": relative path, "latex": ...} a line; "kind" and
    "source" are used if they are there.

    \b
    Example:
      docproc evaluate samples/formulas --report errors.html
    """
    from docproc.evaluate import evaluate as read_and_score
    from docproc.evaluate import write_predictions, write_text
    from docproc.options import RunOptions
    from docproc.reader_group import recognizer_for
    from docproc.render_match import has_tex

    options = RunOptions(**given)
    _refuse_weights_at_endpoint(options)
    is_rendered = has_tex() if render is None else render
    with recognizer_for(options) as recognizer:
        scores, pairs = read_and_score(
            data, recognizer, lambda line: click.echo(line, err=True), batch_size=options.batch_size, render=is_rendered
        )
    if predictions is not None:
        write_predictions(predictions, pairs)
    if report is not None:
        from docproc.error_report import error_report_html

        write_text(report, error_report_html(pairs, scores, title=f"{recognizer.name} on {data}"))
    if as_json:
        click.echo(json.dumps({"model": recognizer.name, **scores}, indent=2, ensure_ascii=False))
    else:
        _print_scores(scores)
    return ExitCode.OK


@cli.command()
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def failures(db: Path, as_json: bool) -> int:
    """List what failed or is doubtful, equation numbers that do not fit, and the command that tries it again.

    \b
    Example:
      docproc failures -d library/docproc.db
    """
    from docproc.reports import failure_rows, retry_command
    from docproc.store import FormulaStore
    from docproc.tables import print_table

    with FormulaStore.open(existing_database(db), read_only=True) as store:
        rows = failure_rows(store)
        print_table(rows, as_json=as_json)
        if rows and not as_json and (command := retry_command(store)):
            click.echo(f"To try again what failed: {command}", err=True)
    return ExitCode.OK


@cli.command()
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(db: Path, as_json: bool) -> int:
    """Show versions, device, model and its sources, and the database: what a bug report needs.

    \b
    Example:
      docproc info
    """
    from docproc.reports import information

    facts = information(db)
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return ExitCode.OK
    for name, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        click.echo(f"{name + ':':25}{lines[0]}" if lines else f"{name}:")
        for line in lines[1:]:
            click.echo(f"{'':25}{line}")
    return ExitCode.OK


for command in (export, finetune, reindex, review, search, show):
    cli.add_command(command)


def _run_options(given: dict[str, Any]) -> Any:
    from docproc.documents import parse_page_ranges
    from docproc.options import FindOptions, RunOptions

    find = FindOptions(**{name: given.pop(name) for name in ("password", "text_layer", "ocr")})
    if given["pages"]:
        parse_page_ranges(given["pages"], LONGEST_DOCUMENT)  # nonsense is the command's error, not the document's
    return RunOptions(find=find, **given)


def _refuse_weights_at_endpoint(options: Any) -> None:
    if options.endpoint is not None and (options.adapter is not None or options.load_in_4bit):
        raise click.UsageError("--adapter and --load-in-4bit are the server's own business; leave them out.")


def _print_scores(scores: dict[str, Any]) -> None:
    for name, value in scores.items():
        if isinstance(value, int | float | str):
            click.echo(f"{name:32} {value}")
    for name in ("by_kind", "by_length", "by_source"):
        for group, part in scores.get(name, {}).items():
            click.echo(f"{group:32} exact {part['exact']:.3f} of {part['n']}")
    if "render" in scores:
        click.echo(f"{'render match':32} {scores['render']['match']}")


def _batch_size(value: str) -> str:
    if value != "auto" and not (value.isascii() and value.isdigit() and int(value) > 0):
        raise click.BadParameter("give a number from 1, or auto.")
    return value


def _delimiters(value: str) -> str:
    text = value.replace("...", "…")
    if text.count("…") != 1:
        raise click.BadParameter("write where the LaTeX goes as … or ..., such as \\(...\\).")
    return text
