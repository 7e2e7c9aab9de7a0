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

_Mark = tuple[int, ...]


class Contained:
    """The connections of this process, and the timer that ends it."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, _Mark, int], tuple[sqlite3.Connection, Authorizer]]
        self._open = OrderedDict()

    def run(self, path: str, mark: _Mark, sql: str, timeout_s: float, sizes: _Mark) -> Answer:
        """Run one statement; `sizes` are max_rows, max_result_bytes, max_cell_bytes."""
        sandbox.arm(timeout_s + sandbox.GRACE_S)
        try:
            connection, authorizer = self._connection(path, mark, sizes[2])
            authorizer.volatile = False
            answer = sandbox.run(connection, sql, timeout_s, *sizes)
            return answer._replace(volatile=authorizer.volatile) if authorizer.volatile else answer
        except (sqlite3.Error, OSError) as problem:
            return Answer((), [], False, f"cannot open the database: {problem}", False, 0.0, True)
        finally:
            sandbox.arm(0)

    def _connection(
        self, path: str, mark: _Mark, max_cell: int
    ) -> tuple[sqlite3.Connection, Authorizer]:
        known = self._open.get((path, mark, max_cell))
        if known is None:
            authorizer = Authorizer()
            connection = sandbox.connect(path, authorizer, max_cell, own_process=True)
            known = self._open[path, mark, max_cell] = (connection, authorizer)
            if len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)[1][0].close()
        return known


here: Contained | None = None
"""What runs statements in this process, when it is a sandbox."""


def contain(max_memory_bytes: int) -> None:
    """Make this process a sandbox, for good: its memory is limited and it can write to no file."""
    global here
    sandbox.limit_process(max_memory_bytes)
    here = Contained()
