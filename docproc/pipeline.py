"""The stages in order: files → pages → regions → LaTeX → checked formulas → database and Markdown.

Page processes find the formulas of some pages while the recognizer reads those of the pages before and this process
judges and stores those before these. Crops are gathered over a window of pages, whatever documents these belong to, so
that batches are full although a page has few formulas. Windows are cut at fixed places of the run: a run that was
killed and started again reads the same batches as an undisturbed one, so that its rows come out the same to the last
digit.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.spawn import get_preparation_data
from pathlib import Path
from typing import TYPE_CHECKING

from docproc.database import check_whole
from docproc.documents import expand_inputs, file_sha256, path_text
from docproc.errors import ExitCode, OutputError
from docproc.finding import DocumentFacts, DocumentTask, PageTask, work
from docproc.heap import hold_freed_memory, return_freed_memory
from docproc.output_lock import only_run
from docproc.read_ahead import ReadAhead, Underway
from docproc.records import Failure, FoundPage
from docproc.store import FormulaStore
from docproc.trace import Trace
from docproc.workers import Budget, Lost, WorkerPool, worker_count

if TYPE_CHECKING:
    from docproc.options import RunOptions
    from docproc.progress import Progress
    from docproc.ray_workers import RayPool
    from docproc.recognition import RunRecognizer
    from docproc.records import DocumentState

# Pages whose crops are read together: some 200 crops of a textbook fill a CPU's batches of 32 well.
PAGES_PER_WINDOW = 16
# Windows whose pages are being found while others are read.
WINDOWS_AHEAD = 2
# Windows between the recognizer and the database: one is judged while the next is read and another waits its turn, so
# that the recognizer never waits. A kill loses the reading of these.
WINDOWS_READ = 2


@dataclass(slots=True)
class RunSummary:
    """What a run did; `exit_code` is the command's."""

    documents: int = 0
    skipped: int = 0
    """Documents that an earlier run had finished."""
    pages: int = 0
    formulas: Counter[str] = field(default_factory=Counter)
    """By status."""
    failures: list[Failure] = field(default_factory=list)
    has_read: bool = False
    """Whether any page could be read, in this run or an earlier one of the same documents."""
    elapsed_seconds: float = 0.0
    outputs: list[Path] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """OK, PARTIAL, or NO_INPUT where not a page could be read."""
        if not self.failures:
            return ExitCode.OK
        return ExitCode.PARTIAL if self.has_read else ExitCode.NO_INPUT

    def line(self, output: Path) -> str:
        """One line for a person."""
        count = sum(self.formulas.values())
        states = ", ".join(f"{number} {status}" for status, number in sorted(self.formulas.items()))
        seconds = max(self.elapsed_seconds, 1e-9)
        parts = [_counted(self.documents, "document"), _counted(self.pages, "page")]
        parts.append(_counted(count, "formula") + (f" ({states})" if count else ""))
        if self.skipped:
            parts.append(f"{_counted(self.skipped, 'document')} done before")
        if self.failures:
            parts.append(f"{_counted(len(self.failures), 'failure')} (docproc failures -d {output / 'docproc.db'})")
        rates = f"{seconds:.1f} s: {self.pages / seconds:.2f} pages/s, {count / seconds:.2f} formulas/s"
        return f"{', '.join(parts)} in {rates}."


@dataclass(slots=True)
class _Document:
    facts: DocumentFacts
    state: DocumentState
    unfinished: set[int]
    budget: Budget
    has_failed: bool = False
    is_late: bool = False
    """Whether its time is spent; said once, however many pages are left."""
    said: set[str] = field(default_factory=set)
    """Why pages failed; what holds for many is said once."""


@dataclass(slots=True)
class _PlannedPage:
    document: _Document
    number: int
    found: Future[FoundPage | Failure | Lost] | None = None
    """None while it is not handed to a page process, or if its window is finished."""


@dataclass(frozen=True, slots=True)
class _WindowRead:
    """A window whose crops are read and judged."""

    pages: list[_PlannedPage]
    results: list[FoundPage | Failure]
    keys: Collection[str]
    """Hashes of its crops."""
    underway: Underway


