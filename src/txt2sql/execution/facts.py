"""What the cells of a column are, read once with the value index: date format, flag, codes, missing.

The field calls this data profiling. A few rows give formats and codes, one pass over each table
counts what is missing.

>>> ask = open_database("shop.sqlite").connect().execute  # doctest: +SKIP
>>> [facts.date.kind for facts in read_facts(schema, ask) if facts.date]  # doctest: +SKIP
['ymd']
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

from txt2sql.execution.dates import DateFormat, date_format
from txt2sql.types import Column, Schema, Table

SAMPLED_ROWS = 300
SAMPLE_CHARS = 40
MAX_CODES = 12
"""A text column with more distinct values in its sample holds no codes."""
_COLUMNS_PER_QUERY = 200

Sql = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a statement of ours; no rows where it fails."""


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column. `values` are all distinct values of the sample, where they are few."""

    table: str
    column: str
    table_words: str
    words: str
    type: str = "text"
    key: bool = False
    nulls: bool = False
    empties: bool = False
    values: tuple[str | int | float, ...] = ()
    low: float | None = None
    high: float | None = None
    date: DateFormat | None = None


_NAMES = [field.name for field in fields(ColumnFacts)]
_VALUES, _DATE = _NAMES.index("values"), _NAMES.index("date")


def read_facts(
    schema: Schema,
    ask: Sql,
    quote: Callable[[str], str],
    cell: Callable[[str], str] = str,
) -> Iterator[ColumnFacts]:
    """The facts of every column, in the schema's order; `cell` spells how one of the sample is read."""
    keys = {(key.table, key.column) for key in schema.foreign_keys}
    for table in schema.tables:
        columns = iter(table.columns)
        while part := list(islice(columns, _COLUMNS_PER_QUERY)):
            yield from _read(table, part, keys, ask, quote, cell)


def _read(
    table: Table,
    columns: Sequence[Column],
    keys: set[tuple[str, str]],
    ask: Sql,
    quote: Callable[[str], str],
    cell: Callable[[str], str],
) -> Iterator[ColumnFacts]:
    wanted = ["count(*)"]
    for column in columns:
        name = quote(column.name)
        ranged = column.type in ("number", "time")
        wanted.append(f"count({name})")
        wanted.append(f"count(NULLIF({name}, ''))" if column.type == "text" else f"count({name})")
        wanted += [f"min({name})", f"max({name})"] if ranged else ["NULL", "NULL"]
    source = quote(table.name)
    sampled = ", ".join(cell(quote(column.name)) for column in columns)
    sample = ask(f"SELECT {sampled} FROM {source} LIMIT {SAMPLED_ROWS}")
    totals = ask(f"SELECT {', '.join(wanted)} FROM {source}") if sample else ()
    read = list(zip(*sample, strict=True)) or [()] * len(columns)
    for i, column in enumerate(columns):
        cells = list(read[i])
        nulls, empties = None in cells, "" in cells
        if totals:
            count, filled, longer, low, high = totals[0][0], *totals[0][4 * i + 1 : 4 * i + 5]
            nulls, empties = filled < count, empties or longer < filled
            cells += [low, high]
        yield _facts(table, column, (table.name, column.name) in keys, nulls, empties, cells)


def _facts(
    table: Table, column: Column, linked: bool, nulls: bool, empties: bool, cells: list[Any]
) -> ColumnFacts:
    distinct = [
        cell for cell in dict.fromkeys(cells) if isinstance(cell, (int, float, str)) and cell != ""
    ]
    values = [cell[:SAMPLE_CHARS] if isinstance(cell, str) else cell for cell in distinct]
    numbers = [float(value) for value in values if not isinstance(value, str)]
    words = column.words or column.name
    key = linked or (column.primary_key and sum(c.primary_key for c in table.columns) == 1)
    return ColumnFacts(
        table.name,
        column.name,
        table.words or table.name,
        words,
        column.type,
        key,
        nulls,
        empties,
        tuple(sorted(values, key=repr)) if len(values) <= MAX_CODES else (),
        min(numbers, default=None),
        max(numbers, default=None),
        date_format(words, column.type, values),
    )


def dump(facts: ColumnFacts) -> str:
    """As JSON."""
    return json.dumps([getattr(facts, name) for name in _NAMES])


def load(text: str) -> ColumnFacts:
    """What `dump` wrote."""
    items = json.loads(text)
    items[_VALUES] = tuple(items[_VALUES])
    items[_DATE] = DateFormat(*items[_DATE]) if items[_DATE] else None
    return ColumnFacts(*items)
