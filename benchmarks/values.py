"""Designs of the value index on Spider's training questions: which finds the gold literals?

    n-grams    look-up of all folded word n-grams of the question (txt2sql.execution.values)
    n-grams+   and for words that no match covers: cells that hold or nearly equal the word
    fts5       SQLite FTS5 with trigrams: cells that hold a word of the question, best 200 by BM25,
               kept when enough of their trigrams stand in the question
    rapidfuzz  every distinct cell against the question, kept above a score

All see the same cells (texts of up to 80 characters) and give at most 12 matches. A literal counts
as found when a match equals it, but for case and outer spaces; patterns of LIKE are no cells and are
left out. `ceiling` is the share of literals that are a cell at all. Questions are sampled from
`train` with a seed; building is over all of its databases. All times are processor time. `ours` and
`peer` are mean microseconds per question, the peer being rapidfuzz: the mean, since its time grows
with the cells of the database, and the median hides the large ones.

    python benchmarks/values.py [--data ROOT] [--questions N] [--seed S] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import rapidfuzz
import sqlglot
from rapidfuzz import fuzz, process
from sqlglot import exp

from txt2sql.data.spider import SpiderDataset
from txt2sql.execution.values import MAX_CELL_CHARS
from txt2sql.execution.database import Database
from txt2sql.execution.values import MAX_MATCHES, open_value_index
from txt2sql.execution.names import fold
from txt2sql.types import Example, Schema

# Chosen on 497 other questions of train, among 0.7 to 1.0 and 85 to 100.
FTS5_SHARE = 0.9
RAPIDFUZZ_SCORE = 90.0
CANDIDATES = 200
# The fallback of n-grams+.
TYPO_SCORE = 85.0
MAX_HOLDING = 2

Match = Callable[[str], list[str]]
"""question -> the values of the matches, one for each column that has the value"""

STOPWORDS = frozenset(
    "a about all an and any are as at be by can did do does each every find for from give had has "
    "have how i in into is it its last least less list many me more most name not number of on one "
    "or other show so some such tell than that the their them then there these they this those to "
    "under up use was were what when where which who whom whose why will with without".split()
)


def cells(database: Database) -> Iterator[tuple[str, str, str]]:
    """(table, column, text) of every distinct short text cell, as the index reads them."""
    with closing(database.connect()) as connection:
        for table in database.schema().tables:
            for column in table.columns:
                name = '"' + column.name.replace('"', '""') + '"'
                yield from (
                    (table.name, column.name, value)
                    for (value,) in connection.execute(
                        f'SELECT DISTINCT {name} FROM "{table.name}" '
                        f"WHERE typeof({name}) = 'text' AND length({name}) <= {MAX_CELL_CHARS}"
                    )
                )


def ngrams(database: Database, folder: Path) -> Match:
    """Ours."""
    index = open_value_index(database, folder)
    return lambda question: [match.value for match in index.match(question)]


def ngrams_plus(database: Database, folder: Path) -> Match:
    """Ours, then up to two cells for each word that is neither covered nor a name of the schema."""
    index = open_value_index(database, folder)
    schema = database.schema()
    names = {w for t in schema.tables for w in fold(t.words)}
    names |= {w for t in schema.tables for c in t.columns for w in fold(c.words)}
    holding: dict[str, set[str]] = {}
    known: dict[str, set[str]] = {}
    for _table, _column, value in cells(database):
        words = fold(value)
        known.setdefault(" ".join(words), set()).add(value)
        for word in set(words):
            holding.setdefault(word, set()).add(value)
    keys = [key for key in known if len(key) >= 4]

    def match(question: str) -> list[str]:
        exact = index.match(question)
        covered = {word for item in exact for word in fold(item.span)}
        more: list[str] = []
        for word in fold(question):
            if len(word) < 4 or word in covered or word in STOPWORDS or word in names:
                continue
            found = holding.get(word, set())
            if not found:
                near = process.extractOne(word, keys, scorer=fuzz.ratio, score_cutoff=TYPO_SCORE)
                found = known[near[0]] if near else set()
            if len(found) <= MAX_HOLDING:
                more += sorted(found)
        return [*(item.value for item in exact), *more][:MAX_MATCHES]

    return match


def trigrams(text: str) -> set[str]:
    """Of the folded words, with their boundaries."""
    padded = f" {' '.join(fold(text))} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def fts5(database: Database, folder: Path, share: float = FTS5_SHARE) -> Match:
    """Cells that hold one of the question's words as a substring, then a share of trigrams."""
    file = folder / f"{database.db_id}.fts5"
    exists = file.exists()
    index = sqlite3.connect(file)
    if not exists:
        index.execute(
            "CREATE VIRTUAL TABLE cells "
            "USING fts5(value, tbl UNINDEXED, col UNINDEXED, tokenize = 'trigram')"
        )
        rows = ((value, table, column) for table, column, value in cells(database))
        index.executemany("INSERT INTO cells VALUES (?, ?, ?)", rows)
        index.commit()

    def match(question: str) -> list[str]:
        words = {word for word in fold(question) if len(word) >= 3 and word not in STOPWORDS}
        if not words:
            return []
        rows = index.execute(
            f"SELECT value FROM cells WHERE cells MATCH ? ORDER BY rank LIMIT {CANDIDATES}",
            (" OR ".join(f'"{word}"' for word in sorted(words)),),
        ).fetchall()
        asked = trigrams(question)
        kept = []
        for (value,) in rows:
            own = trigrams(value)
            if len(own & asked) >= share * len(own):
                kept.append(value)
        return sorted(kept, key=len, reverse=True)[:MAX_MATCHES]

    return match


