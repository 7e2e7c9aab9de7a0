"""execute(database, sql, limits) -> QueryResult: one reading statement, stopped in time.

Most statements of a text-to-SQL system finish within a few milliseconds, and a few would run for
ever or fill the machine. Each runs in a process of the pool that a timer kills (pool.py, sandbox.py),
or here, where this process is a sandbox itself.
"""

from __future__ import annotations

from txt2sql.execution import pool, remote
from txt2sql.execution.database import Database
from txt2sql.execution.guard import check_read_only, without_end
from txt2sql.execution.pool import DEFAULT_LIMITS, Limits
from txt2sql.execution.remote import UrlDatabase
from txt2sql.execution.sandbox import identity
from txt2sql.types import QueryResult

__all__ = ["DEFAULT_LIMITS", "Limits", "execute", "interrupt"]

interrupt = pool.interrupt


def execute(
    database: Database | UrlDatabase, sql: str, limits: Limits = DEFAULT_LIMITS
) -> QueryResult:
    """Run one statement that reads. Every failure of it is `error`; thread-safe."""
    if isinstance(database, UrlDatabase):
        return remote.run(database, sql, limits)
    reason = check_read_only(sql)
    if reason is not None:
        return QueryResult(error=reason)
    path = str(database.path.absolute())
    try:
        mark = identity(path)
    except OSError as problem:
        return QueryResult(error=f"cannot open the database: {problem}")
    answer = pool.run_sqlite(path, mark, without_end(sql), limits)
    return QueryResult(answer.columns, tuple(answer.rows()), *answer[2:])
