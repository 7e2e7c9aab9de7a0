"""Dates that a question mentions, as SQL conditions in the format that a column stores.

The field calls this temporal tagging (SUTime, HeidelTime); here it is a few regular expressions over
English. The formats are those of `sql.date_formats`.

>>> (period,) = periods("orders placed in May 2025")
>>> condition("orders.order_date", DateFormat("ymd"), period)
"orders.order_date >= '2025-05-01' AND orders.order_date < '2025-06-01'"
"""

from __future__ import annotations

import datetime
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from txt2sql.sql.date_formats import DateFormat, iso_day

Day = datetime.date

# --------------------------------------------------------------------- what the question mentions


class Moment(NamedTuple):
    """A day, and where it hangs on the present SQLite's modifiers of 'now' that give it."""

    day: Day
    modifiers: tuple[str, ...] | None = None


class Period(NamedTuple):
    """From `start` to before `end`, either may be open; or every `part` of a year or a week.

    `part` is a format of strftime and its values: ("%m", ("05",)) is any May.
    """

    span: tuple[int, int]
    start: Moment | None = None
    end: Moment | None = None
    part: tuple[str, tuple[str, ...]] | None = None

    @property
    def relative(self) -> bool:
        """Whether it hangs on what day it is."""
        return any(end is not None and end.modifiers is not None for end in (self.start, self.end))


