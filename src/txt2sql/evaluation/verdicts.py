"""Verdicts: a judged example, why its prediction failed in one word, and the row that is written of it.

>>> category(Verdict("dev-0", "execution_accuracy", Outcome.PREDICTION_ERROR, 0.0, "no such column: a"))
'unknown_column'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from txt2sql.execution.database import Database
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Verdict

EXECUTION = "execution_accuracy"
"""The metric that outcomes are counted by; the first one where it is not among the metrics."""

CATEGORIES = (
    "correct",
    "wrong_values",  # as many rows and columns as the gold, but other cells or another order
    "wrong_rows",  # more or fewer rows
    "wrong_columns",  # more or fewer columns
    "wrong_result",  # by a metric that compares no rows
    "unknown_column",
    "unknown_table",
    "ambiguous_column",
    "parse_failure",
    "refused",  # not a read, or several statements
    "other_error",
    "timeout",
    "no_sql",
    "gold_error",
)

_ERRORS = {
    "no such column": "unknown_column",
    "no such table": "unknown_table",
    "ambiguous column": "ambiguous_column",
    "syntax error": "parse_failure",
    "incomplete input": "parse_failure",
    "unrecognized token": "parse_failure",
    "NUL character": "parse_failure",
    "stack overflow": "parse_failure",
    "refused:": "refused",
    "not authorized": "refused",
    "only SELECT": "refused",
    "only one statement": "refused",
    "one statement at a time": "refused",
    "statement is longer than": "refused",
    "statement is empty": "no_sql",
}
_DIFFERENCES = {
    "column, gold has": "wrong_columns",
    "columns, gold has": "wrong_columns",
    "row, gold has": "wrong_rows",
    "rows, gold has": "wrong_rows",
    "more rows than": "wrong_rows",
    "other values": "wrong_values",
    "another order": "wrong_values",
}


class Judged(NamedTuple):
    """One example, what was predicted for it, and one verdict per metric."""

    example: Example
    prediction: Prediction
    verdicts: tuple[Verdict, ...]

    @property
    def primary(self) -> Verdict:
        return next((v for v in self.verdicts if v.metric == EXECUTION), self.verdicts[0])


Finding = tuple[Outcome, str]  # with the reason, which is "" for what is correct


class RightOrWrong:
    """A metric whose score is 1 or 0; its subclasses find outcome and reason."""

    name: str

    def judge(self, example: Example, prediction: Prediction, database: Database) -> Finding:
        raise NotImplementedError

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        outcome, reason = self.judge(example, prediction, database)
        return Verdict(example.id, self.name, outcome, float(outcome is Outcome.CORRECT), reason)


def without_sql(prediction: Prediction) -> Finding:
    return Outcome.NO_SQL, prediction.problem or "the completion holds no SQL"


def failure(result: QueryResult) -> Finding:
    return Outcome.TIMEOUT if result.timed_out else Outcome.PREDICTION_ERROR, result.error or ""


def category(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.WRONG_RESULT:
        return _first(_DIFFERENCES, verdict.reason) or "wrong_result"
    if verdict.outcome is Outcome.PREDICTION_ERROR:
        return _first(_ERRORS, verdict.reason) or "other_error"
    return str(verdict.outcome.value)


def _first(names: Mapping[str, str], reason: str) -> str | None:
    """The name for the phrase that stands first: what a message quotes of the SQL comes later."""
    positions = [(reason.index(phrase), name) for phrase, name in names.items() if phrase in reason]
    return min(positions)[1] if positions else None


def verdict_rows(judged: Iterable[Judged]) -> Iterator[dict[str, Any]]:
    """One JSON object per example: question, gold, prediction, scores. `exact` and `exec` are 1 or
    0 by exact match and execution accuracy, `partial` the component scores; null where that metric
    was not computed or the gold query cannot be judged."""
    for i, item in enumerate(judged):
        example, prediction, verdicts = item
        usable = {v.metric: v for v in verdicts if v.outcome is not Outcome.GOLD_ERROR}
        exact, execution = usable.get("exact_match"), usable.get(EXECUTION)
        component = usable.get("component_match")
        row: dict[str, Any] = {
            "i": i,
            "example_id": example.id,
            **{name: getattr(example, name) for name in ("db_id", "question", "gold_sql")},
            "sql": prediction.sql,
            "hardness": example.difficulty,
            "confidence": prediction.confidence,
            "features": list(prediction.features),
            "exact": int(exact.correct) if exact else None,
            "exec": int(execution.correct) if execution else None,
            "partial": component.details["partial"] if component and component.details else None,
        }
        if verdicts:
            primary = item.primary
            row["outcome"], row["category"] = primary.outcome.value, category(primary)
            row["reason"] = primary.reason
        row["scores"] = {v.metric: v.score if v.metric in usable else None for v in verdicts}
        yield row
