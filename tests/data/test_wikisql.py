"""WikiSQL's layout: streamed questions, real tables built once, gold that runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.data.wikisql import LogicalForm, WikiSQLDataset, WikiTable, form_to_sql, parse_number
from txt2sql.errors import DataError
from txt2sql.execution.execute import execute
from txt2sql.runs import cache_dir
from txt2sql.types import Schema


def names_and_types(schema: Schema) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [
        (column.name, column.type, column.declared_type, column.samples)
        for table in schema.tables
        for column in table.columns
    ]


def test_every_gold_runs_and_finds_its_row(wikisql: Path) -> None:
    dataset = WikiSQLDataset(wikisql)
    results = [
        execute(dataset.database(example.db_id), example.gold_sql).rows
        for example in dataset.examples("dev")
    ]
    assert results == [((3,),), ((1,),), ((1999,),)]


def test_the_schema_from_the_header_is_the_schema_of_the_database(wikisql: Path) -> None:
    dataset = WikiSQLDataset(wikisql)
    for db_id in ("1-10-1", "2-20-2"):
        built = dataset.database(db_id).schema()
        assert names_and_types(dataset.schema(db_id)) == names_and_types(built)
        assert len(built.tables) == 1
    assert dataset.schema("1-10-1").tables[0].words == "players of butler"
    assert dataset.schema("1-10-1").tables[0].columns[4].words == "team club"


def test_a_table_is_built_once_and_again_when_its_file_changes(wikisql: Path) -> None:
    first = WikiSQLDataset(wikisql).database("2-20-2").path
    stamp = first.stat().st_mtime_ns
    assert WikiSQLDataset(wikisql).database("2-20-2").path.stat().st_mtime_ns == stamp
    tables = wikisql / "dev.tables.jsonl"
    tables.write_text(tables.read_text().replace("1999", "18"))
    database = WikiSQLDataset(wikisql).database("2-20-2")
    assert execute(database, 'SELECT MIN("Year") FROM table_2_20_2').rows == ((18,),)
    assert not first.exists()


def test_a_build_that_was_killed_is_done_again(
    wikisql: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_killed: Callable[[str, Callable[[], bool]], None],
) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(wikisql.parent / "cache"))
    code = f"""
import time
from pathlib import Path
from txt2sql.data import wikisql
dataset = wikisql.WikiSQLDataset(Path({str(wikisql)!r}))
whole = dataset._read_table
def slow(split, table_id):
    if table_id == "2-20-2":
        Path({str(wikisql.parent / "reached")!r}).touch()
        time.sleep(60)
    return whole(split, table_id)
dataset._read_table = slow
dataset.database("1-10-1")
"""
    run_killed(code, (wikisql.parent / "reached").exists)
    assert list(cache_dir().glob("wikisql/*/*.sqlite")) == []
    database = WikiSQLDataset(wikisql).database("2-20-2")
    assert execute(database, "SELECT count(*) FROM table_2_20_2").rows == ((2,),)


def test_a_cache_that_is_a_file_is_one_sentence(
    wikisql: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wikisql.parent / "file").touch()
    monkeypatch.setenv("TXT2SQL_CACHE", str(wikisql.parent / "file"))
    with pytest.raises(DataError, match="TXT2SQL_CACHE"):
        WikiSQLDataset(wikisql).database("2-20-2")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"table_id": "1-10-1"', "line 1 of .* is not JSON"),
        ('["table"]', "not a JSON object"),
        ('{"table_id": "1-10-1", "question": "q"}', "'dev-0' in .* is not a WikiSQL question"),
        (
            '{"table_id": "7", "question": "q", "sql": {"sel": 0, "agg": 0, "conds": []}}',
            "no table '7'",
        ),
        (
            '{"table_id": "2-20-2", "question": "q", "sql": {"sel": 4, "agg": 0, "conds": []}}',
            "does not fit table",
        ),
    ],
)
def test_a_damaged_question_says_where(wikisql: Path, line: str, said: str) -> None:
    (wikisql / "dev.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=said):
        list(WikiSQLDataset(wikisql).examples("dev"))


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "2-20-2", "header": ["a", "b"], "types": ["text"], "rows": []}',
        '{"id": "2-20-2", "header": ["a"], "types": ["text"], "rows": [["x", "y"]]}',
        '{"id": "2-20-2", "header": ["a"], "rows": []}',
    ],
)
def test_a_damaged_table_says_which(wikisql: Path, line: str) -> None:
    (wikisql / "dev.tables.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match="table '2-20-2' in .* download it again"):
        WikiSQLDataset(wikisql).schema("2-20-2")


def test_the_real_one_runs_and_none_of_dev_real_is_empty(data_root: Path) -> None:
    dataset = WikiSQLDataset(data_root / "wikisql")
    assert set(dataset.splits) >= {"train", "dev", "dev_real"}
    empty = 0
    for example in dataset.examples("dev_real"):
        result = execute(dataset.database(example.db_id), example.gold_sql)
        assert result.ok, (example, result.error)
        empty += result.rows in ((), ((None,),))
    assert (dataset.count("dev_real"), empty) == (1923, 0)


# Logical forms as SQL: hostile names and values.

TABLE = WikiTable("1-2-3", ("Player", 'The "No."'), ("text", "real"))


def sql(sel: int, agg: int, *conds: tuple[int, int, str | int | float]) -> str:
    return form_to_sql(LogicalForm("dev-0", "1-2-3", sel, agg, conds), TABLE)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,000", 1000),
        (" 12 ", 12),
        ("-4.5", -4.5),
        ("+3", 3),
        (".5", 0.5),
        ("$7,500", 7),  # not a number as a whole, so the first digits in it
        ("about -2.5 m", -2.5),
        ("minus -3", 3),  # the sign counts only before a decimal point
        ("2004-05", 2004),
        ("none", None),
        ("", None),
    ],
)
def test_numbers_are_read_as_the_official_evaluator_reads_them(
    text: str, number: float | None
) -> None:
    assert parse_number(text) == number


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
def test_any_name_and_value_finds_its_own_row(name: str, value: str) -> None:
    table = WikiTable("1-1", (name,), ("text",))
    text = form_to_sql(LogicalForm("x", "1-1", 0, 3, ((0, 0, value),)), table)
    quoted = name.replace('"', '""')
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f'CREATE TABLE table_1_1 ("{quoted}" TEXT)')
        connection.execute("INSERT INTO table_1_1 VALUES (?)", (value.lower(),))
        assert connection.execute(text).fetchall() == [(1,)]
