"""Dates are read in the format that a column stores, whatever format a model took it for, and those that
hang on today as the hint of the question has them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from txt2sql.sql.repair import mend
from txt2sql.types import Column, ForeignKey, Schema, Table, ValueMatch

CELLS = {
    "iso": "2025-03-25",
    "stamp": "2025-03-25 10:30:00",
    "slashed": "2025/03/25",
    "german": "25.03.2025",
    "american": "03/25/2025",
    "excel": "3/25/2025",
    "clock": "3/25/2025 9:05",
    "named": "25 Mar 2025",
    "letter": "March 25, 2025",
    "day_key": 20250325,
    "paid_at": 1742898600,
    "received_at": 1742898600000,
    "month": "2025-03",
    "release_year": 2025,
    "price": 12,
    "name": "Ada",
    "sold": None,
}
COLUMNS = tuple(
    Column(
        name,
        "number" if isinstance(cell, int) else "text",
        samples=(str(cell),) if cell is not None else (),
        words=name.replace("_", " "),
    )
    for name, cell in CELLS.items()
)
SCHEMA = Schema("shop", (Table("bill", COLUMNS),))
DAYS = ("iso", "stamp", "slashed", "german", "american", "day_key", "paid_at", "received_at",
        "excel", "clock", "named", "letter")  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE bill ({', '.join(CELLS)})")
    connection.execute(f"INSERT INTO bill VALUES ({','.join('?' * len(CELLS))})", [*CELLS.values()])
    return connection


def value(shop: sqlite3.Connection, expression: str) -> object:
    """What the expression gives once it is mended."""
    sql = mend(f"SELECT {expression} FROM bill", SCHEMA).sql
    assert sql is not None
    return shop.execute(sql).fetchone()[0]


@pytest.mark.parametrize("column", DAYS)
def test_every_way_to_read_a_date_fits_every_format(shop: sqlite3.Connection, column: str) -> None:
    assert value(shop, f"strftime('%Y-%m', {column})") == "2025-03"
    assert value(shop, f"strftime('%Y-%m', {column}, 'unixepoch')") == "2025-03"
    assert value(shop, f"date(bill.{column}, '+1 day')") == "2025-03-26"
    assert value(shop, f"CAST(julianday({column}) AS INTEGER)") in (2460759, 2460760)
    cut = value(shop, f"SUBSTR({column}, 7, 4) || '-' || SUBSTR({column}, 4, 2)")
    assert cut == ("2025-25" if column == "american" else "2025-03")  # its own place of the day
    assert value(shop, f"substr({column}, 1, 4)") == "2025"
    assert value(shop, f"{column} >= '2025-03-25' AND {column} < '2025-03-26'") == 1
    assert value(shop, f"{column} = '2025-03-25'") == 1
    assert value(shop, f"{column} = 2025") == 1
    assert value(shop, f"{column} = '2025-03'") == 1
    if column not in ("day_key", "paid_at", "received_at", "slashed"):
        assert (
            value(shop, f"{column} LIKE '2025-03%'") == value(shop, f"{column} LIKE '2025%'") == 1
        )
        assert str(value(shop, f"MAX({column})")).startswith("2025-03-25")


@pytest.mark.parametrize(
    "condition",
    [
        "iso = '25.03.2025'",
        "iso BETWEEN '01.03.2025' AND '31.03.2025'",
        "iso >= 20250325 AND iso < 20250326",
        "stamp > '24.3.2025'",
        "strftime('%Y', release_year) = '2025'",
        "strftime('%m', month) = '03'",
    ],
)
def test_literals_take_the_format_of_the_column(shop: sqlite3.Connection, condition: str) -> None:
    assert value(shop, condition) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "strftime('%Y', iso)",
        "substr(german, 7, 4) || substr(german, 4, 2) || substr(german, 1, 2)",
        "substr(american, 4, 2)",
        "substr(name, 1, 4)",
        "date(paid_at, 'unixepoch')",
        "date(received_at / 1000, 'unixepoch')",
        "date(day_key / 100)",
        "iso BETWEEN '2025-03-01' AND '2025-03-31'",
        "stamp >= '2025-03-25'",
        "day_key BETWEEN 20250301 AND 20250331",
        "price = 2025",
        "release_year = 2025",
        "date(sold)",
        "date('now')",
    ],
)
def test_what_fits_is_not_touched(expression: str) -> None:
    sql = f"SELECT {expression} FROM bill ORDER BY day_key, iso"
    assert mend(sql, SCHEMA).sql == sql


@pytest.mark.parametrize("column", ["price", "name"])
def test_a_date_of_a_column_without_dates_is_refused(column: str) -> None:
    sql = f"SELECT count(*) FROM bill WHERE julianday(iso) - julianday({column}) > 14"
    mended = mend(sql, SCHEMA)
    assert mended.sql is None
    assert f"({column})" in mended.problem


@pytest.mark.parametrize(
    ("written", "want"),
    [
        ("SELECT id FROM t ORDER BY german", [2, 3, 1]),
        ("SELECT id FROM t ORDER BY german DESC LIMIT 1", [1]),
        ("SELECT MIN(german) FROM t", ["2023-12-31"]),
        ("SELECT id FROM t WHERE german > iso", [1, 3]),
        ("SELECT id FROM t WHERE german = due", [3]),
        ("SELECT id FROM t ORDER BY iso", [3, 2, 1]),
    ],
)
def test_texts_that_begin_with_the_day_are_ordered(written: str, want: list[object]) -> None:
    rows = [
        (1, "01.06.2025", "2025-05-31", "02.06.2025"),
        (2, "31.12.2023", "2024-02-01", "01.01.2024"),
        (3, "15.03.2024", "2023-01-01", "15.03.2024"),
    ]
    columns = [Column("id", "number", True)]
    for i, name in enumerate(("german", "iso", "due"), 1):
        columns.append(Column(name, samples=tuple(str(row[i]) for row in rows)))
    sql = mend(written, Schema("s", (Table("t", tuple(columns)),))).sql
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER, german TEXT, iso TEXT, due TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        assert [row[0] for row in connection.execute(sql or "")] == want


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("german - iso", 0),
        ("(stamp - iso) / 3600.0", 10.5),
        ("(stamp - slashed) / 60", 630),
        ("stamp - american", 10.5 / 24),
        ("day_key - iso", 0),
        ("price - 2", 10),
        ("paid_at - 1742898000", 600),
    ],
)
def test_dates_are_subtracted_as_dates(
    shop: sqlite3.Connection, expression: str, want: float
) -> None:
    assert value(shop, expression) == pytest.approx(want, abs=1e-4)


PRACTICE = Schema(
    "practice",
    (
        Table("visits", (
            Column("id", "number", True), Column("patient_id", "number"),
            Column("starts_at", samples=("2024-03-01 10:30",)),
            Column("paid_on", samples=("2024-04-02",)), Column("fee", "number", samples=("250.0",)),
        )),
        Table("patients", (
            Column("id", "number", True), Column("birth_date", samples=("1961-12-24",)),
            Column("admitted", "number", samples=("20240229", "20231101")),
        )),
    ),
    (ForeignKey("visits", "patient_id", "patients", "id"),),
)  # fmt: skip
LAST_YEAR = "{0} >= DATE('now', 'start of year', '-1 year') AND {0} < DATE('now', 'start of year')"
HINT = ValueMatch(
    "visits", "starts_at", "", "last year", 0.65, LAST_YEAR.format("visits.starts_at"), True
)
BORN = "patients.birth_date < date('now', '-70 years')"
OLD = ValueMatch("patients", "birth_date", "", "over 70", 0.65, BORN, True)


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ("STRFTIME('%Y', starts_at) = '2019'", "starts_at"),
        ("starts_at LIKE '2019%'", "starts_at"),
        ("starts_at BETWEEN '2019-01-01' AND '2019-12-31'", "starts_at"),
        ("v.starts_at >= '2019-01-01' AND v.starts_at < '2020-01-01'", "v.starts_at"),
        ("starts_at < DATE('now', '-1 year')", "starts_at"),
        ("paid_on >= '2019-01-01'", "paid_on"),
    ],
)
def test_a_date_that_hangs_on_today_is_that_of_the_hint(condition: str, place: str) -> None:
    sql = f"SELECT COUNT(*) FROM visits AS v WHERE fee > 9 AND {condition}"
    want = f"SELECT COUNT(*) FROM visits AS v WHERE fee > 9 AND {LAST_YEAR.format(place)}"
    assert mend(sql, PRACTICE, [HINT]).sql == want
    assert mend(sql, PRACTICE).sql == sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM visits",
        "SELECT COUNT(*) FROM visits WHERE fee > 2019",
        "SELECT COUNT(*) FROM visits WHERE starts_at IS NULL",
        "SELECT COUNT(*) FROM visits WHERE NOT starts_at > '2019-01-01'",
        "SELECT COUNT(*) FROM visits WHERE starts_at > '2019-01-01' OR fee = 1",
        "SELECT COUNT(*) FROM visits WHERE starts_at = (SELECT MAX(starts_at) FROM visits)",
        "SELECT SUM(CASE WHEN starts_at LIKE '2019%' THEN 1 END), SUM(CASE WHEN starts_at LIKE '2020%' THEN 1 END) FROM visits",
        "SELECT STRFTIME('%Y', starts_at), COUNT(*) FROM visits GROUP BY STRFTIME('%Y', starts_at)",
    ],
)
def test_what_says_no_date_or_several_things_is_left_alone(sql: str) -> None:
    assert mend(sql, PRACTICE, [HINT]).sql == sql


def test_a_year_of_the_question_and_another_date_than_of_birth_stay() -> None:
    sql = "SELECT COUNT(*) FROM visits WHERE starts_at LIKE '2024%' AND fee > 3"
    assert mend(sql, PRACTICE, [HINT], "visits in 2024 of last year's patients").sql == sql
    assert mend(sql, PRACTICE, [OLD], "visits of patients over 70").sql == sql
    born = (
        "birth_date > '1970-01-01' AND (starts_at >= '2024-01-01') AND (starts_at < '2025-01-01')"
    )
    joined = "SELECT COUNT(*) FROM visits JOIN patients ON visits.patient_id = patients.id WHERE "
    assert mend(joined + born, PRACTICE, [HINT], "").sql == joined + (
        f"birth_date > '1970-01-01' AND ({LAST_YEAR.format('starts_at')})"
    )


def test_two_hints_are_left_to_the_model() -> None:
    sql = "SELECT COUNT(*) FROM visits WHERE starts_at LIKE '2019%'"
    assert mend(sql, PRACTICE, [HINT, OLD]).sql == sql


def test_who_is_older_than_70_was_born_before() -> None:
    sql = "SELECT COUNT(*) FROM patients WHERE birth_date > '1970-01-01' AND admitted > 20240101"
    want = "SELECT COUNT(*) FROM patients WHERE birth_date < DATE('now', '-70 years') AND admitted > 20240101"
    assert mend(sql, PRACTICE, [OLD]).sql == want


@pytest.mark.parametrize(
    ("written", "want"),
    [
        ("AVG(JULIANDAY(birth_date) - JULIANDAY(CURRENT_DATE))", "AVG((JULIANDAY(CURRENT_DATE) - JULIANDAY(birth_date)) / 365.25)"),
        ("MAX(JULIANDAY('now') - JULIANDAY(birth_date))", "MAX((JULIANDAY('now') - JULIANDAY(birth_date)) / 365.25)"),
        ("(JULIANDAY(birth_date) - JULIANDAY('now')) / 365", "(JULIANDAY('now') - JULIANDAY(birth_date)) / 365"),
        *((same, same) for same in ("(JULIANDAY('now') - JULIANDAY(birth_date)) / 365.25",)),
        *((same, same) for same in ("JULIANDAY('now') - JULIANDAY(admitted)", "JULIANDAY('now')")),
    ],
)  # fmt: skip
def test_an_age_is_in_years(written: str, want: str) -> None:
    schema = Schema("s", (Table("people", (*PRACTICE.tables[1].columns[:2], Column("admitted"))),))
    sql = mend(f"SELECT {written} FROM people", schema).sql
    assert sql == f"SELECT {want} FROM people"
