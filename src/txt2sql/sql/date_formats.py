"""How the columns of a database store dates, SQL that reads them so, and SQL that depends on today.

ISO dates and times, YYYY/MM/DD, DD.MM.YYYY, MM/DD/YYYY, 20250501, Unix seconds and milliseconds, whole
years, YYYY-MM: the format is seen from sample values. A model that reads a column in another format gets
nothing or nonsense, without an error; `read_as_stored` puts that right where there is one way to read what
was meant. Nor does a model know what "last year" is: the hint of the question (`execution.dates`) does, and
`as_of_today` puts it in the place of what was written about that column of dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlglot import exp, parse_one

from txt2sql.sql.names import COMPARISONS, Kind, Names, Problem
from txt2sql.sql.sources import Edit, Node, Source, owners, span
from txt2sql.types import Column, ValueMatch

FIRST_YEAR, LAST_YEAR = 1500, 2100
_LEAST_SHARE = 0.9  # of the sample, in one format
_YMD = re.compile(r"(\d{4})([-/])(\d\d)\2(\d\d)([ T]\d\d:\d\d.*)?")
_DMY = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(\s.*)?")
_MONTHS = "JAN01FEB02MAR03APR04MAY05JUN06JUL07AUG08SEP09OCT10NOV11DEC12"
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\\.?"
_DBY = re.compile(rf"\d{{1,2}}(?:st|nd|rd|th)?([ -]){_MONTH},?[ -]\d{{4}}(\s.*)?", re.I)
_BDY = re.compile(rf"{_MONTH}( )\d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}(\s.*)?", re.I)
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
    """`kind` is ymd, dmy, mdy, unclear (dmy or mdy), dby (12 Mar 2024), bdy (March 12, 2024), compact, month,
    year, seconds or millis."""

    kind: str
    mark: str = "-"
    text: bool = True
    padded: bool = True
    timed: bool = False

    @property
    def loose(self) -> bool:
        """Whether parts of the date stand at other places in other cells, as in 3/5/2024."""
        return self.kind in ("dby", "bdy") or not self.padded


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
    kinds = {
        "year": yearly and within(FIRST_YEAR, LAST_YEAR),
        "compact": all(_COMPACT.fullmatch(f"{number:.0f}") for number in numbers),
        "seconds": within(*_UNIX),
        "millis": within(1000 * _UNIX[0], 1000 * _UNIX[1]),
    }
    kind = next((kind for kind, fits in kinds.items() if fits), "")
    return DateFormat(kind, text=False) if kind and timely else None


def _text_format(name: set[str], texts: list[str]) -> DateFormat | None:
    if not any(re.match(r"\d|[A-Za-z]{3}", text) for text in texts[:5]):
        return None

    def matches(pattern: re.Pattern[str]) -> list[re.Match[str]]:
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
    for kind, pattern in (("dby", _DBY), ("bdy", _BDY)):
        if named := matches(pattern):
            return DateFormat(kind, named[0][1], timed=any(match[2] for match in named))
    if matches(_MONTH_TEXT):
        return DateFormat("month")
    if matches(_COMPACT):
        return DateFormat("compact")
    return DateFormat("year") if name & _YEAR_NAMES and matches(_YEAR_TEXT) else None


_YMD_PARTS = "substr({{0}}, {}, 4) || '-' || substr({{0}}, {}, 2) || '-' || substr({{0}}, {}, 2)"
_ISO_DAYS = {
    "month": "{0} || '-01'",
    "year": "{0} || '-01-01'",
    "seconds": "date({0}, 'unixepoch')",
    "millis": "date({0} / 1000, 'unixepoch')",
    "dmy": _YMD_PARTS.format(7, 4, 1),
    "mdy": _YMD_PARTS.format(7, 1, 4),
    "compact": _YMD_PARTS.format(1, 5, 7),
}


_TWO_DIGITS = "substr('0' || CAST({} AS INTEGER), -2)"  # of what a text begins with


def iso_day(place: str, form: DateFormat) -> str:
    """An expression that is the column's day as ISO text; of a month or year, the first."""
    if form.kind == "ymd":
        return place if form.mark == "-" else f"replace({place}, '{form.mark}', '-')"
    if form.loose:
        rest = f"substr({place}, instr({place}, '{form.mark}') + 1)"
        year = (
            f"substr({rest}, instr({rest}, '{form.mark}') + 1, 4)"
            if form.timed
            else f"substr({place}, -4)"
        )
        day, month = (place, rest) if form.kind.startswith("d") else (rest, place)
        if form.kind in ("dby", "bdy"):
            month = f"substr('{_MONTHS}', instr('{_MONTHS}', upper(substr({month}, 1, 3))) + 3, 2)"
        else:
            month = _TWO_DIGITS.format(month)
        return f"{year} || '-' || {month} || '-' || {_TWO_DIGITS.format(day)}"
    return _ISO_DAYS[form.kind].format(place)


