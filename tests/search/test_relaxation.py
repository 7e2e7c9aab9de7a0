"""Prefixes that cannot become right are refused, and no prefix of a right query ever is."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from txt2sql.data import open_dataset
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import execute
from txt2sql.search.actions import split_steps
from txt2sql.search.relaxation import fault, in_backticks, partial_fault
from txt2sql.types import QueryResult, Schema

Run = Callable[[str], QueryResult]


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Run, Schema]:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE shop (id INTEGER PRIMARY KEY, name TEXT, `Total (USD)` REAL);"
            "CREATE TABLE sale (id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shop(id), day TEXT);"
            "INSERT INTO shop VALUES (1, 'Farol', 2.5);"
        )
    connection.close()
    database = open_database(path)
    return (lambda sql: execute(database, sql)), database.schema()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nosuch FROM shop",
        "SELECT name FROM nosuch",
        "SELECT day FROM shop",
        "SELECT name FROM shop WHERE count(*) > 1",
        "SELECT name FROM shop UNION SELECT id, day FROM sale",
        "SELECT name FROM shop LIMIT 3 LIMIT 4",
    ],
)
def test_a_query_that_cannot_run_is_refused(shop: tuple[Run, Schema], sql: str) -> None:
    assert fault(sql, shop[0]) is not None


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT "Total (USD)" FROM shop ORDER BY "Total (USD)" DESC LIMIT 3',
        "SELECT name FROM shop WHERE name = 'say \"x\"'",
        "SELECT count(*) FROM shop;",
        "SELECT name FROM shop UNION SELECT day FROM sale",
        "SELECT name FROM shop WHERE id IN (SELECT shop_id FROM sale LIMIT 1)",
    ],
)
def test_a_query_that_runs_is_not(shop: tuple[Run, Schema], sql: str) -> None:
    assert fault(sql, shop[0]) is None


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.mark.parametrize(
    "sql",
    [
        f"{NUMBERS} SELECT sum(i) FROM n",
        f"{NUMBERS} SELECT i % 7, count(*) FROM n GROUP BY i % 7 ORDER BY count(*) LIMIT 3;",
        f"{NUMBERS} SELECT i FROM n INTERSECT SELECT 3 -- all of them",
    ],
)
def test_a_check_compiles_a_query_and_does_not_run_it(shop: tuple[Run, Schema], sql: str) -> None:
    found: list[QueryResult] = []

    def run(asked: str) -> QueryResult:
        found.append(shop[0](asked))
        return found[-1]

    assert fault(sql, run) is None
    assert [(result.error, result.rows) for result in found] == [(None, ())]


def test_an_unknown_name_in_double_quotes_is_text_only_where_a_name_may_not_be_meant(
    shop: tuple[Run, Schema],
) -> None:
    assert fault('SELECT id FROM shop WHERE name = "Farol"', shop[0]) is None
    assert fault("SELECT id FROM shop WHERE name = Farol", shop[0]) == "no such column: Farol"


@pytest.mark.parametrize(
    "prefix",
    ["SELECT nosuch", "SELECT T1.nosuch, T2.day", "SELECT name FROM shop UNION SELECT nosuch"],
)
def test_a_select_without_its_from_knows_the_columns(shop: tuple[Run, Schema], prefix: str) -> None:
    assert partial_fault(prefix, shop[1], shop[0]) is not None


@pytest.mark.parametrize(
    "prefix",
    ["SELECT T1.name, T2.day", "SELECT name FROM shop UNION SELECT day", "-- of all shops"],
)
def test_what_is_not_written_yet_is_not_missed(shop: tuple[Run, Schema], prefix: str) -> None:
    assert partial_fault(prefix, shop[1], shop[0]) is None


def test_backticks_are_for_names_only() -> None:
    sql = """SELECT "a""b", 'x "y" ''z' FROM "c d" WHERE e = `f`"""
    assert in_backticks(sql) == """SELECT `a"b`, 'x "y" ''z' FROM `c d` WHERE e = `f`"""


def test_no_prefix_of_a_gold_query_is_refused(data_root: Path) -> None:
    """Over Spider's training split."""
    dataset = open_dataset("spider", data_root)
    refused: list[str] = []
    checked = 0
    for example in random.Random(0).sample(list(dataset.examples("train")), 60):
        schema, database = dataset.schema(example.db_id), dataset.database(example.db_id)

        def run(sql: str) -> QueryResult:
            return execute(database, sql)  # noqa: B023

        if not run(example.gold_sql).ok or fault(example.gold_sql, run):
            continue
        steps = split_steps(example.gold_sql)
        for end in range(1, len(steps) + 1):
            checked += 1
            if reason := partial_fault(" ".join(steps[:end]), schema, run):
                refused.append(f"{steps[:end]}: {reason}")
    assert checked > 120
    assert refused == []
