"""Foreign keys that nobody declared, from names, types, uniqueness and inclusion of values.

Field's name: foreign-key discovery; schema matching; inclusion dependencies. Source: Rostin et al., "A
Machine Learning Approach to Foreign Key Discovery", WebDB 2009. Names propose pairs of columns: a name
is taken apart into the words of what it names and a word such as `id`, `no` or `ref`, and its words,
their end or their beginning are what another table is about (`customer_id`, `home_team_id`), shorten
that (`cust_no`), are called alike in both tables, or tell a role (`manager_id`). A sample of rows
tests the pairs. A logistic model (`WEIGHTS`, fitted by `python benchmarks/keys.py --fit`) scores what
is left, and each column refers to its best partner. Inclusion alone proposes nothing: ids from 1 to n
are in each other. Composite keys are proposed where the primary key that they refer to is declared.

>>> infer_keys(open_database("shop.sqlite").schema(infer=False), reader)  # doctest: +SKIP
(ForeignKey('sale', 'cust_no', 'customers', 'id', score=0.98, constraint=0),)
>>> parse("home_team_id").words, parse("custno").words
(('home', 'team'), ('customer',))
"""

from __future__ import annotations

import heapq
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from txt2sql.execution.names import abbreviates, natural_name, stem
from txt2sql.types import Cell, Column, ForeignKey, Row, Schema

Place = tuple[str, str]
"""A column, as (table, column)."""

THRESHOLD = 0.6
"""The score from which a pair is a key."""
SAMPLED_ROWS = 1000
SCANNED_ROWS = 20_000
"""Rows that are read of a column that is no primary key, and may be referred to."""
INFERENCE_S = 1.0
"""What reading may take in all; names alone decide about the rest."""
_MIN_CODES = 3
"""Values that a column of codes has, at least."""
VALUES_SCORE = 0.7
"""The score of a key that values alone propose."""
_LOOKUPS = 60
_INCLUDED = 0.95
_MAX_SCORE = 0.99


def infer_keys(schema: Schema, reader: SqlReader) -> tuple[ForeignKey, ...]:
    """The keys that the schema does not declare, in the order of its tables, with their scores.

    A column that a declared key already uses needs none.
    """
    naming = Naming(schema)
    named, composites = naming.pairs(), naming.composites()
    if not named and not composites and not naming.leading():
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
    keys += _by_values(naming, contents, {(key.table, key.column) for key in keys})
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


def candidates(schema: Schema, reader: SqlReader) -> list[Candidate]:
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


def _by_values(naming: Naming, contents: _Contents, keys: set[Place]) -> list[ForeignKey]:
    """Keys that no name proposes: a column of codes whose values are all in one other column, which
    tells the rows of its table apart.
    """
    leading = naming.leading()
    contents.sample(leading)
    parents = [place for place in leading if contents.tells_apart(place)]
    children = [place for place in naming.referring() if place not in keys] if parents else []
    contents.sample(children)
    inferred = []
    for child in children:
        holding = [place for place in parents if contents.holds(place, child)]
        if len(holding) == 1 and holding[0] != child:
            inferred.append(ForeignKey(*child, *holding[0], score=VALUES_SCORE))
    return inferred


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


# --------------------------------------------------------------------------------------- the names

_KEY_WORDS = frozenset("id identifier key code number ref reference fk pk sk uuid guid".split())
_LEADING = frozenset("id pk fk key ref".split())
_GENERIC = frozenset("id name code key no number nr title type value".split())
_FUSED = re.compile(r"(.*?[a-z]{2})(id|key|code|no|num|nbr|ref)")
_TABLE_MARKS = frozenset("tbl tb dim fact fct ref lookup lkp lu master mst stg t d f r".split())
_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman"}
_BINARY = ("BLOB", "BINARY", "BYTEA", "JSON", "[]", "GEOMETRY")
_MAX_PARTS = 4
"""Columns of a composite key."""


