"""BIRD's execution accuracy (EX): do gold and predicted return the same set of rows?

Li et al., "Can LLM Already Serve as a Database Interface?" (BIRD), NeurIPS 2023, and the behaviour
of bird-bench/mini_dev. Unlike in Spider's EX, duplicates and the order of rows never count, and the
order of columns always does.
"""

from __future__ import annotations

from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.mode import LIMITS
from txt2sql.evaluation.verdicts import Finding, RightOrWrong, failure, without_sql
from txt2sql.execution.database import Database
from txt2sql.execution.execute import execute
from txt2sql.types import Example, Outcome, Prediction, QueryResult


class BirdExecutionAccuracy(RightOrWrong):
    """`official` makes a prediction without SQL one that returns no rows, which is right where the gold
    returns none, as BIRD's scripts do; else it is NO_SQL."""

    name = "bird_execution_accuracy"

    def __init__(self, official: bool = True, gold: GoldResults | None = None) -> None:
        self.official = official
        self.gold = gold or GoldResults(LIMITS)

    def judge(self, example: Example, prediction: Prediction, database: Database) -> Finding:
        gold, sql = self.gold.result(database, example.gold_sql), prediction.sql
        if not gold.ok or gold.truncated:
            problem = gold.error or "it returns too many rows"
            return Outcome.GOLD_ERROR, f"the gold query fails: {problem}"
        if sql and sql.strip():
            same_text = sql == example.gold_sql
            predicted = gold if same_text else execute(database, sql, self.gold.limits)
        elif self.official:
            predicted = QueryResult()
        else:
            return without_sql(prediction)
        if not predicted.ok:
            return failure(predicted)
        if predicted.truncated:
            n = len(predicted.rows)
            return Outcome.WRONG_RESULT, f"the result was cut off after {n:,} rows"
        if set(gold.rows) == set(predicted.rows):  # 1 equals 1.0, NULL equals NULL, 1 is not '1'
            return Outcome.CORRECT, ""
        return Outcome.WRONG_RESULT, "other rows, or the columns in another order"
