"""BIRD's execution accuracy (EX) and soft F1: what two results have in common, as sets of rows.

Li et al., "Can LLM Already Serve as a Database Interface?" (BIRD), NeurIPS 2023, and the behaviour
of bird-bench/mini_dev. Unlike in Spider's EX, duplicates and the order of rows never count, and the
order of columns always does.

>>> same_set([(1, "a"), (2, "b")], [(2.0, "b"), (1, "a"), (1, "a")])
True
>>> soft_f1([("Ann", 30), ("Bob", 40)], [("Ann", 30)])
0.6666666666666666
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from txt2sql.evaluation.mode import LIMITS
from txt2sql.evaluation.taxonomy import no_sql
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Row, Verdict

_Run = Callable[[Database, str], QueryResult]


class BirdMetric:
    """A metric that scores the rows of gold and predicted; 1 is correct.

    `gold` runs gold statements: hand in one that remembers. `official` makes a prediction without
    SQL one that returns no rows, which is right where the gold returns none, as BIRD's scripts do;
    else it is NO_SQL. A prediction over the row limit is judged by the rows below it, and is never
    correct.
    """

    def __init__(
        self, name: str, limits: Limits = LIMITS, official: bool = True, gold: _Run | None = None
    ) -> None:
        self.name = name
        self.score = SCORES[name]
        self.limits = limits
        self.official = official
        self._gold = gold or (lambda database, sql: execute(database, sql, limits))

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction on one database."""
        return Verdict(example.id, self.name, *self._judge(example, prediction, database))

    def _judge(
        self, example: Example, prediction: Prediction, database: Database
    ) -> tuple[Outcome, float, str]:
        gold = self._gold(database, example.gold_sql)
        if not gold.ok or gold.truncated:
            reason = f"the gold query fails: {gold.error or 'it returns too many rows'}"
            return Outcome.GOLD_ERROR, 0.0, reason
        sql = prediction.sql
        if sql == example.gold_sql:
            predicted = gold
        elif sql and sql.strip():
            predicted = execute(database, sql, self.limits)
        elif self.official:
            predicted = QueryResult()
        else:
            return Outcome.NO_SQL, 0.0, no_sql(prediction)
        if not predicted.ok:
            failure = Outcome.TIMEOUT if predicted.timed_out else Outcome.PREDICTION_ERROR
            return failure, 0.0, predicted.error or ""
        score = float(self.score(gold.rows, predicted.rows))
        if predicted.truncated:
            reason = f"the result was cut off after {len(predicted.rows):,} rows"
            return Outcome.WRONG_RESULT, score if score < 1 else 0.0, reason
        if score == 1:
            return Outcome.CORRECT, 1.0, ""
        return Outcome.WRONG_RESULT, score, "other rows, or the columns in another order"


def same_set(gold: Sequence[Row], predicted: Sequence[Row]) -> bool:
    """True when both hold the same rows; 1 equals 1.0, NULL equals NULL, and 1 is not '1'."""
    return gold == predicted or set(gold) == set(predicted)


def soft_f1(gold: Sequence[Row], predicted: Sequence[Row]) -> float:
    """F1 over cells of the distinct rows, paired by position: first with first, and so on.

    Within a pair the order of cells is free. All shares are of the gold's width: what a wider
    predicted row has too much counts accordingly. A row without partner counts as one. Two empty
    results score 1. Not symmetric where the widths differ or a row repeats a value.
    """
    gold_rows, predicted_rows = list(dict.fromkeys(gold)), list(dict.fromkeys(predicted))
    if not gold_rows and not predicted_rows:
        return 1.0
    right = wrong = missed = 0.0
    for ours, theirs in zip(gold_rows, predicted_rows, strict=False):
        width = len(ours)
        hits = width if ours == theirs else sum(cell in ours for cell in theirs)
        right += hits / width
        wrong += (len(theirs) - hits) / width
        missed += 0.0 if ours == theirs else sum(cell not in theirs for cell in ours) / width
    wrong += max(0, len(predicted_rows) - len(gold_rows))
    missed += max(0, len(gold_rows) - len(predicted_rows))
    if not right:
        return 0.0
    precision, recall = right / (right + wrong), right / (right + missed)
    return 2 * precision * recall / (precision + recall)


SCORES: dict[str, Callable[[Sequence[Row], Sequence[Row]], float]] = {
    "bird_execution_accuracy": same_set,
    "bird_soft_f1": soft_f1,
}