def _stem(word: str) -> str:
    return stem(_IRREGULAR.get(word, word))


def _stems(words: str) -> frozenset[str]:
    return frozenset(map(_stem, words.split()))


_TABLE_TAILS = _stems("header master index info information data details list record profile")
_WITHIN = _stems("parent previous next predecessor successor original prerequisite prereq followup")
"""Words of a column that refers to its own table."""
_WITHIN_PEOPLE = _stems(
    "manager boss supervisor superior mentor spouse reports reporting chief lead"
)
"""The same in a table of people."""
_TOWARDS = frozenset(("by", "to"))
_PEOPLE = _stems("employee staff person user worker member")
_ROLES = _stems(
    "manager boss supervisor mentor author owner creator editor assignee approver seller agent "
    "rep representative created updated modified approved assigned reported person salesperson "
    "male female husband wife"
)
"""Words of a column that refers to a table of people."""


_MAX_PARENTS = 16
"""Columns that one column may refer to, at most, by name alone."""


@dataclass(frozen=True, slots=True)
class _Name:
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
        return _Name(plain, tuple(map(_stem, words)), keyed=False, plural=plural)
    leading = marks[-1] == 0 and len(words) > 1  # id_cliente; else a role follows: tmIDLoser
    named = words[1:] if leading else words[: marks[-1]]
    return _Name(plain, tuple(_stem(w) for w in named if w not in _KEY_WORDS), keyed=True)


def _common_prefix(columns: Sequence[Column]) -> str:
    """What all the columns of a table begin with: `l_` of `l_orderkey`, `l_partkey`."""
    first = re.match(r"[A-Za-z]{1,4}_", columns[0].name) if len(columns) > 2 else None
    return first[0] if first and all(c.name.startswith(first[0]) for c in columns) else ""


def _entity(table: str) -> tuple[str, ...]:
    """Stems of what a table is about: `dim_customers` -> (customer,)."""
    words = natural_name(table).split()
    if len(words) > 1 and re.split(r"[\W_]+", table.lower().strip("_"))[0] in _TABLE_MARKS:
        words = words[1:]
    return tuple(map(_stem, words))


def _shortens(word: str, whole: str) -> bool:
    """Whether a word is short for the name of its own table: `tm` of `teams`, `ap` of `airports`."""
    letters = iter(whole)
    return (
        1 < len(word) < len(whole)
        and word[0] == whole[0]
        and not set(word[1:]) & set("aeiou")
        and all(letter in letters for letter in word)
    )


@dataclass(frozen=True, slots=True)
class NamedPair:
    """A column, one that its name may mean, and what names and declared keys say of the two.

    `strength` ranks the partners of one column.
    """

    child: Place
    parent: Place
    features: Mapping[str, float]
    strength: float


@dataclass(frozen=True, slots=True)
class CompositeKey:
    """All columns of one table's primary key, with their partners in another table."""

    pairs: tuple[NamedPair, ...]
    anchored: bool
    """Whether one of them is called like the key of its table."""


_STRENGTH = {
    ("full", "table"): 5.0,
    ("full", "column"): 5.0,
    ("within", ""): 4.6,
    ("same", ""): 4.5,
    ("full", "part"): 4.0,
    ("tail", "table"): 4.0,
    ("tail", "column"): 4.0,
    ("short", ""): 3.5,
    ("tail", "part"): 3.0,
    ("head", "table"): 3.0,
    ("head", "column"): 3.0,
    ("head", "part"): 2.0,
    ("role", ""): 1.5,
}
"""How well a part of a column's name means a table by its name, its key's name or a part of it."""


