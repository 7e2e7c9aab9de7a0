"""The same questions on the same content in four engines give the same rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from txt2sql import sample
from txt2sql.execution.compare import same_result
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import execute
from txt2sql.sql.text import is_ordered
from txt2sql.sql.translate import translate

FIXTURE = Path(__file__).parents[1] / "fixtures" / "dialects" / "questions.json"


def questions() -> list[dict[str, str]]:
    shipped = json.loads((sample.folder() / "dev.json").read_text(encoding="utf-8"))
    return [*shipped, *json.loads(FIXTURE.read_text(encoding="utf-8"))]


def test_there_are_at_least_fifty() -> None:
    assert len({each["question"] for each in questions()}) >= 50


@pytest.mark.parametrize("engine", ["postgresql", "mariadb", "duckdb"])
def test_the_rows_are_those_of_sqlite(engine: str, engine_url: Callable[[str], str]) -> None:
    database, reference = open_database(engine_url(engine)), open_database(sample.path())
    schema = database.schema()
    wrong = []
    for each in questions():
        sql = translate(each["query"], schema)
        expected, found = execute(reference, each["query"]), execute(database, sql)
        assert expected.ok, each
        if not same_result(expected, found, is_ordered(each["query"])):
            wrong.append(f"{sql}\n  {found.error or found.rows[:3]}\n  not {expected.rows[:3]}")
    assert not wrong, "\n".join(wrong)
