"""How the columns of a database store dates, and SQL that reads them so.

ISO dates and times, YYYY/MM/DD, DD.MM.YYYY, MM/DD/YYYY, 20250501, Unix seconds and milliseconds, whole
years, YYYY-MM: the format is seen from sample values. A model that reads a column as if it were of
another format gets nothing or nonsense from it, without an error; `read_as_stored` puts that right where
the column's format leaves one way to read what was meant.

>>> from txt2sql.sql.names import resolve
>>> from txt2sql.types import Schema, Table
>>> bill = Table("bill", (Column("paid_at", "number", samples=("1738368000",)),))
>>> read_as_stored(resolve("SELECT date(paid_at) FROM bill", Schema("s", (bill,))))
[(12, 19, "paid_at, 'unixepoch'")]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlglot import exp

from txt2sql.sql.names import COMPARISONS, Kind, Names, Problem
from txt2sql.sql.sources import Edit, Node, Scope, span
from txt2sql.types import Column

FIRST_YEAR, LAST_YEAR = 1500, 2100
_LEAST_SHARE = 0.9
"""Of the sample, in one format."""
_YMD = re.compile(r"(\d{4})([-/])(\d\d)\2(\d\d)([ T]\d\d:\d\d.*)?")
_DMY = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(\s.*)?")
_MONTH_TEXT = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
_COMPACT = re.compile(r"(?:1[5-9]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_YEAR_TEXT = re.compile(r"(?:1[5-9]|20)\d\d")
_YEAR_NAMES = frozenset(
    "year years yr built founded established opened launched born birth debut released introduced "
    "completed commissioned formed season".split()
)
_TIME_NAMES = frozenset(
    "date time timestamp at on ts created updated modified epoch day when since until".split()
)
_UNIX = (100_000_000, 4_200_000_000)  # 1973 to 2103


class DateFormat(NamedTuple):
    """`kind` is ymd, dmy, mdy, unclear (dmy or mdy), compact, month, year, seconds or millis."""

    kind: str
    mark: str = "-"
    text: bool = True
    padded: bool = True
    timed: bool = False


def date_format(words: str, column_type: str, values: Sequence[Any]) -> DateFormat | None:
    """The format of a column from a sample of its values, None where they are no dates.

    >>> date_format("due", "text", ["24.12.2024", "01.02.2025"])
    DateFormat(kind='dmy', mark='.', text=True, padded=True, timed=False)
    """
    name = set(words.lower().split())
    done = any(word.endswith("ed") for word in name)  # issued, first appeared
    timely = done or column_type == "time" or bool(name & (_TIME_NAMES | _YEAR_NAMES))
    texts = [value.strip() for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, (int, float))]
    if not timely and not any(isinstance(value, str) for value in values[:5]):
        return None
    if texts and len(texts) >= _LEAST_SHARE * len(values):
        return _text_format(name, texts)
    whole = all(number == int(number) for number in numbers if abs(number) < 1e15)
    if not numbers or len(numbers) < _LEAST_SHARE * len(values) or not whole:
        return None

    def within(low: float, high: float) -> bool:
        return sum(low <= number <= high for number in numbers) >= _LEAST_SHARE * len(numbers)

    yearly = name & _YEAR_NAMES or column_type == "time" or done
    kind = ""
    if yearly and within(FIRST_YEAR, LAST_YEAR):
        kind = "year"
    elif all(_COMPACT.fullmatch(f"{number:.0f}") for number in numbers):
        kind = "compact"
    elif within(*_UNIX):
        kind = "seconds"
    elif within(1000 * _UNIX[0], 1000 * _UNIX[1]):
        kind = "millis"
    return DateFormat(kind, text=False) if kind and timely else None


def _text_format(name: set[str], texts: list[str]) -> DateFormat | None:
    if not any(text[:1].isdigit() for text in texts[:5]):
        return None

    def matches(pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Those of the texts, where they are nearly all."""
        matched = [match for text in texts if (match := pattern.fullmatch(text))]
        return matched if len(matched) >= _LEAST_SHARE * len(texts) else []

    if ymd := matches(_YMD):
        return DateFormat("ymd", ymd[0][2], timed=any(match[5] for match in ymd))
    if dmy := matches(_DMY):
        first, second = (max(int(match[group]) for match in dmy) for group in (1, 3))
        kind = "dmy" if first > 12 >= second else "mdy" if second > 12 >= first else "unclear"
        if kind == "unclear" and dmy[0][2] == ".":  # nobody writes the month first there
            kind = "dmy"
        padded = all(len(match[1]) == len(match[3]) == 2 for match in dmy)
        return DateFormat(kind, dmy[0][2], padded=padded, timed=any(match[5] for match in dmy))
    if matches(_MONTH_TEXT):
        return DateFormat("month")
    if matches(_COMPACT):
        return DateFormat("compact")
    return DateFormat("year") if name & _YEAR_NAMES and matches(_YEAR_TEXT) else None