_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_CENTURY = r"(?:1[5-9]|20)"
_YEAR = rf"{_CENTURY}\d\d"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_UNIT = r"(?:day|week|month|quarter|year)"
_ORDINAL = r"(?:first|second|third|fourth|last|1st|2nd|3rd|4th)"
_WEEKDAYS = "sunday monday tuesday wednesday thursday friday saturday".split()
_NUMBERS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
}
_COUNT = rf"(?:\d{{1,3}}|{'|'.join(_NUMBERS)})"
_MOMENT = re.compile(
    rf"""(?<![\w.,/'"$€£])(?<!(?<!\d\d\d\d)-)(?:
    (?P<ymd>{_YEAR}([-/])(?:0?[1-9]|1[0-2])\2(?:0?[1-9]|[12]\d|3[01]))(?![-/\w])
    |(?P<dmy>\d{{1,2}}([./-])\d{{1,2}}\4{_YEAR})(?![-/\w])
    |(?P<day1>(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:,\s*|\s+)(?:of\s+)?{_YEAR})(?!\w)
    |(?P<day2>{_MONTH}\s+(?:the\s+)?{_DAY}(?:,\s*|\s+)(?:of\s+)?{_YEAR})(?!\w)
    |(?P<noyear>{_MONTH}\s+{_DAY}|{_DAY}\s+(?:of\s+)?{_MONTH})(?!\w)
    |(?P<month>(?:the\s+month\s+of\s+)?{_MONTH},?\s+(?:of\s+)?(?:the\s+year\s+)?{_YEAR})(?!\w)
    |(?P<ym>{_YEAR}-(?:0[1-9]|1[0-2]))(?![-\w])
    |(?P<quarter>q[1-4](?:\s+of|\s+in)?\s+{_YEAR}|{_YEAR}[\s-]q[1-4]
        |{_ORDINAL}\s+quarter(?:\s+of|\s+in)?(?:\s+the\s+year)?\s+{_YEAR}
        |quarter\s+[1-4](?:\s+of|\s+in)?\s+{_YEAR})(?!\w)
    |(?P<relative>today|yesterday|tomorrow
        |(?:this|current|last|previous|past|next)\s+{_UNIT}(?!\s+\d)
        |(?:last|past|previous|next)\s+{_COUNT}\s+{_UNIT}s?)(?!\w|\s+of\b)
    |(?P<decade>(?:the\s+)?{_CENTURY}\d0[’']?s|the\s+[’']?[3-9]0[’']?s)(?!\w)
    |(?P<year>(?:(?:the\s+)?years?\s+(?:of\s+)?)?{_YEAR})(?![\w%/]|-(?!{_YEAR}\b)|[.,:]\d)
    |(?P<bare>(?:the\s+month\s+of\s+)?{_MONTH})(?!\w)
    |(?P<part>q[1-4]|{_ORDINAL}\s+quarter|(?:{"|".join(_WEEKDAYS)})s?|weekends?)(?!\w)
    )(?!\s+(?:at\s+)?\d\d?:\d\d)""",  # with a time of day it is no whole day
    re.IGNORECASE | re.VERBOSE,
)
_QUOTED = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|“[^”]*”|‘[^’]*’(?!\w)")
_NEGATED = re.compile(r"\b(?:not|never|n't|except|excluding|without|other than)\s+\w*\s*$", re.I)
_BEFORE = re.compile(
    r"\b(?:(?P<not>not|no)\s+)?(?:(?P<before>before|prior\s+to|earlier\s+than)"
    r"|(?P<after>after|later\s+than|newer\s+than|more\s+recent(?:ly)?\s+than)"
    r"|(?P<since>since|starting\s+(?:in|from|with)|as\s+of|(?:on|in|during)\s+or\s+after|from)"
    r"|(?P<until>until|till|up\s+to|through|up\s+until|(?:on|in|during)\s+or\s+before))\s+"
    r"(?:the\s+)?(?:(?:start|beginning|end)\s+of\s+)?(?:the\s+)?$",
    re.I,
)
_LATER = re.compile(r"\s+(?:(?:or|and)\s+(?:later|after|newer|since)|onwards?|on\b(?!\s+\w))", re.I)
_EARLIER = re.compile(r"\s+(?:or|and)\s+(?:earlier|before|older)", re.I)
_BETWEEN = re.compile(r"\bbetween\s+(?:the\s+)?$", re.I)
_FROM = re.compile(r"\bfrom\s+(?:the\s+)?$", re.I)
_AND = re.compile(r"\s+and\s+(?:the\s+)?", re.I)
_TO = re.compile(r"\s*(?:-|–|\bto\b|\bthrough\b|\buntil\b|\btill\b)\s*(?:the\s+)?", re.I)
_STRONG = re.compile(
    r"(?:\b(?:in|during|since|before|after|until|till|throughout|from|between|on|prior to|"
    r"(?:later|earlier) than|year|years|fall|spring|summer|winter|autumn|season|semester|"
    r"early|late|mid)|\b(?:year|years|season|fall|spring|summer|winter|end|start|beginning)\s+of)"
    r"\s+(?:of\s+)?(?:the\s+)?$",
    re.I,
)
_QUANTITY = re.compile(
    r"\s*(?:dollars?|euros?|usd|pounds?|met(?:er|re)s?|feet|ft|km|kilomet|miles?|kg|kilos?|grams?|"
    r"points?|people|persons?|items?|units?|votes?|square|acres?|tons?|times|days|hours|minutes|"
    r"seats?|words?|pages?|calories|copies|pieces|hp|cc|mb|gb|watts?|%)\b",
    re.I,
)
_BY = re.compile(r"\bby\s+(?:the\s+)?$", re.I)
_MODAL = re.compile(r"\b(?:in|during|of|since|before|after|until|from|every|each|for)\s+$", re.I)


def periods(question: str, today: Day | None = None) -> tuple[Period, ...]:
    """The dates and spans of time that a question mentions, in its order."""
    today = today or Day.today()
    quoted = [match.span() for match in _QUOTED.finditer(question)]
    marks = [
        match
        for match in _MOMENT.finditer(question)
        if not any(a <= match.start() < b for a, b in quoted)
    ]
    return tuple(_assembled(question, marks, today))


_OLD = r"(?:years?(?:\s+old|\s+of\s+age)?|y/?o)"
_AGE = re.compile(
    rf"""\b(?:(?P<over>(?P<sure1>older\s+than|aged?\s+(?:over|above)|over\s+the\s+age\s+of)|over|above)
    |(?P<under>(?P<sure2>younger\s+than|aged?\s+(?:under|below)|under\s+the\s+age\s+of)|under|below))
    \s+(?P<years>\d{{1,3}})(?P<sure3>\s+{_OLD})?
    |(?P<least>\d{{1,3}})\s+(?:{_OLD}\s+)?(?:or|and)\s+(?:(?P<sure4>older)|over|above)""",
    re.I | re.X,
)


