"""Inferred foreign keys against declared ones, on the training databases of Spider and BIRD.

The keys that a database declares, in its file or in tables.json, are hidden and inferred again.
Every column of a composite key counts as one key.

    strict       the same two columns in the same direction
    equivalent   also two columns that the declared keys connect through others: of `a.x -> c.x` and
                 `b.x -> c.x` follows that a.x and b.x join. This is what a join needs, and what the
                 precision and recall of the JSON line count.

What is inferred and not declared counts as wrong, though most of it is a key that was forgotten: of the
60 such keys that `--verbose` listed when the weights were fitted, three are wrong or doubtful to a
reader. With `--hide-primary-keys` primary keys are hidden, too, as in files made from spreadsheets.

The peer takes a column that is called like another table's single primary key, but for `id` and
`name`, and looks at nothing else. `ours` and `peer` are F1 of equivalent keys over both sources.

Without primary keys there are no composite ones to infer. With `--hide-rows` names alone decide.

`--fit` fits the weights of `txt2sql.execution.keys` on all of these databases as they are, without
primary keys, and without rows, and prints them; then their accuracy on databases left out (5 folds of
whole databases) and on the source left out.

    python benchmarks/keys.py [--data ROOT] [--quick] [--verbose] [--hide-primary-keys]
                              [--hide-rows] [--fit]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from txt2sql.data.spider import SpiderDataset
from txt2sql.execution import keys
from txt2sql.execution.database import Database
from txt2sql.execution.keys import Candidate, Place
from txt2sql.execution.sandbox import quoted
from txt2sql.types import Cell, ForeignKey, Schema

FOLDS = 5
PENALTY = 1.0
MOST_CANDIDATES = 40
"""A database weighs no more in the fit than this many candidates."""

PATIENCE_S = 60.0
"""The deadline, so that a busy machine changes no figure; times are processor times."""

Pair = tuple[Place, Place]


class Classes:
    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._parents: dict[Place, Place] = {}
        for one, other in pairs:
            self._parents[self._root(one)] = self._root(other)

    def _root(self, place: Place) -> Place:
        while (parent := self._parents.setdefault(place, place)) != place:
            place = parent
        return place

    def connect(self, pair: Pair) -> bool:
        return self._root(pair[0]) == self._root(pair[1])


class Unread:
    def __init__(self, stored: frozenset[str]) -> None:
        self._stored = stored

    def stored(self) -> frozenset[str]:
        return self._stored

    def rows(self, table: str, columns: Sequence[str], limit: int) -> None:
        return None

    def present(self, table: str, column: str, values: Sequence[Cell]) -> None:
        return None


@dataclass(frozen=True)
class Item:
    source: str
    database: Database
    declared: frozenset[Pair]
    schema: Schema

    unread: bool = False
    """Whether rows are hidden, too."""

    def reader(self, connection: sqlite3.Connection) -> keys.SqlReader:
        stored = "SELECT name FROM sqlite_master WHERE type = 'table'"
        query = lambda sql: connection.execute(sql).fetchall()  # noqa: E731
        reader = keys.SqlReader(query, quoted, stored, PATIENCE_S)
        return Unread(reader.stored()) if self.unread else reader


@dataclass
class Counts:
    """Right answers among those inferred, and declared keys among those found again."""

    databases: int = 0
    inferred: int = 0
    right: int = 0
    equivalent: int = 0
    declared: int = 0
    strict_hits: int = 0
    hits: int = 0

    @property
    def precision(self) -> float:
        return self.equivalent / max(1, self.inferred)

    @property
    def recall(self) -> float:
        return self.hits / max(1, self.declared)

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def add(self, item: Item, inferred: set[Pair], verbose: bool = False) -> None:
        declared, classes = Classes(item.declared), Classes(inferred)
        wrong = sorted(pair for pair in inferred if not declared.connect(pair))
        missed = sorted(pair for pair in item.declared if not classes.connect(pair))
        self.databases += 1
        self.inferred += len(inferred)
        self.right += len(inferred & item.declared)
        self.equivalent += len(inferred) - len(wrong)
        self.declared += len(item.declared)
        self.strict_hits += len(inferred & item.declared)
        self.hits += len(item.declared) - len(missed)
        for title, pairs in (("not declared", wrong), ("missed", missed)) if verbose else ():
            for (table, column), (other, referenced) in pairs:
                where = f"{item.source} {item.database.db_id}"
                print(f"{title}: {where}: {table}.{column} -> {other}.{referenced}")

    def line(self, name: str, seconds: Sequence[float] = ()) -> str:
        strict = self.right / max(1, self.inferred), self.strict_hits / max(1, self.declared)
        times = (
            f"  {statistics.median(seconds) * 1000:5.1f} {max(seconds) * 1000:6.1f}"
            if seconds
            else ""
        )
        return (
            f"{name:34}{self.databases:5}{self.declared:6}{self.inferred:6}"
            f"   {strict[0]:.3f} {strict[1]:.3f}   {self.precision:.3f} {self.recall:.3f}{times}"
        )


HEAD = (
    f"{'':34}{'dbs':>5}{'n':>6}{'inf.':>6}   {'strict P R':11}   {'equiv. P R':11}  median, max ms"
)


def items(root: Path, quick: bool, hide_primary_keys: bool, hide_rows: bool) -> list[Item]:
    """The databases of training questions that declare keys; none of Spider dev."""
    spider = SpiderDataset(root / "spider")
    dev = {example.db_id for example in spider.examples("dev")}
    collected = []
    for source, dataset in (("spider", spider), ("bird", SpiderDataset(root / "bird_train"))):
        names = sorted({example.db_id for example in dataset.examples("train")} - dev)
        for name in random.Random(1).sample(names, 15) if quick else names:
            declared = frozenset(
                _pair(key) for key in dataset.schema(name).foreign_keys if not key.inferred
            )
            schema = dataset.database(name).schema(infer=False)
            schema = replace(schema, foreign_keys=())
            schema = without_primary_keys(schema) if hide_primary_keys else schema
            if declared:
                collected.append(Item(source, dataset.database(name), declared, schema, hide_rows))
    return collected


def _pair(key: ForeignKey) -> Pair:
    return (key.table, key.column), (key.referenced_table, key.referenced_column)


def without_primary_keys(schema: Schema) -> Schema:
    return replace(
        schema,
        tables=tuple(
            replace(table, columns=tuple(replace(c, primary_key=False) for c in table.columns))
            for table in schema.tables
        ),
    )


def namesakes(schema: Schema) -> set[Pair]:
    """The peer: a column that is called like the single primary key of another table."""
    primary = {}
    for table in schema.tables:
        key = [column.name for column in table.columns if column.primary_key]
        if len(key) == 1 and key[0].lower() not in ("id", "name"):
            primary.setdefault(key[0].lower(), (table.name, key[0]))
    return {
        ((table.name, column.name), primary[column.name.lower()])
        for table in schema.tables
        for column in table.columns
        if primary.get(column.name.lower(), (table.name, ""))[0] != table.name
    }


# --------------------------------------------------------------------------------------- the fit


@dataclass(frozen=True)
class Proposals:
    """An item with its candidates and its composite keys, which no weight changes."""

    item: Item
    candidates: list[Candidate]
    composites: set[Pair]


def propose(item: Item) -> Proposals:
    with closing(item.database.connect()) as connection:
        proposed = keys.candidates(item.schema, item.reader(connection))
        inferred = keys.infer_keys(item.schema, item.reader(connection))
    return Proposals(item, proposed, {_pair(key) for key in inferred if key.constraint})


def fit(proposals: Iterable[Proposals]) -> dict[str, float]:
    """Logistic regression with a quadratic penalty, by Newton's method.

    What is implied but not declared is left out: it is neither right nor wrong. So is a column such as
    `parent_product_id` of Products: Spider's databases have ten of them and declare two.
    """
    rows: list[Mapping[str, float]] = []
    labels, weights = [], []
    for each in proposals:
        implied = Classes(each.item.declared)
        for candidate in each.candidates:
            pair = (candidate.child, candidate.parent)
            within = pair[0][0] == pair[1][0] and not candidate.features["own table"]
            if pair in each.item.declared or not (within or implied.connect(pair)):
                rows.append(candidate.features)
                labels.append(pair in each.item.declared)
                weights.append(min(1.0, MOST_CANDIDATES / len(each.candidates)))
    names = [name for name in FEATURES if any(row.get(name) for row in rows)]
    x = np.array([[row.get(name, 0.0) for name in names] for row in rows])  # (candidate, feature)
    y, w, beta = np.array(labels, float), np.array(weights), np.zeros(len(names))
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (w * (p - y)) + PENALTY * beta
        hessian = (x.T * (w * p * (1 - p))) @ x + PENALTY * np.eye(len(names))
        beta -= np.linalg.solve(hessian, gradient)
    return {name: round(float(value), 2) for name, value in zip(names, beta, strict=True)}


FEATURES = tuple(keys.WEIGHTS)


def judged(
    proposals: Iterable[Proposals], weights: Mapping[str, float], counts: dict[str, Counts]
) -> None:
    fitted, keys.WEIGHTS = keys.WEIGHTS, weights
    for each in proposals:
        chosen = keys.best(c for c in each.candidates if c.score >= keys.THRESHOLD)
        pairs = {(c.child, c.parent) for c in chosen} | each.composites
        counts.setdefault(each.item.source, Counts()).add(each.item, pairs)
    keys.WEIGHTS = fitted


VIEWS = {"": (False, False), ", no primary keys": (True, False), ", no rows": (False, True)}
"""What is hidden beside the keys."""


def fit_and_check(root: Path, quick: bool) -> None:
    views = [[propose(item) for item in items(root, quick, *hidden)] for hidden in VIEWS.values()]
    everything = [each for view in views for each in view]
    for name, value in fit(everything).items():
        print(f'    "{name}": {value},')
    names = [each.item.database.db_id for each in views[0]]
    random.Random(0).shuffle(names)
    print(HEAD)
    for title, view in zip(VIEWS, views, strict=True):
        counts: dict[str, Counts] = {}
        for fold in range(FOLDS):
            out = set(names[fold::FOLDS])
            weights = fit(e for e in everything if e.item.database.db_id not in out)
            judged((e for e in view if e.item.database.db_id in out), weights, counts)
        for source, each in counts.items():
            print(each.line(f"{source}, left out{title}"))
    for source in ("spider", "bird"):
        counts = {}
        weights = fit(e for e in everything if e.item.source != source)
        judged((e for e in views[0] if e.item.source == source), weights, counts)
        print(counts[source].line(f"{source}, by the other"))


# ------------------------------------------------------------------------------------ the benchmark


def main() -> None:
    parser = argparse.ArgumentParser(description="inferred foreign keys against declared ones")
    parser.add_argument("--data", default=os.environ.get("TXT2SQL_DATA"))
    parser.add_argument("--quick", action="store_true", help="15 databases of each source")
    parser.add_argument("--verbose", action="store_true", help="list what is wrong and missed")
    parser.add_argument("--hide-primary-keys", action="store_true")
    parser.add_argument("--hide-rows", action="store_true")
    parser.add_argument("--fit", action="store_true", help="fit the weights instead")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data, the folder that holds spider/ and bird_train/, or TXT2SQL_DATA")
    root = Path(arguments.data)
    if arguments.fit:
        fit_and_check(root, arguments.quick)
        return
    hidden = arguments.hide_primary_keys, arguments.hide_rows
    databases = items(root, arguments.quick, *hidden)
    ours: dict[str, Counts] = {}
    peers = {"both": Counts()}
    seconds: dict[str, list[float]] = {}
    for item in databases:
        with closing(item.database.connect()) as connection:
            start = time.process_time()
            inferred = keys.infer_keys(item.schema, item.reader(connection))
            passed = time.process_time() - start
        pairs = {_pair(key) for key in inferred}
        for source, verbose in ((item.source, arguments.verbose), ("both", False)):
            ours.setdefault(source, Counts()).add(item, pairs, verbose)
            seconds.setdefault(source, []).append(passed)
        peers["both"].add(item, namesakes(item.schema))
    print(HEAD)
    for source in ("spider", "bird", "both"):
        print(ours[source].line(source, seconds[source]))
    print(peers["both"].line("peer: namesakes"))
    report = {
        "name": "keys",
        "ours": round(ours["both"].f1, 4),
        "peer": round(peers["both"].f1, 4),
        "ratio": round(ours["both"].f1 / max(1e-9, peers["both"].f1), 3),
        "n": ours["both"].declared,
        "unit": "F1 of equivalent keys (ratio: ours / peer)",
        "sources": {
            source: {
                "databases": each.databases,
                "n": each.declared,
                "inferred": each.inferred,
                "precision": round(each.precision, 4),
                "recall": round(each.recall, 4),
                "strict_precision": round(each.right / max(1, each.inferred), 4),
                "strict_recall": round(each.strict_hits / max(1, each.declared), 4),
                "median_seconds": round(statistics.median(seconds[source]), 4),
                "max_seconds": round(max(seconds[source]), 4),
            }
            for source, each in ours.items()
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