class Naming:
    """What the names of a schema say about which column refers to which."""

    def __init__(self, schema: Schema) -> None:
        self._columns = {(t.name, c.name): c for t in schema.tables for c in t.columns}
        self._first = {(t.name, t.columns[0].name) for t in schema.tables if t.columns}
        self._keys = {t.name: [c.name for c in t.columns if c.primary_key] for t in schema.tables}
        self._entities = {table.name: _entity(table.name) for table in schema.tables}
        self._names: dict[Place, _Name] = {}
        for table in schema.tables:
            cut = len(_common_prefix(table.columns))
            for column in table.columns:
                self._names[table.name, column.name] = parse(column.name[cut:])
        self._declared = {(key.table, key.column) for key in schema.foreign_keys}
        self._backwards = {
            ((key.referenced_table, key.referenced_column), (key.table, key.column))
            for key in schema.foreign_keys
        }

    def pairs(self) -> list[NamedPair]:
        """Every pair that names propose, of columns that no declared key uses yet."""
        aliases, same = self._aliases()
        shortened: dict[str, list[Place]] = {}
        proposals: dict[tuple[Place, Place], tuple[float, str, str]] = {}

        def propose(child: Place, parent: Place, form: str, kind: str = "") -> None:
            if child != parent and (child, parent) not in self._backwards:
                proposal = (_STRENGTH[form, kind], form, kind)
                proposals[child, parent] = max(proposals.get((child, parent), proposal), proposal)

        for child, name in self._names.items():
            if child in self._declared or not _may_refer(self._columns[child]):
                continue
            for form, part in _parts(name):
                for parent, kind in aliases.get(part, ()):
                    propose(child, parent, form, kind)
            for word in {*name.words[:1], *name.words[-1:]} if name.keyed else ():
                if word not in shortened:
                    shortened[word] = _meant_by(word, aliases)
                for parent in shortened[word]:
                    propose(child, parent, "short")
            for parent in same.get(name.plain, ()):
                if parent[0] != child[0]:
                    propose(child, parent, "same")
            key = self._keys[child[0]]
            if len(key) == 1 and self._is_within(name, child[0]):
                propose(child, (child[0], key[0]), "within")
            if not name.keyed and len(name.words) > 1 and name.words[-1] not in _TOWARDS:
                continue  # a modified_date is no person
            if _ROLES & set(name.words):
                for parent, kind in (one for person in _PEOPLE for one in aliases.get(person, ())):
                    if kind == "table":
                        propose(child, parent, "role")
        by_child: dict[Place, list[tuple[tuple[float, str, str], Place]]] = defaultdict(list)
        for (child, parent), proposal in proposals.items():
            by_child[child].append((proposal, parent))
        return [
            self._pair(child, parent, *proposal)
            for child, parents in by_child.items()
            # Tables of one series of names propose themselves for each other, all with all.
            for proposal, parent in heapq.nlargest(_MAX_PARENTS, parents, key=lambda one: one[0])
        ]

    def leading(self) -> list[Place]:
        """The columns of text that are the primary key of their table, or the first where it has none."""
        return [
            place
            for place, column in self._columns.items()
            if column.type == "text"
            and (keys == [place[1]] if (keys := self._keys[place[0]]) else place in self._first)
        ]

    def referring(self) -> list[Place]:
        """The columns of text that may refer to another, and that no declared key uses."""
        return [
            place
            for place, column in self._columns.items()
            if column.type == "text"
            and _may_refer(column)
            and place not in self._declared
            and self._keys[place[0]] != [place[1]]
        ]

    def _home(self, place: Place) -> float:
        """How far a column is called like the key of its own table: `id`, `team_id` of `teams`."""
        words, entity = self._names[place].words, self._entities[place[0]]
        name, whole = "".join(words), "".join(entity)
        if not name or name == whole or _shortens(name, whole):
            return 1.0
        overlaps = set(words) & set(entity) or whole.endswith(name) or whole.startswith(name)
        return 0.5 if overlaps else 0.0

    def _is_within(self, name: _Name, table: str) -> bool:
        """Whether a name means another row of its table: `parent_id`, `manager_id` of employees."""
        words, entity = set(name.words), set(self._entities[table])
        roles = words & (_WITHIN | _WITHIN_PEOPLE if entity & _PEOPLE else _WITHIN)
        return bool(roles) and words - roles - _TOWARDS <= entity

    def _aliases(self) -> tuple[dict[str, list[tuple[Place, str]]], dict[str, list[Place]]]:
        """What a column may be called to mean a key: a name of its table, its own; its plain name."""
        aliases: dict[str, list[tuple[Place, str]]] = defaultdict(list)
        same: dict[str, list[Place]] = defaultdict(list)
        for place, name in self._names.items():
            key, home = self._keys[place[0]], self._home(place)
            is_key = key == [place[1]]
            if name.plain not in _GENERIC and (is_key or home == 1 or name.keyed):
                same[name.plain].append(place)
            first = not key and place in self._first
            if not is_key and not (name.keyed and (home == 1 or first)) and not (first and home):
                continue
            entity = self._entities[place[0]]
            labels: dict[str, str] = {}
            if len(entity) > 1:
                labels["".join(word[0] for word in entity)] = "part"
                labels[entity[-1]] = "part"
            labels["".join(name.words)] = "column"
            if len(entity) > 1 and entity[-1] in _TABLE_TAILS:
                labels["".join(entity[:-1])] = "table"
            labels["".join(entity)] = "table"
            for label, kind in labels.items():
                if len(label) > 1:
                    aliases[label].append((place, kind))
        for plain, places in same.items():  # where one is the key, the others are no partners
            keys = [p for p in places if self._keys[p[0]] == [p[1]] or self._home(p)]
            same[plain] = keys or places
        return aliases, same

    def _pair(
        self, child: Place, parent: Place, strength: float, form: str, kind: str
    ) -> NamedPair:
        name, other = self._names[child], self._names[parent]
        key, own = self._keys[parent[0]], self._keys[child[0]]
        home = self._home(parent)
        related = set(self._entities[child[0]]) & set(self._entities[parent[0]])
        features = {
            "bias": 1.0,
            f"form {form}": 1.0,
            "by part of table": float(kind == "part"),
            "same name": float(name.plain == other.plain),
            "generic name": float(name.plain == other.plain and name.plain in _GENERIC),
            "child keyed": float(name.keyed),
            "child plural": float(name.plural),
            "child key": float(own == [child[1]]),
            "child home": self._home(child),
            "parent key": float(key == [parent[1]]),
            "parent part of key": float(len(key) > 1 and parent[1] in key),
            "parent beside key": float(bool(key) and parent[1] not in key),
            "parent home": home,
            "own table": float(child[0] == parent[0] and form not in ("within", "role")),
        }
        return NamedPair(child, parent, features, strength + home + (0.1 if related else 0.0))

    def composites(self) -> list[CompositeKey]:
        """Tables that have a partner for each column of another table's composite primary key."""
        tables: dict[str, dict[str, Place]] = defaultdict(dict)
        for place, name in self._names.items():
            tables[place[0]].setdefault(name.plain, place)
        proposals: list[CompositeKey] = []
        for parent, key in self._keys.items():
            if 2 <= len(key) <= _MAX_PARTS:
                for child, columns in tables.items():
                    if child != parent:
                        proposals += self._composites(parent, key, child, columns)
        return proposals

    def _composites(
        self, parent: str, key: Sequence[str], child: str, columns: Mapping[str, Place]
    ) -> Iterable[CompositeKey]:
        options = [self._partners((parent, column), columns) for column in key]
        most = max(map(len, options))
        if not all(len(places) in (1, most) for places in options):
            return
        for at in range(most):  # the winner's columns, then the loser's
            places = [option[at % len(option)] for option in options]
            ends = [(place, (parent, column)) for place, column in zip(places, key, strict=True)]
            whole = {place[1] for place in places} >= set(self._keys[child] or ("",))
            used = any(place in self._declared for place in places)
            if len(set(places)) == len(key) and not whole and not used:
                yield CompositeKey(
                    tuple(self._pair(*pair, 0.0, "same", "") for pair in ends),
                    anchored=any(self._home(place) for _, place in ends),
                )

    def _partners(self, parent: Place, columns: Mapping[str, Place]) -> list[Place]:
        """The columns of a table that mean a part of a key: by name, by its table, with a role."""
        name = self._names[parent]
        entity = "".join(self._entities[parent[0]])
        if not name.words or name.plain in _GENERIC:  # name of city: city
            meant = (p for p in columns.values() if "".join(self._names[p].words) == entity)
            return list(meant)[:1]
        if name.plain in columns:
            return [columns[name.plain]]
        if not name.keyed:
            return []
        return [
            place
            for plain, place in columns.items()
            if plain.startswith(name.plain)
            or plain.endswith(name.plain)
            or (
                self._names[place].keyed
                and tuple(w for w in self._names[place].words if not w.isdigit()) == name.words
            )
        ]