def run(paths: Sequence[Path], options: RunOptions, recognizer: RunRecognizer, progress: Progress) -> RunSummary:
    """Digitize documents: the main job.

    Args:
        paths: Files and folders.
        options: See `RunOptions`.
        recognizer: Reads the crops.
        progress: Is told of every page.

    Returns:
        What was done; pages and files that failed are in it, the rest is stored.

    Raises:
        OutputError: The output folder or database cannot be written.
        RuntimeError: A script calls it outside `if __name__ == "__main__":`, so that page processes call it again.
    """
    begun = time.monotonic()
    get_preparation_data("")  # raises in a process that is still importing the script it was started from
    hold_freed_memory()
    summary = RunSummary()
    files, missing = expand_inputs(paths)
    _make_folder(options.output)
    with (
        Trace(options.trace, begun) as trace,
        only_run(options.output, progress.say),
        FormulaStore.open(options.output / "docproc.db") as store,
        _pool(options, trace) as pool,
        ReadAhead(trace.watch(recognizer), options.batch_size) as ahead,
    ):
        check_whole(store.connection, store.path)
        for failure in missing:
            _note(failure, summary, store, progress)
        windows = _windows(_pages(files, options, recognizer.name, store, pool, summary, progress))
        found: deque[list[_PlannedPage]] = deque()
        read: deque[_WindowRead] = deque()

        def advance() -> None:
            """Judge the oldest window, let another one be read, store the oldest."""
            if read:
                read[0].underway.advance()
            if found:
                window = found.popleft()
                if window[0].found is not None:
                    underway = {key for one in read for key in one.keys}
                    read.append(_begin_window(window, options, recognizer.name, ahead, store, underway))
            if len(read) > (WINDOWS_READ if found else 0):
                _store_window(read.popleft(), options, store, summary, progress)

        for window in windows:
            found.append(_hand_out(window, options, pool))
            if window[0].found is not None:
                ahead.load()  # while the first pages are found
            if len(found) > WINDOWS_AHEAD:
                advance()
        while found or read:
            advance()
    summary.elapsed_seconds = time.monotonic() - begun
    if options.trace is not None:
        progress.say(trace.line())
    return summary


def _pages(
    files: Sequence[Path],
    options: RunOptions,
    model: str,
    store: FormulaStore,
    pool: WorkerPool | RayPool,
    summary: RunSummary,
    progress: Progress,
) -> Iterator[_PlannedPage]:
    """Yield every page that was asked for, finished or not, document by document."""
    looks: deque[tuple[Path, Budget, Future[DocumentFacts | Failure | Lost]]] = deque()
    finished = {path for path in files if _is_finished(path, options, model, store)}
    summary.skipped, summary.has_read = len(finished), bool(finished)
    waiting = deque(path for path in files if path not in finished)
    while waiting or looks:
        while waiting and len(looks) <= PAGES_PER_WINDOW:
            path = waiting.popleft()
            budget = Budget.of_document(options.document_timeout)
            looks.append((path, budget, pool.submit(DocumentTask(path, options.pages, options.find), budget)))
        path, budget, look = looks.popleft()
        facts = look.result()
        if isinstance(facts, Lost):  # one page may be the reason: it costs only itself if nobody looks into pages now
            facts = pool.submit(DocumentTask(path, options.pages, options.find, is_cautious=True), budget).result()
        if isinstance(facts, Lost):
            facts = Failure("open", str(path), f"{path} could not be opened: {facts.reason}.")
        if isinstance(facts, Failure):
            _note(facts, summary, store, progress)
            continue
        state = store.begin_document(
            facts.name,
            facts.sha256,
            facts.media_type,
            facts.page_count,
            facts.title or path.stem,
            options.options_hash(model),
        )
        if facts.damage:
            _note(Failure("open", facts.name, facts.damage), summary, store, progress)
        unfinished = set(facts.numbers) - state.finished_pages
        summary.has_read |= bool(state.finished_pages)
        document = _Document(facts, state, unfinished, budget, has_failed=bool(facts.damage))
        if not unfinished:
            summary.skipped += 1
            # Killed between its last page and its Markdown, or corrected since that was written.
            if not state.is_finished or store.has_new_reviews(state.id):
                _finish_document(document, options, store, summary)
            continue
        summary.documents += 1
        progress.add_pages(len(unfinished))
        for number in facts.numbers:
            if budget.left_seconds <= 0:
                _give_up(document, number, options, store, summary, progress)
                break
            yield _PlannedPage(document, number)


def _give_up(
    document: _Document, number: int, options: RunOptions, store: FormulaStore, summary: RunSummary, progress: Progress
) -> None:
    """The document's time is spent before page `number` was begun: it and those behind it fail together."""
    rest = {other for other in document.unfinished if other >= number}
    if not rest:
        return
    name = document.facts.name
    which = f"{len(rest):,} pages of {name} from page {min(rest):,} on were not read"
    _note(Failure("find", name, f"{which}: {document.budget.spent_reason}."), summary, store, progress)
    document.has_failed = document.is_late = True
    document.unfinished -= rest
    if not document.unfinished:
        _finish_document(document, options, store, summary)


def _is_finished(path: Path, options: RunOptions, model: str, store: FormulaStore) -> bool:
    """Whether an earlier run has done the whole document: its hash tells, without opening it."""
    if not store.has_finished_documents() or not path.is_file():
        return False
    try:
        sha256 = file_sha256(path)
    except OSError:
        return False  # opening it says why
    return store.take_up_finished(path_text(path), sha256, options.options_hash(model))


