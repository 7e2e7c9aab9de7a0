"""Clause Jaccard: how much of the gold query a prediction has, clause by clause, for any SQL.

Field's name: partial credit by component matching (Yu et al., EMNLP 2018). Both queries become bags of
clause items (`sql.clauses`), and the score is the Jaccard index of the two. It runs no SQL.
"""

from __future__ import annotations

from collections.abc import Callable

from txt2sql.evaluation.verdicts import without_sql
from txt2sql.execution.database import Database
from txt2sql.sql.clauses import Items, clause_items, jaccard
from txt2sql.types import Example, Outcome, Prediction, Schema, Verdict


class ClauseJaccard:
    """`schema` gives the schema of a db_id, which says whose an unqualified column is."""

    name = "clause_jaccard"

    def __init__(self, schema: Callable[[str], Schema]) -> None:
        self.schema = schema

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        schema, score = self.schema(example.db_id), 0.0
        gold = clause_items(example.gold_sql, schema)
        predicted = clause_items(prediction.sql or "", schema)
        if gold is None:
            outcome, reason = Outcome.GOLD_ERROR, "the gold query cannot be parsed"
        elif not (prediction.sql and prediction.sql.strip()):
            outcome, reason = without_sql(prediction)
        elif predicted is None:
            outcome = Outcome.PREDICTION_ERROR
            reason = "the prediction cannot be parsed as one query"
        else:
            outcome = Outcome.CORRECT if gold == predicted else Outcome.WRONG_RESULT
            reason, score = _difference(gold, predicted), jaccard(gold, predicted)
        return Verdict(example.id, self.name, outcome, score, reason)


def _difference(gold: Items, predicted: Items) -> str:
    sentences = []
    for word, bag in (("missing", gold - predicted), ("extra", predicted - gold)):
        if bag:
            clause, text = next(iter(bag))
            more = f" and {bag.total() - 1} more" if bag.total() > 1 else ""
            sentences.append(f"{word}: {clause} {text[:100]}{more}")
    return "; ".join(sentences)
