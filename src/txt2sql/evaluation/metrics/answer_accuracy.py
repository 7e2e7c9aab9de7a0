"""Answer accuracy (denotation accuracy): does the query return the answer that is on record?

For data sets of questions with answers and no SQL, as WikiTableQuestions. `answers.py` compares.

>>> AnswerAccuracy()(example, Prediction("train-0", "SELECT 2004"), database).score  # doctest: +SKIP
1.0
"""

from __future__ import annotations

from txt2sql.evaluation.answers import answers_match
from txt2sql.evaluation.mode import LIMITS
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.types import Example, Outcome, Prediction, Verdict

_SHOWN = 3


class AnswerAccuracy:
    """1 where the rows of the prediction are the answers. An example without answers is GOLD_ERROR."""

    name = "answer_accuracy"

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction on one database."""
        if not example.answers:
            return self._verdict(
                example, Outcome.GOLD_ERROR, "the question has no answers on record"
            )
        if not (prediction.sql or "").strip():
            return self._verdict(example, Outcome.NO_SQL, "the completion holds no SQL")
        result = execute(database, prediction.sql or "", self.limits)
        if not result.ok:
            outcome = Outcome.TIMEOUT if result.timed_out else Outcome.PREDICTION_ERROR
            return self._verdict(example, outcome, result.error or "")
        if answers_match(result.rows, example.answers):
            return self._verdict(example, Outcome.CORRECT)
        rows = ", ".join(map(str, result.rows[:_SHOWN])) or "no rows"
        return self._verdict(
            example,
            Outcome.WRONG_RESULT,
            f"{rows} instead of {', '.join(example.answers[:_SHOWN])}",
        )

    def _verdict(self, example: Example, outcome: Outcome, reason: str = "") -> Verdict:
        score = float(outcome is Outcome.CORRECT)
        return Verdict(example.id, self.name, outcome, score, reason)
