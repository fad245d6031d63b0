"""From labelled rows to training and held-out examples: everything is checked before the first step.

What passes is written to `<output>/data` as grey pictures named by their content and two JSON Lines files, so that a
resumed run sees the same data and `docproc evaluate` can score the held-out part again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from docproc.errors import InputError
from docproc.pictures import read_picture
from finetune.labels import LabelError
from finetune.readers import Row

PICTURE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
# A character needs about 8 pixels; a speck is no formula, and a page is no crop.
SMALLEST_SIDE_PX, LARGEST_PIXELS = 4, 4_000_000
TRAIN_FILE, HELD_OUT_FILE, KEEP_FILE, LEFT_OUT_FILE = "train.jsonl", "held-out.jsonl", "keep.jsonl", "left-out.csv"


@dataclass(frozen=True, slots=True)
class Example:
    """One checked conversation; its pictures lie in the data folder."""

    messages: tuple[dict[str, Any], ...]
    """Chat format; the assistant's texts are as the model should write them."""
    pictures: tuple[Path, ...]
    latex: str
    """The first answer, as it is scored."""
    document: str
    origin: str

    @property
    def is_scored(self) -> bool:
        """Whether recognition can be asked this: one picture, one answer."""
        return len(self.pictures) == 1 and sum(m["role"] == "assistant" for m in self.messages) == 1


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is not used, and why."""

    origin: str
    reason: str


@dataclass(frozen=True, slots=True)
class CheckedData:
    """What a run trains on and is scored on."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    keep: tuple[Example, ...]
    left_out: tuple[LeftOut, ...]
    sha256: str
    """Over the pictures and answers of all parts."""
    is_split_by_document: bool = True

    def reasons(self) -> dict[str, int]:
        """How many rows were left out for each reason, most frequent first."""
        return dict(Counter(row.reason for row in self.left_out).most_common())


class LabelChecker(Protocol):
    """Turns an answer into what the model should write; see labels.Labels."""

    def prepare(self, text: str) -> str:
        """The answer in the model's spelling; raises LabelError."""
        ...


def check_data(
    rows: Iterable[Row],
    held_out_rows: Iterable[Row],
    keep_rows: Iterable[Row],
    labels: LabelChecker,
    folder: Path,
    *,
    held_out_share: float,
    seed: int,
) -> CheckedData:
    """Check every row, split by document and write the result.

    Args:
        rows: Data to train on; part of it is held out unless `held_out_rows` has any, or rows say so themselves.
        held_out_rows: Data to score on.
        keep_rows: Data the model reads well already.
        labels: Checks and spells the answers.
        folder: Made anew.
        held_out_share: Share of the rows that is held out, whole documents at a time.
        seed: Of the split.

    Raises:
        InputError: Nothing is left to train on or to score on.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pictures").mkdir(parents=True)
    checker = _Checker(labels, folder)
    # What is for scoring goes first: a picture that occurs in both parts is kept out of the training.
    held_out = [e for row in held_out_rows if (e := checker.check(row)) is not None]
    waiting = []
    for row in rows:
        if row.is_held_out:
            held_out += [e] if (e := checker.check(row)) is not None else []
        else:
            waiting.append(row)
    checker.part = "training"
    train = [e for row in waiting if (e := checker.check(row)) is not None]
    is_split_by_document = True
    if not held_out:
        train, held_out, is_split_by_document = _split(train, held_out_share, seed)
    checker.part = "keep"
    keep = [e for row in keep_rows if (e := checker.check(row)) is not None]
    if not train:
        reasons = Counter(row.reason for row in checker.left_out).most_common(3)
        why = "; ".join(f"{count} × {reason}" for reason, count in reasons)
        raise InputError(f"No row of the data can be trained on: {why or 'there are none'}.")
    _write_examples(folder / TRAIN_FILE, train)
    _write_examples(folder / HELD_OUT_FILE, held_out)
    _write_examples(folder / KEEP_FILE, keep)
    with (folder / LEFT_OUT_FILE).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("row", "reason"), *((row.origin, row.reason) for row in checker.left_out)])
    return CheckedData(
        tuple(train),
        tuple(held_out),
        tuple(keep),
        tuple(checker.left_out),
        _hash(train, held_out, keep),
        is_split_by_document,
    )


def load_checked(folder: Path) -> CheckedData:
    """Read what `check_data` wrote, for a run that goes on.

    Raises:
        InputError: A file is missing or damaged.
    """
    try:
        parts = [_read_examples(folder / name) for name in (TRAIN_FILE, HELD_OUT_FILE, KEEP_FILE)]
        with (folder / LEFT_OUT_FILE).open(encoding="utf-8", newline="") as file:
            left_out = tuple(LeftOut(*row) for row in list(csv.reader(file))[1:])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} is damaged ({error}). Start the run anew, without --resume.") from error
    train, held_out, keep = (tuple(part) for part in parts)
    return CheckedData(train, held_out, keep, left_out, _hash(train, held_out, keep))


def load_picture(path: Path) -> np.ndarray:
    """A picture of the data folder: grey uint8 of shape (height, width), 0 = ink."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


