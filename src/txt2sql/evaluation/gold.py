"""Gold results: each gold statement runs once per database, whatever the number of predictions.

They outlast a run in one SQLite file of the user's cache, under the hash of the database's content. A
cache is a convenience: where its file cannot be used, every gold statement runs again.

>>> GoldResults(LIMITS).result(database, "SELECT 1").rows  # doctest: +SKIP
((1,),)
"""

from __future__ import annotations

import hashlib
import marshal
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from txt2sql.evaluation.mode import judge_version
from txt2sql.evaluation.provenance import file_hash
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.types import QueryResult

Key = tuple[str, str]
"""(path of the database, statement)."""

# Functions of sandbox.py's list of volatile ones; a column of such a name costs only time.
_VOLATILE = re.compile(
    r"random|current_|\bnow\b|\b(?:date|time|datetime|julianday|strftime|unixepoch|timediff)\s*\("
    r"|changes|last_insert",
    re.IGNORECASE,
)
_MAX_RESULT_BYTES = 4_000_000
_FILE = "gold.sqlite"
_MAX_FILE_BYTES = 500_000_000
_TABLE = "gold (database BLOB, sql TEXT, value BLOB, PRIMARY KEY (database, sql)) WITHOUT ROWID"


def lasts(*statements: str) -> bool:
    """Whether statements give the same each time: none asks for chance, time or the connection."""
    return not any(map(_VOLATILE.search, statements))


class GoldResults:
    """Results by database and statement; `stored` are those of other processes and earlier runs."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stored: dict[Key, bytes] = {}
        self._results: dict[Key, QueryResult] = {}
        self._fresh: list[Key] = []

    def result(self, database: Database, sql: str) -> QueryResult:
        """The result of one gold statement."""
        key = (str(database.path), sql)
        result = self._results.get(key)
        if result is None:
            blob = self.stored.get(key)
            if blob is None:
                result = execute(database, sql, self.limits)
                self._fresh.append(key)
            else:
                columns, rows = marshal.loads(blob)
                result = QueryResult(columns, rows)
            self._results[key] = result
        return result

    def drain(self) -> dict[Key, bytes]:
        """What ran since the last call, without errors, giants and what another day may change."""
        results = {key: self._results[key] for key in self._fresh if lasts(key[1])}
        self._fresh = []
        blobs = {
            key: marshal.dumps((result.columns, result.rows))
            for key, result in results.items()
            if result.ok and not result.truncated
        }
        return {key: blob for key, blob in blobs.items() if len(blob) <= _MAX_RESULT_BYTES}


class GoldCache:
    """Gold results on disk; one without a connection stores nothing."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection

    def load(self, databases: Iterable[Database], limits: Limits) -> dict[Key, bytes]:
        """The results of these databases, under these limits."""
        results: dict[Key, bytes] = {}
        for path, key in self._keys((database.path for database in databases), limits):
            with suppress(sqlite3.Error, UnicodeError):
                assert self._connection is not None
                select = "SELECT sql, value FROM gold WHERE database = ?"
                rows = self._connection.execute(select, (key,)).fetchall()
                results.update(((str(path), sql), value) for sql, value in rows)
        return results

    def save(self, results: Mapping[Key, bytes], limits: Limits) -> None:
        """Add results; a file that cannot be written stays as it was."""
        keys = {str(path): key for path, key in self._keys((Path(p) for p, _ in results), limits)}
        rows = [(keys[path], sql, blob) for (path, sql), blob in results.items() if path in keys]
        if self._connection is not None and rows:
            with suppress(sqlite3.Error, UnicodeError), self._connection:
                self._connection.executemany("INSERT OR IGNORE INTO gold VALUES (?, ?, ?)", rows)

    def _keys(self, paths: Iterable[Path], limits: Limits) -> Iterator[tuple[Path, bytes]]:
        """Each path with the hash of all that a result depends on besides its statement."""
        for path in dict.fromkeys(paths) if self._connection is not None else ():
            with suppress(OSError):
                # Commits that are not in the file yet are in its log.
                logs = [log for log in [path.with_name(f"{path.name}-wal")] if log.exists()]
                content = [file_hash(file) for file in (path, *logs)]
                parts = repr((judge_version(), content, limits))
                yield path, hashlib.sha256(parts.encode()).digest()


@contextmanager
def open_cache(folder: Path | None) -> Iterator[GoldCache]:
    """The cache in `folder`; one that keeps nothing without it or where it cannot be used."""
    connection = None
    if folder is not None:  # the second attempt makes anew what the first found damaged
        connection = _connect(folder / _FILE) or _connect(folder / _FILE)
    try:
        yield GoldCache(connection)
    finally:
        if connection is not None:
            connection.close()


def _connect(path: Path) -> sqlite3.Connection | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _MAX_FILE_BYTES:
            path.unlink()
        connection = sqlite3.connect(path, timeout=5.0)
    except (OSError, sqlite3.Error):
        return None
    try:
        connection.execute("PRAGMA synchronous = OFF")  # what a crash damages is made anew
        connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE}")
        return connection
    except sqlite3.DatabaseError as problem:
        connection.close()
        if "not a database" in str(problem) or "malformed" in str(problem):
            path.unlink(missing_ok=True)
        return None