def iso_day(place: str, form: DateFormat) -> str:
    """An expression that is the column's day as ISO text; of a month or year, the first."""
    if form.kind in ("month", "year"):
        return f"{place} || '{'-01' if form.kind == 'month' else '-01-01'}'"
    if form.kind == "seconds":
        return f"date({place}, 'unixepoch')"
    if form.kind == "millis":
        return f"date({place} / 1000, 'unixepoch')"
    if form.kind == "ymd":
        return place if form.mark == "-" else f"replace({place}, '{form.mark}', '-')"
    starts = {"dmy": (7, 4, 1), "mdy": (7, 1, 4), "compact": (1, 5, 7)}[form.kind]
    year, month, day = (
        f"substr({place}, {start}, {size})" for start, size in zip(starts, (4, 2, 2), strict=True)
    )
    return f"{year} || '-' || {month} || '-' || {day}"


_SLICES = {
    "ymd": {(1, 4): "%Y", (6, 2): "%m", (9, 2): "%d", (1, 7): "%Y-%m"},
    "dmy": {(7, 4): "%Y", (-4, 0): "%Y", (4, 2): "%m", (1, 2): "%d", (9, 2): "%y"},
    "mdy": {(7, 4): "%Y", (-4, 0): "%Y", (1, 2): "%m", (4, 2): "%d", (9, 2): "%y"},
    "compact": {(1, 4): "%Y", (5, 2): "%m", (7, 2): "%d"},
}
"""What substr(date, start, length) gives in each format, as strftime writes it."""
_ANYWHERE = {**_SLICES["compact"], **_SLICES["dmy"], **_SLICES["ymd"]}
_TEXTS = ("ymd", "dmy", "mdy", "compact")
_FUNCTIONS = frozenset(("date", "datetime", "julianday", "strftime", "time", "unixepoch"))
_TIMED = re.compile(r"\d{4}-\d\d|\d\d:\d\d")
_FROM_UNIX = re.compile(r"\s*,\s*'unixepoch'", re.I)


def read_as_stored(names: Names) -> list[Edit] | Problem:
    """What makes a query read each column of dates in the format that it stores; the problem where it takes
    a date from a column that has none.

    Mends date functions of Unix times and of texts that are not ISO, parts that are cut out at the places
    of another format, comparisons with a date, month or year of another format, differences of texts, and the
    order of texts that do not begin with the year.
    """
    edits: list[Edit] = []
    for scope in names.scopes:
        for node, number in scope.resolved:
            column = scope.sources[number].column(node.name)
            place = span(node.args.get("table") or node.this)[0], span(node.this)[1]
            if column is None or place[0] < 0:
                continue
            called = isinstance(node.parent, (exp.Date, exp.TsOrDsToTimestamp)) or (
                isinstance(node.parent, exp.Anonymous) and node.parent.name.lower() in _FUNCTIONS
            )
            form = column_format(column, called)
            unix = _FROM_UNIX.match(names.sql, place[1])
            timed = any(map(_TIMED.match, column.samples))
            if form is None and called and not unix and column.samples and not timed:
                # Of 36,000 golds 1 takes a date from a column without dates, and is wrong.
                return Problem(Kind.NO_DATE, column.name)
            if form is None or form.kind == "unclear" or not form.padded:
                continue
            name = names.sql[slice(*place)]
            if called and form.kind in ("seconds", "millis"):
                value = name if form.kind == "seconds" else f"{name} / 1000"
                edits.append((*place, value if unix else f"{value}, 'unixepoch'"))
            elif called:
                edits.append((place[0], unix.end() if unix else place[1], iso_day(name, form)))
            elif form.kind in _TEXTS and _is_subtracted(node, scope):
                day = name if form.kind == "ymd" and form.mark == "-" else iso_day(name, form)
                edits.append((*place, f"{_seconds(node.parent)}JULIANDAY({day})"))
            elif form.kind in ("dmy", "mdy") and not form.timed and _is_ordered(node):
                edits.append((*place, iso_day(name, form)))
            elif form.kind not in ("month", "year") and node is node.parent.this:
                edits += _cut(names.sql, node.parent, place, form)
                edits += _compared(node.parent, name, place, form)
    return edits


