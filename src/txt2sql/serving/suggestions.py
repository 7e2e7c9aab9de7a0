"""What may be shown and asked: a chart for a result, questions to begin with, next questions.

A chart follows from columns and rows. Questions are made along categories (columns of text with few
different values), quantities and keys, from the schema and two cheap statements for each table.

>>> from txt2sql.types import Column, Schema, Table
>>> schema = Schema("shop", (Table("books", (Column("genre"), Column("price", "number"))),))
>>> following("Books?", "SELECT 1 FROM books", schema, {"books": Counted(183, False, ("genre",))})[:2]
('How many books are there in each genre?', 'What is the average price of books?')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from txt2sql.types import Column, QueryResult, Row, Schema, Table

MOST_BARS = 40
MOST_SERIES = 3
MOST_COLOURS = 8
"""Values of a second dimension that colours can still distinguish; parts of a sum may be put together."""

_LONG_LINE = 24
_LEAST_POINTS = 5
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?(Z|[+-]\d{2}:?\d{2})?")
_YEAR = re.compile(r"(?:.*[^a-z])?year", re.I)
_IDENTIFIER = re.compile(r"(?:.*[^a-z])?(?:id|code|number|no|zip|phone)", re.I)
_NO_SUM = re.compile(r"avg|average|mean|median|rate|ratio|percent|share|min|max", re.I)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

# ---------------------------------------------------------------------------------------- charts


def column_types(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """For each column "number", "text", "date" or "other" (bytes, mixed, nothing but NULL)."""
    types = []
    for i in range(len(columns)):
        values = [row[i] for row in rows if row[i] is not None]
        if values and all(isinstance(value, (int, float)) for value in values):
            types.append("number")
        elif values and all(isinstance(value, str) for value in values):
            types.append("date" if all(_DATE.fullmatch(str(v)) for v in values) else "text")
        else:
            types.append("other")
    return types


def amounts(types: Sequence[str], columns: Sequence[str]) -> list[int]:
    """The places of columns that hold quantities: numbers, but no years and no names of things.

    >>> amounts(["number", "number", "number"], ["shopId", "opening_year", "price"])
    [2]
    """
    names = [_CAMEL.sub("_", name) for name in columns]
    return [
        i
        for i, (type, name) in enumerate(zip(types, names))
        if type == "number" and not _IDENTIFIER.fullmatch(name) and not _YEAR.fullmatch(name)
    ]


def suggest(
    types: Sequence[str], rows: Sequence[Row], columns: Sequence[str] = ()
) -> dict[str, Any] | None:
    """`{"kind", "x", "y"}` with places of columns, or None where a table says more; with "series", one number for
    each pair of two columns (month and product). `columns` are the names, where they are known."""
    names = list(columns) or [""] * len(types)
    if len(rows) == 1:
        single = len(types) == 1 and types[0] == "number" and rows[0][0] is not None
        return {"kind": "number", "x": None, "y": [0]} if single else None
    y = amounts(types, names)[:MOST_SERIES]
    if not rows or not y:
        return None
    sizes = [len({row[i] for row in rows}) for i in range(len(types))]
    years = [bool(_YEAR.fullmatch(_CAMEL.sub("_", name))) for name in names]
    dated = [i for i, t in enumerate(types) if t == "date" or (t == "number" and years[i])]
    for x in dated:
        if sizes[x] == len(rows) and all(row[x] is not None for row in rows):
            return {"kind": "line", "x": x, "y": y}
    labels = [i for i, type in enumerate(types) if type == "text"]
    for x in labels:
        if sizes[x] == len(rows) <= MOST_BARS:
            return {"kind": "bar", "x": x, "y": y}
    both = sorted({*dated, *labels})
    if len(both) == 2 and len({(row[both[0]], row[both[1]]) for row in rows}) == len(rows):
        # Dates and years are the axis, else the one of more values.
        x, series = sorted(both, key=lambda i: (i not in dated, -sizes[i]))
        summed = not _NO_SUM.search(names[y[0]])
        summed = summed and all(float(row[y[0]] or 0) >= 0 for row in rows)
        kind = "stacked" if summed else "bar"
        if x in dated and sizes[x] > _LONG_LINE and sizes[series] <= MOST_COLOURS:
            kind = "line"
        many = MOST_BARS if summed else MOST_COLOURS
        fits = kind == "line" or sizes[x] <= MOST_BARS
        if min(sizes[x], sizes[series]) > 1 and sizes[series] <= many and fits:
            return {"kind": kind, "x": x, "y": y[:1], "series": series}
    if not labels and len(y) == len(types) == 2 and len(rows) >= _LEAST_POINTS:
        return {"kind": "scatter", "x": y[0], "y": [y[1]]}
    return None


# ------------------------------------------------------------------------------------- questions

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
