"""execute(database, sql, limits) -> QueryResult: one reading statement, stopped in time, cached.

Most statements of a text-to-SQL system finish within a few milliseconds, and a few would run for
ever or fill the machine. So a plainly shaped statement first gets a slice of 20 ms in this process,
under limits so tight that no opcode, compilation, sort or string can be large. What does not finish
there, or is not plain, runs in a worker process that a timer kills (pool.py, sandbox.py).

>>> execute(database, "SELECT count(*) FROM sale").rows  # doctest: +SKIP
((3,),)
"""

from __future__ import annotations

import atexit
import marshal
import os
import re
import sqlite3
import sys
import threading
import time
from collections import OrderedDict

from txt2sql.execution import pool, remote
from txt2sql.execution.database import Database
from txt2sql.execution.guard import check_read_only, without_end
from txt2sql.execution.limits import DEFAULT_LIMITS, Limits
from txt2sql.execution.remote import UrlDatabase
from txt2sql.execution.sandbox import Answer, Authorizer, connect, identity, run
from txt2sql.types import QueryResult

interrupt = pool.interrupt


# The slice in this process. In 20 ms of opcodes a sorter gathers what it then sorts in about as
# long; with cells of at most 8 kB and patterns of 64 characters no single function takes longer
# than about a millisecond, and 2,000 characters hold fewer than 200 calls of one.
_SLICE_S = 0.02
_SLICE_CELL_BYTES = 8192
_SLICE_PATTERN = 64
_SLICE_CHARS = 2000
# SQLite copies the text of common table expressions, derived tables and views into each place that
# names them, so a short text can take exponential time to compile, out of reach of every limit.
_DERIVED = re.compile(r"(?:from|join|,)\s*\(")
# Linear in their arguments, with small constants, and the same at every run.
_PLAIN_FUNCTIONS = frozenset(
    "count sum avg min max total abs round lower upper length substr substring coalesce ifnull "
    "nullif iif like typeof row_number rank dense_rank sign sqrt ceil floor group_concat".split()
)
# Errors of the statement itself, which a second run elsewhere would only repeat.
_FINAL_ERRORS = ("no such ", "near ", "ambiguous ", "misuse of ", "incomplete input")

_MAX_OPEN = 32
_CACHE_BYTES = 64_000_000
_CACHED_RESULT_BYTES = 1_000_000
# A file written this recently may be written again without a visible change of its time stamp.
_RACY_NS = 100_000_000

_Mark = tuple[int, ...]


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
        sliced = _run_here(path, mark, sql, limits) if settled else None
        if sliced is not None and _unchanged(path, mark):
            answer = sliced
        else:  # too long for here, or a writer came: the worker takes a lock
            answer = pool.ask(pool.SQLITE, limits.max_memory_bytes, limits.timeout_s, request)
    rows = [row for chunk in answer.chunks for row in marshal.loads(chunk)]
    result = QueryResult(
        columns=answer.columns,
        rows=tuple(rows),
        truncated=answer.truncated,
        error=answer.error,
        timed_out=answer.timed_out,
        seconds=answer.seconds,
    )
    # What was too slow, too large or locked out may succeed in a moment.
    lasting = answer.error is None or answer.error.startswith((*_FINAL_ERRORS, "refused"))
    if settled and lasting and not answer.volatile:
        _results.put(key, result, sum(map(len, answer.chunks)) + len(sql) + 500)
    return result


def _unchanged(path: str, mark: _Mark) -> bool:
    try:
        return identity(path) == mark
    except OSError:
        return False


def _flat(sql: str) -> bool:
    """True when nothing in the text can be a derived table or a common table expression."""
    text = sql.lower()
    if "with" in text or "--" in text or "/*" in text:
        return False
    return text.count("select") == 1 or not _DERIVED.search(text)


