"""Foreign keys that nobody declared, from names, types, uniqueness and inclusion of values.

Field's name: foreign-key discovery; inclusion dependencies. Source: Rostin et al., "A Machine Learning
Approach to Foreign Key Discovery", WebDB 2009. Names propose pairs of columns: a name is taken apart
into the words of what it names and a word such as `id`, `no` or `ref`, and its words or their end are
what another table is about (`customer_id`, `home_team_id`), are called alike in both tables, or tell a
role (`manager_id`). A sample of rows tests the pairs. A logistic model (`WEIGHTS`, fitted by
`python benchmarks/keys.py --fit`) scores what is left, and each column refers to its best partner.
Inclusion alone proposes nothing but codes: ids from 1 to n are in each other. Composite keys are
proposed where the primary key that they refer to is declared.

>>> infer_keys(open_database("shop.sqlite").schema(infer=False), reader)  # doctest: +SKIP
(ForeignKey('sale', 'cust_no', 'customers', 'id', score=0.98, constraint=0),)
>>> parse("home_team_id").words, parse("custno").words
(('home', 'team'), ('customer',))
"""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from txt2sql.execution.names import natural_name, stem
from txt2sql.types import Cell, ForeignKey, Row, Schema

Place = tuple[str, str]
"""A column, as (table, column)."""

THRESHOLD = 0.7
"""The score from which a pair is a key."""
SCANNED_ROWS = 1000
"""Rows that are read of a table."""
INFERENCE_S = 1.0
"""What reading may take in all; names alone decide about the rest."""
_MIN_CODES = 3
"""Values that a column of codes has, at least."""
_VALUES_SCORE = 0.7
"""The score of a key that values alone propose."""
_MAX_PARENTS = 16
"""Columns that one column may refer to by name alone: all tables of a series propose all others."""
_MAX_PARTS = 4
"""Columns of a composite key."""
_LOOKUPS = 60
_INCLUDED = 0.95
_MAX_SCORE = 0.99

WEIGHTS: Mapping[str, float] = {
    "bias": -1.12,
    "whole name": 0.94,
    "by part of table": -2.42,
    "child key": -2.43,
    "child home": -2.0,
    "parent key": 1.51,
    "parent home": 1.03,
    "own table": -3.9,
    "included": 2.08,
    "excluded": -4.99,
    "outnamed": -2.0,
}
"""What each feature adds to the log-odds of being a key."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair of columns that names propose, with what speaks for it and against it."""

    child: Place
    parent: Place
    features: dict[str, float]
    strength: float = 0.0
    """Ranks the partners of one column by their names."""

    @property
    def score(self) -> float:
        """The probability that the pair is a foreign key."""
        logit = sum(WEIGHTS.get(name, 0.0) * value for name, value in self.features.items())
        return min(_MAX_SCORE, 1 / (1 + math.exp(-logit)))


def infer_keys(schema: Schema, reader: SqlReader) -> tuple[ForeignKey, ...]:
    """The keys that the schema does not declare, in the order of its tables, with their scores.

    A column that a declared key already uses needs none.
    """
    names = _Names(schema)
    composites, named = names.composites(), names.pairs()
    contents = _Contents(reader)
    contents.read(place for pairs in composites for p in pairs for place in (p.child, p.parent))
    keys: list[ForeignKey] = []
    constraint = max((key.constraint for key in schema.foreign_keys), default=0)
    for pairs in composites:
        score = contents.composite_score(pairs)
        if score >= THRESHOLD:
            constraint += 1
            keys += [
                ForeignKey(*pair.child, *pair.parent, score=score, constraint=constraint)
                for pair in pairs
            ]
    parts = {(key.table, key.column, key.referenced_table, key.referenced_column) for key in keys}
    keys += [
        ForeignKey(*pair.child, *pair.parent, score=round(pair.score, 2))
        for pair in best(pair for pair in _judged(named, contents) if pair.score >= THRESHOLD)
        if (*pair.child, *pair.parent) not in parts
    ]
    keys += _by_values(names, contents, {(key.table, key.column) for key in keys})
    position = {table.name: at for at, table in enumerate(schema.tables)}
    return tuple(sorted(keys, key=lambda key: position[key.table]))


