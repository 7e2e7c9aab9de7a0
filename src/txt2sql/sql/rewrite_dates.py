"""Rules of translation about dates: SQLite's date functions, which compute with text.

A call is (function, time value, modifiers), as in sqlite.org/lang_datefunc.html. The time value becomes
a DATE or TIMESTAMP, each modifier a step of interval arithmetic, and the function what is read from the
result. A call with a modifier or a format that is not understood stays as it is, and the server says so.
Months are added as the server adds them: a month after 31 January is the last day of February, where
SQLite counts on to 3 March.

>>> call = sqlglot.parse_one("date('now', 'start of month')", read="sqlite")  # doctest: +SKIP
>>> call_in(call, "postgres").sql("postgres")  # doctest: +SKIP
"CAST(DATE_TRUNC('MONTH', CURRENT_DATE) AS DATE)"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import sqlglot
from sqlglot import exp

from txt2sql.sql.resolve import Resolver
from txt2sql.sql.sources import Node

_PLACE = re.compile(r"\b_\d\b")


def filled(template: str, dialect: str, *arguments: Node) -> Node:
    """The expression with copies of the arguments in their places."""
    tree = _parsed(template, dialect).copy()
    for column in list(tree.find_all(exp.Column)):
        if _PLACE.fullmatch(column.name):
            column.replace(arguments[int(column.name[1:])].copy())
    return tree


def places(template: str) -> int:
    """How many arguments it takes."""
    return len(set(_PLACE.findall(template)))


@lru_cache(maxsize=256)
def _parsed(template: str, dialect: str) -> Node:
    return sqlglot.parse_one(template, read=dialect)


_FUNCTIONS = frozenset({"date", "datetime", "time", "julianday", "unixepoch", "strftime"})
_SHIFT = re.compile(r"([+-]?)\s*(\d+)\s+(\w+?)s?$")
_DAYS, _PARTS_OF_DAYS = {"day", "month", "year"}, {"hour", "minute", "second"}
_START = re.compile(r"start of (day|month|year)$")
_WEEKDAY = re.compile(r"weekday ([0-6])(?:\.0)?$")
_ZONES = {"localtime", "utc"}
_SHORT = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M"}
_PLAIN = frozenset("%Y %m %d %H %M %S %j".split())
_DIGITS = _PLAIN | {"%w", "%W", "%s", "%u"}
_SPECIFIER = re.compile(r"%.|[^%]+", re.DOTALL)

# From a moment, _0; PostgreSQL's to_char counts weeks and weekdays in other ways, MySQL has no epoch
# that is free of time zones.
_READINGS = {
    "%s": {
        "postgres": "CAST(EXTRACT(EPOCH FROM _0) AS BIGINT)",
        "mysql": "TIMESTAMPDIFF(SECOND, '1970-01-01 00:00:00', _0)",
        "duckdb": "CAST(EPOCH(_0) AS BIGINT)",
    },
    "%J": {
        "postgres": "(EXTRACT(JULIAN FROM _0) - 0.5)",
        "mysql": "(TO_SECONDS(_0) / 86400.0 + 1721059.5)",  # from day 0 of the year 0
        "duckdb": "(JULIAN(_0) - 0.5)",
    },
    "%w": {
        "postgres": "CAST(EXTRACT(DOW FROM _0) AS INT)",
        "mysql": "(DAYOFWEEK(_0) - 1)",
        "duckdb": "DAYOFWEEK(_0)",
    },
    "%u": {
        "postgres": "CAST(EXTRACT(ISODOW FROM _0) AS INT)",
        "mysql": "(WEEKDAY(_0) + 1)",
        "duckdb": "ISODOW(_0)",
    },
}
_WEEK = {
    "postgres": "LPAD(CAST(CAST(FLOOR((EXTRACT(DOY FROM _0) + 7 - EXTRACT(ISODOW FROM _0)) / 7) "
    "AS INT) AS TEXT), 2, '0')",
    "mysql": "LPAD(WEEK(_0, 5), 2, '0')",
    "duckdb": "STRFTIME(_0, '%W')",
}
_TO_WEEKDAY = {
    "postgres": "_0 + (_1 + 7 - CAST(EXTRACT(DOW FROM _0) AS INT)) % 7",
    "mysql": "DATE_ADD(_0, INTERVAL (_1 + 8 - DAYOFWEEK(_0)) % 7 DAY)",
    "duckdb": "_0 + CAST((_1 + 7 - DAYOFWEEK(_0)) % 7 AS INT)",
}
_FROM_EPOCH = {
    "postgres": "CAST('1970-01-01' AS TIMESTAMP) + INTERVAL '1 second' * _0",
    "mysql": "DATE_ADD('1970-01-01 00:00:00', INTERVAL _0 SECOND)",
    "duckdb": "CAST('1970-01-01' AS TIMESTAMP) + TO_SECONDS(_0)",
}


class _Call(NamedTuple):
    function: str
    moment: Node | None
    """What the time is given as; None: it is now."""
    modifiers: tuple[str, ...]
    format: str = ""


class _Unlike(Exception):
    """Nothing in the other engine says the same."""


def dates(tree: Node, resolver: Resolver, dialect: str) -> None:
    """The date functions of SQLite, the inner ones first."""
    for node in reversed(list(tree.find_all(exp.Func))):
        translated = call_in(node, dialect)
        if translated is not None:
            node.replace(translated)


def call_in(node: Node, dialect: str) -> Node | None:
    """What a call of a date function is in the dialect; None for what is none, or cannot be said."""
    call = _call(node)
    try:
        return None if call is None else _READ[call.function](call, dialect)
    except _Unlike:
        return None


def digits(node: Node) -> bool:
    """Whether the text that an expression gives is a whole number, as that of strftime('%Y', d)."""
    while isinstance(node, (exp.Paren, exp.Min, exp.Max)):
        node = node.this
    if isinstance(node, exp.Substring):  # substr(order_date, 1, 4)
        return isinstance(node.this, exp.Cast) or _call(node.this) is not None
    call = _call(node)
    return call is not None and call.format in _DIGITS


def _call(node: Node) -> _Call | None:
    name, arguments = _arguments(node)
    if name not in _FUNCTIONS:
        return None
    form = ""
    if name == "strftime":
        if not arguments or not isinstance(arguments[0], exp.Literal):
            return None
        form, arguments = arguments[0].name, arguments[1:]
    if not all(isinstance(each, exp.Literal) and each.is_string for each in arguments[1:]):
        return None
    moment = arguments[0] if arguments else None
    if isinstance(moment, exp.Literal) and moment.name.lower() == "now":
        moment = None
    return _Call(name, moment, tuple(each.name.lower().strip() for each in arguments[1:]), form)


def _arguments(node: Node) -> tuple[str, list[Node]]:
    """The name and the arguments of a call as SQLite has them."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower(), list(node.expressions)
    if isinstance(node, exp.Date):
        return "date", [node.this, *node.expressions] if node.this is not None else []
    if isinstance(node, exp.CurrentTime):
        return "time", []
    if isinstance(node, exp.TimeToStr) and isinstance(node.this, exp.TsOrDsToTimestamp):
        return "strftime", [node.args["format"], node.this.this]
    return "", []


