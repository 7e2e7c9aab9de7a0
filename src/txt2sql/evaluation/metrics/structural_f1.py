"""Structural F1: how much of the gold query a prediction has, clause by clause, for any SQL.

Partial credit where exact set match (Yu et al., EMNLP 2018) says right or wrong: both queries are
reduced to bags of parts (`sql.structure`), and the score is the F1 of their overlap. It is 1 exactly
when the bags are equal, and 0 when the prediction cannot be parsed; it runs no SQL. A low score is no
proof of a wrong query, as many queries answer one question.

>>> metric = StructuralF1(dataset.schema)  # doctest: +SKIP
>>> metric(example, prediction, database).score  # doctest: +SKIP
0.857
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from txt2sql.execution.database import Database
from txt2sql.sql.structure import Part, parts
from txt2sql.types import Example, Outcome, Prediction, Schema, Verdict


class StructuralF1:
    """A metric that needs the schema of each database, to know whose an unqualified column is.

    `schema(db_id)` is best a look-up that returns the same object each time: parsed queries are
    remembered for that object.
    """

    name = "structural_f1"

    def __init__(self, schema: Callable[[str], Schema]) -> None:
        self.schema = schema

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction; `details` has its precision and recall."""
        schema = self.schema(example.db_id)
        gold = parts(example.gold_sql, schema)
        if gold is None:
            reason = "the gold query cannot be parsed"
            return Verdict(example.id, self.name, Outcome.GOLD_ERROR, 0.0, reason)
        if not (prediction.sql and prediction.sql.strip()):
            reason = "the completion holds no SQL"
            return Verdict(example.id, self.name, Outcome.NO_SQL, 0.0, reason)
        predicted = parts(prediction.sql, schema)
        if predicted is None:
            reason = "the prediction cannot be parsed as one query"
            return Verdict(example.id, self.name, Outcome.PREDICTION_ERROR, 0.0, reason)
        if gold == predicted:
            details = {"precision": 1.0, "recall": 1.0}
            return Verdict(example.id, self.name, Outcome.CORRECT, 1.0, "", details)
        precision, recall = overlap(gold, predicted)
        return Verdict(
            example.id,
            self.name,
            Outcome.WRONG_RESULT,
            f1(gold, predicted),
            difference(gold, predicted),
            {"precision": precision, "recall": recall},
        )


def overlap(gold: Counter[Part], predicted: Counter[Part]) -> tuple[float, float]:
    """Precision and recall of the predicted parts; neither bag is empty, as every query has parts."""
    common = (gold & predicted).total()
    return common / predicted.total(), common / gold.total()


def f1(gold: Counter[Part], predicted: Counter[Part]) -> float:
    """The harmonic mean of precision and recall, as 2 |A & B| / (|A| + |B|): symmetric, in [0, 1]."""
    return 2 * (gold & predicted).total() / (gold.total() + predicted.total())


def difference(gold: Counter[Part], predicted: Counter[Part]) -> str:
    """What is missing and what is too much, for a person who reads verdicts."""
    said = []
    for word, bag in (("missing", gold - predicted), ("extra", predicted - gold)):
        if bag:
            clause, text = next(iter(bag))
            more = f" and {bag.total() - 1} more" if bag.total() > 1 else ""
            said.append(f"{word}: {clause} {text[:100]}{more}")
    return "; ".join(said)