def _run_here(path: str, mark: _Mark, sql: str, limits: Limits) -> Answer | None:
    """The answer, when the statement is plain and finishes within the slice; else None."""
    if len(sql) > _SLICE_CHARS or limits.timeout_s <= _SLICE_S or not _flat(sql):
        return None
    if limits.max_cell_bytes < _SLICE_CELL_BYTES or sys.version_info < (3, 11):
        return None  # Python 3.10 cannot lower SQLite's limits
    connection = _connections.take(path, mark)
    if connection is None:
        return None
    try:
        answer = run(connection, sql, _SLICE_S, limits.max_rows, limits.max_result_bytes)
    finally:
        _connections.give(path, mark, connection)
    if answer.error is None or answer.error.startswith(_FINAL_ERRORS):
        return answer
    return None


class _Connections:
    """Idle connections of this process by file identity; one is in one thread's hands at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: OrderedDict[tuple[str, _Mark], list[sqlite3.Connection] | None] = OrderedDict()

    def take(self, path: str, mark: _Mark) -> sqlite3.Connection | None:
        """An idle or new connection, or None where the database is not for this process."""
        with self._lock:
            idle = self._idle.get((path, mark), [])
            if idle is None:
                return None
            if idle:
                return idle.pop()
        connection = self._open(path)
        if connection is None:
            self._keep(path, mark, None)
        return connection

    def give(self, path: str, mark: _Mark, connection: sqlite3.Connection) -> None:
        """Put a connection back."""
        self._keep(path, mark, connection)

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            for idle in self._idle.values():
                for connection in idle or ():
                    connection.close()
            self._idle.clear()

    def _keep(self, path: str, mark: _Mark, connection: sqlite3.Connection | None) -> None:
        with self._lock:
            idle = self._idle.setdefault((path, mark), [])
            self._idle.move_to_end((path, mark))
            if connection is None:
                self._idle[path, mark] = None
            elif idle is None or len(idle) >= _MAX_OPEN:
                connection.close()
            else:
                idle.append(connection)
            while len(self._idle) > _MAX_OPEN:
                for old in self._idle.popitem(last=False)[1] or ():
                    old.close()

    def _open(self, path: str) -> sqlite3.Connection | None:
        """None where views or virtual tables could hide a long compilation or run."""
        try:
            connection = connect(path, Authorizer(functions=_PLAIN_FUNCTIONS), _SLICE_CELL_BYTES)
        except (sqlite3.Error, OSError):
            return None  # the worker meets it again, and says why
        hidden = (
            "SELECT 1 FROM sqlite_master WHERE type = 'view' OR type = 'table' AND rootpage = 0"
        )
        if connection.execute(hidden).fetchone():
            connection.close()
            return None
        if sys.version_info >= (3, 11):
            connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _SLICE_PATTERN)
        return connection

    def forget(self) -> None:
        """After a fork: SQLite's connections must be neither used nor closed in the child."""
        self._lock = threading.Lock()
        _inherited.append(self._idle)
        self._idle = OrderedDict()


class _Results:
    """The results of the last statements, bounded by bytes, least recently used first to go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self._kept: OrderedDict[object, tuple[QueryResult, int]] = OrderedDict()

    def get(self, key: object) -> QueryResult | None:
        """The result kept under `key`, or None."""
        with self._lock:
            entry = self._kept.get(key)
            if entry is None:
                return None
            self._kept.move_to_end(key)
            return entry[0]

    def put(self, key: object, result: QueryResult, size: int) -> None:
        """Keep a result of about `size` bytes; large ones are not kept."""
        if size > _CACHED_RESULT_BYTES:
            return
        with self._lock:
            self._bytes += size - self._kept.pop(key, (result, 0))[1]
            self._kept[key] = (result, size)
            while self._bytes > _CACHE_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Drop everything; also replaces the lock, which a fork may have caught locked."""
        self._lock = threading.Lock()
        self._bytes = 0
        self._kept = OrderedDict()


__all__ = ["DEFAULT_LIMITS", "Limits", "clear_cache", "execute", "interrupt"]

_inherited: list[object] = []
_connections = _Connections()
_results = _Results()


def clear_cache() -> None:
    """Forget every cached result (benchmarks and tests measure the engine with this)."""
    _results.clear()


atexit.register(_connections.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_connections.forget)
    os.register_at_fork(after_in_child=_results.clear)
