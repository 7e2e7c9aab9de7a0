"""A session with PostgreSQL: every statement in a read-only transaction of its own, and rolled back.

The server stops a statement at the deadline (`statement_timeout`), waits for no lock, and notices
when this process dies (`client_connection_check_interval`). Rows come through a server-side cursor,
a few at a time, so that a result is cut off at the server and not after it has crossed the network.
What a read-only transaction still allows is kept out by name: functions may be called that the
catalogue has as immutable or stable and that are not listed here as telling or doing more.
Source: postgresql.org/docs/current (sql-set-transaction, runtime-config-client, xfunc-volatility).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.string import TextLoader

from txt2sql.execution.engines.process import CONNECT_TIMEOUT_S, Caps, Lost, Result, Rows
from txt2sql.execution.guard import Rules

ERRORS = (psycopg.Error, OSError)

# Python's dates cannot hold what PostgreSQL's can (infinity, years BC): its own text can.
_AS_TEXT = "date time timetz timestamp timestamptz interval json jsonb".split()
# Volatile only because each call gives another value.
_HARMLESS = frozenset("random clock_timestamp timeofday gen_random_uuid".split())
# Stable or immutable, and yet about the server, or running SQL that is given as text, or the means
# to fill a server's memory in one call.
_REFUSED = frozenset(
    "array_fill current_setting repeat format inet_client_addr inet_client_port "
    "inet_server_addr inet_server_port ts_stat ts_rewrite version ts_debug xpath_table "
    "generate_subscripts format_type".split()
)
_REGISTERED = tuple(
    "regclass regcollation regconfig regdictionary regnamespace regoper regproc regrole regtype".split()
)
"""Types whose values are the names of everything in the catalogue; what begins so is one, or is about one."""
_REFUSED_PREFIXES = (
    *("pg_", "lo_", "txid_", "binary_upgrade", "has_", "brin", "gin_", "ts_token", "to_reg", "acl"),
    *_REGISTERED,
)
_REFUSED_PARTS = ("_to_xml", "_xmlschema", "snapshot", "recv", "large", "_description", "aclitem")
_TYPES = """
SELECT typname FROM pg_catalog.pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
AND (typname LIKE 'reg%' OR typname LIKE '\\_reg%' OR typname LIKE '%aclitem')
"""
_GROWING = frozenset({"replace", "regexp_replace"})
_FUNCTIONS = """
SELECT proname FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
AND oid < 16384
GROUP BY proname HAVING bool_and(provolatile IN ('i', 's') AND prokind IN ('f', 'a', 'w'))
"""
# What an extension brings was chosen by who may install one.
_OWN = """
{0}.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend
WHERE classid = '{0}'::regclass AND objid = {0}.oid AND deptype = 'e')
"""
_OWN_FUNCTIONS = f"SELECT DISTINCT proname FROM pg_catalog.pg_proc WHERE {_OWN.format('pg_proc')}"
# `row.function`: of one argument that may be a row, unless the row has a column of that name.
_ATTRIBUTES = """
SELECT DISTINCT proname FROM pg_catalog.pg_proc
JOIN pg_catalog.pg_type ON proargtypes[0] = pg_type.oid
WHERE pg_proc.oid >= 16384 AND pronargs - pronargdefaults <= 1 AND typtype IN ('c', 'p')
AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = typrelid AND attname = proname)
"""
# Those of a base type of one's own are as that type is: only a superuser could make it.
_OPERATORS = f"""
SELECT DISTINCT oprname FROM pg_catalog.pg_operator WHERE {_OWN.format("pg_operator")} AND NOT (
oprname IN (SELECT oprname FROM pg_catalog.pg_operator WHERE oid < 16384) AND EXISTS (
SELECT FROM pg_catalog.pg_type WHERE pg_type.oid IN (oprleft, oprright) AND pg_type.oid >= 16384
AND typtype = 'b' AND typelem = 0))
"""
_CASTS = f"""
SELECT DISTINCT typname FROM pg_catalog.pg_cast JOIN pg_catalog.pg_type ON casttarget = pg_type.oid
WHERE castfunc <> 0 AND {_OWN.format("pg_cast")}
UNION SELECT typname FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_type ON contypid = pg_type.oid
JOIN pg_catalog.pg_depend ON classid = 'pg_constraint'::regclass AND objid = pg_constraint.oid
WHERE refclassid = 'pg_proc'::regclass AND refobjid >= 16384
"""
_RELATIONS = """
SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'pg_catalog'::regnamespace
OR relname LIKE 'pg\\_%'
"""
_SETTINGS = (
    "SET LOCAL lock_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; "
    "SET LOCAL standard_conforming_strings = on; SET LOCAL DateStyle = 'ISO, YMD'; "
    "SET LOCAL IntervalStyle = 'postgres'; SET LOCAL default_transaction_read_only = on"
)
_CANCELLED = "57014"
_KINDS = {"53200": "memory", "25006": "writes", "42501": "right"}
"""By the SQLSTATE of the server's error."""


