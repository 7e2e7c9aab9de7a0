"""What hosted models answered and what it cost: a response cache and a ledger in one SQLite file.

A response and its cost are stored in one transaction, so after a kill at any moment both are there or
neither. Money is reserved before a request is sent (the most that it can cost) and settled when its
fate is known; a reservation that a killed process left behind stays spent, because nobody can tell
what the provider made of it. The sum of an account so never passes its limit, whatever happens.

>>> responses = Responses(Path("/tmp/doctest/responses.sqlite"))  # doctest: +SKIP
>>> ticket = responses.reserve("a run", 0.01, limit=1.0)  # doctest: +SKIP
>>> responses.store(request_key({}), Response("SELECT 1", 11, 3, 0.4), ticket, 0.0002)  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from txt2sql.errors import ConfigError

FILE = "responses.sqlite"
_ROUNDING = 1e-9
"""Dollars: what adding up floats may be off by."""
_TABLES = (
    "response (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "spending (id INTEGER PRIMARY KEY, account TEXT NOT NULL, reserved REAL NOT NULL, spent REAL)",
)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as it came: text, tokens as billed, seconds of the request that succeeded.

    `finish` is why it ended (stop, length, content_filter); `model` is what the server says it is.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    finish: str = "stop"
    model: str = ""
    at: float = 0.0
    """Seconds since 1970."""


def request_key(request: Mapping[str, Any]) -> str:
    """The key of everything that an answer depends on."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Responses:
    """The file, shared by the threads of one process and by processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=60.0, isolation_level=None, check_same_thread=False
            )
            # A write-ahead log keeps every commit through a kill of the process without an fsync.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            for table in _TABLES:
                self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"cannot keep responses in '{path}': {error}; set TXT2SQL_CACHE to a folder that "
                "can be written"
            ) from None

    def find(self, key: str) -> Response | None:
        """The response of a request, where it was answered before."""
        with self._lock:
            row = self._connection.execute(
                "SELECT value FROM response WHERE key = ?", (key,)
            ).fetchone()
        return Response(**json.loads(row[0])) if row else None

    def store(self, key: str, response: Response, ticket: int, spent: float) -> None:
        """Store a response and settle its reservation, both or neither."""
        value = json.dumps({**asdict(response), "at": response.at or time.time()})
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO response VALUES (?, ?)", (key, value))
            connection.execute("UPDATE spending SET spent = ? WHERE id = ?", (spent, ticket))

    def reserve(self, account: str, dollars: float, limit: float | None) -> int | None:
        """A ticket for a request that costs at most `dollars`; None where that could pass the limit."""
        with self._transaction() as connection:
            if limit is not None and self._sum(account) + dollars > limit + _ROUNDING:
                return None
            cursor = connection.execute(
                "INSERT INTO spending (account, reserved) VALUES (?, ?)", (account, dollars)
            )
        return cursor.lastrowid

    def settle(self, ticket: int, spent: float | None) -> None:
        """What a request without a usable response cost; None keeps the whole reservation."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE spending SET spent = coalesce(?, reserved) WHERE id = ?", (spent, ticket)
            )

    def spent(self, account: str) -> float:
        """Dollars of an account so far, reservations that were never settled included."""
        with self._lock:
            return self._sum(account)

    def _sum(self, account: str) -> float:
        row = self._connection.execute(
            "SELECT total(coalesce(spent, reserved)) FROM spending WHERE account = ?", (account,)
        ).fetchone()
        return float(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
