"""Rules of translation about dates: SQLite's date functions, which compute with text.

In a call (sqlite.org/lang_datefunc.html) the time value becomes a DATE or TIMESTAMP, each modifier a step
of interval arithmetic, and the function what is read from the result. A call with a modifier or a format
that is not understood stays as it is, and the server says so. A month after 31 January is the last day of
February, as the server adds months, where SQLite counts on to 3 March.
"""

from __future__ import annotations

import re
from functools import lru_cache, reduce

import sqlglot
from sqlglot import exp

from txt2sql.sql.resolve import Resolver
from txt2sql.sql.sources import Node

_FUNCTIONS = frozenset({"date", "datetime", "time", "julianday", "unixepoch", "strftime"})
_SHIFT = re.compile(r"([+-]?)\s*(\d+)\s+(day|month|year|hour|minute|second)s?$")
_HOURS = re.compile(r"(hour|minute|second)s?$")
_START = re.compile(r"start of (day|month|year)$")
_WEEKDAY = re.compile(r"weekday ([0-6])(?:\.0)?$")
_ZONES = {"localtime", "utc"}
_SHORT = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M"}
_PLAIN = frozenset("%Y %m %d %H %M %S %j".split())
_DIGITS = _PLAIN | {"%w", "%W", "%s"}
# PostgreSQL's to_char counts weeks and weekdays in other ways, MySQL has no epoch that is free of time
# zones. _0 is a moment, or seconds; _1 a weekday.
_FORMS = {
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
    "%W": {
        "postgres": "LPAD(CAST(CAST(FLOOR((EXTRACT(DOY FROM _0) + 7 - EXTRACT(ISODOW FROM _0)) / 7) "
        "AS INT) AS TEXT), 2, '0')",
        "mysql": "LPAD(WEEK(_0, 5), 2, '0')",
        "duckdb": "STRFTIME(_0, '%W')",
    },
    "weekday": {
        "postgres": "_0 + (_1 + 7 - CAST(EXTRACT(DOW FROM _0) AS INT)) % 7",
        "mysql": "DATE_ADD(_0, INTERVAL (_1 + 8 - DAYOFWEEK(_0)) % 7 DAY)",
        "duckdb": "_0 + CAST((_1 + 7 - DAYOFWEEK(_0)) % 7 AS INT)",
    },
    "unixepoch": {
        "postgres": "CAST('1970-01-01' AS TIMESTAMP) + INTERVAL '1 second' * _0",
        "mysql": "DATE_ADD('1970-01-01 00:00:00', INTERVAL _0 SECOND)",
        "duckdb": "CAST('1970-01-01' AS TIMESTAMP) + TO_SECONDS(_0)",
    },
}


def filled(template: str, dialect: str, *arguments: Node) -> Node:
    """The expression with copies of the arguments in the places of _0, _1."""
    tree = _parsed(template, dialect).copy()
    for column in list(tree.find_all(exp.Column)):
        if re.fullmatch(r"_\d", column.name):
            column.replace(arguments[int(column.name[1:])].copy())
    return tree


@lru_cache(maxsize=256)
def _parsed(template: str, dialect: str) -> Node:
    return sqlglot.parse_one(template, read=dialect)


class _Unlike(Exception):
    """Nothing in the other engine says the same."""


def date(node: Node, resolver: Resolver) -> Node | None:
    """What a call of a date function is in the dialect; None for what is none, or cannot be said."""
    dialect, (name, moment, modifiers, form) = resolver.dialect, _call(node)
    if not name:
        return None
    whole_days = name == "date" and not any(_HOURS.search(each) for each in modifiers)
    try:
        at = _moment(moment, modifiers, "date" if whole_days else "datetime", dialect)
        if name == "strftime":
            return _formatted(form, at, dialect)
    except _Unlike:
        return None
    if name in ("julianday", "unixepoch"):
        return filled(_FORMS["%J" if name == "julianday" else "%s"][dialect], dialect, at)
    if name == "time":
        return exp.cast(exp.cast(at, "datetime") if moment is None else at, "time")
    is_date = isinstance(at, exp.CurrentDate) or at.is_type("date")
    return at if name == "datetime" or is_date else exp.cast(at, "date")


def digits(node: Node) -> bool:
    """Whether the text that an expression gives is a whole number, as that of strftime('%Y', d)."""
    while isinstance(node, (exp.Paren, exp.Min, exp.Max)):
        node = node.this
    if isinstance(node, exp.Substring):  # substr(order_date, 1, 4)
        return isinstance(node.this, exp.Cast) or _call(node.this)[0] != ""
    return _call(node)[3] in _DIGITS


