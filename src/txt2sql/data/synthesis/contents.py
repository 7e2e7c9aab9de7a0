"""What can be asked of a database: its nouns, what each column holds, and how tables join.

Read once per database, within a budget of SQLite opcodes rather than of time, so that the same file
always gives the same facts. Tables that no foreign key touches are joined by natural keys: a column
that names another table's key and whose values occur there.

>>> facts = read_facts(database, database.schema())  # doctest: +SKIP
>>> facts.tables[0].columns[1].kind  # doctest: +SKIP
'text'
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from dataclasses import replace

from txt2sql.data.synthesis.facts import ColumnFacts, Facts, TableFacts
from txt2sql.data.synthesis.joins import joins
from txt2sql.data.synthesis.words import noun, singular
from txt2sql.execution.database import Database
from txt2sql.execution.sandbox import decode, quoted
from txt2sql.types import Cell, Column, Row, Schema, Table

_READ_ROWS = 2000
_KEPT_ROWS = 300
_KEPT_VALUES = 300
_VALUE_CHARS = 48
_OPCODES = 4_000_000
_STEP = 1000
_DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?$")
_YEAR_WORDS = re.compile(r"\b(year|years|yr)\b")
_FLAG_VALUES = ({"t", "f"}, {"y", "n"}, {"yes", "no"}, {"true", "false"}, {"0", "1"})


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


def read_facts(database: Database, schema: Schema) -> Facts:
    """Read the nouns of `schema` and the contents of `database`."""
    connection = database.connect()
    connection.text_factory = decode
    try:
        budget = Budget(connection, _OPCODES)
        tables = _told_apart([_table(budget, table, schema) for table in schema.tables])
    finally:
        connection.close()
    edges = joins(schema, tables)
    said = {t.noun for t in tables} | {c.noun for t in tables for c in t.columns}
    return Facts(schema.db_id, tuple(tables), tuple(edges), frozenset(said))


def _told_apart(tables: list[TableFacts]) -> list[TableFacts]:
    """Tables that are called alike are called by their names in the file."""
    said = Counter(table.noun for table in tables)
    return [replace(t, noun=noun(t.name)) if said[t.noun] > 1 else t for t in tables]


def _table(budget: Budget, table: Table, schema: Schema) -> TableFacts:
    names = ", ".join(quoted(column.name) for column in table.columns)
    try:
        read = budget.rows(f"SELECT {names} FROM {quoted(table.name)}", _READ_ROWS)
        count = len(read)
        if count == _READ_ROWS:
            counted = budget.rows(f"SELECT count(*) FROM {quoted(table.name)}", 1)[0][0]
            count = counted if isinstance(counted, int) else count
    except (sqlite3.Error, ValueError, OverflowError, MemoryError):
        read, count = [], 0  # a view over everything, or cells too big to read
    called = singular(noun(table.words or table.name)) or table.name
    keys = {
        name.lower()
        for key in schema.foreign_keys
        for owner, name in ((key.table, key.column), (key.referenced_table, key.referenced_column))
        if owner == table.name
    }
    whole = count == len(read)
    columns = tuple(
        _column(column, called, [row[i] for row in read], whole, keys)
        for i, column in enumerate(table.columns)
    )
    rng = random.Random(f"{schema.db_id}.{table.name}")
    if len(read) > _KEPT_ROWS:
        read = [read[i] for i in sorted(rng.sample(range(len(read)), _KEPT_ROWS))]
    return TableFacts(table.name, called, columns, tuple(read), count)


def _column(
    column: Column, table_noun: str, cells: list[Cell], whole: bool, keys: set[str]
) -> ColumnFacts:
    distinct = dict.fromkeys(cell for cell in cells if cell is not None and cell != "")
    said = noun(column.words or column.name)
    if said.startswith(table_noun + " ") and len(said) > len(table_noun) + 1:
        said = said[len(table_noun) + 1 :]
    kind = _kind(column, said, list(distinct))
    filled = sum(cell is not None and cell != "" for cell in cells)
    values = [cell for cell in distinct if _sayable(cell)]
    if len(values) > _KEPT_VALUES:
        rng = random.Random(f"{table_noun}.{column.name}")
        values = [values[i] for i in sorted(rng.sample(range(len(values)), _KEPT_VALUES))]
    return ColumnFacts(
        name=column.name,
        noun=said or column.name,
        kind=kind,
        values=tuple(values),
        complete=whole and len(values) == len(distinct),
        unique=bool(distinct) and len(distinct) == filled,
        nulls=filled < len(cells),
        shared=len(distinct) * 3 <= filled * 2,
        key=column.primary_key or column.name.lower() in keys,
        primary=column.primary_key,
    )


def _sayable(cell: Cell) -> bool:
    if isinstance(cell, str):
        plain = cell.isprintable() and cell.strip() == cell and '"' not in cell
        return plain and 0 < len(cell) <= _VALUE_CHARS and any(map(str.isalnum, cell))
    if isinstance(cell, float):
        return abs(cell) < 1e12 and len(repr(cell)) <= 12 and "e" not in repr(cell)
    return isinstance(cell, int) and abs(cell) < 10**13


def _kind(column: Column, said: str, distinct: list[Cell]) -> str:
    if not distinct or any(isinstance(cell, bytes) for cell in distinct):
        return "empty"
    texts = [cell for cell in distinct if isinstance(cell, str)]
    if len(distinct) == 2 and {str(cell).lower() for cell in distinct} in _FLAG_VALUES:
        return "flag"
    if not texts:
        numbers = [cell for cell in distinct if isinstance(cell, int)]
        if len(numbers) == len(distinct) and all(1000 <= n <= 2100 for n in numbers):
            return "year" if _YEAR_WORDS.search(said) else "number"
        return "number"
    if len(texts) < len(distinct):
        return "long"
    if all(_DATE.match(text) for text in texts):
        return "date"
    lengths = sorted(map(len, texts))
    if lengths[len(lengths) // 2] > _VALUE_CHARS:
        return "long"
    return "text"
