"""Levels as the official evaluator grades: `tests/fixtures/sql/spider/hardness.tsv`."""

from __future__ import annotations

from pathlib import Path

import pytest

from txt2sql.sql.hardness import LEVELS, level
from txt2sql.sql.spider import parse
from txt2sql.sql.spider_query import SpiderSchema

FILE = Path(__file__).parents[1] / "fixtures" / "sql" / "spider" / "hardness.tsv"
SCHEMA = SpiderSchema(
    {
        "singer": ("id", "name", "age"),
        "stadium": ("id", "name"),
        "plays": ("singer_id", "concert_id"),
    }
)
CASES = [line.split("\t") for line in FILE.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("expected", "sql"), CASES)
def test_level(expected: str, sql: str) -> None:
    query = parse(sql, SCHEMA)
    assert query is not None
    assert level(query) == expected


def test_every_level_has_cases() -> None:
    assert {expected for expected, _ in CASES} == set(LEVELS)
