"""The process that talks to one database of another engine than SQLite, for one statement at a time.

It is a worker of the pool: a crash of a driver, a row of a gigabyte or a server that never answers
costs this process and nothing else. The server is asked to keep the deadline itself; a kill timer
ends this process when it does not. SIGTERM has the server stop what it runs.

Requests are (options, sql, timeout_s, max_rows, max_result_bytes, max_cell_bytes, trusted); a
statement of ours is `trusted` and sent as it is, everything else has to pass `guard.check`.

>>> cell(decimal.Decimal("12.50")), cell(datetime.datetime(2024, 5, 1, 12, 30))
(12.5, '2024-05-01 12:30:00')
"""

from __future__ import annotations

import datetime
import decimal
import json
import os
import signal
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from txt2sql.execution import sandbox
from txt2sql.execution.guard import Rules, check
from txt2sql.execution.sandbox import Answer
from txt2sql.types import Cell

CONNECT_TIMEOUT_S = 10
_RESERVED_BYTES = 512_000_000
_RULES_AGE_S = 60.0
"""How long what may be called is believed: someone may create a function meanwhile."""


class Caps(NamedTuple):
    """What one statement may use; see Limits."""

    timeout_s: float
    max_rows: int
    max_result_bytes: int
    max_cell_bytes: int


Result = tuple[tuple[str, ...], list[bytes], bool]
"""Columns, marshalled chunks of rows and whether there was more."""


class Lost(Exception):
    """There is no connection, or it went away before the statement was sent: another may work."""


class Session(Protocol):
    """One connection, made by `connect(options, max_memory_bytes)` of its engine's module. `explain` gives what
    the engine says of an exception, and a kind of SENTENCES, "late" where the deadline passed, or ""."""

    def rules(self) -> Rules: ...

    def run(self, sql: str, caps: Caps) -> Result: ...  # Lost: the server has gone meanwhile

    def explain(self, problem: Exception) -> tuple[str, str]: ...

    def cancel(self) -> None: ...  # called from a signal handler


class Rows:
    """A driver's cursor as `sandbox.fetch` reads one. `before` is called before a further fetch."""

    def __init__(self, cursor: Any, before: Any = None) -> None:
        self._cursor, self._before, self._fetched = cursor, before, False
        self.columns = tuple(str(entry[0]) for entry in cursor.description or ())

    def fetchmany(self, size: int) -> list[tuple[Cell, ...]]:
        if self._fetched and self._before is not None:
            self._before()
        self._fetched = True
        return [
            row if _AS_IT_IS.issuperset(map(type, row)) else tuple(map(cell, row))
            for row in self._cursor.fetchmany(size)
        ]

    def read(self, caps: Caps) -> Result:
        """What the caps allow."""
        chunks: list[bytes] = []
        truncated = sandbox.fetch(self, chunks, *caps[1:])
        return self.columns, chunks, truncated


SENTENCES = {
    "memory": "out of memory: {}",
    "writes": "refused: the statement does more than read ({})",
    "right": "refused: the role has no right to this ({})",
}
"""What is said of an error of the engine, by its kind."""


def serve(engine: str, max_memory_bytes: int) -> None:
    """Answer requests until standard input closes."""
    requests, answers = sandbox.channel()
    module = import_module(f"txt2sql.execution.engines.{engine}")
    # The limit is on addresses, of which a driver reserves more than it uses.
    sandbox.limit_process(max_memory_bytes + _RESERVED_BYTES)
    process = _Process(module, max_memory_bytes)
    signal.signal(signal.SIGTERM, process.on_term)
    while True:
        try:
            options, sql, *caps, trusted = sandbox.receive(requests)
        except EOFError:
            os._exit(0)  # nothing is left to be done, and a thread of a driver may hang
        sandbox.send(answers, tuple(process.answer(options, sql, Caps(*caps), trusted)))


