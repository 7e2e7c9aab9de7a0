"""What judging need not do twice: gold results and verdicts, in one SQLite file of the user's cache.

Keys are hashes of everything a value depends on (the database's content, the statements, the mode,
this package's own code), so an entry is either right or never found. The cache is a convenience: when
its file cannot be used, everything is judged anew.

>>> with open_cache(cache_dir()) as cache:  # doctest: +SKIP
...     found = cache.verdicts(keys)
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import txt2sql

# Functions of sandbox.py's list of volatile ones; a column of such a name costs only time.
_VOLATILE = re.compile(
    r"random|current_|\bnow\b|\b(?:date|time|datetime|julianday|strftime|unixepoch|timediff)\s*\("
    r"|changes|last_insert",
    re.IGNORECASE,
)
_FILE = "judged.sqlite"
_MAX_FILE_BYTES = 500_000_000
_ASKED_AT_ONCE = 500
_TABLES = (
    "verdict (key BLOB PRIMARY KEY, value BLOB)",
    "gold (database BLOB, sql TEXT, value BLOB, PRIMARY KEY (database, sql))",
)


def lasts(*statements: str) -> bool:
    """Whether statements give the same each time: none asks for chance, time or the connection."""
    return not any(map(_VOLATILE.search, statements))


def key(*parts: str) -> bytes:
    """The hash of some texts."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        text = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d " % len(text))
        digest.update(text)
    return digest.digest()


@cache
def judge_hash() -> str:
    """The hash of the code that makes verdicts."""
    package = Path(txt2sql.__file__).parent
    digest = hashlib.sha256(sqlite3.sqlite_version.encode())
    for room in ("evaluation", "execution", "sql"):
        for path in sorted((package / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class JudgeCache:
    """Two tables: verdicts by key, and gold results by database and statement."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection

    def verdicts(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those of the verdicts that are there."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            asked = keys[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(asked))
            found.update(
                self._rows(f"SELECT key, value FROM verdict WHERE key IN ({marks})", asked)
            )
        return found

    def gold(self, database: bytes) -> dict[str, bytes]:
        """Statement -> result, for one database."""
        return dict(self._rows("SELECT sql, value FROM gold WHERE database = ?", (database,)))

    def keep(
        self,
        verdicts: Iterable[tuple[bytes, bytes]],
        gold: Iterable[tuple[bytes, str, bytes]],
    ) -> None:
        """Add to both tables; a cache that cannot be written stays as it was."""
        if self._connection is None:
            return
        try:
            with self._connection:
                self._connection.executemany(
                    "INSERT OR IGNORE INTO verdict VALUES (?, ?)", verdicts
                )
                self._connection.executemany("INSERT OR IGNORE INTO gold VALUES (?, ?, ?)", gold)
        except (sqlite3.Error, UnicodeError):
            return

    def _rows(self, sql: str, values: Sequence[object]) -> list[Any]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(sql, values).fetchall()
        except (sqlite3.Error, UnicodeError):
            return []


@contextmanager
def open_cache(folder: Path | None) -> Iterator[JudgeCache]:
    """The cache in `folder`; one that keeps nothing without it or where it cannot be used."""
    connection = None
    if folder is not None:  # the second attempt makes anew what the first found damaged
        connection = _connect(folder / _FILE) or _connect(folder / _FILE)
    try:
        yield JudgeCache(connection)
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
        for table in _TABLES:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} WITHOUT ROWID")
        return connection
    except sqlite3.DatabaseError as problem:
        connection.close()
        if "not a database" in str(problem) or "malformed" in str(problem):
            path.unlink(missing_ok=True)
        return None