def _call(node: Node) -> tuple[str, Node | None, list[str], str]:
    """(function, time value or None for now, modifiers, format); the function is "" for what is none."""
    name, arguments = "", []
    if isinstance(node, exp.Anonymous):
        name, arguments = node.name.lower(), list(node.expressions)
    elif isinstance(node, exp.Date):
        name, arguments = "date", [node.this, *node.expressions] if node.this is not None else []
    elif isinstance(node, exp.CurrentTime):
        name = "time"
    elif isinstance(node, exp.TimeToStr) and isinstance(node.this, exp.TsOrDsToTimestamp):
        name, arguments = "strftime", [node.args["format"], node.this.this]
    form = ""
    if name == "strftime" and arguments and isinstance(arguments[0], exp.Literal):
        form, arguments = arguments[0].name, arguments[1:]
    modifiers = arguments[1:]
    literal = all(isinstance(each, exp.Literal) and each.is_string for each in modifiers)
    if name not in _FUNCTIONS or (name == "strftime" and not form) or not literal:
        return "", None, [], ""
    moment = arguments[0] if arguments else None
    if isinstance(moment, exp.Literal) and moment.name.lower() == "now":
        moment = None
    return name, moment, [each.name.lower().strip() for each in modifiers], form


def _moment(value: Node | None, modifiers: list[str], unit: str, dialect: str) -> Node:
    steps = [each for each in modifiers if each not in _ZONES]
    if value is not None and len(steps) < len(modifiers):
        raise _Unlike  # the zone of the values is not known
    moment: Node
    if value is None:
        moment = exp.CurrentDate() if unit == "date" else exp.CurrentTimestamp()
    elif steps and steps[0] == "unixepoch":
        moment = _as(filled(_FORMS["unixepoch"][dialect], dialect, value), unit)
        steps = steps[1:]
    else:
        moment = exp.cast(value.copy(), unit)
    for modifier in steps:
        moment = _moved(moment, modifier, unit, dialect)
    return moment


def _moved(moment: Node, modifier: str, unit: str, dialect: str) -> Node:
    if shift := _SHIFT.match(modifier):
        interval = exp.Interval(this=exp.Literal.string(shift[2]), unit=exp.var(shift[3]))
        step = exp.Sub if shift[1] == "-" else exp.Add
        return _as(step(this=moment, expression=interval), unit)
    if (start := _START.match(modifier)) and dialect == "mysql":
        form = {"day": "%Y-%m-%d", "month": "%Y-%m-01", "year": "%Y-01-01"}[start[1]]
        return exp.cast(exp.TimeToStr(this=moment, format=exp.Literal.string(form)), unit)
    if start:
        return _as(exp.TimestampTrunc(this=moment, unit=exp.var(start[1].upper())), unit)
    if (weekday := _WEEKDAY.match(modifier)) and unit == "date":
        number = exp.Literal.number(weekday[1])
        return _as(filled(_FORMS["weekday"][dialect], dialect, moment, number), unit)
    raise _Unlike


def _as(moment: Node, unit: str) -> Node:
    # A DATE stays one; sums of timestamps are timestamps without a cast.
    return exp.cast(moment, unit) if unit == "date" else exp.paren(moment, copy=False)


def _formatted(form: str, moment: Node, dialect: str) -> Node:
    parts: list[Node] = []
    plain = ""
    form = re.sub("%[FTR]", lambda short: _SHORT[short[0]], form)
    for piece in [*re.findall(r"(?s)%.|[^%]+", form), ""]:
        # Letters would be taken for patterns by to_char: they stay outside.
        if piece in _PLAIN or (plain and piece and not re.search(r"[%\w\"\\]", piece)):
            plain += piece
            continue
        if plain:
            parts.append(exp.TimeToStr(this=moment.copy(), format=exp.Literal.string(plain)))
            plain = ""
        if piece.startswith("%") and piece in _FORMS:
            read = filled(_FORMS[piece][dialect], dialect, moment)
            parts.append(read if piece == "%W" else exp.cast(read, "text"))
        elif piece == "%%" or not piece.startswith("%"):
            parts += [exp.Literal.string(piece.replace("%%", "%"))] if piece else []
        else:
            raise _Unlike
    if len(parts) < 2:
        return parts[0]
    joined = reduce(lambda one, other: exp.DPipe(this=one, expression=other, safe=True), parts)
    return exp.paren(joined, copy=False)