class _Process:
    """The session, and what is known of the statement that it runs."""

    def __init__(self, module: Any, max_memory_bytes: int) -> None:
        self._module, self._max_memory_bytes = module, max_memory_bytes
        self._session: Session | None = None
        self._rules: tuple[float, Rules] | None = None
        self._running = False

    def on_term(self, *_: object) -> None:
        """Stop the statement; between statements there is nothing to stop."""
        if self._running and self._session is not None:
            self._session.cancel()

    def answer(self, options: Mapping[str, Any], sql: str, caps: Caps, trusted: bool) -> Answer:
        """Connect where needed, check, run; every failure is in the answer."""
        try:
            fresh = self._session is None
            session = self._session or self._connect(options)
            if not trusted:
                sandbox.arm(2 * CONNECT_TIMEOUT_S)
                try:
                    rules = self._current_rules(session)
                except self._module.ERRORS:
                    session, fresh = self._connect(options), True
                    rules = self._current_rules(session)
                sql, error = check(sql, rules)
                if error is not None:
                    return _failed(error)
            return self._run(session, sql, caps, options, fresh)
        except Lost as problem:
            self._session = None
            return _failed(str(problem))
        finally:
            sandbox.arm(0)

    def _connect(self, options: Mapping[str, Any]) -> Session:
        sandbox.arm(2 * CONNECT_TIMEOUT_S)
        self._rules = None
        try:
            self._session = self._module.connect(options, self._max_memory_bytes)
        except self._module.ERRORS as problem:
            raise Lost(" ".join(str(problem).split()) or type(problem).__name__) from problem
        return self._session

    def _current_rules(self, session: Session) -> Rules:
        now = time.monotonic()
        if self._rules is None or now - self._rules[0] > _RULES_AGE_S:
            self._rules = now, session.rules()
        return self._rules[1]

    def _run(
        self, session: Session, sql: str, caps: Caps, options: Mapping[str, Any], fresh: bool
    ) -> Answer:
        start = time.perf_counter()
        sandbox.arm(caps.timeout_s + sandbox.GRACE_S)
        self._running = True
        try:
            columns, chunks, truncated = session.run(sql, caps)
            seconds = time.perf_counter() - start
            return Answer(columns, chunks, truncated, None, False, seconds)
        except Lost:
            if fresh:
                raise
            self._running = False
            return self._run(self._connect(options), sql, caps, options, True)
        except MemoryError:
            return _failed("out of memory: the statement needs more than the memory limit")
        except Exception as problem:
            text, kind = session.explain(problem)
            sentence = SENTENCES.get(kind, "{}").format(text)
            if kind == "late":
                sentence = f"stopped after {caps.timeout_s:g} s"
            return _failed(sentence, kind == "late", time.perf_counter() - start)
        finally:
            self._running = False


def _failed(error: str, timed_out: bool = False, seconds: float = 0.0) -> Answer:
    return Answer((), [], False, error, timed_out, seconds)


# ------------------------------------------------------------------------------------------ cells

_AS_IT_IS = frozenset({int, float, str, bytes, type(None)})


def cell(value: Any) -> Cell:
    """What a driver gives as a cell of SQLite: an exact number becomes a float where it has a decimal point,
    a date or time its ISO text, a list, a structure or JSON its JSON text."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return int(value)
    if kind is decimal.Decimal:
        exponent = value.as_tuple().exponent
        return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):  # [-]HH:MM:SS[.ffffff], hours beyond a day included
        total = abs(value)
        hours, rest = divmod(total.days * 86_400 + total.seconds, 3600)
        part = f".{total.microseconds:06}" if total.microseconds else ""
        sign = "-" if value < datetime.timedelta(0) else ""
        return f"{sign}{hours:02}:{rest // 60:02}:{rest % 60:02}{part}"
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (list, tuple, dict, set)):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    plain = cell(value)
    return plain.hex() if isinstance(plain, bytes) else plain
