"""What can be asked of a database: its nouns, what each column holds, how its tables join.

Read within a budget of SQLite opcodes rather than of time, so that the same file always gives the same
profile.

>>> plural("city"), plural("date of birth"), singular("addresses"), noun("num employees")
('cities', 'dates of birth', 'address', 'number of employees')
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, lru_cache

from txt2sql.execution import names
from txt2sql.execution.database import Database
from txt2sql.execution.sandbox import quoted
from txt2sql.identifiers import quote_identifier as quote
from txt2sql.sql.date_formats import DateFormat, date_format
from txt2sql.types import Cell, Column, Row, Schema, Table

_READ_ROWS, _SAMPLE, _VALUE_CHARS, _MAX_HOPS = 2000, 300, 48, 3
_OPCODES, _STEP = 4_000_000, 1000

_FLAGS = ({"t", "f"}, {"y", "n"}, {"yes", "no"}, {"true", "false"}, {"0", "1"})
_CODES = frozenset(
    "id ids code key number no phone telephone zip fax postcode postal isbn sku ssn barcode".split()
)
_NAMES = ("name", "title", "label")
_PLACES = frozenset("city country region state county location district town province".split())
_ADDITIVE = frozenset(
    "price amount total quantity sales cost revenue profit population budget salary hours minutes "
    "points goals wins losses attendance capacity seats stock units balance payment fee income "
    "sold passengers visitors enrollment count volume duration distance killed injured votes".split()
)
"""Numbers of which a sum means something."""

_PLURALS = {"person": "people", "man": "men", "woman": "women", "child": "children"}
_PLURALS |= {w: w for w in "series species staff data faculty aircraft news media sales".split()}
_SINGULARS = {many: one for one, many in _PLURALS.items()}
_HEAD = re.compile(r"\S+?(?=$| (?:of|in|for|with|per|by|at|to|from) )")
"""The word of a noun phrase that takes the ending: "date" in "date of birth"."""


@lru_cache(maxsize=4096)
def plural(words: str) -> str:
    """The plural of a noun phrase; one that is in the plural stays."""
    return _HEAD.sub(lambda head: _PLURALS.get(head[0]) or _plural(head[0]), words, count=1)


def _plural(word: str) -> str:
    if word in _SINGULARS or not word.isascii() or re.search("[^e]ed$|[^su]s$|[^a-z]$", word):
        return word  # "founded" has no plural
    if re.search("[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh", "z")) else "s")


def singular(words: str) -> str:
    return _HEAD.sub(lambda head: _SINGULARS.get(head[0]) or _singular(head[0]), words, count=1)


def _singular(word: str) -> str:
    return word if word.endswith(("us", "is", "ss")) else names.singular(word)


def noun(words: str, table: str = "") -> str:
    """A name as a person says it: lower case, abbreviations written out, no doubled words."""
    named = names.natural_name(words, table).split()
    if len(named) > 1 and named[0] in ("tbl", "has", "have", "dim", "fact", "ref", "reference"):
        del named[0]  # "has pet": a table of who has which pet
    if named[:1] == ["number"] and len(named) > 1 and named[1] != "of" and named[-1].endswith("s"):
        named.insert(1, "of")
    once = [word for i, word in enumerate(named) if not i or word != named[i - 1]]
    return " ".join(once) or " ".join(words.lower().split()) or "value"


def be(words: str) -> str:
    """`is` or `are`, as the noun is written: "age is", "seats are"."""
    last = words.rpartition(" ")[2]
    return "are" if " of " not in words and singular(last) != last else "is"


def an(words: str) -> str:
    vowel = words[:1] in "aeiou" and not words.startswith(("uni", "use", "eu", "one"))
    return f"{'an' if vowel else 'a'} {words}"


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column. `noun` is how it is said, `sql` its qualified name, `values` distinct cells to
    name. `kind`: id (a key), code, name, category (shared texts), text, long (texts too long to
    name), number, date, flag, empty. A sum of it means something where it is `additive`, SQL sorts
    it as a person does where it is `sortable` (`24.12.2024` is no such date), rows are "in" a
    `place`."""

    name: str
    noun: str
    sql: str
    kind: str
    values: tuple[Cell, ...]
    unique: bool
    nulls: bool
    date: DateFormat | None
    additive: bool
    sortable: bool
    place: bool

    @property
    def numbers(self) -> tuple[float, ...]:
        """The values that are numbers."""
        return tuple(value for value in self.values if isinstance(value, (int, float)))