def ages(question: str, today: Day | None = None) -> Iterator[tuple[Period, bool]]:
    """When those were born whose age a question limits, and whether it can be nothing but an age.

    >>> [(period.end.modifiers, sure) for period, sure in ages("members older than 70 by town")]
    [(('-70 years',), True)]
    """
    today = today or Day.today()
    for mark in _AGE.finditer(question):
        years = int(mark["years"] or mark["least"])
        leap = today.month == 2 and today.day == 29
        born = today.replace(year=max(1, today.year - years), day=28 if leap else today.day)
        day = Moment(born, (f"-{years} years",))
        period = Period(mark.span(), day) if mark["under"] else Period(mark.span(), None, day)
        yield period, any(mark[f"sure{i}"] for i in (1, 2, 3, 4))


def _assembled(question: str, marks: list[re.Match[str]], today: Day) -> Iterator[Period]:
    """Two moments that are the ends of a range become one period."""
    i, years = 0, False
    while i < len(marks):
        mark, period = marks[i], _period(marks[i], today)
        i += 1
        head, tail = question[: mark.start()], question[mark.end() :]
        if i < len(marks):
            gap = question[mark.end() : marks[i].start()]
            between = _BETWEEN.search(head) if _AND.fullmatch(gap) else None
            if between or _TO.fullmatch(gap):
                last = _period(marks[i], today)
                start = between or _FROM.search(head) or mark
                if period and last and (period.start or period.part) and last.end:
                    i += 1
                    yield from _range(period, last, (start.start(), marks[i - 1].end()))
                    continue
                if between or gap.strip():
                    i += 1  # a range of which one end is no date
                    continue
        turn = _BEFORE.search(head)
        if period is None or (_NEGATED.search(head) and not (turn and turn["not"])):
            continue
        if mark["year"]:  # a number of four digits may be something else
            signs = (_STRONG.search(head), _LATER.match(tail), _EARLIER.match(tail))
            sure = any(signs) or "year" in mark[0].lower()
            listed = years and re.search(r"(?:,|\band|\bor)\s+(?:in\s+)?$", head, re.I)
            if not listed and (not sure or _QUANTITY.match(tail)):
                continue
            years = True
        elif _BY.search(head):
            continue
        yield from _directed(mark, period, turn, head, tail)


def _range(first: Period, last: Period, span: tuple[int, int]) -> Iterator[Period]:
    start = first.start
    if first.part and first.part[0] == "%m" and last.start and not last.part:
        # from January to March 2025
        start = Moment(Day(last.start.day.year, int(first.part[1][0]), 1))
    if start and last.end and start.day < last.end.day:
        yield Period(span, start, last.end)


def _directed(
    mark: re.Match[str], period: Period, turn: re.Match[str] | None, head: str, tail: str
) -> Iterator[Period]:
    """The period as its preposition turns it: "before 2020" ends where 2020 starts."""
    if period.part and turn:
        return  # of which year?
    if mark["bare"] and not _MODAL.search(head) and "month" not in mark["bare"].lower():
        return
    later, earlier = _LATER.match(tail), _EARLIER.match(tail)
    kind = turn.lastgroup if turn else "since" if later else "until" if earlier else None
    if turn and turn["not"]:
        kind = {"before": "since", "after": "until"}.get(kind or "")
        if kind is None:
            return
    elif turn and kind == "since" and turn[0].lower().startswith("from") and not later:
        kind = turn = None
    suffix = {"since": later, "until": earlier}.get(kind or "")
    span = (turn or mark).start(), (mark.end() + (suffix.end() if suffix else 0))
    ends = {
        "since": (period.start, None),
        "until": (None, period.end),
        "before": (None, period.start),
        "after": (period.end, None),
    }
    yield Period(span, *ends[kind]) if kind else period


def _period(mark: re.Match[str], today: Day) -> Period | None:
    kind = mark.lastgroup or ""
    text = mark[kind].lower()
    digits = [int(number) for number in re.findall(r"\d+", text)]
    try:
        if kind == "noyear":
            return None
        if kind in ("bare", "part"):
            return Period(mark.span(), part=_part(text))
        if kind == "relative":
            return _relative(mark.span(), text, today)
        start, months = _start(kind, text, digits)
    except ValueError:  # 31 February; 05/06/2024 may be two days
        return None
    end = _months_on(start, months) if months else start + datetime.timedelta(1)
    return Period(mark.span(), Moment(start), Moment(end))


