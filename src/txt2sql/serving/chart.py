"""Does a result want a picture, and which? A pure function over columns and rows.

One number is shown large; numbers along dates are a line; one number for each name is bars, where
there are few names; two columns of numbers are points. Everything else is better read as a table.

>>> suggest(["text", "number"], [("Lisbon", 3), ("Porto", 1)])
{'kind': 'bar', 'x': 0, 'y': [1]}
>>> suggest(["text", "text"], [("Lisbon", "Porto")]) is None
True
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from txt2sql.types import Row

MOST_BARS = 40
MOST_SERIES = 3
_LEAST_POINTS = 5
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?(Z|[+-]\d{2}:?\d{2})?")
_YEAR = re.compile(r"(?:.*[^a-z])?year", re.I)
_IDENTIFIER = re.compile(r"(?:.*[^a-z])?(?:id|code|number|no|zip|phone)", re.I)


def column_types(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """For each column "number", "text", "date" or "other" (bytes, mixed, nothing but NULL)."""
    return [_type([row[i] for row in rows]) for i in range(len(columns))]


def _type(values: Sequence[Any]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "other"
    if all(isinstance(value, (int, float)) for value in known):
        return "number"
    if all(isinstance(value, str) for value in known):
        return "date" if all(_DATE.fullmatch(value) for value in known) else "text"
    return "other"


def suggest(
    types: Sequence[str], rows: Sequence[Row], columns: Sequence[str] = ()
) -> dict[str, Any] | None:
    """`{"kind", "x", "y"}` with places of columns, or None where a table says more.

    `columns` are the names, where they are known: numbers that only name something are no quantity.
    """
    names = list(columns) or [""] * len(types)
    if len(rows) == 1:
        single = len(types) == 1 and types[0] == "number" and rows[0][0] is not None
        return {"kind": "number", "x": None, "y": [0]} if single else None
    numbers = [i for i, type in enumerate(types) if type == "number"]
    amounts = [i for i in numbers if not _IDENTIFIER.fullmatch(names[i])]
    if not rows or not amounts:
        return None
    along = _along(types, names, rows)
    if along is not None:
        y = [i for i in amounts if i != along][:MOST_SERIES]
        return {"kind": "line", "x": along, "y": y} if y else None
    labels = [i for i, type in enumerate(types) if type == "text"]
    if labels:
        x, y = labels[0], amounts[:MOST_SERIES]
        distinct = len({row[x] for row in rows}) == len(rows)
        return {"kind": "bar", "x": x, "y": y} if distinct and len(rows) <= MOST_BARS else None
    if len(amounts) == 2 and len(types) == 2 and len(rows) >= _LEAST_POINTS:
        return {"kind": "scatter", "x": amounts[0], "y": [amounts[1]]}
    return None


def _along(types: Sequence[str], names: Sequence[str], rows: Sequence[Row]) -> int | None:
    """The column of dates or years that a line can follow: each once."""
    for i, type in enumerate(types):
        if type == "date" or (type == "number" and _YEAR.fullmatch(names[i])):
            values = [row[i] for row in rows]
            if None not in values and len(set(values)) == len(values):
                return i
    return None
