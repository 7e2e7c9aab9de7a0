"""The process that talks to one database of another engine than SQLite, for one statement at a time.

It is a worker (worker.py): a crash of a driver, a row of a gigabyte or a server that never answers
costs this process and nothing else. The server is asked to keep the deadline itself; a kill timer
ends this process when it does not. SIGTERM has the server stop what it runs.

Requests are (options, sql, timeout_s, max_rows, max_result_bytes, max_cell_bytes, trusted); a
statement of ours is `trusted` and sent as it is, everything else has to pass statement.py.

>>> python -c "...; serve('postgresql', 256_000_000)"  # doctest: +SKIP
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from txt2sql.execution import sandbox
from txt2sql.execution.sandbox import Answer
from txt2sql.execution.statement import Rules, check

CONNECT_TIMEOUT_S = 10
_RESERVED_BYTES = 512_000_000


class Caps(NamedTuple):
    """What one statement may use; see Limits."""

    timeout_s: float
    max_rows: int
    max_result_bytes: int
    max_cell_bytes: int


class Lost(Exception):
    """There is no connection, or it went away before the statement was sent: another may work."""


class Session(Protocol):
    """One connection of one engine, made by `connect(options, max_memory_bytes)` of its module.

    What a driver raises in `run` goes to `explain`: (the sentence, whether the deadline passed).
    """

    rules: Rules

    def run(self, sql: str, caps: Caps) -> tuple[tuple[str, ...], list[bytes], bool]:
        """Columns, marshalled chunks of rows and whether there was more. Raises `Lost` when the
        server has gone meanwhile."""
        ...

    def explain(self, problem: Exception) -> tuple[str, bool]: ...

    def cancel(self) -> None:
        """Have the server stop the statement; called from a signal handler."""
        ...


def serve(engine: str, max_memory_bytes: int) -> None:
    """Answer requests until standard input closes."""
    module = import_module(f"txt2sql.execution.engines.{engine}")
    # The limit is on addresses, of which a driver reserves more than it uses.
    sandbox.limit_process(max_memory_bytes + _RESERVED_BYTES)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
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
            if trusted:
                return self._run(session, sql, caps, options, fresh)
            checked = check(sql, session.rules)
            if checked.error is not None:
                return _failed(checked.error)
            return self._run(session, checked.sql, caps, options, fresh)
        except Lost as problem:
            self._session = None
            return _failed(str(problem))
        finally:
            sandbox.arm(0)

    def _connect(self, options: Mapping[str, Any]) -> Session:
        sandbox.arm(2 * CONNECT_TIMEOUT_S)
        try:
            self._session = self._module.connect(options, self._max_memory_bytes)
        except self._module.ERRORS as problem:
            raise Lost(_line(problem)) from problem
        return self._session

    def _run(
        self, session: Session, sql: str, caps: Caps, options: Mapping[str, Any], fresh: bool
    ) -> Answer:
        start = time.perf_counter()
        sandbox.arm(caps.timeout_s + sandbox.GRACE_S)
        self._running = True
        try:
            columns, chunks, truncated = session.run(sql, caps)
            return Answer(
                columns, chunks, truncated, None, False, time.perf_counter() - start, True
            )
        except Lost:
            if fresh:
                raise
            self._running = False
            return self._run(self._connect(options), sql, caps, options, True)
        except MemoryError:
            return _failed("out of memory: the statement needs more than the memory limit")
        except Exception as problem:
            sentence, late = session.explain(problem)
            if late:
                sentence = f"stopped after {caps.timeout_s:g} s"
            return _failed(sentence, late, time.perf_counter() - start)
        finally:
            self._running = False


def _failed(error: str, timed_out: bool = False, seconds: float = 0.0) -> Answer:
    return Answer((), [], False, error, timed_out, seconds, True)


def _line(problem: BaseException) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__
