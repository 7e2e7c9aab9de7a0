"""What is no date first; then dates and spans, and that every format selects the days it should."""

from __future__ import annotations

import calendar
import datetime
import re
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.execution.dates import condition, periods
from txt2sql.sql.date_formats import DateFormat, date_format
from txt2sql.sql.repair import mend
from txt2sql.types import Column, Schema, Table

Day = datetime.date
ISO = DateFormat("ymd")
TODAY = Day(2025, 2, 19)  # a Wednesday


NO_DATE = """
orders per month and by year | May I see the orders? | they march on and on | the last 5 orders
more than 2000 of them | at least 1990 points | 2025 items in stock | in 2000 dollars
flats of 2000 square feet | rooms 1800, 12025 and 20.2015 | orders other than 2020, not in 2021
the song 'Summer of 2010' | 31 February 2024 | before 2018-03-17 07:13:53 | call 555-2015-11
03/04/2025 | on March 3
"""  # the last two: of which country, of which year?


@pytest.mark.parametrize("question", ["", *re.split(r" \| |\n", NO_DATE.strip())])
def test_no_date(question: str) -> None:
    assert list(periods(question, TODAY)) == []


DATES = {
    "in 2025": "d >= '2025-01-01' AND d < '2026-01-01'",
    "on 1 February 2025": "d = '2025-02-01'",
    "on the 3rd of March, 1791": "d = '1791-03-03'",
    "on Oct 23, 2010": "d = '2010-10-23'",
    "on 2025-02-01": "d = '2025-02-01'",
    "on 5/27/2024": "d = '2024-05-27'",
    "in Q2 2024": "d >= '2024-04-01' AND d < '2024-07-01'",
    "in the third quarter of 2024": "d >= '2024-07-01' AND d < '2024-10-01'",
    "in the 1990s": "d >= '1990-01-01' AND d < '2000-01-01'",
    "before 2020": "d < '2020-01-01'",
    "since March 2024": "d >= '2024-03-01'",
    "until 2020": "d < '2021-01-01'",
    "not before 2020": "d >= '2020-01-01'",
    "on or before 1 May 2020": "d < '2020-05-02'",
    "from January to March 2025": "d >= '2025-01-01' AND d < '2025-04-01'",
    "between 1 May 2024 and 2 May 2024": "d >= '2024-05-01' AND d < '2024-05-03'",
    "2019-2021": "d >= '2019-01-01' AND d < '2022-01-01'",
    "in 2013 or 2015": "d >= '2013-01-01' AND d < '2014-01-01' OR d >= '2015-01-01' AND d < '2016-01-01'",
    "in the last 30 days": "d >= date('now', '-30 days')",
    "yesterday": "d = date('now', '-1 day')",
    "last month": "d >= date('now', 'start of month', '-1 month') AND d < date('now', 'start of month')",
    "in March": "strftime('%m', d) = '03'",
    "at weekends": "strftime('%w', d) IN ('0', '6')",
}


@pytest.mark.parametrize("question", DATES)
def test_date(question: str) -> None:
    made = periods(f"orders placed {question}?", TODAY)
    sql = " OR ".join(condition("d", ISO, period) or "" for period in made)
    assert sql == DATES[question]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"SELECT 1 FROM (SELECT '' AS d) WHERE {sql}")


def written(day: Day, form: DateFormat) -> str | int:
    """A day as a column of the format holds it."""
    stamp = calendar.timegm(day.timetuple()) + 3_600 * 13
    text: str | int = {
        "ymd": day.strftime(f"%Y{form.mark}%m{form.mark}%d"),
        "dmy": day.strftime(f"%d{form.mark}%m{form.mark}%Y"),
        "mdy": day.strftime(f"%m{form.mark}%d{form.mark}%Y"),
        "compact": day.strftime("%Y%m%d"),
        "seconds": stamp,
        "millis": stamp * 1000,
        "year": day.year,
        "month": day.strftime("%Y-%m"),
        "dby": f"{day.day}{form.mark}{day:%b}{form.mark}{day.year}",
        "bdy": f"{day:%B} {day.day}, {day.year}",
    }[form.kind]
    if form.kind == "mdy" and not form.padded:
        text = f"{day.month}/{day.day}/{day.year}"
    if form.timed:
        return f"{text} 13:00:00"
    return text if form.text or not isinstance(text, str) else int(text)


FORMATS = (
    *(ISO, DateFormat("ymd", timed=True), DateFormat("ymd", "/"), DateFormat("dmy", ".")),
    *(DateFormat("mdy", "/"), DateFormat("mdy", "/", padded=False), DateFormat("month")),
    *(DateFormat("mdy", "/", padded=False, timed=True), DateFormat("compact")),
    *(DateFormat("dby", " "), DateFormat("dby", "-", timed=True), DateFormat("bdy", " ")),
    *(DateFormat(kind, text=False) for kind in ("compact", "seconds", "millis", "year")),
)
DAYS = st.dates(Day(2019, 1, 1), Day(2025, 12, 31))


