"""What one may ask of a database: row counts and categories, questions to begin with, next questions.

All of it is made from the schema and from two cheap statements for each table. A category is a column
of text with few different values; questions are made along categories, quantities and keys.

>>> from txt2sql.types import Column, Schema, Table
>>> schema = Schema("shop", (Table("books", (Column("genre"), Column("price", "number"))),))
>>> counted = {"books": Counted(183, False, ("genre",))}
>>> following("How many books?", "SELECT count(*) FROM books", schema, counted)
('How many books are there in each genre?', 'What is the average price of books?', \
'Show the books with the highest price.')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from txt2sql.serving.chart import amounts
from txt2sql.types import Column, QueryResult, Schema, Table

MOST_ROWS = 1_000_000
"""Rows beyond so many are not counted."""
MOST_TABLES = 200
_LOOKED_AT = 5_000
_MOST_VALUES = 30
_NEXT = 3


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of a table, `more` where there are more than were counted, and its categories."""

    rows: int
    more: bool
    categories: tuple[str, ...] = ()


def counted(
    table: Table, run: Callable[[str], QueryResult], quote: Callable[[str], str]
) -> Counted | None:
    """Count the rows of one table; None where that fails or takes too long."""
    name = quote(table.name)
    result = run(f"SELECT count(*) FROM (SELECT 1 AS one FROM {name} LIMIT {MOST_ROWS + 1}) AS t")
    if result.error is not None or not result.rows:
        return None
    rows = int(str(result.rows[0][0]))
    texts = [column for column in table.columns if column.type == "text" and column.samples][:20]
    if not texts:
        return Counted(min(rows, MOST_ROWS), rows > MOST_ROWS)
    counts = ", ".join(f"count(DISTINCT {quote(column.name)})" for column in texts)
    parts = ", ".join(quote(column.name) for column in texts)
    result = run(f"SELECT {counts} FROM (SELECT {parts} FROM {name} LIMIT {_LOOKED_AT}) AS t")
    values = [int(str(cell)) for cell in result.rows[0]] if result.rows else []
    most = min(_MOST_VALUES, min(rows, _LOOKED_AT) // 2)
    few = tuple(column.name for column, n in zip(texts, values) if 1 < n <= most)
    return Counted(min(rows, MOST_ROWS), rows > MOST_ROWS, few)


def beginning(schema: Schema, counts: Mapping[str, Counted]) -> tuple[str, ...]:
    """Questions to begin with, one of each kind, about the tables that have most neighbours."""
    keys = [name for key in schema.foreign_keys for name in (key.table, key.referenced_table)]
    filled = [table for table in schema.tables if table.columns and _rows(counts, table) != 0]
    first = sorted(filled, key=lambda table: -keys.count(table.name))[:3]
    return tuple(
        dict.fromkeys(
            [f"How many {_called(table)} are there?" for table in first[:2]]
            + [each for table in first for each in list(_about(table, schema, counts))[:2]]
            + [f"Show all {_called(table)}." for table in filled[:2]]
        )
    )[:8]


def following(
    question: str, sql: str, schema: Schema, counts: Mapping[str, Counted]
) -> tuple[str, ...]:
    """Two or three questions that may come next, about the tables of a statement."""
    words = {word.lower() for word in re.findall(r"\w+", sql)}
    tables = [table for table in schema.tables if table.name.lower() in words]
    offers = [list(_about(table, schema, counts, words)) for table in tables]
    mixed = [each[i] for i in range(7) for each in offers if i < len(each)]
    plain = question.strip().lower()
    return tuple(dict.fromkeys(each for each in mixed if each.lower() != plain))[:_NEXT]


def _about(
    table: Table, schema: Schema, counts: Mapping[str, Counted], words: set[str] | None = None
) -> Iterator[str]:
    """Questions about one table; those first whose columns are not among the words of a statement."""
    words = words or set()
    called, keys = (
        _called(table),
        {key.column for key in schema.foreign_keys if key.table == table.name},
    )
    categories = counts[table.name].categories if table.name in counts else ()
    names = [column.name for column in table.columns]
    numbers = [table.columns[i] for i in amounts([c.type for c in table.columns], names)]
    numbers = [c for c in numbers if not c.primary_key and c.name not in keys]
    fresh = [name for name in categories if name.lower() not in words and name not in keys]
    if fresh and (category := table.column(fresh[0])):
        yield f"How many {called} are there in each {_words(category)}?"
    for key in schema.foreign_keys:
        other = schema.table(key.table)
        if key.referenced_table == table.name and other and other.name.lower() not in words:
            if "group" not in words:
                yield f"How many {_called(other)} are there for each of the {called}?"
            break
    if numbers and "avg" not in words:
        name = _words(numbers[0])
        many = "number of " if name.endswith("s") and not name.endswith("ss") else ""
        yield f"What is the average {many}{name} of {called}?"
    if numbers and "max" not in words:
        yield f"Show the {called} with the highest {_words(numbers[-1])}."
    days = [column for column in table.columns if column.type == "time"]
    if days and "strftime" not in words:
        yield f"How many {called} are there per year of {_words(days[0])}?"
    yield f"How many {called} are there?"
    yield f"Show all {called}."


def _called(table: Table) -> str:
    return table.words or table.name


def _words(column: Column) -> str:
    return column.words or column.name


def _rows(counts: Mapping[str, Counted], table: Table) -> int | None:
    return counts[table.name].rows if table.name in counts else None
