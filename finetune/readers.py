"""Labelled data in the forms people have it, as rows of one form; what is in a row is checked later (dataset.py)."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docproc.entries import read_entries
from docproc.errors import DependencyError, InputError
from docproc.filters import FormulaFilter
from docproc.prompt import PROMPT
from docproc.store import FormulaStore
from docproc.training_pictures import with_pictures

LABEL_FILES = ("labels.jsonl", "metadata.jsonl", "labels.csv", "metadata.csv", "labels.json", "metadata.json")
IMAGE_COLUMNS = ("image", "images", "file_name", "path", "image_path", "picture")
LATEX_COLUMNS = ("latex", "formula", "text", "label", "latex_formula")
DOCUMENT_COLUMNS = ("document", "document_id", "source", "writer", "book")
PART_COLUMNS = ("split", "part")
HELD_OUT_PARTS = ("validation", "valid", "val", "test", "held-out")


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled picture, or a conversation about pictures; nothing of it is checked yet."""

    origin: str
    """Where it stands, for the report: `labels.csv line 12`."""
    messages: tuple[dict[str, Any], ...]
    """Chat format; a picture is `{"type": "image"}` and stands for the next of `pictures`."""
    pictures: tuple[Path | bytes, ...]
    document: str | None = None
    """What must not be on both sides of the split: a book, a writer, a scan."""
    is_held_out: bool | None = None
    """Whether the data themselves say that the row is for scoring; None where they say nothing."""
    problem: str | None = None
    """Why the row cannot be used, where its reader could tell."""


