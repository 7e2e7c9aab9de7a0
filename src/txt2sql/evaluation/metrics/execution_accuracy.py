"""Execution accuracy (EX): does the predicted SQL return what the gold SQL returns?

Both statements are executed on the same database and `execution.compare.same_result` decides, with
the order of rows counting when the gold query has an ORDER BY (Yu et al. 2018; Zhong et al. 2020,
"Semantic Evaluation for Text-to-SQL with Distilled Test Suites"). A gold query that fails makes the
example unscorable (GOLD_ERROR), never wrong.

>>> metric = ExecutionAccuracy()  # doctest: +SKIP
>>> metric(example, prediction, database).outcome  # doctest: +SKIP
<Outcome.CORRECT: 'correct'>
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from txt2sql.execution.compare import same_result
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.sql import is_ordered
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Verdict

LIMITS = Limits(timeout_s=30.0, max_rows=100_000)
"""Wider than for answering people: gold queries of Spider return up to tens of thousands of rows."""


class ExecutionAccuracy:
    """A metric that remembers gold results, so that each gold query runs once per database."""

    name = "execution_accuracy"

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._gold: dict[tuple[Path, str], QueryResult] = {}

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction on one database."""
        outcome, reason = self._judge(example.gold_sql, prediction.sql, database)
        score = 1.0 if outcome is Outcome.CORRECT else 0.0
        return Verdict(example.id, self.name, outcome, score, reason)

    def _judge(
        self, gold_sql: str, predicted_sql: str | None, database: Database
    ) -> tuple[Outcome, str]:
        gold = self._gold_result(gold_sql, database)
        if not gold.ok:
            return Outcome.GOLD_ERROR, f"the gold query fails: {gold.error}"
        if gold.truncated:
            return Outcome.GOLD_ERROR, f"the gold query returns over {self.limits.max_rows} rows"
        if not (predicted_sql and predicted_sql.strip()):
            return Outcome.NO_SQL, "the completion holds no SQL"
        # One row more than the gold has is wrong already, so nothing beyond it need be fetched.
        enough = replace(self.limits, max_rows=len(gold.rows) + 1)
        predicted = execute(database, predicted_sql, enough)
        if predicted.timed_out:
            return Outcome.TIMEOUT, predicted.error or "stopped at the time limit"
        if not predicted.ok:
            return Outcome.PREDICTION_ERROR, predicted.error or ""
        if same_result(gold, predicted, is_ordered(gold_sql)):
            return Outcome.CORRECT, ""
        return Outcome.WRONG_RESULT, difference(gold, predicted)

    def _gold_result(self, sql: str, database: Database) -> QueryResult:
        key = (database.path, sql)
        if key not in self._gold:
            self._gold[key] = execute(database, sql, self.limits)
        return self._gold[key]


def difference(gold: QueryResult, predicted: QueryResult) -> str:
    """In what the two results differ, for a person who reads verdicts."""
    if len(predicted.columns) != len(gold.columns):
        return f"{_count(len(predicted.columns), 'column')}, gold has {len(gold.columns)}"
    if len(predicted.rows) > len(gold.rows):
        return f"more rows than the gold's {len(gold.rows)}"
    if len(predicted.rows) != len(gold.rows):
        return f"{_count(len(predicted.rows), 'row')}, gold has {len(gold.rows)}"
    return "other values, or the same rows in another order"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
