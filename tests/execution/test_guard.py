"""What the textual guard refuses, what it lets through, and that it never raises."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.execution.guard import MAX_SQL_CHARS, check_read_only

REFUSED = {
    "": "empty",
    "  \n\t": "empty",
    "-- SELECT 1": "empty",
    "/* SELECT 1": "empty",
    ";": "only SELECT",
    "DROP TABLE t": "only SELECT",
    "-- a comment\nDELETE FROM t": "only SELECT",
    "/* SELECT */ UPDATE t SET a = 1": "only SELECT",
    "EXPLAIN SELECT 1": "only SELECT",
    "PRAGMA journal_mode = WAL": "only SELECT",
    "SELECTED": "only SELECT",
    "(SELECT 1)": "only SELECT",
    "\u00a0SELECT 1": "only SELECT",
    "\uff33\uff25\uff2c\uff25\uff23\uff34 1": "only SELECT",
    "\ufeffSELECT 1": "only SELECT",
    "SELECT 1; DROP TABLE t": "several",
    "SELECT 1;;; SELECT 2": "several",
    "SELECT 1; -- x\n SELECT 2": "several",
    "SELECT ';'; SELECT 2": "several",
    "SELECT '--'; SELECT 2": "several",
    "SELECT '''';SELECT 2": "several",
    "SELECT 1 /* ; */ ; SELECT 2": "several",
    'SELECT "a;" FROM t; DROP TABLE t': "several",
    "SELECT 1\0; DROP TABLE t": "NUL",
    "SELECT " + "1" * MAX_SQL_CHARS: "longer",
}

ALLOWED = (
    "SELECT 1",
    "select 1;",
    "SELECT 1 ; ; \n",
    "SELECT 1; -- done",
    "SELECT 1; /* done",
    "/* why */ -- how\n SELECT 1",
    "SELECT ';'",
    "SELECT 'it''s; fine', \";\", `;`, [;]",
    "SELECT 1 -- ; DROP TABLE t",
    "SELECT 1 /* ; DROP TABLE t */",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    "VALUES (1), (2)",
    "SELECT '; never closed",
)


@pytest.mark.parametrize(("sql", "reason"), REFUSED.items(), ids=range(len(REFUSED)))
def test_refused(sql: str, reason: str) -> None:
    answer = check_read_only(sql)
    assert answer is not None
    assert reason in answer


@pytest.mark.parametrize("sql", ALLOWED)
def test_allowed(sql: str) -> None:
    assert check_read_only(sql) is None


@pytest.mark.parametrize("part", ["/*", "--\n", "'", ";", "[", "/* */", "SELECT ';' ", "-", "\n"])
def test_linear_in_the_text(part: str) -> None:
    """A backtracking scanner would need minutes here, and the suite's time limit would stop it."""
    check_read_only("SELECT ;" + part * (MAX_SQL_CHARS // len(part) - 10))


pieces = st.sampled_from(
    [
        *("SELECT 1", "DROP TABLE t", "VALUES (1)", ";", "'", '"', "`", "[", "]", "--", "\n", "/*"),
        *("*/", " ", "a", "''", "\0", "\u00a0", "\ufeff", "é", "-", "/", "*"),
    ]
)


@given(st.one_of(st.text(), st.lists(pieces, max_size=12).map("".join)))
def test_agrees_with_sqlite_on_what_is_one_statement(sql: str) -> None:
    """Nothing that SQLite itself sees as several statements passes, and nothing raises."""
    if check_read_only(sql) is not None:
        return
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(sql)
    except (sqlite3.Error, sqlite3.Warning, UnicodeError) as problem:
        assert "one statement at a time" not in str(problem)
    finally:
        connection.close()