def read_rows(path: Path) -> Iterator[Row]:
    """Read a folder with pictures and labels, a folder of Parquet or Arrow files, or one such file.

    Raises:
        InputError: The path is missing, or nothing in it is labelled data.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist. Give a folder with pictures and labels.jsonl, or a data file.")
    files = _data_files(path) if path.is_dir() else [path]
    if not files:
        raise InputError(
            f"{path} holds no labelled data. It needs labels.jsonl with lines like "
            '{"image": "a.png", "latex": "x^2"}, or metadata.csv, or *.parquet.'
        )
    for file in files:
        reader = _READERS.get(file.suffix.lower())
        if reader is None:
            raise InputError(f"{file} is none of {', '.join(_READERS)}.")
        yield from reader(file)


def read_reviewed(database: Path) -> Iterator[Row]:
    """Read what people corrected or accepted, with its pictures from the database, its folder, or the documents.

    Raises:
        InputError: There is no database at the path.
    """
    if not database.is_file():
        raise InputError(f"--from-db {database}: no such database. docproc run makes one: docproc-out/docproc.db.")
    with FormulaStore.open(database, read_only=True) as store:
        entries = read_entries(store, FormulaFilter(status="any", reviewed=True))
        kept = (entry for entry in entries if entry.status != "rejected")
        for entry, png, reason in with_pictures(store, kept):
            origin = f"formula {entry.id} ({Path(entry.document).name} page {entry.page})"
            picture = png or _stored_crop(database.parent / "crops", entry.image_sha256)
            if picture is None:
                problem = f"it has no stored picture (read from the text layer): {reason}"
                yield Row(origin, (), (), entry.document, problem=problem)
            else:
                yield _labelled(origin, picture, entry.latex, entry.document, None)


def _stored_crop(folder: Path, sha256: str) -> Path | None:
    file = folder / f"{sha256}.png"
    return file if sha256 and file.is_file() else None


def _data_files(folder: Path) -> list[Path]:
    named = [folder / name for name in LABEL_FILES if (folder / name).is_file()]
    if named:
        return named[:1]
    tables = sorted(
        p for p in folder.rglob("*") if p.suffix in (".parquet", ".arrow") and not p.name.startswith("cache-")
    )
    if tables:
        return tables
    loose = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jsonl", ".csv"))
    # A folder of folders, each with its own labels: one document each.
    return loose or sorted(folder.glob("*/labels.jsonl")) + sorted(folder.glob("*/metadata.csv"))


def _read_json_lines(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _row_of_text(line, f"{file.name} line {number}", file)


def _row_of_text(line: str, origin: str, file: Path) -> Row:
    try:
        values = json.loads(line)
    except ValueError:
        return Row(origin, (), (), problem="not valid JSON")
    return _parse(values, origin, file)


def _read_json(file: Path) -> Iterator[Row]:
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise InputError(f"{file} is not valid JSON: {error}.") from error
    if isinstance(values, dict):
        values = values.get("data") if isinstance(values.get("data"), list) else [values]
    for number, value in enumerate(values, 1):
        yield _parse(value, f"{file.name} entry {number}", file)


def _read_csv(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        rows = csv.DictReader(text)
        for values in rows:
            yield _parse({k: v for k, v in values.items() if k}, f"{file.name} line {rows.line_num}", file)


def _read_table(file: Path) -> Iterator[Row]:
    try:
        import pyarrow as arrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise DependencyError("Parquet and Arrow files need the package pyarrow. Install docproc[finetune].") from error
    part = any(file.name.startswith(name) or file.parent.name == name for name in HELD_OUT_PARTS)
    number = 0
    try:
        if file.suffix == ".parquet":
            batches: Any = arrow.parquet.ParquetFile(file).iter_batches(batch_size=64)
        else:
            batches = arrow.ipc.open_stream(file)
        for batch in batches:
            for values in batch.to_pylist():
                number += 1
                row = _parse(values, f"{file.name} row {number}", file)
                yield Row(
                    row.origin, row.messages, row.pictures, row.document, row.is_held_out or part or None, row.problem
                )
    except (arrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{file} cannot be read: {str(error).splitlines()[0]}. Fetch it again.") from error


_READERS = {
    ".jsonl": _read_json_lines,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_table,
    ".arrow": _read_table,
}


def _parse(values: Any, origin: str, file: Path) -> Row:
    """A row of any source: `messages` with pictures, or a picture and its LaTeX."""
    if not isinstance(values, dict):
        return Row(origin, (), (), problem="not an object with names")
    document = next((str(values[name]) for name in DOCUMENT_COLUMNS if values.get(name) not in (None, "")), None)
    if document is None and file.name in LABEL_FILES:
        document = str(file.parent) if file.parent.parent.is_dir() else None
    part = next((str(values[name]).lower() for name in PART_COLUMNS if values.get(name)), None)
    is_held_out = None if part is None else part in HELD_OUT_PARTS
    try:
        if isinstance(values.get("messages"), list):
            return _conversation(values, origin, file.parent, document, is_held_out)
        image = next((values[name] for name in IMAGE_COLUMNS if values.get(name) not in (None, "", [])), None)
        latex = next((values[name] for name in LATEX_COLUMNS if isinstance(values.get(name), str)), None)
        if isinstance(image, list):
            image = image[0]
        if image is None:
            return Row(origin, (), (), document, is_held_out, f"no picture (none of {', '.join(IMAGE_COLUMNS)})")
        if not latex or not latex.strip():
            return Row(origin, (), (), document, is_held_out, f"no LaTeX (none of {', '.join(LATEX_COLUMNS)})")
        return _labelled(origin, _picture(image, file.parent), latex, document, is_held_out)
    except ValueError as error:
        return Row(origin, (), (), document, is_held_out, str(error))


def _labelled(origin: str, picture: Path | bytes, latex: str, document: str | None, is_held_out: bool | None) -> Row:
    from docproc.prompt import conversation

    return Row(origin, tuple(conversation(latex)), (picture,), document, is_held_out)


def _conversation(
    values: dict[str, Any], origin: str, folder: Path, document: str | None, is_held_out: bool | None
) -> Row:
    """A chat; pictures stand in the messages, or in `images` beside them."""
    beside = values.get("images") or values.get("image") or []
    waiting = list(beside if isinstance(beside, list) else [beside])
    pictures: list[Path | bytes] = []
    messages = []
    for message in values["messages"]:
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant"):
            raise ValueError("a message without a role (system, user or assistant)")
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list):
            raise ValueError("a message without content")
        kept: list[dict[str, Any]] = []
        for part in parts:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind in ("image", "image_url"):
                # Hugging Face's Arrow files give every part all keys, with null where they do not apply.
                found = next((part[k] for k in ("image", "image_url", "path", "url") if part.get(k) is not None), None)
                if found is None:
                    if not waiting:
                        raise ValueError("fewer pictures than the messages show")
                    found = waiting.pop(0)
                pictures.append(_picture(found, folder))
                kept.append({"type": "image"})
            elif kind == "text" and isinstance(part.get("text"), str):
                kept.append({"type": "text", "text": part["text"]})
            else:
                raise ValueError("a part of a message that is neither text nor a picture")
        messages.append({"role": message["role"], "content": kept})
    if not pictures:
        raise ValueError("no picture in the conversation")
    return Row(origin, tuple(_with_our_prompt(messages)), tuple(pictures), document, is_held_out)


def _with_our_prompt(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A plain question about one picture is asked in docproc's words, as `docproc run` will ask it."""
    roles = [m["role"] for m in messages if m["role"] != "system"]
    if roles != ["user", "assistant"]:
        return messages
    question = [{"type": "image"} for part in messages[-2]["content"] if part["type"] == "image"]
    return [{"role": "user", "content": [*question, {"type": "text", "text": PROMPT}]}, messages[-1]]


def _picture(value: Any, folder: Path) -> Path | bytes:
    """A path beside the data file, bytes, Hugging Face's {bytes, path}, or a data URI."""
    if isinstance(value, dict):
        if value.get("bytes"):
            return bytes(value["bytes"])
        value = value.get("path") or value.get("url")
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("a picture that is neither a path nor data")
    if value.startswith("data:"):
        try:
            return base64.b64decode(value.partition(",")[2], validate=True)
        except ValueError as error:
            raise ValueError("a picture in broken base64") from error
    if value.startswith(("http://", "https://")):
        raise ValueError("a picture on the network; fetch it first, docproc works offline")
    return folder / value.removeprefix("file://")
