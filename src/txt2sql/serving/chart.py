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
MOST_COLOURS = 8
"""Values of a second dimension that colours can still distinguish; parts of a sum may be put together."""

_LONG_LINE = 24
_LEAST_POINTS = 5
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?(Z|[+-]\d{2}:?\d{2})?")
_YEAR = re.compile(r"(?:.*[^a-z])?year", re.I)
_IDENTIFIER = re.compile(r"(?:.*[^a-z])?(?:id|code|number|no|zip|phone)", re.I)
_NO_SUM = re.compile(r"avg|average|mean|median|rate|ratio|percent|share|min|max", re.I)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def column_types(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """For each column "number", "text", "date" or "other" (bytes, mixed, nothing but NULL)."""
    return [_type([row[i] for row in rows]) for i in range(len(columns))]


def _type(values: Sequence[Any]) -> str:
    present = [value for value in values if value is not None]
    if not present:
        return "other"
    if all(isinstance(value, (int, float)) for value in present):
        return "number"
    if all(isinstance(value, str) for value in present):
        return "date" if all(_DATE.fullmatch(value) for value in present) else "text"
    return "other"


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
    """`{"kind", "x", "y"}` with places of columns, or None where a table says more; with "series",
    one number for each pair of two columns (month and product).

    `columns` are the names, where they are known: numbers that only name something are no quantity.
    """
    names = list(columns) or [""] * len(types)
    if len(rows) == 1:
        single = len(types) == 1 and types[0] == "number" and rows[0][0] is not None
        return {"kind": "number", "x": None, "y": [0]} if single else None
    y = amounts(types, names)[:MOST_SERIES]
    if not rows or not y:
        return None
    along = _along(types, names, rows)
    if along is not None:
        return {"kind": "line", "x": along, "y": y}
    labels = [i for i, type in enumerate(types) if type == "text"]
    distinct = [i for i in labels if len({row[i] for row in rows}) == len(rows)]
    if distinct and len(rows) <= MOST_BARS:
        return {"kind": "bar", "x": distinct[0], "y": y}
    if two := _two_dimensions(types, names, rows, y[0]):
        return two
    if not labels and len(y) == 2 and len(types) == 2 and len(rows) >= _LEAST_POINTS:
        return {"kind": "scatter", "x": y[0], "y": [y[1]]}
    return None


def _two_dimensions(
    types: Sequence[str], names: Sequence[str], rows: Sequence[Row], y: int
) -> dict[str, Any] | None:
    """Two columns whose pairs are distinct; dates and years are the axis, else the one of more values."""
    dated = [i for i, type in enumerate(types) if type == "date" or _is_year(type, names[i])]
    both = sorted({*dated, *(i for i, type in enumerate(types) if type == "text")})
    if len(both) != 2 or len({(row[both[0]], row[both[1]]) for row in rows}) < len(rows):
        return None
    sizes = {i: len({row[i] for row in rows}) for i in both}
    x, series = sorted(both, key=lambda i: (i not in dated, -sizes[i]))
    summed = not _NO_SUM.search(names[y]) and all(float(row[y] or 0) >= 0 for row in rows)
    if min(sizes.values()) < 2 or sizes[series] > (MOST_BARS if summed else MOST_COLOURS):
        return None
    if x in dated and sizes[x] > _LONG_LINE and sizes[series] <= MOST_COLOURS:
        kind = "line"
    elif sizes[x] > MOST_BARS:
        return None
    else:
        kind = "stacked" if summed else "bar"
    return {"kind": kind, "x": x, "y": [y], "series": series}


def _is_year(type: str, name: str) -> bool:
    return type == "number" and bool(_YEAR.fullmatch(_CAMEL.sub("_", name)))


def _along(types: Sequence[str], names: Sequence[str], rows: Sequence[Row]) -> int | None:
    """The column of dates or years that a line can follow: each once."""
    for i, type in enumerate(types):
        if type == "date" or _is_year(type, names[i]):
            values = [row[i] for row in rows]
            if None not in values and len(set(values)) == len(values):
                return i
    return None
