"""PostgreSQL, a real one: what it would still allow is refused, what runs too long is stopped."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import pytest

from txt2sql.errors import DatabaseError
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import Limits, execute, interrupt
from txt2sql.execution.remote import UrlDatabase, run
from txt2sql.execution.values import open_value_index
from txt2sql.types import ForeignKey

MARGIN_S = 1.0


@pytest.fixture(scope="module")
def books(engine_url: Callable[[str], str]) -> UrlDatabase:
    database = open_database(engine_url("postgresql"))
    assert isinstance(database, UrlDatabase)
    return database


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x (a int)",
        "CREATE TEMP TABLE x (a int)",
        "WITH a AS (INSERT INTO shops VALUES (99, 'x', 'x', 'x', 1, 1) RETURNING 1) SELECT * FROM a",
        "SELECT nextval('pg_catalog.pg_oid_seq')",
        "SELECT * FROM shops FOR UPDATE",
        "COPY shops TO PROGRAM 'touch /tmp/x'",
    ],
)
def test_the_session_itself_only_reads(books: UrlDatabase, sql: str) -> None:
    result = run(books, sql, trusted=True)  # past our own check, to the server
    assert result.error is not None


def test_a_slow_statement_is_stopped_by_the_server(books: UrlDatabase) -> None:
    start = time.perf_counter()
    result = run(books, "SELECT pg_sleep(20)", Limits(timeout_s=0.3), trusted=True)
    assert result.timed_out
    assert result.error == "stopped after 0.3 s"
    assert time.perf_counter() - start < 0.3 + MARGIN_S
    assert _running(books) == 0


def test_interrupt_stops_it_at_the_server(books: UrlDatabase) -> None:
    found = []
    thread = threading.Thread(
        target=lambda: found.append(run(books, "SELECT pg_sleep(20)", Limits(20.0), trusted=True))
    )
    thread.start()
    while _running(books) == 0:
        time.sleep(0.02)
    start = time.perf_counter()
    assert interrupt() >= 1
    thread.join(10)
    assert time.perf_counter() - start < MARGIN_S
    assert found[0].error == "interrupted"
    assert not found[0].timed_out
    assert _running(books) == 0


def _running(books: UrlDatabase) -> int:
    """How many other statements the server runs for us."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = current_user"
    return int(str(run(books, f"{sql} AND pid <> pg_backend_pid()", trusted=True).rows[0][0]))


def test_the_schema_has_keys_types_and_samples(books: UrlDatabase) -> None:
    schema = books.schema()
    assert schema.dialect == "postgres"
    assert len(schema.tables) == 8
    staff = schema.table("staff")
    assert staff is not None
    hired = staff.column("hire_date")
    assert hired is not None
    assert (hired.type, hired.declared_type, hired.words) == ("time", "DATE", "hire date")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", hired.samples[0])
    assert [column.name for column in staff.columns if column.primary_key] == ["staff_id"]
    assert ForeignKey("staff", "shop_id", "shops", "shop_id") in schema.foreign_keys


def test_the_rows_are_cut_off_at_the_cap(books: UrlDatabase) -> None:
    whole = execute(books, "SELECT count(*) FROM customers")
    assert whole.rows == ((360,),)
    cut = execute(books, "SELECT name FROM customers", Limits(max_rows=7))
    assert (len(cut.rows), cut.truncated) == (7, True)


def test_the_value_index_finds_cells(books: UrlDatabase) -> None:
    found = open_value_index(books).match("which shops are in lisbon")
    assert ("shops", "city", "Lisbon") in {(m.table, m.column, m.value) for m in found}


def test_a_wrong_password_is_one_sentence_without_it(engine_url: Callable[[str], str]) -> None:
    url = engine_url("postgresql").replace("p%40ss", "n%40pe")
    with pytest.raises(DatabaseError, match="password authentication failed") as caught:
        open_database(url)
    assert "n@pe" not in str(caught.value)
    assert "n%40pe" not in str(caught.value)
