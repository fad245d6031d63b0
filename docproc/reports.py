"""What `docproc failures` and `docproc info` tell."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docproc import __version__
from docproc.errors import OutputError
from docproc.records import Failure, Status
from docproc.reference_report import numbered_twice, numbers_out_of_sequence, unresolved_references
from docproc.sandbox import isolation

if TYPE_CHECKING:
    from docproc.records import StoredFormula
    from docproc.store import FormulaStore

PACKAGES = ("torch", "transformers", "pymupdf", "opencv-python-headless", "rapidocr", "onnxruntime", "quickjs-ng")
SOURCES = Path(__file__).parent / "model" / "sources.json"
DOUBTFUL = frozenset({Status.SUSPECT, Status.INVALID, Status.FAILED})


def failure_rows(store: FormulaStore) -> list[dict[str, Any]]:
    """Everything that failed, every formula that is doubtful, the least sure first, and numbers that do not fit."""
    rows = [_failure_row(failure) for failure in store.failures()]
    paths = store.document_paths()
    doubtful = [(paths[f.document_id], f) for f in store.formulas_with_status(DOUBTFUL)]
    rows += [_doubt_row(path, formula) for path, formula in doubtful]
    for document_id, path in paths.items():
        doubled = numbered_twice(store, document_id)
        rows += [_number_row(path, None, f"{count} formulas have the number ({number})") for number, count in doubled]
        rows += [_number_row(path, page, words) for page, words in numbers_out_of_sequence(store, document_id)]
        unresolved = unresolved_references(store, document_id)
        rows += [_number_row(path, page, f"no formula has the number ({label})") for page, label in unresolved]
    return rows


def retry_command(store: FormulaStore) -> str | None:
    """The command that tries again what failed, or None if nothing did."""
    documents = sorted({failure.document for failure in store.failures()})
    if not documents:
        return None
    return f"docproc run -o {shlex.quote(str(store.path.parent))} -- {shlex.join(documents)}"


def information(database: Path) -> dict[str, Any]:
    """Versions, device, model with the sources it was trained on, and what the database holds."""
    import torch

    from docproc.checkpoints import BUILT_IN, model_name

    device = "cpu"
    if torch.cuda.is_available():
        device = f"cuda: {torch.cuda.get_device_name()}"
    facts: dict[str, Any] = {
        "docproc": __version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        **{name: _version(name) for name in PACKAGES},
        "device": f"{device}, {torch.get_num_threads()} CPU threads",
        "page processes": isolation(),
        "model": model_name(BUILT_IN),
        "model sources": _sources(SOURCES),
        "database": _database(database),
    }
    return facts


def _failure_row(failure: Failure) -> dict[str, Any]:
    return {
        "what": f"{failure.stage} failed",
        "id": None,
        "document": failure.document,
        "page": failure.page_number,
        "position": failure.position,
        "confidence": None,
        "reason": failure.reason,
        "latex": None,
    }


def _doubt_row(path: str, stored: StoredFormula) -> dict[str, Any]:
    formula = stored.formula
    return {
        "what": formula.status.value,
        "id": stored.id,
        "document": path,
        "page": stored.page_number,
        "position": formula.position,
        "confidence": formula.confidence,
        "reason": "; ".join(formula.problems) or f"ended by {formula.stop_reason}",
        "latex": stored.best_latex,
    }


def _number_row(path: str, page: int | None, reason: str) -> dict[str, Any]:
    return {
        "what": "equation number",
        "id": None,
        "document": path,
        "page": page,
        "position": None,
        "confidence": None,
        "reason": reason,
        "latex": None,
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _sources(file: Path) -> list[str]:
    """One line a source of the built-in model's training data, with its licence."""
    rows = json.loads(file.read_text(encoding="utf-8"))
    return [f"{row['source']}: {row['licence']}" for row in rows]


def _database(path: Path) -> list[str]:
    from docproc.database import check_whole
    from docproc.store import FormulaStore

    if not path.exists():
        return [f"{path}: not there yet"]
    try:
        with FormulaStore.open(path, read_only=True) as store:
            check_whole(store.connection, path, most_bytes=None)
            summary = store.summary()
    except OutputError as error:
        return [str(error)]
    counts = [
        f"{name} {sum(values.values())}" + (f" ({', '.join(f'{n} {v}' for v, n in values.items())})" if values else "")
        for name, values in (("documents", summary.documents), ("pages", summary.pages), ("formulas", summary.formulas))
    ]
    return [str(path), *counts, f"failures {summary.failures}"]
