"""The metrics: each one file, one signature `Metric(example, prediction, database) -> Verdict`.

>>> sorted(METRICS)
['execution_accuracy']
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.execution.database import Database
from txt2sql.types import Example, Prediction, Verdict


class Metric(Protocol):
    """Judges one prediction against its example's gold SQL; never raises for what SQL does."""

    @property
    def name(self) -> str: ...

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict: ...


METRICS: dict[str, Callable[[], Metric]] = {ExecutionAccuracy.name: ExecutionAccuracy}
"""Name -> a new metric with its default settings."""
