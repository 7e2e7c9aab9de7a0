"""Copies of tables in a schema: staging and backup tables, numbered series, views of one table.

Real databases keep `stg_orders_202301`, `customers_bak`, `orders_old` and the view `active_customers`
beside the tables that questions are about. Under a token budget copies should not crowd those out.

>>> orders = (Column("id", primary_key=True), Column("total"))
>>> copies = (Table("orders", orders), Table("orders_bak", orders))
>>> copy_weights(Schema("shop", copies), frozenset({"order"}), frozenset())
{'orders_bak': 0.05}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set

from txt2sql.types import Column, Schema, Table

COPY_WEIGHT, _VIEW_WEIGHT = 0.05, 0.5
_SERIES = 3
"""So many tables of one shape whose names differ in digits only are a series."""

_MARKS = {
    "stg": "staging", "staging": "stg", "tmp": "temporary", "bak": "backup", "bkp": "backup",
    "bkup": "backup", "backup": "bak",
}  # fmt: skip
"""The words that mark a copy whatever it is of, and how people say them."""

_MARKS_OF_KNOWN = {
    "temp": "temporary", "old": "former", "new": "newer", "copy": "duplicate", "log": "logged",
    "history": "historical", "hist": "history", "archive": "archived", "arch": "archive",
    "archived": "archive", "audit": "audited", "snapshot": "snap", "deprecated": "old",
    "v": "version", "dup": "duplicate", "raw": "unprocessed",
}  # fmt: skip
"""The words that mark a copy of a table that exists and has most of its columns."""

_ALL_MARKS = {**_MARKS, **_MARKS_OF_KNOWN}
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman"}


def name_parts(name: str) -> list[str]:
    """The words of an identifier in lower case.

    >>> name_parts("stg_OrderItems2023")
    ['stg', 'order', 'items', '2023']
    """
    return [part.lower() for part in _PART.findall(name)]


def stem(word: str) -> str:
    """The singular of a plural, as far as endings tell.

    >>> [stem(word) for word in ("cities", "boxes", "users", "class")]
    ['city', 'box', 'user', 'class']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "su" else word


def joined(words: Sequence[str]) -> str:
    """One spelling of a name, whatever separates its words."""
    return "".join(map(stem, words))


def copy_weights(schema: Schema, stems: Set[str], named: Set[str]) -> dict[str, float]:
    """Table -> what its likeness to the question counts for, below 1 for a copy.

    It is 0 where another table of a series stands for it. `stems` are the stems of the question and
    `named` the tables that it names: those are no copies, nor are backups where it asks for backups.
    """
    originals = {joined(name_parts(table.name)): table for table in schema.tables}
    weights = {table.name: _VIEW_WEIGHT for table in _views(schema)}
    for table in schema.tables:
        if _is_copy(table, originals, stems):
            weights[table.name] = COPY_WEIGHT
    for members in _series(schema):
        numbers = [word for word in stems if word.isdigit() and len(word) > 3]  # as of 2023
        meant = [t for t in members if any(_digits(t.name).startswith(n) for n in numbers)]
        shown = {members[-1].name, *(table.name for table in meant[-1:])}
        weights.update({table.name: 0.0 for table in members if table.name not in shown})
    return {name: weight for name, weight in weights.items() if name not in named}


def _is_copy(table: Table, originals: Mapping[str, Table], stems: Set[str]) -> bool:
    rest = name_parts(table.name)
    marks: list[str] = []
    for place in (-1, 0):  # orders_bak_2023, stg_orders
        while len(rest) > 1 and (rest[place].isdigit() or rest[place] in _ALL_MARKS):
            marks.append(rest.pop(place))
    if marks and rest[0] == "of":  # "Copy of Orders"
        rest = rest[1:]
    if any({mark, stem(mark), _ALL_MARKS.get(mark, mark)} & stems for mark in marks):
        return False
    if any(mark in _MARKS for mark in marks):
        return True
    original = originals.get(joined(rest)) if marks else None
    if original is None:
        return False
    columns = {column.name.lower() for column in original.columns}
    return 2 * sum(column.name.lower() in columns for column in table.columns) > len(table.columns)


def _series(schema: Schema) -> Iterator[list[Table]]:
    """Tables of the same columns whose names differ in their digits only, in order of those."""
    shapes: dict[tuple[str, tuple[str, ...]], list[Table]] = {}
    for table in schema.tables:
        if re.search(r"\d", table.name):
            columns = tuple(column.name.lower() for column in table.columns)
            shape = (re.sub(r"\d+", "#", table.name.lower()), columns)
            shapes.setdefault(shape, []).append(table)
    for members in shapes.values():
        if len(members) >= _SERIES:
            yield sorted(
                members, key=lambda table: [int(n) for n in re.findall(r"\d+", table.name)]
            )


def _digits(name: str) -> str:
    return "".join(re.findall(r"\d+", name))


def _views(schema: Schema) -> Iterator[Table]:
    """Tables without a key all of whose columns are columns of one that has one."""
    whole: dict[str, set[str]] = {
        table.name: {column.name.lower() for column in table.columns}
        for table in schema.tables
        if _keys(table)
    }
    holders: dict[str, set[str]] = {}
    for name, columns in whole.items():
        for column in columns:
            holders.setdefault(column, set()).add(name)
    for table in schema.tables:
        if len(table.columns) > 1 and not _keys(table):
            columns_of = [holders.get(column.name.lower(), set()) for column in table.columns]
            if set.intersection(*columns_of):
                yield table


def _keys(table: Table) -> list[Column]:
    return [column for column in table.columns if column.primary_key]
