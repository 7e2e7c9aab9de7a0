"""What one may ask of a database: row counts and categories, questions to begin with, next questions.

All of it is made from the schema and from two cheap statements for each table. A category is a column
of text with few different values; questions are made along categories, quantities and keys.

>>> from txt2sql.types import Column, Schema, Table
>>> schema = Schema("shop", (Table("books", (Column("genre"), Column("price", "number"))),))
>>> following("Books?", "SELECT 1 FROM books", schema, {"books": Counted(183, False, ("genre",))})[:2]
('How many books are there in each genre?', 'What is the average price of books?')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import zip_longest

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
    """The rows of a table, None where they are not known, `more` where there are more than were counted,
    and its categories."""

    rows: int | None = None
    more: bool = False
    categories: tuple[str, ...] = ()


UNKNOWN = Counted()


def counted(
    table: Table, run: Callable[[str], QueryResult], quote: Callable[[str], str]
) -> Counted:
    """Count the rows of one table; UNKNOWN where that fails or takes too long."""
    name = quote(table.name)
    result = run(f"SELECT count(*) FROM (SELECT 1 AS one FROM {name} LIMIT {MOST_ROWS + 1}) AS t")
    if result.error is not None or not result.rows:
        return UNKNOWN
    rows = int(str(result.rows[0][0]))
    texts = [column for column in table.columns if column.type == "text" and column.samples][:20]
    few: list[str] = []
    if texts:
        counts = ", ".join(f"count(DISTINCT {quote(column.name)})" for column in texts)
        parts = ", ".join(quote(column.name) for column in texts)
        result = run(f"SELECT {counts} FROM (SELECT {parts} FROM {name} LIMIT {_LOOKED_AT}) AS t")
        values = [int(str(cell)) for cell in result.rows[0]] if result.rows else []
        most = min(_MOST_VALUES, min(rows, _LOOKED_AT) // 2)
        few = [column.name for column, n in zip(texts, values) if 1 < n <= most]
    return Counted(min(rows, MOST_ROWS), rows > MOST_ROWS, tuple(few))


def beginning(schema: Schema, counts: Mapping[str, Counted]) -> tuple[str, ...]:
    """Questions to begin with, one of each kind, about the tables that have most neighbours."""
    keys = [name for key in schema.foreign_keys for name in (key.table, key.referenced_table)]
    filled = [t for t in schema.tables if t.columns and counts.get(t.name, UNKNOWN).rows != 0]
    first = sorted(filled, key=lambda table: -keys.count(table.name))[:3]
    questions = [f"How many {_words(table)} are there?" for table in first[:2]]
    for table in first:
        questions += _about(table, schema, counts)[:2]
    questions += [f"Show all {_words(table)}." for table in filled[:2]]
    return tuple(dict.fromkeys(questions))[:8]


def following(
    question: str, sql: str, schema: Schema, counts: Mapping[str, Counted]
) -> tuple[str, ...]:
    """Two or three questions that may come next, about the tables of a statement."""
    words = {word.lower() for word in re.findall(r"\w+", sql)}
    tables = [table for table in schema.tables if table.name.lower() in words]
    offers = [_about(table, schema, counts, words) for table in tables]
    mixed = [each for same in zip_longest(*offers) for each in same if each]
    plain = question.strip().lower()
    return tuple(dict.fromkeys(each for each in mixed if each.lower() != plain))[:_NEXT]


def _about(
    table: Table, schema: Schema, counts: Mapping[str, Counted], words: Collection[str] = ()
) -> list[str]:
    """Questions about one table; those first whose columns are not among the words of a statement."""
    called, questions = _words(table), []
    keys = {key.column for key in schema.foreign_keys if key.table == table.name}
    types = [column.type for column in table.columns]
    places = amounts(types, [column.name for column in table.columns])
    numbers = [table.columns[i] for i in places]
    numbers = [c for c in numbers if not c.primary_key and c.name not in keys]
    for name in counts.get(table.name, UNKNOWN).categories:
        if name.lower() not in words and name not in keys and (category := table.column(name)):
            questions.append(f"How many {called} are there in each {_words(category)}?")
            break
    for key in schema.foreign_keys:
        other = schema.table(key.table)
        if key.referenced_table == table.name and other and other.name.lower() not in words:
            if "group" not in words:
                questions.append(f"How many {_words(other)} are there for each of the {called}?")
            break
    if numbers and "avg" not in words:
        name = _words(numbers[0])
        many = "number of " if name.endswith("s") and not name.endswith("ss") else ""
        questions.append(f"What is the average {many}{name} of {called}?")
    if numbers and "max" not in words:
        questions.append(f"Show the {called} with the highest {_words(numbers[-1])}.")
    days = [column for column in table.columns if column.type == "time"]
    if days and "strftime" not in words:
        questions.append(f"How many {called} are there per year of {_words(days[0])}?")
    return [*questions, f"How many {called} are there?", f"Show all {called}."]


def _words(named: Table | Column) -> str:
    return named.words or named.name