def candidates(schema: Schema, reader: SqlReader) -> list[Candidate]:
    """Every pair of columns that names propose and that types and sampled rows do not rule out."""
    return _judged(_Names(schema).pairs(), _Contents(reader))


def best(pairs: Iterable[Candidate]) -> list[Candidate]:
    """For each column its best partner, without the weaker of two that refer to each other."""
    chosen: dict[Place, Candidate] = {}
    for pair in sorted(pairs, key=lambda pair: -pair.score):
        back = chosen.get(pair.parent)
        if pair.child not in chosen and (back is None or back.parent != pair.child):
            chosen[pair.child] = pair
    return list(chosen.values())


def _judged(named: Sequence[Candidate], contents: _Contents) -> list[Candidate]:
    contents.read(place for pair in named for place in (pair.child, pair.parent))
    allowed = [pair for pair in named if contents.allow(pair)]
    strongest: dict[Place, float] = defaultdict(float)
    for pair in allowed:
        strongest[pair.child] = max(strongest[pair.child], pair.strength)
    for pair in allowed:
        pair.features["outnamed"] = float(pair.strength < strongest[pair.child])
    return allowed


def _by_values(names: _Names, contents: _Contents, keys: set[Place]) -> list[ForeignKey]:
    """Keys that no name proposes: a column of codes whose values are all in one other column, which
    tells the rows of its table apart, as its primary key or its first column.
    """
    texts = [place for place, column in names.columns.items() if column.type == "text"]
    heads = [place for place in texts if names.is_key(place) or names.is_first(place)]
    contents.read(heads)
    parents = {
        place: sample
        for place in heads
        if (sample := contents.samples.get(place)) and sample.lists_codes
    }
    children = [
        place
        for place in (texts if parents else ())
        if names.may_refer(place) and place not in keys and not names.is_key(place)
    ]
    contents.read(children)
    inferred = []
    for child in children:
        own = contents.samples.get(child)
        if own and _MIN_CODES <= len(own.values) < own.filled:
            holding = [
                p for p, other in parents.items() if own.values.keys() <= other.values.keys()
            ]
            if len(holding) == 1 and holding[0] != child:
                inferred.append(ForeignKey(*child, *holding[0], score=_VALUES_SCORE))
    return inferred


# --------------------------------------------------------------------------------------- the names


def _stems(words: str) -> tuple[str, ...]:
    return tuple(map(stem, words.split()))


def _entity(table: str) -> tuple[str, ...]:
    """Stems of what a table is about: `dim_customers` -> (customer,)."""
    mark, _, rest = table.lower().partition("_")
    return _stems(natural_name(rest if rest and mark in _TABLE_MARKS else table))


_KEY_WORDS = frozenset("id identifier key code number ref reference fk pk sk uuid guid".split())
_LEADING = frozenset("id pk fk key ref".split())
_TABLE_MARKS = frozenset("tbl tb dim fact fct ref lookup lkp mst stg".split())
_GENERIC = frozenset("id name code key no number nr title type value".split())
_FUSED = re.compile(r"(.*?[a-z]{2})(id|key|code|no|num|nbr|ref)")
_BINARY = ("BLOB", "BINARY", "BYTEA", "JSON", "[]", "GEOMETRY")
_WITHIN = frozenset(
    _stems("parent previous next predecessor successor original prerequisite prereq followup")
)
"""Words of a column that refers to its own table."""
_PEOPLE = frozenset(_stems("employee staff person people user worker member"))
_ROLES = frozenset(
    _stems(
        "manager boss supervisor superior mentor author owner creator editor assignee approver seller "
        "agent rep representative created updated modified approved assigned reported reports person "
        "reporting salesperson male female husband wife spouse chief lead"
    )
)
"""Words of a column that refers to a table of people, which may be its own."""


