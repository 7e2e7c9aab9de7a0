"""What hosted models answered and what it cost: a response cache and a ledger in one SQLite file.

A response and its cost are stored in one transaction, so after a kill at any moment both are there or
neither. Money is reserved before a request is sent (the most that it can cost) and settled when its
fate is known; a reservation that a killed process left behind stays spent, because nobody can tell
what the provider made of it. The sum of an account so never passes its limit, whatever happens.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from txt2sql.errors import ConfigError
from txt2sql.types import Completion

FILE = "responses.sqlite"
_ROUNDING = 1e-9
"""Dollars: what adding up floats may be off by."""
_SPENT = "SELECT total(coalesce(spent, reserved)) FROM spending WHERE account = ?1"
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

    @property
    def completion(self) -> Completion:
        """What was generated."""
        return Completion(self.text, (), self.prompt_tokens, self.completion_tokens)


def request_key(request: Mapping[str, Any]) -> str:
    """The key of everything that an answer depends on."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Responses:
    """The file, shared by the threads of one process and by processes."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=60.0, isolation_level="IMMEDIATE", check_same_thread=False
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

    def reserve(self, account: str, dollars: float, limit: float | None) -> int | None:
        """A ticket for a request that costs at most `dollars`; None where that could pass the limit."""
        with self._lock, self._connection as connection:
            made = connection.execute(  # one statement: no other process comes in between
                f"INSERT INTO spending (account, reserved) SELECT ?1, ?2 "
                f"WHERE ?3 IS NULL OR ({_SPENT}) + ?2 <= ?3 + {_ROUNDING}",
                (account, dollars, limit),
            )
            return made.lastrowid if made.rowcount else None

    def settle(
        self, ticket: int, spent: float | None, key: str = "", response: Response | None = None
    ) -> None:
        """What a request cost (None: all that was reserved), and its response, both or neither."""
        with self._lock, self._connection as connection:
            if response is not None:
                value = json.dumps(asdict(response))
                connection.execute("INSERT OR REPLACE INTO response VALUES (?, ?)", (key, value))
            connection.execute(
                "UPDATE spending SET spent = coalesce(?, reserved) WHERE id = ?", (spent, ticket)
            )

    def spent(self, account: str) -> float:
        """Dollars of an account so far, reservations that were never settled included."""
        with self._lock:
            return float(self._connection.execute(_SPENT, (account,)).fetchone()[0])
