"""The metrics: each one file, one signature `Metric(example, prediction, database) -> Verdict`.

>>> sorted(METRICS)[:2]
['bird_execution_accuracy', 'bird_soft_f1']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.metrics.test_suite import TestSuiteAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.types import Example, Prediction, Schema, Verdict


class Metric(Protocol):
    """Judges one prediction against its example's gold SQL; never raises for what SQL does."""

    @property
    def name(self) -> str: ...

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a metric may need beyond an example, its prediction and its database.

    `schema` gives a db_id's schema, `entry` its item of Spider's tables.json, where there is one;
    `suites` is the folder of test suites.
    """

    judging: Judging = Judging()
    schema: Callable[[str], Schema] | None = None
    entry: Callable[[str], Mapping[str, Any] | None] = lambda db_id: None
    suites: Path | None = None
    gold: GoldResults = field(default_factory=lambda: GoldResults(Judging().limits))


METRICS: dict[str, Callable[[Context], Metric]] = {
    ExecutionAccuracy.name: lambda c: ExecutionAccuracy(c.judging, gold=c.gold),
    TestSuiteAccuracy.name: lambda c: TestSuiteAccuracy(c.judging, folder=c.suites, gold=c.gold),
}
"""Name -> a new metric for a context."""
