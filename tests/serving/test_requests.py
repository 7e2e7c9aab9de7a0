"""What somebody typed: questions that refer back, wishes to change something, statements of SQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.execution.database import open_database
from txt2sql.serving.requests import declined, is_sql, refers_back
from txt2sql.types import Schema

ANALYSTS = Path(__file__).parents[2] / "data" / "analysts"


@pytest.fixture(scope="module")
def asked() -> list[dict[str, Any]]:
    files = sorted(ANALYSTS.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def schema() -> Schema:
    return open_database(sample.path()).schema()


def test_follow_ups_are_told_from_questions_that_stand_alone(asked: list[dict[str, Any]]) -> None:
    follow = [refers_back(each["question"]) for each in asked if "previous" in each]
    alone = [refers_back(each["question"]) for each in asked if "previous" not in each]
    assert sum(follow) / len(follow) >= 0.85 and len(follow) > 400
    assert sum(alone) / len(alone) <= 0.04 and len(alone) > 3000


@pytest.mark.parametrize(
    ("question", "back"),
    [
        ("Only the ones in Lisbon.", True),
        ("and per month?", True),
        ("ok, now sort by price", True),
        ("What about Porto?", True),
        ("which of those are closed?", True),
        ("how many are they", True),
        ("by city instead", True),
        ("newest first", True),
        ("", False),
        ("How many shops are there in Lisbon?", False),
        ("key accounts", False),
        ("orders that were cancelled this month", False),
        ("how many orders this month", False),
        ("authors and the number of their books", False),
    ],
)
def test_the_wording_tells(question: str, back: bool) -> None:
    assert refers_back(question) is back


def test_no_question_is_declined(asked: list[dict[str, Any]]) -> None:
    assert [each["question"] for each in asked if declined(each["question"])] == []


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("delete all orders", True),
        ("Please delete customer 17.", True),
        ("add a customer named Bo", True),
        ("add a new shop", True),
        ("set the price of Emma to 5", True),
        ("can you increase all prices by 5%?", True),
        ("drop table shops", True),
        ("UPDATE shops SET city = 'Faro'", True),
        ("which orders were deleted?", False),
        ("show added customers", False),
        ("add their email", False),
        ("drop those who left", False),
        ("set menus sold per day", False),
        ("who changed the price of Emma to 5?", False),
    ],
)
def test_wishes_to_change_something_are_declined(text: str, wish: bool) -> None:
    assert bool(declined(text)) is wish


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("select name from shops", True),
        ("  SELECT 1;\n", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("select * from shps", True),
        ("EXPLAIN SELECT 1", True),
        ("SELECT 1; SELECT 2", False),
        ("select all customers", False),
        ("select the customers from Lisbon", False),
        ("with phone numbers please", False),
        ("select", False),
        ("DELETE FROM shops", False),
        ("SELECT " + "(" * 6000, False),
    ],
)
def test_sql_is_told_from_plain_words(text: str, sql: bool, schema: Schema) -> None:
    assert is_sql(text, schema) is sql