def _start(kind: str, text: str, digits: list[int]) -> tuple[Day, int]:
    """The first day of a mention, and how many months it has; 0 for a day."""
    if kind in ("ymd", "ym"):
        return Day(*[*digits, 1][:3]), int(kind == "ym")
    if kind == "dmy":
        first, second, year = digits
        day_first = "." in text or first > 12
        if not day_first and first != second <= 12:
            raise ValueError(text)
        return (Day(year, second, first) if day_first else Day(year, first, second)), 0
    year = next((number for number in digits if number > 1000), 1900 + digits[-1])
    if kind in ("day1", "day2"):
        return Day(year, _month(text), digits[0]), 0
    if kind == "month":
        return Day(year, _month(text), 1), 1
    if kind == "quarter":
        return Day(year, 3 * _quarter(text) - 2, 1), 3
    return Day(year, 1, 1), 120 if kind == "decade" else 12


def _month(text: str) -> int:
    names = (word[:3] for word in re.findall(r"[a-z]+", text) if re.fullmatch(_MONTH, word))
    return _MONTHS.index(next(names)) + 1


def _quarter(text: str) -> int:
    if number := re.search(r"(?:\bq|quarter\s+)([1-4])\b|\b([1-4])(?:st|nd|rd|th)", text):
        return int(number[1] or number[2])
    words = ("first", "second", "third", "fourth")
    return next((i for i, word in enumerate(words, 1) if word in text), 4)


def _part(text: str) -> tuple[str, tuple[str, ...]] | None:
    days = {"weekend": ("0", "6")} | {day: (str(i),) for i, day in enumerate(_WEEKDAYS)}
    if text.rstrip("s") in days:
        return "%w", days[text.rstrip("s")]
    if text.startswith("last"):
        return None
    quarter = "quarter" in text or text.startswith("q")
    first = 3 * _quarter(text) - 2 if quarter else _month(text)
    return "%m", tuple(f"{month:02}" for month in range(first, first + (3 if quarter else 1)))


