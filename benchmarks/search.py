"""How well and how fast formulas are found: re-spelled, renamed, parts of formulas, one symbol off, wildcards, words.

    python -m benchmarks.search [--formulas FILE ...] [--count 300000] [--queries 150] [--keep FOLDER]

The formulas are put into a database as a run puts them there, sixty a page, with generated prose around them. Beside
docproc's search stands plain full-text search of SQLite in the same table: the tokens of the query joined by OR,
ranked by BM25. Without `--formulas` the formulas of samples/ are used: enough to try things.
"""

from __future__ import annotations

import json
import lzma
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.search_queries import KnownQuery, make_queries, numbered
from docproc.formula_rows import rebuild_indexes
from docproc.fulltext import index_tokens, index_words, search_key
from docproc.latex.canonical import canonical
from docproc.latex.tokens import split_latex
from docproc.query import STOP_WORDS
from docproc.records import Box, Formula, FormulaKind, FoundPage, PageKind, Status
from docproc.search import search
from docproc.store import FormulaStore
from finetune.pretrain.prose_source import ProseSource

SAMPLES = Path(__file__).parent.parent / "samples"
TOP = 10
PER_PAGE = 60
PAGES = 100
Ids = list[int]


@click.command()
@click.option("--formulas", type=click.Path(path_type=Path, exists=True), multiple=True, help="JSON Lines, .xz or not.")
@click.option("--count", default=300_000, help="Formulas in the database.")
@click.option("--queries", default=150, help="Queries of each kind.")
@click.option("--seed", default=8, help="Of the sample and the queries.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder of the database: kept, and used again.")
@click.option("--rebuild", is_flag=True, help="Also time making the indexes anew.")
@click.option("--baseline/--no-baseline", default=True, help="Measure plain full-text search too.")
@click.option("--json", "as_json", is_flag=True)
def main(
    formulas: tuple[Path, ...],
    count: int,
    queries: int,
    seed: int,
    keep: Path | None,
    rebuild: bool,
    baseline: bool,
    as_json: bool,
) -> None:
    """Measure quality and time of search."""
    latex = read_formulas(formulas, count, seed)
    with tempfile.TemporaryDirectory() as scratch:
        path = (keep or Path(scratch)) / f"search-{len(latex)}-{seed}.db"
        facts: dict[str, Any] = {"formulas": len(latex)}
        if not path.exists():
            begun = time.perf_counter()
            build(path, latex, seed)
            facts["build_seconds"] = round(time.perf_counter() - begun, 1)
        with FormulaStore.open(path) as store:
            if rebuild:
                begun = time.perf_counter()
                store.connection.execute("BEGIN")
                rebuild_indexes(store.connection)
                store.connection.execute("COMMIT")
                facts["rebuild_seconds"] = round(time.perf_counter() - begun, 1)
            facts |= sizes(store)
        with FormulaStore.open(path, read_only=True) as store:
            rows = []
            for row in measure(store, latex, queries, seed, baseline):
                rows.append(row)
                click.echo("  ".join(f"{name} {value}" for name, value in row.items()), err=as_json)
        facts["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
    if as_json:
        click.echo(json.dumps({**facts, "rows": rows}, indent=2))
        return
    click.echo("  ".join(f"{name} {value}" for name, value in facts.items()))


def read_formulas(files: tuple[Path, ...], count: int, seed: int) -> list[str]:
    """A seeded sample, in the order of the files."""
    latex: list[str] = []
    for file in files or [SAMPLES / "formulas" / "labels.jsonl", *sorted(SAMPLES.glob("*.truth.jsonl"))]:
        with lzma.open(file, "rt") if file.suffix == ".xz" else file.open(encoding="utf-8") as lines:
            latex += [json.loads(line)["latex"] for line in lines]
    if len(latex) > count:
        places = sorted(random.Random(seed).sample(range(len(latex)), count))
        latex = [latex[place] for place in places]
    return latex


def build(path: Path, latex: list[str], seed: int) -> None:
    """Write the database; formula i gets the id i + 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with FormulaStore.open(unfinished) as store:
        for first in range(0, len(latex), PER_PAGE * PAGES):
            part = latex[first : first + PER_PAGE * PAGES]
            number = first // (PER_PAGE * PAGES)
            prose = ProseSource(seed + number, "test")
            name = f"book-{number}.pdf"
            state = store.begin_document(name, name, "application/pdf", PAGES, prose.title(), "benchmark")
            for start in range(0, len(part), PER_PAGE):
                page = FoundPage(name, start // PER_PAGE + 1, 595, 842, 0, PageKind.BORN_DIGITAL, (), ())
                found = [_formula(i, text, prose) for i, text in enumerate(part[start : start + PER_PAGE], 1)]
                store.write_page(state.id, page, found)
    unfinished.rename(path)


def _formula(position: int, latex: str, prose: ProseSource) -> Formula:
    return Formula(
        kind=FormulaKind.DISPLAY if len(latex) > 40 else FormulaKind.INLINE,
        position=position,
        box=Box(50, 12 * position, 300, 12 * position + 10),
        latex=canonical(latex),
        latex_raw=latex,
        status=Status.OK,
        confidence=0.9,
        stop_reason="end",
        model="benchmark",
        image_sha256="",
        text_before=prose.sentence(0)[-120:],
        text_after=prose.sentence(0)[:120],
    )


def sizes(store: FormulaStore) -> dict[str, float]:
    """MiB of the database and of its two indexes."""
    rows = store.connection.execute("SELECT name, sum(pgsize) / 1048576.0 FROM dbstat GROUP BY name").fetchall()

    def of(*prefixes: str) -> float:
        return round(sum(size for name, size in rows if name.startswith(prefixes)), 1)

    return {
        "database_mib": of(""),
        "full_text_mib": of("formulas_fts"),
        "trees_mib": of("formula_trees", "idx_formula_trees"),
        "paths_mib": of("formula_paths"),
    }


def measure(store: FormulaStore, latex: list[str], count: int, seed: int, baseline: bool) -> Iterator[dict[str, Any]]:
    """A row for each kind of query and each way to search."""
    keys = [search_key(text) for text in latex]
    tokens = [split_latex(key) for key in keys]
    judge = Judge(keys, tokens)
    queries = make_queries(latex, count, seed)
    yield {"queries": "words", "by": "docproc", **time_words(store, count, seed)}
    for kind in dict.fromkeys(query.kind for query in queries):
        own = [query for query in queries if query.kind == kind]
        for name, find in (("docproc", find_docproc), ("FTS5 tokens", find_tokens)):
            if find is find_docproc or (baseline and kind != "wildcard"):
                yield {"queries": kind, "by": name, **score(store, own, find, judge)}


class Judge:
    """Which formulas answer a query."""

    def __init__(self, keys: list[str], tokens: list[list[str]]) -> None:
        self._keys = keys
        self._texts = [f" {' '.join(part)} " for part in tokens]
        self._same: dict[str, set[int]] = {}
        self._numbered: dict[str, set[int]] = {}
        for i, key in enumerate(keys):
            self._same.setdefault(key, set()).add(i + 1)
            self._numbered.setdefault(numbered(tokens[i]), set()).add(i + 1)

    def answers(self, query: KnownQuery) -> set[int]:
        """Ids; the formula that the query was made from is one of them."""
        same = self._same[self._keys[query.source]]
        if query.kind == "renamed":
            return same | self._numbered.get(numbered(split_latex(search_key(query.text))), set())
        if query.kind == "sub-expression":
            part = f" {' '.join(split_latex(search_key(query.text)))} "
            return same | {i for i, text in enumerate(self._texts, 1) if part in text}
        return same


def score(
    store: FormulaStore, queries: list[KnownQuery], find: Callable[[FormulaStore, str], Ids], judge: Judge
) -> dict[str, Any]:
    """Recall among the first ten, mean reciprocal rank, and milliseconds."""
    recalls, ranks, clock = [], [], Clock()
    for query in queries:
        with clock:
            ids = find(store, query.text)
        right = judge.answers(query)
        recalls.append(len(right & set(ids)) / min(TOP, len(right)))
        ranks.append(next((1 / place for place, i in enumerate(ids, 1) if i in right), 0.0))
    return {
        "n": len(queries),
        "recall@10": round(statistics.fmean(recalls), 3),
        "MRR": round(statistics.fmean(ranks), 3),
        **clock.milliseconds(),
    }


def find_docproc(store: FormulaStore, text: str) -> Ids:
    """As `docproc search '$…$' -n 10` does."""
    return [hit.formula_id for hit in search(store, f"${text}$", TOP)]


def find_tokens(store: FormulaStore, text: str) -> Ids:
    """Plain full-text search for the tokens of the query as it is typed."""
    terms = " OR ".join(f'"{token}"' for token in dict.fromkeys(index_tokens(text)))
    sql = "SELECT rowid FROM formulas_fts WHERE formulas_fts MATCH ? ORDER BY rank LIMIT ?"
    return [row[0] for row in store.connection.execute(sql, (f"tokens : ({terms})", TOP))]


def time_words(store: FormulaStore, count: int, seed: int) -> dict[str, Any]:
    """Milliseconds of queries of two or three words that stand beside a formula."""
    rng = random.Random(seed)
    (last,) = store.connection.execute("SELECT max(id) FROM formulas").fetchone()
    clock, found = Clock(), 0
    for _ in range(count):
        formula_id = rng.randint(1, last)
        (text,) = store.connection.execute("SELECT text_before FROM formulas WHERE id = ?", (formula_id,)).fetchone()
        words = [word for word in index_words(text) if word not in STOP_WORDS and len(word) > 3] or ["theorem"]
        query = " ".join(rng.sample(words, min(len(words), rng.choice((2, 2, 3)))))
        with clock:
            found += bool(search(store, query, TOP))
    return {"n": count, "with answers": found, **clock.milliseconds()}


class Clock:
    """Times of a `with` block: by the wall, and of the processor, which other work on the machine does not lengthen."""

    def __init__(self) -> None:
        self._wall: list[float] = []
        self._processor: list[float] = []
        self._begun = (0.0, 0.0)

    def __enter__(self) -> None:
        self._begun = (time.perf_counter(), time.process_time())

    def __exit__(self, *_: object) -> None:
        self._wall.append((time.perf_counter() - self._begun[0]) * 1000)
        self._processor.append((time.process_time() - self._begun[1]) * 1000)

    def milliseconds(self) -> dict[str, float]:
        """Median and 95th percentile."""
        facts: dict[str, float] = {}
        for name, times in (("ms", self._wall), ("cpu_ms", self._processor)):
            cuts = statistics.quantiles(times, n=20) if len(times) > 1 else times * 19
            facts |= {f"p50_{name}": round(statistics.median(times), 1), f"p95_{name}": round(cuts[18], 1)}
        return facts


if __name__ == "__main__":
    main()
