"""A session with a DuckDB file: opened read-only, cut off from every other file and from the network.

DuckDB runs inside this process, so the process is the wall: its memory is limited by the engine and
by the kernel, no file may grow, and a statement that ignores its interrupt ends with the process. The
configuration is locked once it stands. Functions may be called that the catalogue has as consistent
and without side effects; of table functions only those that make rows out of nothing.
Source: duckdb.org/docs (operations_manual/securing_duckdb).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import duckdb

from txt2sql.execution.engines.process import Caps, Result, Rows
from txt2sql.execution.guard import Rules

ERRORS = (duckdb.Error, OSError)

_SETTINGS = {
    "enable_external_access": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": "2",
}
_ROWS_OF_NOTHING = {"range", "generate_series", "unnest"}
# Another value at each call, or at each day, and nothing else.
_CLOCK = set(
    "random now today current_date get_current_time get_current_timestamp transaction_timestamp "
    "uuid gen_random_uuid".split()
)
_REFUSED_PREFIXES = ("pg_", "duckdb_", "current_", "has_", "json_execute", "which_", "txid_")
_FUNCTIONS = """
SELECT function_name FROM duckdb_functions() WHERE internal GROUP BY function_name HAVING bool_and(
function_type = 'macro' OR function_type IN ('scalar', 'aggregate', 'window')
AND stability = 'CONSISTENT' AND NOT has_side_effects)
"""
_OWN = "SELECT function_name FROM duckdb_functions() WHERE NOT internal"
# Those of information_schema are only found through its name.
_RELATIONS = """
SELECT view_name FROM duckdb_views() WHERE internal AND schema_name <> 'information_schema'
"""


class DuckDB:
    """One file and what may be called on it. It is open only while a statement runs: its owner may have
    something to write, which another process that reads would keep it from."""

    def __init__(self, options: Mapping[str, Any], max_memory_bytes: int) -> None:
        memory = f"{max_memory_bytes // 1_000_000}MB"
        self._path: str = options["path"]
        self._settings: dict[str, Any] = {**_SETTINGS, "memory_limit": memory}
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._late = False
        with self._open():
            pass  # whatever is wrong with the file is said at once

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(self._path, read_only=True, config=self._settings)
        connection.execute("SET enable_progress_bar = false; SET lock_configuration = true")
        return connection

    def rules(self) -> Rules:
        with self._open() as connection:
            functions, own, hidden = (
                frozenset(str(name).lower() for (name,) in connection.execute(sql).fetchall())
                for sql in (_FUNCTIONS, _OWN, _RELATIONS)
            )
        functions = frozenset(n for n in functions if not n.startswith(_REFUSED_PREFIXES))
        return Rules(
            "duckdb",
            functions=functions | _ROWS_OF_NOTHING | _CLOCK,
            own=own,
            hidden=hidden | {"information_schema", "pg_catalog"},
        )

    def run(self, sql: str, caps: Caps) -> Result:
        """Run the statement under a timer that interrupts it."""
        self._late = False
        timer = threading.Timer(caps.timeout_s, self._interrupt)
        try:
            with self._open() as self._connection:
                timer.start()
                self._connection.execute("BEGIN TRANSACTION READ ONLY")
                return Rows(self._connection.execute(sql)).read(caps)
        finally:
            timer.cancel()
            self._connection = None

    def _interrupt(self) -> None:
        self._late = True
        self.cancel()

    def explain(self, problem: Exception) -> tuple[str, str]:
        # What follows the first line quotes the statement.
        text = str(problem).strip().partition("\n")[0] or type(problem).__name__
        if self._late:
            return text, "late"
        if isinstance(problem, duckdb.OutOfMemoryException) or "allocat" in text.lower():
            return text, "memory"
        writes = isinstance(problem, duckdb.PermissionException) or "read-only" in text.lower()
        return text, "writes" if writes else ""

    def cancel(self) -> None:
        if self._connection is not None:
            self._connection.interrupt()


connect = DuckDB
