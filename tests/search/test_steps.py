"""Where an answer is cut into steps; prefixes that cannot become right are refused, others never."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.data import open_dataset
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import execute
from txt2sql.search.steps import (
    clause,
    fault,
    in_backticks,
    partial_fault,
    split_steps,
    starts_step,
)
from txt2sql.types import QueryResult, Schema

Run = Callable[[str], QueryResult]


@pytest.mark.parametrize(
    ("step", "piece"),
    [
        ("select count ( distinct", " from"),  # inside parentheses
        ("where a = 'made ", "from"),  # inside a string
        ('SELECT "odd', " from"),  # inside a quoted name
        ("SELECT a,", " from"),  # a list goes on
        ("SELECT", " from"),  # nothing selected
        ("", " select"),  # an answer begins
        ("union", " select"),  # one step with its operator
        ("union all", " select"),
        ("select a", " fromage"),  # another word
        ("select a", "from"),  # no space: part of a name
        ("from t", " join"),  # joins are part of FROM
        ("-- the rows", " from"),  # reasoning goes to the end of its line
        ("group", " by"),
        ("Names come", " from"),  # prose goes to the end of its line
        ("Where the town is Faro we", " select"),
        ("```sql", "select"),
        ("-- one line\n", "\n"),  # an empty line is no step
        ("-- of a\u2028", "select"),  # nor is any other break a line's end
    ],
)
def test_what_begins_no_step(step: str, piece: str) -> None:
    assert not starts_step(step, piece)


@pytest.mark.parametrize(
    ("step", "piece"),
    [
        ("select [c1]", " from"),
        ("SELECT count(*)", " FROM"),
        ("SELECT a\n", "FROM"),
        ("SELECT a", " HAV"),  # the first piece of a keyword
        ("from t", " union"),
        ("from ( select a from u )", " where"),
        ("where a = 'it''s'", " order"),
        ("-- the rows\n", "SELECT"),
        ("-- one line\n", "--"),
        ("-- one line\n\n", "We"),
        ("We need names.\n", " select"),
        ("```sql\n", "SELECT"),
        ("-- from t\nSELECT a", " from"),  # of a whole answer so far
        ("Count them.\nselect a\nfrom t", "\nwhere"),
    ],
)
def test_what_begins_a_step(step: str, piece: str) -> None:
    assert starts_step(step, piece)


def test_a_query_is_cut_before_its_clauses() -> None:
    text = (
        "select a , count ( * ) from t join u where a in ( select b from v where c = 'from d' ) "
        "group by a having count ( * ) > 1 order by a asc limit 3 except select a from t"
    )
    assert [clause(step) for step in split_steps(text)] == [
        "select", "from", "where", "group", "having", "order", "limit", "except", "from",
    ]  # fmt: skip


def test_reasoning_is_a_step_for_each_line() -> None:
    steps = split_steps("-- from singers\n-- count them\nSELECT count(*)\nFROM singer")
    assert [clause(step) for step in steps] == ["reason", "reason", "select", "from"]


def test_prose_and_fences_before_a_query_are_steps() -> None:
    text = "We count rows from singer.\nWhere: none.\n\n```sql\nSELECT count(*)\nFROM singer\nWHERE a = 1"
    assert split_steps(text) == [
        "We count rows from singer.", "Where: none.", "```sql",
        "SELECT count(*)", "FROM singer", "WHERE a = 1",
    ]  # fmt: skip
    assert [clause(step) for step in split_steps(text)] == [*["reason"] * 3, "select", "from", "where"]  # fmt: skip
    assert split_steps("-- done\nI select from") == ["-- done", "I select from"]


@given(st.lists(st.sampled_from("select from a , ( ) where 'x y' group by -- = 1".split(" "))))
def test_nothing_is_lost(words: list[str]) -> None:
    text = " ".join(words)
    assert "".join("".join(split_steps(text)).split()) == "".join(text.split())


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
    results: list[QueryResult] = []

    def run(statement: str) -> QueryResult:
        results.append(shop[0](statement))
        return results[-1]

    assert fault(sql, run) is None
    assert [(result.error, result.rows) for result in results] == [(None, ())]


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
