"""Foreign keys that nobody declared, from names, types, uniqueness and inclusion of values.

Field's name: foreign-key discovery; inclusion dependencies. Source: Rostin et al., "A Machine
Learning Approach to Foreign Key Discovery", WebDB 2009. Names propose pairs of columns
(`key_names`). A sample of rows tests them. A logistic model (`WEIGHTS`, fitted by `python
benchmarks/keys.py --fit`) scores what is left, and each column refers to its best partner. Inclusion
alone proposes nothing: ids from 1 to n are in each other. Composite keys are proposed where the
primary key that they refer to is declared.

>>> infer_keys(open_database("shop.sqlite").schema(infer=False), reader)  # doctest: +SKIP
(ForeignKey('sale', 'cust_no', 'customers', 'id', score=0.98, constraint=0),)
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from txt2sql.execution.key_names import CompositeKey, NamedPair, Naming, Place
from txt2sql.types import Cell, ForeignKey, Row, Schema

THRESHOLD = 0.6
"""The score from which a pair is a key."""
SAMPLED_ROWS = 1000
SCANNED_ROWS = 20_000
"""Rows that are read of a column that is no primary key, and may be referred to."""
INFERENCE_S = 1.0
"""What reading may take in all; names alone decide about the rest."""
_LOOKUPS = 60
_INCLUDED = 0.95
_MAX_SCORE = 0.99


class Reader(Protocol):
    """What inference asks of a database. None: it cannot say, or has no time left."""

    def stored(self) -> frozenset[str]:
        """The tables whose rows are stored. Others, views, are never read."""
        ...

    def rows(self, table: str, columns: Sequence[str], limit: int) -> Sequence[Row] | None:
        """The first rows."""
        ...

    def present(self, table: str, column: str, values: Sequence[Cell]) -> int | None:
        """How many of these distinct values the primary key of a table holds."""
        ...


def infer_keys(schema: Schema, reader: Reader) -> tuple[ForeignKey, ...]:
    """The keys that the schema does not declare, in the order of its tables, with their scores.

    A column that a declared key already uses needs none.
    """
    naming = Naming(schema)
    named, composites = naming.pairs(), naming.composites()
    if not named and not composites:
        return ()
    contents = _Contents(schema, reader)
    contents.read([*named, *(pair for composite in composites for pair in composite.pairs)])
    keys: list[ForeignKey] = []
    constraint = max((key.constraint for key in schema.foreign_keys), default=0)
    for composite in composites:
        score = contents.composite_score(composite)
        if score >= THRESHOLD:
            constraint += 1
            keys += [
                ForeignKey(*pair.child, *pair.parent, score=score, constraint=constraint)
                for pair in composite.pairs
            ]
    parts = {(key.table, key.column, key.referenced_table, key.referenced_column) for key in keys}
    keys += [
        ForeignKey(*pair.child, *pair.parent, score=round(pair.score, 2))
        for pair in best(pair for pair in _judge(named, contents) if pair.score >= THRESHOLD)
        if (*pair.child, *pair.parent) not in parts
    ]
    position = {table.name: at for at, table in enumerate(schema.tables)}
    return tuple(sorted(keys, key=lambda key: position[key.table]))


# --------------------------------------------------------------------------------------- the model

WEIGHTS: Mapping[str, float] = {
    "bias": -0.76,
    "form full": 0.96,
    "form same": 0.92,
    "form tail": -0.17,
    "form head": -2.45,
    "form short": -0.79,
    "form within": 0.63,
    "form role": 0.14,
    "by part of table": -2.18,
    "same name": 0.51,
    "generic name": -1.04,
    "child plural": -1.13,
    "child keyed": -0.28,
    "child key": -2.27,
    "child home": -0.84,
    "parent key": 1.21,
    "parent part of key": -0.2,
    "parent beside key": -1.75,
    "parent home": 1.65,
    "own table": -4.3,
    "unread": -0.56,
    "included": 1.32,
    "excluded": -4.89,
    "disjoint": -2.55,
    "child unique": -0.47,
    "outnamed": -1.93,
}
"""What each feature adds to the log-odds of being a key."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair of columns that names propose, with what speaks for it and against it."""

    child: Place
    parent: Place
    features: Mapping[str, float]

    @property
    def score(self) -> float:
        """The probability that the pair is a foreign key."""
        logit = sum(WEIGHTS.get(name, 0.0) * value for name, value in self.features.items())
        return min(_MAX_SCORE, 1 / (1 + math.exp(-logit)))


