"""Why a prediction failed: one word per verdict, read from its outcome and its reason.

The reasons are what SQLite says of a statement that does not run, what the guard says of one that
it does not let run, and what execution accuracy says of a result that differs.

>>> no_sql(Prediction("dev-0", None, problem="the question asks to change data"))
'the question asks to change data'
>>> category(Verdict("dev-0", "execution_accuracy", Outcome.PREDICTION_ERROR, 0.0, "no such column: a"))
'unknown_column'
"""

from __future__ import annotations

from collections.abc import Mapping

from txt2sql.types import Outcome, Prediction, Verdict

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
"""Every category, in the order of a report."""

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
    "fewer rows than": "wrong_rows",
    "other values": "wrong_values",
    "another order": "wrong_values",
}


def no_sql(prediction: Prediction) -> str:
    """Why a prediction has no SQL: the predictor's own sentence where it gives one."""
    return prediction.problem or "the completion holds no SQL"


def category(verdict: Verdict) -> str:
    """The category of a verdict, one of CATEGORIES."""
    if verdict.outcome is Outcome.WRONG_RESULT:
        return _first(_DIFFERENCES, verdict.reason) or "wrong_result"
    if verdict.outcome is Outcome.PREDICTION_ERROR:
        return _first(_ERRORS, verdict.reason) or "other_error"
    return str(verdict.outcome.value)


def _first(names: Mapping[str, str], reason: str) -> str | None:
    """The name for the phrase that stands first: what a message quotes of the SQL comes later."""
    places = [(reason.index(phrase), name) for phrase, name in names.items() if phrase in reason]
    return min(places)[1] if places else None