class _Name(NamedTuple):
    """A column's name taken apart: `home_team_id_2` -> (home, team), keyed."""

    plain: str
    words: tuple[str, ...]
    """Stems of what it names, without `id`, `code`, ..."""
    keyed: bool
    plural: bool = False


def parse(name: str) -> _Name:
    """The parts of a column's name."""
    plain = re.sub(r"[\W_]+", "", name).lower()
    words = natural_name(name).split()
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    fused = _FUSED.fullmatch(words[-1]) if words and words[-1] not in _KEY_WORDS else None
    if fused:  # custno
        words[-1:] = [*natural_name(fused[1] + "_x").split()[:-1], fused[2]]
    words = ["number" if word in ("no", "num", "nbr") else word for word in words]
    marks = [
        at
        for at, word in enumerate(words)
        if word in _KEY_WORDS and (at or len(words) == 1 or word in _LEADING)
    ]  # a number of games is none
    if not marks:
        plural = bool(words) and len(words[-1]) > 3 and words[-1].endswith("s")
        return _Name(plain, tuple(map(stem, words)), keyed=False, plural=plural)
    leading = marks[-1] == 0 and len(words) > 1  # id_cliente; else a role follows: tmIDLoser
    named = words[1:] if leading else words[: marks[-1]]
    return _Name(plain, tuple(stem(w) for w in named if w not in _KEY_WORDS), keyed=True)


_STRENGTH = {"full": 5.0, "within": 4.6, "same": 4.5, "tail": 4.0, "role": 1.5}
"""How well a name means another column by each form of it."""