def _is_subtracted(node: Node, scope: Scope) -> bool:
    """Whether it and another column of dates are subtracted as if they were numbers."""
    sides = (node.parent.this, node.parent.expression) if isinstance(node.parent, exp.Sub) else ()
    other = next((side for side in sides if side is not node), None)
    for column, number in scope.resolved:
        cell = scope.sources[number].column(column.name)
        if column is other and cell is not None:
            form = column_format(cell)
            return form is not None and form.kind in _TEXTS
    return False


def _seconds(difference: Node) -> str:
    """What makes days seconds, where a difference is divided by how many a minute, an hour or a day has."""
    outer = difference.parent
    while isinstance(outer, exp.Paren):
        outer = outer.parent
    divisor = outer.expression.name if isinstance(outer, exp.Div) else ""
    return "86400 * " if divisor.removesuffix(".0") in ("60", "3600", "86400") else ""


def _is_ordered(node: Node) -> bool:
    """Whether it tells which of several dates is earlier."""
    parent = node.parent
    if isinstance(parent, (exp.GT, exp.GTE, exp.LT, exp.LTE)):
        return isinstance(parent.this, exp.Column) and isinstance(parent.expression, exp.Column)
    return isinstance(parent, (exp.Ordered, exp.Min, exp.Max))


def column_format(column: Column, dated: bool = False) -> DateFormat | None:
    """The format of the dates of a column by its samples; `dated` where it is known to have dates."""
    values: list[Any] = list(column.samples)
    if column.type == "number":
        if not all(re.fullmatch(r"-?\d+(\.0)?", value) for value in values):
            return None
        values = [int(float(value)) for value in values]
    words = column.words or column.name.replace("_", " ")
    return date_format(f"{words} date" if dated else words, column.type, values) if values else None


def _cut(sql: str, parent: Node, place: tuple[int, int], form: DateFormat) -> list[Edit]:
    """The part of a date in the place of a substr() that cuts where another format has it."""
    start = re.search(r"\bsubstr(?:ing)?\s*\(\s*$", sql[: place[0]], re.I)
    if not isinstance(parent, exp.Substring) or start is None:
        return []
    cut = _number(parent.args.get("start")), _number(parent.args.get("length"))
    if cut not in _ANYWHERE or cut in _SLICES.get(form.kind, {}):
        return []
    part = _part(sql[slice(*place)], form, _ANYWHERE[cut])
    return [(start.start(), sql.index(")", place[1]) + 1, part)]


def _compared(parent: Node, name: str, place: tuple[int, int], form: DateFormat) -> list[Edit]:
    """The edits for a column that is compared with literals of another format."""
    if not isinstance(parent, (*COMPARISONS, exp.Between)):
        return []
    sides = [parent.args[side] for side in ("expression", "low", "high") if parent.args.get(side)]
    values = [side for side in sides if isinstance(side, exp.Literal) and span(side)[0] >= 0]
    if values[:1] != sides[:1]:
        return []
    text, equal = values[0].name, isinstance(parent, exp.EQ)
    for part, pattern in (("%Y", _YEAR_TEXT), ("%Y-%m", _MONTH_TEXT)):
        if equal and pattern.fullmatch(text):
            return [(*place, _part(name, form, part)), (*span(values[0]), f"'{text}'")]
    iso = form.kind == "ymd" and form.mark == "-"
    if values[0].is_string and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        if iso:
            return [(*place, f"date({name})")] if form.timed and equal else []
        return [(*place, iso_day(name, form))]
    edits: list[Edit] = []
    for value in values if iso else ():
        dmy, ymd = _DMY.fullmatch(value.name), _COMPACT.fullmatch(value.name)
        if dmy and dmy[2] == ".":
            edits.append((*span(value), f"'{dmy[4]}-{dmy[3]:0>2}-{dmy[1]:0>2}'"))
        elif ymd:
            edits.append((*span(value), f"'{ymd[0][:4]}-{ymd[0][4:6]}-{ymd[0][6:]}'"))
    return edits if len(edits) == len(values) else []


def _part(place: str, form: DateFormat, part: str) -> str:
    """An expression that is a part of the column's date, as strftime gives it."""
    cuts = {name: cut for cut, name in reversed(_SLICES.get(form.kind, {}).items())}
    if part in cuts and not (part == "%Y-%m" and form.mark != "-"):
        return f"substr({place}, {cuts[part][0]}, {cuts[part][1]})"
    return f"strftime('{part}', {iso_day(place, form)})"


def _number(node: Node) -> int:
    """An integer that is written out, else 0."""
    sign = -1 if isinstance(node, exp.Neg) else 1
    literal = node.this if sign < 0 else node
    known = isinstance(literal, exp.Literal) and literal.name.isdigit()
    return sign * int(literal.name) if known else 0
