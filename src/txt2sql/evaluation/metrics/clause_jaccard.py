"""Clause Jaccard: how much of the gold query a prediction has, clause by clause, for any SQL.

Field's name: partial credit by component matching (Yu et al., EMNLP 2018). Both queries become bags of
clause items (`sql.clauses`), and the score is the Jaccard index of the two: 1 exactly when the bags are
equal, 0 when the prediction cannot be parsed. It runs no SQL. A low score is no proof of a wrong query,
as many queries answer one question.

>>> metric = ClauseJaccard(dataset.schema)  # doctest: +SKIP
>>> metric(example, prediction, database).score  # doctest: +SKIP
0.75
"""

from __future__ import annotations

from collections.abc import Callable

from txt2sql.evaluation.verdicts import without_sql
from txt2sql.execution.database import Database
from txt2sql.sql.clauses import Items, clause_items, jaccard
from txt2sql.types import Example, Outcome, Prediction, Schema, Verdict


class ClauseJaccard:
    """A metric that needs the schema of each database, to know whose an unqualified column is."""

    name = "clause_jaccard"

    def __init__(self, schema: Callable[[str], Schema]) -> None:
        self.schema = schema

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction."""
        outcome, reason, score = self._judge(example, prediction)
        return Verdict(example.id, self.name, outcome, score, reason)

    def _judge(self, example: Example, prediction: Prediction) -> tuple[Outcome, str, float]:
        schema = self.schema(example.db_id)
        gold = clause_items(example.gold_sql, schema)
        if gold is None:
            return Outcome.GOLD_ERROR, "the gold query cannot be parsed", 0.0
        if not (prediction.sql and prediction.sql.strip()):
            return (*without_sql(prediction), 0.0)
        predicted = clause_items(prediction.sql, schema)
        if predicted is None:
            return Outcome.PREDICTION_ERROR, "the prediction cannot be parsed as one query", 0.0
        outcome = Outcome.CORRECT if gold == predicted else Outcome.WRONG_RESULT
        return outcome, _difference(gold, predicted), jaccard(gold, predicted)


def _difference(gold: Items, predicted: Items) -> str:
    """What is missing and what is too much."""
    sentences = []
    for word, bag in (("missing", gold - predicted), ("extra", predicted - gold)):
        if bag:
            clause, text = next(iter(bag))
            more = f" and {bag.total() - 1} more" if bag.total() > 1 else ""
            sentences.append(f"{word}: {clause} {text[:100]}{more}")
    return "; ".join(sentences)
