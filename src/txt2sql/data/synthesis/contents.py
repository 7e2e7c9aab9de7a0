"""What can be asked of a database: its nouns, what each column holds, how its tables join.

Read once per database, within a budget of SQLite opcodes rather than of time, so that the same file
always gives the same profile.

>>> read_profile(database, database.schema()).tables[0].columns[1].kind  # doctest: +SKIP
'category'
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from txt2sql.data.synthesis.words import is_person, noun, singular
from txt2sql.execution.database import Database
from txt2sql.execution.dates import DateFormat, date_format
from txt2sql.execution.sandbox import decode, quoted
from txt2sql.types import Cell, Column, Row, Schema, Table

_READ_ROWS = 2000
_SAMPLE_ROWS = 300
_SAMPLE_VALUES = 200
_VALUE_CHARS = 48
_OPCODES = 4_000_000
_STEP = 1000
_MAX_HOPS = 3

_FLAGS = ({"t", "f"}, {"y", "n"}, {"yes", "no"}, {"true", "false"}, {"0", "1"})
_YES_WORDS = frozenset("is has have was can are active".split())
_CODES = frozenset(
    "id ids code key number no phone telephone zip fax postcode postal isbn number sku ssn barcode uuid".split()
)
_NAMES = ("name", "title", "label")
PLACES = frozenset(
    "city country region state county location district town province continent hometown".split()
)
_ADDITIVE = frozenset(
    "price prices amount total quantity sales cost costs revenue profit population budget salary "
    "hours minutes points goals wins losses attendance capacity seats stock units balance payment "
    "payments fee fees income spending donation sold passengers visitors enrollment count volume "
    "duration distance bytes kwh consumption students employees staff killed injured votes".split()
)


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column. `noun` is how it is said; `values` are distinct cells that can be named.

    `kind`: id (a key), code, name, category (shared texts), text, long (texts too long to name),
    number, date, flag, empty. `whole` when `values` are all there are.
    """

    name: str
    noun: str
    kind: str
    values: tuple[Cell, ...] = ()
    whole: bool = False
    unique: bool = False
    nulls: bool = False
    date: DateFormat | None = None
    integer: bool = False
    comment: str = ""

    @property
    def additive(self) -> bool:
        """Whether a sum of it means something."""
        return self.kind == "number" and not _ADDITIVE.isdisjoint(self.noun.split())

    @property
    def sortable(self) -> bool:
        """Whether SQL sorts its cells as a person does: `24.12.2024` is no such date."""
        if self.date is not None:
            return self.date.kind not in ("dmy", "mdy")
        return self.kind == "number"

    @property
    def place(self) -> bool:
        """Whether its values are places: customers "in Kent"."""
        return self.kind in ("category", "text") and self.noun.rpartition(" ")[2] in PLACES

    @property
    def groups(self) -> bool:
        """Whether rows are grouped by it."""
        return self.kind in ("category", "flag") and len(self.values) > 1


@dataclass(frozen=True)
class TableProfile:
    """One table; `noun` is singular, `rows` a sample, `count` all its rows."""

    name: str
    noun: str
    columns: tuple[ColumnProfile, ...]
    rows: tuple[Row, ...]
    count: int
    key: int | None = None
    """The column that is its primary key, where that is one column."""

    @cached_property
    def names(self) -> tuple[int, ...]:
        """The columns that tell a person which row it is: a name, else the key."""
        by_noun = {column.noun: i for i, column in enumerate(self.columns)}
        if "first name" in by_noun and "last name" in by_noun:
            return by_noun["first name"], by_noun["last name"]
        kinds = [i for i, column in enumerate(self.columns) if column.kind == "name"]
        own = [i for i in kinds if self.columns[i].noun in (*_NAMES, f"{self.noun} name")]
        texts = [i for i, c in enumerate(self.columns) if c.kind == "text" and c.unique]
        chosen = own or kinds or ([self.key] if self.key is not None else texts)
        return tuple(chosen[:1])

    @property
    def person(self) -> bool:
        """Whether its rows are people."""
        return is_person(self.noun)

    def of(self, *kinds: str) -> list[int]:
        """The columns of some kinds."""
        return [i for i, column in enumerate(self.columns) if column.kind in kinds]


@dataclass(frozen=True, slots=True)
class Edge:
    """`child.columns` hold keys of `parent`; all are positions. `role` is what a parent is called."""

    child: int
    child_columns: tuple[int, ...]
    parent: int
    parent_columns: tuple[int, ...]
    role: str = ""


