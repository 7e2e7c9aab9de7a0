"""Named ways of judging: `strict` is what we hold to be right, `official` what the benchmark's own
script says, quirks included. A score means nothing without the name of its mode.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from txt2sql.errors import ConfigError
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.types import QueryResult

MODES = ("strict", "official")

VERSION = 1
"""Of the judge: raise it with every change after which a verdict or a result may be another."""

LIMITS = Limits(
    timeout_s=30.0, max_rows=1_000_000, max_result_bytes=64_000_000, max_memory_bytes=1_000_000_000
)
"""Wider than for answering people: gold queries return up to tens of thousands of rows."""


def judge_version() -> str:
    """What tells verdicts that may differ apart: the judge's version, and SQLite's."""
    return f"{VERSION}, SQLite {sqlite3.sqlite_version}"


@dataclass(frozen=True, slots=True)
class Judging:
    """`keep_distinct` belongs to the official Spider mode, which by default drops every DISTINCT;
    `both` has execution accuracy say what the other mode finds, too."""

    mode: str = "strict"
    keep_distinct: bool = False
    both: bool = True
    limits: Limits = LIMITS

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"no mode '{self.mode}'; choose one of {', '.join(MODES)}")

    @property
    def official(self) -> bool:
        return self.mode == "official"

    @property
    def label(self) -> str:
        return f"{self.mode}, DISTINCT kept" if self.official and self.keep_distinct else self.mode


class GoldResults:
    """Each gold statement runs once per database, whatever the number of predictions."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._results: dict[tuple[Path, str], QueryResult] = {}

    def result(self, database: Database, sql: str) -> QueryResult:
        key = (database.path, sql)
        if key not in self._results:
            self._results[key] = execute(database, sql, self.limits)
        return self._results[key]