def _may_refer(column: Column) -> bool:
    declared = column.declared_type.upper()
    return column.type != "boolean" and not any(mark in declared for mark in _BINARY)


def _parts(name: _Name) -> Iterable[tuple[str, str]]:
    """The whole, the ends and the beginnings of a name, longest first.

    `home_games` counts games, and a `rental_duration` is no rental.
    """
    words = name.words
    if words:
        yield "full", "".join(words)
    if not name.plural:
        for at in range(1, len(words)):
            yield "tail", "".join(words[at:])
    if name.keyed:
        for at in range(len(words) - 1, 0, -1):
            yield "head", "".join(words[:at])


def _meant_by(word: str, aliases: Mapping[str, Sequence[tuple[Place, str]]]) -> list[Place]:
    """The keys of the tables that a word abbreviates."""
    if word in aliases:
        return []
    return [place for name in aliases if abbreviates(word, name) for place, _ in aliases[name]]


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

    def __init__(self, schema: Schema, reader: SqlReader) -> None:
        self._reader = reader
        self._strict = schema.dialect != "sqlite"  # whose columns compare across types
        self._types = {(t.name, c.name): c.type for t in schema.tables for c in t.columns}
        self._samples: dict[Place, _Sample] = {}
        self._scans: dict[Place, _Sample] = {}
        self._stored: frozenset[str] = frozenset()

    def read(self, pairs: Sequence[NamedPair]) -> None:
        """Read the columns of these pairs, each table once."""
        self._stored = self._reader.stored()
        readable = [pair for pair in pairs if pair.parent[0] in self._stored]
        self.sample(place for pair in readable for place in (pair.child, pair.parent))

    def sample(self, places: Iterable[Place]) -> None:
        """Read the first rows of these columns, each table once, but for those read already."""
        tables: dict[str, dict[str, None]] = defaultdict(dict)
        for table, column in places:
            if table in self._stored and (table, column) not in self._samples:
                tables[table][column] = None
        for table, names in tables.items():
            columns = list(names)
            rows = self._reader.rows(table, columns, SAMPLED_ROWS)
            if rows is not None:
                whole = len(rows) < SAMPLED_ROWS
                for at, column in enumerate(columns):
                    self._samples[table, column] = _sample((row[at] for row in rows), whole)

    def tells_apart(self, place: Place) -> bool:
        """Whether a small table's column has another short text in each row."""
        sample = self._samples.get(place)
        return (
            sample is not None
            and sample.whole
            and sample.may_be_key
            and sample.filled == len(sample.texts)
            and len(sample.values) >= _MIN_CODES
            and not sample.numbers
        )

    def holds(self, parent: Place, child: Place) -> bool:
        """Whether a column repeats values of another, and has no others."""
        own, other = self._samples.get(child), self._samples.get(parent)
        return (
            own is not None
            and other is not None
            and _MIN_CODES <= len(own.values) < own.filled
            and all(value in other.values for value in own.values)
        )

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