def candidates(schema: Schema, reader: Reader) -> list[Candidate]:
    """Every pair of columns that names propose and that types and sampled rows do not rule out."""
    named = Naming(schema).pairs()
    contents = _Contents(schema, reader)
    contents.read(named)
    return _judge(named, contents)


def best(pairs: Iterable[Candidate]) -> list[Candidate]:
    """For each column its best partner, without the weaker of two that refer to each other."""
    chosen: dict[Place, Candidate] = {}
    for pair in sorted(pairs, key=lambda pair: -pair.score):
        back = chosen.get(pair.parent)
        if pair.child not in chosen and (back is None or back.parent != pair.child):
            chosen[pair.child] = pair
    return list(chosen.values())


def _judge(named: Sequence[NamedPair], contents: _Contents) -> list[Candidate]:
    """The pairs that the rows allow, with what the rows say."""
    compared = [(pair, contents.compare(pair)) for pair in named]
    allowed = [(pair, features) for pair, features in compared if features is not None]
    strongest: dict[Place, float] = defaultdict(float)
    for pair, _ in allowed:
        strongest[pair.child] = max(strongest[pair.child], pair.strength)
    return [
        Candidate(
            pair.child,
            pair.parent,
            {
                **pair.features,
                **features,
                "outnamed": float(pair.strength < strongest[pair.child]),
            },
        )
        for pair, features in allowed
    ]


# ------------------------------------------------------------------------------------- the contents


@dataclass(frozen=True, slots=True)
class _Sample:
    """The first rows of a column: its cells as texts, "" for NULL, and its distinct values."""

    texts: Sequence[str]
    values: Mapping[str, Cell]
    whole: bool
    fractions: bool
    numbers: bool

    @property
    def filled(self) -> int:
        return sum(map(bool, self.texts))

    @property
    def may_be_key(self) -> bool:
        return len(self.values) == self.filled and not self.fractions

    @property
    def countable(self) -> bool:
        """Whether these are numbers that any table may count its rows by."""
        return self.numbers and all(len(value) <= 6 for value in self.values)


def _sample(cells: Iterable[Cell], whole: bool) -> _Sample:
    texts: list[str] = []
    values: dict[str, Cell] = {}
    fractions, numbers = False, True
    for cell in cells:
        if isinstance(cell, float):
            fractions = fractions or not cell.is_integer()
            cell = int(cell) if cell.is_integer() else cell
        text = "" if cell is None or isinstance(cell, bytes) else str(cell).strip()
        texts.append(text)
        if text:
            values.setdefault(text, cell)
            numbers = numbers and text.lstrip("-").isdigit()
    return _Sample(texts, values, whole, fractions, numbers)


