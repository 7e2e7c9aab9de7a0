"""The table of functions against SQLite itself, the walls, and the engines that it is translated for."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from txt2sql.execution.guard import Rules, check
from txt2sql.execution.sandbox import authorize
from txt2sql.sql.functions import FUNCTIONS, MANY, MYSQL_FUNCTIONS, Function
from txt2sql.sql.translate import translate
from txt2sql.types import Column, Schema, Table

_CALLED, _ALLOWED = 31, 0
_REACHING_OUT = (
    "load_extension readfile writefile edit fts3_tokenizer zeroblob randomblob sqlite_version "
    "sqlite_compileoption_get sqlite_source_id changes total_changes last_insert_rowid eval"
).split()


def here() -> list[Function]:
    """Those that the SQLite of this machine has."""
    with closing(sqlite3.connect(":memory:")) as connection:
        names = {n for (n,) in connection.execute("SELECT name FROM pragma_function_list")}
    return [each for each in FUNCTIONS.values() if each.name in names]


def call(function: Function, arguments: int) -> str:
    if function.bare:
        return function.name
    values = ", ".join(["'$.a'" if function.name.startswith("json_") else "1"] * arguments)
    return f"{function.name}({values})" + (" OVER (ORDER BY 1)" if function.window else "")


def test_what_computes_is_in_it_and_what_does_more_is_not() -> None:
    usual = "count sum strftime date julianday round coalesce iif substr lag rank total".split()
    assert len(here()) >= 80
    assert FUNCTIONS.keys() >= set(usual)
    assert not FUNCTIONS.keys() & set(_REACHING_OUT)


def test_sqlite_takes_the_numbers_of_arguments_that_the_table_says() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for function in here():
            for arguments in {function.min_args, min(function.max_args, 4)}:
                try:
                    connection.execute(f"SELECT {call(function, arguments)}").fetchall()
                except sqlite3.Error as problem:
                    assert not re.search("wrong number|misuse", str(problem)), function.name
            few, many = function.min_args - 1, function.max_args + 1
            for arguments in (few, many) if not function.bare and many < MANY else ():
                if arguments >= 0:
                    with pytest.raises(sqlite3.OperationalError):
                        connection.execute(f"SELECT {call(function, arguments)}").fetchall()


def test_a_function_is_an_aggregate_or_a_window_function_where_sqlite_says_so() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for function in here():
            if function.bare:
                continue
            alone = call(function, function.min_args).removesuffix(" OVER (ORDER BY 1)")
            sql = f"SELECT count(*) FROM (SELECT {alone} FROM (SELECT 1 UNION ALL SELECT 2))"
            if function.window:
                with pytest.raises(sqlite3.OperationalError, match="misuse"):
                    connection.execute(sql)
                continue
            try:
                rows = connection.execute(sql).fetchone()[0]
            except sqlite3.Error:
                continue  # of these arguments it can make nothing
            assert rows == (1 if function.aggregate else 2), function.name


def test_the_authorizer_lets_all_of_them_be_called() -> None:
    """The worker that holds the authorizer imports nothing, so its list is its own."""
    refused = [n for n in FUNCTIONS if authorize(frozenset(), _CALLED, None, n) != _ALLOWED]
    assert refused == []


TYPES = {
    "d": ("time", "DATE"),
    "m": ("time", "TIMESTAMP"),
    "t": ("text", "TEXT"),
    "n": ("number", "INTEGER"),
    "x": ("number", "DOUBLE"),
    "b": ("boolean", "BOOLEAN"),
}
TABLE = Table("r", tuple(Column(name, kind, False, type_) for name, (kind, type_) in TYPES.items()))

_names = st.sampled_from(sorted(TYPES))
_dates = st.sampled_from(["d", "m", "t", "'now'", "'2024-02-29'"])
_steps = st.sampled_from(["+1 month", "-30 days", "start of month", "start of year", "+2 hours"])
_calls = st.one_of(
    st.builds(
        "strftime('{}', {})".format, st.sampled_from(["%Y", "%Y-%m", "%s", "%W", "%w"]), _dates
    ),
    st.builds("{}({}, '{}')".format, st.sampled_from(["date", "datetime"]), _dates, _steps),
    st.builds("julianday({}) - julianday({})".format, _dates, _dates),
    *(
        st.builds(form.format, _names, _names)
        for form in (
            "sum({}) FILTER (WHERE b)", "lag({}) OVER (ORDER BY n)", "round({} * 1.0 / n, 2)",
            "total({})", "CAST({} AS INTEGER)", "{} || {}", "coalesce({}, {})",
            "CASE WHEN {} THEN {} ELSE 0 END",
        )
    ),
)  # fmt: skip


@given(_calls, st.sampled_from(["postgres", "mysql", "duckdb"]))
def test_what_is_translated_calls_nothing_that_is_refused(sql: str, dialect: str) -> None:
    """MySQL's list is whole; of the others only what no engine of its kind has."""
    translated = translate(f"SELECT {sql} FROM r", Schema("s", (TABLE,), dialect=dialect))
    tree = sqlglot.parse_one(translated, read=dialect)
    names = {node.name.lower() for node in tree.find_all(exp.Anonymous)}
    assert not names & {"strftime", "julianday", "unixepoch", "datetime", "total"}
    if dialect == "mysql":
        assert check(translated, Rules("mysql", MYSQL_FUNCTIONS)).error is None, translated
