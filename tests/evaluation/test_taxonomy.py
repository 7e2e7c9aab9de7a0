"""Categories: of messages written here, and of what the metric really says."""

from __future__ import annotations

import pytest

from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.taxonomy import CATEGORIES, category
from txt2sql.execution.database import Database
from txt2sql.types import Example, Outcome, Prediction, Verdict


def verdict(outcome: Outcome, reason: str = "") -> Verdict:
    return Verdict("a", "execution_accuracy", outcome, 0.0, reason)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ('no such column: "syntax error"', "unknown_column"),
        ('near "no such": syntax error', "parse_failure"),
        ("the query failed: no such table: T", "unknown_table"),
        ("misuse of aggregate: COUNT()", "other_error"),
        ("no such function: YEAR", "other_error"),
        ("out of memory: the statement needs more than the memory limit", "other_error"),
        ("", "other_error"),
        ('unrecognized token: "\'abc"', "parse_failure"),
    ],
)
def test_the_first_known_phrase_of_an_error_decides(reason: str, expected: str) -> None:
    assert category(verdict(Outcome.PREDICTION_ERROR, reason)) == expected


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_category(outcome: Outcome) -> None:
    assert category(verdict(outcome)) in CATEGORIES


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (None, "no_sql"),
        ("  ", "no_sql"),
        ("SELECT id FORM shop", "parse_failure"),
        ("SELECT id FROM shop WHERE", "parse_failure"),
        ("SELECT id FROM shop WHERE city = 'Lisbon", "parse_failure"),
        ("SELECT id FROM store", "unknown_table"),
        ("SELECT town FROM shop", "unknown_column"),
        ("SELECT id FROM shop AS a JOIN shop AS b", "ambiguous_column"),
        ("DELETE FROM shop", "refused"),
        ("SELECT 1; SELECT 2", "refused"),
        ("SELECT count(*) FROM shop WHERE count(*) > 1", "other_error"),
        ("SELECT id, city FROM shop", "wrong_columns"),
        ("SELECT id FROM shop WHERE id > 1", "wrong_rows"),
        ("SELECT id FROM shop UNION ALL SELECT id FROM shop", "wrong_rows"),
        ("SELECT opened FROM shop", "wrong_values"),
        ("SELECT id FROM shop", "correct"),
    ],
)
def test_what_the_metric_says_is_understood(shop: Database, sql: str | None, expected: str) -> None:
    metric = ExecutionAccuracy()
    example = Example("a", "shop", "Which shops are there?", "SELECT id FROM shop")
    assert category(metric(example, Prediction("a", sql), shop)) == expected
