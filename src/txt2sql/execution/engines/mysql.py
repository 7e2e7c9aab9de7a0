"""A session with MySQL or MariaDB: every statement in a read-only transaction, and rolled back.

The server stops a statement at the deadline (`max_execution_time` of MySQL, `max_statement_time` of
MariaDB) and ends a result at the row cap (`sql_select_limit`); KILL QUERY stops it before. The SQL mode
is set, so that backslashes escape and double quotes hold text, whatever the server's own is. Neither
lists its functions with what they do, so those that may be called are listed in sql/functions.py.
Source: dev.mysql.com/doc/refman (functions, server-system-variables), mariadb.com/kb.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pymysql
from pymysql.cursors import SSCursor

from txt2sql.execution.engines.process import CONNECT_TIMEOUT_S, Caps, Lost, Result, Rows
from txt2sql.execution.guard import Rules
from txt2sql.sql.functions import MYSQL_FUNCTIONS

ERRORS = (pymysql.err.Error, OSError)

_HIDDEN_SCHEMAS = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
_SQL_MODE = "NO_ENGINE_SUBSTITUTION"
_MAX_GROUP_CONCAT = 1_000_000
_INTERRUPTED = 1317
_KINDS = {
    **dict.fromkeys((1969, 3024), "late"),
    **dict.fromkeys((5, 1037, 1038, 1041), "memory"),
    **dict.fromkeys((1792, 1290), "writes"),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), "right"),
}
"""By the number of the server's error."""


class MySQL:
    """One connection and what may be called through it."""

    def __init__(self, options: Mapping[str, Any], max_memory_bytes: int) -> None:
        self._options = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "program_name": "txt2sql",
            **options,
            "charset": "utf8mb4",  # or a server could see other ends of a string than the guard
            "local_infile": False,
            "autocommit": True,
            "cursorclass": SSCursor,
        }
        self._connection = pymysql.connect(**self._options)
        self._mariadb = "mariadb" in str(self._connection.get_server_info()).lower()
        self._stopping = False
        for setting in self._settings(max_memory_bytes):
            self._send(f"SET SESSION {setting}")

    def rules(self) -> Rules:
        """What the role sees now: the other databases of the server, and what was made in this one."""
        (here,) = self._names("SELECT DATABASE()") or ("",)
        tables = self._names("SHOW TABLES")
        others = self._names("SHOW DATABASES") - {here} | _HIDDEN_SCHEMAS
        return Rules(
            "mysql",
            functions=MYSQL_FUNCTIONS,
            own=self._names(
                "SELECT routine_name FROM information_schema.routines "
                "WHERE routine_schema = DATABASE()"
            ),
            hidden_schemas=others - tables,
            shared={name: self._columns(name) for name in others & tables},
        )

    def _columns(self, table: str) -> frozenset[str]:
        """The columns of a table that are no tables of the other database which is called like it."""
        columns = self._names(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = %s",
            table,
        )
        return columns - self._names(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", table
        )

    def _names(self, sql: str, *values: str) -> frozenset[str]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return frozenset(str(row[0]).lower() for row in cursor.fetchall())

    def _settings(self, max_memory_bytes: int) -> tuple[str, ...]:
        common = (
            "TRANSACTION READ ONLY",
            f"sql_mode = '{_SQL_MODE}'",
            "lock_wait_timeout = 1",
            "innodb_lock_wait_timeout = 1",
            "div_precision_increment = 15",  # else an average has four decimals
            f"group_concat_max_len = {_MAX_GROUP_CONCAT}",
        )
        return (*common, f"max_session_mem_used = {max_memory_bytes}") if self._mariadb else common

    def run(self, sql: str, caps: Caps) -> Result:
        """Run the statement unbuffered and read what the caps allow."""
        self._stopping = False
        if not self._connection.open:
            raise Lost("the last result was cut off")
        limit = (
            f"max_statement_time = {caps.timeout_s}"
            if self._mariadb
            else f"max_execution_time = {max(1, int(caps.timeout_s * 1000))}"
        )
        try:
            self._send(f"SET SESSION {limit}, sql_select_limit = {caps.max_rows + 1}")
            self._send("START TRANSACTION READ ONLY")
        except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as problem:
            raise Lost(_text(problem)) from problem
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            result = Rows(cursor).read(caps)
        except pymysql.err.Error:  # the server has ended it
            self._end(cursor)
            raise
        except BaseException:
            self._leave()
            raise
        self._leave() if result[2] else self._end(cursor)
        return result

    def _end(self, cursor: SSCursor) -> None:
        with suppress(pymysql.err.Error, OSError):
            cursor.close()
            self._send("ROLLBACK")

    def _leave(self) -> None:
        """Without reading the rows that are left: the server stops, and the next one connects anew."""
        with suppress(pymysql.err.Error, OSError):
            self.cancel()
        self._connection.close()

    def _send(self, sql: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)

    def explain(self, problem: Exception) -> tuple[str, str]:
        code = problem.args[0] if problem.args and isinstance(problem.args[0], int) else 0
        if code == _INTERRUPTED:
            return "interrupted", "" if self._stopping else "late"
        return _text(problem), _KINDS.get(code, "")

    def cancel(self) -> None:
        """KILL QUERY over a connection of its own."""
        self._stopping = True
        number = self._connection.thread_id()
        options = {**self._options, "connect_timeout": 2}
        with pymysql.connect(**options) as other, other.cursor() as cursor:
            cursor.execute(f"KILL QUERY {int(number)}")


def _text(problem: Exception) -> str:
    last = problem.args[-1] if problem.args else problem
    return " ".join(str(last).split()) or type(problem).__name__


connect = MySQL