@settings(max_examples=60)
@given(st.lists(DAYS, min_size=40, max_size=40, unique=True), st.sampled_from(FORMATS))
def test_format_is_seen_in_the_values(days: list[Day], form: DateFormat) -> None:
    days += [Day(2024, 12, 27), Day(2024, 5, 6)]
    seen = date_format("order date", "text", [written(day, form) for day in days])
    expected = form if form.kind != "year" else None  # numbers such as 2024 need a name
    assert seen == expected
    if form.kind == "year":
        assert date_format("year built", "number", [day.year for day in days]) == form


def test_values_that_are_no_dates() -> None:
    for values in ([], ["soon", "later"], [1, 2, 3], [2.5], ["1234"], [b"x"], ["12-34", "5-6-7"]):
        assert date_format("order date", "text", values) is None
    assert date_format("price", "number", [2001, 1999]) is None
    assert date_format("population", "number", [20250501, 20240101]) is None
    assert date_format("day", "text", ["01/02/2025", "03/04/2025"]) == DateFormat("unclear", "/")


def chosen(days: list[Day], form: DateFormat, sql: str) -> set[Day]:
    """The days that SQLite selects by the condition where a column of the format holds them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (day TEXT, d)")
        rows = [(d.isoformat(), written(d, form)) for d in days]
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        query = f"SELECT day FROM t WHERE {sql}"
        if form.loose:  # the repair of statements spells the day
            cells = [str(written(day, form)) for day in (Day(2024, 5, 6), Day(2024, 12, 27))]
            column = Column("d", "text", samples=tuple(cells), words="day")
            query = mend(query, Schema("s", (Table("t", (Column("day"), column)),))).sql or ""
        return {Day.fromisoformat(d) for (d,) in connection.execute(query)}


def days_of(start: Day | None, end: Day | None, days: list[Day]) -> set[Day]:
    return {d for d in days if (start is None or d >= start) and (end is None or d < end)}


@settings(max_examples=60)
@given(
    st.lists(DAYS, min_size=1, max_size=30, unique=True),
    DAYS,
    st.sampled_from(FORMATS),
    st.sampled_from(["year", "month", "day", "before", "after", "between", "part", "quarter"]),
)
def test_condition_selects_the_days_that_are_meant(
    days: list[Day], day: Day, form: DateFormat, kind: str
) -> None:
    days = list({*days, day, day + datetime.timedelta(1), day - datetime.timedelta(1)})
    year, next_year = Day(day.year, 1, 1), Day(day.year + 1, 1, 1)
    quarter = (day.month - 1) // 3
    starts = [*(day.replace(month=month, day=1) for month in (1, 4, 7, 10)), next_year]
    month = day.replace(day=1), (day.replace(day=28) + datetime.timedelta(4)).replace(day=1)
    question, start, end = {
        "year": (f"in {day.year}", year, next_year),
        "month": (f"in {day:%B %Y}", *month),
        "day": (f"on {day.day} {day:%b %Y}", day, day + datetime.timedelta(1)),
        "before": (f"before {day.year}", None, year),
        "after": (f"after {day.year}", next_year, None),
        "between": (f"between {day.year} and {day.year + 1}", year, Day(day.year + 2, 1, 1)),
        "part": (f"in {day:%B}", None, None),
        "quarter": (f"in Q{quarter + 1} {day.year}", starts[quarter], starts[quarter + 1]),
    }[kind]
    (period,) = periods(f"sold {question}", TODAY)
    sql = condition("t.d", form, period)
    if sql is None:  # no such format can tell
        assert form.kind in ("year", "month")
        return
    meant = days_of(start, end, days)
    if kind == "part":
        meant = {d for d in days if d.month == day.month}
    assert chosen(days, form, sql) == meant


@settings(max_examples=60)
@given(st.sampled_from(FORMATS), st.integers(-800, 400))
def test_days_that_hang_on_the_present(form: DateFormat, shift: int) -> None:
    now = datetime.datetime.now(datetime.timezone.utc).date()
    day = now + datetime.timedelta(shift)
    for question in (
        "in the last 90 days|this month|last month|this year|last year|this week|last week|"
        "yesterday|last quarter|next 30 days|past 6 months"
    ).split("|"):
        (period,) = periods(f"orders {question}", now)
        sql = condition("t.d", form, period)
        if sql is None:
            assert form.kind in ("year", "month")
            continue
        start, end = (None if m is None else m.day for m in (period.start, period.end))
        assert chosen([day], form, sql) == days_of(start, end, [day]), (question, sql)


def test_other_engines_get_days() -> None:
    (period,) = periods("orders of the last 30 days", TODAY)
    assert condition("d", ISO, period, "postgres") == "d >= '2025-01-20'"
    assert condition("d", DateFormat("seconds", text=False), period, "postgres") is None
    (period,) = periods("orders in March", TODAY)
    assert condition("d", ISO, period, "duckdb") == "EXTRACT(MONTH FROM d) = 3"
