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
def items() -> list[dict[str, Any]]:
    files = sorted(ANALYSTS.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def schema() -> Schema:
    return open_database(sample.path()).schema()


def test_follow_ups_are_told_from_questions_that_stand_alone(items: list[dict[str, Any]]) -> None:
    follow = [refers_back(each["question"]) for each in items if "previous" in each]
    alone = [refers_back(each["question"]) for each in items if "previous" not in each]
    assert sum(follow) / len(follow) >= 0.85 and len(follow) > 400
    assert sum(alone) / len(alone) <= 0.04 and len(alone) > 3000
    assert [each["question"] for each in items if declined(each["question"])] == []


@pytest.mark.parametrize(
    ("question", "back"),
    [
        ("ok, now sort by price", True),
        ("What about Porto?", True),
        ("how many are they", True),
        ("by city instead", True),
        ("", False),
        ("How many shops are there in Lisbon?", False),
        ("how many orders this month", False),
        ("authors and the number of their books", False),
    ],
)
def test_the_wording_tells(question: str, back: bool) -> None:
    assert refers_back(question) is back


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("Please delete customer 17.", True),
        ("add a new shop", True),
        ("set the price of Emma to 5", True),
        ("drop table shops", True),
        ("UPDATE shops SET city = 'Faro'", True),
        ("which orders were deleted?", False),
        ("add their email", False),
        ("who changed the price of Emma to 5?", False),
    ],
)
def test_wishes_to_change_something_are_declined(text: str, wish: bool) -> None:
    assert bool(declined(text)) is wish


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("select name from shops", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("select * from shps", True),
        ("EXPLAIN SELECT 1", True),
        ("SELECT 1; SELECT 2", False),
        ("select the customers from Lisbon", False),
        ("with phone numbers please", False),
        ("DELETE FROM shops", False),
        ("SELECT " + "(" * 6000, False),
    ],
)
def test_sql_is_told_from_plain_words(text: str, sql: bool, schema: Schema) -> None:
    assert is_sql(text, schema) is sql