class PostgreSQL:
    """One connection and what may be called through it."""

    def __init__(self, options: Mapping[str, Any], max_memory_bytes: int) -> None:
        given = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "txt2sql", **options}
        given |= {"client_encoding": "utf8", "autocommit": True, "prepare_threshold": None}
        self._connection = psycopg.connect(**given)
        self._stopping = False
        self._deadline = 0.0
        for name in _AS_TEXT:
            self._connection.adapters.register_loader(name, TextLoader)
        self._version = self._connection.info.server_version

    def rules(self) -> Rules:
        functions = {
            name
            for name in self._names(_FUNCTIONS) - _REFUSED
            if not name.startswith(_REFUSED_PREFIXES)
            if not any(part in name for part in _REFUSED_PARTS)
        }
        return Rules(
            "postgres",
            functions=_HARMLESS | functions,
            own=self._names(_OWN_FUNCTIONS),
            attributes=self._names(_ATTRIBUTES),
            operators=self._names(_OPERATORS),
            casts=self._names(_CASTS),
            hidden=self._names(_RELATIONS)
            | self._names(_TYPES)
            | {"information_schema", "pg_toast"},
            schema="pg_catalog",
            growing=_GROWING,
            literals="postgres 16" if self._version >= 160_000 else "",
        )

    def _names(self, sql: str) -> frozenset[str]:
        return frozenset(str(name).lower() for (name,) in self._connection.execute(sql.encode()))

    def run(self, sql: str, caps: Caps) -> Result:
        """Declare a cursor for the statement, fetch what the caps allow, roll back."""
        self._stopping, self._deadline = False, time.perf_counter() + caps.timeout_s
        check = (
            "SET LOCAL client_connection_check_interval = '1s'; "
            if self._version >= 140_000
            else ""
        )
        try:
            self._connection.execute(
                f"BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; {check}{_SETTINGS}; "
                + self._timeout()
            )
        except psycopg.OperationalError as problem:
            raise Lost(str(problem)) from problem
        try:
            cursor = self._connection.cursor(name="rows", scrollable=False)
            cursor.execute(sql.encode())  # bytes: no text is a template
            # The server counts each FETCH anew: only what is left of the time is its limit.
            return Rows(cursor, lambda: self._connection.execute(self._timeout())).read(caps)
        finally:
            if not self._connection.closed:
                self._connection.execute("ROLLBACK")

    def _timeout(self) -> str:
        left_ms = max(1, int(1000 * (self._deadline - time.perf_counter())))
        return f"SET LOCAL statement_timeout = {left_ms}"

    def explain(self, problem: Exception) -> tuple[str, str]:
        if not isinstance(problem, psycopg.Error):
            return " ".join(str(problem).split()) or type(problem).__name__, ""
        if problem.sqlstate == _CANCELLED:
            return "interrupted", "" if self._stopping else "late"
        text = problem.diag.message_primary or str(problem).partition("\n")[0]
        kind = _KINDS.get(problem.sqlstate or "", "memory" if "out of memory" in text else "")
        hint = problem.diag.message_hint
        return (f"{text} ({hint})" if hint and not kind else text), kind

    def cancel(self) -> None:
        """Over a connection of its own, as the protocol has it."""
        self._stopping = True
        self._connection.cancel_safe(timeout=2.0)


connect = PostgreSQL
