"""Cells of other engines as the rest knows them: numbers, text, bytes and NULL.

A number with a decimal point that is exact (NUMERIC, DECIMAL) becomes a float, as SQLite has none; a
whole one stays whole. A date or time becomes its ISO text, as SQLite stores it; a list, a structure
or JSON becomes JSON text.

>>> cell(decimal.Decimal("12.50"))
12.5
>>> cell(datetime.datetime(2024, 5, 1, 12, 30))
'2024-05-01 12:30:00'
"""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

from txt2sql.types import Cell

_AS_IT_IS = frozenset({int, float, str, bytes, type(None)})


def row(values: tuple[Any, ...]) -> tuple[Cell, ...]:
    """One row of cells."""
    if all(type(value) in _AS_IT_IS for value in values):
        return values
    return tuple(cell(value) for value in values)


def cell(value: Any) -> Cell:
    """What a driver gives -> a cell."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return int(value)
    if kind is decimal.Decimal:
        return _number(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return _duration(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (list, tuple, dict, set)):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


def _number(value: decimal.Decimal) -> int | float:
    if not value.is_finite():
        return float(value)
    exponent = value.as_tuple().exponent
    return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value)


def _duration(value: datetime.timedelta) -> str:
    """[-]HH:MM:SS[.ffffff], the hours beyond a day included."""
    total = abs(value)
    seconds = total.days * 86_400 + total.seconds
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    part = f".{total.microseconds:06}" if total.microseconds else ""
    return ("-" if value < datetime.timedelta(0) else "") + text + part


def _plain(value: Any) -> Any:
    """What JSON can hold; anything else as a cell."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    plain = cell(value)
    return plain.hex() if isinstance(plain, bytes) else plain
