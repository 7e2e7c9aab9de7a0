"""Values of a statement that its question says otherwise, and those that it does not."""

from __future__ import annotations

import pytest

from txt2sql.sql.repair import mend
from txt2sql.types import Column, Schema, Table, ValueMatch

COLUMNS = (
    Column("name"), Column("stars", "number"), Column("state"), Column("comment"), Column("no_words"),
    Column("length_sec", "number"), Column("DurationMs", "number"), Column("minutes", "number"),
    Column("bed_mm", "number"), Column("price_cents", "number"), Column("distance_km", "number"),
    Column("price_per_kg", "number"),
)  # fmt: skip
STAYS = Schema("hotel", (Table("stays", COLUMNS),))
CHECKED_OUT = (ValueMatch("stays", "state", "checked_out", "checked out"),)


@pytest.mark.parametrize(
    ("question", "sql", "stated"),
    [
        ("list all 5 star stays", "SELECT name FROM stays WHERE stars = 5 LIMIT 5", "SELECT name FROM stays WHERE stars = 5"),
        ("how many mention breakfast?", "SELECT COUNT(*) FROM stays WHERE comment LIKE '%lovely breakfast%'", "SELECT COUNT(*) FROM stays WHERE comment LIKE '%breakfast%'"),
        ("checked out but not paid", "SELECT name FROM stays WHERE state = 'cancelled'", "SELECT name FROM stays WHERE state = 'checked_out'"),
        ("longer than an hour", "SELECT name FROM stays WHERE length_sec > 1800", "SELECT name FROM stays WHERE length_sec > 3600"),
        ("at least 1.5 minutes", "SELECT name FROM stays WHERE DurationMs >= 1.5", "SELECT name FROM stays WHERE DurationMs >= 90000"),
        ("average length in minutes", "SELECT AVG(length_sec) / 60000.0 FROM stays", "SELECT AVG(length_sec) / 60.0 FROM stays"),
        ("beds longer than 200 cm", "SELECT name FROM stays WHERE bed_mm > 200", "SELECT name FROM stays WHERE bed_mm > 2000"),
        ("cheaper than 10 euros", "SELECT name FROM stays WHERE price_cents < 10", "SELECT name FROM stays WHERE price_cents < 1000"),
        ("over 2,000 euros", "SELECT name FROM stays WHERE price_cents > 2000", "SELECT name FROM stays WHERE price_cents > 200000"),
        ("within 500 meters", "SELECT name FROM stays WHERE distance_km <= 500", "SELECT name FROM stays WHERE distance_km <= 0.5"),
        ("total hours", "SELECT SUM(DurationMs) / 3600 FROM stays", "SELECT SUM(DurationMs) / 3600000.0 FROM stays"),
    ],
)  # fmt: skip
def test_values_are_put_as_the_question_says_them(question: str, sql: str, stated: str) -> None:
    assert mend(sql, STAYS, CHECKED_OUT, question).sql == stated


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("the first 5 of those with 5 stars", "SELECT name FROM stays WHERE stars = 5 LIMIT 5"),
        ("5 best stays", "SELECT name FROM stays WHERE stars > 3 ORDER BY stars DESC LIMIT 5"),
        ("comments on a lovely breakfast", "SELECT name FROM stays WHERE comment LIKE '%lovely breakfast%'"),
        ("comments on food", "SELECT name FROM stays WHERE comment LIKE '%lovely breakfast%'"),
        ("cancelled, or checked out", "SELECT name FROM stays WHERE state = 'cancelled'"),
        ("checked out or gone", "SELECT name FROM stays WHERE state = 'checked_out' OR state = 'away'"),
        ("longer than an hour", "SELECT name FROM stays WHERE length_sec > 3600"),
        ("longer than an hour", "SELECT name FROM stays WHERE minutes > 60"),
        ("between 10 minutes and an hour", "SELECT name FROM stays WHERE length_sec BETWEEN 600 AND 3600"),
        ("average length in minutes", "SELECT AVG(length_sec) / 60 FROM stays"),
        ("average length in minutes", "SELECT AVG(length_sec) / 100.0 FROM stays"),
        ("beds longer than 2 hours", "SELECT name FROM stays WHERE bed_mm > 2000"),
        ("longer than a minute and a half", "SELECT name FROM stays WHERE length_sec > 90"),
        ("dearer than 28 a kilo", "SELECT name FROM stays WHERE price_per_kg > 28"),
        ("within 5 km", "SELECT name FROM stays WHERE distance_km < 5"),
        ("stars in hours", "SELECT SUM(stars) / 60 FROM stays"),
    ],
)  # fmt: skip
def test_other_values_stay(question: str, sql: str) -> None:
    assert mend(sql, STAYS, CHECKED_OUT, question).sql == sql