# What substr(date, start, length) gives in each format, as strftime writes it.
_SLICES = {
    "ymd": {(1, 4): "%Y", (6, 2): "%m", (9, 2): "%d", (1, 7): "%Y-%m"},
    "dmy": {(7, 4): "%Y", (-4, 0): "%Y", (4, 2): "%m", (1, 2): "%d", (9, 2): "%y"},
    "mdy": {(7, 4): "%Y", (-4, 0): "%Y", (1, 2): "%m", (4, 2): "%d", (9, 2): "%y"},
    "compact": {(1, 4): "%Y", (5, 2): "%m", (7, 2): "%d"},
}
_ANYWHERE = {**_SLICES["compact"], **_SLICES["dmy"], **_SLICES["ymd"]}
_TEXTS = ("ymd", "dmy", "mdy", "compact", "dby", "bdy")
_DATED = (exp.Date, exp.TsOrDsToTimestamp)
_FUNCTIONS = frozenset(("date", "datetime", "julianday", "strftime", "time", "unixepoch"))
_TIMED = re.compile(r"\d{4}-\d\d|\d\d:\d\d")
_FROM_UNIX = re.compile(r"\s*,\s*'unixepoch'", re.I)


def read_as_stored(names: Names) -> list[Edit] | Problem:
    """What makes a query read each column of dates in the format that it stores; the problem where it takes
    a date from a column that has none.
    """
    edits: list[Edit] = []
    owner = owners(names.scopes)
    for scope in names.scopes:
        for node, number in scope.resolved:
            column, parent = scope.sources[number].column(node.name), node.parent
            place = span(node.args.get("table") or node.this)[0], span(node.this)[1]
            if column is None or place[0] < 0:
                continue
            called = _is_date_call(parent)
            form = column_format(column, called)
            unix = _FROM_UNIX.match(names.sql, place[1])
            timed = any(map(_TIMED.match, column.samples))
            if form is None and called and not unix and column.samples and not timed:
                # Of 36,000 golds 1 takes a date from a column without dates, and is wrong.
                return Problem(Kind.NO_DATE, column.name)
            if form is None or form.kind == "unclear":
                continue
            name = names.sql[slice(*place)]
            if called and form.kind in ("seconds", "millis"):
                value = name if form.kind == "seconds" else f"{name} / 1000"
                edits.append((*place, value if unix else f"{value}, 'unixepoch'"))
            elif called:
                edits.append((place[0], unix.end() if unix else place[1], iso_day(name, form)))
            elif form.kind in _TEXTS and _is_subtracted(node, owner):
                edits.append((*place, f"{_seconds(parent)}JULIANDAY({iso_day(name, form)})"))
            elif _is_ordered(node) and (
                form.loose or (form.kind in ("dmy", "mdy") and not form.timed)
            ):
                edits.append((*place, iso_day(name, form)))
            elif form.kind not in ("month", "year") and node is parent.this:
                edits += _cut(names.sql, parent, place, form)
                edits += _compared(parent, name, place, form)
    return edits


def _is_date_call(node: Node) -> bool:
    named = isinstance(node, exp.Anonymous) and node.name.lower() in _FUNCTIONS
    return named or isinstance(node, _DATED)