def _months_on(day: Day, months: int) -> Day:
    count = day.year * 12 + day.month - 1 + months
    return Day(count // 12, count % 12 + 1, 1)


def _relative(span: tuple[int, int], text: str, today: Day) -> Period | None:
    with closing(sqlite3.connect(":memory:")) as connection:

        def moment(*steps: str) -> Moment:
            marks = ", ?" * len(steps)
            (day,) = connection.execute(f"SELECT date(?{marks})", (str(today), *steps)).fetchone()
            return Moment(Day.fromisoformat(day), steps)

        days = {"yesterday": -1, "today": 0, "tomorrow": 1}
        if text in days:
            start, end = (_shift(shift, "day") for shift in (days[text], days[text] + 1))
            return Period(span, moment(*start), moment(*end))
        which, *middle, unit = text.split()
        unit = unit.removesuffix("s")
        if middle:
            number = int(middle[0]) if middle[0].isdigit() else _NUMBERS[middle[0]]
            if not number or unit == "quarter":
                return None
            if which == "next":
                return Period(span, moment(), moment(*_shift(number, unit), "+1 day"))
            return Period(span, moment(*_shift(-number, unit)))
        if unit == "day":
            return None
        first = {"this": 0, "current": 0, "next": 1}.get(which, -1)
        start, end = (_unit_start(today, unit, shift) for shift in (first, first + 1))
        return Period(span, moment(*start), moment(*end))


def _shift(number: int, unit: str) -> tuple[str, ...]:
    if unit == "week":
        number, unit = number * 7, "day"
    return (f"{number:+} {unit}{'' if abs(number) == 1 else 's'}",) if number else ()


def _unit_start(today: Day, unit: str, shift: int) -> tuple[str, ...]:
    """The steps to where this week, month, quarter or year starts, or one `shift` of them away."""
    if unit == "week":  # from the coming Sunday, or today, to a Monday
        return ("weekday 0", f"{7 * shift - 6:+} days")
    if unit == "quarter":
        return ("start of month", *_shift(3 * shift - (today.month - 1) % 3, "month"))
    return (f"start of {unit}", *_shift(shift, unit))


# -------------------------------------------------------------------------------- the condition


def condition(place: str, form: DateFormat, period: Period, dialect: str = "sqlite") -> str | None:
    """The condition on a column, spelt as `place`, that a period is; None where the format has none.

    Engines other than SQLite get the days themselves where the period hangs on the present.

    >>> condition("t.d", DateFormat("dmy", "."), periods("before 2020")[0])
    "substr(t.d, 7, 4) || '-' || substr(t.d, 4, 2) || '-' || substr(t.d, 1, 2) < '2020-01-01'"
    """
    portable = form.kind in ("ymd", "year", "month", "compact") and form.mark == "-"
    if dialect != "sqlite" and not portable:
        return None
    if period.part:
        return _part_condition(place, form, *period.part, dialect)
    start, end = period.start, period.end
    if form.kind == "unclear":
        return _unclear(place, form, start, end)
    if not all(_whole(m, form.kind) for m in (start, end) if m):
        return None
    # Of dates without fixed places the repair of statements makes ISO ones, in many words.
    spelt = form.kind in ("dmy", "mdy", "seconds", "millis") and not form.loose
    left = iso_day(place, form) if spelt else place
    longest = {"year": 366, "month": 31}.get(form.kind, 1)
    if start and end and not form.timed and 0 < (end.day - start.day).days <= longest:
        return f"{left} = {_literal(form, start, dialect)}"
    limits = [f"{left} >= {_literal(form, start, dialect)}"] if start else []
    if end and form.kind == "year" and end.modifiers is None:
        last = Moment(end.day - datetime.timedelta(1))
        limits.append(f"{left} <= {_literal(form, last, dialect)}")
    elif end:
        limits.append(f"{left} < {_literal(form, end, dialect)}")
    return " AND ".join(limits) or None


def _whole(moment: Moment, unit: str) -> bool:
    """Whether a moment starts a month or year, if that is the unit, on any day that it is asked."""
    if unit not in ("month", "year"):
        return True
    if moment.modifiers is None:
        return moment.day.day == 1 and (unit == "month" or moment.day.month == 1)
    first, *shifts = moment.modifiers or ("",)
    if unit == "year" and not all("year" in shift for shift in shifts):
        return False  # since March
    return first in ("start of year", f"start of {unit}")


def _literal(form: DateFormat, moment: Moment, dialect: str) -> str:
    pattern = {
        "ymd": f"%Y{form.mark}%m{form.mark}%d",
        "compact": "%Y%m%d",
        "month": "%Y-%m",
        "year": "%Y",
    }.get(form.kind, "%Y-%m-%d")
    if moment.modifiers is None or dialect != "sqlite":
        text = moment.day.strftime(pattern)
        return f"'{text}'" if form.text or pattern == "%Y-%m-%d" else text
    steps = "".join(f", '{step}'" for step in ("now", *moment.modifiers))
    if pattern == "%Y-%m-%d":
        return f"date({steps[2:]})"
    made = f"strftime('{pattern}'{steps})"
    return made if form.text else f"CAST({made} AS INTEGER)"


def _unclear(place: str, form: DateFormat, start: Moment | None, end: Moment | None) -> str | None:
    """A year of dates whose day and month cannot be told apart."""
    if not start or not end or start.modifiers is not None or end.modifiers is not None:
        return None
    year = start.day.year
    if (start.day, end.day) != (Day(year, 1, 1), Day(year + 1, 1, 1)):
        return None
    return f"{place} LIKE '%{form.mark}{year}{'%' * form.timed}'"


def _part_condition(
    place: str, form: DateFormat, pattern: str, values: tuple[str, ...], dialect: str
) -> str | None:
    if form.kind in ("year", "unclear"):
        return None
    if pattern != "%m" and (form.kind == "month" or dialect != "sqlite"):
        return None
    listed = ", ".join(f"'{value}'" for value in values)
    left = f"strftime('{pattern}', {place if form.loose else iso_day(place, form)})"
    if dialect != "sqlite":
        if form.kind != "ymd":
            return None
        left, listed = f"EXTRACT(MONTH FROM {place})", ", ".join(str(int(v)) for v in values)
    elif form.kind == "month":
        left = f"substr({place}, 6, 2)"
    return f"{left} = {listed}" if len(values) == 1 else f"{left} IN ({listed})"
