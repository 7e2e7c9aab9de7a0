"""DuckDB: the file is all there is, and what runs too long or grows too large ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from txt2sql.errors import DatabaseError
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import Limits, execute, interrupt
from txt2sql.execution.remote import UrlDatabase, run
from txt2sql.execution.values import open_value_index

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7"


@pytest.fixture(scope="module")
def books(engine_url: Callable[[str], str]) -> UrlDatabase:
    database = open_database(engine_url("duckdb"))
    assert isinstance(database, UrlDatabase)
    return database


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x (a INTEGER)",
        "DELETE FROM shops",
        "SET enable_external_access = true",
        "SET memory_limit = '9GB'",
        "ATTACH '/tmp/x.duckdb' AS x",
        "COPY shops TO '/tmp/x.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "INSTALL httpfs",
    ],
)
def test_the_session_itself_only_reads(books: UrlDatabase, sql: str) -> None:
    assert run(books, sql, trusted=True).error is not None  # past our own check, to the engine


def test_a_slow_statement_is_stopped(books: UrlDatabase) -> None:
    start = time.perf_counter()
    result = execute(books, ENDLESS, Limits(timeout_s=2.5))  # after 2 s it would draw a bar
    assert (result.timed_out, result.error) == (True, "stopped after 2.5 s")
    assert time.perf_counter() - start < 5
    assert execute(books, "SELECT 1").rows == ((1,),)


def test_memory_is_limited(books: UrlDatabase) -> None:
    sql = "SELECT list(a.range || 'x') FROM range(100000000) a"
    result = execute(books, sql, Limits(timeout_s=20, max_memory_bytes=64_000_000))
    assert result.error is not None
    assert "out of memory" in result.error


def test_interrupt(books: UrlDatabase) -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(execute(books, ENDLESS, Limits(30.0))))
    thread.start()
    while not interrupt():
        time.sleep(0.02)
    thread.join(10)
    assert (found[0].error, found[0].timed_out) == ("interrupted", False)


def test_cells_are_those_of_sqlite(books: UrlDatabase) -> None:
    sql = (
        "SELECT 2.50::DECIMAL(5, 2), DATE '2024-05-01', TIMESTAMP '2024-05-01 10:00:00', NULL, true, "
        "[1, 2], {'a': 1.5::DECIMAL(3, 1)}, 170141183460469231731687303715884105727::HUGEINT"
    )
    row = ["2024-05-01 10:00:00", None, 1, "[1, 2]"]
    found = execute(books, sql.replace("{'a': 1.5::DECIMAL(3, 1)}", "MAP(['a'], [1.5])"))
    assert found.error is None
    assert found.rows[0][:6] == (2.5, "2024-05-01", *row)
    assert found.rows[0][7] == 2**127 - 1


def test_the_schema_has_comments_and_keys(tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "a b.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR, c INTEGER[])")
        connection.execute("CREATE TABLE u (a INTEGER REFERENCES t (a))")
        connection.execute("COMMENT ON TABLE t IS 'things'; COMMENT ON COLUMN t.b IS 'what it is'")
        connection.execute("INSERT INTO t VALUES (1, 'x', [1]); CREATE VIEW v AS SELECT * FROM t")
    schema = open_database(str(file)).schema(infer=False)
    assert [table.name for table in schema.tables] == ["t", "u", "v"]
    t = schema.tables[0]
    assert (t.comment, t.columns[1].comment, t.columns[1].samples) == (
        "things",
        "what it is",
        ("x",),
    )
    assert [(column.type, column.primary_key) for column in t.columns] == [
        ("number", True),
        ("text", False),
        ("other", False),
    ]
    assert [(key.table, key.referenced_table) for key in schema.foreign_keys] == [("u", "t")]


def test_the_value_index_follows_the_file(tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "a.duckdb"
    for city in ("Faro", "Braga"):
        with duckdb.connect(str(file)) as connection:
            connection.execute("CREATE OR REPLACE TABLE t AS SELECT ? AS city", [city])
        database = open_database(str(file))
        found = open_value_index(database, tmp_path / "cache").match(f"who lives in {city.lower()}")
        assert [match.value for match in found] == [city]


def test_conditions_in_the_words_of_the_engine(tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "a.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute('CREATE TABLE "Bill Run" (paid BOOLEAN, due DATE, "sent at" TIMESTAMP)')
        connection.execute(
            """INSERT INTO "Bill Run" VALUES (true, '2024-05-01', '2024-05-31 10:00:00'),
            (false, '2024-05-01', NULL), (false, '2024-06-01', NULL)"""
        )
    database = open_database(str(file))
    index = open_value_index(database, tmp_path / "cache")
    for question, rows in (
        ("unpaid bills", 2),
        ("bills due in May 2024", 2),
        ("bills due on 1 May 2024", 2),
        ("bills sent on 31 May 2024", 1),
        ("bills that were not sent", 2),
        ("bills due in June", 1),
        ("bills due in the last 30 days", 0),
    ):
        (match,) = index.match(question)
        result = execute(database, f'SELECT * FROM "Bill Run" WHERE {match.condition}')
        assert (result.error, len(result.rows)) == (None, rows)


def test_no_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="database does not exist"):
        open_database(f"duckdb:///{tmp_path}/none.duckdb")
