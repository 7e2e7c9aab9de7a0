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
        schema = self.schema(example.db_id)
        gold = clause_items(example.gold_sql, schema)
        if gold is None:
            reason = "the gold query cannot be parsed"
            return Verdict(example.id, self.name, Outcome.GOLD_ERROR, 0.0, reason)
        if not (prediction.sql and prediction.sql.strip()):
            outcome, reason = without_sql(prediction)
            return Verdict(example.id, self.name, outcome, 0.0, reason)
        predicted = clause_items(prediction.sql, schema)
        if predicted is None:
            reason = "the prediction cannot be parsed as one query"
            return Verdict(example.id, self.name, Outcome.PREDICTION_ERROR, 0.0, reason)
        outcome = Outcome.CORRECT if gold == predicted else Outcome.WRONG_RESULT
        score, reason = jaccard(gold, predicted), difference(gold, predicted)
        return Verdict(example.id, self.name, outcome, score, reason)


def difference(gold: Items, predicted: Items) -> str:
    """What is missing and what is too much, for a person who reads verdicts."""
    sentences = []
    for word, bag in (("missing", gold - predicted), ("extra", predicted - gold)):
        if bag:
            clause, text = next(iter(bag))
            more = f" and {bag.total() - 1} more" if bag.total() > 1 else ""
            sentences.append(f"{word}: {clause} {text[:100]}{more}")
    return "; ".join(sentences)