def _is_subtracted(node: Node, owner: Mapping[int, Source]) -> bool:
    # From it or from it another column of dates, as if they were numbers.
    sides = (node.parent.this, node.parent.expression) if isinstance(node.parent, exp.Sub) else ()
    other: Node = next((side for side in sides if side is not node), None)
    cell = owner[id(other)].column(other.name) if id(other) in owner else None
    form = column_format(cell) if cell is not None else None
    return form is not None and form.kind in _TEXTS


def _seconds(difference: Node) -> str:
    """What makes days seconds, where a difference is divided by how many a minute, an hour or a day has."""
    outer = difference.parent
    while isinstance(outer, exp.Paren):
        outer = outer.parent
    divisor = outer.expression.name if isinstance(outer, exp.Div) else ""
    return "86400 * " if divisor.removesuffix(".0") in ("60", "3600", "86400") else ""


def _is_ordered(node: Node) -> bool:
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
    # The part of a date in the place of a substr() that cuts where another format has it.
    start = re.search(r"\bsubstr(?:ing)?\s*\(\s*$", sql[: place[0]], re.I)
    if not isinstance(parent, exp.Substring) or start is None:
        return []
    cut = _number(parent.args.get("start")), _number(parent.args.get("length"))
    if cut not in _ANYWHERE or cut in _slices(form):
        return []
    part = _part(sql[slice(*place)], form, _ANYWHERE[cut])
    return [(start.start(), sql.index(")", place[1]) + 1, part)]


def _compared(parent: Node, name: str, place: tuple[int, int], form: DateFormat) -> list[Edit]:
    if not isinstance(parent, (*COMPARISONS, exp.Between, exp.Like)):
        return []
    sides = [parent.args[side] for side in ("expression", "low", "high") if parent.args.get(side)]
    iso = form.kind == "ymd" and form.mark == "-"
    if sides and form.kind in _TEXTS and not iso and all(map(_is_date_call, sides)):
        return [(*place, iso_day(name, form))]
    values = [side for side in sides if isinstance(side, exp.Literal) and span(side)[0] >= 0]
    if values[:1] != sides[:1]:
        return []
    text, equal = values[0].name, isinstance(parent, exp.EQ)
    if isinstance(parent, exp.Like):
        year = re.fullmatch(r"(\d{4}(?:-\d\d)?)-?%", text)
        if year is None or form.kind in ("ymd", "compact"):
            return []
        part = _part(name, form, "%Y" if len(year[1]) == 4 else "%Y-%m")
        operator = "<>" if parent.args.get("negate") else "="
        return [(place[0], span(values[0])[1], f"{part} {operator} '{year[1]}'")]
    for part, pattern in (("%Y", _YEAR_TEXT), ("%Y-%m", _MONTH_TEXT)):
        if equal and pattern.fullmatch(text):
            return [(*place, _part(name, form, part)), (*span(values[0]), f"'{text}'")]
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


def _slices(form: DateFormat) -> dict[tuple[int, int], str]:
    if form.loose:
        return {} if form.timed else {(-4, 0): "%Y"}
    return _SLICES.get(form.kind, {})


def _part(place: str, form: DateFormat, part: str) -> str:
    cuts = {name: cut for cut, name in reversed(_slices(form).items())}
    if part == "%Y" and form.loose and not form.timed:
        return f"substr({place}, -4)"
    if part in cuts and not (part == "%Y-%m" and form.mark != "-"):
        return f"substr({place}, {cuts[part][0]}, {cuts[part][1]})"
    return f"strftime('{part}', {iso_day(place, form)})"


def _number(node: Node) -> int:
    sign = -1 if isinstance(node, exp.Neg) else 1
    literal = node.this if sign < 0 else node
    known = isinstance(literal, exp.Literal) and literal.name.isdigit()
    return sign * int(literal.name) if known else 0


# What depends on today, which a model cannot know.

_COMPARES = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Like)
_BIRTH = re.compile("birth|born|dob", re.I)
_YEAR = re.compile(r"(?<!\d)\d{4}")