class _Names:
    """What the names of a schema say about which column refers to which."""

    def __init__(self, schema: Schema) -> None:
        self.columns = {(t.name, c.name): c for t in schema.tables for c in t.columns}
        self.tables = {t.name: [(t.name, c.name) for c in t.columns] for t in schema.tables}
        self.keys = {t.name: [c.name for c in t.columns if c.primary_key] for t in schema.tables}
        self._entities = {name: _entity(name) for name in self.tables}
        self._names = {place: parse(place[1]) for place in self.columns}
        self._called = {
            (place[0], called): place
            for place, name in reversed(self._names.items())
            for called in (name.plain, name.words)
        }
        self._strict = schema.dialect != "sqlite"  # whose columns compare across types
        self._declared = {(key.table, key.column) for key in schema.foreign_keys}

    def may_refer(self, place: Place) -> bool:
        """Whether a column is of a type that refers, and no declared key uses it."""
        column = self.columns[place]
        declared = column.declared_type.upper()
        typed = column.type != "boolean" and not any(mark in declared for mark in _BINARY)
        return typed and place not in self._declared

    def _comparable(self, one: Place, other: Place) -> bool:
        return not self._strict or self.columns[one].type == self.columns[other].type

    def is_key(self, place: Place) -> bool:
        """Whether a column is all of the primary key of its table."""
        return self.keys[place[0]] == [place[1]]

    def is_first(self, place: Place) -> bool:
        """Whether a column is the first of a table without a primary key."""
        return not self.keys[place[0]] and place == self.tables[place[0]][0]

    def pairs(self) -> list[Candidate]:
        """Every pair that names propose, of columns that no declared key uses yet."""
        labels, same = self._labels()
        people = [p for word in sorted(_PEOPLE) for p, kind in labels[word] if kind == "table"]
        pairs: list[Candidate] = []
        for child, name in self._names.items():
            if not self.may_refer(child):
                continue
            proposed = [
                ("tail" if at else "full", kind == "part", parent)
                for at in range(1 if name.plural else len(name.words))  # home_games counts games
                for parent, kind in labels.get("".join(name.words[at:]), ())
            ]
            proposed += [("same", False, p) for p in same.get(name.plain, ()) if p[0] != child[0]]
            words = set(name.words)
            if words & _WITHIN and words - _WITHIN <= set(self._entities[child[0]]):
                proposed += [("within", False, (child[0], key)) for key in self.keys[child[0]][:1]]
            # a modified_date is no person; the key of landowners is an owner_id of its own
            person = name.keyed or len(words) < 2 or name.words[-1] in ("by", "to")
            if words & _ROLES and person and not self.is_key(child):
                proposed += [("within" if p[0] == child[0] else "role", False, p) for p in people]
            strongest: dict[Place, Candidate] = {}
            for form, part, parent in sorted(proposed, key=lambda one: one[1] - _STRENGTH[one[0]]):
                if parent not in strongest and parent != child and self._comparable(child, parent):
                    strongest[parent] = self._pair(child, parent, form, part)
                    if len(strongest) == _MAX_PARENTS:
                        break
            pairs += strongest.values()
        return pairs

    def _home(self, place: Place) -> bool:
        """Whether a column is called like the key of its own table: `id`, `team_id` of `teams`."""
        name, whole = "".join(self._names[place].words), "".join(self._entities[place[0]])
        if name in ("", whole):
            return True
        letters = iter(whole)  # `tm` of `teams`, `ap` of `airports`
        return (
            1 < len(name) < len(whole)
            and name[0] == whole[0]
            and not set(name[1:]) & set("aeiou")
            and all(letter in letters for letter in name)
        )

    def _labels(self) -> tuple[dict[str, list[tuple[Place, str]]], dict[str, list[Place]]]:
        """What a column may be called to mean a key: a name of its table, its own; its plain name."""
        labels: dict[str, list[tuple[Place, str]]] = defaultdict(list)
        same: dict[str, list[Place]] = defaultdict(list)
        for place, name in self._names.items():
            is_key, home = self.is_key(place), self._home(place)
            if name.plain not in _GENERIC and (is_key or home or name.keyed):
                same[name.plain].append(place)
            if is_key or name.keyed + home + self.is_first(place) >= 2:
                entity = self._entities[place[0]]
                kinds = {entity[-1]: "part"} if len(entity) > 1 else {}
                kinds |= {"".join(name.words): "column", "".join(entity): "table"}
                for label, kind in kinds.items():
                    if len(label) > 1:
                        labels[label].append((place, kind))
        return labels, same

    def _pair(
        self, child: Place, parent: Place, form: str = "same", part: bool = False
    ) -> Candidate:
        home = self._home(parent)
        features = {
            "bias": 1.0,
            "whole name": float(form == "full"),
            "by part of table": float(part),
            "child key": float(self.is_key(child)),
            "child home": float(self._home(child)),
            "parent key": float(self.is_key(parent)),
            "parent home": float(home),
            "own table": float(child[0] == parent[0] and form not in ("within", "role")),
        }
        return Candidate(child, parent, features, _STRENGTH[form] - part + home)

    def composites(self) -> list[list[Candidate]]:
        """Tables that have a partner for each column of another table's composite primary key."""
        proposals = []
        for parent, key in self.keys.items():
            for child in self.keys if 2 <= len(key) <= _MAX_PARTS else ():
                partners = [self._partner((parent, column), child) for column in key]
                places = [place for place in partners if place and place not in self._declared]
                whole = {column for _, column in places} >= set(self.keys[child] or ("",))
                if child != parent and len(set(places)) == len(key) and not whole:
                    ends = zip(places, key, strict=True)
                    proposals.append([self._pair(p, (parent, column)) for p, column in ends])
        return proposals

    def _partner(self, parent: Place, child: str) -> Place | None:
        """The column of a table that means a part of a key: by name, or by its table's name."""
        name, entity = self._names[parent], self._entities[parent[0]]
        generic = not name.words or name.plain in _GENERIC  # name of city: city
        place = self._called.get((child, entity if generic else name.plain))
        return place if place and self._comparable(place, parent) else None


# ------------------------------------------------------------------------------------- the contents


