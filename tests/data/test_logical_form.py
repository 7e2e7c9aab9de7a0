"""Logical forms as SQL: hostile names and values, numbers as the official evaluator reads them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.data.wikisql import LogicalForm, WikiTable, form_to_sql, parse_number
from txt2sql.errors import DataError

TABLE = WikiTable("1-2-3", ("Player", 'The "No."'), ("text", "real"))


def sql(sel: int, agg: int, *conds: tuple[int, int, str | int | float]) -> str:
    return form_to_sql(LogicalForm("dev-0", "1-2-3", sel, agg, conds), TABLE)


def test_every_aggregate_and_operator() -> None:
    assert sql(0, 0) == 'SELECT "Player" FROM "table_1_2_3"'
    aggregates = [sql(0, agg).split('"')[0] for agg in range(1, 6)]
    assert aggregates == [
        "SELECT MAX(",
        "SELECT MIN(",
        "SELECT COUNT(",
        "SELECT SUM(",
        "SELECT AVG(",
    ]
    assert sql(0, 0, (1, 0, 5), (1, 1, "1,200"), (1, 2, 7.5)) == (
        'SELECT "Player" FROM "table_1_2_3" WHERE "The ""No.""" = 5 '
        'AND "The ""No.""" > 1200 AND "The ""No.""" < 7.5'
    )


def test_text_is_compared_in_lower_case() -> None:
    assert sql(1, 0, (0, 0, "ÉMILE O'Hara")).endswith("""WHERE "Player" = 'émile o''hara'""")
    assert sql(1, 0, (0, 0, 42)).endswith("WHERE \"Player\" = '42'")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,000", 1000),
        (" 12 ", 12),
        ("-4.5", -4.5),
        ("+3", 3),
        (".5", 0.5),
        ("$7,500", 7),  # not a number as a whole, so the first digits in it
        ("about -2.5 m", -2.5),
        ("minus -3", 3),  # the sign counts only before a decimal point
        ("2004-05", 2004),
        ("none", None),
        ("", None),
    ],
)
def test_numbers_are_read_as_the_official_evaluator_reads_them(
    text: str, number: float | None
) -> None:
    assert parse_number(text) == number


def test_a_number_column_without_a_number_still_runs() -> None:
    assert sql(0, 0, (1, 0, "N/A")).endswith("= 'n/a'")


@pytest.mark.parametrize(
    "form", [(9, 0, ()), (0, 6, ()), (0, 0, ((5, 0, "x"),)), (0, 0, ((0, 3, "x"),))]
)
def test_a_form_outside_the_table_is_refused(form: tuple[int, int, tuple]) -> None:
    with pytest.raises(DataError, match="'dev-0' does not fit table '1-2-3'"):
        form_to_sql(LogicalForm("dev-0", "1-2-3", *form), TABLE)


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
def test_any_name_and_value_finds_its_own_row(name: str, value: str) -> None:
    table = WikiTable("1-1", (name,), ("text",))
    text = form_to_sql(LogicalForm("x", "1-1", 0, 3, ((0, 0, value),)), table)
    quoted = name.replace('"', '""')
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f'CREATE TABLE table_1_1 ("{quoted}" TEXT)')
        connection.execute("INSERT INTO table_1_1 VALUES (?)", (value.lower(),))
        assert connection.execute(text).fetchall() == [(1,)]