class _Checker:
    """Checks rows one by one and remembers what it saw."""

    def __init__(self, labels: LabelChecker, folder: Path) -> None:
        self.left_out: list[LeftOut] = []
        self.part = "held-out"
        self._labels, self._folder = labels, folder
        self._seen: dict[str, tuple[str, str]] = {}

    def check(self, row: Row) -> Example | None:
        try:
            return self._check(row)
        except (LabelError, InputError, _UnusableError) as error:
            self.left_out.append(LeftOut(row.origin, str(error).rstrip(".")))
            return None

    def _check(self, row: Row) -> Example:
        if row.problem:
            raise _UnusableError(row.problem)
        messages, answers = [], []
        for message in row.messages:
            if message["role"] == "assistant":
                text = self._labels.prepare("".join(part.get("text", "") for part in message["content"]))
                answers.append(text)
                messages.append({"role": "assistant", "content": [{"type": "text", "text": text}]})
            else:
                messages.append(message)
        if not answers or row.messages[-1]["role"] != "assistant":
            raise _UnusableError("no answer")
        pictures = [_grey(source) for source in row.pictures]
        names = [hashlib.sha256(repr(p.shape).encode() + p.tobytes()).hexdigest() for p in pictures]
        key = " ".join(names)
        if key in self._seen:
            part, answer = self._seen[key]
            if part != self.part:
                raise _UnusableError(f"its picture is in the {part} part")
            raise _UnusableError("a duplicate" if answer == answers[0] else "a duplicate with another answer")
        self._seen[key] = (self.part, answers[0])
        paths = [self._folder / "pictures" / f"{name[:32]}.png" for name in names]
        for path, picture in zip(paths, pictures, strict=True):
            _write_png(path, picture)
        return Example(tuple(messages), tuple(paths), answers[0], row.document or row.origin, row.origin)


class _UnusableError(Exception):
    """A row that cannot be used."""


def _grey(source: Path | bytes) -> np.ndarray:
    """Open, turn upright and convert a picture; raises InputError or _UnusableError."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, Path) and not source.is_file():
        raise _UnusableError("its picture does not exist")
    data = source if isinstance(source, bytes) else source.read_bytes()
    if not data:
        raise _UnusableError("its picture is empty (0 bytes)")
    try:
        picture = Image.open(io.BytesIO(data), formats=PICTURE_FORMATS)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _UnusableError("its picture cannot be opened") from error
    with picture:
        width, height = picture.size
        if width * height > LARGEST_PIXELS:
            raise _UnusableError(
                f"its picture has over {LARGEST_PIXELS // 1_000_000} million pixels: a page, not a formula"
            )
        try:
            grey, _ = read_picture(picture, 0, "the picture")
        except InputError as error:
            raise _UnusableError("its picture is broken") from error
    if min(grey.shape) < SMALLEST_SIDE_PX:
        raise _UnusableError(f"its picture is less than {SMALLEST_SIDE_PX} pixels high or wide")
    if int(grey.max()) - int(grey.min()) < 16:
        raise _UnusableError("its picture is blank")
    return grey


def _split(examples: list[Example], share: float, seed: int) -> tuple[list[Example], list[Example], bool]:
    """Hold out about `share` of the examples: whole documents, or single rows where there is but one document."""
    documents = sorted({e.document for e in examples})
    is_by_document = len(documents) > 1

    def key(e: Example) -> str:
        return e.document if is_by_document else e.origin

    sizes = Counter(key(e) for e in examples)
    order = sorted(sizes)
    random.Random(seed).shuffle(order)
    wanted = round(share * len(examples))
    taken: set[str] = set()
    count = 0
    for name in order:
        # A document that would double the held-out part is left to the training, as long as there are others.
        if count < wanted and count + sizes[name] <= max(wanted * 2, 1) and len(taken) + 1 < len(order):
            taken.add(name)
            count += sizes[name]
    return [e for e in examples if key(e) not in taken], [e for e in examples if key(e) in taken], is_by_document


def _hash(*parts: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        lines = sorted(" ".join(p.stem for p in e.pictures) + json.dumps(e.messages, sort_keys=True) for e in part)
        digest.update(("\n".join(lines) + "\n\n").encode())
    return digest.hexdigest()


def _write_examples(path: Path, examples: Sequence[Example]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for e in examples:
            names = [f"pictures/{p.name}" for p in e.pictures]
            values = {"image": names[0], "latex": e.latex, "document": e.document, "origin": e.origin}
            json.dump({**values, "images": names, "messages": e.messages}, file, ensure_ascii=False)
            file.write("\n")


def _read_examples(path: Path) -> list[Example]:
    examples = []
    for line in path.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        pictures = tuple(path.parent / name for name in values["images"])
        examples.append(
            Example(tuple(values["messages"]), pictures, values["latex"], values["document"], values["origin"])
        )
    return examples


def _write_png(path: Path, grey: np.ndarray) -> None:
    from PIL import Image

    if not path.exists():
        Image.fromarray(grey).save(path)
