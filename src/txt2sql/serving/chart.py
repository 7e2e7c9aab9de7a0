"""Does a result want a picture, and which? A pure function over columns and rows.

>>> suggest(["text", "number"], [("Lisbon", 3), ("Porto", 1)])
{'kind': 'bar', 'x': 0, 'y': [1]}
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
