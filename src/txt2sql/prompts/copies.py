"""Copies of tables in a schema: staging and backup tables, numbered series.

Real databases keep `stg_orders_202301`, `customers_bak` and `orders_old` beside the tables that questions
are about. Under a token budget copies should not crowd those out.

>>> orders = (Column("id", primary_key=True), Column("total"))
>>> copies = (Table("orders", orders), Table("orders_bak", orders))
>>> copy_weights(Schema("shop", copies), frozenset({"order"}), frozenset())
{'orders_bak': 0.05}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set

from txt2sql.identifiers import joined, name_parts, stem
from txt2sql.types import Column, Schema, Table  # noqa: F401 - the example above

COPY_WEIGHT = 0.05
_SERIES = 3
"""So many tables of one shape whose names differ in digits only are a series."""

_SURE_MARKS = frozenset(("stg", "staging", "tmp", "bak", "bkp", "bkup", "backup"))
"""The words that mark a copy whatever it is of; others, of a table that has most of its columns."""
_MARKS = {
    "stg": "staging", "staging": "stg", "tmp": "temporary", "bak": "backup", "bkp": "backup",
    "bkup": "backup", "backup": "bak", "temp": "temporary", "old": "former", "new": "newer",
    "copy": "duplicate", "log": "logged", "history": "historical", "hist": "history",
    "archive": "archived", "arch": "archive", "archived": "archive", "audit": "audited",
    "snapshot": "snap", "deprecated": "old", "v": "version", "dup": "duplicate",
    "raw": "unprocessed",
}  # fmt: skip
"""The words that mark a copy, and how people say them."""


def copy_weights(schema: Schema, stems: Set[str], named: Set[str]) -> dict[str, float]:
    """Table -> what its likeness to the question counts for, below 1 for a copy.

    It is 0 where another table of a series stands for it. `stems` are the stems of the question and
    `named` the tables that it names: those are no copies, nor are backups where it asks for backups.
    """
    columns = {t.name: [column.name.lower() for column in t.columns] for t in schema.tables}
    originals = {joined(name_parts(name)): own for name, own in columns.items()}
    series: dict[tuple[str, ...], list[str]] = {}
    weights = {}
    for name, own in columns.items():
        if _is_copy(name, own, originals, stems):
            weights[name] = COPY_WEIGHT
        if re.search(r"\d", name):
            series.setdefault((re.sub(r"\d+", "#", name.lower()), *own), []).append(name)
    dates = tuple(word for word in stems if word.isdigit() and len(word) > 3)  # as of 2023
    for members in series.values():
        if len(members) >= _SERIES:
            members.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
            meant = [n for n in members if re.sub(r"\D", "", n).startswith(dates)]
            shown = {members[-1], *meant[-1:]}
            weights.update({name: 0.0 for name in members if name not in shown})
    return {name: weight for name, weight in weights.items() if name not in named}


def _is_copy(
    name: str, columns: Sequence[str], originals: Mapping[str, Sequence[str]], stems: Set[str]
) -> bool:
    rest = name_parts(name)
    marks: list[str] = []
    for place in (-1, 0):  # orders_bak_2023, stg_orders
        while len(rest) > 1 and (rest[place].isdigit() or rest[place] in _MARKS):
            marks.append(rest.pop(place))
    if marks and rest[0] == "of":  # "Copy of Orders"
        rest = rest[1:]
    if any({mark, stem(mark), _MARKS.get(mark, mark)} & stems for mark in marks):
        return False
    if not marks or not _SURE_MARKS.isdisjoint(marks):
        return bool(marks)
    original = originals.get(joined(rest), ())
    return 2 * sum(column in original for column in columns) > len(columns)
