"""Gold results: each gold statement runs once per database, whatever the number of predictions.

>>> GoldResults(LIMITS).result(database, "SELECT 1").rows  # doctest: +SKIP
((1,),)
"""

from __future__ import annotations

from pathlib import Path

from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.types import QueryResult


class GoldResults:
    """Results by database and statement."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._results: dict[tuple[Path, str], QueryResult] = {}

    def result(self, database: Database, sql: str) -> QueryResult:
        """The result of one gold statement."""
        key = (database.path, sql)
        if key not in self._results:
            self._results[key] = execute(database, sql, self.limits)
        return self._results[key]
