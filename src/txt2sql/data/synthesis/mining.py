"""Shapes mined from gold queries: what people ask, and how often, with nothing of what they asked.

Field's name: SQL skeletons. Gold queries go through the intermediate representation (sql.encode), then
tables and columns are numbered and values dropped. `shapes.txt` beside this file holds the counts for
Spider's training split (Yu et al., 2018; CC BY-SA 4.0): shapes seen at least twice that can be put
into words. Only training splits are ever mined.

>>> mined()[0].text, mined()[0].golds  # doctest: +SKIP
('select t0.c0 from t0 where t0.c1 = v', 276)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

from txt2sql.data.synthesis.shape import Query, Unreadable, read
from txt2sql.errors import DataError
from txt2sql.types import Example, Links, Schema

FILE = "shapes.txt"
_SYMBOL = re.compile(r"\[([tc])(\d+)\]$")
_NUMBER = re.compile(r"-?\d+(\.\d+)?$")
_ALIAS = re.compile(r"[a-f]$")


class MinedShape(NamedTuple):
    """One shape: its text, how many gold queries have it, how hard they are, its tree."""

    golds: int
    level: str
    text: str
    query: Query


def shape_of(sql: str, schema: Schema) -> str | None:
    """The shape's text of one gold query; None when it has none."""
    from txt2sql.sql.encode import encode
    from txt2sql.sql.intermediate import Unsupported

    tables = tuple(table.name for table in schema.tables)
    columns = tuple((table.name, c.name) for table in schema.tables for c in table.columns)
    try:
        tokens = encode(sql, schema, Links(tables, columns)).split()
    except Unsupported:
        return None
    try:
        text = " ".join(_numbered(_without_values(tokens), tables, columns))
        read(text)
    except Unreadable:
        return None
    return text


def _without_values(tokens: list[str]) -> list[str]:
    kept: list[str] = []
    quoted = False
    for token in tokens:
        if token == "'":
            quoted = not quoted
            if not quoted:
                kept.append("v")
        elif not quoted:
            kept.append("v" if _NUMBER.match(token) else token)
    return kept


def _numbered(
    tokens: list[str], tables: tuple[str, ...], columns: tuple[tuple[str, str], ...]
) -> list[str]:
    """Places instead of symbols; explicit conditions of joins, which the places imply, dropped."""
    places: dict[str, int] = {}
    for token in tokens:
        if token.startswith("[t"):
            places.setdefault(tables[int(token[2:-1])], len(places))
    seen: dict[tuple[str, str], str] = {}
    taken: Counter[str] = Counter()
    text: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token == "on":
            if at + 3 >= len(tokens) or tokens[at + 2] != "=":
                raise Unreadable("a join by another condition")
            at += 4
            continue
        match = _SYMBOL.match(token)
        if match is None:
            if _ALIAS.match(token):
                raise Unreadable("aliases")
            text.append(token)
        elif match[1] == "t":
            text.append(f"t{places[tables[int(match[2])]]}")
        else:
            column = columns[int(match[2])]
            if column not in seen:
                if column[0] not in places:
                    raise Unreadable("a column of no table")
                seen[column] = f"t{places[column[0]]}.c{taken[column[0]]}"
                taken[column[0]] += 1
            text.append(seen[column])
        at += 1
    return text


def mine(examples: Iterable[tuple[Example, Schema]]) -> tuple[Counter[str], int]:
    """How often each shape occurs in the gold queries, and how many queries there are."""
    shapes: Counter[str] = Counter()
    total = 0
    for example, schema in examples:
        total += 1
        text = shape_of(example.gold_sql, schema)
        if text is not None:
            shapes[text] += 1
    return shapes, total


@lru_cache(maxsize=1)
def mined() -> tuple[MinedShape, ...]:
    """The shapes that ship with the package, the most frequent first."""
    shapes = []
    for line in _lines():
        count, level, text = line.split(" ", 2)
        shapes.append(MinedShape(int(count), level, text, read(text)))
    return tuple(shapes)


@lru_cache(maxsize=1)
def mined_total() -> int:
    """How many gold queries were mined, those without a shape included."""
    head = next(line for line in _text().splitlines() if line.startswith("# golds:"))
    return int(head.partition(":")[2])


def _lines() -> list[str]:
    return [line for line in _text().splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=1)
def _text() -> str:
    try:
        return resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"the package lacks '{FILE}' ({error}); install txt2sql again") from error