@dataclass(frozen=True)
class TableProfile:
    """One table; `noun` is singular, `rows` a sample. `key` is the position of its primary key,
    where that is one column."""

    name: str
    noun: str
    columns: tuple[ColumnProfile, ...]
    rows: tuple[Row, ...]
    key: int | None = None

    @cached_property
    def names(self) -> tuple[int, ...]:
        """The columns that tell a person which row it is: a name, else the key."""
        by_noun = {column.noun: i for i, column in enumerate(self.columns)}
        if "first name" in by_noun and "last name" in by_noun:
            return by_noun["first name"], by_noun["last name"]
        kinds = self.of("name")
        own = [i for i in kinds if self.columns[i].noun in (*_NAMES, f"{self.noun} name")]
        texts = [i for i in self.of("text") if self.columns[i].unique]
        return tuple((own or kinds or ([self.key] if self.key is not None else texts))[:1])

    def of(self, *kinds: str) -> list[int]:
        """The positions of columns of some kinds; "sortable" counts as one."""
        columns = enumerate(self.columns)
        return [i for i, c in columns if c.kind in kinds or (c.sortable and "sortable" in kinds)]


@dataclass(frozen=True, slots=True)
class Edge:
    """`column` of a child table holds keys, `target`, of its parent, which it calls `role`."""

    child: int
    parent: int
    column: ColumnProfile
    target: ColumnProfile
    role: str


