"""A session with PostgreSQL: every statement in a read-only transaction of its own, and rolled back.

The server stops a statement at the deadline (`statement_timeout`), waits for no lock, and notices
when this process dies (`client_connection_check_interval`). Rows come through a server-side cursor,
a few at a time, so that a result is cut off at the server and not after it has crossed the network.
What a read-only transaction still allows is kept out by name: functions may be called that the
catalogue has as immutable or stable and that are not listed here as telling or doing more.
Source: postgresql.org/docs/current (sql-set-transaction, runtime-config-client, xfunc-volatility).

>>> connect({"host": "db.example", "user": "reader"}, 256_000_000)  # doctest: +SKIP
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.string import TextLoader

from txt2sql.execution import sandbox
from txt2sql.execution.engines import cells
from txt2sql.execution.engines.process import CONNECT_TIMEOUT_S, Caps, Lost
from txt2sql.execution.statement import Rules

ERRORS = (psycopg.Error, OSError)

# Python's dates cannot hold what PostgreSQL's can (infinity, years BC): its own text can.
_AS_TEXT = "date time timetz timestamp timestamptz interval json jsonb".split()
# Volatile only because each call gives another value.
_HARMLESS = "random clock_timestamp timeofday gen_random_uuid".split()
# Stable or immutable, and yet about the server, or running SQL that is given as text, or the means
# to fill a server's memory in one call.
_REFUSED = frozenset(
    "current_setting repeat format inet_client_addr inet_client_port "
    "inet_server_addr inet_server_port ts_stat ts_rewrite version ts_debug xpath_table "
    "generate_subscripts".split()
)
_REFUSED_PREFIXES = ("pg_", "lo_", "txid_", "binary_upgrade", "has_", "brin", "gin_", "ts_token")
_REFUSED_PARTS = ("_to_xml", "_xmlschema", "snapshot", "recv", "regclass", "large")
_FUNCTIONS = """
SELECT proname FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
GROUP BY proname HAVING bool_and(provolatile IN ('i', 's') AND prokind IN ('f', 'a', 'w'))
"""
_RELATIONS = (
    "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'pg_catalog'::regnamespace"
)
_SETTINGS = (
    "SET LOCAL lock_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; "
    "SET LOCAL standard_conforming_strings = on; SET LOCAL DateStyle = 'ISO, YMD'; "
    "SET LOCAL IntervalStyle = 'postgres'; SET LOCAL default_transaction_read_only = on"
)
_CANCELLED, _NO_MEMORY, _READ_ONLY, _NO_RIGHT = "57014", "53200", "25006", "42501"


class PostgreSQL:
    """One connection and what may be called through it."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection
        self._stopping = False
        self._deadline = 0.0
        for name in _AS_TEXT:
            connection.adapters.register_loader(name, TextLoader)
        self._checks_client = connection.info.server_version >= 140_000
        functions = {name for (name,) in connection.execute(_FUNCTIONS) if _only_computes(name)}
        hidden = {name for (name,) in connection.execute(_RELATIONS)}
        self.rules = Rules(
            functions=frozenset(functions | set(_HARMLESS)),
            hidden=frozenset(hidden | {"information_schema", "pg_toast"}),
            own_schema="pg_catalog",
        )

    def run(self, sql: str, caps: Caps) -> tuple[tuple[str, ...], list[bytes], bool]:
        """Declare a cursor for the statement, fetch what the caps allow, roll back."""
        self._stopping, self._deadline = False, time.perf_counter() + caps.timeout_s
        check = "SET LOCAL client_connection_check_interval = '1s'; " if self._checks_client else ""
        try:
            self._connection.execute(
                f"BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; {check}{_SETTINGS}; "
                + self._timeout()
            )
        except psycopg.OperationalError as problem:
            raise Lost(str(problem)) from problem
        try:
            with _Rows(self, sql) as rows:
                chunks: list[bytes] = []
                truncated = sandbox.fetch(
                    rows, chunks, caps.max_rows, caps.max_result_bytes, caps.max_cell_bytes
                )
                return rows.columns, chunks, truncated
        finally:
            if not self._connection.closed:
                self._connection.execute("ROLLBACK")

    def _timeout(self) -> str:
        left_ms = max(1, int(1000 * (self._deadline - time.perf_counter())))
        return f"SET LOCAL statement_timeout = {left_ms}"

    def before_fetching(self) -> None:
        """The server counts each FETCH anew: only what is left of the time is its limit."""
        self._connection.execute(self._timeout())

    def cursor(self) -> psycopg.ServerCursor[tuple[Any, ...]]:
        return self._connection.cursor(name="rows", scrollable=False)

    def explain(self, problem: Exception) -> tuple[str, bool]:
        """The server's first sentence, without the statement that it repeats."""
        if not isinstance(problem, psycopg.Error):
            return (" ".join(str(problem).split()) or type(problem).__name__), False
        text = problem.diag.message_primary or str(problem).partition("\n")[0]
        if problem.sqlstate == _CANCELLED:
            return "interrupted", not self._stopping
        if problem.sqlstate == _NO_MEMORY or "out of memory" in text:
            return f"out of memory: {text}", False
        if problem.sqlstate == _READ_ONLY:
            return f"refused: the statement does more than read ({text})", False
        if problem.sqlstate == _NO_RIGHT:
            return f"refused: the role has no right to this ({text})", False
        hint = problem.diag.message_hint
        return (f"{text} ({hint})" if hint else text), False

    def cancel(self) -> None:
        """Over a connection of its own, as the protocol has it."""
        self._stopping = True
        self._connection.cancel_safe(timeout=2.0)


class _Rows:
    """The server-side cursor, as `sandbox.fetch` reads one."""

    def __init__(self, session: PostgreSQL, sql: str) -> None:
        self._session, self._cursor = session, session.cursor()
        self._fetched = False
        self._cursor.execute(sql.encode())  # bytes: no text is a template
        self.columns = tuple(column.name for column in self._cursor.description or ())

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        if self._fetched:
            self._session.before_fetching()
        self._fetched = True
        return [cells.row(row) for row in self._cursor.fetchmany(size)]

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *_: object) -> None:
        return None  # the rollback closes it, also after an error


def _only_computes(name: str) -> bool:
    return not (
        name in _REFUSED
        or name.startswith(_REFUSED_PREFIXES)
        or any(part in name for part in _REFUSED_PARTS)
    )


def connect(options: Mapping[str, Any], max_memory_bytes: int) -> PostgreSQL:
    """Open the connection with the driver's own options."""
    given = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "txt2sql", **options}
    connection = psycopg.connect(**given, autocommit=True, prepare_threshold=None)
    return PostgreSQL(connection)