class _Contents:
    """Samples of the columns that some pair names."""

    def __init__(self, schema: Schema, reader: Reader) -> None:
        self._reader = reader
        self._strict = schema.dialect != "sqlite"  # whose columns compare across types
        self._types = {(t.name, c.name): c.type for t in schema.tables for c in t.columns}
        self._samples: dict[Place, _Sample] = {}
        self._scans: dict[Place, _Sample] = {}
        self._stored: frozenset[str] = frozenset()

    def read(self, pairs: Sequence[NamedPair]) -> None:
        """Read the columns of these pairs, each table once."""
        self._stored = self._reader.stored() if pairs else frozenset()
        tables: dict[str, dict[str, None]] = defaultdict(dict)
        for pair in pairs:
            if pair.parent[0] in self._stored:
                for table, column in (pair.child, pair.parent):
                    tables[table][column] = None
        for table in (table for table in tables if table in self._stored):
            columns = list(tables[table])
            rows = self._reader.rows(table, columns, SAMPLED_ROWS)
            if rows is not None:
                whole = len(rows) < SAMPLED_ROWS
                for at, column in enumerate(columns):
                    self._samples[table, column] = _sample((row[at] for row in rows), whole)

    def compare(self, pair: NamedPair) -> dict[str, float] | None:
        """What the rows say of a pair; None where it can be no key, `unread` where they say nothing."""
        if not self._possible(pair):
            return None
        child, parent = self._samples.get(pair.child), self._samples.get(pair.parent)
        if (child and child.fractions) or (parent and not parent.may_be_key):
            return None
        if not child or not parent or not child.values or not parent.values:
            return {"unread": 1.0}
        share = self._share(pair, child, parent)
        if share is None:
            return {"unread": 1.0}
        size = min(1.0, math.log1p(len(child.values)) / math.log(30))
        return {
            "included": float(share >= _INCLUDED) * size,
            "excluded": (1 - share) * size,
            "disjoint": float(share < 0.2),
            "child unique": float(len(child.values) == child.filled > 3),
        }

    def _possible(self, pair: NamedPair) -> bool:
        """Whether the referred table is one, and the two columns can be compared."""
        same = self._types[pair.child] == self._types[pair.parent]
        return pair.parent[0] in self._stored and (same or not self._strict)

    def _share(self, pair: NamedPair, child: _Sample, parent: _Sample) -> float | None:
        """The share of the child's values that the parent has; None: rows not read may have them."""
        share = _included(child, parent)
        if parent.whole or share == 1:
            return share
        if pair.features["parent key"]:
            step = max(1, len(child.values) // _LOOKUPS)
            some = list(child.values.values())[::step][:_LOOKUPS]
            present = self._reader.present(*pair.parent, some)
            return None if present is None else present / len(some)
        if pair.parent not in self._scans:
            rows = self._reader.rows(pair.parent[0], [pair.parent[1]], SCANNED_ROWS)
            whole = rows is not None and len(rows) < SCANNED_ROWS
            self._scans[pair.parent] = _sample((row[0] for row in rows or ()), whole)
        scan = self._scans[pair.parent]
        share = _included(child, scan) if scan.may_be_key else 0.0
        return share if share >= _INCLUDED or scan.whole or not scan.may_be_key else None

    def composite_score(self, composite: CompositeKey) -> float:
        """How sure a composite key is: by its names where the rows say nothing."""
        if not all(map(self._possible, composite.pairs)):
            return 0.0
        unread = 0.7 if composite.anchored else 0.3
        children = [self._samples.get(pair.child) for pair in composite.pairs]
        parents = [self._samples.get(pair.parent) for pair in composite.pairs]
        if not all(sample and sample.values for sample in (*children, *parents)):
            return unread
        rows = _tuples(children)
        share = len(rows & _tuples(parents)) / len(rows) if rows else 0.0
        if share >= _INCLUDED and len(rows) > 2:
            telling = any(sample and not sample.countable for sample in children)
            return 0.9 if composite.anchored else 0.8 if telling else 0.4
        whole = all(sample and sample.whole for sample in parents)
        return 0.1 if rows and whole and share <= 0.8 else unread


def _included(child: _Sample, parent: _Sample) -> float:
    return sum(value in parent.values for value in child.values) / len(child.values)


def _tuples(samples: Iterable[_Sample | None]) -> set[tuple[str, ...]]:
    """The rows of several columns of one table, without those that have a NULL."""
    rows = zip(*(sample.texts for sample in samples if sample), strict=True)
    return {row for row in rows if all(row)}


# ------------------------------------------------------------------------------------------ reading


class SqlReader:
    """A Reader that writes SQL. `query` gives the rows of a statement, or None where it fails;
    `tables` is the statement that lists the tables whose rows are stored; from its answer on, reading
    may take `seconds`."""

    def __init__(
        self,
        query: Callable[[str], Sequence[Row] | None],
        quote: Callable[[str], str],
        tables: str,
        seconds: float = INFERENCE_S,
    ) -> None:
        self._query, self._quote, self._tables = query, quote, tables
        self._seconds, self._end = seconds, math.inf

    def stored(self) -> frozenset[str]:
        """The tables whose rows are stored."""
        rows = self._query(self._tables) or ()
        self._end = time.monotonic() + self._seconds
        return frozenset(str(name) for (name,) in rows)

    def rows(self, table: str, columns: Sequence[str], limit: int) -> Sequence[Row] | None:
        """The first rows."""
        names = ", ".join(map(self._quote, columns))
        return self._timely(f"SELECT {names} FROM {self._quote(table)} LIMIT {limit}")

    def present(self, table: str, column: str, values: Sequence[Cell]) -> int | None:
        """How many of these values the primary key of a table holds."""
        if any(isinstance(value, str) and "\\" in value for value in values):
            return None  # MySQL reads it as an escape
        listed = ", ".join(map(_literal, values))
        rows = self._timely(
            f"SELECT count(*) FROM {self._quote(table)} WHERE {self._quote(column)} IN ({listed})"
        )
        return int(str(rows[0][0])) if rows else None

    def _timely(self, sql: str) -> Sequence[Row] | None:
        return self._query(sql) if time.monotonic() < self._end else None


def _literal(value: Cell) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