@dataclass(frozen=True)
class Profile:
    tables: tuple[TableProfile, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def paths(self) -> tuple[dict[int, tuple[Edge, ...]], ...]:
        """For every table its ancestors: each has one row for a row of the table."""
        paths: list[dict[int, tuple[Edge, ...]]] = [{i: ()} for i in range(len(self.tables))]
        for start, ends in enumerate(paths):
            for hops in range(_MAX_HOPS):  # the shortest first
                for edge in self.edges:
                    if edge.parent not in ends and len(ends.get(edge.child, "far off")) == hops:
                        ends[edge.parent] = (*ends[edge.child], edge)
            del ends[start]
        return tuple(paths)

    def role(self, table: int, ancestor: int) -> str:
        """What a table calls its ancestor: the "billing address" of an order."""
        path = self.paths[table][ancestor]
        return path[0].role if len(path) == 1 else self.tables[ancestor].noun

    def children(self, table: int) -> list[Edge]:
        """The edges that lead to a table, where the child has but one to it."""
        edges = [edge for edge in self.edges if edge.parent == table]
        times = Counter(edge.child for edge in edges)
        return [edge for edge in edges if times[edge.child] == 1 and self.tables[edge.child].rows]


def fetch(connection: sqlite3.Connection, sql: str, most: int, opcodes: int) -> list[Row]:
    """At most so many rows. Raises sqlite3.Error, also when a statement takes more opcodes."""
    steps = iter(range(opcodes // _STEP))
    connection.set_progress_handler(lambda: next(steps, None) is None, _STEP)
    with closing(connection.execute(sql)) as cursor:
        return cursor.fetchmany(most)


def read_profile(database: Database, schema: Schema) -> Profile:
    """Read the nouns of `schema` and the contents of `database`. Raises DatabaseError as it opens."""
    nouns = {t.name: singular(noun(t.words or t.name)) or t.name for t in schema.tables}
    times = Counter(nouns.values())
    nouns = {name: noun(name) if times[word] > 1 else word for name, word in nouns.items()}
    keys = {(key.table.lower(), key.column.lower()) for key in schema.foreign_keys}
    keys |= {(k.referenced_table.lower(), k.referenced_column.lower()) for k in schema.foreign_keys}
    tables = []
    with closing(database.connect()) as connection:
        for table in schema.tables:
            outputs = ", ".join(quoted(column.name) for column in table.columns)
            try:
                query = f"SELECT {outputs} FROM {quoted(table.name)}"
                rows = fetch(connection, query, _READ_ROWS, _OPCODES)
            except (sqlite3.Error, ValueError, OverflowError, MemoryError):
                rows = []  # a view over everything, or cells too big to read
            primary = [i for i, column in enumerate(table.columns) if column.primary_key]
            key = primary[0] if len(primary) == 1 else None
            columns = []
            for i, column in enumerate(table.columns):
                is_key = i == key or (table.name.lower(), column.name.lower()) in keys
                columns.append(_column(column, table, [row[i] for row in rows], nouns, is_key))
            sample = tuple(rows[:: max(1, len(rows) // _SAMPLE)])
            tables.append(TableProfile(table.name, nouns[table.name], tuple(columns), sample, key))
    return Profile(tuple(tables), tuple(_edges(schema, tables)))


def _column(
    column: Column, table: Table, cells: list[Cell], nouns: Mapping[str, str], key: bool
) -> ColumnProfile:
    owner = nouns[table.name]
    filled = [cell for cell in cells if cell is not None and cell != ""]
    distinct = list(dict.fromkeys(filled))
    words = noun(column.words or column.name, table.words or table.name)
    if words.startswith(owner + " ") and len(words) > len(owner) + 1:
        words = words[len(owner) + 1 :]
    date = None if key else date_format(column.words or words, column.type, distinct)
    if date is not None and date.kind == "unclear":
        date = None
    if date and words.endswith((" at", " on")):
        words = f"{words[:-3]} date"  # created at, paid on
    shared = len(distinct) * 3 <= len(filled) * 2 and len(distinct) <= 200
    kind = "date" if date else _kind(words, distinct, key, shared, owner)
    if kind == "number" and words in nouns.values() and all(type(cell) is int for cell in distinct):
        kind = "code"  # called like a table: flight.airline
    values = [cell for cell in distinct if _nameable(cell)]
    return ColumnProfile(
        name=column.name,
        noun="name" if kind == "name" and words == owner else words or column.name,
        sql=f"{quote(table.name)}.{quote(column.name)}",
        kind=kind,
        values=tuple(values[:: max(1, len(values) // _SAMPLE)]),
        unique=bool(distinct) and len(distinct) == len(cells),
        nulls=any(cell is None for cell in cells),
        date=date,
        additive=kind == "number" and not _ADDITIVE.isdisjoint(words.split()),
        sortable=kind == "number" or (date is not None and date.kind not in ("dmy", "mdy")),
        place=kind in ("category", "text") and words.rpartition(" ")[2] in _PLACES,
    )


def _nameable(cell: Cell) -> bool:
    if isinstance(cell, str):
        plain = cell.isprintable() and cell.strip() == cell and '"' not in cell and "  " not in cell
        return plain and 0 < len(cell) <= _VALUE_CHARS and any(map(str.isalnum, cell))
    return isinstance(cell, (int, float)) and bool(re.fullmatch(r"-?[\d.]{1,13}", repr(cell)))


def _kind(words: str, distinct: Sequence[Cell], key: bool, shared: bool, table_noun: str) -> str:
    if not distinct or any(isinstance(cell, bytes) for cell in distinct):
        return "empty"
    if key:
        return "id"
    first, last = words.split()[0], words.rpartition(" ")[2]
    if len(distinct) == 2 and (pair := {str(cell).lower() for cell in distinct}) in _FLAGS:
        if first in ("is", "has", "was", "are") or words.endswith(("ed", "able", "ive")):
            return "flag"
        return "code" if pair <= {"0", "1"} else "category"
    texts = [cell for cell in distinct if isinstance(cell, str)]
    if (last in _CODES or words == "number" or first == "number" != last) and " of " not in words:
        return "code"
    if not texts:
        return "number"
    lengths = sorted(map(len, texts))
    if len(texts) < len(distinct) or lengths[len(lengths) // 2] > _VALUE_CHARS:
        return "long"
    if last in _NAMES or words == table_noun:
        return "category" if shared and words not in (*_NAMES, table_noun) else "name"
    numeric = sum(text.replace(".", "", 1).replace("-", "", 1).isdigit() for text in texts)
    if numeric * 2 > len(texts):
        return "code"
    return "category" if shared else "text"


def _edges(schema: Schema, tables: Sequence[TableProfile]) -> Iterator[Edge]:
    places = {
        (table.name.lower(), column.name.lower()): (i, column)
        for i, table in enumerate(tables)
        for column in table.columns
    }
    for key in schema.foreign_keys:
        one = places.get((key.table.lower(), key.column.lower()))
        other = places.get((key.referenced_table.lower(), key.referenced_column.lower()))
        if not one or not other or one[0] == other[0] or not other[1].unique:
            continue  # a row would lead to several
        role = re.sub(r"\s*\b(id|key|number|code|ref|name)$", "", one[1].noun)
        owner = tables[other[0]].noun
        same = not role or role.replace(" ", "").startswith(owner.replace(" ", ""))
        yield Edge(one[0], other[0], one[1], other[1], owner if same else role)