class _Sample:
    """The first rows of a column: its cells as texts, "" for NULL, and its distinct values."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.whole = len(cells) < SCANNED_ROWS
        self.texts: list[str] = []
        self.values: dict[str, Cell] = {}
        for cell in cells:
            if isinstance(cell, float) and cell.is_integer():
                cell = int(cell)
            text = "" if cell is None or isinstance(cell, bytes) else str(cell).strip()
            self.texts.append(text)
            if text:
                self.values.setdefault(text, cell)
        self.filled = sum(map(bool, self.texts))
        self.fractions = any(isinstance(cell, float) for cell in self.values.values())
        self.may_be_key = len(self.values) == self.filled and not self.fractions

    @property
    def lists_codes(self) -> bool:
        """Whether a small table's column has another short text in each row."""
        full = self.whole and self.may_be_key and self.filled == len(self.texts)
        numbers = all(text.lstrip("-").isdigit() for text in self.values)
        return full and len(self.values) >= _MIN_CODES and not numbers


class _Contents:
    """Samples of the columns that some pair names."""

    def __init__(self, reader: SqlReader) -> None:
        self._reader, self._stored = reader, reader.stored()
        self.samples: dict[Place, _Sample] = {}

    def read(self, places: Iterable[Place]) -> None:
        """Read the first rows of these columns, each table once, but for those read already."""
        tables: dict[str, dict[str, None]] = defaultdict(dict)
        for table, column in places:
            if (table, column) not in self.samples:
                tables[table][column] = None
        for table, columns in tables.items():
            stored = table in self._stored
            rows = self._reader.rows(table, list(columns), SCANNED_ROWS) if stored else None
            for at, column in enumerate(columns if rows is not None else ()):
                self.samples[table, column] = _Sample([row[at] for row in rows or ()])

    def allow(self, pair: Candidate) -> bool:
        """Whether a pair may be a key by its rows; they become features of it."""
        child, parent = self.samples.get(pair.child), self.samples.get(pair.parent)
        possible = not (child and child.fractions) and (parent is None or parent.may_be_key)
        share = self._share(pair, child, parent) if possible and child and parent else None
        if share is not None:
            pair.features.update(included=float(share >= _INCLUDED), excluded=1 - share)
        return possible and pair.parent[0] in self._stored

    def _share(self, pair: Candidate, child: _Sample, parent: _Sample) -> float | None:
        """The share of the child's values that the parent has; None: rows not read may have them."""
        if not child.values or not parent.values:
            return None
        share = len(child.values.keys() & parent.values.keys()) / len(child.values)
        if parent.whole or share == 1:
            return share
        if not pair.features["parent key"]:
            return None
        some = list(child.values.values())[:: max(1, len(child.values) // _LOOKUPS)][:_LOOKUPS]
        present = self._reader.present(*pair.parent, some)
        return None if present is None else present / len(some)

    def composite_score(self, pairs: Sequence[Candidate]) -> float:
        """How sure a composite key is: by its names where the rows say nothing."""
        anchored = any(pair.features["parent home"] for pair in pairs)
        unread = 0.7 if anchored and pairs[0].parent[0] in self._stored else 0.0
        children = [self.samples[p.child] for p in pairs if p.child in self.samples]
        parents = [self.samples[p.parent] for p in pairs if p.parent in self.samples]
        rows, others = _tuples(children), _tuples(parents)
        if len(children) < len(pairs) or len(parents) < len(pairs) or not rows or not others:
            return unread
        share = len(rows & others) / len(rows)
        if share >= _INCLUDED and len(rows) > 2:
            return 0.9
        return unread if share > 0.8 or not parents[0].whole else 0.0


def _tuples(samples: Iterable[_Sample]) -> set[tuple[str, ...]]:
    """The rows of several columns of one table, without those that have a NULL."""
    return {row for row in zip(*(sample.texts for sample in samples), strict=True) if all(row)}


# ------------------------------------------------------------------------------------------ reading


class SqlReader:
    """Reads a database. `query` gives the rows of a statement, or None where it fails; `tables` lists the
    tables whose rows are stored; from its answer on, reading may take `seconds`."""

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
        listed = ", ".join(
            str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
            for value in values
        )
        rows = self._timely(
            f"SELECT count(*) FROM {self._quote(table)} WHERE {self._quote(column)} IN ({listed})"
        )
        return int(str(rows[0][0])) if rows else None

    def _timely(self, sql: str) -> Sequence[Row] | None:
        return self._query(sql) if time.monotonic() < self._end else None
