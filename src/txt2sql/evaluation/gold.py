"""Gold results: each gold statement runs once per database, whatever the number of predictions.

>>> GoldResults(LIMITS).result(database, "SELECT 1").rows  # doctest: +SKIP
((1,),)
"""

from __future__ import annotations

import marshal

from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.types import QueryResult

Key = tuple[str, str]
"""(path of the database, statement)."""

_KEPT_BYTES = 4_000_000


class GoldResults:
    """Remembers results; `known` are those of an earlier run, as `drain` gave them out."""

    def __init__(self, limits: Limits, known: dict[Key, bytes] | None = None) -> None:
        self.limits = limits
        self.known = {} if known is None else known
        self._results: dict[Key, QueryResult] = {}
        self._fresh: list[Key] = []

    def result(self, database: Database, sql: str) -> QueryResult:
        """The result of one gold statement."""
        key = (str(database.path), sql)
        result = self._results.get(key)
        if result is None:
            blob = self.known.get(key)
            if blob is None:
                result = execute(database, sql, self.limits)
                self._fresh.append(key)
            else:
                columns, rows = marshal.loads(blob)
                result = QueryResult(columns, rows)
            self._results[key] = result
        return result

    def drain(self) -> list[tuple[str, str, bytes]]:
        """(path, statement, result) of what ran since the last call, errors and giants left out."""
        fresh = [(key, self._results[key]) for key in self._fresh]
        self._fresh = []
        blobs = [
            (*key, marshal.dumps((result.columns, result.rows)))
            for key, result in fresh
            if result.ok and not result.truncated
        ]
        return [entry for entry in blobs if len(entry[2]) <= _KEPT_BYTES]
