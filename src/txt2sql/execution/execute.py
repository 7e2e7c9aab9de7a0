"""execute(database, sql, limits) -> QueryResult: one reading statement, stopped in time, cached.

Most statements of a text-to-SQL system finish within a few milliseconds, and a few would run for
ever or fill the machine. Each runs in a process of the pool that a timer kills (pool.py, sandbox.py),
or here, where this process is a sandbox itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict

from txt2sql.execution import pool, remote
from txt2sql.execution.database import Database
from txt2sql.execution.guard import check_read_only, without_end
from txt2sql.execution.pool import DEFAULT_LIMITS, Limits
from txt2sql.execution.remote import UrlDatabase
from txt2sql.execution.sandbox import identity
from txt2sql.types import QueryResult

__all__ = ["DEFAULT_LIMITS", "Limits", "clear_cache", "execute", "interrupt"]

interrupt = pool.interrupt

# Errors of the statement itself, which a second run would only repeat. What was too slow, too large
# or locked out may succeed in a moment.
_LASTING_ERRORS = (
    *("no such ", "near ", "ambiguous ", "misuse of ", "incomplete input", "wrong number of "),
    "refused",
)
_CACHED_RESULTS, _CACHED_RESULT_BYTES = 512, 125_000
# A file written this recently may be written again without a visible change of its time stamp.
_RACY_NS = 100_000_000


def execute(
    database: Database | UrlDatabase, sql: str, limits: Limits = DEFAULT_LIMITS
) -> QueryResult:
    """Run one statement that reads. Every failure of it is `error`; thread-safe.

    Of a file, results are cached by its identity, the text and the limits, unless the statement calls a
    function such as random() or date(). The content of a server may change unseen: nothing is cached.
    """
    if isinstance(database, UrlDatabase):
        return remote.run(database, sql, limits)
    reason = check_read_only(sql)
    if reason is not None:
        return QueryResult(error=reason)
    sql = without_end(sql)
    path = str(database.path.absolute())
    try:
        mark = identity(path)
    except OSError as problem:
        return QueryResult(error=f"cannot open the database: {problem}")
    key = (path, mark, sql, limits)
    cached = _results.get(key)
    if cached is not None:
        return cached
    settled = time.time_ns() - max((mark[1], *mark[3:4])) > _RACY_NS
    answer = pool.run_sqlite(path, mark, sql, limits)
    result = QueryResult(answer.columns, tuple(answer.rows()), *answer[2:6])
    lasting = answer.error is None or answer.error.startswith(_LASTING_ERRORS)
    small = sum(map(len, answer.chunks)) + len(sql) <= _CACHED_RESULT_BYTES
    if settled and lasting and small and not answer.volatile:
        with _lock:
            _results[key] = result
            if len(_results) > _CACHED_RESULTS:
                _results.popitem(last=False)
    return result


_lock = threading.Lock()
_results: OrderedDict[object, QueryResult] = OrderedDict()
"""The results of the last statements, the oldest first."""


def clear_cache() -> None:
    """Forget every cached result (benchmarks and tests measure the engine with this)."""
    global _lock
    _lock = threading.Lock()  # a fork may have caught it locked
    _results.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=clear_cache)
