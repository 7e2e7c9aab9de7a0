"""execute(database, sql, limits) -> QueryResult: one reading statement, stopped in time, cached.

Most statements of a text-to-SQL system finish within a few milliseconds, and a few would run for
ever or fill the machine. Each runs in a process of the pool that a timer kills (pool.py, sandbox.py),
or here, where this process is a sandbox itself.

>>> execute(database, "SELECT count(*) FROM sale").rows  # doctest: +SKIP
((3,),)
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
_CACHE_BYTES = 64_000_000
_CACHED_RESULT_BYTES = 1_000_000
# A file written this recently may be written again without a visible change of its time stamp.
_RACY_NS = 100_000_000


def execute(
    database: Database | UrlDatabase, sql: str, limits: Limits = DEFAULT_LIMITS
) -> QueryResult:
    """Run one statement that reads. Every failure of it is `error`; thread-safe.

    The result is cached by the file's identity (inode, time, size), the text and the limits, unless
    the statement calls a function such as random() or date(). Of a database behind a URL, whose
    content may change unseen, nothing is cached.
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
    sizes = (limits.max_rows, limits.max_result_bytes, limits.max_cell_bytes)
    request = (path, mark, sql, limits.timeout_s, *sizes)
    if pool.here is not None:
        answer = pool.here.run(*request)
    else:
        answer = pool.ask(pool.SQLITE, limits.max_memory_bytes, limits.timeout_s, request)
    result = QueryResult(answer.columns, tuple(answer.rows()), *answer[2:6])
    lasting = answer.error is None or answer.error.startswith(_LASTING_ERRORS)
    if settled and lasting and not answer.volatile:
        _results.put(key, result, sum(map(len, answer.chunks)) + len(sql) + 500)
    return result


class _Results:
    """The results of the last statements, bounded by bytes, least recently used first to go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self._entries: OrderedDict[object, tuple[QueryResult, int]] = OrderedDict()

    def get(self, key: object) -> QueryResult | None:
        """The result of `key`, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: object, result: QueryResult, size: int) -> None:
        """Store a result of about `size` bytes; large ones are left out."""
        if size > _CACHED_RESULT_BYTES:
            return
        with self._lock:
            self._bytes += size - self._entries.pop(key, (result, 0))[1]
            self._entries[key] = (result, size)
            while self._bytes > _CACHE_BYTES:
                self._bytes -= self._entries.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Drop everything; also replaces the lock, which a fork may have caught locked."""
        self._lock = threading.Lock()
        self._bytes = 0
        self._entries = OrderedDict()


_results = _Results()


def clear_cache() -> None:
    """Forget every cached result (benchmarks and tests measure the engine with this)."""
    _results.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_results.clear)