# ------------------------------------------------------------------------------------ time values


def _at(call: _Call, dialect: str, whole_days: bool = False) -> Node:
    """The moment of a call; as a DATE where only whole days count."""
    modifiers = [each for each in call.modifiers if each not in _ZONES]
    if call.moment is not None and len(modifiers) < len(call.modifiers):
        raise _Unlike  # the zone of the values is not known
    shifts = [_SHIFT.match(each) for each in modifiers]
    whole_days = whole_days and not any(each and each[3] in _PARTS_OF_DAYS for each in shifts)
    unit = "date" if whole_days else "datetime"
    if "unixepoch" in modifiers[:1] and call.moment is not None:
        moment = _as(filled(_FROM_EPOCH[dialect], dialect, call.moment), unit)
        modifiers = modifiers[1:]
    elif call.moment is None:
        moment = exp.CurrentDate() if whole_days else exp.CurrentTimestamp()
    else:
        moment = exp.cast(call.moment.copy(), unit)
    for modifier in modifiers:
        moment = _moved(moment, modifier, unit, dialect)
    return moment


def _moved(moment: Node, modifier: str, unit: str, dialect: str) -> Node:
    if shift := _SHIFT.match(modifier):
        if shift[3] not in _DAYS | _PARTS_OF_DAYS:
            raise _Unlike
        interval = exp.Interval(this=exp.Literal.string(shift[2]), unit=exp.var(shift[3]))
        step = exp.Sub if shift[1] == "-" else exp.Add
        return _as(step(this=moment, expression=interval), unit)
    if start := _START.match(modifier):
        return _start(moment, start[1], unit, dialect)
    if (weekday := _WEEKDAY.match(modifier)) and unit == "date":
        number = exp.Literal.number(weekday[1])
        return _as(filled(_TO_WEEKDAY[dialect], dialect, moment, number), unit)
    raise _Unlike


