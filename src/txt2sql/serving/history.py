"""What was asked of one database, and what people said of the answers: a SQLite file of our own.

Rows are never stored: an answer that is opened again runs its statement again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from txt2sql.runs import cache_dir

MOST_ANSWERS = 1000
"""The oldest answers beyond so many are forgotten, but for those that somebody judged or named."""

_FORMAT = 1
_OPEN = f"""
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS answer (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, asked_at TEXT NOT NULL, question TEXT,
    sql TEXT, rows INTEGER NOT NULL, error TEXT, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS feedback (
    id TEXT PRIMARY KEY REFERENCES answer (id) ON DELETE CASCADE, good INTEGER NOT NULL, sql TEXT,
    given_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS name (
    id TEXT PRIMARY KEY REFERENCES answer (id) ON DELETE CASCADE, name TEXT NOT NULL
);
PRAGMA user_version = {_FORMAT};
"""
_ADD = """
INSERT OR REPLACE INTO answer (id, asked_at, question, sql, error, rows, payload)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_FORGET = """
DELETE FROM answer WHERE number <= (SELECT max(number) FROM answer) - ?
AND id NOT IN (SELECT id FROM feedback) AND id NOT IN (SELECT id FROM name)
"""
_LIST = """
SELECT good, feedback.sql, answer.id, name, asked_at, question, answer.sql, rows, error FROM answer
LEFT JOIN feedback USING (id) LEFT JOIN name USING (id)
WHERE ? = '' OR instr(folded(name, question, answer.sql), ?)
ORDER BY number DESC LIMIT ?
"""
_LISTED = ("id", "name", "asked_at", "question", "sql", "rows", "error")
_PAIRS = """
SELECT question, coalesce(feedback.sql, answer.sql) FROM feedback JOIN answer USING (id)
WHERE question IS NOT NULL AND (good OR feedback.sql IS NOT NULL)
AND coalesce(feedback.sql, answer.sql) IS NOT NULL ORDER BY number
"""


def place(database: str) -> Path:
    """The file of a database's history, by where the database is (without what is secret)."""
    name = hashlib.sha256(database.encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return cache_dir() / "answers" / f"{name}.sqlite"


class History:
    """Answers without their rows, newest first; thread-safe. `notice` says what could not be kept."""

    def __init__(self, path: Path | None) -> None:
        self.path, self._lock, self.notice = path, threading.Lock(), ""
        try:
            try:
                self._open()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as problem:  # no database, or of another version
                aside = self._set_aside()
                self.notice = f"the history was damaged ({problem}); it is set aside as '{aside}'"
                self._open()
        except (OSError, sqlite3.Error) as problem:
            # A full or read-only disk is no reason not to answer.
            self.notice = (
                f"the history in '{path}' cannot be kept ({problem}); it ends with this service"
            )
            self.path = None
            self._open()

    def _open(self) -> None:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(self.path or ":memory:", check_same_thread=False)
        try:
            self._connection.create_function("folded", -1, _folded)
            if self._one("PRAGMA user_version") not in (0, _FORMAT):
                raise sqlite3.DatabaseError("it was written by another version")
            if (problem := self._one("PRAGMA quick_check(1)")) != "ok":
                raise sqlite3.DatabaseError(str(problem))
            self._connection.executescript(_OPEN)
        except sqlite3.Error:
            self._connection.close()
            raise

    def _set_aside(self) -> Path:
        assert self.path is not None
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        return self.path.rename(aside)

    def _one(self, sql: str, *values: Any) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return row[0] if row else None

    def add(self, id: str, payload: Mapping[str, Any], rows: int) -> None:
        """Keep an answer's payload (rows left out), and forget what is too old."""
        stored = {key: value for key, value in payload.items() if key != "rows"}
        body = zlib.compress(json.dumps(stored, ensure_ascii=False).encode("utf-8", "replace"))
        texts = [_text(stored[key]) for key in ("question", "sql", "error")]
        with self._lock, self._connection:
            self._connection.execute(_ADD, (id, _now(), *texts, rows, body))
            self._connection.execute(_FORGET, (MOST_ANSWERS,))

    def get(self, id: str) -> dict[str, Any] | None:
        """The payload of an answer, without rows."""
        with self._lock:
            body = self._one("SELECT payload FROM answer WHERE id = ?", id)
        return dict(json.loads(zlib.decompress(body))) if body else None

    def latest(self, limit: int, search: str = "") -> list[dict[str, Any]]:
        """The newest answers, each in a few words; with `search` those whose words hold it."""
        wanted = _folded(search.strip())
        with self._lock:
            rows = self._connection.execute(_LIST, (wanted, wanted, limit)).fetchall()
        return [
            {
                **dict(zip(_LISTED, listed)),
                "feedback": None if good is None else {"good": bool(good), "sql": corrected},
            }
            for good, corrected, *listed in rows
        ]

    def rename(self, id: str, name: str) -> bool:
        """Give an answer a name, "" for none; False for no such answer."""
        if name.strip():
            return self._say(id, "INSERT OR REPLACE INTO name VALUES (?, ?)", _text(name.strip()))
        return self._say(id, "DELETE FROM name WHERE id = ?")

    def judge(self, id: str, good: bool, sql: str | None = None) -> bool:
        """Somebody says whether an answer is right, or what would be; False for no such answer."""
        statement = "INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?)"
        return self._say(id, statement, good, _text(sql), _now())

    def _say(self, id: str, statement: str, *values: Any) -> bool:
        with self._lock, self._connection:
            exists = self._one("SELECT 1 FROM answer WHERE id = ?", id) is not None
            if exists:
                self._connection.execute(statement, (id, *values))
        return exists

    def clear(self) -> None:
        """Forget everything, what people said of it too, and leave nothing of it in the file."""
        with self._lock:
            with self._connection:
                self._connection.execute("DELETE FROM answer")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def pairs(self) -> list[tuple[str, str]]:
        """Questions with the SQL that somebody accepted or corrected, oldest first."""
        with self._lock:
            return self._connection.execute(_PAIRS).fetchall()

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _folded(*texts: str | None) -> str:
    """Texts as they are searched: without regard to case, one on each line."""
    return "\n".join(text.casefold() for text in texts if text)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _text(value: Any) -> Any:
    """Half a surrogate pair, which JSON can carry, cannot be stored as UTF-8."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
