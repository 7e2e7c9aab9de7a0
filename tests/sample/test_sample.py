"""The sample database is what its generator builds, sound, small, and its questions have answers."""

from __future__ import annotations

import json
import runpy
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql import sample

SCRIPT = Path(__file__).parents[2] / "data" / "scripts" / "build_sample.py"
GENERATOR = runpy.run_path(str(SCRIPT))
build, tables = GENERATOR["build"], GENERATOR["tables"]
QUESTIONS = json.loads((sample.folder() / "dev.json").read_text(encoding="utf-8"))


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{sample.path()}?mode=ro", uri=True)) as connection:
        yield connection


def test_the_generator_rebuilds_the_shipped_database(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    build(tmp_path / "again.sqlite")
    # The bytes hold the version of SQLite that wrote them; the statements do not.
    with closing(sqlite3.connect(tmp_path / "again.sqlite")) as again:
        assert list(again.iterdump()) == list(connection.iterdump())
    assert [path.name for path in tmp_path.iterdir()] == ["again.sqlite"]


def test_another_seed_builds_other_rows() -> None:
    assert tables(1)["orders"] != tables(2)["orders"]


def test_the_database_is_sound_and_small(connection: sqlite3.Connection) -> None:
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert sample.path().stat().st_size < 400_000
    assert sum(len(rows) for rows in tables().values()) > 3000


@pytest.mark.parametrize("item", QUESTIONS, ids=[item["question"] for item in QUESTIONS])
def test_every_question_has_an_answer(item: dict[str, str], connection: sqlite3.Connection) -> None:
    assert item.keys() == {"db_id", "question", "query"}
    assert item["db_id"] == sample.DB_ID
    rows = connection.execute(item["query"]).fetchall()
    assert rows
    assert any(cell is not None for row in rows for cell in row)


def test_no_question_is_asked_twice() -> None:
    assert len({item["question"] for item in QUESTIONS}) == len(QUESTIONS) >= 25


def test_superlatives_have_one_answer(connection: sqlite3.Connection) -> None:
    """`ORDER BY x LIMIT 1` is only a fair gold query when nobody ties for the first place."""
    ranked = [item["query"] for item in QUESTIONS if item["query"].endswith(" LIMIT 1")]
    assert ranked
    for query in ranked:
        key = query.split(" ORDER BY ")[1].removesuffix(" LIMIT 1")
        two = query.replace(" FROM ", f", {key.removesuffix(' DESC')} FROM ", 1)
        first, second = connection.execute(two.removesuffix("1") + "2").fetchall()
        assert first[-1] != second[-1], query