@dataclass(frozen=True)
class Profile:
    """One database."""

    db_id: str
    tables: tuple[TableProfile, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def paths(self) -> tuple[dict[int, tuple[Edge, ...]], ...]:
        """For every table its ancestors: each has one row for a row of the table."""
        return tuple(self._ancestors(table) for table in range(len(self.tables)))

    def _ancestors(self, start: int) -> dict[int, tuple[Edge, ...]]:
        paths: dict[int, tuple[Edge, ...]] = {start: ()}
        queue = deque([start])
        while queue:
            table = queue.popleft()
            for edge in self.edges:
                if (
                    edge.child == table
                    and edge.parent not in paths
                    and len(paths[table]) < _MAX_HOPS
                ):
                    paths[edge.parent] = (*paths[table], edge)
                    queue.append(edge.parent)
        del paths[start]
        return paths

    def role(self, table: int, ancestor: int) -> str:
        """What a table calls its ancestor: the "billing address" of an order."""
        path = self.paths[table][ancestor]
        near = len(path) == 1 and len(path[0].role) < 30
        return path[0].role if near else self.tables[ancestor].noun

    @cached_property
    def children(self) -> tuple[tuple[Edge, ...], ...]:
        """For every table the edges of one column that lead to it, one from each other table."""
        ends = Counter((edge.child, edge.parent) for edge in self.edges)
        return tuple(
            tuple(
                edge
                for edge in self.edges
                if edge.parent == table != edge.child
                and len(edge.parent_columns) == 1
                and ends[edge.child, edge.parent] == 1
                and self.tables[edge.child].rows
            )
            for table in range(len(self.tables))
        )

    @cached_property
    def _rows_by_key(self) -> dict[Edge, dict[tuple[Cell, ...], Row]]:
        return {
            edge: {tuple(row[i] for i in edge.parent_columns): row for row in self.tables[edge.parent].rows}
            for edge in self.edges
        }  # fmt: skip

    def parent_row(self, edge: Edge, row: Row) -> Row | None:
        """The row that a child's row leads to, where it is in the sample."""
        return self._rows_by_key[edge].get(tuple(row[i] for i in edge.child_columns))

    def why_silent(self) -> str | None:
        """Why nothing can be asked of it, in one sentence; None when something can."""
        if not self.tables:
            return f"'{self.db_id}' has no tables; give a database that has some"
        if not any(table.rows for table in self.tables):
            return f"'{self.db_id}' has no rows, so every query would come back empty; fill a table"
        return None


class Budget:
    """Ends what runs on a connection after so many opcodes: the same at every run."""

    def __init__(self, connection: sqlite3.Connection, opcodes: int) -> None:
        self.connection = connection
        self.allowed = opcodes // _STEP
        self.left = self.allowed
        connection.set_progress_handler(self._spend, _STEP)

    def _spend(self) -> bool:
        self.left -= 1
        return self.left < 0

    def rows(self, sql: str, limit: int) -> list[Row]:
        """At most `limit` rows. Raises sqlite3.Error, also when the budget is spent."""
        self.left = self.allowed
        cursor = self.connection.execute(sql)
        try:
            return cursor.fetchmany(limit)
        finally:
            cursor.close()


def read_profile(database: Database, schema: Schema) -> Profile:
    """Read the nouns of `schema` and the contents of `database`."""
    connection = database.connect()
    connection.text_factory = decode
    try:
        budget = Budget(connection, _OPCODES)
        tables = [_table(budget, table, schema) for table in schema.tables]
    finally:
        connection.close()
    nouns = Counter(table.noun for table in tables)
    tables = [replace(t, noun=noun(t.name)) if nouns[t.noun] > 1 else t for t in tables]
    tables = [replace(t, columns=tuple(_without_references(t, nouns))) for t in tables]
    return Profile(schema.db_id, tuple(tables), tuple(_edges(schema, tables)))


def _without_references(table: TableProfile, nouns: Collection[str]) -> Iterator[ColumnProfile]:
    """The columns, where a number called like a table is a code: `flight.airline`."""
    for column in table.columns:
        reference = column.kind == "number" and column.integer and column.noun in nouns
        yield replace(column, kind="code") if reference else column


def _table(budget: Budget, table: Table, schema: Schema) -> TableProfile:
    names = ", ".join(quoted(column.name) for column in table.columns)
    try:
        rows = budget.rows(f"SELECT {names} FROM {quoted(table.name)}", _READ_ROWS)
        count = len(rows)
        if count == _READ_ROWS:
            total = budget.rows(f"SELECT COUNT(*) FROM {quoted(table.name)}", 1)[0][0]
            count = total if isinstance(total, int) else count
    except (sqlite3.Error, ValueError, OverflowError, MemoryError):
        rows, count = [], 0  # a view over everything, or cells too big to read
    words = singular(noun(table.words or table.name)) or table.name
    keys = {
        column.lower()
        for key in schema.foreign_keys
        for owner, column in ((key.table, key.column), (key.referenced_table, key.referenced_column))
        if owner.lower() == table.name.lower()
    }  # fmt: skip
    primary = [i for i, column in enumerate(table.columns) if column.primary_key]
    keys |= {table.columns[i].name.lower() for i in primary if len(primary) == 1}
    whole = count == len(rows)
    columns = tuple(
        _column(column, table, words, [row[i] for row in rows], whole, column.name.lower() in keys)
        for i, column in enumerate(table.columns)
    )
    step = max(1, len(rows) // _SAMPLE_ROWS)
    key = primary[0] if len(primary) == 1 else None
    if key is not None and not columns[key].values:
        key = None
    return TableProfile(table.name, words, columns, tuple(rows[::step]), count, key)


def _column(
    column: Column, table: Table, table_noun: str, cells: list[Cell], whole: bool, key: bool
) -> ColumnProfile:
    filled = [cell for cell in cells if cell is not None and cell != ""]
    distinct = list(dict.fromkeys(filled))
    words = noun(column.words or column.name, table.words or table.name)
    if words.startswith(table_noun + " ") and len(words) > len(table_noun) + 1:
        words = words[len(table_noun) + 1 :]
    unique = bool(distinct) and len(distinct) == len(cells)
    date = None if key else date_format(column.words or words, column.type, distinct)
    if date is not None and date.kind == "unclear":
        date = None
    shared = len(distinct) * 3 <= len(filled) * 2 and len(distinct) <= 200
    values = [cell for cell in distinct if _nameable(cell)]
    named = len(values) == len(distinct)
    step = max(1, len(values) // _SAMPLE_VALUES)
    comment = column.comment.strip()
    if date and words.endswith((" at", " on")):
        words = f"{words[:-3]} date"  # created at, paid on
    kind = "date" if date else _kind(words, distinct, key, shared, table_noun)
    return ColumnProfile(
        name=column.name,
        noun="name" if kind == "name" and words == table_noun else words or column.name,
        kind=kind,
        values=tuple(values[::step]),
        whole=whole and named and step == 1,
        unique=unique,
        nulls=any(cell is None for cell in cells),
        date=date,
        integer=all(isinstance(cell, int) for cell in distinct),
        comment=comment.lower() if re.fullmatch(r"[A-Za-z]+( [A-Za-z]+){0,3}", comment) else "",
    )


def _nameable(cell: Cell) -> bool:
    if isinstance(cell, str):
        plain = cell.isprintable() and cell.strip() == cell and '"' not in cell and "  " not in cell
        return plain and 0 < len(cell) <= _VALUE_CHARS and any(map(str.isalnum, cell))
    if isinstance(cell, float):
        return abs(cell) < 1e12 and len(repr(cell)) <= 12 and "e" not in repr(cell)
    return isinstance(cell, int) and abs(cell) < 10**13


def _kind(words: str, distinct: Sequence[Cell], key: bool, shared: bool, table_noun: str) -> str:
    if not distinct or any(isinstance(cell, bytes) for cell in distinct):
        return "empty"
    if key:
        return "id"
    first, last = words.split()[0], words.rpartition(" ")[2]
    if len(distinct) == 2 and (pair := {str(cell).lower() for cell in distinct}) in _FLAGS:
        telling = first in _YES_WORDS or words.endswith(("ed", "able", "ive"))
        return "flag" if telling or not pair <= {"0", "1", "f"} else "code"
    texts = [cell for cell in distinct if isinstance(cell, str)]
    if (last in _CODES or words == "number" or first == "number" != last) and " of " not in words:
        return "code"
    if not texts:
        return "number"
    if len(texts) < len(distinct):
        return "long"
    lengths = sorted(map(len, texts))
    if lengths[len(lengths) // 2] > _VALUE_CHARS:
        return "long"
    if last in _NAMES or words == table_noun:
        return "category" if shared and words not in (*_NAMES, table_noun) else "name"
    numeric = sum(text.replace(".", "", 1).replace("-", "", 1).isdigit() for text in texts)
    if numeric * 2 > len(texts):
        return "code"
    return "category" if shared else "text"


def _edges(schema: Schema, tables: list[TableProfile]) -> Iterator[Edge]:
    place = {table.name.lower(): i for i, table in enumerate(tables)}
    columns = [{c.name.lower(): i for i, c in enumerate(table.columns)} for table in tables]
    groups: dict[tuple[object, ...], list[tuple[int, int, int, int]]] = {}
    for number, key in enumerate(schema.foreign_keys):
        child, parent = place.get(key.table.lower()), place.get(key.referenced_table.lower())
        if child is None or parent is None or child == parent:
            continue
        one, other = (
            columns[child].get(key.column.lower()),
            columns[parent].get(key.referenced_column.lower()),
        )
        if one is not None and other is not None:
            group = (key.constraint,) if key.constraint else ("alone", number)
            groups.setdefault((*group, child, parent), []).append((child, one, parent, other))
    for parts in groups.values():
        child, _, parent, _ = parts[0]
        ends = tuple(part[1] for part in parts), tuple(part[3] for part in parts)
        if len(ends[1]) == 1 and not tables[parent].columns[ends[1][0]].unique:
            continue  # a row would lead to several
        role = tables[child].columns[ends[0][0]].noun
        role = re.sub(r"\s*\b(id|key|number|code|ref|name)$", "", role) or tables[parent].noun
        noun_of_parent = tables[parent].noun
        if len(ends[0]) > 1 or role.replace(" ", "").startswith(noun_of_parent.replace(" ", "")):
            role = noun_of_parent
        yield Edge(child, ends[0], parent, ends[1], role)
