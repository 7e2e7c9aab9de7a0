"""Statements by the request that wants them, so that a Stop ends the right one at the database.

A request may have several at a time (candidates of a second look). What one gave is kept for the
request until it is forgotten: choosing among candidates and answering run each statement once.

>>> statements = Statements(service.run)  # doctest: +SKIP
>>> statements.run("3f2c", "SELECT count(*) FROM shop")  # doctest: +SKIP
('SELECT count(*) FROM shop', QueryResult(...))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from txt2sql.execution.pool import interrupt
from txt2sql.types import QueryResult

Ran = tuple[str, QueryResult]
"""The statement in the database's dialect, and what it gave."""

STOPPED = QueryResult(error="stopped")
_AGAIN_S = 0.02


@dataclass(slots=True)
class _Request:
    stopped: bool = False
    threads: set[int] = field(default_factory=set)
    known: dict[str, Ran] = field(default_factory=dict)


class Statements:
    """What runs for which request; `run` executes one statement, within limits of its own."""

    def __init__(self, run: Callable[[str], Ran], together: int = 8) -> None:
        self._run = run
        self._changed = threading.Condition()
        self._requests: dict[str, _Request] = {}
        self._pool = ThreadPoolExecutor(together, "statement")

    def begin(self, request: str) -> None:
        """A request begins: from now on it can be stopped."""
        with self._changed:
            self._requests.setdefault(request, _Request())

    def run(self, request: str, sql: str, run: Callable[[str], Ran] | None = None) -> Ran:
        """Run a statement for a request, once; one that was stopped runs nothing more. `run` has
        other limits than usual."""
        thread = threading.get_ident()
        with self._changed:
            state = self._requests.setdefault(request, _Request())
            if state.stopped:
                return sql, STOPPED
            if sql in state.known:
                return state.known[sql]
            state.threads.add(thread)
        try:
            found = (run or self._run)(sql)
        finally:
            with self._changed:
                state.threads.discard(thread)
                self._changed.notify_all()
        state.known[sql] = found
        return found

    def __call__(self, db_id: str, sql: str) -> QueryResult:
        """As an executor: requests are told apart by the db_id that their examples name."""
        return self.run(db_id, sql)[1]

    def ahead(self, statements: Sequence[tuple[str, str]]) -> None:
        """Run statements of several requests at the same time; `run` then has what they gave."""
        list(self._pool.map(lambda pair: self.run(*pair), dict.fromkeys(statements)))

    def stop(self, request: str) -> None:
        """End what runs for a request, and all that it would still run; returns when it has."""
        with self._changed:
            state = self._requests.get(request)
            if state is None:
                return
            state.stopped = True
            while state.threads:
                # A thread that is about to hand its statement on cannot be interrupted yet.
                for thread in state.threads:
                    interrupt(thread)
                self._changed.wait(_AGAIN_S)

    def stopped(self, request: str) -> bool:
        """True after a Stop."""
        with self._changed:
            state = self._requests.get(request)
            return state is not None and state.stopped

    def forget(self, request: str) -> None:
        """The request is over."""
        with self._changed:
            self._requests.pop(request, None)
