"""Where an answer is cut into steps; prefixes that cannot become right are refused, others never."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.data import open_dataset
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import execute
from txt2sql.search.steps import clause, fault, partial_fault, split_steps, starts_step
from txt2sql.types import QueryResult, Schema

Run = Callable[[str], QueryResult]
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.mark.parametrize(
    ("step", "piece", "begins"),
    [
        ("select count ( distinct", " from", False),  # inside parentheses
        ("where a = 'made ", "from", False),  # inside a string
        ('SELECT "odd', " from", False),  # inside a quoted name
        ("SELECT a,", " from", False),  # a list goes on
        ("SELECT", " from", False),  # nothing selected
        ("", " select", False),  # an answer begins
        ("union all", " select", False),  # one step with its operator
        ("select a", " fromage", False),  # another word
        ("select a", "from", False),  # no space: part of a name
        ("from t", " join", False),  # joins are part of FROM
        ("group", " by", False),
        ("select [c1]", " from", True),
        ("SELECT count(*)", " FROM", True),
        ("SELECT a", " HAV", True),  # the first piece of a keyword
        ("from t", " union", True),
        ("from ( select a from u )", " where", True),
        ("where a = 'it''s'", " order", True),
    ],
)
def test_a_step_begins_with_a_clause(step: str, piece: str, begins: bool) -> None:
    assert starts_step(step, piece) is begins


def test_an_answer_is_cut_before_clauses() -> None:
    query = (
        "select a , count ( * ) from t join u where a in ( select b from v where c = 'from d' ) "
        "group by a having count ( * ) > 1 order by a asc limit 3 except select a from t"
    )
    expected = "select from where group having order limit except from".split()
    assert [clause(step) for step in split_steps(query)] == expected


@given(st.lists(st.sampled_from("select from a , ( ) where 'x y' group by -- = 1".split(" "))))
def test_nothing_is_lost(words: list[str]) -> None:
    text = " ".join(words)
    assert "".join("".join(split_steps(text)).split()) == "".join(text.split())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Schema]:
    path = tmp_path_factory.mktemp("steps") / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE shop (id INTEGER PRIMARY KEY, name TEXT, `Total (USD)` REAL);"
            "CREATE TABLE sale (id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shop(id), day TEXT);"
            "INSERT INTO shop VALUES (1, 'Farol', 2.5);"
        )
    database = open_database(path)
    return (lambda sql: execute(database, sql)), database.schema()


@pytest.mark.parametrize(
    ("sql", "runs"),
    [
        ("SELECT nosuch FROM shop", False),
        ("SELECT name FROM nosuch", False),
        ("SELECT id FROM shop WHERE name = Farol", False),
        ("SELECT name FROM shop WHERE count(*) > 1", False),
        ("SELECT name FROM shop UNION SELECT id, day FROM sale", False),
        ("SELECT name FROM shop LIMIT 3 LIMIT 4", False),
        ('SELECT "Total (USD)" FROM shop ORDER BY "Total (USD)" DESC LIMIT 3', True),
        ("SELECT name FROM shop WHERE name = 'say \"x\"'", True),
        ('SELECT id FROM shop WHERE name = "Farol"', True),  # no name can be meant
        ("SELECT count(*) FROM shop;", True),
        ("SELECT name FROM shop WHERE id IN (SELECT shop_id FROM sale LIMIT 1)", True),
        (f"{NUMBERS} SELECT sum(i) FROM n", True),
        (
            f"{NUMBERS} SELECT i % 7, count(*) FROM n GROUP BY i % 7 ORDER BY count(*) LIMIT 3;",
            True,
        ),
        (f"{NUMBERS} SELECT i FROM n INTERSECT SELECT 3 -- all of them", True),
    ],
)
def test_a_check_compiles_a_query_and_does_not_run_it(
    shop: tuple[Run, Schema], sql: str, runs: bool
) -> None:
    results: list[QueryResult] = []

    def run(statement: str) -> QueryResult:
        results.append(shop[0](statement))
        return results[-1]

    assert (fault(sql, run) is None) is runs
    assert not any(result.rows for result in results)


@pytest.mark.parametrize(
    ("prefix", "hopeless"),
    [
        ("SELECT nosuch", True),
        ("SELECT T1.nosuch, T2.day", True),
        ("SELECT name FROM shop UNION SELECT nosuch", True),
        ("SELECT T1.name, T2.day", False),
        ("SELECT name FROM shop UNION SELECT day", False),
        ("-- of all shops", False),
    ],
)
def test_a_prefix_is_refused_for_unknown_columns_and_not_for_what_is_not_written_yet(
    shop: tuple[Run, Schema], prefix: str, hopeless: bool
) -> None:
    assert (partial_fault(prefix, shop[1], shop[0]) is not None) is hopeless


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