def _windows(pages: Iterator[_PlannedPage]) -> Iterator[list[_PlannedPage]]:
    """Cut the run into windows at fixed places."""
    window: list[_PlannedPage] = []
    for page in pages:
        window.append(page)
        if len(window) == PAGES_PER_WINDOW:
            yield window
            window = []
    if window:
        yield window


def _hand_out(window: list[_PlannedPage], options: RunOptions, pool: WorkerPool | RayPool) -> list[_PlannedPage]:
    """Give a window's pages to the page processes, all of them if any is unfinished."""
    if any(page.number in page.document.unfinished for page in window):
        for page in window:
            facts = page.document.facts
            task = PageTask(
                facts.path, page.number, facts.statistics, options.find, stamp=facts.stamp, sha256=facts.sha256
            )
            page.found = pool.submit(task, page.document.budget)
    return window


def _begin_window(
    window: list[_PlannedPage],
    options: RunOptions,
    model: str,
    ahead: ReadAhead,
    store: FormulaStore,
    underway: Collection[str],
) -> _WindowRead:
    """Wait for the pages of a window and let their crops be read, except those that are underway before them."""
    from docproc.formulas import PageCrops, ask_for_formulas

    results = [_result(page) for page in window]
    read = [(page, result) for page, result in zip(window, results, strict=True) if isinstance(result, FoundPage)]
    places = [(page.document.state.id, page.number) for page, _ in read]
    crops = PageCrops([result for _, result in read])
    keeps = options.recompute == "low-confidence"
    asking = ask_for_formulas(crops, places, model, store, keeps_confident=keeps, underway=underway)
    return _WindowRead(window, results, crops.pictures.keys(), ahead.begin(asking))


def _store_window(
    one: _WindowRead, options: RunOptions, store: FormulaStore, summary: RunSummary, progress: Progress
) -> None:
    """Store the unfinished pages of a window in their order."""
    read = iter(one.underway.rows())
    for page, result in zip(one.pages, one.results, strict=True):
        rows = next(read) if isinstance(result, FoundPage) else None
        if page.number not in page.document.unfinished:
            continue
        document_id = page.document.state.id
        if isinstance(result, FoundPage) and rows is not None:
            formulas, failures = rows
            if result.damage:
                reason = f"Page {page.number} of {result.document}: {result.damage}."
                failures = [Failure("render", result.document, reason, page.number), *failures]
            store.write_page(document_id, result, formulas, failures)
            summary.has_read = True
            for failure in failures:
                _report(failure, summary, progress)
            summary.formulas.update(formula.status.value for formula in formulas)
            progress.page_done(len(formulas))
        elif isinstance(result, Failure):
            is_late = page.document.budget.spent_reason in result.reason
            is_said = (is_late and page.document.is_late) or result.reason in page.document.said
            _report(result, summary, progress, is_said=is_said)
            page.document.is_late |= is_late
            page.document.said.add(result.reason)
            store.fail_page(document_id, page.number, result)
            progress.page_done(0)
        summary.pages += 1
        page.document.has_failed |= not isinstance(result, FoundPage) or bool(failures)
        page.document.unfinished.discard(page.number)
        if not page.document.unfinished:
            _finish_document(page.document, options, store, summary)
    return_freed_memory()


def _result(page: _PlannedPage) -> FoundPage | Failure:
    assert page.found is not None
    result = page.found.result()
    if isinstance(result, Lost):
        name = page.document.facts.name
        return Failure("find", name, f"Page {page.number} of {name} could not be read: {result.reason}.", page.number)
    return result


def _finish_document(document: _Document, options: RunOptions, store: FormulaStore, summary: RunSummary) -> None:
    """Write the Markdown, then mark the document as done, so that a kill between the two repeats the writing."""
    from docproc.output import write_markdown

    summary.outputs.append(write_markdown(store, document.state.id, options))
    store.finish_document(document.state.id, "partial" if document.has_failed else "finished")


def _note(failure: Failure, summary: RunSummary, store: FormulaStore, progress: Progress) -> None:
    _report(failure, summary, progress)
    store.record_failure(failure)


def _report(failure: Failure, summary: RunSummary, progress: Progress, *, is_said: bool = False) -> None:
    summary.failures.append(failure)
    if not is_said:
        progress.say(f"Error: {failure.reason}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The output folder {output} cannot be made: {error.strerror}. Choose another with -o."
        ) from error


def _pool(options: RunOptions, trace: Trace) -> WorkerPool | RayPool:
    if options.ray is not None:
        from docproc.ray_workers import RayPool

        return RayPool(work, options, trace.add_task)
    return WorkerPool(
        work,
        worker_count(options.workers),
        timeout_seconds=options.page_timeout,
        memory_bytes=options.page_memory_bytes,
        observe=trace.add_task,
    )
