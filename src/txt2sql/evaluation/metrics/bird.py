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

from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.mode import LIMITS
from txt2sql.evaluation.verdicts import failure, without_sql
from txt2sql.execution.database import Database
from txt2sql.execution.execute import execute
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Row, Verdict


class BirdMetric:
    """A metric that scores the rows of gold and predicted; 1 is correct.

    `official` makes a prediction without SQL one that returns no rows, which is right where the gold
    returns none, as BIRD's scripts do; else it is NO_SQL. A prediction over the row limit is judged by
    the rows below it, and is never correct.
    """

    def __init__(self, name: str, official: bool = True, gold: GoldResults | None = None) -> None:
        self.name = name
        self.score = SCORES[name]
        self.official = official
        self.gold = gold or GoldResults(LIMITS)

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction on one database."""
        gold, sql = self.gold.result(database, example.gold_sql), prediction.sql
        if not gold.ok or gold.truncated:
            reason = f"the gold query fails: {gold.error or 'it returns too many rows'}"
            return Verdict(example.id, self.name, Outcome.GOLD_ERROR, 0.0, reason)
        if sql == example.gold_sql:
            predicted = gold
        elif sql and sql.strip():
            predicted = execute(database, sql, self.gold.limits)
        elif self.official:
            predicted = QueryResult()
        else:
            outcome, reason = without_sql(prediction)
            return Verdict(example.id, self.name, outcome, 0.0, reason)
        return Verdict(example.id, self.name, *self._compare(gold, predicted))

    def _compare(self, gold: QueryResult, predicted: QueryResult) -> tuple[Outcome, float, str]:
        if not predicted.ok:
            outcome, reason = failure(predicted)
            return outcome, 0.0, reason
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