def fuzzy(database: Database, folder: Path, cutoff: float = RAPIDFUZZ_SCORE) -> Match:
    """Every distinct folded cell by partial ratio; spaces around both keep whole words whole."""
    known: dict[str, list[str]] = {}
    for _table, _column, value in cells(database):
        key = " ".join(fold(value))
        if key and key not in STOPWORDS:
            known.setdefault(f" {key} ", []).append(value)
    keys = list(known)

    def match(question: str) -> list[str]:
        asked = f" {' '.join(fold(question))} "
        found = process.extract(
            asked, keys, scorer=fuzz.partial_ratio, score_cutoff=cutoff, limit=CANDIDATES
        )
        best = sorted(found, key=lambda item: (len(item[0]), item[1]), reverse=True)
        return [value for key, *_ in best for value in known[key]][:MAX_MATCHES]

    return match


DESIGNS: dict[str, Callable[[Database, Path], Match]] = {
    "n-grams": ngrams,
    "n-grams+": ngrams_plus,
    "fts5": fts5,
    "rapidfuzz": fuzzy,
}


def literals(sql: str, schema: Schema) -> set[str]:
    """The string literals of a query, without the patterns of LIKE.

    As in SQLite, a double-quoted name that is no column is a string.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect="sqlite")
    except sqlglot.errors.ParseError:
        return set()
    columns = {column.name.lower() for table in schema.tables for column in table.columns}
    found = set()
    for node in tree.find_all(exp.Literal, exp.Column):
        quoted = isinstance(node, exp.Column) and node.this.args.get("quoted") and not node.table
        if isinstance(node.parent, exp.Like) or node.name.lower() in columns:
            continue
        if quoted or (isinstance(node, exp.Literal) and node.is_string):
            found.add(node.name.strip().casefold())
    return found - {""}


def build(
    design: Callable[[Database, Path], Match], databases: list[Database], folder: Path
) -> tuple[dict[str, Match], float]:
    """The matcher of each database, and the processor seconds that all took."""
    start = time.process_time()
    matchers = {database.db_id: design(database, folder) for database in databases}
    return matchers, time.process_time() - start


def measure(
    matchers: dict[str, dict[str, Match]], questions: list[Example], gold: dict[str, set[str]]
) -> dict[str, dict[str, float]]:
    """For each design recall of the literals, matches and time; the designs alternate."""
    hits, matches = dict.fromkeys(matchers, 0), dict.fromkeys(matchers, 0)
    times: dict[str, list[float]] = {name: [] for name in matchers}
    for example in questions:
        for name, by_database in matchers.items():
            match = by_database[example.db_id]
            start = time.thread_time()
            found = match(example.question)
            times[name].append((time.thread_time() - start) * 1e6)
            matches[name] += len(found)
            hits[name] += len(gold[example.id] & {value.strip().casefold() for value in found})
    total = sum(map(len, gold.values()))
    return {
        name: {
            "recall": round(hits[name] / total, 4),
            "matches": round(matches[name] / len(questions), 3),
            "median_us": round(statistics.median(times[name]), 1),
            "mean_us": round(statistics.fmean(times[name]), 1),
            "p99_us": round(statistics.quantiles(times[name], n=100)[98], 1),
        }
        for name in matchers
    }


def main() -> None:
    """Measure and print; the last line is JSON."""
    parser = argparse.ArgumentParser(description="designs of the value index")
    parser.add_argument("--data", default=os.environ.get("TXT2SQL_DATA"))
    parser.add_argument("--questions", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="150 questions on 20 databases")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data, the folder that holds spider/, or set TXT2SQL_DATA")
    dataset = SpiderDataset(Path(arguments.data) / "spider")
    rng = random.Random(arguments.seed)
    examples = list(dataset.examples("train"))
    names = sorted({example.db_id for example in examples})
    if arguments.quick:
        names = rng.sample(names, 20)
        examples = [example for example in examples if example.db_id in names]
    wanted = 150 if arguments.quick else arguments.questions
    questions = rng.sample(examples, min(wanted, len(examples)))
    databases = [dataset.database(name) for name in names]
    gold = {e.id: literals(e.gold_sql, dataset.schema(e.db_id)) for e in questions}
    texts = {d.db_id: {value.strip().casefold() for *_, value in cells(d)} for d in databases}
    total = sum(map(len, gold.values()))
    ceiling = sum(len(gold[e.id] & texts[e.db_id]) for e in questions) / total
    with tempfile.TemporaryDirectory() as folder:
        matchers, seconds = {}, {}
        for name, design in DESIGNS.items():
            (Path(folder) / name).mkdir()
            matchers[name], seconds[name] = build(design, databases, Path(folder) / name)
        figures = measure(matchers, questions, gold)
    print(f"{len(questions)} questions, {total} literals, of which {ceiling:.1%} are cells")
    for name, row in figures.items():
        row["build_s"] = round(seconds[name], 1)
        print(f"{name:>10} ", "  ".join(f"{key} {value:g}" for key, value in row.items()))
    ours, peer = figures["n-grams"]["mean_us"], figures["rapidfuzz"]["mean_us"]
    report = {
        "name": "values",
        "ours": ours,
        "peer": peer,
        "ratio": round(peer / ours, 2),
        "n": len(questions),
        "unit": "mean microseconds per question (ratio: peer / ours)",
        "literals": total,
        "ceiling": round(ceiling, 4),
        "designs": figures,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "rapidfuzz": rapidfuzz.__version__,
            "sqlglot": sqlglot.__version__,
        },
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
