"""Writing the Markdown of a document beside the database, whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from docproc.errors import OutputError
from docproc.markdown import MarkdownOptions, render_markdown

if TYPE_CHECKING:
    from pathlib import Path

    from docproc.options import RunOptions
    from docproc.store import FormulaStore


def write_markdown(store: FormulaStore, document_id: int, options: RunOptions) -> Path:
    """Render a document from the database and put the file in its place in one step.

    Args:
        store: Holds the document's pages and formulas.
        document_id: Of the document.
        options: Where to write, and the delimiters.

    Returns:
        The file.

    Raises:
        OutputError: It cannot be written.
    """
    file = options.output / store.markdown_name(document_id)
    text = render_markdown(
        store.document_pages(document_id),
        store.document_formulas(document_id),
        MarkdownOptions(options.inline_delimiters, options.display_delimiters),
    )
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", errors="replace") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        reason = f"{file} cannot be written: {error.strerror}. Free some space or choose another -o."
        raise OutputError(reason) from error
    return file
