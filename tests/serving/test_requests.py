"""What somebody typed: questions that refer back, wishes to change something, statements of SQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql import sample
from txt2sql.execution.database import open_database
from txt2sql.serving.service import declined, is_sql, refers_back
from txt2sql.types import Schema

ANALYSTS = Path(__file__).parents[2] / "data" / "analysts"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return open_database(sample.path()).schema()


def test_follow_ups_are_told_from_questions_that_stand_alone() -> None:
    files = sorted(ANALYSTS.glob("*.jsonl"))
    items = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    follow = [refers_back(each["question"]) for each in items if "previous" in each]
    alone = [refers_back(each["question"]) for each in items if "previous" not in each]
    assert sum(follow) / len(follow) >= 0.85 and len(follow) > 400
    assert sum(alone) / len(alone) <= 0.04 and len(alone) > 3000
    assert [each["question"] for each in items if declined(each["question"])] == []


def test_the_wording_tells() -> None:
    for question in (
        "ok, now sort by price",
        "What about Porto?",
        "how many are they",
        "by city instead",
    ):
        assert refers_back(question), question
    for question in ("", "How many shops are there in Lisbon?", "how many orders this month"):
        assert not refers_back(question), question


def test_wishes_to_change_something_are_declined() -> None:
    for text in (
        "Please delete customer 17.",
        "add a new shop",
        "set the price of Emma to 5",
        "drop table shops",
        "UPDATE shops SET city = 'Faro'",
    ):
        assert declined(text), text
    for text in ("which orders were deleted?", "add their email", "who changed the price to 5?"):
        assert not declined(text), text


def test_sql_is_told_from_plain_words(schema: Schema) -> None:
    for text in (
        "select name from shops",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "select * from shps",
        "EXPLAIN SELECT 1",
    ):
        assert is_sql(text, schema), text
    for text in (
        "SELECT 1; SELECT 2",
        "select the customers from Lisbon",
        "with phone numbers please",
        "DELETE FROM shops",
        "SELECT " + "(" * 6000,
    ):
        assert not is_sql(text, schema), text
