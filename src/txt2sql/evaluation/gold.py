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
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
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
        blobs = {}
        for key in self._fresh:
            result = self._results[key]
            if lasts(key[1]) and result.ok and not result.truncated:
                blob = marshal.dumps((result.columns, result.rows))
                if len(blob) <= _MAX_RESULT_BYTES:
                    blobs[key] = blob
        self._fresh = []
        return blobs


@contextmanager
def kept_in(
    folder: Path | None, gold: GoldResults, databases: Iterable[Database]
) -> Iterator[None]:
    """Inside, `gold` knows what the cache in `folder` holds of these databases; its new results are
    added at the end. Without a folder, or where it cannot be used, nothing is kept."""
    connection = None
    if folder is not None:  # the second attempt makes anew what the first found damaged
        connection = _connect(folder / _FILE) or _connect(folder / _FILE)
    if connection is None:
        yield
        return
    with closing(connection):
        keys, known = dict(_keys(databases, gold.limits)), set()
        for path, key in keys.items():
            with suppress(sqlite3.Error, UnicodeError):
                select = "SELECT sql, value FROM gold WHERE database = ?"
                for sql, value in connection.execute(select, (key,)).fetchall():
                    gold.stored[path, sql] = value
                    known.add((path, sql))
        yield
        rows = [
            (keys[path], sql, value)
            for (path, sql), value in gold.stored.items()
            if path in keys and (path, sql) not in known
        ]
        with suppress(sqlite3.Error, UnicodeError), connection:
            connection.executemany("INSERT OR IGNORE INTO gold VALUES (?, ?, ?)", rows)


def _keys(databases: Iterable[Database], limits: Limits) -> Iterator[tuple[str, bytes]]:
    """Each path with the hash of all that a result depends on besides its statement."""
    for path in dict.fromkeys(database.path for database in databases):
        with suppress(OSError):
            # Commits that are not in the file yet are in its log.
            logs = [log for log in [path.with_name(f"{path.name}-wal")] if log.exists()]
            content = [file_hash(file) for file in (path, *logs)]
            parts = repr((judge_version(), content, limits))
            yield str(path), hashlib.sha256(parts.encode()).digest()


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
