"""MariaDB, a real one: what is stopped is stopped at the server, and comments come with the schema."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from txt2sql.execution.database import open_database
from txt2sql.execution.execute import Limits, execute, interrupt
from txt2sql.execution.remote import UrlDatabase, run
from txt2sql.execution.values import open_value_index

MARGIN_S = 3.0


@pytest.fixture(scope="module")
def books(engine_url: Callable[[str], str]) -> UrlDatabase:
    database = open_database(engine_url("mariadb"))
    assert isinstance(database, UrlDatabase)
    return database


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x (a INT)",
        "CREATE TEMPORARY TABLE x (a INT)",
        "INSERT INTO shops VALUES (99, 'x', 'x', 'x', 1, 1)",
        "SELECT 1; SELECT 2",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
    ],
)
def test_the_session_itself_only_reads(books: UrlDatabase, sql: str) -> None:
    assert run(books, sql, trusted=True).error is not None  # past our own check, to the server


def test_a_slow_statement_is_stopped_by_the_server(books: UrlDatabase) -> None:
    result = run(books, "SELECT sleep(20)", Limits(timeout_s=0.3), trusted=True)
    assert (result.timed_out, result.error) == (True, "stopped after 0.3 s")
    assert _running(books) == 0


def test_interrupt_stops_it_at_the_server(books: UrlDatabase) -> None:
    found = []
    sql = "SELECT sleep(20) FROM shops"
    thread = threading.Thread(
        target=lambda: found.append(run(books, sql, Limits(25.0), trusted=True))
    )
    thread.start()
    while _running(books) == 0:
        time.sleep(0.02)
    start = time.perf_counter()
    assert interrupt() >= 1
    thread.join(10)
    assert time.perf_counter() - start < MARGIN_S
    assert (found[0].error, found[0].timed_out) == ("interrupted", False)
    assert _running(books) == 0


def _running(books: UrlDatabase) -> int:
    """How many other statements the server runs for us."""
    sql = (
        "SELECT count(*) FROM information_schema.processlist "
        "WHERE command = 'Query' AND id <> connection_id()"
    )
    return int(str(run(books, sql, trusted=True).rows[0][0]))


def test_a_result_that_is_cut_off_leaves_the_connection_usable(books: UrlDatabase) -> None:
    cut = execute(books, "SELECT a.name FROM customers a, customers b", Limits(max_rows=7))
    assert (len(cut.rows), cut.truncated) == (7, True)
    small = Limits(max_result_bytes=2000)
    assert execute(
        books, "SELECT a.name FROM customers a, customers b LIMIT 90000", small
    ).truncated
    assert execute(books, "SELECT count(*) FROM customers").rows == ((360,),)


def test_cells_are_those_of_sqlite(books: UrlDatabase) -> None:
    sql = "SELECT CAST(2.50 AS DECIMAL(5, 2)), DATE '2024-05-01', TIME '-30:01:02', NULL, 1 = 1, 7 / 2"
    assert execute(books, sql).rows == ((2.5, "2024-05-01", "-30:01:02", None, 1, 3.5),)


def test_the_schema_has_comments_and_keys(attacked: Any, mariadb: Any) -> None:
    import pymysql
    from engines import PASSWORD

    url, _ = attacked("mariadb")
    host, port = mariadb.host.split(":")
    name = url.rpartition("/")[2]
    options = {"host": host, "port": int(port), "user": "admin", "password": PASSWORD}
    with pymysql.connect(**options, database=name) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE `odd name` (a INT PRIMARY KEY COMMENT 'first', b ENUM('x', 'y'), "
            "c TINYINT(1), d BLOB, shop_id INT, "
            "FOREIGN KEY (shop_id) REFERENCES shops (shop_id)) COMMENT 'a table'"
        )
        cursor.execute("INSERT INTO `odd name` VALUES (1, 'x', 1, 'zzz', 3)")
        connection.commit()
    database = open_database(url)
    schema = database.schema()
    table = schema.table("odd name")
    assert table is not None
    assert (table.comment, table.columns[0].comment) == ("a table", "first")
    assert [column.type for column in table.columns] == [
        "number",
        "text",
        "boolean",
        "other",
        "number",
    ]
    assert table.columns[1].samples == ("x",)
    assert any(
        key.table == "odd name" and key.referenced_table == "shops" for key in schema.foreign_keys
    )


def test_the_value_index_finds_cells(books: UrlDatabase) -> None:
    found = open_value_index(books).match("which shops are in lisbon")
    assert ("shops", "city", "Lisbon") in {(m.table, m.column, m.value) for m in found}
