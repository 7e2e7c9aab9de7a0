"""Dates that hang on today come from the question's hint, whatever a model wrote of them."""

from __future__ import annotations

import pytest

from txt2sql.sql.repair import mend
from txt2sql.types import Column, ForeignKey, Schema, Table, ValueMatch

SCHEMA = Schema(
    "practice",
    (
        Table(
            "visits",
            (
                Column("id", "number", primary_key=True),
                Column("patient_id", "number"),
                Column("starts_at", samples=("2024-03-01 10:30",)),
                Column("paid_on", samples=("2024-04-02",)),
                Column("fee", "number", samples=("250.0",)),
            ),
        ),
        Table(
            "patients",
            (
                Column("id", "number", primary_key=True),
                Column("birth_date", samples=("1961-12-24",)),
                Column("admitted", "number", samples=("20240229", "20231101")),
            ),
        ),
    ),
    (ForeignKey("visits", "patient_id", "patients", "id"),),
)
LAST_YEAR = "{0} >= DATE('now', 'start of year', '-1 year') AND {0} < DATE('now', 'start of year')"
HINT = ValueMatch(
    "visits", "starts_at", "", "last year", 0.65, LAST_YEAR.format("visits.starts_at"), True
)
OLD = ValueMatch(
    "patients",
    "birth_date",
    "",
    "over 70",
    0.65,
    "patients.birth_date < date('now', '-70 years')",
    True,
)


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
    assert mend(sql, SCHEMA, [HINT]).sql == want
    assert mend(sql, SCHEMA).sql == sql


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
    assert mend(sql, SCHEMA, [HINT]).sql == sql


def test_a_year_of_the_question_and_another_date_than_of_birth_stay() -> None:
    sql = "SELECT COUNT(*) FROM visits WHERE starts_at LIKE '2024%' AND fee > 3"
    assert mend(sql, SCHEMA, [HINT], "visits in 2024 of last year's patients").sql == sql
    assert mend(sql, SCHEMA, [OLD], "visits of patients over 70").sql == sql
    born = (
        "birth_date > '1970-01-01' AND (starts_at >= '2024-01-01') AND (starts_at < '2025-01-01')"
    )
    joined = "SELECT COUNT(*) FROM visits JOIN patients ON visits.patient_id = patients.id WHERE "
    assert mend(joined + born, SCHEMA, [HINT], "").sql == joined + (
        f"birth_date > '1970-01-01' AND ({LAST_YEAR.format('starts_at')})"
    )


def test_two_hints_are_left_to_the_model() -> None:
    sql = "SELECT COUNT(*) FROM visits WHERE starts_at LIKE '2019%'"
    assert mend(sql, SCHEMA, [HINT, OLD]).sql == sql


def test_who_is_older_than_70_was_born_before() -> None:
    sql = "SELECT COUNT(*) FROM patients WHERE birth_date > '1970-01-01' AND admitted > 20240101"
    want = "SELECT COUNT(*) FROM patients WHERE birth_date < DATE('now', '-70 years') AND admitted > 20240101"
    assert mend(sql, SCHEMA, [OLD]).sql == want


@pytest.mark.parametrize(
    ("written", "want"),
    [
        (
            "AVG(JULIANDAY(birth_date) - JULIANDAY(CURRENT_DATE))",
            "AVG((JULIANDAY(CURRENT_DATE) - JULIANDAY(birth_date)) / 365.25)",
        ),
        (
            "MAX(JULIANDAY('now') - JULIANDAY(birth_date))",
            "MAX((JULIANDAY('now') - JULIANDAY(birth_date)) / 365.25)",
        ),
        (
            "(JULIANDAY(birth_date) - JULIANDAY('now')) / 365",
            "(JULIANDAY('now') - JULIANDAY(birth_date)) / 365",
        ),
        *((same, same) for same in ("(JULIANDAY('now') - JULIANDAY(birth_date)) / 365.25",)),
        *((same, same) for same in ("JULIANDAY('now') - JULIANDAY(admitted)", "JULIANDAY('now')")),
    ],
)
def test_an_age_is_in_years(written: str, want: str) -> None:
    schema = Schema("s", (Table("people", (*SCHEMA.tables[1].columns[:2], Column("admitted"))),))
    sql = mend(f"SELECT {written} FROM people", schema).sql
    assert sql == f"SELECT {want} FROM people"
