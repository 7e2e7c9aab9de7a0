"""Prefixes that cannot become right are refused, and no prefix of a right query ever is."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from txt2sql.sql.decode import decode
from txt2sql.sql.encode import encode
from txt2sql.sql.intermediate import Unsupported, whole_links

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
        'SELECT "nosuch" FROM shop',  # SQLite would read it as text
        'SELECT name FROM shop ORDER BY "Total"',
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


def test_text_in_double_quotes_is_text_only_where_that_is_allowed(shop: tuple[Run, Schema]) -> None:
    sql = 'SELECT id FROM shop WHERE name = "Farol"'
    assert fault(sql, shop[0]) == "no such column: Farol"
    assert fault(sql, shop[0], text_allowed=True) is None


@pytest.mark.parametrize(
    "prefix",
    ["SELECT nosuch", "SELECT T1.nosuch, T2.day", "SELECT name FROM shop UNION SELECT nosuch"],
)
def test_a_select_without_its_from_knows_the_columns(shop: tuple[Run, Schema], prefix: str) -> None:
    assert partial_fault(prefix, shop[1], None, shop[0]) is not None


@pytest.mark.parametrize(
    "prefix",
    ["SELECT T1.name, T2.day", "SELECT name FROM shop UNION SELECT day", "-- of all shops"],
)
def test_what_is_not_written_yet_is_not_missed(shop: tuple[Run, Schema], prefix: str) -> None:
    assert partial_fault(prefix, shop[1], None, shop[0]) is None


@pytest.mark.parametrize(
    ("prefix", "right"),
    [
        ("select sum ( * )", False),
        ("select [c1]", True),
        ("select a . [c1]", True),  # whose alias it is FROM will say
        ("select [c1] from [t0] where sum ( [c2] ) > 1", False),
        ("select [c1] from [t0] union select [c3] , [c4]", False),
        ("select [c1] from [t0] union select [c5]", True),
    ],
)
def test_the_intermediate_representation_is_checked_too(
    shop: tuple[Run, Schema], prefix: str, right: bool
) -> None:
    reason = partial_fault(prefix, shop[1], whole_links(shop[1]), shop[0])
    assert (reason is None) is right


def test_backticks_are_for_names_only() -> None:
    sql = """SELECT "a""b", 'x "y" ''z' FROM "c d" WHERE e = `f`"""
    assert in_backticks(sql) == """SELECT `a"b`, 'x "y" ''z' FROM `c d` WHERE e = `f`"""


def test_no_prefix_of_a_gold_query_is_refused(data_root: Path) -> None:
    """Over Spider's training split: in the intermediate representation and in SQL."""
    dataset = open_dataset("spider", data_root)
    examples = random.Random(0).sample(list(dataset.examples("train")), 60)
    refused: list[str] = []
    checked = 0
    for example in examples:
        schema, database = dataset.schema(example.db_id), dataset.database(example.db_id)
        links = whole_links(schema)

        def run(sql: str) -> QueryResult:
            return execute(database, sql)  # noqa: B023

        try:
            text = encode(example.gold_sql, schema, links)
        except Unsupported:
            continue
        if not run(example.gold_sql).ok or fault(decode(text, schema, links) or "", run):
            continue  # the gold query, or what the representation makes of it, does not run
        for whole, known in ((text, links), (example.gold_sql, None)):
            for prefix in _prefixes(whole):
                checked += 1
                reason = partial_fault(prefix, schema, known, run)
                if reason:
                    refused.append(f"{prefix}: {reason}")
    assert checked > 250
    assert refused == []


def _prefixes(text: str) -> list[str]:
    steps = split_steps(text)
    return [" ".join(steps[: i + 1]) for i in range(len(steps))]