def as_of_today(names: Names, matches: Sequence[ValueMatch], question: str = "") -> str:
    """The statement with the one relative date of its question as the hint has it, and with ages in years;
    as it is where it says nothing of such a date, or more than one thing. Changes the tree of `names`.
    """
    if names.tree is None:
        return names.sql
    hints = [match for match in matches if match.relative]
    changed = _in_years(names)
    if len(hints) == 1:
        changed = _as_hinted(names, hints[0], question) or changed
    return str(names.tree.sql(dialect="sqlite")) if changed else names.sql


def _as_hinted(names: Names, hint: ValueMatch, question: str) -> bool:
    place = (hint.table.lower(), hint.column.lower())
    every = list(_dated(names, question))
    dated = [each for each in every if each[0] == place]
    if not dated and not _BIRTH.search(hint.column):
        dated = every  # the model may know better which date is meant
    comparisons = [node for _, node, _ in dated]
    # One thing is said of one column: the comparisons are of one condition.
    if len({where for where, *_ in dated}) != 1 or len({id(_whole(n)) for n in comparisons}) != 1:
        return False
    condition = parse_one(hint.condition, read="sqlite")
    for column in list(condition.find_all(exp.Column)):
        column.replace(dated[0][2].copy())
    first, *others = comparisons
    for node in others:
        while isinstance(node.parent, exp.Paren):
            node = node.parent
        both = node.parent  # an AND
        both.replace(both.expression if node is both.this else both.this)
    first.replace(condition)
    return True


def _dated(names: Names, question: str) -> Iterator[tuple[tuple[str, str], Node, Node]]:
    """The comparisons of a column of dates with a date that no year of the question explains: table and
    column, comparison, and the column in it.
    """
    owner = owners(names.scopes)
    for comparison in names.tree.find_all(*_COMPARES):
        within = list(comparison.find_all(exp.Column))
        source = owner.get(id(within[0])) if len(within) == 1 else None
        column = source.column(within[0].name) if source is not None else None
        if source is None or column is None or column_format(column) is None:
            continue
        literals = list(comparison.find_all(exp.Literal, exp.CurrentDate, exp.CurrentTimestamp))
        years = [year for each in literals for year in _YEAR.findall(each.name)]
        negated = isinstance(comparison.parent, (exp.Not, exp.Or))
        explained = any(year in question for year in years)
        if literals and not explained and not comparison.find(exp.Query) and not negated:
            yield (source.base.lower(), column.name.lower()), comparison, within[0]


def _whole(node: Node) -> Node:
    while isinstance(node.parent, (exp.And, exp.Paren)):
        node = node.parent
    return node


def _in_years(names: Names) -> bool:
    changed = False
    for difference in list(names.tree.find_all(exp.Sub)):
        sides = [(side, _day(side)) for side in (difference.this, difference.expression)]
        sides.sort(key=lambda side: isinstance(side[1], exp.Column))
        (now, present), (birth, column) = sides
        if not isinstance(column, exp.Column) or not _BIRTH.search(column.name):
            continue
        if present is None or isinstance(present, exp.Column):
            continue
        outer = difference.parent
        while isinstance(outer, (exp.Paren, exp.Cast)):
            outer = outer.parent
        days: Node = exp.Sub(this=now.copy(), expression=birth.copy())
        if not isinstance(outer, exp.Div):
            years = exp.Literal.number("365.25")
            days = exp.Div(this=exp.paren(days), expression=years, typed=True, safe=True)
        if days != difference:
            difference.replace(days)
            changed = True
    return changed


def _day(node: Node) -> Node | None:
    called = isinstance(node, exp.Anonymous) and node.name.upper() == "JULIANDAY"
    if not called or len(node.expressions) != 1:
        return None
    (argument,) = node.expressions
    known = isinstance(argument, (exp.Column, exp.CurrentDate, exp.CurrentTimestamp))
    now = isinstance(argument, exp.Literal) and argument.this == "now"
    return argument if known or now else None
