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

FIXTURES = Path(__file__).parents[1] / "fixtures" / "dialects"
HIRE = FIXTURES / "hire.sql"


def read(file: Path) -> list[dict[str, str]]:
    return list(json.loads(file.read_text(encoding="utf-8")))


CONTENTS = {
    "sample": (None, [*read(sample.folder() / "dev.json"), *read(FIXTURES / "questions.json")]),
    "hire": (HIRE, read(FIXTURES / "hire.json")),
}


@pytest.mark.parametrize(("content", "least"), [("sample", 50), ("hire", 75)])
def test_there_are_enough(content: str, least: int) -> None:
    assert len({each["query"] for each in CONTENTS[content][1]}) >= least


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("engine", ["postgresql", "mariadb", "duckdb"])
def test_the_rows_are_those_of_sqlite(
    engine: str, content: str, engine_url: Callable[..., str]
) -> None:
    script, questions = CONTENTS[content]
    database = open_database(engine_url(engine, script))
    reference = open_database(engine_url("sqlite", script))
    schema = database.schema()
    wrong = []
    for each in questions:
        sql = translate(each["query"], schema)
        expected, result = execute(reference, each["query"]), execute(database, sql)
        assert expected.ok, each
        if not same_result(expected, result, is_ordered(each["query"])):
            wrong.append(f"{sql}\n  {result.error or result.rows[:3]}\n  not {expected.rows[:3]}")
    assert not wrong, "\n".join(wrong)