def _as(moment: Node, unit: str) -> Node:
    """A DATE stays one; sums of timestamps are timestamps without a cast."""
    return exp.cast(moment, unit) if unit == "date" else exp.paren(moment, copy=False)


def _start(moment: Node, part: str, unit: str, dialect: str) -> Node:
    if dialect != "mysql":
        return _as(exp.TimestampTrunc(this=moment, unit=exp.var(part.upper())), unit)
    form = {"day": "%Y-%m-%d", "month": "%Y-%m-01", "year": "%Y-01-01"}[part]
    return exp.cast(exp.TimeToStr(this=moment, format=exp.Literal.string(form)), unit)


# -------------------------------------------------------------------------------- what is read of it


def _date(call: _Call, dialect: str) -> Node:
    moment = _at(call, dialect, whole_days=True)
    days = isinstance(moment, exp.CurrentDate) or (
        isinstance(moment, exp.Cast) and moment.is_type("date")
    )
    return moment if days else exp.cast(moment, "date")


def _time(call: _Call, dialect: str) -> Node:
    moment = _at(call, dialect)
    return exp.cast(exp.cast(moment, "datetime") if call.moment is None else moment, "time")


def _reading(specifier: str) -> Callable[[_Call, str], Node]:
    return lambda call, dialect: filled(_READINGS[specifier][dialect], dialect, _at(call, dialect))


def _strftime(call: _Call, dialect: str) -> Node:
    """Text of the parts that the engine's own function formats, and of those that it lacks."""
    moment = _at(call, dialect)
    parts: list[Node] = []
    plain = ""
    form = re.sub("%[FTR]", lambda short: _SHORT[short[0]], call.format)
    for piece in [*_SPECIFIER.findall(form), None]:
        # Letters would be taken for patterns by to_char: they stay outside.
        if piece in _PLAIN or (plain and piece and not re.search(r"[%\w\"\\]", piece)):
            plain += piece
            continue
        if plain:
            shown = exp.Literal.string(plain)
            parts.append(exp.TimeToStr(this=moment.copy(), format=shown))
            plain = ""
        if piece is not None:
            parts.append(_piece(piece, moment, dialect))
    if not parts:
        raise _Unlike
    text = parts[0]
    for part in parts[1:]:
        text = exp.DPipe(this=text, expression=part, safe=True)
    return text if len(parts) == 1 else exp.paren(text, copy=False)


def _piece(piece: str, moment: Node, dialect: str) -> Node:
    if piece == "%%" or not piece.startswith("%"):
        return exp.Literal.string("%" if piece == "%%" else piece)
    if piece == "%W":
        return filled(_WEEK[dialect], dialect, moment)
    if piece not in _READINGS:
        raise _Unlike
    return exp.cast(filled(_READINGS[piece][dialect], dialect, moment), "text")


_READ: dict[str, Callable[[_Call, str], Node]] = {
    "date": _date,
    "datetime": _at,
    "time": _time,
    "julianday": _reading("%J"),
    "unixepoch": _reading("%s"),
    "strftime": _strftime,
}
