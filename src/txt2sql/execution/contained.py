"""A process that is its own sandbox: statements run here, and if one kills it, only it dies.

`execute` keeps a process that must live apart from the statements it runs. A process forked to judge
predictions need not live: it holds itself to the limits of the worker process (memory, no writes, a
kill timer), runs every statement itself, and spares sending rows from process to process.

>>> contain(256_000_000)  # doctest: +SKIP
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

from txt2sql.execution import sandbox
from txt2sql.execution.sandbox import Answer, Authorizer

_MAX_OPEN = 32
# What a statement meets whose temporary tables outgrow their buffer, as no file may be written.
_SPILLED = ("disk I/O error", "database or disk is full")

_Mark = tuple[int, ...]


class Contained:
    """The connections of this process, and the timer that ends it."""

    def __init__(self, max_memory_bytes: int) -> None:
        self._spill_at_bytes = max_memory_bytes // 2
        self._open: OrderedDict[object, tuple[sqlite3.Connection, Authorizer]] = OrderedDict()

    def run(self, path: str, mark: _Mark, sql: str, timeout_s: float, sizes: _Mark) -> Answer:
        """Run one statement; `sizes` are max_rows, max_result_bytes, max_cell_bytes."""
        sandbox.arm(timeout_s + sandbox.GRACE_S)
        try:
            answer = self._run(path, mark, sql, timeout_s, sizes, self._spill_at_bytes)
            if answer.error in _SPILLED:
                left = timeout_s - answer.seconds
                answer = self._run(path, mark, sql, left, sizes, 0)
            return answer
        except (sqlite3.Error, OSError) as problem:
            return Answer((), [], False, f"cannot open the database: {problem}", False, 0.0, True)
        finally:
            sandbox.arm(0)

    def _run(
        self, path: str, mark: _Mark, sql: str, timeout_s: float, sizes: _Mark, spill_at_bytes: int
    ) -> Answer:
        key = (path, mark, sizes[2], spill_at_bytes)
        known = self._open.get(key)
        if known is None:
            authorizer = Authorizer()
            connection = sandbox.connect(path, authorizer, sizes[2], True, spill_at_bytes)
            known = self._open[key] = (connection, authorizer)
            if len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)[1][0].close()
        known[1].volatile = False
        answer = sandbox.run(known[0], sql, timeout_s, *sizes)
        return answer._replace(volatile=True) if known[1].volatile else answer


here: Contained | None = None
"""What runs statements in this process, when it is a sandbox."""


def contain(max_memory_bytes: int) -> None:
    """Make this process a sandbox, for good: its memory is limited and it can write to no file."""
    global here
    sandbox.limit_process(max_memory_bytes)
    here = Contained(max_memory_bytes)
